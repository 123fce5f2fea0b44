//! The command of a probe: one run of it, of which nothing is left whatever it started.
//!
//! It carries our mark as setup steps do, so what a killed controller leaves is ended with theirs by the next one.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use agent_harness_model::kinds::command::Command;
use agent_harness_shim::identity;
use agent_harness_shim::tree::MARK_VARIABLE;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::mask::Mask;
use crate::setup::{Group, STEP_VARIABLE, Whose, end_of};

/// From the end of a command to the end of reading what it said.
const DRAIN: Duration = Duration::from_secs(1);
/// Bytes of what it said that are kept.
const KEPT: usize = 4096;

/// What the command of a probe carries in its environment.
#[derive(Debug, Clone)]
pub struct Label {
    /// Installation and object.
    pub mark: String,
    /// Of which process it is a probe.
    pub step: String,
}

/// Runs it once. `None`: it took longer than `patience`, and was ended.
pub async fn run(
    command: &Command,
    label: &Label,
    patience: Duration,
) -> Option<Result<(), String>> {
    // Whoever looks may be gone at any moment, and what was started has to be ended all the same.
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let (command, label) = (command.clone(), label.clone());
    let run = async move { carry_out(&command, &label, patience, &stop).await };
    match tokio::spawn(run).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => Some(Err(error.to_string())),
        Err(error) => Some(Err(error.to_string())),
    }
}

async fn carry_out(
    command: &Command,
    label: &Label,
    patience: Duration,
    stop: &CancellationToken,
) -> io::Result<Option<Result<(), String>>> {
    let Some((program, arguments)) = command.argv.split_first() else {
        return Ok(Some(Err("there is no command to run".to_owned())));
    };
    // Of this run alone: the one before it may still be about to be ended.
    let step = format!("{} {}", label.step, uuid::Uuid::now_v7());
    // Before the start, or the end could be missed.
    let mut children = signal(SignalKind::child())?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(command.env.iter().map(|(name, value)| (name, value.reveal())))
        .env(MARK_VARIABLE, &label.mark)
        .env(STEP_VARIABLE, &step)
        .current_dir(&command.cwd)
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut group = Group::of(&child);
    let mut whose = Whose::step(label.mark.clone(), step);
    if let Some(pid) = group.pid() {
        // Nothing of this run is older, and all of `/proc` is too much to read at each look.
        whose = whose.since(identity::of(pid.as_raw_pid())?);
    }
    let (ended, stderr) = (CancellationToken::new(), child.stderr.take());
    let end = async {
        let _ended = ended.clone().drop_guard();
        // Not by `wait`: once it is reaped, its process group may be anybody's.
        let is_in_time = tokio::select! {
            done = end_of(group.pid(), &mut children) => done.map(|()| true)?,
            () = tokio::time::sleep(patience) => false,
            () = stop.cancelled() => false,
        };
        let left = whose.end(Duration::ZERO).await?;
        if !left.is_empty() {
            let pids: Vec<i32> = left.iter().map(|identity| identity.pid).collect();
            let why = format!("it left the pids {pids:?}, which do not end or are not ours to end");
            return Err(io::Error::other(why));
        }
        // Whoever is in its group still has another environment than it was given.
        group.kill();
        let status = child.wait().await?;
        group.disarm();
        Ok(is_in_time.then_some(status))
    };
    let (status, said) = tokio::join!(end, last_words(stderr, &ended));
    let mask = Mask::of(command.env.values());
    Ok(status?.map(|status| judge(status, &mask.apply(&said))))
}

fn judge(status: ExitStatus, last: &str) -> Result<(), String> {
    if status.success() {
        return Ok(());
    }
    let last: String = last.chars().take(200).collect();
    let how = status.to_string().replace("exit status: ", "exit code ");
    Err(if last.is_empty() { how } else { format!("{how}: {last}") })
}

/// The last line of what it says. Somebody unknown may hold the pipe; nobody waits for that.
async fn last_words(stderr: Option<impl AsyncRead + Unpin>, ended: &CancellationToken) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let mut said = Vec::new();
    let mut piece = [0_u8; KEPT];
    let too_late = async {
        ended.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::pin!(too_late);
    loop {
        let count = tokio::select! {
            count = stderr.read(&mut piece) => count.unwrap_or_default(),
            () = &mut too_late => 0,
        };
        if count == 0 {
            break;
        }
        said.extend_from_slice(piece.get(..count).unwrap_or_default());
        said.drain(..said.len().saturating_sub(KEPT));
    }
    String::from_utf8_lossy(&said).lines().last().unwrap_or_default().to_owned()
}
