"""Bounds what the fuzzer waits for: a claim may ask the server to wait for work."""

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("wait_seconds"), int) and body["wait_seconds"] > 0:
        body["wait_seconds"] = 0
