//! Worktrees of real repositories.

mod astray;
mod cuts;
mod exchange;
pub mod fixture;
mod hazards;
mod left;
mod locks;
mod pushed;
mod strangers;
mod trash;
mod work;
