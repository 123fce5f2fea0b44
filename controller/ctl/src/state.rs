//! The state folder: where it is, where its socket lies, and the statuses in it that can be read
//! while no controller runs.

use std::path::{Path, PathBuf};

use agent_harness_model::api::{Event, LogFile, Object};
use agent_harness_model::id::{ObjectKey, ObjectKind, ResourceKind};
use agent_harness_model::layout;
use jiff::Timestamp;

use crate::error::{Exit, Failure, Result};
use crate::files;

/// A state folder.
#[derive(Debug, Clone)]
pub struct State {
    folder: PathBuf,
}

/// What the status files say, and until when it was true.
pub struct Snapshot {
    /// Every object that has a status file.
    pub objects: Vec<Object>,
    /// When the newest file was written; `None` without any.
    pub written: Option<Timestamp>,
    /// What was wrong with specs and is in no object's status.
    pub problems: Vec<String>,
    /// Files that could not be read.
    pub unreadable: Vec<String>,
}

impl State {
    /// The folder that was named, else the default under XDG's state folder.
    pub fn new(named: Option<PathBuf>) -> Result<Self> {
        let folder = layout::state_folder(named, |name| std::env::var_os(name));
        let folder = folder.ok_or_else(|| {
            Failure::usage("no state folder: neither HOME nor XDG_STATE_HOME is set")
                .hint("name it with --state DIR or HARNESS_STATE")
        })?;
        Ok(Self { folder })
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(layout::SOCKET)
    }

    /// What happened, oldest first, as it was last written. What cannot be read is left out.
    pub fn events(&self) -> Result<Vec<Event>> {
        let paths = listed(&self.folder.join(layout::EVENTS))?;
        let json = paths.iter().filter(|path| path.extension().is_some_and(|end| end == "json"));
        let mut events: Vec<Event> = json
            .filter_map(|path| files::read(path).ok())
            .filter_map(|text| serde_json::from_str::<Vec<Event>>(&text).ok())
            .flatten()
            .collect();
        events.sort_by_key(|event| event.time);
        Ok(events)
    }

    /// The logs of an object that lie in the folder, as the controller would list them: `api`, `setup/install`.
    pub fn logs(&self, key: &ObjectKey) -> Result<Vec<LogFile>> {
        let mut logs = Vec::new();
        for folder in listed(&self.folder.join(layout::LOGS).join(key.slug()))? {
            let Some(kind) = folder.file_name().and_then(|name| name.to_str()) else { continue };
            for path in listed(&folder)? {
                let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".log"));
                let Some(name) = name else { continue };
                let is_bare = kind == ResourceKind::Process.as_str()
                    || (key.kind == ObjectKind::Infra && kind == ResourceKind::Service.as_str());
                let name = if is_bare { name.to_owned() } else { format!("{kind}/{name}") };
                logs.push(LogFile { name, path: Some(path) });
            }
        }
        Ok(logs)
    }

    /// The list of problems as it was last written; what cannot be read tells of none.
    fn problems(&self) -> Vec<String> {
        let text = files::read(&self.folder.join(layout::PROBLEMS)).unwrap_or_default();
        agent_harness_model::yaml::from_yaml(&text).unwrap_or_default()
    }

    /// What the status files say. A folder that is not there holds none.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let paths = listed(&self.folder.join(layout::STATUS))?;
        let mut snapshot = Snapshot {
            objects: Vec::new(),
            written: None,
            problems: self.problems(),
            unreadable: Vec::new(),
        };
        for path in paths {
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
            if hidden || path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = match files::read(&path) {
                Ok(text) => text,
                // It left between the listing and now.
                Err(error) if error.is_absent() => continue,
                Err(error) => return Err(error.into()),
            };
            match agent_harness_model::yaml::from_yaml(&text) {
                Ok(object) => snapshot.objects.push(object),
                Err(error) => {
                    let why = Failure::from_error(Exit::Failed, &error).message;
                    snapshot.unreadable.push(format!("{} {why}", path.display()));
                }
            }
            let written = std::fs::metadata(&path).and_then(|meta| meta.modified()).ok();
            let written = written.and_then(|time| Timestamp::try_from(time).ok());
            snapshot.written = snapshot.written.max(written);
        }
        Ok(snapshot)
    }
}

/// The entries of a folder; one that is not there has none.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    match files::list(folder) {
        Ok(paths) => Ok(paths),
        Err(error) if error.is_absent() => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
