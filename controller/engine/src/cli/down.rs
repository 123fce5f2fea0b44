//! `controller down`: ends everything of a state folder, through its daemon where one runs, else by itself.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_harness_model::api::Event;
use agent_harness_providers::fs;

use super::args::DownArgs;
use super::daemon::{self, AskError};
use super::say;
use crate::core::{Config, StartError};
use crate::engine::Engine;
use crate::host::Host;
use crate::leftovers;
use crate::lock::{Lock, LockError};

/// How long a daemon that was told to go down may take to end itself.
const GOODBYE: Duration = Duration::from_secs(20);

/// How long the state folder may be held by somebody who cannot be asked: a daemon that is just starting or
/// ending.
const BETWEEN: Duration = Duration::from_secs(30);

/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// Goes down.
pub async fn down(args: DownArgs) -> Result<(), ExitCode> {
    let named = args.state.state.is_some();
    let state = args.state.folder()?;
    if !args.yes {
        let what = if args.purge { "destroys all data of" } else { "stops all processes of" };
        say::problem(&format!(
            "this {what} {}; add --yes if that is what you want",
            state.display()
        ));
        return Err(ExitCode::from(2));
    }
    let state = std::path::absolute(&state).map_err(|error| say::failed(&error))?;
    if !is_used(&state, named)? {
        return Ok(());
    }
    let config =
        Config::new(state.join("no-specs"), state.clone()).map_err(|error| say::failed(&error))?;
    let deadline = Instant::now() + BETWEEN;
    loop {
        match Engine::open(config.clone(), Host::new) {
            Ok(engine) => {
                alone(engine, args.purge).await?;
                break;
            }
            Err(StartError::Lock(LockError::Held { .. })) => {}
            Err(error) => return Err(say::failed(&error)),
        }
        match daemon::down(&state, args.purge, tell).await {
            Ok(()) => {
                until_free(&state).await?;
                break;
            }
            Err(AskError::Away(_)) if Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(say::failed(&error)),
        }
    }
    if args.purge {
        tell_kept(&state);
    }
    Ok(())
}

/// Names what was not destroyed.
fn tell_kept(state: &Path) {
    let kept: Vec<_> = leftovers::kept(state).iter().map(|it| it.display().to_string()).collect();
    if !kept.is_empty() {
        say::word(&format!("kept, as you may have written it: {}", kept.join(", ")));
    }
}

/// Whether there is anything to end. A folder that cannot be looked into may hold everything, and one that was named
/// and does not exist is a mistake, not a success.
fn is_used(state: &Path, named: bool) -> Result<bool, ExitCode> {
    let look = |path: &Path| fs::metadata(path).map_err(|error| say::failed(&error));
    if look(&state.join("installation"))?.is_some() {
        return Ok(true);
    }
    let folder = state.display();
    if look(state)?.is_some() {
        say::word(&format!("{folder} is no state folder, or nothing was ever started from it"));
    } else if named {
        say::problem(&format!("there is no state folder at {folder}"));
        return Err(ExitCode::FAILURE);
    } else {
        say::word(&format!("nothing was ever started: there is no state folder at {folder}"));
    }
    Ok(false)
}

/// Ends everything by itself.
async fn alone(engine: Engine<Host>, purge: bool) -> Result<(), ExitCode> {
    let core = Arc::clone(engine.core());
    let mut news = core.events.follow(None).1;
    let work = async {
        let result = engine.down(purge).await;
        engine.stop().await;
        result
    };
    tokio::pin!(work);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            event = news.next() => tell(&event),
        }
    };
    while let Some(event) = news.try_next() {
        tell(&event);
    }
    result.map_err(|error| say::failed(&error))
}

/// Tells what was done. How objects stand on the way down is of no interest any more.
fn tell(event: &Event) {
    if !["Done", "Failed", "Deleted"].contains(&event.reason.as_str()) {
        return;
    }
    say::word(format!("{} {} {}", event.object, event.reason, event.message).trim_end());
}

