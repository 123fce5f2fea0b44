//! Spec files as they are named on the command line: files, folders, and `-` for standard input.

use std::path::{Path, PathBuf};

use agent_harness_model::api::{ApplyRequest, SpecFile};
use agent_harness_model::id::ObjectKey;
use agent_harness_model::spec::diagnostic::{Diagnostic, arrange};
use agent_harness_model::spec::parse::{self, Document};
use agent_harness_model::validate::{self, LastGood};

use crate::error::{Exit, Failure, Result};
use crate::folder::{self, Found};
use crate::ui::Ui;
use crate::{files, templates};

/// The name that standard input has in messages.
const STDIN: &str = "<stdin>";

/// What was read: the files, and what they say.
pub struct Specs {
    /// As they go to the controller.
    pub files: Vec<SpecFile>,
    /// The well-formed objects in them.
    pub documents: Vec<Document>,
    /// What is wrong with them, each by itself.
    pub problems: Vec<Diagnostic>,
}

impl Specs {
    /// Reads everything that is named.
    pub fn read(names: &[PathBuf]) -> Result<Self> {
        let mut specs = Self { files: Vec::new(), documents: Vec::new(), problems: Vec::new() };
        for name in names {
            if name.as_os_str() == "-" {
                let bytes = files::bytes(Path::new(STDIN), std::io::stdin(), parse::MAX_FILE)?;
                let here = std::env::current_dir().ok();
                specs.add(STDIN, |documents| printed_from(documents).or(here), &bytes);
            } else if name.is_dir() {
                let found = folder::list(name)?;
                if found.is_empty() {
                    let message = format!("{} holds no spec", name.display());
                    return Err(Failure::failed(message)
                        .hint("a spec is a *.yaml or *.yml file right in the folder"));
                }
                for one in found {
                    match one {
                        Found::Spec(path) => specs.add_file(&path)?,
                        Found::Refused(problem) => specs.problems.push(problem),
                    }
                }
            } else {
                specs.add_file(name)?;
            }
        }
        Ok(specs)
    }

    fn add_file(&mut self, path: &Path) -> Result<()> {
        let bytes = files::read_bytes(path, parse::MAX_FILE)?;
        let folder = std::path::absolute(path)?.parent().map(Path::to_owned);
        self.add(&path.display().to_string(), |_| folder, &bytes);
        Ok(())
    }

    fn add(
        &mut self,
        name: &str,
        folder: impl FnOnce(&[Document]) -> Option<PathBuf>,
        bytes: &[u8],
    ) {
        let parsed = parse::parse(name, bytes);
        let folder = folder(&parsed.documents);
        self.documents.extend(parsed.documents);
        self.problems.extend(parsed.problems);
        // Bytes that are no text have a problem by now, and are not sent.
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.files.push(SpecFile { name: name.to_owned(), folder, text });
    }

    /// An object that these need and that is in none of them.
    pub fn outside(&self) -> Option<ObjectKey> {
        let needed = self.documents.iter().flat_map(Document::refers_to);
        needed.into_iter().find(|key| !self.documents.iter().any(|document| document.key == *key))
    }

    /// How many objects there are, and what is wrong with them, each by itself and all together.
    pub fn check(self) -> (usize, Vec<Diagnostic>) {
        let mut problems = self.problems;
        let objects = self.documents.len();
        let folder = |file: &str| {
            let given = self.files.iter().find(|given| given.name == STDIN && given.name == file);
            given.and_then(|given| given.folder.as_deref())
        };
        problems.extend(templates::missing(&self.documents, folder));
        problems.extend(validate::validate(self.documents, &LastGood::new()).problems);
        arrange(&mut problems);
        (objects, problems)
    }

    /// The request that applies them; refused here already when one is not well-formed.
    pub fn request(self, ui: &Ui, dry_run: bool) -> Result<ApplyRequest> {
        match refusal(&self.problems, ui) {
            Some(failure) => Err(failure),
            None => Ok(ApplyRequest { files: self.files, dry_run }),
        }
    }
}

/// The folder of the file that `ctl get` printed all these from: there their relative paths start, wherever they
/// are read again.
fn printed_from(documents: &[Document]) -> Option<PathBuf> {
    let folder = |document: &Document| {
        let (file, _) = document.metadata.source.as_deref()?.rsplit_once(':')?;
        Path::new(file).parent().filter(|folder| folder.is_absolute()).map(Path::to_owned)
    };
    let first = folder(documents.first()?)?;
    documents.iter().all(|document| folder(document).as_ref() == Some(&first)).then_some(first)
}

/// The failure that shows all problems; `None` without any.
pub fn refusal(problems: &[Diagnostic], ui: &Ui) -> Option<Failure> {
    if problems.is_empty() {
        return None;
    }
    let colours = ui.words_are_coloured();
    let count = problems.len();
    let mut failure = Failure::new(
        Exit::Failed,
        format!("{count} {} in the specs", if count == 1 { "problem" } else { "problems" }),
    );
    failure.diagnostics = problems.iter().map(|problem| problem.render(colours)).collect();
    Some(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_start_where_all_of_it_was_printed_from() {
        let from = |sources: &[&str]| {
            let text = sources.iter().enumerate().map(|(number, source)| {
                format!(
                    "---\napiVersion: agent-harness.dev/v1alpha1\nkind: Agent\n\
                     metadata: {{name: agent-{number}, {source}}}\nspec: {{stack: hello}}\n"
                )
            });
            let parsed = parse::parse(STDIN, text.collect::<String>().as_bytes());
            assert_eq!(parsed.problems, []);
            printed_from(&parsed.documents)
        };
        let there = Some(PathBuf::from("/specs"));
        assert_eq!(from(&["source: '/specs/a.yaml:4'"]), there);
        assert_eq!(from(&["source: '/specs/a.yaml:4'", "source: '/specs/b.yaml:1'"]), there);
        assert_eq!(from(&["source: '/specs/a.yaml:4'", "source: '/other/b.yaml:1'"]), None);
        assert_eq!(from(&["source: '/specs/a.yaml:4'", "uid: own"]), None);
        assert_eq!(from(&["source: 'a.yaml:4'"]), None);
        assert_eq!(printed_from(&[]), None);
    }
}
