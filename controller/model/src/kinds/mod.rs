//! The kinds of resources: one file each, with what can be wanted, what can be seen, what can be done,
//! and the pure `diff` between them. This file holds what they share and the dispatch over them.
//!
//! A new kind is one file here, one line in each enum below, and one provider.

pub mod bucket;
pub mod command;
pub mod container;
pub mod database;
pub mod file;
pub mod limits;
pub mod process;
pub mod service;
pub mod setup;
pub mod template;
pub mod worktree;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::ResourceKind;

/// What is to become of a resource.
#[derive(Debug, PartialEq, Eq)]
pub enum Target<D> {
    /// It is to be there, like this.
    Present(Arc<D>),
    /// It is to leave, but so that it can come back: `delete` without `--purge`.
    Trashed,
    /// It is to leave for good.
    Gone,
}

// By hand: a derive would ask for `D: Clone`, which an `Arc` does not need.
impl<D> Clone for Target<D> {
    fn clone(&self) -> Self {
        match self {
            Self::Present(want) => Self::Present(Arc::clone(want)),
            Self::Trashed => Self::Trashed,
            Self::Gone => Self::Gone,
        }
    }
}

/// Why a step is done: a sentence that a user understands.
pub type Cause = String;

/// What a `diff` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<A> {
    /// As wanted; nothing to do.
    Settled,
    /// To be done, in this order.
    Change(Vec<(A, Cause)>),
    /// Not as wanted, and it will change by itself or by somebody else's doing; what it waits for.
    Wait(String),
    /// Not as wanted, and not corrected on purpose; what differs and what the user can do.
    Drift(String),
    /// Something that is not ours stands in the way; what it is.
    Conflict(String),
    /// Not as wanted, and it stays so until somebody does something; what happened.
    Stalled(String),
}

impl<A> Verdict<A> {
    /// One change.
    pub fn one(action: A, cause: impl Into<Cause>) -> Self {
        Self::Change(vec![(action, cause.into())])
    }

    /// The same verdict with its actions wrapped.
    pub fn map<B>(self, wrap: impl Fn(A) -> B) -> Verdict<B> {
        match self {
            Self::Settled => Verdict::Settled,
            Self::Change(list) => {
                Verdict::Change(list.into_iter().map(|(a, cause)| (wrap(a), cause)).collect())
            }
            Self::Wait(why) => Verdict::Wait(why),
            Self::Drift(why) => Verdict::Drift(why),
            Self::Conflict(why) => Verdict::Conflict(why),
            Self::Stalled(why) => Verdict::Stalled(why),
        }
    }
}

/// Whether something that runs does its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Readiness {
    /// Its probe passed, or it has none and runs.
    Ready,
    /// Not yet, or no more; the last answer of its probe.
    NotReady(String),
}

/// How something that ran came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exit {
    /// `exit code 1`, `signal SIGKILL`, `lost: …`, `did not start: …`.
    pub how: String,
    /// Which kind of end it was.
    pub end: End,
    /// Restarts in a row so far.
    pub restarts: u32,
    /// The backoff has passed: it may be started again now.
    pub restart_due: bool,
    /// The backoff: milliseconds from its end until it may be started again. What is left of them is not told, as
    /// each look would be news.
    pub backoff_ms: u64,
    /// The last lines of its log.
    pub last_lines: Vec<String>,
}

impl Exit {
    /// The same as a sentence: `ended with exit code 1`.
    pub fn told(&self) -> String {
        match self.end {
            End::NotStarted => self.how.clone(),
            End::Lost | End::Orphaned => format!("was {}", self.how),
            End::Success | End::Failure => format!("ended with {}", self.how),
        }
    }
}

/// Which kind of end a process came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// By itself, with code 0.
    Success,
    /// With another code, or by a signal.
    Failure,
    /// Nobody knows how: its holder ended before it.
    Lost,
    /// It never ran: its program or folder is missing. No end that counts.
    NotStarted,
    /// Only its holder has ended: it runs on, and nobody looks after it.
    Orphaned,
}

/// What one resource needs of another before anything is done about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Need {
    /// It is there and complete.
    Exists,
    /// It was started.
    Started,
    /// It does its work.
    Ready,
    /// It came to a good end.
    Succeeded,
}

impl Need {
    /// How the need reads after "waits for X to …".
    pub fn verb(self) -> &'static str {
        match self {
            Self::Exists => "exist",
            Self::Started => "be started",
            Self::Ready => "be ready",
            Self::Succeeded => "succeed",
        }
    }
}

/// Whether what a step did can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reversibility {
    /// Nothing that anybody wrote is touched.
    Free,
    /// Data is moved aside and can be brought back.
    Undoable,
    /// Data is destroyed.
    Final,
}

/// What every kind of resource answers. Pure.
pub trait Kind {
    /// What can be wanted; every choice is made in it.
    type Desired;
    /// Where it is in the outside world: enough to find it and to remove it. Kept in the ledger.
    type Place;
    /// What can be seen there; absent is `None`.
    type Observed;
    /// What can be done about it.
    type Action;

    /// What is to be done so that `have` becomes `target`.
    fn diff(
        target: &Target<Self::Desired>,
        place: &Self::Place,
        have: Option<&Self::Observed>,
    ) -> Verdict<Self::Action>;

    /// Whether `have` is enough for a resource that depends on it.
    fn satisfies(have: &Self::Observed, need: Need) -> bool;

    /// What is lost or moved when the action is done.
    fn reversibility(action: &Self::Action) -> Reversibility;
}

