//! Asks before something is done that a person may not have meant.

use std::io::{BufRead as _, IsTerminal as _};

use crate::error::{Failure, Result};
use crate::ui::Ui;

/// Asks on a terminal, once it was said what would happen; elsewhere nobody could answer, so `--yes` has to be there.
pub fn ask(ui: &mut Ui, yes: bool, what: &str, nothing: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(what.to_owned()).hint("add --yes if that is what you want"));
    }
    ui.say(what)?;
    ui.say("Type `yes` to go on:")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::failed(nothing.to_owned())) }
}
