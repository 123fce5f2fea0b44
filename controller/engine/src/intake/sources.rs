//! From files to the objects that are in force: reads the places, keeps the last good version of whatever
//! is broken, and asks the guard about whatever vanished. Nothing here deletes; it says what may leave.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::parse::{Document, Parsed, parse};
use agent_harness_model::status::{Blocked, Blocker};
use agent_harness_model::validate::{LastGood, settle};
use jiff::{SignedDuration, Timestamp};

use super::folder::{self, FileRead, Found, Listing};
use super::guard::{self, Question};
use super::places::{self, At, Place};
use super::servers;
use crate::assemble::policy;
use crate::ledger::{Ledger, ObjectRecord};
use crate::pull::Puller;
use crate::queue::DEBOUNCE_MAX;

/// A file that is written in place is read once it was left alone for so long. Less than the debounce of the watch's
/// hints: whoever was hinted waits no longer.
const STILL: Duration = Duration::from_millis(100);

/// What is in force after a look at the folder.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Intake {
    /// The documents that are in force.
    pub documents: BTreeMap<ObjectKey, Document>,
    /// What is wrong with files and objects.
    pub problems: Vec<Diagnostic>,
    /// Objects of which an earlier version is in force, and why.
    pub held: BTreeMap<ObjectKey, String>,
    /// Objects whose file is gone and that may leave.
    pub leave: BTreeSet<ObjectKey>,
    /// Objects that are to leave and cannot, and why.
    pub blocked: BTreeMap<ObjectKey, Blocked>,
    /// When to look again, because the grace of a vanished file ends.
    pub ask_again: Option<Timestamp>,
    /// Why deletions are frozen, when they are.
    pub frozen: Option<String>,
    /// Of each clone that specs are read from, by its folder: the commit in force.
    pub commits: BTreeMap<PathBuf, String>,
}

/// All places, and what is remembered of them between two looks.
#[derive(Debug)]
pub struct Sources {
    places: Vec<Place>,
    /// Where the clones are; specs from one that is in no place here have lost their source.
    clones: PathBuf,
    grace: SignedDuration,
    files: BTreeMap<PathBuf, (FileRead, Arc<Parsed>)>,
    /// Which file had each name at the last look.
    inodes: BTreeMap<PathBuf, u64>,
    revision: u64,
    vanished: BTreeMap<ObjectKey, Timestamp>,
    approved: BTreeSet<ObjectKey>,
}

impl Sources {
    /// A folder, and how long a file has to be away before it counts as removed.
    pub fn new(folder: PathBuf, grace: SignedDuration) -> Self {
        Self {
            places: vec![Place::new(At::Folder(folder))],
            clones: PathBuf::new(),
            grace,
            files: BTreeMap::new(),
            inodes: BTreeMap::new(),
            revision: 0,
            vanished: BTreeMap::new(),
            approved: BTreeSet::new(),
        }
    }

    /// More folders besides.
    pub fn with_folders(mut self, all: impl Iterator<Item = PathBuf>) -> Self {
        self.places.extend(all.map(|folder| Place::new(At::Folder(folder))));
        self
    }

    /// The repositories besides, and the folder of their clones.
    pub fn with_repositories(
        mut self,
        clones: PathBuf,
        all: impl Iterator<Item = Arc<Puller>>,
    ) -> Self {
        self.clones = clones;
        self.places.extend(all.map(|puller| Place::new(At::Git(puller))));
        self
    }

    /// Lets everything leave that has vanished by now; says what that is.
    pub fn approve(&mut self) -> Vec<ObjectKey> {
        self.revision += 1;
        self.approved.extend(self.vanished.keys().cloned());
        self.vanished.keys().cloned().collect()
    }

    /// Reads the places; [`Sources::settle`] says what that means. Waits while somebody writes, up to 2 s. No lock
    /// of anybody else is needed here, and none should be held: a folder may be on a file system that hangs.
    pub fn read(&mut self) {
        let mut places = std::mem::take(&mut self.places);
        for place in &mut places {
            let before = (place.distrust.clone(), place.trouble.clone());
            place.distrust = match place.at.clone() {
                At::Folder(folder) => self.relist(place, &folder).err(),
                At::Git(puller) => self.reread(place, &puller).err(),
            };
            self.revision += u64::from(before != (place.distrust.clone(), place.trouble.clone()));
        }
        self.places = places;
    }

