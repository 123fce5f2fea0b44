//! Wake-ups when something in the watched folder may have changed. Each is a hint: a relist decides.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::{Event, EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// A watch on folders, and on their parents: a folder that is replaced keeps being watched. Template files that
/// specs name lie elsewhere; they are watched too.
pub struct Watch {
    folders: Vec<PathBuf>,
    watcher: Option<notify::RecommendedWatcher>,
    /// Each folder that is watched, by device and inode: another one under the same name is another folder.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    files: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Watch {
    /// Begins to watch; every hint is one message on `hints`, and a full channel loses nothing that matters.
    ///
    /// Where the system has no watch to give (inotify limits), the relist has to do, and a warning says so.
    pub fn new(folders: Vec<PathBuf>, hints: mpsc::Sender<()>) -> Self {
        let files: Arc<Mutex<BTreeSet<PathBuf>>> = Arc::default();
        let (inside, named) = (folders.clone(), Arc::clone(&files));
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // A lost event is one more reason to look.
            let matters = event.map_or(true, |event| {
                matters(&inside, &named.lock().unwrap_or_else(PoisonError::into_inner), &event)
            });
            if matters {
                let _ = hints.try_send(());
            }
        });
        let watcher = match watcher {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "cannot watch the specs folder; changes are seen at each relist");
                None
            }
        };
        Self { folders, watcher, watched: BTreeMap::new(), files }
    }

    /// Watches the folder, and the folders of `files`; again, when one is another one under the same name.
    /// Says whether anything is watched anew: what happens between two watches is seen by neither, so look
    /// after this, not before.
    pub fn renew(&mut self, files: BTreeSet<PathBuf>) -> bool {
        let parent = |path: &Path| {
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).map(Path::to_path_buf)
        };
        let wanted: BTreeSet<PathBuf> = files
            .iter()
            .filter_map(|file| parent(file))
            .chain(self.folders.iter().filter_map(|folder| parent(folder)))
            .chain(self.folders.iter().cloned())
            .collect();
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = files;
        let Some(watcher) = &mut self.watcher else { return false };
        let mut anew = false;
        self.watched.retain(|path, _| {
            let keep = wanted.contains(path);
            if !keep {
                let _ = watcher.unwatch(path);
            }
            keep
        });
        for path in wanted {
            let now = path.metadata().ok().map(|folder| (folder.dev(), folder.ino()));
            if now.is_some() && self.watched.get(&path).copied() == now {
                continue;
            }
            let _ = watcher.unwatch(&path);
            self.watched.remove(&path);
            match (watcher.watch(&path, RecursiveMode::NonRecursive), now) {
                (Ok(()), Some(now)) => {
                    self.watched.insert(path, now);
                    anew = true;
                }
                (Ok(()), None) => {}
                (Err(error), _) => {
                    tracing::debug!(path = %path.display(), %error, "cannot watch");
                }
            }
        }
        anew
    }
}

/// Reading is no change, or the controller would wake itself; neither are other folders beside ours.
fn matters(folders: &[PathBuf], files: &BTreeSet<PathBuf>, event: &Event) -> bool {
    let ours = |path: &PathBuf| {
        folders.iter().any(|folder| path.starts_with(folder)) || files.contains(path)
    };
    let about_us = event.need_rescan() || event.paths.is_empty() || event.paths.iter().any(ours);
    about_us && !matches!(event.kind, EventKind::Access(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn hinted(hints: &mut mpsc::Receiver<()>) -> bool {
        tokio::time::timeout(Duration::from_secs(10), hints.recv()).await.is_ok()
    }

    #[tokio::test]
    async fn a_write_a_rename_and_a_replaced_folder_give_hints() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("specs");
        std::fs::create_dir(&folder).unwrap();
        let (sender, mut hints) = mpsc::channel(1);
        let mut watch = Watch::new(vec![folder.clone()], sender);
        assert!(watch.renew(BTreeSet::new()), "for the first time");
        std::fs::File::create(folder.join("a.yaml")).unwrap();
        assert!(hinted(&mut hints).await, "create");
        agent_harness_providers::fs::rename(&folder, base.path().join("old")).unwrap();
        std::fs::create_dir(&folder).unwrap();
        assert!(hinted(&mut hints).await, "replaced");
        assert!(watch.renew(BTreeSet::new()), "the folder is another one");
        assert!(!watch.renew(BTreeSet::new()), "it is the same");
        while hints.try_recv().is_ok() {}
        std::fs::File::create(folder.join("b.yaml")).unwrap();
        assert!(hinted(&mut hints).await, "create in the new folder");
    }

    #[tokio::test]
    async fn a_template_elsewhere_gives_hints_and_its_neighbours_give_none() {
        let base = tempfile::tempdir().unwrap();
        let (folder, other) = (base.path().join("specs"), base.path().join("other"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::create_dir(&other).unwrap();
        let (sender, mut hints) = mpsc::channel(1);
        let mut watch = Watch::new(vec![folder.clone()], sender);
        let template = other.join("env.template");
        assert!(watch.renew([template.clone()].into()));
        while hints.try_recv().is_ok() {}
        std::fs::File::create(other.join("neighbour")).unwrap();
        agent_harness_providers::fs::write_atomic(&template, "text", 0o644).unwrap();
        assert!(hinted(&mut hints).await, "the template");
        // Of the two files only the template counts.
        let only = matters(
            std::slice::from_ref(&folder),
            &[template].into(),
            &Event::new(EventKind::Any).add_path(other.join("neighbour")),
        );
        assert!(!only);
    }
}
