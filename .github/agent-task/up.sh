#!/usr/bin/env bash
# The agent's stack, by `controller once`: servers, template, worktree, database, processes, checked until healthy. Then a
# controller goes on behind it, so that `ctl` can be used. The other agents of the folder of specs do not come up; this
# checkout is thrown away.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

: "${TASK_SPECS:?}" "${TASK_STACK:?}" "${TASK_AGENT:?}" "${TASK_BRANCH:?}"

for file in "$TASK_SPECS"/*.yaml; do
  # One that holds agents alone.
  if awk '$1 == "kind:" { if ($2 == "Agent") agent = 1; else other = 1 } END { exit !(agent && !other) }' "$file"; then
    rm -- "$file"
  fi
done
printf '%s\n' 'apiVersion: agent-harness.dev/v1alpha1' 'kind: Agent' "metadata: {name: agent-$TASK_AGENT}" \
  "spec: {stack: $TASK_STACK, worktree: {branch: $TASK_BRANCH}}" >"$TASK_SPECS/agent-$TASK_AGENT.yaml"

if ! controller once --specs "$TASK_SPECS" --timeout "${TASK_READY:-30m}" >"$TASK_DIR/controller.log" 2>&1; then
  tail -n 30 -- "$TASK_DIR/controller.log" >&2
  outcome stack "the agent's stack did not become ready: $(tail -n 1 -- "$TASK_DIR/controller.log")"
  exit 1
fi
setsid nohup controller run --specs "$TASK_SPECS" </dev/null >>"$TASK_DIR/controller.log" 2>&1 &
controller=$!
until ctl exec "$TASK_AGENT" -- true 2>/dev/null; do
  if ! kill -0 "$controller" 2>/dev/null; then
    outcome stack "the controller ended: $(tail -n 1 -- "$TASK_DIR/controller.log")"
    exit 1
  fi
  sleep 0.2
done
if ! ctl wait "$TASK_AGENT" --timeout 5m >&2; then
  outcome stack "the agent's stack did not stay ready"
  exit 1
fi
ctl exec "$TASK_AGENT" -- git rev-parse HEAD >"$TASK_DIR/base"
