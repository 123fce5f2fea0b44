//! Figures, output, commands and a restart, of one container.

use std::time::Duration;

use agent_harness_model::api::{Ended, ExecRequest, Frame};
use agent_harness_model::id::{Mark, Uid};
use agent_harness_model::kinds::container::Action;
use agent_harness_providers::docker::From;
use tokio::sync::mpsc;

use super::engine::{Made, SECRET, engine};

/// Says two things, and ends when it is told to.
const SCRIPT: &str = "trap 'exit 0' TERM; echo begun; echo wrong >&2; while :; do sleep 0.1; done";

/// The next line that is there within a time.
async fn next(lines: &mut mpsc::Receiver<Vec<u8>>) -> Option<String> {
    let line = tokio::time::timeout(Duration::from_secs(20), lines.recv()).await.ok()??;
    // Without its time.
    Some(String::from_utf8(line).unwrap().split_once(' ').unwrap().1.trim_end().to_owned())
}

async fn run(made: &Made, command: &[&str], input: &str) -> (String, String, Ended) {
    let request = ExecRequest {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        terminal: None,
        term: None,
    };
    let (typed, receiver) = mpsc::channel(4);
    typed.send(Frame::Input(input.as_bytes().to_vec())).await.unwrap();
    drop(typed);
    let (sender, mut frames) = mpsc::channel(64);
    let (name, mark) = (made.container(), made.mark());
    made.containers.exec(name, &mark, request, receiver, sender).await.unwrap();
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    while let Some(frame) = frames.recv().await {
        match frame {
            Frame::Output(bytes) => out.extend(bytes),
            Frame::Errors(bytes) => errors.extend(bytes),
            Frame::Ended(ended) => {
                let text = |bytes| String::from_utf8(bytes).unwrap();
                return (text(out), text(errors), ended);
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("it never ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_container_is_like_is_told_without_its_secrets() {
    let Some(engine) = engine().await else { return };
    let made = Made::running(&engine, SCRIPT).await;
    let now = made.containers.now(made.container(), &made.mark(), true).await.unwrap();
    assert_eq!((now.state.as_deref(), now.health.as_deref()), (Some("running"), None));
    assert_eq!((now.memory_limit, now.restarts), (Some(64 << 20), Some(0)));
    assert!(now.digest.as_deref().is_some_and(|it| it.starts_with("sha256:")), "{now:?}");
    assert!(now.memory.is_some_and(|it| it > 0 && it < 64 << 20), "{now:?}");
    assert!(now.pids.is_some_and(|it| it >= 1) && now.started.is_some(), "{now:?}");
    assert!(now.cpu_percent.is_some() && now.network_in.is_some(), "{now:?}");
    assert!(!serde_json::to_string(&now).unwrap().contains(SECRET));

    made.act(Action::Restart(made.want.place.clone())).await;
    let again = made.containers.now(made.container(), &made.mark(), false).await.unwrap();
    assert_eq!(again.state.as_deref(), Some("running"));
    assert!(again.started > now.started, "{again:?}");
    assert_eq!(again.cpu_percent, None, "nobody asked");

    let gone = made.containers.now("harness-no-such-1", &made.mark(), true).await.unwrap();
    assert_eq!(gone.state.as_deref(), Some("not there"));
}

#[tokio::test(flavor = "multi_thread")]
async fn output_comes_as_lines_of_a_log_and_goes_on_through_a_restart() {
    let Some(engine) = engine().await else { return };
    let made = Made::running(&engine, SCRIPT).await;
    let (name, mark) = (made.container().to_owned(), made.mark());
    let logs = async |from| made.containers.logs(&name, &mark, from).await.unwrap().unwrap();
    let mut followed = logs(From { follow: true, ..From::default() }).await;
    let first = [next(&mut followed).await.unwrap(), next(&mut followed).await.unwrap()];
    assert!(first.contains(&"stdout F begun".to_owned()), "{first:?}");
    assert!(first.contains(&"stderr F wrong".to_owned()), "{first:?}");

    let mut last = logs(From { tail: Some(1), ..From::default() }).await;
    assert!(next(&mut last).await.is_some());
    assert_eq!(last.recv().await, None, "one, and then its end");

    made.act(Action::Restart(made.want.place.clone())).await;
    let second = [next(&mut followed).await.unwrap(), next(&mut followed).await.unwrap()];
    assert!(second.contains(&"stdout F begun".to_owned()), "{second:?}");
    let none = made.containers.logs("harness-no-such-1", &mark, From::default()).await;
    assert!(none.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_its_input_and_gives_its_exit_code() {
    let Some(engine) = engine().await else { return };
    let made = Made::running(&engine, SCRIPT).await;
    let (out, errors, ended) =
        run(&made, &["sh", "-c", "cat; echo bad >&2; exit 7"], "one\ntwo\n").await;
    assert_eq!((out.as_str(), errors.as_str(), ended), ("one\ntwo\n", "bad\n", Ended::Code(7)));
    let (out, errors, ended) = run(&made, &["no-such-command"], "").await;
    let why = format!("there is no command `no-such-command` in {}\n", made.container());
    assert_eq!((out.as_str(), errors, ended), ("", why, Ended::Code(127)));
    let (_, errors, ended) = run(&made, &["/etc/passwd"], "").await;
    assert!(errors.starts_with("/etc/passwd cannot be run in "), "{errors}");
    assert_eq!(ended, Ended::Code(126));
}

/// The name alone makes nothing ours.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_container_with_another_mark_nothing_is_told_and_nothing_runs_in_it() {
    let Some(engine) = engine().await else { return };
    let made = Made::running(&engine, SCRIPT).await;
    let others = Mark { installation: "others".to_owned(), uid: Uid::new("u-00000001") };
    let name = made.container();
    let refused = |error: String| {
        assert!(error.contains("belongs to another installation"), "{error}");
    };
    refused(made.containers.now(name, &others, false).await.unwrap_err().to_string());
    refused(made.containers.logs(name, &others, From::default()).await.unwrap_err().to_string());
    let request = ExecRequest { command: vec!["true".to_owned()], terminal: None, term: None };
    let (input, output) = (mpsc::channel(1).1, mpsc::channel(1).0);
    let exec = made.containers.exec(name, &others, request, input, output).await;
    refused(exec.unwrap_err().to_string());
}
