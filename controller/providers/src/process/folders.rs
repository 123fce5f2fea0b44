//! Tells several at once what happens in folders, from one watcher for all: a user has few of the system's (128
//! instances of inotify), and a folder that several watch is watched once.
//!
//! Who watches which folders, and what in them matters, is the affair of whoever subscribes.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{Event, EventKind, ModifyKind, RenameMode};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// What a subscriber is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Something happened to what has this name, in one of its folders.
    Changed(PathBuf),
    /// A folder of its own has gone, or it was not told of something: it has to look at all of it.
    Look,
}

/// The one watcher, made when it is first needed.
#[derive(Clone, Default)]
pub struct Folders {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Taken first of the two, and by whoever adds and removes folders alone: these wait for the watcher's thread,
    /// which needs the other one.
    watcher: Mutex<Option<RecommendedWatcher>>,
    routes: Arc<Mutex<Routes>>,
}

/// What the kernel takes for one folder, whatever ways lead there.
type Inode = (u64, u64);

#[derive(Default)]
struct Routes {
    last: u64,
    subscribers: BTreeMap<u64, Subscriber>,
    watched: BTreeMap<Inode, Watched>,
    /// The same by the path that the watcher knows them by.
    paths: BTreeMap<PathBuf, Inode>,
    /// What has gone from where it was. It may live on elsewhere, still watched.
    gone: BTreeSet<PathBuf>,
}

struct Subscriber {
    sender: mpsc::UnboundedSender<Told>,
    /// By its own names for them.
    folders: BTreeMap<PathBuf, Inode>,
}

struct Watched {
    path: PathBuf,
    /// Who watches it, and by which name.
    by: BTreeSet<(u64, PathBuf)>,
}

/// Some folders that are watched until this is dropped.
pub struct Subscription {
    id: u64,
    shared: Arc<Shared>,
}

impl Folders {
    /// Somebody who watches nothing yet, and what he will be told.
    pub fn subscribe(&self) -> (Subscription, mpsc::UnboundedReceiver<Told>) {
        let (sender, told) = mpsc::unbounded_channel();
        let mut routes = self.shared.routes();
        routes.last += 1;
        let id = routes.last;
        routes.subscribers.insert(id, Subscriber { sender, folders: BTreeMap::new() });
        (Subscription { id, shared: Arc::clone(&self.shared) }, told)
    }
}

impl Subscription {
    /// Watches these folders from now on, and no others. `true`: not all of them were watched before, so what happened
    /// in them until now has to be looked for. It waits for the system.
    pub fn watch(&self, folders: &BTreeSet<PathBuf>) -> notify::Result<bool> {
        let mut watcher = self.shared.watcher();
        let watcher = match &mut *watcher {
            Some(watcher) => watcher,
            none => none.insert(self.shared.begin()?),
        };
        let known: BTreeSet<PathBuf> = {
            let routes = self.shared.routes();
            let known = routes.subscribers.get(&self.id).map(|it| it.folders.keys().cloned());
            known.into_iter().flatten().collect()
        };
        {
            let mut routes = self.shared.routes();
            known.difference(folders).for_each(|folder| routes.leave(self.id, folder));
        }
        self.shared.clear(watcher);
        let mut is_new = false;
        for folder in folders.difference(&known) {
            is_new = true;
            self.add(watcher, folder)?;
        }
        Ok(is_new)
    }

    fn add(&self, watcher: &mut RecommendedWatcher, folder: &Path) -> notify::Result<()> {
        // One that has gone meanwhile is not there at the next look.
        let Ok(path) = std::fs::canonicalize(folder) else { return Ok(()) };
        let Ok(metadata) = std::fs::metadata(&path) else { return Ok(()) };
        let inode = (metadata.dev(), metadata.ino());
        // Before it is watched, so that nothing is told to nobody.
        if !self.shared.routes().join(self.id, folder, inode, &path) {
            return Ok(());
        }
        match watcher.watch(&path, RecursiveMode::NonRecursive) {
            Err(error) => {
                self.shared.routes().remove(&path);
                let is_gone = matches!(error.kind, notify::ErrorKind::PathNotFound);
                if is_gone { Ok(()) } else { Err(error) }
            }
            Ok(()) => Ok(()),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.routes().leave_all(self.id);
        let shared = Arc::clone(&self.shared);
        let clear = move || {
            if let Some(watcher) = &mut *shared.watcher() {
                shared.clear(watcher);
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(clear)),
            Err(_) => clear(),
        }
    }
}

impl Shared {
    fn watcher(&self) -> MutexGuard<'_, Option<RecommendedWatcher>> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the watcher forget what nobody watches any more.
    fn clear(&self, watcher: &mut RecommendedWatcher) {
        let unwatched = self.routes().take_unwatched();
        for path in unwatched {
            // One that was deleted is not watched any more.
            let _ = watcher.unwatch(&path);
        }
    }

