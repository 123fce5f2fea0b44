//! Runs a PM2 config that is a program, with the user's own node, for what it says.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::error::{Failure, Result};

/// Prints what a module exports as the last line of the output: whatever it prints itself comes before, or on
/// standard error. A timer that it starts keeps nobody waiting.
const PROGRAM: &str = "\
const file = require('node:path').resolve(process.argv[1]);
console.log = console.info = console.debug = console.error;
import(require('node:url').pathToFileURL(file).href).then((module) => {
  const text = JSON.stringify(module.default ?? module);
  process.stdout.write('\\n' + text + '\\n', () => process.exit(0));
}).catch((error) => { console.error(error); process.exit(1); });
";

/// What a config exports, as JSON.
pub fn value_of(path: &Path) -> Result<Vec<u8>> {
    value_by(OsStr::new("node"), path)
}

fn value_by(node: &OsStr, path: &Path) -> Result<Vec<u8>> {
    // A path that begins with `-` would be an option.
    let absolute = std::path::absolute(path)?;
    let ran =
        Command::new(node).arg("-e").arg(PROGRAM).arg(&absolute).stdin(Stdio::null()).output();
    let shown = path.display();
    let output = ran.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::failed(format!(
            "{shown} is a program, and there is no `node` on PATH to run it"
        ))
        .hint("install Node.js, or write what it exports into a .json file and convert that"),
        _ => Failure::failed(format!("cannot run node: {error}")),
    })?;
    if !output.status.success() {
        return Err(failed(path, &output));
    }
    let text = output.stdout.trim_ascii_end();
    let start = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Ok(text[start..].to_vec())
}

/// What node said, without the stack below it.
fn failed(path: &Path, output: &Output) -> Failure {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.take_while(|line| !line.starts_with("at ")).collect();
    let failure =
        Failure::failed(format!("{} cannot be run: {}", path.display(), lines.join(" · ")));
    failure.hint("correct it so that `node` loads it; nothing of it was converted")
}
