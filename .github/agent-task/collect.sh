#!/usr/bin/env bash
# What is kept of the run, whatever became of it: the commits as a bundle, logs, how the stack stood. The key of the
# model is taken out of all that is text.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

: "${TASK_AGENT:?}"
ctl describe "$TASK_AGENT" >"$TASK_DIR/describe.txt" 2>&1 || true
ctl logs "$TASK_AGENT" >"$TASK_DIR/stack.log" 2>&1 || true
if [ -e "$TASK_DIR/base" ] && [ "$(jq -r .status "$TASK_DIR/outcome.json" 2>/dev/null)" != secret ]; then
  base="$(cat -- "$TASK_DIR/base")"
  ctl exec "$TASK_AGENT" -- git update-ref refs/agent-task/last HEAD || true
  for ref in result last; do
    # Without a commit there is no bundle.
    if ctl exec "$TASK_AGENT" -- git bundle create --quiet "$TASK_DIR/work.bundle" "$base..refs/agent-task/$ref"; then break; fi
  done
fi
if [ -n "${ANTHROPIC_API_KEY:-}" ]; then
  for file in "$TASK_DIR"/*; do
    case "$file" in *.bundle) continue ;; esac
    KEY="$ANTHROPIC_API_KEY" perl -pi -e 's/\Q$ENV{KEY}\E/***/g' -- "$file"
  done
fi