    /// Grows whenever a look finds something else than the one before, and with each approval.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What is in force after the last look at the folder. Pure but for what is remembered here.
    pub fn settle(&mut self, ledger: &Ledger, now: Timestamp) -> Intake {
        let last_good = last_good(ledger);
        let (mut documents, mut problems) = self.documents(&last_good);
        // Where the listing is an earlier one, what was deleted since does not begin anew because of it.
        documents.retain(|it| !self.is_stale(it) || last_good.contains_key(&it.key));
        let present: BTreeSet<&ObjectKey> =
            documents.iter().map(|document| &document.key).collect();

        // An object that is nowhere, while a file that has it is there and broken, is broken, not gone.
        let mut broken = BTreeSet::new();
        let mut gone = BTreeSet::new();
        for (key, document) in last_good.iter().filter(|(key, _)| !present.contains(key)) {
            let is_broken = self.is_stale(document) || self.is_broken(document);
            if is_broken {
                broken.insert(key.clone())
            } else {
                gone.insert(key.clone())
            };
        }
        self.vanished.retain(|key, _| gone.contains(key));
        for key in &gone {
            self.vanished.entry(key.clone()).or_insert(now);
        }
        self.approved.retain(|key| gone.contains(key));

        let why = self.doubt(&last_good);
        let ruling = guard::rule(&Question {
            vanished: &self.vanished,
            agents: last_good.keys().filter(|key| key.kind == ObjectKind::Agent).count(),
            distrust: why.as_deref(),
            approved: &self.approved,
            grace: self.grace,
            now,
        });
        let mut leave = ruling.leave;
        let mut blocked = BTreeMap::new();
        // Whatever may not leave stays as it was.
        let mut kept: BTreeSet<ObjectKey> = gone.difference(&leave).cloned().collect();
        if let Some(frozen) = &ruling.frozen {
            let waiting = kept.iter().filter(|key| self.is_away_for_good(key, now));
            let guard = Blocked { by: Blocker::Guard, message: frozen.clone() };
            blocked.extend(waiting.map(|key| (key.clone(), guard.clone())));
        }
        for key in leave.clone() {
            if let Some(message) = protection(&key, &last_good, ledger) {
                blocked.insert(key.clone(), Blocked { by: Blocker::Protection, message });
                leave.remove(&key);
                kept.insert(key);
                continue;
            }
            let users = users(&key, &documents, &last_good, &leave);
            if !users.is_empty() {
                let message = format!("still used by {}", users.join(", "));
                blocked.insert(key.clone(), Blocked { by: Blocker::Users, message });
                leave.remove(&key);
                kept.insert(key);
            }
        }
        let mut fallback = broken;
        fallback.extend(kept);
        let mut valid = settle(&documents, &fallback, &last_good);
        problems.extend(std::mem::take(&mut valid.problems));
        servers::keep(&mut valid, &mut problems, &last_good, ledger);
        let held = valid
            .held
            .iter()
            .map(|key| (key.clone(), reason(key, &last_good, &problems)))
            .collect();
        Intake {
            documents: valid.documents,
            problems,
            held,
            leave,
            blocked,
            ask_again: ruling.ask_again,
            frozen: ruling.frozen.or(why.map(|why| format!("deletions are frozen: {why}"))),
            commits: self.commits(),
        }
    }

    /// Why no file's absence is to be believed now.
    fn doubt(&self, last_good: &LastGood) -> Option<String> {
        if let Some(why) = self.places.iter().find_map(|place| place.distrust.clone()) {
            return Some(why);
        }
        let empty = self.places.iter().find(|place| {
            let came_from = |document: &Document| place.holds(Path::new(document.file.as_ref()));
            !self.files.keys().any(|file| place.holds(file)) && last_good.values().any(came_from)
        });
        if let Some(place) = empty {
            return Some(format!("{} holds no spec files any more", place.name()));
        }
        if self.vanished.is_empty() {
            return None;
        }
        let lost = self.vanished.keys().find_map(|key| {
            let file = Path::new(last_good.get(key)?.file.as_ref());
            let place = file.strip_prefix(&self.clones).ok()?.components().next()?;
            let is_lost = !self.clones.as_os_str().is_empty()
                && !self.places.iter().any(|place| place.holds(file));
            is_lost.then(|| {
                format!(
                    "{key} came from the source {}, which this controller was not told of; tell it with --source, or let \
                     go what came from there with `ctl approve`",
                    place.as_os_str().display()
                )
            })
        });
        let trouble = || {
            let failing = |place: &Place| Some((place.name(), place.trouble.clone()?));
            let (name, why) = self.places.iter().find_map(failing)?;
            Some(format!("{name} does not tell what is wanted now: {why}"))
        };
        lost.or_else(trouble).or_else(|| {
            // A file that was renamed and broken in one go: nobody can say whose it is.
            let known = |path: &Path| {
                last_good.values().any(|document| Path::new(document.file.as_ref()) == path)
            };
            let nameless = |parsed: &Parsed| {
                parsed
                    .problems
                    .iter()
                    .any(|problem| problem.object.is_none() && problem.about.is_none())
            };
            let (path, _) =
                self.files.iter().find(|(path, (_, parsed))| nameless(parsed) && !known(path))?;
            Some(format!("{} cannot be read, and may hold what is missing", path.display()))
        })
    }

