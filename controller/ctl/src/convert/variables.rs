//! The variables that a compose file may name: those of the process, and those of env files.

use std::collections::BTreeMap;

use agent_harness_model::spec::diagnostic::Diagnostic;

use super::dotenv;

/// Variables by name. The process's own come before those of files, as in compose.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    process: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
}

impl Variables {
    /// Those of a process.
    pub fn of_process(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { process: variables.into_iter().collect(), files: BTreeMap::new() }
    }

    /// Adds those of a file; a later file overrides an earlier one.
    pub fn add_file(&mut self, file: &str, text: &str) -> Result<(), Box<Diagnostic>> {
        let read = dotenv::parse(file, text, self)?;
        self.files.extend(read);
        Ok(())
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.process.get(name).or_else(|| self.files.get(name)).map(String::as_str)
    }
}
