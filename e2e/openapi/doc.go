// Package openapi checks server/api/openapi.yaml as users of the API see it: the specification passes a
// public linter, and the TypeScript and Python clients generated from it compile. The tools are pinned in
// package-lock.json, requirements.txt and fuzz-requirements.txt and installed into temporary directories. A
// test whose tools cannot be installed reports itself as not run.
//
// A fuzzer, Schemathesis, then calls the server binary with the whole specification, as callers of every kind
// and on both databases: from the examples, at and beyond every bound, at random, and in sequences that it
// derives. An answer that is a server error or not declared fails the test, which does not accept `default`
// for a declaration. After it, memory, goroutines and CPU of the server must be as before.
//
// The fuzzer prints how to repeat each finding with curl. The test repeats a run with its seed, and is more
// thorough with more examples for each operation:
//
//	E2E_FUZZ_SEED=7 E2E_FUZZ_EXAMPLES=50 go test ./e2e/openapi -run 'AsSpecified/SQLite/viewer' -v
//
// What the fuzzer finds is fixed for all of its kind, with a test in Go that needs no fuzzer.
//
// To update the Node.js tools, change package.json and run `npm install --package-lock-only`. To update the
// Python packages, run pip-compile with --generate-hashes, --no-emit-index-url and --no-emit-find-links on a
// file that contains `openapi-python-client==VERSION`, for the fuzzer `schemathesis==VERSION`.
package openapi
