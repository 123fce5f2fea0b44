//! Whether the objects fit each other: over the whole set of files at once, so that what is wrong
//! with one object leaves all others in force.
//!
//! What a document is by itself was checked by [`crate::spec::parse`]; what the values of an object
//! come to (undefined `${…}`, missing facts) is found by [`crate::resolve`].

mod agents;
pub(crate) mod branch;
mod container;
pub(crate) mod files;
mod infra;
mod limits;
mod lint;
mod names;
mod overrides;
mod ports;
mod probe;
mod stack;
#[cfg(test)]
mod tests;
mod tools;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::id::{ObjectKey, ObjectKind};
use crate::spec::diagnostic::{Diagnostic, arrange, list, nearest};
use crate::spec::node::Node;
use crate::spec::parse::{Body, Document};
use crate::spec::{InfraSpec, StackSpec};

/// The objects that are in force, and what is wrong with the others.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Valid {
    /// The documents that are in force.
    pub documents: BTreeMap<ObjectKey, Document>,
    /// Why others are not; each names its object where it is known.
    pub problems: Vec<Diagnostic>,
    /// The objects of which an earlier version is in force, because the present one is wrong.
    pub held: BTreeSet<ObjectKey>,
}

/// What was in force before: the last good version of each object, and by it the file that had it.
pub type LastGood = BTreeMap<ObjectKey, Document>;

/// Checks a set of documents against each other. Of two with one name the one in the file that had it
/// before stays, else the one whose file comes first. Of two that claim one port or name the one that
/// did not change since `last_good` has it, then the one that was there before, then the first by
/// name. An object with a problem falls out, and with it what refers to it.
pub fn validate(documents: Vec<Document>, last_good: &LastGood) -> Valid {
    let (mut documents, mut problems) = unique(documents, last_good);
    loop {
        let found = round(&documents, last_good);
        let fallen: BTreeSet<ObjectKey> =
            found.iter().filter_map(|problem| problem.object.clone()).collect();
        problems.extend(found);
        let before = documents.len();
        documents.retain(|key, _| !fallen.contains(key));
        // Whatever refers to a fallen object falls in the next round.
        if documents.len() == before {
            arrange(&mut problems);
            return Valid { documents, problems, held: BTreeSet::new() };
        }
    }
}

