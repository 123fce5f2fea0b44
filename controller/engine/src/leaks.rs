//! Looks for what carries our mark and is of no object in the ledger: everywhere that the controller knows of, and in
//! its own state folder. What is a leak is decided in `agent_harness_model::audit`; nothing is removed by itself.

use std::path::Path;

use agent_harness_model::api::{Audit, Removed};
use agent_harness_model::audit::{self, Found, Known, Owner, Thing};
use agent_harness_model::id::{Mark, Uid};
use agent_harness_model::kinds::Place;
use agent_harness_model::layout;
use agent_harness_model::resolve::{owner_of_secret, slug_and_short};
use agent_harness_providers::fs::{self, FsError};
use agent_harness_providers::live::{Live, Where};

use crate::core::Core;
use crate::facts::chain;

/// All leaks, and what could not be looked at.
struct Looked {
    leaks: Vec<Found>,
    unknown: Vec<String>,
}

/// Looks everywhere. With `all`, also where a look takes long.
pub async fn audit(core: &Core, outside: &Live, all: bool) -> Audit {
    let Looked { leaks, unknown } = look(core, outside, all).await;
    Audit { leaks: leaks.iter().map(audit::told).collect(), unknown }
}

/// Looks, and notes how many there are for whoever asks what is wrong.
pub async fn note(core: &Core, outside: &Live) {
    let leaks = look(core, outside, false).await.leaks;
    core.note_leaks(leaks.len());
}

/// Removes those of these names that are leaks now.
pub async fn remove(core: &Core, outside: &Live, names: &[String]) -> Vec<Removed> {
    let Looked { leaks, unknown } = look(core, outside, true).await;
    let mut removed = Vec::new();
    for leak in leaks.iter().filter(|leak| names.contains(&leak.thing.to_string())) {
        let error = remove_one(core, outside, leak).await.err();
        removed.push(Removed { name: leak.thing.to_string(), error });
    }
    let is_leak = |name: &str| leaks.iter().any(|leak| leak.thing.to_string() == name);
    for name in names.iter().filter(|name| !is_leak(name)) {
        let why = unknown.first().map_or_else(
            || "is no leak: `ctl leaks` lists them".to_owned(),
            |why| format!("was not found, and not everything could be looked at: {why}"),
        );
        removed.push(Removed { name: name.clone(), error: Some(why) });
    }
    note(core, outside).await;
    removed
}

async fn remove_one(core: &Core, outside: &Live, leak: &Found) -> Result<(), String> {
    let told = audit::told(leak);
    match &leak.thing {
        _ if !told.removable => Err(format!("that is a person's to do: {}", told.fix)),
        Thing::File { path } => remove_file(path).map_err(|error| chain(&error)),
        thing => {
            let connections = core.view().connections.clone();
            outside.remove_marked(&connections, &mark(core, &leak.owner), thing).await
        }
    }
}

/// What something carries. Of what outlives every incarnation, any of the installation's will do.
fn mark(core: &Core, owner: &Owner) -> Mark {
    match owner {
        Owner::Incarnation(uid) => core.mark(uid),
        Owner::Named { .. } | Owner::Infra(_) | Owner::Nobody => core.mark(&Uid::new("none")),
    }
}

async fn look(core: &Core, outside: &Live, all: bool) -> Looked {
    // What comes while we look is known afterwards, what goes was known before.
    let mut known = Known::default();
    take_in(core, &mut known);
    let view = core.view();
    let mut marked = outside.marked(&view.connections, places(core, all)).await;
    let state = core.config.state.clone();
    let in_state = tokio::task::spawn_blocking(move || in_state(&state));
    match in_state.await {
        Ok(Ok(found)) => marked.found.extend(found),
        Ok(Err(error)) => marked.unknown.push(chain(&error)),
        Err(_) => {}
    }
    take_in(core, &mut known);
    Looked { leaks: audit::leaks(marked.found, &known), unknown: marked.unknown }
}

fn take_in(core: &Core, known: &mut Known) {
    for record in core.ledger().records() {
        known.add(&record.key, &record.uid);
    }
}

/// Where there may be something of ours, by all places that are wanted or on record.
fn places(core: &Core, all: bool) -> Where {
    let view = core.view();
    let wanted = view.desired.objects.values().flat_map(|object| object.resources.values());
    let ledger = core.ledger();
    let recorded = ledger.records().flat_map(|record| record.resources.values());
    let mut at = Where { all, ..Where::default() };
    for place in wanted.map(|it| &it.place).chain(recorded.map(|it| &it.place)) {
        match place {
            Place::Worktree(place) => {
                at.repositories.insert(place.repo.clone());
            }
            Place::Container(_) => at.has_containers = true,
            _ => {}
        }
    }
    at
}

/// Logs, secrets, records and histories, by the names that incarnations give them.
fn in_state(state: &Path) -> Result<Vec<Found>, FsError> {
    let mut all = Vec::new();
    let mut add = |folder: &str, owner: &dyn Fn(&str) -> Option<(String, String)>| {
        for path in fs::list_dir(state.join(folder))? {
            let name = path.file_name().and_then(|name| name.to_str()).and_then(owner);
            if let Some((slug, short)) = name {
                let owner = Owner::Named { slug, short };
                all.push(Found { thing: Thing::File { path }, owner, state: None });
            }
        }
        Ok::<(), FsError>(())
    };
    let own = |(slug, short): (&str, &str)| (slug.to_owned(), short.to_owned());
    add("secrets", &|name| owner_of_secret(name).map(own))?;
    add("setup", &|name| slug_and_short(name).map(own))?;
    add("history", &|name| name.strip_suffix(".json").and_then(slug_and_short).map(own))?;
    // Those without a uid are of whoever has the name now.
    add(layout::LOGS, &|name| name.split_once('@').map(own))?;
    Ok(all)
}

fn remove_file(path: &Path) -> Result<(), FsError> {
    match fs::metadata(path)? {
        Some(found) if found.is_dir() => fs::remove_dir_all(path),
        Some(_) => fs::remove_file_if_exists(path).map(drop),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_a_state_folder_says_whose_it_is() {
        let state = tempfile::tempdir().unwrap();
        for (folder, name) in [
            ("secrets", "agent-agent-1-0a1b2c3d-database"),
            ("secrets", "spec-token"),
            ("secrets", "infra-shared-postgres"),
            ("setup", "stack-app-0a1b2c3d"),
            ("history", "agent-agent-1-0a1b2c3d.json"),
            ("logs", "agent-agent-1@0a1b2c3d"),
            ("logs", "agent-agent-1"),
        ] {
            fs::create_dir_all(state.path().join(folder).join(name), 0o700).unwrap();
        }
        let found = in_state(state.path()).unwrap();
        let names: Vec<String> = found
            .iter()
            .map(|it| it.thing.to_string().replace(&state.path().display().to_string(), ""))
            .collect();
        assert_eq!(
            names,
            [
                "file//secrets/agent-agent-1-0a1b2c3d-database",
                "file//setup/stack-app-0a1b2c3d",
                "file//history/agent-agent-1-0a1b2c3d.json",
                "file//logs/agent-agent-1@0a1b2c3d",
            ]
        );
    }
}