/// The daemon ends itself after that; then the folder is free.
async fn until_free(state: &Path) -> Result<(), ExitCode> {
    let deadline = Instant::now() + GOODBYE;
    while Lock::take(state).is_err() {
        if Instant::now() > deadline {
            say::problem("the controller still runs; its log says why");
            return Err(ExitCode::FAILURE);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::StateFolder;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    const EVENT: &str = r#"{"time":"2026-11-24T11:55:00Z","object":"agent/a","severity":"Normal","reason":"Done","message":"process/main stop","count":1}"#;

    /// A state folder that somebody else holds.
    struct Held {
        state: tempfile::TempDir,
        lock: Lock,
    }

    impl Held {
        fn new() -> Self {
            let state = tempfile::tempdir().unwrap();
            fs::write_atomic(state.path().join("installation"), "i12345678901\n", 0o600).unwrap();
            Self { lock: Lock::take(state.path()).unwrap(), state }
        }

        fn down(&self) -> impl Future<Output = Result<(), ExitCode>> + use<> {
            let state = StateFolder { state: Some(self.state.path().to_path_buf()) };
            down(DownArgs { state, purge: false, yes: true })
        }

        /// Answers one request after the other; the last answer again and again.
        fn answer(&self, answers: &'static [&'static str]) -> tokio::task::JoinHandle<()> {
            let socket = UnixListener::bind(self.state.path().join("control.sock")).unwrap();
            tokio::spawn(async move {
                let mut answers = answers.iter().peekable();
                while let Ok((mut stream, _)) = socket.accept().await {
                    let mut request = [0; 4096];
                    let _ = stream.read(&mut request).await;
                    let Some(answer) = answers.next() else { return };
                    let _ = stream.write_all(answer.as_bytes()).await;
                    if answers.peek().is_none() {
                        return;
                    }
                }
            })
        }
    }

    fn streamed(lines: &[&str]) -> &'static str {
        let body = lines.join("\n") + "\n";
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/jsonl";
        format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).leak()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_failure_at_the_end_of_the_stream_is_a_failure() {
        let held = Held::new();
        let error = r#"{"message":"not everything ended: agent/a","diagnostics":[]}"#;
        held.answer(vec![streamed(&[EVENT, error])].leak());
        assert_eq!(held.down().await, Err(ExitCode::FAILURE));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_refusal_is_final() {
        let held = Held::new();
        let refusal = "HTTP/1.1 409 Conflict\r\ncontent-length: 17\r\n\r\n{\"message\":\"no\"}\n";
        held.answer(vec![refusal].leak());
        assert_eq!(held.down().await, Err(ExitCode::FAILURE));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_daemon_that_is_just_ending_is_waited_for_and_then_replaced() {
        let held = Held::new();
        // It has no socket any more, then one that breaks off in the middle, and the folder is free at last.
        let broken = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"time\":";
        let ending = held.down();
        let ending = tokio::spawn(ending);
        let answered = held.answer(vec![broken].leak());
        answered.await.unwrap();
        fs::remove_file_if_exists(held.state.path().join("control.sock")).unwrap();
        let Held { lock, state } = held;
        drop(lock);
        assert_eq!(ending.await.unwrap(), Ok(()));
        let state = Arc::new(state);
        assert!(Lock::take(state.path()).is_ok());
    }

    #[test]
    fn what_cannot_be_seen_is_not_taken_for_ended() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(is_used(&at("no"), true), Err(ExitCode::FAILURE), "it was named");
        assert_eq!(is_used(&at("no"), false), Ok(false));
        assert_eq!(is_used(folder.path(), true), Ok(false));
        // One that cannot be entered, for root as well.
        std::os::unix::fs::symlink("loop", at("loop")).unwrap();
        for named in [true, false] {
            assert_eq!(is_used(&at("loop"), named), Err(ExitCode::FAILURE));
        }
        fs::write_atomic(at("installation"), "i12345678901\n", 0o600).unwrap();
        assert_eq!(is_used(folder.path(), true), Ok(true));
    }
}
