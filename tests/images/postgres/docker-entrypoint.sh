#!/bin/sh
# Makes a cluster in an empty PGDATA, then becomes the command. The same variables, order and words
# as the official image's entrypoint, as far as our specs and tests use them: POSTGRES_PASSWORD,
# POSTGRES_USER, POSTGRES_DB (also as files: …_FILE), POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD,
# and /docker-entrypoint-initdb.d with *.sh, *.sql and *.sql.gz.
set -eu

# A setting: its variable's value, or what is in the file that its other variable names.
setting() { # VALUE FILE DEFAULT
  if [ -n "$1" ] && [ -n "$2" ]; then
    echo "error: a variable and its _FILE are both set (but are exclusive): $2" >&2
    exit 1
  fi
  if [ -n "$2" ]; then set -- "$(cat "$2")" '' "$3"; fi
  printf '%s' "${1:-$3}"
}

sql() { psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$user" --no-password "$@"; }

make_cluster() { # postgres OPTION...
  password="$(setting "${POSTGRES_PASSWORD-}" "${POSTGRES_PASSWORD_FILE-}" '')"
  user="$(setting "${POSTGRES_USER-}" "${POSTGRES_USER_FILE-}" postgres)"
  db="$(setting "${POSTGRES_DB-}" "${POSTGRES_DB_FILE-}" "$user")"
  auth="${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}"
  if [ -z "$password" ] && [ "$auth" != trust ]; then
    cat >&2 <<'TEXT'
Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the
       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".
TEXT
    exit 1
  fi
  printf '%s\n' "$password" >/tmp/pwfile
  # The socket is where the official image has it, and where these programs look for it.
  # shellcheck disable=SC2086 # several words
  initdb --username="$user" --pwfile=/tmp/pwfile \
    --set=unix_socket_directories='/var/run/postgresql, /tmp' ${POSTGRES_INITDB_ARGS-}
  rm /tmp/pwfile
  printf '\nhost all all all %s\n' "$auth" >>"$PGDATA/pg_hba.conf"

  # For what is to be done before anybody may come in: it listens on no TCP.
  "$@" -c listen_addresses='' &
  server=$!
  until pg_isready --quiet; do
    kill -0 "$server" || exit 1
    sleep 0.1
  done
  if [ "$db" != postgres ]; then
    echo 'CREATE DATABASE :"db";' | sql --dbname postgres --set db="$db"
  fi
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
    *.sh)
      echo "$0: running $file"
      # shellcheck source=/dev/null
      if [ -x "$file" ]; then "$file"; else . "$file"; fi
      ;;
    *.sql) echo "$0: running $file" && sql --dbname "$db" -f "$file" ;;
    *.sql.gz) echo "$0: running $file" && gunzip -c "$file" | sql --dbname "$db" ;;
    esac
  done
  kill -INT "$server"
  wait "$server"
  printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

case "${1-}" in -*) set -- postgres "$@" ;; esac

if [ "${1-}" = postgres ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  if [ "$(id -u)" = 0 ]; then
    chown postgres:postgres /var/run/postgresql
    find "$PGDATA" ! -user postgres -exec chown postgres:postgres {} +
    chmod 700 "$PGDATA"
    # With its path: the name alone is busybox's, which can do less.
    exec /usr/bin/setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
  fi
  if [ -s "$PGDATA/PG_VERSION" ]; then
    printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
  else
    make_cluster "$@"
  fi
fi
exec "$@"
