#!/usr/bin/env bash
# Runs every test of the project: `e2e/test.sh`, or only those on the cluster: `e2e/test.sh e2e`.
# A cluster that was up before stays up (also with KEEP_CLUSTER=1); one that this script started is taken down again.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-all}
started=$SECONDS
step() { printf '\033[1m== %s\033[0m (%d s)\n' "$*" "$((SECONDS - started))" >&2; }
cluster() { go -C e2e/cluster run . "$@"; }
# SQLite is C that was translated to Go: under the race detector it takes six times the CPU, and its races are not ours.
# The detector watches all the rest.
race=(-race '-gcflags=modernc.org/...=-race=false')
tests() { go tool gotestsum --format pkgname-and-test-fails --junitfile "build/$1.xml" -- "${race[@]}" -shuffle=on "${@:2}"; }

mkdir -p build
step "what the tests need"
e2e/setup.sh

step "image"
make --no-print-directory image

step "cluster"
was_up=false
if [ -n "${E2E_KUBECONFIG:-}" ] || cluster status >/dev/null 2>&1; then was_up=true; fi
# shellcheck disable=SC2317 # called by the trap
down() {
  [ "$was_up" = true ] || [ "${KEEP_CLUSTER:-}" = 1 ] && return
  step "cluster down"
  cluster down
}
if kubeconfig=$(cluster up | tail -n 1) && [ -n "$kubeconfig" ]; then
  trap down EXIT
  trap 'exit 130' INT TERM
  export E2E_KUBECONFIG=$kubeconfig
  cluster load "$PWD/build/berth-image.tar"
  step "Kueue"
  cluster kueue
elif [ "${REQUIRE_ALL:-}" = 1 ]; then
  echo "test: there is no cluster, and REQUIRE_ALL=1" >&2
  exit 1
else
  echo "test: there is no cluster; the tests that need one will not run" >&2
fi

failed=0
if [ "$what" = all ]; then
  step "unit, database, chart, browser and runtime tests"
  mapfile -t packages < <(go list ./... | grep -v '/e2e$')
  tests unit -timeout=60m "${packages[@]}" || failed=1
  step "the cluster's own tests"
  go -C e2e/cluster test ./... || failed=1
fi
step "end-to-end tests"
tests e2e -timeout=40m -parallel=6 ./e2e || failed=1

step "done"
exit $failed
