#!/usr/bin/env bash
# Builds the harness and puts its programs before all others. The target folder is that of .ci/run, whose cache is read.
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/agent-harness/target}"
cargo build --locked --release --workspace
printf '%s\n' "$CARGO_TARGET_DIR/release" >>"${GITHUB_PATH:?}"
