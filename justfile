# `just --list` shows what there is; needs just 1.45 or later.

# Show what there is
[private]
default:
    @{{ quote(just_executable()) }} --justfile {{ quote(justfile()) }} --list --list-submodules --unsorted

# Stacks of agents: setup, launch, teardown, verify, status, cli, … (`just --list agent`)
mod agent 'contrib/just/agent.just'
