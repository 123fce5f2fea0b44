//! The state, and the picture of it.