/// The same, but an object that is wrong, or whose file could not be read (`broken`), keeps the last
/// version that was in force. Where that one does not fit any more either, because its Stack or Infra
/// changed, the change is what is wrong: then the Stack or Infra keeps its last version.
pub fn settle(documents: &[Document], broken: &BTreeSet<ObjectKey>, last_good: &LastGood) -> Valid {
    let mut held: BTreeSet<ObjectKey> = BTreeSet::new();
    let mut problems: Vec<Diagnostic> = Vec::new();
    let mut blamed: BTreeSet<ObjectKey> = BTreeSet::new();
    let present: BTreeMap<ObjectKey, &Document> =
        documents.iter().map(|document| (document.key.clone(), document)).collect();
    held.extend(broken.iter().filter(|key| !present.contains_key(*key)).cloned());
    loop {
        let mut candidates: Vec<Document> =
            documents.iter().filter(|document| !held.contains(&document.key)).cloned().collect();
        candidates.extend(held.iter().filter_map(|key| last_good.get(key).cloned()));
        let valid = validate(candidates, last_good);
        // Objects that fell out now, and for which there is something to fall back on.
        let fallen: Vec<ObjectKey> = present
            .keys()
            .filter(|key| !valid.documents.contains_key(*key) && !held.contains(*key))
            .filter(|key| last_good.contains_key(*key))
            .cloned()
            .collect();
        let change = if fallen.is_empty() {
            breaking_change(&valid, &held, &present, last_good)
        } else {
            None
        };
        for problem in valid.problems {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        if let Some((changed, problem)) = change {
            // With the last good version back, those that it broke may be right as they are now.
            blamed.insert(changed);
            held.clone_from(&blamed);
            held.extend(broken.iter().filter(|key| !present.contains_key(*key)).cloned());
            problems.push(problem);
            continue;
        }
        if fallen.is_empty() {
            held.retain(|key| valid.documents.contains_key(key));
            // What stood in the way of an object only until another one was back is no problem.
            problems.retain(|problem| {
                problem
                    .object
                    .as_ref()
                    .is_none_or(|key| held.contains(key) || !valid.documents.contains_key(key))
            });
            arrange(&mut problems);
            return Valid { documents: valid.documents, problems, held };
        }
        // One kind at a time: with the last good Stack back, its agents may well be right as they are.
        let first = fallen.iter().map(|key| key.kind).min();
        held.extend(fallen.into_iter().filter(|key| Some(key.kind) == first));
    }
}

/// A changed Stack or Infra in which the last good version of an object has no place any more, and what is
/// to be said about it.
fn breaking_change(
    valid: &Valid,
    held: &BTreeSet<ObjectKey>,
    present: &BTreeMap<ObjectKey, &Document>,
    last_good: &LastGood,
) -> Option<(ObjectKey, Diagnostic)> {
    let changed = |key: &ObjectKey| {
        let (now, before) = (present.get(key)?, last_good.get(key)?);
        let same =
            now.node.get("spec").zip(before.node.get("spec")).is_some_and(|(a, b)| a.same(b));
        (!same && valid.documents.contains_key(key) && !held.contains(key)).then_some(*now)
    };
    held.iter().filter(|key| !valid.documents.contains_key(*key)).find_map(|broken| {
        let document = last_good.get(broken)?;
        let change = referents(document, last_good).iter().find_map(changed)?;
        let why = valid.problems.iter().find(|problem| problem.object.as_ref() == Some(broken));
        let message = format!(
            "this version of {} does not fit {broken}, so the one before it stays in force",
            change.key
        );
        let Some(why) = why else {
            let problem = Diagnostic::at(change.name_place(), message);
            return Some((change.key.clone(), problem.of(change.key.clone())));
        };
        let places = || why.place.iter().chain(why.related.iter().map(|related| &related.place));
        // Where the changed file itself says what does not fit, else at its name.
        let own = places().find(|place| *place.file == *change.file).cloned();
        let mut problem = Diagnostic::at(own.unwrap_or_else(|| change.name_place()), message)
            .of(change.key.clone())
            .help(match &why.help {
                Some(help) => format!("{}; {help}", why.message),
                None => why.message.clone(),
            });
        if let Some(other) = places().find(|place| *place.file != *change.file) {
            problem = problem.related("this does not fit it", other.clone());
        }
        Some((change.key.clone(), problem))
    })
}

/// What an object refers to, by itself and through its Stack; nearest first.
fn referents(document: &Document, last_good: &LastGood) -> Vec<ObjectKey> {
    let mut all = document.refers_to();
    for key in all.clone() {
        all.extend(last_good.get(&key).map(Document::refers_to).unwrap_or_default());
    }
    all
}

/// Leaves one document for each name.
fn unique(
    documents: Vec<Document>,
    last_good: &LastGood,
) -> (BTreeMap<ObjectKey, Document>, Vec<Diagnostic>) {
    let mut by_key: BTreeMap<ObjectKey, Vec<Document>> = BTreeMap::new();
    for document in documents {
        by_key.entry(document.key.clone()).or_default().push(document);
    }
    let mut kept = BTreeMap::new();
    let mut problems = Vec::new();
    for (key, mut same) in by_key {
        let before = last_good.get(&key).map(|document| &document.file);
        same.sort_by_key(|document| (Some(&document.file) != before, Arc::clone(&document.file)));
        let mut same = same.into_iter();
        let Some(first) = same.next() else { continue };
        for late in same {
            problems.push(
                Diagnostic::at(
                    late.name_place(),
                    format!(
                        "{key} is defined in two files; the one in {} stays in force",
                        first.file
                    ),
                )
                .related("it is defined here", first.name_place())
                .help("remove one of them, or give it another name")
                .about(key.clone()),
            );
        }
        kept.insert(key, first);
    }
    (kept, problems)
}

/// Everything that is wrong with these documents by themselves and with each other.
fn round(documents: &BTreeMap<ObjectKey, Document>, last_good: &LastGood) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (key, document) in documents {
        match &document.body {
            Body::Infra(spec) => {
                infra::check(document, spec, &mut problems);
                if let Some(node) = document.node.get("spec") {
                    names::check_shared(key, node, spec, &mut problems);
                }
            }
            Body::Stack(spec) => {
                stack::check_stack(document, spec, &mut problems);
                if let Some(node) = document.node.get("spec") {
                    let infra = infra_of(documents, spec);
                    names::check(key, node, spec, &key.name, infra, &mut problems);
                }
                if let Some(infra) = &spec.infra {
                    let wanted = ObjectKey::infra(infra.as_str());
                    let place = document.node.value_place(&["spec", "infra"]);
                    refer(documents, key, &wanted, place, &mut problems);
                    if let (Some(node), Some(infra)) =
                        (document.node.get("spec"), infra_of(documents, spec))
                    {
                        servers(key, node, spec, infra, &mut problems);
                    }
                }
            }
            Body::Agent(spec) => {
                let wanted = ObjectKey::stack(spec.stack.as_str());
                let place = document.node.value_place(&["spec", "stack"]);
                refer(documents, key, &wanted, place, &mut problems);
            }
        }
    }
    check_templates(documents, &mut problems);
    let views = agents::views(documents, &mut problems);
    let views = agents::check(views, last_good, &mut problems);
    agents::check_nesting(&views, &mut problems);
    ports::check(documents, &views, last_good, &mut problems);
    problems
}

