//! `ctl validate`: checks spec files with the controller's own rules, without a controller.

use std::path::PathBuf;

use crate::error::{Exit, Result};
use crate::specs::{self, Specs};
use crate::ui::Ui;

/// Check spec files, without a controller
///
/// The files are checked by themselves and together: name all that belong together.
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// Spec files, folders of them, or - for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Carries it out.
pub fn run(args: &ValidateArgs, ui: &mut Ui) -> Result {
    let specs = Specs::read(&args.files)?;
    let outside = specs.outside();
    let (objects, problems) = specs.check();
    if let Some(failure) = specs::refusal(&problems, ui) {
        return Err(match outside {
            Some(key) => failure.hint(format!(
                "the files are checked together: name that of {key} too, or the folder of them all"
            )),
            None => failure,
        });
    }
    let objects = match objects {
        1 => "1 object is valid".to_owned(),
        objects => format!("{objects} objects are valid"),
    };
    ui.say(&objects)?;
    Ok(Exit::Done)
}
