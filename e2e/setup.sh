#!/usr/bin/env bash
# Installs the Debian packages that the tests need where that is possible (root on Debian), and otherwise says in one
# line what is missing. What is missing makes the tests that need it "not run", by name.
set -euo pipefail

# package=what it brings, by which its presence is judged
needs=(
  gcc=gcc libc6-dev=/usr/include/stdlib.h git=git
  postgresql=/usr/lib/postgresql/*/bin/postgres pgbouncer=pgbouncer
  chromium=chromium firefox-esr=firefox-esr
  containerd=containerd runc=runc containernetworking-plugins=/usr/lib/cni/ptp
  iptables=iptables conntrack=conntrack mount=mount
  busybox-static=/bin/busybox ca-certificates=/etc/ssl/certs/ca-certificates.crt tzdata=/usr/share/zoneinfo/UTC
  shellcheck=shellcheck prometheus=promtool
  nodejs=node npm=npm python3=python3 python3-venv=/usr/lib/python3*/ensurepip
)

present() { # a program on PATH, or a path that may hold a pattern
  case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] ;;
  esac
}

missing=()
for need in "${needs[@]}"; do present "${need#*=}" || missing+=("${need%%=*}"); done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "setup: installing ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  # Debian starts a PostgreSQL cluster, PgBouncer and containerd at installation; the tests start their own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy
    trap 'rm -f $policy' EXIT
  fi
  if apt-get update >"$log" 2>&1 && apt-get install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
    rm -f "$log"
    exit 0
  fi
  tail -n 20 "$log" >&2
fi
echo "setup: missing, and not installable from here: ${missing[*]} (Debian's names); tests that need them will not run" >&2