    fn is_away_for_good(&self, key: &ObjectKey, now: Timestamp) -> bool {
        self.vanished.get(key).is_some_and(|since| now.duration_since(*since) >= self.grace)
    }

    /// All documents of the folder, and what is wrong with its files. While the file that has an object is
    /// broken, no other file takes the object over.
    fn documents(&self, last_good: &LastGood) -> (Vec<Document>, Vec<Diagnostic>) {
        let mut documents: Vec<Document> = Vec::new();
        let mut problems: Vec<Diagnostic> = Vec::new();
        for (path, (_, parsed)) in &self.files {
            problems.extend(parsed.problems.iter().cloned());
            for document in &parsed.documents {
                let holder = last_good.get(&document.key).filter(|before| {
                    Path::new(before.file.as_ref()) != path
                        && self.is_broken(before)
                        && !self.holds(before)
                });
                match holder {
                    None => documents.push(document.clone()),
                    Some(before) => problems.push(
                        Diagnostic::at(
                            document.name_place(),
                            format!(
                                "{} is that of {}, which cannot be read now",
                                document.key, before.file
                            ),
                        )
                        .help("correct that file, or remove it, or give this object another name")
                        .about(document.key.clone()),
                    ),
                }
            }
        }
        (documents, problems)
    }

    /// Lists a folder. An error says why it is not to be believed; then the last listing stands.
    fn relist(&mut self, place: &mut Place, folder: &Path) -> Result<(), String> {
        let listing = self.list_still(folder)?;
        let known = *place.device.get_or_insert(listing.device);
        if known != listing.device {
            return Err(format!(
                "{} is on another device than before; restart the controller if that is meant",
                folder.display()
            ));
        }
        self.inodes.retain(|path, _| !place.holds(path));
        self.inodes.extend(listing.files.iter().map(|(path, it)| (path.clone(), it.inode)));
        self.take(place, listing.files);
        Ok(())
    }

    /// The same with the commit in force of a repository.
    fn reread(&mut self, place: &mut Place, puller: &Puller) -> Result<(), String> {
        if let Some(files) = places::list(place, puller)? {
            self.take(place, files);
        }
        Ok(())
    }

