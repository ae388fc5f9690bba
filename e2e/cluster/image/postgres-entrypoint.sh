#!/bin/sh
# Makes a database in $PGDATA the first time, as the well-known image does: POSTGRES_PASSWORD is needed, POSTGRES_USER
# (postgres) and POSTGRES_DB (as the user) are not. Then runs the server, which listens on every address of its pod.
set -eu

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

[ "${1:-postgres}" = postgres ] || exec "$@"
[ $# -eq 0 ] || shift

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?set it to the password that the database user gets}"
  # Made beside its place and renamed, so that a container killed in between begins again.
  new=$PGDATA.new
  rm -rf "$new"
  mkdir -p "$new"
  chmod 0700 "$new"
  password=$PGDATA.password
  (umask 077 && printf '%s\n' "$POSTGRES_PASSWORD" >"$password")
  initdb --pgdata="$new" --username="$user" --pwfile="$password" --encoding=UTF8 --locale=C.UTF-8 \
    --auth-host=scram-sha-256 --auth-local=trust --no-sync
  rm "$password"
  echo 'host all all all scram-sha-256' >>"$new/pg_hba.conf"
  if [ "$database" != postgres ]; then
    echo "CREATE DATABASE \"$database\"" | postgres --single -D "$new" postgres >/dev/null
  fi
  rmdir "$PGDATA" 2>/dev/null || true
  mv "$new" "$PGDATA"
fi

sockets=/var/run/postgresql
probe=$sockets/.writable # busybox's [ -w … ] does not notice a read-only file system
if (: >"$probe") 2>/dev/null; then rm "$probe"; else sockets=$PGDATA; fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories="$sockets" -c fsync=off "$@"
