//! The whole thing, against real servers: the built programs, a folder of specs, a state folder, and
//! nothing pretended.

mod admission;
mod agents;
mod apps;
mod bad_input;
mod containers;
mod docker;
mod drift;
mod edits;
mod ends;
mod exchange;
mod external;
mod faults;
mod generations;
mod harness;
mod host;
mod isolation;
mod life;
mod limits;
mod stop;
mod store;
mod storm;
mod strangers;
mod top;
mod upgrade;
mod verbs;
mod waiting;