    /// Takes the files of a place for those that it has.
    fn take(&mut self, place: &Place, found: BTreeMap<PathBuf, Found>) {
        let (mut before, mut files): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.files).into_iter().partition(|(path, _)| place.holds(path));
        for (path, Found { read, .. }) in found {
            let known = before.remove(&path).filter(|(before, _)| *before == read);
            let entry = known.unwrap_or_else(|| {
                self.revision += 1;
                let parsed = Arc::new(parsed(&path, &read));
                (read, parsed)
            });
            files.insert(path, entry);
        }
        // What is left of the earlier ones is not there any more.
        self.revision += u64::from(!before.is_empty());
        self.files = files;
    }

    /// Of each clone, the commit in force when it was read last.
    pub fn commits(&self) -> BTreeMap<PathBuf, String> {
        let commit = |place: &Place| match &place.at {
            At::Folder(_) => None,
            At::Git(puller) => Some((puller.folder().to_path_buf(), place.listed()?.to_owned())),
        };
        self.places.iter().filter_map(commit).collect()
    }

    /// Whether what is known of the place of a document is not to be believed.
    fn is_stale(&self, document: &Document) -> bool {
        let file = Path::new(document.file.as_ref());
        self.places.iter().any(|place| place.distrust.is_some() && place.holds(file))
    }

    /// Lists the folder once no file of it is in the middle of being written in place: half of one may look whole.
    fn list_still(&self, folder: &Path) -> Result<Listing, String> {
        let patience = Instant::now() + DEBOUNCE_MAX;
        loop {
            let listing = folder::list(folder)?;
            match self.until_still(&listing, SystemTime::now()) {
                Some(wait) if Instant::now() < patience => std::thread::sleep(wait),
                _ => return Ok(listing),
            }
        }
    }

    /// How long a file that was known before, and holds something else by now, is too young to be believed. What
    /// is put there by rename is whole.
    fn until_still(&self, listing: &Listing, now: SystemTime) -> Option<Duration> {
        let young = |(path, found): (&PathBuf, &Found)| {
            let same = self.inodes.get(path) == Some(&found.inode);
            let other = self.files.get(path).is_none_or(|(before, _)| *before != found.read);
            // One from the future has no age.
            let age = now.duration_since(found.modified).unwrap_or(STILL);
            (same && other).then(|| STILL.saturating_sub(age)).filter(|wait| !wait.is_zero())
        };
        listing.files.iter().filter_map(young).max()
    }

    /// Whether the file that had an object is there and holds something that cannot be read, or another file
    /// has a broken version of it.
    fn is_broken(&self, document: &Document) -> bool {
        let its_own = |(_, parsed): &(FileRead, Arc<Parsed>)| !parsed.problems.is_empty();
        let named = |parsed: &Parsed| {
            parsed.problems.iter().any(|problem| problem.object.as_ref() == Some(&document.key))
        };
        self.files.get(Path::new(document.file.as_ref())).is_some_and(its_own)
            || self.files.values().any(|(_, parsed)| named(parsed))
    }

    /// Whether the file that had an object still has it.
    fn holds(&self, document: &Document) -> bool {
        self.files.get(Path::new(document.file.as_ref())).is_some_and(|(_, parsed)| {
            parsed.documents.iter().any(|other| other.key == document.key)
        })
    }
}

fn parsed(path: &Path, read: &FileRead) -> Parsed {
    let file = path.display().to_string();
    match read {
        FileRead::Bytes(bytes) => parse(&file, bytes),
        FileRead::Bad(why) => Parsed { documents: Vec::new(), problems: vec![why.clone()] },
    }
}

/// The last accepted version of every object that is not leaving.
pub fn last_good(ledger: &Ledger) -> LastGood {
    ledger
        .records()
        .filter(|record| record.deletion.is_none())
        .filter_map(|record| Some((record.key.clone(), document(record)?)))
        .collect()
}

/// The last accepted version of an object.
pub fn document(record: &ObjectRecord) -> Option<Document> {
    let origin = &record.origin;
    // Empty lines in front keep the line numbers of a document in the middle of a file.
    let text = format!("{}{}", "\n".repeat(origin.line.saturating_sub(1)), origin.text);
    let parsed = parse(&origin.file.display().to_string(), text.as_bytes());
    parsed.documents.into_iter().find(|document| document.key == record.key)
}

/// Why an object is not let go, or may have to stay.
fn protection(key: &ObjectKey, last_good: &LastGood, ledger: &Ledger) -> Option<String> {
    let said = "its spec says `deletion: {protect: true}`: put its file back, or take that out of it first";
    match policy(last_good.get(key)?, ledger, |other| last_good.get(other)) {
        Ok(policy) => policy.is_protected().then(|| said.to_owned()),
        Err(unreadable) => Some(unreadable.to_string()),
    }
}

/// Objects that refer to `key` and stay.
fn users(
    key: &ObjectKey,
    documents: &[Document],
    last_good: &LastGood,
    leave: &BTreeSet<ObjectKey>,
) -> Vec<String> {
    let staying = documents
        .iter()
        .chain(last_good.values())
        .filter(|document| !leave.contains(&document.key));
    let users: BTreeSet<String> = staying
        .filter(|document| document.refers_to().contains(key))
        .map(|document| document.key.to_string())
        .collect();
    users.into_iter().collect()
}

/// Why an earlier version of an object is in force.
fn reason(key: &ObjectKey, last_good: &LastGood, problems: &[Diagnostic]) -> String {
    let file = last_good.get(key).map(|document| document.file.as_ref());
    problems
        .iter()
        .find(|problem| problem.object.as_ref() == Some(key))
        .or_else(|| problems.iter().find(|problem| Some(problem.file.as_str()) == file))
        .map_or_else(String::new, Diagnostic::line)
}

/// The text of one document within its file, and the line on which it begins.
pub fn slice(document: &Document) -> (usize, String) {
    let text = document.node.source.text.as_ref();
    let line = text[..document.range.start].matches('\n').count() + 1;
    (line, text[document.range.clone()].to_owned())
}

#[cfg(test)]
mod tests;
