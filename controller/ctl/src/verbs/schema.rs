//! `ctl schema`: the JSON Schema of a kind.

use agent_harness_model::spec::schema;

use crate::error::{Exit, Result};
use crate::lookup::{self, Selector, Word};
use crate::ui::Ui;

/// Print the JSON Schema of a kind
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {
    /// infra, stack or agent; all in one without
    #[arg(value_name = "KIND")]
    kind: Option<Word>,
}

/// Carries it out.
pub fn run(args: &SchemaArgs, ui: &mut Ui) -> Result {
    let text = match lookup::selectors(args.kind.as_slice()).first() {
        None => serde_json::to_string_pretty(&schema::schema_of_all())?,
        Some(Selector::Kind(kind)) => serde_json::to_string_pretty(schema::schema(*kind))?,
        Some(Selector::One(_)) => {
            return Err(crate::error::Failure::usage("a kind is infra, stack or agent"));
        }
    };
    ui.line(&text)?;
    Ok(Exit::Done)
}
