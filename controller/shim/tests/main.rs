//! The program as it was built. That it keeps its promises is tested where it is used, in the process
//! provider; this also makes `cargo test --workspace` build it for the end-to-end tests.

use std::process::Command;

#[test]
fn without_a_run_folder_it_says_what_it_is_for() {
    let output = Command::new(env!("CARGO_BIN_EXE_agent-shim")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "agent-shim holds one process for the controller, which starts it.\n\
         usage: agent-shim RUN_FOLDER < RUN_FOLDER/lock\n"
    );
}
