//! A command inside of a service: what is typed goes there, what it writes comes here, and so does its exit code.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Read as _};

use agent_harness_model::api::{Ended, ExecRequest, Frame};
use agent_harness_model::id::ObjectKey;
use tokio::sync::mpsc::{Sender, channel};

use super::terminal::{self, Raw};
use crate::client::{Client, encode, path};
use crate::error::{Exit, Failure, Result};
use crate::lookup;
use crate::ui::Ui;

/// What is run where nothing is said.
const SHELL: &str = "sh";

/// Runs it.
pub async fn run(
    (key, service): (&ObjectKey, &str),
    command: Vec<OsString>,
    client: &Client,
    ui: &mut Ui,
) -> Result {
    let command: Vec<String> = if command.is_empty() {
        vec![SHELL.to_owned()]
    } else {
        command.into_iter().map(text).collect::<Result<_>>()?
    };
    // A terminal is for a person at both ends: what goes into a file has no colours and no echo.
    let here = std::io::stdin().is_terminal() && ui.is_terminal();
    let size = here.then(terminal::size).flatten();
    let term = size.and_then(|_| std::env::var("TERM").ok());
    let (sender, frames) = channel(16);
    let request = ExecRequest { command, terminal: size, term };
    // It is the only one so far: there is room.
    let _ = sender.send(Frame::Request(request)).await;
    let path = path(key, &format!("/exec/{}", encode(service)));
    let mut replies = match client.exchange(&path, frames).await {
        Ok(replies) => replies,
        Err(error) => {
            lookup::object(client, key).await?;
            return Err(error.into());
        }
    };
    let raw = size.map(|_| Raw::begin()).transpose()?;
    if raw.is_some() {
        tokio::spawn(terminal::sizes(sender.clone()));
    }
    // A thread of its own, which nobody waits for: a read of a terminal cannot be broken off.
    std::thread::spawn(move || feed(&sender));
    while let Some(frame) = replies.next().await? {
        match frame {
            Frame::Output(bytes) => ui.bytes(&bytes)?,
            Frame::Errors(bytes) => ui.error_bytes(&bytes)?,
            Frame::Ended(Ended::Code(code)) => return Ok(exit(code)),
            Frame::Ended(Ended::Failed(why)) => return Err(Failure::failed(why)),
            Frame::Request(_) | Frame::Input(_) | Frame::Resize(_) => {}
        }
    }
    Err(Failure::failed("the controller broke off in the middle of the command"))
}

fn text(word: OsString) -> Result<String> {
    let not_text =
        |word: OsString| Failure::usage(format!("`{}` is not UTF-8 text", word.to_string_lossy()));
    word.into_string().map_err(not_text)
}

/// Codes go from 0 to 255; what is none of them failed in a way that has no code.
fn exit(code: i64) -> Exit {
    u8::try_from(code).map_or(Exit::Failed, Exit::Command)
}

fn feed(sender: &Sender<Frame>) {
    let mut buffer = [0; 8192];
    let mut stdin = std::io::stdin().lock();
    loop {
        match stdin.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                if sender.blocking_send(Frame::Input(buffer[..count].to_vec())).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
