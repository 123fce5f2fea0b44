//! `ctl edit`: an object's spec file in the user's editor, put in its place when it is right. The
//! controller says whether it is, and acts on the file, as after any other editor; so comments and
//! layout stay as they were typed.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use agent_harness_model::api::{Applied, ApplyRequest, SpecFile};
use agent_harness_model::id::ObjectKey;
use agent_harness_model::spec::parse;
use tokio::signal::unix::{SignalKind, signal};

use crate::client::{Client, ClientError};
use crate::error::{Exit, Failure, Result};
use crate::files;
use crate::lookup;
use crate::ui::Ui;
use crate::verbs::apply;

/// What our own lines in an edited file begin with, and no comment of a user's.
const MARK: &str = "#ctl|";

/// Edit an object's spec file
///
/// It opens a copy in $VISUAL or $EDITOR. What is wrong with it is said, and shown at its top, until
/// it is right or comes back unchanged. Without a terminal it is opened once.
#[derive(Debug, clap::Args)]
pub struct EditArgs {
    /// The object
    #[arg(value_name = "NAME")]
    name: ObjectKey,
}

/// Carries it out.
pub async fn run(args: EditArgs, client: &Client, ui: &mut Ui) -> Result {
    let object = lookup::object(client, &args.name).await?;
    let source = &object.metadata.source;
    let path = PathBuf::from(source.rsplit_once(':').map_or(source.as_str(), |(path, _)| path));
    let original = files::read(&path)?;
    let copy = Copy::of(&path)?;
    // Ctrl-C in the editor reaches us as well, and must not leave it alone with the terminal.
    let _interrupt = signal(SignalKind::interrupt())?;
    let _quit = signal(SignalKind::quit())?;
    edit(client, ui, &path, &original, &copy.path).await.map_err(|failure| {
        let edited = files::read(&copy.path).is_ok_and(|text| without_marks(&text) != original);
        if edited { copy.keep(failure) } else { failure }
    })
}

