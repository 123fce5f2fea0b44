#!/usr/bin/env bash
# `ctl verify --full` on what the agent committed: its exit code and its JSON are what became of the task.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# There may be nothing to verify.
if [ -e "$TASK_DIR/outcome.json" ]; then exit 0; fi

code=0
ctl verify "${TASK_AGENT:?}" --full >"$TASK_DIR/verify.json" 2>"$TASK_DIR/verify.log" || code=$?
cat -- "$TASK_DIR/verify.log" >&2
status="$(jq -r '.status' "$TASK_DIR/verify.json" 2>/dev/null || true)"
case "$code:$status" in
  0:pass) outcome pass 'all stages passed' ;;
  1:fail)
    outcome verify "$(jq -r '[.stages[] | select(.status == "fail") | .name] | "stages that failed: " + join(", ")' \
      "$TASK_DIR/verify.json")"
    exit 1
    ;;
  3:*)
    why="$(jq -r '.error // first(.stages[].first_error // empty)' "$TASK_DIR/verify.json" 2>/dev/null || true)"
    outcome broken "\`ctl verify\` could not be run: ${why:-$(tail -n 1 -- "$TASK_DIR/verify.log")}"
    exit 1
    ;;
  *)
    outcome broken "\`ctl verify\` gave no verdict (exit code $code): $(tail -n 1 -- "$TASK_DIR/verify.log")"
    exit 1
    ;;
esac
