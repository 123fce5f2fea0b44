//! What if these specs were applied? Checked against everything that is in force, and resolved, without
//! changing anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use agent_harness_model::api::SpecFile;
use agent_harness_model::id::{ObjectKey, Uid};
use agent_harness_model::resolve::{Resolution, resolve};
use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::parse::{Document, parse};
use agent_harness_model::validate::validate;

use jiff::Timestamp;

use super::answer::Refusal;
use super::files;
use crate::assemble::{add_known, admit, still_needed, uids, with_rebuilds};
use crate::core::Core;
use crate::intake::servers;
use crate::intake::sources::last_good;
use crate::view::View;

/// One document of a request.
#[derive(Debug, Clone)]
pub struct Proposed {
    /// As it was given, under the path at which it lies: there its relative paths start.
    pub document: Document,
    /// As it is kept in the watched folder: relative paths are absolute, unless it lies there.
    pub kept: Document,
    /// The file that it lies in.
    pub path: PathBuf,
}

impl Proposed {
    /// A document that lies in a file of a folder.
    pub fn new(document: Document, path: PathBuf, specs: &Path) -> Result<Self, Refusal> {
        let folder = path.parent().unwrap_or(specs);
        let file = specs.join(path.file_name().unwrap_or_default());
        let kept = files::rebased(&document, folder, specs, &file).map_err(Refusal::Conflict)?;
        Ok(Self { document, kept, path })
    }
}

/// The documents of a request, and how the user calls the files that they lie in.
#[derive(Debug, Default)]
pub struct Given {
    /// The documents.
    pub proposed: Vec<Proposed>,
    names: Vec<(String, String)>,
}

impl Given {
    /// Reads the files of a request.
    pub fn read(files: &[SpecFile], specs: &Path) -> Result<Self, Refusal> {
        let mut given = Self::default();
        let mut documents = Vec::new();
        let mut problems = Vec::new();
        for file in files {
            let folder = file.folder.clone().unwrap_or_else(|| specs.to_path_buf());
            let name = Path::new(&file.name).file_name().map_or("stdin.yaml".as_ref(), Path::new);
            let path = folder.join(name);
            given.names.push((path.display().to_string(), file.name.clone()));
            let parsed = parse(&path.display().to_string(), file.text.as_bytes());
            problems.extend(parsed.problems);
            documents.extend(parsed.documents.into_iter().map(|document| (document, path.clone())));
        }
        given.refuse_if_any(problems)?;
        for (document, path) in documents {
            given.proposed.push(Proposed::new(document, path, specs)?);
        }
        Ok(given)
    }

    fn refuse_if_any(&self, diagnostics: Vec<Diagnostic>) -> Result<(), Refusal> {
        if diagnostics.is_empty() {
            return Ok(());
        }
        let count = diagnostics.len();
        let problems =
            if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") };
        Err(Refusal::Invalid {
            message: format!("{problems} in the specs; nothing was changed"),
            diagnostics: diagnostics.into_iter().map(|it| self.as_typed(it)).collect(),
        })
    }

    /// A diagnostic that calls files what the user calls them.
    fn as_typed(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        for (path, typed) in &self.names {
            let rename = |file: &mut String| {
                if file == path {
                    file.clone_from(typed);
                }
            };
            rename(&mut diagnostic.file);
            diagnostic.place.iter_mut().for_each(|place| rename(&mut place.file));
            diagnostic.related.iter_mut().for_each(|related| rename(&mut related.place.file));
            diagnostic.message = diagnostic.message.replace(path.as_str(), typed);
        }
        diagnostic
    }
}

impl From<Proposed> for Given {
    fn from(one: Proposed) -> Self {
        Self { proposed: vec![one], names: Vec::new() }
    }
}

/// What would be wanted.
#[derive(Debug)]
pub struct Trial {
    /// All documents that would be in force.
    pub documents: BTreeMap<ObjectKey, Document>,
    /// What they come to, together with everything that leaves.
    pub resolution: Resolution,
}

/// Checks the documents together with everything that is in force. Blocks on files and git.
pub fn check(core: &Core, view: &View, given: &Given) -> Result<Trial, Refusal> {
    let proposed = &given.proposed;
    let keys: BTreeSet<&ObjectKey> = proposed.iter().map(|it| &it.document.key).collect();
    let mut good = last_good(&core.ledger());
    for it in proposed {
        // What is in force already has its rights already, also where its paths are written in another way.
        if good.get(&it.kept.key).is_some_and(|before| before.hash() == it.kept.hash()) {
            good.insert(it.kept.key.clone(), it.document.clone());
        }
    }
    let in_force = view.intake.documents.values().filter(|it| !keys.contains(&it.key)).cloned();
    let all = in_force.chain(proposed.iter().map(|it| it.document.clone())).collect();
    let mut valid = validate(all, &good);
    let mut problems = std::mem::take(&mut valid.problems);
    servers::keep(&mut valid, &mut problems, &good, &core.ledger());
    given.refuse_if_any(problems)?;

    let documents = valid.documents;
    let mut uids = uids(&core.ledger());
    for (record, _) in still_needed(&core.ledger()) {
        uids.entry(record.key.clone()).or_insert_with(|| record.uid.clone());
    }
    for key in documents.keys() {
        uids.entry(key.clone()).or_insert_with(|| Uid::new("new-00000000"));
    }
    let mut facts = (*core.facts.facts()).clone();
    let mut needs = BTreeSet::new();
    let resolution = loop {
        let (retention, now) = (core.config.retention, Timestamp::now());
        let mut resolution = {
            let ledger = core.ledger();
            let facts = with_rebuilds(&facts, &ledger);
            let mut resolution = resolve(&documents, &uids, &facts);
            add_known(&mut resolution, &documents, &ledger, &facts, retention, now);
            resolution
        };
        admit(&mut resolution, &core.ledger(), &facts);
        if resolution.needs.is_subset(&needs) {
            break resolution;
        }
        core.facts.suppose(&resolution.needs, &mut facts);
        needs.extend(resolution.needs);
    };
    let about_these =
        |problem: &Diagnostic| problem.object.as_ref().is_none_or(|object| keys.contains(object));
    given.refuse_if_any(
        resolution.problems.iter().filter(|it| about_these(it)).cloned().collect(),
    )?;
    Ok(Trial { documents, resolution })
}
