//! Changes of the watched folder: thought out against one look at each file, then written together, each where that
//! is still what lies there. Files are read as the intake reads them, and nothing outside of the folder is ever
//! written, whatever an object's spec was read from before.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use agent_harness_model::id::ObjectKey;
use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::parse::{Document, parse};
use agent_harness_providers::fs::{self, FsError, TEMPORARY_SUFFIX};

use super::answer::Refusal;
use super::files;
use super::swap::SwapError;
use super::written::{Change, Changes, NotUndone, Written};
use crate::intake::folder::{self, FileRead, is_same, is_spec_name};

/// Why the folder was not changed as it was to be.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// Nothing was changed.
    #[error(transparent)]
    File(#[from] FsError),
    /// Some of it was changed, and that could not be undone.
    #[error("{left}; correct the cause and do it again")]
    Half {
        /// What was written.
        left: NotUndone,
        /// Why not the rest.
        #[source]
        source: Box<EditError>,
    },
    /// Nothing was changed, because somebody else did.
    #[error("{} was changed by somebody else just now; look at it, and do this again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The text of a file has a form in which one document cannot be told from the others for sure.
    #[error(
        "{} cannot be changed without touching its other objects; change it by hand",
        path.display()
    )]
    Entangled {
        /// The file.
        path: PathBuf,
    },
}

impl EditError {
    /// Why a file is not where it was to go.
    pub fn of(path: PathBuf, error: SwapError) -> Self {
        match error {
            SwapError::Changed => Self::Changed { path },
            SwapError::File(error) => Self::File(error),
        }
    }
}

impl From<EditError> for Refusal {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Changed { .. } => Self::Conflict(error.to_string()),
            EditError::File(_) | EditError::Half { .. } | EditError::Entangled { .. } => {
                Self::failed(&error)
            }
        }
    }
}

/// Changes that were not written yet.
#[derive(Debug)]
pub struct Edits<'a> {
    folder: &'a Path,
    /// What each file held when it was first looked at.
    seen: RefCell<BTreeMap<PathBuf, Option<FileRead>>>,
    pending: Changes,
}

impl<'a> Edits<'a> {
    /// No changes of a folder.
    pub fn of(folder: &'a Path) -> Self {
        Self { folder, seen: RefCell::default(), pending: Changes::new() }
    }

    /// Whether a file is one that is read from this folder, as far as its name and place say.
    pub fn holds(&self, path: &Path) -> bool {
        is_spec_name(path) && path.parent().is_some_and(|it| is_same(it, self.folder))
    }

    /// What is in a file, as it would be by now; `None` where there is none.
    fn look(&self, path: &Path) -> Option<FileRead> {
        if let Some(change) = self.pending.get(path) {
            return change.after.as_ref().map(|text| FileRead::Bytes(text.clone().into()));
        }
        let mut seen = self.seen.borrow_mut();
        let read = || folder::read(self.folder, path);
        seen.entry(path.to_path_buf()).or_insert_with(read).clone()
    }

    /// The document of an object in a file.
    pub fn find(&self, path: &Path, key: &ObjectKey) -> Option<Document> {
        let FileRead::Bytes(bytes) = self.look(path)? else { return None };
        let parsed = parse(&path.display().to_string(), &bytes);
        parsed.documents.into_iter().find(|document| document.key == *key)
    }

    /// The first thing that cannot be read in a file.
    pub fn broken(&self, path: &Path) -> Option<Diagnostic> {
        match self.look(path)? {
            FileRead::Bytes(bytes) => {
                parse(&path.display().to_string(), &bytes).problems.into_iter().next()
            }
            FileRead::Bad(why) => Some(why),
        }
    }

    /// The document of an object, in whichever file of the folder it is.
    pub fn search(&self, key: &ObjectKey) -> Result<Option<(PathBuf, Document)>, FsError> {
        let mut paths = fs::list_dir(self.folder)?;
        paths.extend(self.pending.keys().cloned());
        let found = paths.into_iter().filter(|path| self.holds(path)).find_map(|path| {
            // What cannot be read has a message of its own, and none of our objects.
            let document = self.find(&path, key)?;
            Some((path, document))
        });
        Ok(found)
    }

