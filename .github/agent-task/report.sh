#!/usr/bin/env bash
# Tells the issue what became of its task. When all stages passed it pushes the branch and opens a pull request first. It
# runs in a job of its own, in a fresh checkout, with the rights to do so; all that it gets from the other job is data.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

: "${GITHUB_REPOSITORY:?}" "${TASK_BRANCH:?}" "${TASK_RUN_URL:?}"
issue="$(event '.issue.number')"
base="$(event '.repository.default_branch')"
status="$(jq -r '.status // empty' "$TASK_DIR/outcome.json" 2>/dev/null || true)"
words="$(jq -r '.words // empty | .[:1000]' "$TASK_DIR/outcome.json" 2>/dev/null || true)"
comment="$TASK_DIR/comment.md"
: >"$comment"
code=0

# Text of others as a block of code, in which nothing is markup and nobody is called.
quoted() { cut -c 1-500 | sed -n '1,40s/^/    /p'; }

# The stages as a table, and where one failed its first error.
stages() {
  [ -s "$TASK_DIR/verify.json" ] || return 0
  jq -r '"| Stage | Result | Seconds |", "|---|---|---|",
    (.stages[] | "| \(.name | gsub("[^A-Za-z0-9._ -]"; "?")) | \(.status | gsub("[^a-z-]"; "?")) | \((.duration_ms // 0) / 1000) |")' \
    "$TASK_DIR/verify.json" 2>/dev/null || return 0
  if jq -e 'any(.stages[]; .first_error)' "$TASK_DIR/verify.json" >/dev/null; then
    printf '\nFirst error:\n\n'
    jq -r 'first(.stages[] | select(.first_error) | .first_error)' "$TASK_DIR/verify.json" | quoted
  fi
}

# Pushes what is in the bundle and opens the pull request; prints its address.
publish() {
  git -c fetch.fsckObjects=true fetch --quiet "$TASK_DIR/work.bundle" \
    '+refs/agent-task/result:refs/agent-task/result' >&2 || return
  git merge-base --is-ancestor "${TASK_BASE:?}" refs/agent-task/result || return
  git push --quiet origin "refs/agent-task/result:refs/heads/$TASK_BRANCH" >&2 || return
  pushed=yes
  {
    printf "Closes #%s.\n\nMade by a coding agent for that issue; \`ctl verify --full\` passed. [The run](%s)\n\n" \
      "$issue" "$TASK_RUN_URL"
    stages
  } >"$TASK_DIR/pull.md"
  jq --arg head "$TASK_BRANCH" --arg base "$base" --rawfile body "$TASK_DIR/pull.md" \
    '{title: ("#\(.issue.number): \(.issue.title)" | .[:250]), $head, $base, $body}' -- "$GITHUB_EVENT_PATH" |
    api POST "/repos/$GITHUB_REPOSITORY/pulls" >"$TASK_DIR/pull.json" || return
}

case "$status" in
  pass)
    pushed=no
    if publish; then
      printf 'Done, and all stages passed: %s\n\n' "$(jq -r .html_url "$TASK_DIR/pull.json")" >>"$comment"
    elif [ "$pushed" = yes ]; then
      code=1
      printf 'All stages passed, and the work is on the branch %s, but no pull request could be opened:\n\n' \
        "$TASK_BRANCH" >>"$comment"
      jq -r '.message // .' "$TASK_DIR/pull.json" 2>/dev/null | quoted >>"$comment"
    else
      code=1
      printf 'All stages passed, but the branch could not be pushed (a change to workflows may not be, for one). %s\n\n' \
        'The work is in the artefact of the run, as a Git bundle.' >>"$comment"
    fi
    stages >>"$comment"
    ;;
  verify)
    printf 'Not done: the checks fail, so there is no pull request.\n\n' >>"$comment"
    printf '%s\n\n' "$words" >>"$comment"
    stages >>"$comment"
    ;;
  nothing) printf 'The agent ended without a change, so there is no pull request.\n' >>"$comment" ;;
  agent | broken | secret | stack)
    case "$status" in
      agent) printf 'Not done: the agent did not come to an end.\n\n' ;;
      broken) printf 'Not done: the work could not be checked.\n\n' ;;
      secret) printf 'Not done, and the work is thrown away. Change that key.\n\n' ;;
      stack) printf 'Not begun: the agent got no stack.\n\n' ;;
    esac >>"$comment"
    quoted <<<"$words" >>"$comment"
    ;;
  *) printf 'Not done: the run ended before it came to a result (%s).\n' "${WORK_RESULT:-unknown}" >>"$comment" ;;
esac
printf '\n[Logs and results of the run](%s)\n' "$TASK_RUN_URL" >>"$comment"

jq -n --rawfile body "$comment" '{$body}' |
  api POST "/repos/$GITHUB_REPOSITORY/issues/$issue/comments" >/dev/null
exit "$code"
