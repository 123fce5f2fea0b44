#!/bin/sh
# Installs requirements.txt into .venv. What is fetched is kept beside pip's own cache, which an index can forbid, so that
# the next agent needs no network; one agent fetches at a time.
set -eu

wheels=${XDG_CACHE_HOME:-$HOME/.cache}/harness-mlflow
mkdir -p "$wheels"
fetch() {
  pip3 download --quiet --require-hashes -r requirements.txt --dest "$wheels" --find-links "$wheels" "$@"
}

exec 9>"$wheels/lock"
flock 9
fetch --no-index 2>/dev/null || fetch
exec 9>&-

# The environment has no pip of its own, which Debian keeps in another package. It is made anew each time: pip takes a
# package for whole that was only half installed when it was interrupted.
python3 -m venv --clear --without-pip .venv
pip3 --python .venv/bin/python install --quiet --no-index --find-links "$wheels" --require-hashes -r requirements.txt
