//! `ctl exec` becomes the command.

use crate::support::Controller;

#[test]
fn the_command_gets_the_worktree_and_the_environment_and_gives_its_exit_code() {
    let controller = Controller::with_environment(&[("PORT", "8010"), ("GREETING", "a b")]);
    let script = r#"echo "$PORT, $GREETING, $#: $1"; [ "$PWD" = "$(pwd)" ] && exit 7"#;
    let done =
        controller.ctl().args(["exec", "1", "--", "sh", "-c", script, "-", "two words"]).assert();
    done.code(7).stdout("8010, a b, 1: two words\n").stderr("");
}

#[test]
fn without_a_command_it_is_the_users_shell() {
    let controller = Controller::with_environment(&[("PORT", "8010")]);
    let done = controller.ctl().args(["exec", "1"]).write_stdin("echo $PORT\n").assert();
    done.success().stdout("8010\n");
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let controller = Controller::with_environment(&[]);
    let done = controller.ctl().args(["exec", "1", "--", "no-such-command"]).assert();
    done.code(127).stderr("error: no-such-command: No such file or directory (os error 2)\n");
    let done = controller.ctl().args(["exec", "1", "--", "/dev/null"]).assert();
    done.code(126).stderr("error: /dev/null: Permission denied (os error 13)\n");
}