    /// Puts a document in the place of another one, or with `None` takes it out; a file in which nothing is left
    /// goes.
    pub fn replace(
        &mut self,
        path: &Path,
        document: &Document,
        new: Option<&str>,
    ) -> Result<(), EditError> {
        let changed_since = || EditError::Changed { path: path.to_path_buf() };
        let Some(FileRead::Bytes(bytes)) = self.look(path) else { return Err(changed_since()) };
        let text = String::from_utf8(bytes).map_err(|_| changed_since())?;
        let changed = files::with(&text, document, new);
        let others = |text: &str| {
            let parsed = parse(&path.display().to_string(), text.as_bytes());
            let others = parsed.documents.into_iter().filter(|it| it.key != document.key);
            others.map(|it| (it.hash(), it.key)).collect::<Vec<_>>()
        };
        if others(&text) != changed.as_deref().map(others).unwrap_or_default() {
            return Err(EditError::Entangled { path: path.to_path_buf() });
        }
        let first = Change { before: Some(text), after: None };
        self.pending.entry(path.to_path_buf()).or_insert(first).after = changed;
        Ok(())
    }

    /// Makes a file.
    pub fn create(&mut self, path: PathBuf, text: String) {
        self.pending.insert(path, Change { before: None, after: Some(text) });
    }

    /// A file for a new object: its own name, unless another file has that.
    pub fn place_for(&self, key: &ObjectKey) -> PathBuf {
        let names = [format!("{}.yaml", key.name), format!("{}-{}.yaml", key.kind, key.name)];
        let numbered = (2..).map(|number| format!("{}-{}-{number}.yaml", key.kind, key.name));
        names
            .into_iter()
            .chain(numbered)
            .map(|name| self.folder.join(name))
            .find(|path| self.is_free(path))
            .unwrap_or_else(|| self.folder.join(format!("{}.yaml", key.slug())))
    }

    /// Whether nothing has that name.
    pub fn is_free(&self, path: &Path) -> bool {
        !self.pending.contains_key(path) && path.symlink_metadata().is_err()
    }

    /// Carries all of it out.
    pub fn carry_out(self) -> Result<Written, EditError> {
        Written::write(&self.pending)
    }
}

