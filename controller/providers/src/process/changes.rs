//! Whether a file that a process watches has changed since its start: one task per run, which ends with the first change.
//!
//! What was written before somebody watched is seen by its time, so a controller that was away misses nothing but what
//! was removed meanwhile. That the process starts again is the model's affair.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agent_harness_model::kinds::process::Watch;
use agent_harness_shim::protocol::RECORD_FILE;
use globset::GlobSet;
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::folders::{Folders, Subscription, Told};
use super::launch::ProcessId;
use super::probe::Run;
use crate::fs;
use crate::git::facts::matcher;

/// Folders that no pattern leads into: what is in them is made by tools, and there is too much of it.
const SKIPPED: [&str; 3] = [".git", "node_modules", "target"];
/// Where the system has no watch to give (inotify limits), all files of a process are looked at so often.
const POLL: Duration = Duration::from_secs(2);
/// What never comes to rest is waited for so many times its delay.
const LONGEST: u32 = 20;

/// Keeps one task per running process that watches files.
pub struct FileWatches {
    hints: broadcast::Sender<ProcessId>,
    folders: Folders,
    watched: Mutex<BTreeMap<ProcessId, Watched>>,
}

struct Watched {
    run: Run,
    want: Watch,
    changed: Changed,
    _task: AbortOnDropHandle<()>,
}

/// The first file that changed, shared with the task that watches.
type Changed = Arc<Mutex<Option<String>>>;

impl FileWatches {
    /// Sends a hint when a file has changed.
    pub fn new(hints: broadcast::Sender<ProcessId>) -> Self {
        Self { hints, folders: Folders::default(), watched: Mutex::default() }
    }

    /// A file that has changed since this run began, relative to its folder. Starts to watch when nobody does.
    ///
    /// Must be called within a tokio runtime.
    pub fn changed(&self, id: &ProcessId, run: &Run, want: Option<&Watch>) -> Option<String> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(want) = want else {
            watched.remove(id);
            return None;
        };
        if let Some(old) = watched.get(id).filter(|old| old.run == *run && old.want == *want) {
            return old.changed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        }
        let changed = Changed::default();
        let task = tokio::spawn(watch(
            id.clone(),
            run.clone(),
            want.clone(),
            Arc::clone(&changed),
            self.folders.clone(),
            self.hints.clone(),
        ));
        let task = AbortOnDropHandle::new(task);
        let entry = Watched { run: run.clone(), want: want.clone(), changed, _task: task };
        watched.insert(id.clone(), entry);
        None
    }

    /// Watches for these processes alone.
    pub fn keep_only(&self, running: &BTreeSet<ProcessId>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|id, _| running.contains(id));
    }
}

async fn watch(
    id: ProcessId,
    run: Run,
    want: Watch,
    changed: Changed,
    folders: Folders,
    hints: broadcast::Sender<ProcessId>,
) {
    let files = match Files::new(&want) {
        Ok(files) => Arc::new(files),
        // Checked by validation.
        Err(error) => return tracing::warn!(process = %id, %error, "cannot watch its files"),
    };
    let (subscription, mut told) = folders.subscribe();
    let first = first_change(&id, &files, start_of(&run), subscription, &mut told).await;
    // An editor, or a switch of branches, writes more than one.
    let delay = Duration::from_millis(want.delay_ms);
    let begun = Instant::now();
    let mut until = begun + delay;
    while let Ok(Some(told)) =
        tokio::time::timeout_at(until.min(begun + delay * LONGEST), told.recv()).await
    {
        if files.counts(&told).is_some() {
            until = Instant::now() + delay;
        }
    }
    *changed.lock().unwrap_or_else(PoisonError::into_inner) = first.name;
    let _ = hints.send(id);
}

/// The first file that has changed. What it was found by goes on until this is dropped.
struct First {
    name: Option<String>,
    _subscription: Option<Arc<Subscription>>,
}

