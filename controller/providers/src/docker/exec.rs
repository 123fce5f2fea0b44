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
        let program = request.command.first().map(String::as_str).unwrap_or_default();
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
        let started = self.engine.call(&action, start).await?;
        let StartExecResults::Attached { output: mut said, input: stdin } = started else {
            return Err(DockerError::NoAnswer { action });
        };
        if let Some(size) = terminal {
            self.resize(&exec, size).await;
        }
        let feed = self.feed(&exec, input, stdin);
        tokio::pin!(feed);
        let mut fed = false;
        loop {
            tokio::select! {
                () = &mut feed, if !fed => fed = true,
                () = output.closed() => return Ok(()),
                piece = said.next() => match piece {
                    Some(Ok(piece)) => {
                        if output.send(frame(piece)).await.is_err() {
                            return Ok(());
                        }
                    }
                    Some(Err(_)) | None => break,
                },
            }
        }
        let inspected = self.engine.call(&action, client.inspect_exec(&exec)).await?;
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

fn frame(piece: LogOutput) -> Frame {
    match piece {
        LogOutput::StdErr { message } => Frame::Errors(message.to_vec()),
        LogOutput::StdOut { message }
        | LogOutput::Console { message }
        | LogOutput::StdIn { message } => Frame::Output(message.to_vec()),
    }
}