/// Removes what a controller that was killed in the middle of a change left in a folder of specs. What a process
/// that runs may still be writing stays.
pub fn sweep(folder: &Path) {
    // A folder that cannot be listed has a message of its own.
    for path in fs::list_dir(folder).unwrap_or_default() {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let of = name.strip_prefix('.').and_then(|name| name.strip_suffix(TEMPORARY_SUFFIX));
        let pid =
            of.and_then(|name| name.rsplit('.').next()?.split('-').next()?.parse::<u32>().ok());
        let runs = |pid: u32| {
            pid != std::process::id() && Path::new("/proc").join(pid.to_string()).exists()
        };
        if pid.is_some_and(|pid| !runs(pid)) {
            if let Err(error) = fs::remove_file_if_exists(&path) {
                tracing::debug!(%error, "a draft stays");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn agent(name: &str) -> String {
        format!(
            "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {{name: {name}}}\nspec: {{stack: s}}\n"
        )
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn modes_stay_and_new_files_follow_the_umask() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("a.yaml"), folder.path().join("b.yaml"));
        fs::write_atomic(&old, agent("a"), 0o600).unwrap();
        let mut edits = Edits::of(folder.path());
        let document = edits.find(&old, &ObjectKey::agent("a")).unwrap();
        let changed = agent("a").replace("{stack: s}", "{stack: t}");
        edits.replace(&old, &document, Some(&changed)).unwrap();
        edits.create(new.clone(), agent("b"));
        edits.carry_out().unwrap().keep();
        assert_eq!(mode(&old), 0o600);
        assert_eq!(fs::read_to_string(&old).unwrap(), changed);
        let plain = folder.path().join("plain");
        std::fs::File::create(&plain).unwrap();
        assert_eq!(mode(&new), mode(&plain));
    }

    #[test]
    fn all_of_it_is_written_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut edits = Edits::of(folder.path());
        edits.create(folder.path().join("a.yaml"), agent("a"));
        edits.create(folder.path().join("no/b.yaml"), agent("b"));
        let error = edits.carry_out().unwrap_err();
        assert!(matches!(error, EditError::File(_)), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left there");
        // A folder stands where the second one is to go: that shows only when it is put there.
        std::fs::create_dir(folder.path().join("b.yaml")).unwrap();
        let mut edits = Edits::of(folder.path());
        for name in ["a", "b", "c"] {
            edits.create(folder.path().join(format!("{name}.yaml")), agent(name));
        }
        let error = edits.carry_out().unwrap_err();
        assert!(matches!(error, EditError::Changed { .. }), "{error}");
        let names: Vec<_> = fs::list_dir(folder.path()).unwrap();
        assert_eq!(names, [folder.path().join("b.yaml")], "what was put there is taken back");
    }

    /// Neither is what such a file stands for written, nor does anybody wait at a pipe.
    #[test]
    fn what_is_no_regular_file_of_the_folder_is_neither_read_nor_written() {
        let folder = tempfile::tempdir().unwrap();
        let specs = folder.path().join("specs");
        fs::create_dir_all(&specs, 0o755).unwrap();
        let outside = folder.path().join("a.yaml");
        fs::write_atomic(&outside, agent("a"), 0o644).unwrap();
        std::os::unix::fs::symlink(&outside, specs.join("l.yaml")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, specs.join("p.yaml"), kind, mode, 0).unwrap();
        let edits = Edits::of(&specs);
        let key = ObjectKey::agent("a");
        assert_eq!(edits.search(&key).unwrap(), None);
        for name in ["l.yaml", "p.yaml"] {
            assert_eq!(edits.find(&specs.join(name), &key), None, "{name}");
            assert!(edits.broken(&specs.join(name)).is_some(), "{name}");
        }
    }

    #[test]
    fn an_edit_since_the_look_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yaml");
        fs::write_atomic(&path, agent("a"), 0o644).unwrap();
        let mut edits = Edits::of(folder.path());
        let document = edits.find(&path, &ObjectKey::agent("a")).unwrap();
        let theirs = agent("a") + "# mine\n";
        fs::write_atomic(&path, &theirs, 0o644).unwrap();
        edits.replace(&path, &document, None).unwrap();
        let error = edits.carry_out().unwrap_err();
        assert!(matches!(error, EditError::Changed { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), theirs);
    }

    #[test]
    fn drafts_of_those_who_were_killed_are_swept_away() {
        let folder = tempfile::tempdir().unwrap();
        let ours =
            ["x.yaml", ".x.yaml.1.harness-tmp", ".x.yaml", ".y.harness-tmp", "z.99.harness-tmp"];
        let dead = [
            format!(".a.yaml.{}{TEMPORARY_SUFFIX}", u32::MAX),
            format!("..a.yaml.{0}{TEMPORARY_SUFFIX}.{0}-7{TEMPORARY_SUFFIX}", u32::MAX),
            format!(".b.yaml.{}-3{TEMPORARY_SUFFIX}", std::process::id()),
        ];
        for name in ours.iter().copied().chain(dead.iter().map(String::as_str)) {
            fs::write_atomic(folder.path().join(name), "x", 0o644).unwrap();
        }
        sweep(folder.path());
        let left: Vec<_> = fs::list_dir(folder.path()).unwrap();
        let mut expected: Vec<_> = ours.iter().map(|name| folder.path().join(name)).collect();
        expected.sort();
        assert_eq!(left, expected);
    }

    #[test]
    fn only_spec_files_right_in_the_folder_are_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let specs = folder.path().join("specs");
        std::fs::create_dir_all(specs.join("sub")).unwrap();
        std::os::unix::fs::symlink(&specs, folder.path().join("link")).unwrap();
        let edits = Edits::of(&specs);
        let holds = |path: &str| edits.holds(&folder.path().join(path));
        assert!(holds("specs/x.yaml") && holds("link/x.yml") && holds("specs/sub/../x.yaml"));
        for path in ["specs/sub/x.yaml", "specs/.x.yaml", "specs/x.txt", "x.yaml", "specs"] {
            assert!(!holds(path), "{path}");
        }
    }

    #[test]
    fn changes_see_those_before_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yaml");
        fs::write_atomic(&path, format!("{}---\n{}", agent("a"), agent("b")), 0o644).unwrap();
        let mut edits = Edits::of(folder.path());
        for name in ["a", "b"] {
            let key = ObjectKey::agent(name);
            let (path, document) = edits.search(&key).unwrap().unwrap();
            edits.replace(&path, &document, None).unwrap();
            assert_eq!(edits.search(&key).unwrap(), None);
        }
        let key = ObjectKey::agent("n");
        edits.create(edits.place_for(&key), agent("n"));
        assert!(edits.place_for(&key).ends_with("agent-n.yaml"));
        edits.carry_out().unwrap().keep();
        assert_eq!(fs::list_dir(folder.path()).unwrap(), [folder.path().join("n.yaml")]);
    }
}
