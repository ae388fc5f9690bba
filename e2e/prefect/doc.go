// Package prefect imports a real Prefect server with `berth import prefect`, and deploys what it has written. Prefect is
// pinned in requirements.txt and installed into a temporary directory. Where that cannot be, the test reports itself as not
// run.
//
// To update Prefect, run pip-compile with --generate-hashes, --no-emit-index-url and --no-emit-find-links on a file that
// contains `prefect==VERSION`.
package prefect
