//! `ctl top` in a real terminal: what is seen of real agents, and what its keys do to them.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::harness::{PATIENCE, Site, programs, succeed, text};

/// A terminal of 80×24 with a shell in it, on a server of its own. It ends with the test.
struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    fn new(site: &Site) -> Self {
        let terminal = Self { socket: site.folder().join("tmux") };
        // What runs in it gets the environment of this command.
        let mut begin = site.command("tmux");
        begin.args(["-u", "-f", "/dev/null", "-S"]).arg(&terminal.socket);
        begin.args(["new-session", "-d", "-x", "80", "-y", "24"]);
        succeed(begin.args(["env", "PS1=prompt> ", "LC_ALL=C.UTF-8", "sh"]));
        terminal.shows("prompt>");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-u", "-S"]).arg(&self.socket).args(arguments);
        command
    }

    /// Presses keys, by tmux's names for them.
    fn press(&self, keys: &[&str]) {
        succeed(self.tmux(&["send-keys"]).args(keys));
    }

    /// Types a line.
    fn types(&self, line: &str) {
        succeed(&mut self.tmux(&["send-keys", "-l", line]));
        self.press(&["Enter"]);
    }

    fn screen(&self) -> String {
        text(&succeed(&mut self.tmux(&["capture-pane", "-p"])).stdout)
    }

    /// Waits until the screen is like this.
    fn until(&self, what: &str, is: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is(&self.screen()) {
            assert!(Instant::now() < deadline, "waited in vain for {what}:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until words are on the screen.
    fn shows(&self, words: &str) {
        self.until(&format!("{words:?} on the screen"), |screen| screen.contains(words));
    }

    /// Waits until a line has all of these words.
    fn line(&self, words: &[&str]) {
        self.until(&format!("a line with {words:?}"), |screen| {
            screen.lines().any(|line| words.iter().all(|it| line.contains(it)))
        });
    }
}

/// Whether there is a tmux. Where somebody insists on every test, there has to be.
fn is_there_tmux(test: &str) -> bool {
    let is_there = Command::new("tmux").arg("-V").output().is_ok();
    assert!(is_there || std::env::var_os("CI").is_none(), "{test}: there is no tmux");
    if !is_there {
        // Past what the test runner keeps for itself.
        let line = format!("{test}: skipped, as there is no tmux\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    is_there
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]).output();
    }
}

#[test]
fn all_is_seen_and_done_in_a_terminal() {
    if !is_there_tmux("all_is_seen_and_done_in_a_terminal") {
        return;
    }
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let terminal = Terminal::new(&site);
    let ctl = programs().join("ctl");
    terminal.types(&format!("{} top", ctl.display()));

    // Agents, and their processes with figures; then the servers.
    terminal.line(&["> ▾ agent-1", "Ready"]);
    let pid = || Site::pid_on(site.api + 10).to_string();
    let before = pid();
    terminal.line(&["api", "running", "yes", &before, "%"]);
    terminal.line(&["infra/shared", "Ready"]);
    terminal.line(&["postgres", "running"]);
    assert!(!terminal.screen().contains("prompt>"));

    // What `ctl describe` prints, and back.
    terminal.press(&["Enter"]);
    terminal.shows("ctl describe agent/agent-1");
    terminal.line(&["Worktree", "agent-1"]);
    terminal.press(&["G"]);
    terminal.shows("Events");
    terminal.press(&["q"]);
    terminal.line(&["> ▾ agent-1"]);

    // The log of a process, as it is written.
    terminal.press(&["Down"]);
    terminal.line(&[">     api"]);
    terminal.press(&["l"]);
    terminal.shows("ctl logs agent/agent-1 api -f");
    terminal.line(&["on http://localhost:"]);
    terminal.press(&["Escape"]);
    // Another key right behind this one would make it Alt and that key.
    terminal.line(&[">     api"]);

    // Nothing is restarted before somebody said so.
    terminal.press(&["r"]);
    terminal.shows("restart agent/agent-1 api? y/n");
    terminal.press(&["n"]);
    terminal.line(&["q quit"]);
    assert_eq!(pid(), before);
    terminal.press(&["r"]);
    terminal.shows("y/n");
    terminal.press(&["y"]);
    terminal.until("another pid", |screen| {
        let api = screen.lines().find(|line| line.starts_with(">     api"));
        api.is_some_and(|line| line.contains("running") && line.contains("yes"))
            && api.is_some_and(|line| !line.contains(&before))
    });
    assert_ne!(pid(), before);

    // Another size.
    succeed(&mut terminal.tmux(&["resize-window", "-x", "120", "-y", "12"]));
    terminal.line(&["UPTIME", "MESSAGE"]);
    terminal.line(&["q quit"]);

    // A filter, and out of it.
    terminal.press(&["/"]);
    terminal.types("agent-2");
    terminal.until("agent-2 alone", |screen| {
        screen.contains("▾ agent-2") && !screen.contains("▾ agent-1")
    });
    terminal.press(&["Escape"]);
    terminal.shows("▾ agent-1");

    // The controller goes, and comes again.
    site.kill();
    terminal.shows("the controller is away");
    terminal.line(&["▾ agent-1", "Ready"]);
    site.start();
    terminal.until("the controller", |screen| {
        screen.contains("controller 0.") && !screen.contains("is away")
    });

    // The shell has its terminal back, and echoes what is typed.
    terminal.press(&["q"]);
    terminal
        .until("the prompt", |screen| screen.contains("prompt>") && !screen.contains("ctl top  "));
    terminal.types("echo code=$?");
    terminal.until("the code", |screen| screen.lines().any(|line| line == "code=0"));
    assert!(terminal.screen().contains("echo code=$?"));
}
