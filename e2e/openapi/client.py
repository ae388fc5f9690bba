"""Imports every module of the generated berth_client and uses some of them."""

import importlib
import json
import pkgutil

import berth_client
from berth_client.api.runs import create_run
from berth_client.models import Category, Problem, RunCreate

modules = [m.name for m in pkgutil.walk_packages(berth_client.__path__, "berth_client.")]
for name in modules:
    importlib.import_module(name)
assert len(modules) > 200, f"only {len(modules)} modules were generated"

body = RunCreate.from_dict({"parameters": {"date": "2026-01-01"}, "tags": ["nightly"]})
assert json.loads(json.dumps(body.to_dict()))["tags"] == ["nightly"]
assert Category("node_lost") is Category.NODE_LOST
assert callable(create_run.sync)

problem = Problem.from_dict(
    {"type": "t", "title": "t", "status": 422, "code": "frozen", "errors": [{"pointer": "/a", "message": "m"}]}
)
assert problem.errors[0].pointer == "/a"
