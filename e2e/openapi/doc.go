// Package openapi checks server/api/openapi.yaml as users of the API see it: the specification passes a
// public linter, and the TypeScript and Python clients generated from it compile. The tools are pinned in
// package-lock.json and requirements.txt and installed into temporary directories. A test whose tools cannot
// be installed reports itself as not run.
//
// To update the Node.js tools, change package.json and run `npm install --package-lock-only`. To update the
// Python packages, run pip-compile with --generate-hashes, --no-emit-index-url and --no-emit-find-links on a
// file that contains `openapi-python-client==VERSION`.
package openapi
