//! Where specs come from: a watched folder, and commits that `pull` brings into force. Files are read here and nothing more; what is in them is
//! `model::spec`'s affair, what becomes of a file that vanished is the guard's.

pub mod folder;
pub mod guard;
pub mod places;
pub mod servers;
pub mod sources;
pub mod watch;
