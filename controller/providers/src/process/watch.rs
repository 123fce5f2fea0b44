//! Hints that a shim has ended, from one thread that waits on their pidfds.
//!
//! A hint may come too often and says nothing for sure: whoever gets it looks.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use agent_harness_shim::identity::{self, Identity};
use rustix::event::{EventfdFlags, PollFd, PollFlags};
use tokio::sync::broadcast;

use super::launch::ProcessId;

/// Watches the shims that it was told of.
pub struct Watch {
    shared: Arc<Shared>,
}

struct Shared {
    watched: Mutex<BTreeMap<Identity, (ProcessId, Arc<OwnedFd>)>>,
    wake: OwnedFd,
    hints: broadcast::Sender<ProcessId>,
    closed: std::sync::atomic::AtomicBool,
}

impl Watch {
    /// Starts the thread.
    pub fn new() -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            watched: Mutex::default(),
            wake: rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            hints: broadcast::channel(1024).0,
            closed: false.into(),
        });
        let thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("process-exits".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || thread.run())?;
        Ok(Self { shared })
    }

    /// The sender of hints, also for readiness.
    pub fn hints(&self) -> &broadcast::Sender<ProcessId> {
        &self.shared.hints
    }

    /// Watches one more; known ones and those that have ended cost nothing.
    pub fn add(&self, id: &ProcessId, process: Identity) {
        let mut watched = self.shared.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.contains_key(&process) {
            return;
        }
        match identity::open(process) {
            Ok(Some(fd)) => {
                watched.insert(process, (id.clone(), Arc::new(fd)));
                drop(watched);
                self.shared.wake();
            }
            // It ended between the look and now.
            Ok(None) => {
                let _ = self.shared.hints.send(id.clone());
            }
            // No hint then; the next resync sees it.
            Err(error) => tracing::warn!(process = %id, %error, "cannot watch a process"),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.closed.store(true, std::sync::atomic::Ordering::Relaxed);
        self.shared.wake();
    }
}

impl Shared {
    fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn run(&self) {
        while !self.closed.load(std::sync::atomic::Ordering::Relaxed) {
            let watched: Vec<(Identity, Arc<OwnedFd>)> = self
                .watched
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .map(|(process, (_, fd))| (*process, Arc::clone(fd)))
                .collect();
            let mut fds = vec![PollFd::new(&self.wake, PollFlags::IN)];
            fds.extend(watched.iter().map(|(_, fd)| PollFd::new(&**fd, PollFlags::IN)));
            if let Err(error) = rustix::event::poll(&mut fds, None)
                && error != rustix::io::Errno::INTR
            {
                tracing::error!(%error, "cannot wait for the ends of processes");
                return;
            }
            let ended: Vec<Identity> = fds[1..]
                .iter()
                .zip(&watched)
                .filter(|(fd, _)| !fd.revents().is_empty())
                .map(|(_, (process, _))| *process)
                .collect();
            let _ = rustix::io::read(&self.wake, &mut [0_u8; 8]);
            let mut known = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            for process in ended {
                if let Some((id, _)) = known.remove(&process) {
                    // Nobody listens: then nobody needs the hint.
                    let _ = self.hints.send(id);
                }
            }
        }
    }
}
