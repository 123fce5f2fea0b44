# shellcheck shell=bash
# What the scripts of this folder share; each of them sources it. They are the steps of
# ../workflows/agent-task.yml, and take all that they are told from the environment and from the event's file:
# what people write into an issue is data in files here, never a word of a shell.
set -euo pipefail

# Where the task's files are: prompt, logs, verify.json, outcome.json, work.bundle.
: "${TASK_DIR:=${RUNNER_TEMP:?}/agent-task}"
mkdir -p -- "$TASK_DIR"

say() { printf '%s\n' "$*" >&2; }

# A value out of the event, as it is; fails when there is none.
event() { jq -er "$1" -- "${GITHUB_EVENT_PATH:?}"; }

# How the task ended, for the comment: one word that report.sh knows, and a sentence.
outcome() {
  jq -n --arg status "$1" --arg words "$2" '{$status, $words}' >"$TASK_DIR/outcome.json"
  say "$1: $2"
}

# api METHOD PATH: prints what the forge answers to it, with standard input as body unless it is a GET. The token
# gets there through a pipe, since arguments can be read by everybody.
api() {
  local method="$1" path="$2" body=()
  if [ "$method" = GET ]; then body=(--retry 3); else body=(--data-binary @-); fi
  curl --silent --show-error --fail-with-body --max-time 60 --request "$method" "${body[@]}" \
    --header @<(printf 'authorization: Bearer %s\n' "${GITHUB_TOKEN:?}") \
    --header 'accept: application/vnd.github+json' --header 'content-type: application/json' \
    --header 'x-github-api-version: 2022-11-28' -- "${GITHUB_API_URL:?}$path"
}

# Who commits, where the agent says nothing else.
export GIT_AUTHOR_NAME="${GIT_AUTHOR_NAME:-agent-task}" GIT_AUTHOR_EMAIL="${GIT_AUTHOR_EMAIL:-agent-task@localhost}"
export GIT_COMMITTER_NAME="$GIT_AUTHOR_NAME" GIT_COMMITTER_EMAIL="$GIT_AUTHOR_EMAIL"
