//! The system calls without a safe wrapper: signals as a descriptor, standard streams, user drop.
#![allow(unsafe_code, reason = "these calls have no safe wrapper; each says why it is sound")]

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::fs::{Mode, OFlags};

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Closes what was inherited beside the standard streams. Called before anything is opened.
pub fn close_inherited() -> io::Result<()> {
    // SAFETY: nothing in this process owns a descriptor yet but the standard streams.
    match check(unsafe { libc::close_range(3, libc::c_uint::MAX, 0) }) {
        Ok(_) => Ok(()),
        // An older kernel, or a sandbox that does not know the call.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            close_listed()
        }
        Err(error) => Err(error),
    }
}

fn close_listed() -> io::Result<()> {
    let listed: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in listed.into_iter().filter(|descriptor| *descriptor > libc::STDERR_FILENO) {
        // SAFETY: as above. The one that listed them is closed already, and closing it again says so.
        let _ = unsafe { libc::close(descriptor) };
    }
    Ok(())
}

/// Gives signals their usual meaning again: whoever is started by a shell in the background or by `nohup` inherits that
/// some are ignored, and hands it on. One that is ignored is not read from a descriptor either, and a payload would not
/// end with the signal that its spec names. SIGPIPE is the standard library's affair, for this process and for children.
pub fn usual_signals() {
    for signal in (1..libc::SIGRTMAX()).filter(|signal| *signal != libc::SIGPIPE) {
        // SAFETY: no handler is set, and no other thread runs. Those that cannot be set say so.
        let _ = unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Blocks the signals that the shim answers to and gives a non-blocking descriptor that reads them.
///
/// A child inherits the mask: [`clear_signals`] undoes it before the exec.
pub fn take_signals() -> io::Result<OwnedFd> {
    // SAFETY: `set` is initialised by sigemptyset before it is read; the descriptor that signalfd
    // returns is new and owned by nobody else.
    unsafe {
        let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        check(libc::sigemptyset(set.as_mut_ptr()))?;
        for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
            check(libc::sigaddset(set.as_mut_ptr(), signal))?;
        }
        check(libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()))?;
        let flags = libc::SFD_NONBLOCK | libc::SFD_CLOEXEC;
        Ok(OwnedFd::from_raw_fd(check(libc::signalfd(-1, set.as_ptr(), flags))?))
    }
}

/// Blocks no signal any more.
pub fn clear_signals() -> io::Result<()> {
    // SAFETY: `set` is initialised by sigemptyset before it is read.
    unsafe {
        let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        check(libc::sigemptyset(set.as_mut_ptr()))?;
        check(libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut())).map(drop)
    }
}

/// The numbers of the signals that have arrived.
pub fn read_signals(signals: &OwnedFd) -> io::Result<Vec<i32>> {
    const SIZE: usize = size_of::<libc::signalfd_siginfo>();
    let mut buffer = [0_u8; SIZE * 8];
    let mut arrived = Vec::new();
    loop {
        match rustix::io::read(signals, &mut buffer) {
            Ok(length) => arrived.extend(buffer[..length].chunks_exact(SIZE).map(|info| {
                // `ssi_signo` is the first field.
                i32::from_ne_bytes([info[0], info[1], info[2], info[3]])
            })),
            Err(rustix::io::Errno::AGAIN) => return Ok(arrived),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn replace(with: &OwnedFd, number: i32) -> io::Result<()> {
    // SAFETY: both are open descriptors; dup2 replaces a standard stream that nothing has borrowed.
    check(unsafe { libc::dup2(with.as_raw_fd(), number) }).map(drop)
}

/// Reads nothing from here on.
pub fn null_stdin() -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    replace(&null, libc::STDIN_FILENO)
}

/// Ends the report to the supervisor.
pub fn null_stdout() -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    replace(&null, libc::STDOUT_FILENO)
}

/// Panics and errors of the shim go to this file.
pub fn replace_stderr(file: &OwnedFd) -> io::Result<()> {
    replace(file, libc::STDERR_FILENO)
}

/// Runs `step` in the child, after its streams, folder and group are set, as the last before exec.
pub fn before_exec<F>(command: &mut Command, step: F)
where
    F: FnMut() -> io::Result<()> + Send + Sync + 'static,
{
    // SAFETY: the shim has a single thread, so no lock (the allocator's included) can be held by
    // another one at the fork, and `step` may do whatever any code may.
    unsafe {
        command.pre_exec(step);
    }
}

/// Becomes another user for good, with its own group alone.
pub fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: plain calls; the groups pointer is valid for the one entry that is named.
    unsafe {
        check(libc::setgroups(1, &raw const gid))?;
        check(libc::setresgid(gid, gid, gid))?;
        check(libc::setresuid(uid, uid, uid))?;
    }
    Ok(())
}

/// Gives back the pages of programs and libraries that were needed for the start alone.
///
/// They lie in files and come again when they are touched. What was written to (relocations, data)
/// is left alone: its mappings have anonymous pages.
pub fn release_file_pages() -> io::Result<()> {
    #[allow(clippy::disallowed_methods, reason = "/proc is no file of ours")]
    let maps = std::fs::read_to_string("/proc/self/smaps")?;
    let mut candidate = None;
    for line in maps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(first), Some(second)) = (fields.next(), fields.next()) else { continue };
        if let Some((start, end)) = first.split_once('-') {
            let is_file = line.contains(" /");
            let address = |text| usize::from_str_radix(text, 16).ok();
            candidate = match (address(start), address(end)) {
                (Some(start), Some(end)) if is_file && matches!(second, "r-xp" | "r--p") => {
                    Some((start, end))
                }
                _ => None,
            };
        } else if first == "Anonymous:"
            && second == "0"
            && let Some((start, end)) = candidate.take()
        {
            let start = std::ptr::without_provenance_mut(start);
            // SAFETY: a private mapping of a file, not writable and without pages of its own: what is
            // dropped is read again from the file at the next access.
            let _ = unsafe { libc::madvise(start, end - start.addr(), libc::MADV_DONTNEED) };
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_call_descriptors_are_closed_one_by_one() {
        let file = std::fs::File::open("/dev/zero").unwrap();
        let inherited = rustix::io::dup(&file).unwrap();
        let list = |close: bool| {
            let mut command = Command::new("ls");
            command.args(["-l", "/proc/self/fd"]);
            if close {
                before_exec(&mut command, close_listed);
            }
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        };
        assert!(list(false).contains("/dev/zero"), "it is inherited");
        let left = list(true);
        assert!(!left.contains("/dev/zero") && left.contains("pipe:"), "{left}");
        drop(inherited);
    }
}
