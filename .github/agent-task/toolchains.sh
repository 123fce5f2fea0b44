#!/usr/bin/env bash
# What the machine of a run lacks: the agent itself, the toolchain that the harness is built with, and dbt where the Stack is
# one that needs it. Node, pnpm and Python are there by the actions before.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

npm install --global --no-fund --no-audit @anthropic-ai/claude-code@2.1.332
rustup toolchain install 1.95 --profile minimal
rustup default 1.95
if [ "${TASK_STACK:?}" = lightdash ]; then
  python3 -m pip install --quiet 'dbt-core==1.7.0' 'dbt-postgres==1.7.0' 'protobuf>=4.0.0,<5.0.0'
fi