async fn first_change(
    id: &ProcessId,
    files: &Arc<Files>,
    since: SystemTime,
    subscription: Subscription,
    told: &mut mpsc::UnboundedReceiver<Told>,
) -> First {
    let mut subscription = Some(Arc::new(subscription));
    loop {
        // What came meanwhile needs one look, not one each.
        while let Ok(told) = told.try_recv() {
            if let Some(name) = files.counts(&told) {
                return First { name: Some(name), _subscription: subscription };
            }
        }
        // Folders come and go; what is new in them counts as well.
        let (look, watching) = (Arc::clone(files), subscription.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let found = look.walk(since);
            (watching.map(|it| it.watch(&found.folders)), found.changed)
        });
        // The runtime comes to its end.
        let Ok((watched, name)) = looked.await else { return std::future::pending().await };
        if name.is_some() {
            return First { name, _subscription: subscription };
        }
        match watched {
            // What came between the look and the watch.
            Some(Ok(true)) => continue,
            Some(Ok(false)) => {}
            Some(Err(error)) => {
                tracing::warn!(process = %id, %error, "cannot watch all of its files; they are looked at");
                subscription = None;
            }
            None => tokio::time::sleep(POLL).await,
        }
        while subscription.is_some() {
            match told.recv().await {
                Some(Told::Changed(path)) if path.is_dir() => break,
                Some(Told::Look) | None => break,
                Some(changed) => {
                    if let Some(name) = files.counts(&changed) {
                        return First { name: Some(name), _subscription: subscription };
                    }
                }
            }
        }
    }
}

/// When the run began, by the clock that files are written by: it stands still for some milliseconds at a time, so by
/// any other one a file that was written just after would be older.
fn start_of(run: &Run) -> SystemTime {
    let record = fs::metadata(run.folder.join(RECORD_FILE)).ok().flatten();
    let written = record.and_then(|record| record.modified().ok());
    written.unwrap_or(UNIX_EPOCH + Duration::from_millis(run.started_at_ms))
}

/// Which files count.
struct Files {
    root: PathBuf,
    /// Folders that all of them lie in.
    begins: BTreeSet<PathBuf>,
    paths: GlobSet,
    ignore: GlobSet,
}

/// What a walk came by.
struct Found {
    folders: BTreeSet<PathBuf>,
    changed: Option<String>,
}

impl Files {
    fn new(want: &Watch) -> Result<Self, globset::Error> {
        let begins = want.paths.iter().map(|path| want.root.join(begin(path))).collect();
        Ok(Self {
            root: want.root.clone(),
            begins,
            paths: matcher(&want.paths)?,
            ignore: matcher(&want.ignore)?,
        })
    }

    /// The name of a file that counts.
    fn name(&self, path: &Path) -> Option<String> {
        let inner = path.strip_prefix(&self.root).ok()?;
        let skipped =
            inner.components().any(|part| SKIPPED.iter().any(|name| part.as_os_str() == *name));
        (!skipped && self.paths.is_match(inner) && !self.ignore.is_match(inner))
            .then(|| inner.display().to_string())
    }

    fn counts(&self, told: &Told) -> Option<String> {
        match told {
            // A folder that something happened in has not changed itself.
            Told::Changed(path) if !path.is_dir() => self.name(path),
            Told::Changed(_) | Told::Look => None,
        }
    }

    /// All folders that files of it may be in, and a file that was written since.
    fn walk(&self, since: SystemTime) -> Found {
        let mut found = Found { folders: BTreeSet::new(), changed: None };
        let mut open: Vec<PathBuf> = self.begins.iter().map(|begin| self.nearest(begin)).collect();
        while let Some(folder) = open.pop() {
            // It may have gone meanwhile, or not be ours to read.
            let Ok(entries) = fs::list_dir(&folder) else { continue };
            let wanted = self.begins.iter().any(|begin| folder.starts_with(begin));
            for path in entries {
                let Ok(Some(metadata)) = fs::metadata(&path) else { continue };
                if metadata.is_dir() {
                    let name = path.file_name().unwrap_or_default();
                    if wanted && !SKIPPED.iter().any(|skipped| name == *skipped) {
                        open.push(path);
                    }
                    continue;
                }
                let is_new = metadata.modified().is_ok_and(|written| written >= since);
                if is_new && found.changed.is_none() {
                    found.changed = self.name(&path);
                }
            }
            found.folders.insert(folder);
        }
        found
    }

    /// The folder itself, or the one in which it would be made; never one above the root.
    fn nearest(&self, folder: &Path) -> PathBuf {
        let mut ancestors = folder.ancestors().take_while(|it| it.starts_with(&self.root));
        ancestors.find(|it| it.is_dir()).unwrap_or(&self.root).to_path_buf()
    }
}

/// What all files of a pattern lie in, or are: its parts before the first that is not plain.
fn begin(pattern: &str) -> PathBuf {
    let is_plain = |part: &&str| !part.contains(['*', '?', '[', '{', '\\']);
    pattern.split('/').take_while(is_plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_begins_where_all_of_its_files_are() {
        let begins = ["src/**", "src/*.ts", "*.lock", "**", "a/b/c.rs", "src/{a,b}/x"].map(begin);
        assert_eq!(begins, ["src", "src", "", "", "a/b/c.rs", "src"].map(PathBuf::from));
    }
}
