//! The process group of a command that we started and wait for. Never signals a number that may be a stranger's.

use std::io;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::signal::unix::Signal as Children;

/// The process group of a run, until its leader is reaped. Killed when nobody waits for the run any more.
pub struct Group(Option<u32>);

impl Group {
    /// Of a child that was started as the leader of a group of its own.
    pub fn of(child: &tokio::process::Child) -> Self {
        Self(child.id())
    }

    /// Its leader, until that is reaped.
    pub fn pid(&self) -> Option<Pid> {
        self.0.and_then(|pid| Pid::from_raw(pid.cast_signed()))
    }

    /// Kills whoever is in it.
    pub fn kill(&self) {
        if let Some(group) = self.pid() {
            // After a regular end there is nobody left in it.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Its leader is reaped: from here on the number may be another group's.
    pub fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits for the end of a child without reaping it; `children` tells of the end of any.
pub async fn end_of(pid: Option<Pid>, children: &mut Children) -> io::Result<()> {
    let Some(pid) = pid else { return Ok(()) };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(pid), options)?.is_none() {
        if children.recv().await.is_none() {
            return Err(io::Error::other("the runtime ends"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};

    use super::*;

    #[test]
    fn a_group_is_killed_only_until_its_leader_is_reaped() {
        let start = || {
            let mut command = std::process::Command::new("sleep");
            command.arg("600").process_group(0).spawn().unwrap()
        };
        let (mut kept, mut killed) = (start(), start());
        let mut group = Group(Some(kept.id()));
        group.disarm();
        drop(group);
        drop(Group(Some(killed.id())));
        assert_eq!(killed.wait().unwrap().signal(), Some(9));
        assert_eq!(kept.try_wait().unwrap(), None);
        kept.kill().unwrap();
        kept.wait().unwrap();
    }
}
