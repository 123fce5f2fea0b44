//! The signals that tell a program to end: SIGTERM, SIGINT, and SIGHUP unless it was started to survive that.

use agent_harness_providers::fs;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears them from its making on.
#[derive(Debug)]
pub struct Told {
    term: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Told {
    /// Begins to listen; from now on none of them ends the program by itself.
    pub fn listen() -> std::io::Result<Self> {
        // Under `nohup` it is ignored, and has to stay so.
        let hangup = (!is_ignored(1)).then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup,
        })
    }

    /// Waits for one more Ctrl-C.
    pub async fn told_again(&mut self) {
        self.interrupt.recv().await;
    }

    /// Waits for the next one.
    pub async fn told(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Whether this process was started with a signal ignored, as the kernel's mask in `/proc` says.
fn is_ignored(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}
