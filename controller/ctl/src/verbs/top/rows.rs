//! The lines of the list, from what was learned: objects with their parts, filtered, sorted and folded. All of it is
//! pure, and how a line looks is the drawing's.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use agent_harness_model::api::{Object, ServiceNow};
use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::status::Phase;
use jiff::Timestamp;

use crate::object;
use crate::ui::Tone;
use crate::verbs::describe::{of_status, state_tone};

/// What a line is about: an object, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id {
    /// The object.
    pub key: ObjectKey,
    /// Its process or service; `None`: all of it.
    pub part: Option<String>,
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.part {
            Some(part) => write!(f, "{} {part}", self.key),
            None => write!(f, "{}", self.key),
        }
    }
}

/// By what objects, and parts within each, are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// As `ctl get` lists them.
    #[default]
    Name,
    /// Whoever uses most of the processors first.
    Cpu,
    /// Whoever uses most memory first.
    Memory,
}

impl Sort {
    /// The next one, round and round.
    pub fn next(self) -> Self {
        match self {
            Self::Name => Self::Cpu,
            Self::Cpu => Self::Memory,
            Self::Memory => Self::Name,
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }
}

/// What something uses, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Use {
    /// Percent of one processor.
    pub cpu: Option<f64>,
    /// Bytes.
    pub memory: Option<u64>,
    /// How often it was started again.
    pub restarts: Option<u64>,
}

impl Use {
    /// All of them together.
    pub fn sum(all: impl IntoIterator<Item = Self>) -> Self {
        fn plus<T: std::ops::Add<Output = T>>(a: Option<T>, b: Option<T>) -> Option<T> {
            match (a, b) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            }
        }
        all.into_iter().fold(Self::default(), |a, b| Self {
            cpu: plus(a.cpu, b.cpu),
            memory: plus(a.memory, b.memory),
            restarts: plus(a.restarts, b.restarts),
        })
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it is about.
    pub id: Id,
    /// Of an object with parts, whether they are hidden.
    pub folded: Option<bool>,
    /// A phase or a state, and what it means.
    pub state: (String, Tone),
    /// `5/6`, or `yes`.
    pub ready: String,
    /// What it uses.
    pub used: Use,
    /// Its process.
    pub pid: Option<u32>,
    /// Since when it runs.
    pub started: Option<Timestamp>,
    /// Of an agent, its branch.
    pub branch: String,
    /// What stands between it and ready.
    pub message: String,
}

/// What was learned from the controller.
#[derive(Debug, Clone, Default)]
pub struct Learned {
    /// All objects.
    pub objects: Vec<Object>,
    /// What the parts of some are like; why not, where they could not be had.
    pub figures: BTreeMap<ObjectKey, Result<Vec<ServiceNow>, String>>,
}

/// Which of it is to be seen, and in which order.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// A part of a name.
    pub filter: String,
    /// The order.
    pub sort: Sort,
    /// Whose parts are hidden.
    pub folded: BTreeSet<ObjectKey>,
}

/// How all of it stands, in numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Totals {
    /// Agents by their phases.
    pub phases: Vec<(Phase, usize)>,
    /// How many parts of agents are ready, of how many.
    pub ready: (usize, usize),
    /// What all of it uses, the services of Infras as well.
    pub used: Use,
}

/// The lines.
pub fn rows(learned: &Learned, view: &View) -> Vec<Row> {
    let mut all: Vec<(Row, Vec<Row>)> = learned
        .objects
        .iter()
        .filter_map(|object| {
            let key = object.key().filter(|key| key.kind != ObjectKind::Stack)?;
            seen(object, key, learned, &view.filter)
        })
        .collect();
    all.sort_by(|(a, _), (b, _)| {
        // What everybody uses is below the agents.
        let is_infra = |row: &Row| row.id.key.kind == ObjectKind::Infra;
        let by_name = || a.id.key.listed().cmp(&b.id.key.listed());
        is_infra(a).cmp(&is_infra(b)).then_with(|| by_use(a, b, view.sort)).then_with(by_name)
    });
    let mut rows = Vec::new();
    for (mut row, mut parts) in all {
        if !parts.is_empty() {
            let is_folded = view.folded.contains(&row.id.key);
            row.folded = Some(is_folded);
            if is_folded {
                parts.clear();
            }
        }
        parts.sort_by(|a, b| by_use(a, b, view.sort).then_with(|| a.id.part.cmp(&b.id.part)));
        rows.push(row);
        rows.append(&mut parts);
    }
    rows
}