/// Templates of two Stacks under one name: the second would never get its own.
fn check_templates(documents: &BTreeMap<ObjectKey, Document>, problems: &mut Vec<Diagnostic>) {
    let mut taken: BTreeMap<(&str, &str), &Document> = BTreeMap::new();
    for document in of_kind(documents, ObjectKind::Stack) {
        let Body::Stack(spec) = &document.body else { continue };
        let template = spec.database.as_ref().and_then(|database| database.template.as_ref());
        let (Some(infra), Some(template)) = (spec.infra.as_deref(), template) else { continue };
        let path = ["spec", "database", "template", "name"];
        let Some(first) = taken.get(&(infra, template.name.as_str())) else {
            taken.insert((infra, &template.name), document);
            continue;
        };
        problems.push(
            Diagnostic::at(
                document.node.value_place(&path),
                format!("{} has a template `{}` already", first.key, template.name),
            )
            .related("it is here", first.node.value_place(&path))
            .help("give this Stack's template another name")
            .of(document.key.clone()),
        );
    }
}

/// The Infra that a Stack uses.
fn infra_of<'a>(
    documents: &'a BTreeMap<ObjectKey, Document>,
    spec: &StackSpec,
) -> Option<&'a InfraSpec> {
    match &documents.get(&ObjectKey::infra(spec.infra.as_deref()?))?.body {
        Body::Infra(spec) => Some(spec),
        Body::Stack(_) | Body::Agent(_) => None,
    }
}

/// A database and a bucket need a server in their Infra. `node` is the tree of `spec`.
fn servers(
    key: &ObjectKey,
    node: &Node,
    spec: &StackSpec,
    infra: &InfraSpec,
    problems: &mut Vec<Diagnostic>,
) {
    let needs = [
        ("database", "postgres", spec.database.is_some() && infra.postgres.is_none()),
        ("bucket", "objectStore", spec.bucket.is_some() && infra.object_store.is_none()),
    ];
    let name = spec.infra.as_deref().unwrap_or_default();
    for (part, server, missing) in needs {
        if missing {
            problems.push(
                Diagnostic::at(
                    node.place_of(&[part]),
                    format!("a `{part}` needs `{server}`, which the Infra `{name}` does not have"),
                )
                .help(format!("add `{server}: {{embedded: {{}}}}` to the Infra"))
                .of(key.clone()),
            );
        }
    }
}

/// How much an object's claims count: less is more.
fn seniority(document: &Document, last_good: &LastGood) -> u8 {
    let Some(before) = last_good.get(&document.key) else { return 2 };
    match (before.node.get("spec"), document.node.get("spec")) {
        (Some(before), Some(now)) => u8::from(!before.same(now)),
        _ => 1,
    }
}

/// A reference to an object that is not in force.
fn refer(
    documents: &BTreeMap<ObjectKey, Document>,
    from: &ObjectKey,
    to: &ObjectKey,
    place: crate::spec::source::Place,
    problems: &mut Vec<Diagnostic>,
) {
    if documents.contains_key(to) {
        return;
    }
    let names: Vec<&str> =
        documents.keys().filter(|key| key.kind == to.kind).map(|key| key.name.as_str()).collect();
    let kind = crate::spec::schema::kind_name(to.kind);
    let help = match nearest(&to.name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => {
            format!("there is no valid {kind} yet: add one, or correct the one that has an error")
        }
        None if names.len() == 1 => format!("there is {}", list(names)),
        None => format!("there are {}", list(names)),
    };
    problems.push(
        Diagnostic::at(place, format!("there is no valid {kind} named `{}`", to.name))
            .help(help)
            .of(from.clone()),
    );
}

/// All documents of a kind.
fn of_kind(
    documents: &BTreeMap<ObjectKey, Document>,
    kind: ObjectKind,
) -> impl Iterator<Item = &Document> {
    documents.values().filter(move |document| document.key.kind == kind)
}