/// Opens the copy again and again, until it is right or the user gives up.
async fn edit(client: &Client, ui: &mut Ui, path: &Path, original: &str, copy: &Path) -> Result {
    let mut text = original.to_owned();
    let mut problem: Option<Failure> = None;
    loop {
        files::write(copy, &with_problem(&text, problem.as_ref()))?;
        open_editor(copy).await?;
        let edited = without_marks(&files::read(copy)?);
        if edited == text || edited.trim().is_empty() {
            return match problem {
                // What is wrong was said before the editor opened.
                Some(_) => Err(Failure::failed("given up; nothing was changed")),
                None => {
                    ui.say("nothing was changed")?;
                    Ok(Exit::Done)
                }
            };
        }
        text = edited;
        if let Some(failure) = lost(path, original, &text) {
            problem = Some(again(ui, failure)?);
            continue;
        }
        let mut interrupt = signal(SignalKind::interrupt())?;
        let checked = tokio::select! {
            checked = check(client, path, &text) => checked,
            _ = interrupt.recv() => Err(Failure::failed("interrupted; nothing was changed")),
        };
        match checked {
            Ok(applied) => {
                if files::read(path)? != original {
                    let failure = Failure::failed(format!("{} changed meanwhile", path.display()));
                    return Err(failure.hint("edit it again"));
                }
                files::replace(path, &text)?;
                apply::report(ui, &applied, false)?;
                return Ok(Exit::Done);
            }
            Err(failure) if failure.exit == Exit::Failed && !failure.diagnostics.is_empty() => {
                problem = Some(again(ui, failure)?);
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Says what is wrong before the editor opens again. Without a terminal the editor is a program, which may well
/// make another mistake each time, for ever.
fn again(ui: &mut Ui, failure: Failure) -> Result<Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(failure);
    }
    ui.failure(&failure);
    Ok(failure)
}

/// That an object is not in the text any more: a change of its name would have it leave, with all that it made.
fn lost(path: &Path, original: &str, text: &str) -> Option<Failure> {
    let name = path.display().to_string();
    let keys = |text: &str| -> BTreeSet<ObjectKey> {
        parse::parse(&name, text.as_bytes()).documents.into_iter().map(|it| it.key).collect()
    };
    let parsed = parse::parse(&name, text.as_bytes());
    let lost = keys(original).into_iter().find(|key| !keys(text).contains(key))?;
    // What cannot be read may well be there; that has a message of its own.
    parsed.problems.is_empty().then(|| {
        let mut failure = Failure::failed(format!("{lost} is not in it any more"));
        failure.diagnostics.push(format!(
            "an object keeps its name: another one would be another object, and this one would leave\n\
             to remove it: ctl delete {lost}"
        ));
        failure
    })
}

/// What applying the text would do, were it in its place.
async fn check(client: &Client, path: &Path, text: &str) -> Result<Vec<Applied>> {
    let name = path.display().to_string();
    let problems = parse::parse(&name, text.as_bytes()).problems;
    if !problems.is_empty() {
        let mut failure = Failure::failed(format!("{name} is not right yet"));
        failure.diagnostics = problems.iter().map(|problem| problem.render(false)).collect();
        return Err(failure);
    }
    let folder = path.parent().map(Path::to_owned);
    let file = SpecFile { name, folder, text: text.to_owned() };
    let request = ApplyRequest { files: vec![file], dry_run: true };
    client.post("/v1/apply", Some(&request)).await.map_err(|error: ClientError| error.into())
}

/// The copy that is edited. It is removed at the end, unless the edits would be lost with it.
struct Copy {
    path: PathBuf,
    folder: tempfile::TempDir,
}

impl Copy {
    fn of(path: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ctl-edit-").tempdir()?;
        // The same name, so that an editor knows what it is.
        let name = path.file_name().unwrap_or("spec.yaml".as_ref());
        Ok(Self { path: folder.path().join(name), folder })
    }

    fn keep(self, failure: Failure) -> Failure {
        let _ = self.folder.keep();
        failure.hint(format!("your edits are kept in {}", self.path.display()))
    }
}

/// Runs the user's editor. Its setting may hold arguments, as in `code --wait`.
async fn open_editor(path: &Path) -> Result<()> {
    let setting = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()))
        .unwrap_or_else(|| "vi".to_owned());
    let mut words = setting.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let mut command = Command::new(program);
    command.args(words).arg(path);
    // Beside us, so that signals are heard as they come.
    let ended = tokio::task::spawn_blocking(move || command.status()).await;
    let status =
        ended.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(|error| {
            Failure::failed(format!("the editor `{setting}` cannot be started: {error}"))
                .hint("set VISUAL or EDITOR")
        })?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::failed(format!("the editor `{setting}` ended with {status}; nothing was changed")))
}

/// The text under a comment that says what is wrong with it.
fn with_problem(text: &str, problem: Option<&Failure>) -> String {
    let Some(problem) = problem else { return text.to_owned() };
    let said = [problem.message.as_str(), "Close the file unchanged to give up."];
    let diagnostics = problem.diagnostics.iter().flat_map(|diagnostic| diagnostic.lines());
    let mut shown = String::new();
    for line in said.into_iter().chain(diagnostics) {
        shown.extend([format!("{MARK} {line}").trim_end(), "\n"]);
    }
    shown + text
}

/// An editor may have indented our lines, or taken the blanks at their ends.
fn without_marks(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with(MARK)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_lines_leave_again() {
        let mut failure = Failure::failed("x.yaml is not right yet");
        failure.diagnostics.push("error: bad\n\n --> x.yaml:1:1".to_owned());
        let text = "#! mine\n#!\n# ctl| mine too\nkind: Agent\n";
        let shown = with_problem(text, Some(&failure));
        insta::assert_snapshot!(shown, @"
        #ctl| x.yaml is not right yet
        #ctl| Close the file unchanged to give up.
        #ctl| error: bad
        #ctl|
        #ctl|  --> x.yaml:1:1
        #! mine
        #!
        # ctl| mine too
        kind: Agent
        ");
        assert_eq!(without_marks(&shown), text);
        assert_eq!(without_marks(&shown.replace("#ctl", "  #ctl")), text);
    }
}
