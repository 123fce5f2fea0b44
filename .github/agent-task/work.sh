#!/usr/bin/env bash
# Claude Code without a terminal, in the agent's worktree and with its environment, for AGENT_SECONDS at most. What it left
# uncommitted is committed for it.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

: "${TASK_AGENT:?}" "${AGENT_SECONDS:=2700}"
base="$(cat -- "$TASK_DIR/base")"

in_worktree() { ctl exec "$TASK_AGENT" -- "$@"; }

code=0
began="$SECONDS"
timeout --kill-after=30 "$AGENT_SECONDS" ctl exec "$TASK_AGENT" -- \
  claude -p --output-format json --permission-mode acceptEdits --allowedTools 'Bash,Edit,Write,Read,Glob,Grep' \
  <"$TASK_DIR/prompt.md" >"$TASK_DIR/agent.json" 2>"$TASK_DIR/agent.log" || code=$?
took=$((SECONDS - began))
if [ "$code" -eq 0 ] && jq -e '.is_error == true' "$TASK_DIR/agent.json" >/dev/null 2>&1; then code=1; fi

# Also what was cut short is kept, in the bundle of the run.
if [ -n "$(in_worktree git status --porcelain)" ]; then
  in_worktree git add --all
  in_worktree git commit --quiet --no-verify --message 'What the agent left uncommitted'
fi

case "$code" in
  0) ;;
  127) outcome agent "there is no program \`claude\` on this machine" ;;
  126) outcome agent "the program \`claude\` cannot be run on this machine" ;;
  124) outcome agent "it was not through after $AGENT_SECONDS s and was ended" ;;
  *)
    if [ "$code" -gt 128 ] && [ "$took" -ge "$AGENT_SECONDS" ]; then
      outcome agent "it was not through after $AGENT_SECONDS s and was killed"
    elif [ "$code" -gt 128 ]; then
      outcome agent "it was ended by signal $((code - 128))"
    else
      outcome agent "it failed with exit code $code"
    fi
    ;;
esac
[ "$code" -eq 0 ] || exit 1

if ! in_worktree git merge-base --is-ancestor "$base" HEAD; then
  outcome agent 'it left a history that does not begin where it was given its branch'
  exit 1
fi
if [ "$(in_worktree git rev-list --count "$base..HEAD")" -eq 0 ] || in_worktree git diff --quiet "$base" HEAD; then
  outcome nothing 'the agent ended without a change'
  exit 0
fi
if [ -n "${ANTHROPIC_API_KEY:-}" ] &&
  in_worktree git log --patch --text --format=%B "$base..HEAD" | grep -F -f <(printf '%s\n' "$ANTHROPIC_API_KEY") >/dev/null; then
  outcome secret 'a commit of the agent holds the key of its model'
  exit 1
fi
in_worktree git update-ref refs/agent-task/result HEAD
