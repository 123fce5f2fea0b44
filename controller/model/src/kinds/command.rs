//! A command as it is to be run: what setup steps, template builds and processes share.
//! How it is run is the runner's affair.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::secret::Text;

/// A command with everything that it gets; nothing is inherited from the controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments. A line with shell syntax is `/bin/sh -c LINE` here already.
    pub argv: Vec<String>,
    /// Absolute working folder.
    pub cwd: PathBuf,
    /// The whole environment.
    pub env: BTreeMap<String, Text>,
}

impl Command {
    /// The command in one line, for people.
    pub fn line(&self) -> String {
        match self.argv.as_slice() {
            [shell, flag, script] if shell == "/bin/sh" && flag == "-c" => script.clone(),
            words => {
                words.iter().map(|word| crate::words::quote(word)).collect::<Vec<_>>().join(" ")
            }
        }
    }
}
