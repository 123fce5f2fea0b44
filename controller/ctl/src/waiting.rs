//! Waiting until objects are as asked: for `wait`, `apply --wait` and `delete --wait`.
//!
//! Nothing is ever concluded from a condition that is about an older generation. A controller that
//! goes away meanwhile is waited for as well, one that does not answer no longer than anything else.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use agent_harness_model::api::Object;
use agent_harness_model::id::{ObjectKey, Uid};
use agent_harness_model::status::{Blocker, Condition, ConditionType, Phase, Status, Truth};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::client::{Client, Lines};
use crate::error::{Exit, Failure, Result};
use crate::object;
use crate::ui::{Progress, Tone, Ui};

/// How often is looked again, beside what the controller tells by itself.
pub const TICK: Duration = Duration::from_millis(250);

/// How long an object may be Stalled from the start before that is the answer: it may have been so
/// before, and is looked at again right now.
const GRACE: Duration = Duration::from_secs(3);

/// What is said while there is no controller to ask.
const AWAY: &str = "the controller does not run";

/// What is said of one that takes requests and gives no answer, or has not read the specs yet.
const SILENT: &str = "the controller does not answer";

/// How long the first look may take at least: without any time to wait, it is what was asked for.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// What the name of a condition follows, as in `condition=Synced`.
const CONDITION: &str = "condition=";

/// How long is waited, from its making on.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    begun: Instant,
    timeout: Duration,
}

impl Limit {
    /// So long from now on.
    pub fn new(timeout: agent_harness_model::spec::Duration) -> Self {
        Self { begun: Instant::now(), timeout: timeout.0 }
    }

    /// When everything has to be there.
    fn deadline(&self) -> Instant {
        self.begun + self.timeout
    }

    /// The outcome of one look, unless that takes longer than everything may.
    pub async fn look<T>(&self, look: impl Future<Output = T>) -> Option<T> {
        let until = self.deadline().max(self.begun + FIRST_LOOK);
        tokio::time::timeout_at(until, look).await.ok()
    }

    /// The failure of a wait in which nothing was learned at all.
    pub fn nothing_seen(&self) -> Failure {
        let message = format!("{SILENT} within {self}");
        Failure::new(Exit::NotReady, message)
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        agent_harness_model::spec::Duration(self.timeout).fmt(f)
    }
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// Ready is True.
    Ready,
    /// It is gone.
    Deleted,
    /// It is gone, with all that it made.
    Purged,
    /// A condition has a status.
    Condition(ConditionType, Truth),
}

impl FromStr for Goal {
    type Err = String;

    /// Reads `ready`, `deleted`, `condition=Synced`, `condition=Synced=false`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let prefix = text.get(..CONDITION.len());
        if prefix.is_none_or(|prefix| !prefix.eq_ignore_ascii_case(CONDITION)) {
            return match text.to_ascii_lowercase().as_str() {
                "ready" => Ok(Self::Ready),
                "deleted" | "delete" => Ok(Self::Deleted),
                _ => Err("write ready, deleted, or condition=TYPE[=STATUS]".to_owned()),
            };
        }
        let rest = &text[CONDITION.len()..];
        let (name, truth) = rest.split_once('=').unwrap_or((rest, "true"));
        let kind = ConditionType::ALL
            .into_iter()
            .find(|kind| format!("{kind:?}").eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                let all = ConditionType::ALL.map(|kind| format!("{kind:?}")).join(", ");
                format!("{name} is no condition; the conditions are {all}")
            })?;
        let truth = match truth.to_ascii_lowercase().as_str() {
            "true" => Truth::True,
            "false" => Truth::False,
            "unknown" => Truth::Unknown,
            _ => return Err(format!("{truth} is no status: write true, false or unknown")),
        };
        Ok(Self::Condition(kind, truth))
    }
}

/// Reads the words as they are said of an object that got there: `agent/agent-3 ready`.
impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::Deleted => f.write_str("deleted"),
            Self::Purged => f.write_str("purged"),
            Self::Condition(kind, truth) => write!(f, "{kind:?}={truth:?}"),
        }
    }
}

/// What has to get there.
#[derive(Debug, Clone)]
pub struct Target {
    /// Which object.
    pub key: ObjectKey,
    /// The generation that is waited for, at least.
    pub generation: u64,
    /// The incarnations whose end is waited for; whatever has the name, where none is named.
    pub uids: Vec<Uid>,
}

/// How an object stands towards a goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is there.
    Met,
    /// It is on its way.
    OnTheWay,
    /// It does not get there by itself; why.
    Hopeless(String),
}