/// The numbers of the head: of all there is, whatever is filtered.
pub fn totals(learned: &Learned) -> Totals {
    let mut totals = Totals::default();
    let mut used = Vec::new();
    for object in &learned.objects {
        let Some(key) = object.key().filter(|key| key.kind != ObjectKind::Stack) else { continue };
        let parts = parts(object, &key, learned);
        used.extend(parts.iter().map(|part| part.used));
        if key.kind != ObjectKind::Agent {
            continue;
        }
        let phase = object::phase(object);
        match totals.phases.iter_mut().find(|(known, _)| *known == phase) {
            Some((_, count)) => *count += 1,
            None => totals.phases.push((phase, 1)),
        }
        totals.ready.0 += parts.iter().filter(|part| part.ready == "yes").count();
        totals.ready.1 += parts.len();
    }
    totals.phases.sort_by_key(|(phase, _)| phase.to_string());
    totals.used = Use::sum(used);
    totals
}

/// An object and its parts as far as the filter lets them through: all of one whose own name matches.
fn seen(
    object: &Object,
    key: ObjectKey,
    learned: &Learned,
    filter: &str,
) -> Option<(Row, Vec<Row>)> {
    let filter = filter.to_lowercase();
    let matches = |name: &str| name.to_lowercase().contains(&filter);
    let mut parts = parts(object, &key, learned);
    let used = Use::sum(parts.iter().map(|part| part.used));
    if !matches(&key.to_string()) {
        parts.retain(|part| part.id.part.as_deref().is_some_and(matches));
        if parts.is_empty() {
            return None;
        }
    }
    let phase = object::phase(object);
    let unknown = learned.figures.get(&key).and_then(|figures| figures.as_ref().err());
    let message = object::message(object);
    let row = Row {
        state: (phase.to_string(), object::phase_tone(phase)),
        ready: object::ready(object),
        used,
        branch: if key.kind == ObjectKind::Agent { object::branch(object) } else { String::new() },
        message: if message.is_empty() { unknown.cloned().unwrap_or_default() } else { message },
        id: Id { key, part: None },
        folded: None,
        pid: None,
        started: None,
    };
    Some((row, parts))
}

/// The parts of an object: as they are now, else as its status has them.
fn parts(object: &Object, key: &ObjectKey, learned: &Learned) -> Vec<Row> {
    let known = learned.figures.get(key).and_then(|figures| figures.as_ref().ok());
    let mut all = known.cloned().unwrap_or_default();
    for other in of_status(object) {
        if !all.iter().any(|it| it.name == other.name) {
            all.push(other);
        }
    }
    all.into_iter().map(|now| part(object, key, now)).collect()
}

fn part(object: &Object, key: &ObjectKey, now: ServiceNow) -> Row {
    let status = object.status.as_ref().and_then(|status| status.resources.get(&now.resource));
    let ready = status.map_or("", |status| if object::works(status) { "yes" } else { "no" });
    let state = match (now.state, status) {
        // What was read off the status is a word of the status.
        (Some(state), Some(status)) if state == status.state => (object::state_tone(&state), state),
        (Some(state), _) => (state_tone(&state), state),
        (None, Some(status)) => (object::state_tone(&status.state), status.state.clone()),
        (None, None) => (Tone::Quiet, "-".to_owned()),
    };
    let message = status.map(|status| status.message.clone()).unwrap_or_default();
    Row {
        id: Id { key: key.clone(), part: Some(now.name) },
        folded: None,
        state: (state.1, state.0),
        ready: ready.to_owned(),
        used: Use { cpu: now.cpu_percent, memory: now.memory, restarts: now.restarts },
        pid: now.pid,
        started: now.started,
        branch: String::new(),
        message: if message.is_empty() { now.unknown.unwrap_or_default() } else { message },
    }
}

/// Whoever uses more is above; whoever is not known to use anything is last.
fn by_use(a: &Row, b: &Row, sort: Sort) -> Ordering {
    match sort {
        Sort::Name => Ordering::Equal,
        Sort::Cpu => {
            let cpu = |row: &Row| row.used.cpu.unwrap_or(-1.0);
            cpu(b).total_cmp(&cpu(a))
        }
        Sort::Memory => b.used.memory.cmp(&a.used.memory),
    }
}
