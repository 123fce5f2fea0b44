//! A command in a container, through the engine: its input, its output, and how it ends.

use std::pin::Pin;

use agent_harness_model::api::{Ended, ExecRequest, Frame, WindowSize};
use agent_harness_model::id::Mark;
use bollard::container::LogOutput;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bollard::query_parameters::ResizeExecOptionsBuilder;
use futures_util::StreamExt as _;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::error::DockerError;
use super::live::Containers;
use super::own::own;

/// How a runtime begins to say that a command could not be started.
const NO_START: &str = "OCI runtime exec failed";

impl Containers {
    /// Runs a command. `input` brings [`Frame::Input`] and [`Frame::Resize`], its end is that of the command's standard
    /// input; `output` is told what the command writes and, last, how it ended. Nobody listening ends it here; the
    /// command then sees the end of its input.
    pub async fn exec(
        &self,
        name: &str,
        mark: &Mark,
        request: ExecRequest,
        input: mpsc::Receiver<Frame>,
        output: mpsc::Sender<Frame>,
    ) -> Result<(), DockerError> {
        let client = self.engine.client().await?;
        let found = own(&self.engine, name, mark).await?;
        let found = found.ok_or_else(|| DockerError::NoContainer { name: name.to_owned() })?;
        if found.state.as_ref().and_then(|state| state.running) != Some(true) {
            return Err(DockerError::NotRunning { name: name.to_owned() });
        }
        let id = found.id.unwrap_or_else(|| name.to_owned());
        let terminal = request.terminal;
        // Arguments may hold a password.
        let program = request.command.first().cloned().unwrap_or_default();
        let action = format!("run `{program}` in {name}");
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(terminal.is_some()),
            console_size: terminal.map(|size| vec![size.lines.into(), size.columns.into()]),
            env: request.term.map(|term| vec![format!("TERM={term}")]),
            cmd: Some(request.command),
            ..ExecConfig::default()
        };
        let exec = self.engine.call(&action, client.create_exec(&id, config)).await?.id;
        let options = StartExecOptions { tty: terminal.is_some(), ..StartExecOptions::default() };
        let start = client.start_exec(&exec, Some(options));
        let started = match self.engine.call(&action, start).await {
            Err(DockerError::Refused { message, .. }) if message.contains(NO_START) => {
                no_start(&output, &program, name, &message).await;
                return Ok(());
            }
            started => started?,
        };
        let StartExecResults::Attached { output: mut said, input: stdin } = started else {
            return Err(DockerError::NoAnswer { action });
        };
        if let Some(size) = terminal {
            self.resize(&exec, size).await;
        }
        let feed = self.feed(&exec, input, stdin);
        tokio::pin!(feed);
        let mut fed = false;
        // Where the command cannot begin, the runtime says so in its place.
        let mut runtime: Option<Vec<u8>> = None;
        let mut first = true;
        loop {
            tokio::select! {
                () = &mut feed, if !fed => fed = true,
                () = output.closed() => return Ok(()),
                piece = said.next() => match piece {
                    Some(Ok(piece)) => {
                        let frame = frame(piece);
                        if let Some(said) = bytes(&frame).filter(|it| first && it.starts_with(NO_START.as_bytes())) {
                            runtime = Some(said.to_vec());
                        } else if output.send(frame).await.is_err() {
                            return Ok(());
                        }
                        first = false;
                    }
                    Some(Err(_)) | None => break,
                },
            }
        }
        let inspected = self.engine.call(&action, client.inspect_exec(&exec)).await?;
        if let Some(said) = runtime {
            if matches!(inspected.exit_code, Some(126 | 127)) {
                no_start(&output, &program, name, &String::from_utf8_lossy(&said)).await;
                return Ok(());
            }
            let _ = output.send(Frame::Output(said)).await;
        }
        let ended = match inspected.exit_code {
            Some(code) => Ended::Code(code),
            None => Ended::Failed(format!(
                "the connection to the Docker engine broke off; the command may run on in {name}"
            )),
        };
        // Nobody listening is fine.
        let _ = output.send(Frame::Ended(ended)).await;
        Ok(())
    }

    /// Hands on what the person types, and the size of the terminal.
    async fn feed(
        &self,
        exec: &str,
        mut input: mpsc::Receiver<Frame>,
        mut stdin: Pin<Box<dyn AsyncWrite + Send>>,
    ) {
        while let Some(frame) = input.recv().await {
            match frame {
                Frame::Input(bytes) => {
                    // It may not read any more.
                    let written = stdin.write_all(&bytes).await;
                    if written.is_err() || stdin.flush().await.is_err() {
                        return;
                    }
                }
                Frame::Resize(size) => self.resize(exec, size).await,
                Frame::Request(_) | Frame::Output(_) | Frame::Errors(_) | Frame::Ended(_) => {}
            }
        }
        let _ = stdin.shutdown().await;
    }

    /// A terminal of another size than the real one is a blemish, and no reason to fail.
    async fn resize(&self, exec: &str, size: WindowSize) {
        let Ok(client) = self.engine.client().await else { return };
        let options = ResizeExecOptionsBuilder::new();
        let options = options.h(size.lines.into()).w(size.columns.into()).build();
        if let Err(error) = client.resize_exec(exec, options).await {
            tracing::debug!(%error, "the terminal keeps its size");
        }
    }
}

/// Says why the command could not begin, with the exit code that a shell has for it.
async fn no_start(output: &mpsc::Sender<Frame>, program: &str, name: &str, said: &str) {
    let missing = ["executable file not found", "no such file or directory"];
    let (why, code) = if missing.iter().any(|it| said.contains(it)) {
        (format!("there is no command `{program}` in {name}\n"), 127)
    } else {
        (format!("{program} cannot be run in {name}: {}\n", said.trim()), 126)
    };
    // Nobody listening is fine.
    let _ = output.send(Frame::Errors(why.into_bytes())).await;
    let _ = output.send(Frame::Ended(Ended::Code(code))).await;
}

fn bytes(frame: &Frame) -> Option<&[u8]> {
    match frame {
        Frame::Output(bytes) | Frame::Errors(bytes) => Some(bytes),
        Frame::Request(_) | Frame::Input(_) | Frame::Resize(_) | Frame::Ended(_) => None,
    }
}

fn frame(piece: LogOutput) -> Frame {
    match piece {
        LogOutput::StdErr { message } => Frame::Errors(message.to_vec()),
        LogOutput::StdOut { message }
        | LogOutput::Console { message }
        | LogOutput::StdIn { message } => Frame::Output(message.to_vec()),
    }
}