/// How an object stands; `None` where it is not there.
pub fn standing(goal: &Goal, target: &Target, now: Option<&Object>) -> Standing {
    let Some(now) = now else {
        return match goal {
            Goal::Deleted | Goal::Purged => Standing::Met,
            Goal::Ready | Goal::Condition(..) => Standing::Hopeless("does not exist".to_owned()),
        };
    };
    if matches!(goal, Goal::Deleted | Goal::Purged) {
        if !target.uids.is_empty() && !target.uids.contains(&now.metadata.uid) {
            // Another one has the name by now. Those in the trash never had it; they are asked for by their uids.
            return if *goal == Goal::Deleted { Standing::Met } else { Standing::OnTheWay };
        }
        return match blocked(now) {
            Some(blocked) if blocked.reason != Blocker::LeavingUsers.reason() => {
                Standing::Hopeless(format!("cannot leave: {}", blocked.message))
            }
            Some(_) | None => Standing::OnTheWay,
        };
    }
    let generation = target.generation.max(now.metadata.generation);
    let current = |status: &&Status| !now.outdated && status.observed_generation >= generation;
    let Some(status) = now.status.as_ref().filter(current) else {
        return Standing::OnTheWay;
    };
    let (kind, truth) = match goal {
        Goal::Condition(kind, truth) => (*kind, *truth),
        Goal::Ready | Goal::Deleted | Goal::Purged => (ConditionType::Ready, Truth::True),
    };
    let met = status.condition(kind).is_some_and(|condition| {
        condition.status == truth && condition.observed_generation >= generation
    });
    if met {
        Standing::Met
    } else if *goal == Goal::Ready && status.is_stuck() {
        Standing::Hopeless(format!("is stalled: {}", object::message(now)))
    } else if *goal == Goal::Ready && status.phase == Phase::Suspended {
        Standing::Hopeless("is suspended".to_owned())
    } else {
        Standing::OnTheWay
    }
}

/// The condition that says why it does not leave.
fn blocked(object: &Object) -> Option<&Condition> {
    let blocked = object.status.as_ref()?.condition(ConditionType::DeletionBlocked)?;
    (blocked.status == Truth::True).then_some(blocked)
}

/// A target that is not there yet.
struct Open<'a> {
    target: &'a Target,
    /// The object as it was seen last.
    last: Option<Object>,
    /// It was there at some time.
    seen: bool,
    /// Why it does not get there by itself.
    hopeless: Option<String>,
}

impl<'a> Open<'a> {
    fn new(target: &'a Target) -> Self {
        Self { target, last: None, seen: false, hopeless: None }
    }
}

/// Waits until all targets are there. Each is said on standard output when it is.
pub async fn until(
    client: &Client,
    ui: &mut Ui,
    goal: &Goal,
    targets: &[Target],
    limit: Limit,
) -> Result {
    let keys: Vec<_> = targets.iter().map(|target| target.key.clone()).collect();
    let mut progress = Progress::new(ui, &keys);
    let mut open: BTreeMap<ObjectKey, Open<'_>> =
        targets.iter().map(|target| (target.key.clone(), Open::new(target))).collect();
    let mut watch: Option<Lines> = None;
    let mut away: Option<&str> = None;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let deadline = sleep_until(limit.deadline());
    tokio::pin!(deadline);
    let mut looked = false;
    while open.values().any(|one| one.hopeless.is_none()) {
        let news = tokio::select! {
            biased;
            // One look there is in any case, however short the time.
            () = &mut deadline, if looked => break,
            // What was said before a look is heard before it.
            news = next(&mut watch) => match news {
                Some(object) => {
                    // It may be gone; the next look knows.
                    if is_last_word(&object) {
                        tick.reset_immediately();
                    }
                    object.key().map(|key| (key, Some(object))).into_iter().collect()
                }
                None => { watch = None; Vec::new() }
            },
            _ = tick.tick() => {
                looked = true;
                let begun = Instant::now();
                let seen = limit.look(async {
                    let seen = look(client, goal, open.values().map(|one| one.target)).await;
                    // Begun after the look, so that its first words are no older.
                    if watch.is_none() {
                        watch = client.follow("/v1/watch").await.ok();
                    }
                    seen
                });
                let (seen, why) = match seen.await.transpose()? {
                    Some(Look::Seen(seen)) => (seen, None),
                    Some(Look::Away(why)) => (Vec::new(), Some(why)),
                    // Time was up in the middle of it: nothing to blame the controller for.
                    None if begun.elapsed() < FIRST_LOOK / 2 => break,
                    None => (Vec::new(), Some(SILENT)),
                };
                if let Some(why) = why.filter(|_| away != why) {
                    for key in open.keys() {
                        progress.set(ui, key, Tone::Busy, "Waiting", why)?;
                    }
                }
                away = why;
                seen
            }
        };
        for (key, now) in news {
            let Some(one) = open.get_mut(&key) else { continue };
            let standing = standing(goal, one.target, now.as_ref());
            if let Some(now) = now.as_ref().filter(|_| standing != Standing::Met) {
                let phase = object::phase(now);
                let (name, tone) = (phase.to_string(), object::phase_tone(phase));
                progress.set(ui, &key, tone, &name, &object::message(now))?;
            }
            one.seen |= now.is_some();
            // What was applied just now may have no status yet, or one that is looked at again.
            let early = match now {
                Some(_) => limit.begun.elapsed() < GRACE && *goal == Goal::Ready,
                None => !one.seen,
            };
            one.hopeless = match &standing {
                Standing::Hopeless(why) if !early => Some(why.clone()),
                Standing::Hopeless(_) | Standing::OnTheWay | Standing::Met => None,
            };
            let url = now.as_ref().and_then(object::url).map(|(_, url)| url.to_owned());
            one.last = now;
            if standing == Standing::Met {
                open.remove(&key);
                let note = url.filter(|_| *goal == Goal::Ready).unwrap_or_default();
                progress.done(ui, &key, &format!("{key} {goal}"), &note)?;
            }
        }
    }
    progress.clear();
    if open.is_empty() {
        return Ok(Exit::Done);
    }
    let failure = not_there(goal, &open, limit);
    Err(match away {
        Some(why) => failure.hint(why),
        None => failure,
    })
}

