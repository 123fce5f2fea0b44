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
         usage: agent-shim RUN_FOLDER < RUN_FOLDER/lock\n\
         or:    agent-shim --enter CGROUP... -- PROGRAM ARGUMENT...\n"
    );
}

#[test]
fn it_becomes_a_program_or_says_why_not() {
    let become_it = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-shim"));
        let output = command.arg("--enter").args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, _) = become_it(&["--", "sh", "-c", "echo \"$1\"; exit 7", "sh", "--", "a b"]);
    assert_eq!((code, out.as_str()), (Some(7), "--\n"));
    let missing = "cannot execute no-such-program: no folder of its `PATH` has such a program\n";
    assert_eq!(become_it(&["--", "no-such-program"]), (Some(127), String::new(), missing.into()));
    assert_eq!(become_it(&["--", "/etc/passwd"]).0, Some(126));
    // A group that cannot be entered is said, and the program runs all the same.
    let (code, _, said) = become_it(&["/no/such/group", "--", "true"]);
    assert_eq!(code, Some(0));
    assert!(said.starts_with("agent-shim: cannot enter /no/such/group: "), "{said}");
}
