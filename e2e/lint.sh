#!/usr/bin/env bash
# Formatting, go vet and staticcheck on what is ours, shellcheck on the scripts.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(git ls-files -z '*.go' | xargs -0 gofmt -l)
[ -z "$unformatted" ] || { printf 'lint: not formatted (make fmt):\n%s\n' "$unformatted" >&2; exit 1; }

go vet ./...
go tool staticcheck ./...

# Of the nested modules, kube and coredns are a main around another project's commands: vetting them would compile all
# of Kubernetes and CoreDNS, which the build of the test cluster does anyway. Others have no package: they pin a build.
git ls-files '*/go.mod' | while read -r mod; do
  dir=$(dirname "$mod")
  case $dir in e2e/cluster/kube | e2e/cluster/coredns) continue ;; esac
  [ -z "$(go -C "$dir" list ./... 2>/dev/null)" ] || go -C "$dir" vet ./...
done
if command -v shellcheck >/dev/null; then
  git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck
else
  echo "lint: not run: shellcheck is not installed" >&2
  [ "${REQUIRE_ALL:-}" != 1 ]
fi
