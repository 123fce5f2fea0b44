//! What is asked of containers by people, against a real engine. Without one it is not run, and a line says so;
//! with `HARNESS_TEST_DOCKER=require` that is a failure.

mod engine;
mod leaks;
mod live;
