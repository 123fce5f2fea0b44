//! `ctl exec` becomes the command, or runs it in a service.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use agent_harness_model::api::{Ended, Frame, Frames};

use crate::support::{Controller, ctl};

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
fn a_shell_of_a_person_says_whose_it_is_and_gives_its_exit_code() {
    let controller = Controller::with_environment(&[("PORT", "8010")]);
    let mut shell = controller.ctl_on_terminal("shell 1");
    let done = shell.env("SHELL", "/bin/sh").write_stdin("echo $PORT\nexit 7\n").assert().code(7);
    let shown = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(shown.contains("(agent-1) $ ") && shown.contains("8010"), "{shown}");
    // What a script is given is the agent's alone.
    let mut shell = controller.ctl();
    let script = "echo $PORT $(env | grep -c ^PS1=); exit 7\n";
    let done = shell.args(["shell", "1"]).write_stdin(script).assert();
    done.code(7).stdout("8010 0\n").stderr("");
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let controller = Controller::with_environment(&[]);
    let done = controller.ctl().args(["exec", "1", "--", "no-such-command"]).assert();
    done.code(127).stderr("error: no-such-command: No such file or directory (os error 2)\n");
    let done = controller.ctl().args(["exec", "1", "--", "/dev/null"]).assert();
    done.code(126).stderr("error: /dev/null: Permission denied (os error 13)\n");
}

/// A stand-in that echoes the input of one command, and says what it was asked for.
fn echoing(socket: &std::path::Path) -> std::thread::JoinHandle<(String, Vec<String>)> {
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(&stream);
        let line = |reader: &mut BufReader<&UnixStream>| {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let first = line(&mut reader);
        while !line(&mut reader).is_empty() {}
        let mut answer = &stream;
        write!(answer, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").unwrap();
        let (mut frames, mut command) = (Frames::default(), Vec::new());
        // The body comes in pieces, each with its length; one without length is its end.
        loop {
            let length = usize::from_str_radix(&line(&mut reader), 16).unwrap();
            let mut piece = vec![0; length];
            reader.read_exact(&mut piece).unwrap();
            line(&mut reader);
            frames.push(&piece);
            while let Some(frame) = frames.next_frame().unwrap() {
                match frame {
                    Frame::Request(request) => command = request.command,
                    Frame::Input(bytes) => {
                        answer.write_all(&Frame::Output(bytes).encode().unwrap()).unwrap();
                    }
                    other => panic!("{other:?}"),
                }
            }
            if length == 0 {
                break;
            }
        }
        for frame in [Frame::Errors(b"done\n".to_vec()), Frame::Ended(Ended::Code(7))] {
            answer.write_all(&frame.encode().unwrap()).unwrap();
        }
        (first, command)
    })
}

#[test]
fn in_a_service_input_output_and_exit_code_are_carried_over() {
    let state = tempfile::tempdir().unwrap();
    let controller = echoing(&state.path().join("control.sock"));
    let done = ctl(state.path())
        .args(["exec", "infra/shared", "db", "--", "cat", "two words"])
        .write_stdin("one\ntwo\n")
        .assert();
    done.code(7).stdout("one\ntwo\n").stderr("done\n");
    let (first, command) = controller.join().unwrap();
    assert_eq!(first, "POST /v1/objects/infra/shared/exec/db HTTP/1.1");
    assert_eq!(command, ["cat", "two words"]);
}
