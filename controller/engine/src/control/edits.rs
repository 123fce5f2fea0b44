//! Changes of the watched folder: thought out against what lies there now, then written all together or not at
//! all. Nothing outside of the folder is ever written, whatever an object's spec was read from before.

use std::path::{Path, PathBuf};

use agent_harness_model::id::ObjectKey;
use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::parse::{Document, parse};
use agent_harness_providers::fs::{self, FsError, TEMPORARY_SUFFIX};

use super::files;
use super::written::{Changes, NotUndone, Written};
use crate::intake::folder::is_spec_name;

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
        source: FsError,
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

/// Changes that were not written yet.
#[derive(Debug)]
pub struct Edits<'a> {
    folder: &'a Path,
    pending: Changes,
}

impl<'a> Edits<'a> {
    /// No changes of a folder.
    pub fn of(folder: &'a Path) -> Self {
        Self { folder, pending: Changes::new() }
    }

    /// Whether a file is one that is read from this folder, as far as its name and place say.
    pub fn holds(&self, path: &Path) -> bool {
        let here = |it: &Path| it == self.folder || same(it, self.folder);
        is_spec_name(path) && path.parent().is_some_and(here)
    }

    /// A file's text, as it would be by now; `None` where there is none.
    pub fn text(&self, path: &Path) -> Result<Option<String>, FsError> {
        match self.pending.get(path) {
            Some(text) => Ok(text.clone()),
            None => fs::read_to_string_if_exists(path),
        }
    }

    /// The document of an object in a file.
    pub fn find(&self, path: &Path, key: &ObjectKey) -> Result<Option<Document>, FsError> {
        let Some(text) = self.text(path)? else { return Ok(None) };
        let parsed = parse(&path.display().to_string(), text.as_bytes());
        Ok(parsed.documents.into_iter().find(|document| document.key == *key))
    }

    /// The first thing that cannot be read in a file.
    pub fn broken(&self, path: &Path) -> Result<Option<Diagnostic>, FsError> {
        let Some(text) = self.text(path)? else { return Ok(None) };
        Ok(parse(&path.display().to_string(), text.as_bytes()).problems.into_iter().next())
    }

    /// The document of an object, in whichever file of the folder it is.
    pub fn search(&self, key: &ObjectKey) -> Result<Option<(PathBuf, Document)>, FsError> {
        let mut paths = fs::list_dir(self.folder)?;
        paths.extend(self.pending.keys().cloned());
        let there = |path: &PathBuf| self.pending.contains_key(path) || path.is_file();
        for path in paths.into_iter().filter(|path| self.holds(path) && there(path)) {
            // What cannot be read as text has a message of its own, and none of our objects.
            if let Ok(Some(document)) = self.find(&path, key) {
                return Ok(Some((path, document)));
            }
        }
        Ok(None)
    }

    /// Puts a document in the place of another one, or with `None` takes it out; a file in which nothing is left
    /// goes.
    pub fn replace(
        &mut self,
        path: &Path,
        document: &Document,
        new: Option<&str>,
    ) -> Result<(), EditError> {
        let text = self.text(path)?.unwrap_or_default();
        let changed = files::with(&text, document, new);
        let others = |text: &str| {
            let parsed = parse(&path.display().to_string(), text.as_bytes());
            let others = parsed.documents.into_iter().filter(|it| it.key != document.key);
            others.map(|it| (it.hash(), it.key)).collect::<Vec<_>>()
        };
        if others(&text) != changed.as_deref().map(others).unwrap_or_default() {
            return Err(EditError::Entangled { path: path.to_path_buf() });
        }
        self.pending.insert(path.to_path_buf(), changed);
        Ok(())
    }

    /// Makes a file.
    pub fn create(&mut self, path: PathBuf, text: String) {
        self.pending.insert(path, Some(text));
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

fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
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
    fn modes_and_links_stay_and_new_files_follow_the_umask() {
        let folder = tempfile::tempdir().unwrap();
        let (old, link, new) = (
            folder.path().join("a.yaml"),
            folder.path().join("l.yaml"),
            folder.path().join("b.yaml"),
        );
        fs::write_atomic(&old, agent("a"), 0o600).unwrap();
        std::os::unix::fs::symlink("a.yaml", &link).unwrap();
        let mut edits = Edits::of(folder.path());
        edits.create(link.clone(), agent("a2"));
        edits.create(new.clone(), agent("b"));
        edits.carry_out().unwrap().keep();
        assert_eq!(mode(&old), 0o600);
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&old).unwrap(), agent("a2"));
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
        assert!(matches!(error, EditError::File(_)), "{error}");
        let names: Vec<_> = fs::list_dir(folder.path()).unwrap();
        assert_eq!(names, [folder.path().join("b.yaml")], "what was put there is taken back");
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
