#!/usr/bin/env bash
# Formatting, go vet and staticcheck in every module, shellcheck on the scripts.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(git ls-files -z '*.go' | xargs -0 gofmt -l)
[ -z "$unformatted" ] || { printf 'lint: not formatted (make fmt):\n%s\n' "$unformatted" >&2; exit 1; }

go vet ./...
go tool staticcheck ./...
git ls-files '*/go.mod' | while read -r mod; do
  dir=$(dirname "$mod")
  [ -z "$(go -C "$dir" list ./... 2>/dev/null)" ] || go -C "$dir" vet ./... # some modules only pin what is built from elsewhere
done
if command -v shellcheck >/dev/null; then
  git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck
else
  echo "lint: not run: shellcheck is not installed" >&2
  [ "${REQUIRE_ALL:-}" != 1 ]
fi
