//! Dereference: looks up what resolving has to know about the host. The one place where a name in a spec
//! (a secret, a file, a revision) becomes its content; what follows from it is resolved elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agent_harness_model::bytes::bytes;
use agent_harness_model::resolve::{Facts, Need};
use agent_harness_model::secret::Secret;
use agent_harness_providers::fs::{self, FsError};
use agent_harness_providers::git::{facts as git, identity};
use agent_harness_providers::machine;

use crate::environment::{self, EnvironmentError};
use crate::secrets::{Secrets, random_hex};

/// Files larger than this are no templates.
const MAX_TEMPLATE: u64 = 1024 * 1024;

/// Why the host cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// A file of the state folder cannot be read or written.
    #[error(transparent)]
    File(#[from] FsError),
    /// No random bytes for the installation's id.
    #[error("no random bytes for the id of this installation")]
    Random(#[source] std::io::Error),
    /// The home folder is not known.
    #[error("the home folder is not known; set HOME")]
    Home,
    /// What every command gets is not known.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// Our own programs are not where they should be.
    #[error("the folder of our own programs is not known")]
    Bin(#[source] std::io::Error),
}

/// The facts that were looked up so far, each with its age.
#[derive(Debug)]
pub struct FactBook {
    secrets: Secrets,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    facts: Arc<Facts>,
    looked_up: BTreeMap<Need, Instant>,
}

impl FactBook {
    /// Describes the host. `state` and `bin` (the folder of our own programs) are absolute.
    pub fn open(state: &Path, bin: PathBuf) -> Result<Self, FactsError> {
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let environment = environment::kept(state, |name| std::env::var(name).ok())?;
        let facts = Facts {
            state: state.to_path_buf(),
            home: home.ok_or(FactsError::Home)?,
            bin,
            environment,
            secrets: BTreeMap::new(),
            rebuilds: BTreeMap::new(),
            answers: BTreeMap::new(),
        };
        let book = Book { facts: Arc::new(facts), looked_up: BTreeMap::new() };
        Ok(Self { secrets: Secrets::new(state), book: Mutex::new(book) })
    }

    /// What is known now.
    pub fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.lock().facts)
    }

    /// Looks up what is needed. Secrets, template files and identities are read each time; what git has to be
    /// asked for, only when it is not known, or is known for longer than `max_age`. Blocks.
    ///
    /// Says when what was passed over will be that old, if anything was.
    pub fn gather(&self, needs: &BTreeSet<Need>, max_age: Duration) -> Option<Instant> {
        let now = Instant::now();
        let mut young: Option<Instant> = None;
        let due: Vec<Need> = {
            let book = self.lock();
            let is_due = |need: &&Need| match (is_costly(need), book.looked_up.get(*need)) {
                (true, Some(at)) if now.duration_since(*at) <= max_age => {
                    young = Some(young.map_or(*at, |first| first.min(*at)));
                    false
                }
                _ => true,
            };
            needs.iter().filter(is_due).cloned().collect()
        };
        let mut found = Vec::with_capacity(due.len());
        for need in due {
            let answer = self.look_up(&need);
            found.push((need, answer));
        }
        let mut book = self.lock();
        let mut facts = Facts::clone(&book.facts);
        for (need, answer) in found {
            book.looked_up.insert(need.clone(), now);
            match (&need, answer) {
                (Need::Secret(name), Answer::Secret(secret)) => {
                    facts.secrets.insert(name.clone(), secret);
                    facts.answers.remove(&need);
                }
                (_, Answer::Text(text)) => {
                    facts.answers.insert(need, text);
                }
                (_, Answer::Secret(_)) => {}
            }
        }
        if *book.facts != facts {
            book.facts = Arc::new(facts);
        }
        young.and_then(|at| at.checked_add(max_age))
    }

    /// Answers what is needed into a copy of the facts, and makes nothing: a secret that there is none of yet
    /// is only stood in for. For questions of the kind "what if". Blocks.
    pub fn suppose(&self, needs: &BTreeSet<Need>, facts: &mut Facts) {
        for need in needs {
            match need {
                Need::Secret(name) if facts.secrets.contains_key(name) => {}
                Need::Secret(name) => match self.secrets.existing(name) {
                    Ok(known) => {
                        let secret = known.unwrap_or_else(|| Secret::new("to be made"));
                        facts.secrets.insert(name.clone(), secret);
                    }
                    Err(error) => {
                        facts.answers.insert(need.clone(), Err(chain(&error)));
                    }
                },
                other if is_costly(other) && facts.answers.contains_key(other) => {}
                other => {
                    if let Answer::Text(text) = self.look_up(other) {
                        facts.answers.insert(other.clone(), text);
                    }
                }
            }
        }
    }

    fn look_up(&self, need: &Need) -> Answer {
        Answer::Text(match need {
            Need::Secret(name) => match self.secrets.get(name) {
                Ok(secret) => return Answer::Secret(secret),
                Err(error) => Err(chain(&error)),
            },
            Need::File(path) => template(path),
            Need::Commit { repo, base } => {
                git::base_commit(repo, base).map_err(|error| chain(&error))
            }
            Need::Inputs { repo, commit, patterns } => {
                git::inputs_hash(repo, commit, patterns).map_err(|error| chain(&error))
            }
            Need::Repository(path) => identity::of_repository(path).map_err(|error| chain(&error)),
            Need::Folder(path) => identity::of_folder(path).map_err(|error| chain(&error)),
            Need::Memory => number(machine::memory()),
            Need::Disk => number(machine::disk(&self.facts().state).map(|disk| disk.size)),
            Need::FreeDisk(wanted) => free_disk(&self.facts().state, *wanted),
            Need::Program(name) => {
                let facts = self.facts();
                let path = facts.environment.get("PATH").map(String::as_str);
                program(name, path.unwrap_or_default())
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Answer {
    Secret(Secret),
    Text(Result<String, String>),
}

/// Whether git has to be asked.
fn is_costly(need: &Need) -> bool {
    match need {
        Need::Commit { .. } | Need::Inputs { .. } => true,
        // What may move data is looked at each time.
        Need::Secret(_)
        | Need::File(_)
        | Need::Repository(_)
        | Need::Folder(_)
        | Need::Memory
        | Need::Disk
        | Need::FreeDisk(_)
        | Need::Program(_) => false,
    }
}

fn number(looked_up: std::io::Result<u64>) -> Result<String, String> {
    looked_up.map(|it| it.to_string()).map_err(|error| chain(&error))
}

/// Whether so much is free. How much is comes in words that stay the same while it changes a little.
fn free_disk(state: &Path, wanted: u64) -> Result<String, String> {
    let free = machine::disk(state).map_err(|error| chain(&error))?.free;
    if free >= wanted {
        return Ok(String::new());
    }
    let shown = bytes(free);
    Err(format!("no more than {shown} is free where {} is", state.display()))
}

/// Where a program is, as whoever starts it finds it.
fn program(name: &str, path: &str) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let is_program = |path: &PathBuf| {
        let metadata = fs::metadata(path).ok().flatten();
        metadata.is_some_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    let folders = if name.contains('/') { "" } else { path };
    let found = std::env::split_paths(folders).map(|folder| folder.join(name)).find(is_program);
    let found = found.ok_or_else(|| format!("there is no program `{name}` on this host"))?;
    Ok(found.display().to_string())
}

/// The text of a template file. It is opened without waiting: a named pipe has nobody at its other end.
fn template(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let mut file = match fs::open_without_waiting(path) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => return Err(format!("there is no file {shown}")),
        Err(error) => return Err(chain(&error)),
    };
    let metadata = file.metadata().map_err(|error| format!("cannot look at {shown}: {error}"))?;
    if !metadata.is_file() {
        return Err(format!("{shown} is not a regular file, and so not a template"));
    }
    let mut text = String::new();
    match file.by_ref().take(MAX_TEMPLATE + 1).read_to_string(&mut text) {
        Ok(_) if text.len() as u64 > MAX_TEMPLATE => {
            let size = metadata.len();
            Err(format!("{shown} has {size} bytes; a template has at most {MAX_TEMPLATE}"))
        }
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(format!("{shown} is not UTF-8 text, and so not a template"))
        }
        Err(error) => Err(format!("cannot read {shown}: {error}")),
    }
}

/// An error and its sources in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let class = agent_harness_model::world::Class::Terminal;
    agent_harness_model::world::ApplyError::from_error(class, error).message
}

/// The id of this installation: made once, part of every mark. Losing it would orphan every resource.
pub fn installation(state: &Path) -> Result<String, FactsError> {
    let path = state.join("installation");
    if let Some(text) = fs::read_to_string_if_exists(&path)? {
        let id = text.trim();
        if !id.is_empty() {
            return Ok(id.to_owned());
        }
    }
    let id: String = random_hex().map_err(FactsError::Random)?.chars().take(12).collect();
    fs::write_atomic(&path, format!("{id}\n"), 0o600)?;
    Ok(id)
}

/// The folder of our own programs: where the running one lies.
pub fn own_folder() -> Result<PathBuf, FactsError> {
    let program = std::env::current_exe().map_err(FactsError::Bin)?;
    let folder = program.parent().unwrap_or_else(|| Path::new("/"));
    // Tests run from `deps`, one folder below the programs.
    Ok(match folder.file_name() {
        Some(name) if name == "deps" => folder.parent().unwrap_or(folder).to_path_buf(),
        _ => folder.to_path_buf(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn files_and_secrets_are_read_each_time() {
        let state = tempfile::tempdir().unwrap();
        let book = FactBook::open(state.path(), "/bin".into()).unwrap();
        let path = state.path().join("template");
        let file = Need::File(path.clone());
        let needs: BTreeSet<_> = [Need::Secret("a".into()), file.clone()].into_iter().collect();
        assert_eq!(book.gather(&needs, LONG), None);
        let facts = book.facts();
        assert_eq!(facts.secrets["a"].reveal().len(), 32);
        let missing = facts.answers[&file].clone().unwrap_err();
        assert_eq!(missing, format!("there is no file {}", path.display()));

        fs::write_atomic(&path, "text", 0o644).unwrap();
        fs::write_atomic(state.path().join("secrets/a"), "my own", 0o600).unwrap();
        book.gather(&needs, LONG);
        let facts = book.facts();
        assert_eq!(facts.answers[&file], Ok("text".into()));
        assert_eq!(facts.secrets["a"].reveal(), "my own");
    }

    #[test]
    fn a_secret_that_cannot_be_had_is_not_taken_for_one_that_is_to_be_made() {
        let state = tempfile::tempdir().unwrap();
        let book = FactBook::open(state.path(), "/bin".into()).unwrap();
        fs::create_dir_all(state.path().join("secrets/a"), 0o700).unwrap();
        let need = Need::Secret("a".into());
        let needs = BTreeSet::from([need.clone()]);
        let mut facts = Facts::default();
        book.suppose(&needs, &mut facts);
        book.gather(&needs, LONG);
        for facts in [facts, (*book.facts()).clone()] {
            assert!(facts.secrets.is_empty());
            let why = facts.answers[&need].clone().unwrap_err();
            assert!(why.starts_with("the secret a cannot be had: cannot read "), "{why}");
        }
    }

    #[test]
    fn git_is_asked_again_when_an_answer_is_old() {
        let state = tempfile::tempdir().unwrap();
        let book = FactBook::open(state.path(), "/bin".into()).unwrap();
        let repo = state.path().join("repo");
        let need = Need::Commit { repo: repo.clone(), base: "main".into() };
        let needs = BTreeSet::from([need.clone()]);
        assert_eq!(book.gather(&needs, LONG), None, "it was not known");
        assert!(book.facts().answers[&need].is_err());
        let again = book.gather(&needs, LONG).unwrap();
        assert!(again > Instant::now(), "it is known for a moment only");
        assert_eq!(book.gather(&needs, Duration::ZERO), None);
    }

    #[test]
    fn what_is_no_text_file_is_no_template() {
        let state = tempfile::tempdir().unwrap();
        let at = |name: &str| state.path().join(name);
        fs::create_dir_all(at("folder"), 0o700).unwrap();
        fs::write_atomic(at("bytes"), [0xff_u8, 0xfe], 0o600).unwrap();
        fs::write_atomic(at("big"), vec![b'x'; 1024 * 1024 + 1], 0o600).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR).unwrap();
        let said = |name: &str| {
            let why = template(&at(name)).unwrap_err();
            why.replace(&state.path().display().to_string(), "DIR")
        };
        assert_eq!(said("folder"), "DIR/folder is not a regular file, and so not a template");
        assert_eq!(said("pipe"), "DIR/pipe is not a regular file, and so not a template");
        assert_eq!(said("bytes"), "DIR/bytes is not UTF-8 text, and so not a template");
        assert_eq!(said("big"), "DIR/big has 1048577 bytes; a template has at most 1048576");
    }

    #[test]
    fn the_installation_keeps_its_id() {
        let state = tempfile::tempdir().unwrap();
        let id = installation(state.path()).unwrap();
        assert_eq!(installation(state.path()).unwrap(), id);
        assert_eq!(id.len(), 12);
    }
}
