//! The whole thing, against real servers: the built programs, a folder of specs, a state folder, and
//! nothing pretended.

mod bad_input;
mod drift;
mod exchange;
mod faults;
mod harness;
mod isolation;
mod life;
mod stop;
mod store;
