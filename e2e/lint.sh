#!/usr/bin/env bash
# Formatting, go vet and staticcheck in every module, shellcheck on the scripts.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(git ls-files '*.go' | xargs gofmt -l)
[ -z "$unformatted" ] || { printf 'lint: not formatted (make fmt):\n%s\n' "$unformatted" >&2; exit 1; }

go vet ./...
go tool staticcheck ./...
git ls-files '*/go.mod' | while read -r mod; do go -C "$(dirname "$mod")" vet ./...; done
if command -v shellcheck >/dev/null; then
  git ls-files '*.sh' .ci/run | xargs shellcheck
else
  echo "lint: not run: shellcheck is not installed" >&2
  [ "${REQUIRE_ALL:-}" != 1 ]
fi