macro_rules! kinds {
    ($($variant:ident => $module:ident::$kind:ident),* $(,)?) => {
        /// What is wanted of a resource of any kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Resource { $(#[doc = concat!("A ", stringify!($module), ".")] $variant(Arc<$module::Desired>),)* }

        /// Where a resource of any kind is.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Place { $(#[doc = concat!("A ", stringify!($module), ".")] $variant($module::Place),)* }

        /// What was seen of a resource of any kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Have { $(#[doc = concat!("A ", stringify!($module), ".")] $variant($module::Observed),)* }

        /// What can be done to a resource of any kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Action { $(#[doc = concat!("To a ", stringify!($module), ".")] $variant($module::Action),)* }

        impl Resource {
            /// Which kind it is.
            pub fn kind(&self) -> ResourceKind {
                match self { $(Self::$variant(_) => ResourceKind::$variant,)* }
            }

            /// Where it is to be.
            pub fn place(&self) -> Place {
                match self { $(Self::$variant(want) => Place::$variant(want.place.clone()),)* }
            }

            /// A hash over everything that makes a difference outside.
            pub fn fingerprint(&self) -> &str {
                match self { $(Self::$variant(want) => &want.fingerprint,)* }
            }
        }

        impl Place {
            /// Which kind of resource is there.
            pub fn kind(&self) -> ResourceKind {
                match self { $(Self::$variant(_) => ResourceKind::$variant,)* }
            }
        }

        impl Have {
            /// Whether this is enough for a resource that depends on it.
            pub fn satisfies(&self, need: Need) -> bool {
                match self { $(Self::$variant(have) => $module::$kind::satisfies(have, need),)* }
            }
        }

        impl Action {
            /// Which kind of resource it is done to.
            pub fn kind(&self) -> ResourceKind {
                match self { $(Self::$variant(_) => ResourceKind::$variant,)* }
            }

            /// What is lost or moved when it is done.
            pub fn reversibility(&self) -> Reversibility {
                match self { $(Self::$variant(action) => $module::$kind::reversibility(action),)* }
            }
        }

        impl fmt::Display for Action {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Self::$variant(action) => action.fmt(f),)* }
            }
        }

        /// `diff` over all kinds. Parts of different kinds under one id are a conflict, never an action.
        pub fn diff(target: &AnyTarget, place: &Place, have: Option<&Have>) -> Verdict<Action> {
            match place {
                $(Place::$variant(place) => {
                    let target = match target {
                        AnyTarget::Present(Resource::$variant(want)) => Target::Present(Arc::clone(want)),
                        AnyTarget::Trashed => Target::Trashed,
                        AnyTarget::Gone => Target::Gone,
                        AnyTarget::Present(_) => return mixed(),
                    };
                    let have = match have {
                        None => None,
                        Some(Have::$variant(have)) => Some(have),
                        Some(_) => return mixed(),
                    };
                    $module::$kind::diff(&target, place, have).map(Action::$variant)
                })*
            }
        }
    };
}

impl Place {
    /// Whether both are the place of one thing outside. What only says how it is handled (a stop signal, a
    /// key) makes no difference.
    pub fn is_same_thing(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Service(a), Self::Service(b)) => (&a.infra, &a.name) == (&b.infra, &b.name),
            (Self::Container(a), Self::Container(b)) => a.container == b.container,
            (Self::Worktree(a), Self::Worktree(b)) => (&a.repo, &a.path) == (&b.repo, &b.path),
            (Self::File(a), Self::File(b)) => (&a.root, &a.path) == (&b.root, &b.path),
            (Self::Template(a), Self::Template(b)) => {
                (&a.infra, &a.database) == (&b.infra, &b.database)
            }
            (Self::Database(a), Self::Database(b)) => {
                (&a.infra, &a.database, &a.role, &a.kept)
                    == (&b.infra, &b.database, &b.role, &b.kept)
            }
            (Self::Bucket(a), Self::Bucket(b)) => (&a.infra, &a.bucket) == (&b.infra, &b.bucket),
            // They are known by their owner and name alone.
            (Self::Setup(_), Self::Setup(_)) | (Self::Process(_), Self::Process(_)) => true,
            (
                Self::Service(_)
                | Self::Container(_)
                | Self::Worktree(_)
                | Self::File(_)
                | Self::Template(_)
                | Self::Database(_)
                | Self::Bucket(_)
                | Self::Setup(_)
                | Self::Process(_),
                _,
            ) => false,
        }
    }

    /// Whether both are one thing outside that is known by its place. Setup steps and processes are known by
    /// their names, and any number of them can have the same place.
    pub fn is_known_as(&self, other: &Self) -> bool {
        !matches!(self, Self::Setup(_) | Self::Process(_)) && self.is_same_thing(other)
    }
}

kinds! {
    Service => service::Service,
    Container => container::Container,
    Worktree => worktree::Worktree,
    File => file::File,
    Template => template::Template,
    Database => database::Database,
    Bucket => bucket::Bucket,
    Setup => setup::Setup,
    Process => process::Process,
}

impl Action {
    /// The part of the resource that it is about, by its name in the specs: a build step of a template.
    pub fn part(&self) -> Option<&str> {
        let Self::Template(template::Action::Build(want, index)) = self else { return None };
        want.build.get(*index).map(|step| step.name.as_str())
    }
}

/// What is to become of a resource of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyTarget {
    /// It is to be there, like this.
    Present(Resource),
    /// It is to leave, but so that it can come back.
    Trashed,
    /// It is to leave for good.
    Gone,
}

impl AnyTarget {
    /// Whether it is to leave, in whatever way.
    pub fn leaves(&self) -> bool {
        match self {
            Self::Present(_) => false,
            Self::Trashed | Self::Gone => true,
        }
    }
}

fn mixed() -> Verdict<Action> {
    Verdict::Conflict(
        "what was seen is of another kind than what is wanted; please report this".into(),
    )
}