/// What the watch says next; `None` when it ended.
async fn next(watch: &mut Option<Lines>) -> Option<Object> {
    match watch {
        Some(lines) => lines.next().await.ok().flatten(),
        None => std::future::pending().await,
    }
}

/// How the watch takes leave of an object: on its way, and without a status.
fn is_last_word(object: &Object) -> bool {
    object.metadata.deletion_timestamp.is_some() && object.status.is_none()
}

/// What a look at every object that is still waited for found.
enum Look {
    Seen(Vec<(ObjectKey, Option<Object>)>),
    /// There is nobody to ask; why.
    Away(&'static str),
}

async fn look(
    client: &Client,
    goal: &Goal,
    targets: impl Iterator<Item = &Target>,
) -> Result<Look> {
    let mut seen = Vec::new();
    for target in targets {
        let there = match goal {
            Goal::Purged => client.first_of(&target.key, &target.uids).await,
            Goal::Ready | Goal::Deleted | Goal::Condition(..) => client.object(&target.key).await,
        };
        match there {
            Ok(object) => seen.push((target.key.clone(), Some(object))),
            Err(error) if error.is_absent() => seen.push((target.key.clone(), None)),
            Err(error) if error.is_absence() => return Ok(Look::Away(AWAY)),
            Err(error) if error.is_interruption() => return Ok(Look::Away(SILENT)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Look::Seen(seen))
}

/// The failure that says of each object why it is not there.
fn not_there(goal: &Goal, open: &BTreeMap<ObjectKey, Open<'_>>, limit: Limit) -> Failure {
    let mut lines = Vec::new();
    let mut exit = Exit::NotReady;
    for (key, one) in open {
        lines.push(match (&one.hopeless, &one.last) {
            (Some(why), _) => {
                exit = if one.last.is_some() { Exit::Blocked } else { Exit::Failed };
                format!("{key} {why}")
            }
            (None, Some(object)) => {
                let message = object::message(object);
                let colon = if message.is_empty() { "" } else { ": " };
                format!("{key} is {} after {limit}{colon}{message}", object::phase(object))
            }
            (None, None) => format!("{key} was not seen in {limit}"),
        });
    }
    let failure = Failure::new(exit, lines.join("\n       "));
    match (goal, exit, open.keys().next()) {
        (Goal::Deleted | Goal::Purged, Exit::Blocked, _) => {
            let last = open.values().filter_map(|one| one.last.as_ref());
            let reasons: Vec<_> = last.filter_map(blocked).map(|it| it.reason.as_str()).collect();
            let hints = [
                (Blocker::Guard, "`ctl approve` lets it leave"),
                (Blocker::Users, "it leaves once those are deleted that use it"),
            ];
            let true_ones = hints.iter().filter(|(by, _)| reasons.contains(&by.reason()));
            true_ones.fold(failure, |failure, (_, hint)| failure.hint(*hint))
        }
        (_, Exit::Blocked | Exit::NotReady, Some(key)) => {
            failure.hint(format!("`ctl describe {key}` shows everything about it"))
        }
        _ => failure,
    }
}
