//! The verbs, one file each: its arguments, and one function that carries it out.

pub mod apply;
pub mod approve;
pub mod completion;
pub mod convert;
pub mod delete;
pub mod describe;
pub mod diff;
pub mod edit;
pub mod env;
pub mod events;
pub mod exec;
pub mod explain;
pub mod get;
pub mod info;
pub mod logs;
pub mod psql;
pub mod restart;
pub mod schema;
pub mod stats;
pub mod trash;
pub mod undelete;
pub mod url;
pub mod validate;
pub mod wait;