    fn begin(&self) -> notify::Result<RecommendedWatcher> {
        let routes = Arc::clone(&self.routes);
        notify::recommended_watcher(move |event| {
            routes.lock().unwrap_or_else(PoisonError::into_inner).route(event);
        })
    }
}

impl Routes {
    /// `true`: nobody has watched it before.
    fn join(&mut self, id: u64, folder: &Path, inode: Inode, path: &Path) -> bool {
        let Some(subscriber) = self.subscribers.get_mut(&id) else { return false };
        subscriber.folders.insert(folder.to_owned(), inode);
        let known = self.watched.contains_key(&inode);
        let watched = self
            .watched
            .entry(inode)
            .or_insert_with(|| Watched { path: path.to_owned(), by: BTreeSet::new() });
        watched.by.insert((id, folder.to_owned()));
        if !known {
            self.paths.insert(path.to_owned(), inode);
        }
        !known
    }

    fn leave(&mut self, id: u64, folder: &Path) {
        let subscriber = self.subscribers.get_mut(&id);
        let Some(inode) = subscriber.and_then(|it| it.folders.remove(folder)) else { return };
        if let Some(watched) = self.watched.get_mut(&inode) {
            watched.by.remove(&(id, folder.to_owned()));
        }
    }

    fn leave_all(&mut self, id: u64) {
        let Some(subscriber) = self.subscribers.remove(&id) else { return };
        for (folder, inode) in subscriber.folders {
            if let Some(watched) = self.watched.get_mut(&inode) {
                watched.by.remove(&(id, folder));
            }
        }
    }

    /// Forgets what nobody watches any more: by which paths the watcher knows it.
    fn take_unwatched(&mut self) -> BTreeSet<PathBuf> {
        let mut unwatched = std::mem::take(&mut self.gone);
        self.watched.retain(|_, watched| {
            let is_watched = !watched.by.is_empty();
            if !is_watched {
                self.paths.remove(&watched.path);
                unwatched.insert(watched.path.clone());
            }
            is_watched
        });
        // There may be another one in its place by now.
        unwatched.retain(|path| !self.paths.contains_key(path));
        unwatched
    }

    /// Forgets a folder. Whoever watched it has to look.
    fn remove(&mut self, path: &Path) {
        let watched = self.paths.remove(path).and_then(|inode| self.watched.remove(&inode));
        for (id, folder) in watched.into_iter().flat_map(|watched| watched.by) {
            if let Some(subscriber) = self.subscribers.get_mut(&id) {
                subscriber.folders.remove(&folder);
            }
            self.tell(id, Told::Look);
        }
    }

    /// The same of one that has gone, with all that was in it.
    fn remove_below(&mut self, path: &Path) {
        let below = self.paths.range(path.to_owned()..).take_while(|it| it.0.starts_with(path));
        let below: Vec<PathBuf> = below.map(|(path, _)| path.clone()).collect();
        for path in below {
            self.remove(&path);
            self.gone.insert(path);
        }
    }

    fn route(&mut self, event: notify::Result<Event>) {
        let event = match event {
            // Somebody looked, perhaps we.
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
            // Both of its names come on their own too.
            Ok(event) if event.kind == EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
                return;
            }
            Ok(event) if !event.need_rescan() => event,
            // Events were lost, and nobody knows whose.
            _ => {
                let all: Vec<u64> = self.subscribers.keys().copied().collect();
                return all.into_iter().for_each(|id| self.tell(id, Told::Look));
            }
        };
        let has_gone = matches!(
            event.kind,
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From))
        );
        for path in &event.paths {
            if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
                let watched = self.paths.get(folder).and_then(|inode| self.watched.get(inode));
                for (id, own) in watched.into_iter().flat_map(|watched| &watched.by) {
                    self.tell(*id, Told::Changed(own.join(name)));
                }
            }
            if has_gone {
                self.remove_below(path);
            }
        }
    }

    fn tell(&self, id: u64, told: Told) {
        if let Some(subscriber) = self.subscribers.get(&id) {
            // One that does not listen any more is about to go.
            let _ = subscriber.sender.send(told);
        }
    }
}
