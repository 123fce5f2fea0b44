//! The person's terminal while a command of somewhere else has it: raw, so that each key goes there, and its size.

use agent_harness_model::api::{Frame, WindowSize};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::Sender;

/// The size of the terminal, where it has one.
pub fn size() -> Option<WindowSize> {
    let size = tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(WindowSize { columns: size.ws_col, lines: size.ws_row })
}

/// The terminal is raw for as long as this lives.
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// Makes it raw.
    pub fn begin() -> std::io::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// Tells of each new size, until nobody listens.
pub async fn sizes(sender: Sender<Frame>) {
    let Ok(mut changes) = signal(SignalKind::window_change()) else { return };
    loop {
        tokio::select! {
            change = changes.recv() => if change.is_none() {
                return;
            },
            () = sender.closed() => return,
        }
        let Some(size) = size() else { continue };
        if sender.send(Frame::Resize(size)).await.is_err() {
            return;
        }
    }
}
