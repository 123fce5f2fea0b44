#!/usr/bin/env bash
# The prompt: prompt-head.md, then title and body of the issue as they were when the label was set, byte for byte.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cat -- "$(dirname "${BASH_SOURCE[0]}")/prompt-head.md" >"$TASK_DIR/prompt.md"
jq -j '.issue.title, "\n\n", (.issue.body // ""), "\n"' -- "${GITHUB_EVENT_PATH:?}" >>"$TASK_DIR/prompt.md"
