//! What a test waits for: a condition, never a time.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::harness::{PATIENCE, Site, text};

impl Site {
    /// Whether the controller knows the object.
    pub fn object_exists(&self, name: &str) -> bool {
        // A controller that breaks off in the middle of its answer says nothing about the object.
        let output = self.ctl(&["get", name, "-o", "name"]);
        output.status.success() || !text(&output.stderr).contains("does not exist")
    }

    /// Whether the controller is done with the deletion of an agent: it keeps no status of it any more.
    pub fn is_gone(&self, agent: &str) -> bool {
        !self.state().join("status").join(format!("{agent}.yaml")).exists()
    }

    /// Whether an object is ready now.
    pub fn is_ready(&self, name: &str) -> bool {
        self.ctl(&["wait", name, "--for", "ready", "--timeout", "0s"]).status.success()
    }

    /// Waits until an object is ready for its current spec.
    pub fn ready(&self, name: &str) {
        self.wait(name, "ready");
    }

    /// Waits for a condition.
    pub fn wait(&self, name: &str, condition: &str) {
        self.wait_for(name, condition, PATIENCE);
    }

    /// The same, where it may take longer.
    pub fn wait_for(&self, name: &str, condition: &str, timeout: Duration) {
        let timeout = format!("{}s", timeout.as_secs());
        let socket = self.state().join("control.sock");
        self.eventually("the controller to listen", || UnixStream::connect(&socket).ok());
        if condition != "deleted" {
            self.eventually("it to be known", || self.object_exists(name).then_some(()));
        }
        let arguments = ["wait", name, "--for", condition, "--timeout", &timeout];
        self.eventually("the controller to answer", || {
            let output = self.ctl(&arguments);
            // What a killed one was just starting has its socket open for a moment, and answers nothing.
            let nobody = text(&output.stderr).contains("the controller does not run");
            let said = || [text(&output.stdout), text(&output.stderr), self.report()].concat();
            assert!(output.status.success() || nobody, "ctl {arguments:?}: {}", said());
            output.status.success().then_some(())
        });
    }

    /// Waits for something, and shows what is there when it does not come.
    pub fn eventually<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.within(PATIENCE, what, look)
    }

    /// The same, within this time.
    pub fn within<T>(
        &self,
        patience: Duration,
        what: &str,
        mut look: impl FnMut() -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}\n{}", self.report());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
