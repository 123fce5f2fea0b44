//! The server process of the tests: this very test binary, asked by its environment.

use std::path::Path;

use agent_harness_providers::object_store;

/// Names the configuration file.
pub const VARIABLE: &str = "HARNESS_TEST_OBJECT_STORE";
/// The name of the test that serves, for the command line.
pub const TEST: &str = "s3::child::serves_when_asked";

/// A server when asked to be one; otherwise there is nothing to do.
#[test]
fn serves_when_asked() {
    if let Some(config) = std::env::var_os(VARIABLE)
        && let Err(error) = object_store::run(Path::new(&config))
    {
        // As the controller does: its last words are what is reported.
        eprintln!("{error}");
        std::process::exit(1);
    }
}
