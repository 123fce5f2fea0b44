#!/usr/bin/env bash
# Whether a task may begin: only when whoever set the label may write to the repository. Says `allowed=true` or
# `allowed=false` as output of the step; when it cannot be found out, the step fails and nothing begins.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

answer() {
  printf 'allowed=%s\n' "$1" >>"${GITHUB_OUTPUT:?}"
  say "$2"
  exit 0
}

[ "$(event .label.name)" = agent-task ] || answer false 'this label does not begin a task'
sender="$(event .sender.login)"
path="/repos/${GITHUB_REPOSITORY:?}/collaborators/$(event '.sender.login | @uri')/permission"
answered="$TASK_DIR/permission.json"
if ! api GET "$path" >"$answered"; then
  if jq -e '.status == "404" or .message == "Not Found"' "$answered" >/dev/null 2>&1; then
    answer false "$sender is no collaborator of this repository"
  fi
  say "error: the forge does not say what $sender may do here: nothing begins"
  exit 1
fi
# `maintain` and roles of an organisation come as the nearest of these.
case "$(jq -r .permission "$answered")" in
  admin | write) answer true "$sender may write here" ;;
  *) answer false "$sender may not write here: whoever sets this label needs write access" ;;
esac
