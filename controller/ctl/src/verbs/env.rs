//! `ctl env`: the environment of an agent's processes.

use agent_harness_model::api::Environment;
use agent_harness_model::id::ObjectKey;

use crate::client::Client;
use crate::error::{Exit, Result};
use crate::lookup;
use crate::ui::Ui;
use crate::whose;

/// Print an agent's environment
///
/// Secrets are shown as *** unless asked for; in the form for a shell they are left out.
#[derive(Debug, clap::Args)]
pub struct EnvArgs {
    /// The agent
    #[arg(value_name = "NAME")]
    name: Option<ObjectKey>,
    /// How to print it
    #[arg(short, long, value_name = "FORM", default_value = "dotenv")]
    output: Form,
    /// Show secrets in clear
    #[arg(long)]
    show_secrets: bool,
}

/// How variables are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// NAME=value, quoted where needed
    Dotenv,
    /// One JSON object
    Json,
    /// export NAME='value', for eval
    Shell,
}

/// Carries it out.
pub async fn run(args: EnvArgs, client: &Client, ui: &mut Ui) -> Result {
    let name = whose::one(client, args.name).await?;
    let mut environment = lookup::environment(client, &name).await?;
    if !args.show_secrets {
        mask(&mut environment);
    }
    let hidden = if args.show_secrets { &[][..] } else { &environment.secret };
    ui.data(&render(&environment, args.output, hidden)?)?;
    if args.output == Form::Shell && !hidden.is_empty() {
        let (names, are) = (hidden.join(", "), if hidden.len() == 1 { "is" } else { "are" });
        ui.warn(&format!("{names} {are} left out; --show-secrets prints secrets, too"))?;
    }
    Ok(Exit::Done)
}

fn mask(environment: &mut Environment) {
    for name in &environment.secret {
        if let Some(value) = environment.variables.get_mut(name) {
            "***".clone_into(value);
        }
    }
}

fn render(environment: &Environment, form: Form, hidden: &[String]) -> Result<String> {
    let each = |line: fn(&str, &str) -> String| {
        let lines = environment.variables.iter().map(|(name, value)| line(name, value));
        lines.collect::<Vec<_>>().concat()
    };
    Ok(match form {
        Form::Json => format!("{}\n", serde_json::to_string_pretty(&environment.variables)?),
        Form::Dotenv => each(|name, value| format!("{name}={}\n", dotenv(value))),
        // Whoever evaluates this must not end up with stars for a password.
        Form::Shell => {
            let line = |(name, value): (&String, &String)| {
                if hidden.contains(name) {
                    format!("# export {name}=… is a secret\n")
                } else {
                    format!("export {name}={}\n", shell(value))
                }
            };
            environment.variables.iter().map(line).collect::<Vec<_>>().concat()
        }
    })
}

/// A value as dotenv readers take it: bare where it is plain, else in double quotes.
fn dotenv(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=~".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '"' | '\\' | '$' | '`' => text.extend(['\\', c]),
            _ => text.push(c),
        }
    }
    text.push('"');
    text
}

/// A value as a shell takes it: nothing has a meaning between single quotes.
fn shell(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
