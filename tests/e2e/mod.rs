//! The whole thing, against real servers: the built programs, a folder of specs, a state folder, and
//! nothing pretended.

mod admission;
mod agent_task;
mod agents;
mod apps;
mod bad_input;
mod containers;
mod db;
mod docker;
mod drift;
mod edits;
mod ends;
mod exchange;
mod external;
mod faults;
mod forge;
mod generations;
mod harness;
mod host;
mod isolation;
mod justfile;
mod life;
mod lightdash;
mod limits;
mod prove;
mod stand_in;
mod stop;
mod store;
mod storm;
mod strangers;
mod top;
mod upgrade;
mod verbs;
mod verify;
mod waiting;
