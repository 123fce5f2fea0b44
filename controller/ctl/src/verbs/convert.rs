//! `ctl convert`: what other tools' files say, as a spec on standard output; what could not be carried over, on
//! standard error.

mod node;

use std::path::{Path, PathBuf};

use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::{name_problem, parse};

use crate::convert::report::{Finding, Weight};
use crate::convert::variables::Variables;
use crate::convert::{Converted, compose, object_name_of, pm2, procfile, read};
use crate::error::{Exit, Failure, Result};
use crate::files::{self, FileError};
use crate::ui::{Tone, Ui};

/// Turn a compose file, a Procfile or a PM2 config into a spec
///
/// The spec goes to standard output. Whatever could not be carried over is listed on standard error, with its line and
/// what to do instead.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXITS,
    subcommand_value_name = "FORM",
    subcommand_help_heading = "Forms",
    disable_help_subcommand = true
)]
pub struct ConvertArgs {
    #[command(subcommand)]
    form: Form,
}

const EXITS: &str = "Exit codes: 0 nothing was lost · 1 something was, and is listed, or the file is wrong · 2 usage";

#[derive(Debug, clap::Subcommand)]
enum Form {
    /// Turn a docker-compose file into an Infra
    ///
    /// Variables in it come from this environment, then from the env files, as compose has it. Save the Infra beside
    /// the file: paths in it start there.
    #[command(after_help = EXITS)]
    Compose(ComposeArgs),
    /// Turn the lines of a Procfile into a Stack
    #[command(after_help = EXITS)]
    Procfile(FileArgs),
    /// Turn a PM2 config into a Stack
    ///
    /// A config in JavaScript is run by the `node` of PATH.
    #[command(after_help = EXITS)]
    Pm2(FileArgs),
}

#[derive(Debug, clap::Args)]
struct ComposeArgs {
    /// The file, such as docker-compose.yml; - for standard input
    file: PathBuf,
    /// The name of the Infra [default: that of the file, or shared]
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// A file of variables, in place of the .env beside FILE; may be given again
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct FileArgs {
    /// The file; - for standard input
    file: PathBuf,
    /// The name of the Stack [default: that of the folder of FILE]
    #[arg(long, value_parser = name)]
    name: Option<String>,
}

fn name(text: &str) -> std::result::Result<String, String> {
    name_problem(text).map_or_else(|| Ok(text.to_owned()), Err)
}

/// What a conversion gives: the spec, or what is wrong with the file.
type Outcome = std::result::Result<Converted, Vec<Diagnostic>>;

/// Carries it out.
pub fn run(args: &ConvertArgs, ui: &mut Ui) -> Result {
    let (file, outcome) = match &args.form {
        Form::Compose(args) => (&args.file, from_compose(args)?),
        Form::Procfile(args) => (&args.file, from_procfile(args)?),
        Form::Pm2(args) => (&args.file, from_pm2(args)?),
    };
    let shown = shown(file);
    let converted = outcome.map_err(|problems| refusal(&shown, &problems, ui))?;
    ui.data(&converted.yaml)?;
    tell(&shown, &converted.findings, ui)
}

/// Lists what was found, and says whether something was lost.
fn tell(file: &str, findings: &[Finding], ui: &mut Ui) -> Result {
    for finding in findings {
        let label = match finding.weight {
            Weight::Lost => ui.paint_words(Tone::Bad, "lost"),
            Weight::Note => ui.paint_words(Tone::Info, "note"),
        };
        ui.say(&format!("{}: {label}: {}{}", finding.at(), finding.of(), finding.text))?;
    }
    match findings.iter().filter(|finding| finding.weight == Weight::Lost).count() {
        0 => Ok(Exit::Done),
        1 => {
            ui.say(&format!("1 part of {file} was not carried over"))?;
            Ok(Exit::Failed)
        }
        lost => {
            ui.say(&format!("{lost} parts of {file} were not carried over"))?;
            Ok(Exit::Failed)
        }
    }
}

fn refusal(file: &str, problems: &[Diagnostic], ui: &Ui) -> Failure {
    let colours = ui.words_are_coloured();
    let count = problems.len();
    let noun = if count == 1 { "problem" } else { "problems" };
    let mut failure = Failure::failed(format!("{count} {noun} in {file}"));
    failure.diagnostics = problems.iter().map(|problem| problem.render(colours)).collect();
    failure
}

fn from_compose(args: &ComposeArgs) -> Result<Outcome> {
    let (file, bytes) = (shown(&args.file), bytes_of(&args.file)?);
    let folder = folder_of(&args.file)?;
    let mut variables = Variables::of_process(process_variables());
    let beside = folder.join(".env");
    let env_files = match args.env_file.as_slice() {
        [] if beside.is_file() => std::slice::from_ref(&beside),
        named => named,
    };
    for path in env_files {
        let text = files::read(path)?;
        if let Err(problem) = variables.add_file(&path.display().to_string(), &text) {
            return Ok(Err(vec![*problem]));
        }
    }
    let text = match read::text(&file, &bytes) {
        Ok(text) => text,
        Err(problems) => return Ok(Err(problems)),
    };
    let read = |path: &str| -> std::result::Result<(String, String), FileError> {
        let path = folder.join(path);
        Ok((path.display().to_string(), files::read(&path)?))
    };
    let name = args.name.as_deref();
    let input = compose::Input { file: &file, text, name, variables: &variables, read: &read };
    Ok(compose::convert(&input))
}

fn from_procfile(args: &FileArgs) -> Result<Outcome> {
    let (file, bytes) = (shown(&args.file), bytes_of(&args.file)?);
    let name = stack_name(args)?;
    Ok(read::text(&file, &bytes).and_then(|text| procfile::convert(&file, text, &name)))
}

fn from_pm2(args: &FileArgs) -> Result<Outcome> {
    let file = shown(&args.file);
    let form = pm2::Form::of(&args.file);
    let (folder, name) = (folder_of(&args.file)?, stack_name(args)?);
    let bytes = match form {
        pm2::Form::Program => node::value_of(&args.file)?,
        pm2::Form::Json | pm2::Form::Yaml => bytes_of(&args.file)?,
    };
    Ok(read::text(&file, &bytes).and_then(|text| {
        pm2::convert(&pm2::Input { file: &file, text, form, folder: &folder, name: &name })
    }))
}

/// Variables that are not text are nothing that a file can name.
fn process_variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// A file as messages name it.
fn shown(path: &Path) -> String {
    if is_stdin(path) { "<stdin>".to_owned() } else { path.display().to_string() }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    Ok(if is_stdin(path) {
        files::bytes(Path::new("<stdin>"), std::io::stdin(), parse::MAX_FILE)?
    } else {
        files::read_bytes(path, parse::MAX_FILE)?
    })
}

/// The folder of a file, absolute and without links, as a program that runs in it says it.
fn folder_of(path: &Path) -> Result<PathBuf> {
    if is_stdin(path) {
        return Ok(std::env::current_dir()?);
    }
    let fail = |source| FileError::Io { path: path.to_owned(), source };
    let path = path.canonicalize().map_err(fail)?;
    Ok(path.parent().unwrap_or(&path).to_owned())
}

fn stack_name(args: &FileArgs) -> Result<String> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    let folder = folder_of(&args.file)?;
    let name = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
    Ok(object_name_of(&name))
}
