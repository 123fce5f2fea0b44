//! `ctl explain`: what a field means, from the same words as the schemas and the reference.

mod field;

use agent_harness_model::id::ObjectKind;
use agent_harness_model::spec::diagnostic::nearest;
use agent_harness_model::spec::schema::{KINDS, kind_name, schema};

use crate::error::{Exit, Failure, Result};
use crate::ui::{Tone, Ui, wrap};
use field::Field;

/// Explain a field: ctl explain agent.spec.worktree
///
/// Names of your own may stand in the path or be left out: stack.spec.processes.api.ready is
/// stack.spec.processes.ready.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// A kind, then fields, with dots between them; the kinds without
    #[arg(value_name = "PATH")]
    path: Option<String>,
}

/// The width of the text where there is no terminal.
const WIDTH: usize = 100;

/// Carries it out.
pub fn run(args: &ExplainArgs, ui: &mut Ui) -> Result {
    let Some(path) = &args.path else {
        for kind in KINDS {
            entry(ui, kind.as_str(), "object", &Field::root(schema(kind)).description())?;
        }
        return Ok(Exit::Done);
    };
    let mut words = path.trim_matches('.').split('.');
    let kind = kind_of(words.next().unwrap_or_default())?;
    let mut field = Field::root(schema(kind));
    let mut walked = kind.to_string();
    for word in words {
        field = field.child(word).ok_or_else(|| unknown(&walked, word, &field))?;
        walked = format!("{walked}.{word}");
    }
    show(ui, &walked, &field)?;
    Ok(Exit::Done)
}

fn kind_of(word: &str) -> Result<ObjectKind> {
    KINDS
        .into_iter()
        .find(|kind| kind_name(*kind).eq_ignore_ascii_case(word.trim_end_matches('s')))
        .ok_or_else(|| {
            Failure::failed(format!("`{word}` is no kind"))
                .hint("a path begins with infra, stack or agent: ctl explain agent.spec.worktree")
        })
}

fn unknown(walked: &str, word: &str, field: &Field<'_>) -> Failure {
    let fields = field.children();
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let failure = Failure::failed(format!("{walked} has no field `{word}`"));
    match nearest(word, names.iter().copied()) {
        Some(near) => failure.hint(format!("did you mean `{walked}.{near}`?")),
        None if names.is_empty() => failure.hint(format!("{walked} is {}", field.kind())),
        None => failure.hint(format!("it has {}", names.join(", "))),
    }
}

fn show(ui: &mut Ui, path: &str, field: &Field<'_>) -> Result<()> {
    ui.line(&format!("{}  {}", ui.paint(Tone::Strong, path), ui.paint(Tone::Info, &field.kind())))?;
    let (description, values) = (field.description(), field.values());
    let general = if values.is_empty() { field.type_description() } else { String::new() };
    // The type's words may begin with those at the field.
    let own = Some(&description).filter(|own| !general.starts_with(own.as_str()));
    let texts = own.into_iter().chain([&general]).filter(|text| !text.is_empty());
    for (index, text) in texts.enumerate() {
        if index > 0 {
            ui.line("")?;
        }
        paragraph(ui, text, 2)?;
    }
    for (value, meaning) in values {
        let dash = if meaning.is_empty() { "" } else { ": " };
        paragraph(ui, &format!("{value}{dash}{meaning}"), 4)?;
    }
    let mut children = field.children();
    if children.is_empty() {
        return Ok(());
    }
    children.sort_by_key(|(name, _)| !field.requires(name));
    ui.line("")?;
    let title = if field.is_map() { "Fields of each" } else { "Fields" };
    ui.line(&ui.paint(Tone::Strong, title))?;
    for (name, child) in children {
        let kind = child.kind();
        let kind = if field.requires(name) { format!("{kind}, required") } else { kind };
        entry(ui, &format!("  {name}"), &kind, &child.description())?;
    }
    Ok(())
}

fn entry(ui: &mut Ui, name: &str, kind: &str, description: &str) -> Result<()> {
    ui.line(&format!("{name}  {}", ui.paint(Tone::Info, kind)))?;
    paragraph(ui, description, 6)
}

fn paragraph(ui: &mut Ui, text: &str, indent: usize) -> Result<()> {
    let width = ui.width().unwrap_or(WIDTH).clamp(40, WIDTH);
    for line in wrap(text, width - indent) {
        ui.line(&format!("{}{line}", " ".repeat(indent)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Captured;

    #[test]
    fn a_field_is_shown_with_what_is_in_it() {
        let schema = serde_json::json!({
            "$defs": {
                "Duration": {
                    "type": "string",
                    "pattern": "^[0-9]+s$",
                    "description": "A length of time. Examples: `60s`.",
                },
                "Mode": {
                    "description": "A choice.",
                    "oneOf": [
                        {"const": "always", "type": "string", "description": "However it ended."},
                        {"const": "never", "type": "string", "description": "Not at all."},
                    ],
                },
                "Process": {
                    "description": "A process.",
                    "type": "object",
                    "required": ["run"],
                    "properties": {
                        "mode": {"$ref": "#/$defs/Mode", "description": "When to start it again."},
                        "run": {
                            "description": "The command, \
                                with a description that is long enough to need a second line here.",
                            "anyOf": [
                                {"type": "string"},
                                {"type": "array", "items": {"type": "string"}},
                                {"type": "null"},
                            ],
                        },
                        "timeout": {
                            "anyOf": [{"$ref": "#/$defs/Duration"}, {"type": "null"}],
                            "description": "How long it may take. Default: `60s`.",
                        },
                    },
                },
            },
            "type": "object",
            "description": "A whole object.",
            "properties": {
                "processes": {
                    "type": "object",
                    "additionalProperties": {"$ref": "#/$defs/Process"},
                    "description": "Processes by name.",
                },
            },
        });
        let shown = |path: &str| {
            let (mut ui, captured) = Captured::new();
            let field = path.split('.').skip(1).try_fold(Field::root(&schema), |f, w| f.child(w));
            show(&mut ui, path, &field.unwrap()).unwrap();
            captured.all()
        };
        insta::assert_snapshot!(shown("x"), @"
        x  object
          A whole object.

        Fields
          processes  map of Process
              Processes by name.
        ");
        insta::assert_snapshot!(shown("x.processes"), @"
        x.processes  map of Process
          Processes by name.

        Fields of each
          run  string or list of string, required
              The command, with a description that is long enough to need a second line here.
          mode  word
              When to start it again.
          timeout  Duration
              How long it may take. Default: `60s`.
        ");
        insta::assert_snapshot!(shown("x.processes.api.mode"), @"
        x.processes.api.mode  word
          When to start it again.
            always: However it ended.
            never: Not at all.
        ");
        insta::assert_snapshot!(shown("x.processes.timeout"), @"
        x.processes.timeout  Duration
          How long it may take. Default: `60s`.

          A length of time. Examples: `60s`.
        ");
    }
}
