//! What of the specs is not brought about yet, why, and whether that can still change by itself.

use std::collections::BTreeMap;

use agent_harness_model::status::{Blocker, ConditionType, Phase, Status, Truth};
use jiff::Timestamp;

use crate::core::{Core, Progress};
use crate::ledger::{Deletion, ObjectRecord};
use crate::publish;
use crate::pull::Puller;
use crate::view::View;

/// What is missing of one object, or of the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Why it is not there, in words: each reason.
    pub whys: Vec<String>,
    /// It does not get there by itself.
    pub stuck: bool,
}

/// All that is missing, by what it is missing of.
pub fn missing(core: &Core) -> BTreeMap<String, Missing> {
    let mut missing: BTreeMap<String, Missing> = BTreeMap::new();
    let mut add = |what: String, why: String, stuck| {
        let entry = missing.entry(what).or_insert(Missing { whys: Vec::new(), stuck });
        if !entry.whys.contains(&why) {
            entry.whys.push(why);
        }
    };
    if core.progress() < Progress::Working {
        add("the specs".to_owned(), "not looked at yet".to_owned(), false);
        return missing;
    }
    for (name, why, stuck) in unfetched(core) {
        add(format!("the source {name}"), why, stuck);
    }
    let view = core.view();
    if let Some(why) = &view.intake.frozen {
        add("the specs".to_owned(), why.clone(), true);
    }
    if view.intake.ask_again.is_some() {
        let why = "a file is away, and may only be on its way to another name";
        add("a removal".to_owned(), why.to_owned(), false);
    }
    let now = Timestamp::now();
    let records: Vec<ObjectRecord> = core.ledger().records().cloned().collect();
    for record in &records {
        let what = record.key.to_string();
        match &record.deletion {
            Some(deletion) if is_out(deletion, now) => {}
            Some(_) => add(format!("{what} (leaving)"), leaving(core, record), false),
            None => {
                if let Some(Missing { whys, stuck }) = not_there(core, &view, record) {
                    for why in whys {
                        add(what.clone(), why, stuck);
                    }
                }
            }
        }
    }
    for problem in &view.problems {
        let what =
            problem.object.as_ref().map_or_else(|| problem.file.clone(), ToString::to_string);
        add(what, problem.line(), true);
    }
    missing
}

/// Sources of which something else may be wanted than what the specs of now say: each with why, and whether it stays so.
fn unfetched(core: &Core) -> Vec<(String, String, bool)> {
    // A survey under way has read them, and is not done with it.
    let _turn = core.survey_turn();
    let taken_in = core.sources().commits();
    let why = |puller: &Puller| {
        if !puller.was_asked() {
            return Some(("is being fetched".to_owned(), false));
        }
        let trouble = puller.trouble().map(|why| (why, true));
        trouble.or_else(|| {
            let is_in = taken_in.get(puller.folder()) == puller.commit().map(|it| it.id).as_ref();
            (!is_in).then(|| ("is not looked at yet".to_owned(), false))
        })
    };
    let all = core.pulls.all();
    all.filter_map(|puller| why(puller).map(|(why, stuck)| (puller.name().to_owned(), why, stuck)))
        .collect()
}

/// Whether nothing of a deletion is left to be done for now.
fn is_out(deletion: &Deletion, now: Timestamp) -> bool {
    deletion.trashed_at.is_some() && !deletion.purge && now < deletion.until
}

/// Why a live object is not as its spec says.
fn not_there(core: &Core, view: &View, record: &ObjectRecord) -> Option<Missing> {
    let key = &record.key;
    let moving = |why: &str| Some(Missing { whys: vec![why.to_owned()], stuck: false });
    let object = publish::one(core, key);
    let outdated = object.as_ref().is_some_and(|object| object.outdated);
    let Some(status) = object.and_then(|object| object.status) else {
        return moving("not looked at yet");
    };
    if outdated || status.observed_generation < record.generation {
        return moving("its spec is new");
    }
    let mut whys = view.problems_of(key);
    let blocked = view.intake.blocked.get(key);
    let follows = blocked.is_some_and(|blocked| blocked.by == Blocker::LeavingUsers);
    let comes = whys.is_empty() && follows;
    whys.extend(blocked.map(|it| format!("cannot leave: {}", it.message)));
    let works = matches!(status.phase, Phase::Ready | Phase::Suspended);
    let stuck = status.is_stuck() || (works && !comes);
    if !works {
        whys.extend(reasons(&status).iter().map(|why| format!("{}: {why}", status.phase)));
    }
    (!whys.is_empty()).then_some(Missing { whys, stuck })
}

/// Why an object is not ready: what needs attention, what goes on, what cannot be seen.
fn reasons(status: &Status) -> Vec<&str> {
    let says = |kind, truth| {
        let said = status.condition(kind).filter(|it| it.status == truth);
        said.map(|it| it.message.as_str()).filter(|message| !message.is_empty())
    };
    let all = [
        says(ConditionType::Stalled, Truth::True),
        says(ConditionType::Progressing, Truth::True),
        says(ConditionType::Synced, Truth::Unknown),
    ];
    let known: Vec<_> = all.into_iter().flatten().collect();
    if !known.is_empty() {
        return known;
    }
    let ready = status.condition(ConditionType::Ready).filter(|it| it.status != Truth::True);
    vec![ready.map(|it| it.message.as_str()).unwrap_or_default()]
}

/// How far an object is on its way out.
fn leaving(core: &Core, record: &ObjectRecord) -> String {
    let object = core.statuses().get(&record.key).cloned();
    let status = object.filter(|it| it.metadata.uid == record.uid).and_then(|it| it.status);
    let resources = status.into_iter().flat_map(|status| status.resources);
    let said: Vec<String> = resources
        .filter(|(_, resource)| !resource.message.is_empty())
        .map(|(name, resource)| format!("{name} {}", resource.message))
        .collect();
    if said.is_empty() { "not gone yet".to_owned() } else { said.join("; ") }
}
