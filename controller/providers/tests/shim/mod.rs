//! The program `agent-shim`, built from this source.

use std::path::PathBuf;

/// Its path. Cargo builds another package's program for no test, so the first caller asks it to.
pub fn shim() -> PathBuf {
    static BUILT: std::sync::Once = std::sync::Once::new();
    BUILT.call_once(|| {
        let build = ["build", "--quiet", "--package", "agent-harness-shim", "--bin", "agent-shim"];
        let status = std::process::Command::new(env!("CARGO"))
            .args(build)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap();
        assert!(status.success());
    });
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("agent-shim")
}
