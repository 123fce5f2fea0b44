//! What the control socket speaks: HTTP/1.1 with JSON bodies of these types, over a Unix socket.
//!
//! Every answer that is not 2xx carries an [`ErrorBody`]. Streams are one JSON value a line.
//!
//! With `fresh=true` the folder of specs is read before the answer: an edit that was made just now is in the generation
//! of its object, though its status may still be about the one before. So it is for a diff.
//!
//! A name may have many incarnations, of which one is not in the trash. `uid=UID` means this one of them: its uid, or
//! as much of its beginning as tells it from the others; so does the short form of eight characters. Where many could be
//! purged and none is named, that is refused, unless `all=true` means every one. An incarnation that is asked for by its
//! uid is there for as long as anything of it is, also in the trash.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /v1/info` | | [`Info`] |
//! | `GET /v1/doctor?stack=NAME` | | `Vec<Check>`; with a Stack, also whether there is what it needs |
//! | `GET /v1/objects?fresh=true` | | `Vec<Object>` |
//! | `GET /v1/objects/{kind}/{name}?fresh=true&uid=UID` | | [`Object`] |
//! | `GET /v1/watch` | | stream of [`Object`]; all at first, then each that changed |
//! | `POST /v1/apply` | [`ApplyRequest`] | `Vec<Applied>` |
//! | `POST /v1/diff` | [`ApplyRequest`] | [`DiffAnswer`] |
//! | `DELETE /v1/objects/{kind}/{name}?purge=true&uid=UID` or `…?purge=true&all=true` | | [`Deleted`]; with `dryRun=true` nothing is deleted |
//! | `POST /v1/objects/{kind}/{name}/undelete?uid=UID` | | [`Applied`] |
//! | `GET /v1/trash` | | `Vec<Trashed>` |
//! | `GET /v1/leaks` | | [`Audit`] |
//! | `POST /v1/leaks/remove` | [`RemoveLeaks`] | `Vec<Removed>`, in the order in which it was done |
//! | `POST /v1/approve` | | [`Approved`] |
//! | `GET /v1/sources` | | `Vec<SourceStatus>`, by their names |
//! | `POST /v1/sync?source=NAME` | | `Vec<SourceStatus>`, once those were asked for news, or the one that is named |
//! | `POST /v1/objects/{kind}/{name}/reconcile` | | nothing |
//! | `POST /v1/objects/{kind}/{name}/restart?process=NAME,NAME` | | nothing; with `wait=true`, once it was done |
//! | `GET /v1/objects/{kind}/{name}/history` | | `Vec<SpecVersion>`, the oldest first; the last is in force |
//! | `POST /v1/objects/{kind}/{name}/rollback?to=GENERATION` | | `Vec<Applied>`: an earlier spec is applied again |
//! | `POST /v1/objects/agent/{name}/suspend` | | [`Suspended`]: nothing more is done about it |
//! | `POST /v1/objects/agent/{name}/resume` | | [`Suspended`]: what is wanted of it is brought about again |
//! | `GET /v1/objects/{kind}/{name}/environment` | | [`Environment`] |
//! | `GET /v1/objects/{kind}/{name}/logs` | | `Vec<LogFile>` |
//! | `GET /v1/objects/infra/{name}/logs/{service}?since=MS&tail=N&follow=true` | | lines as in a log file |
//! | `GET /v1/objects/infra/{name}/services?cpu=true` | | `Vec<ServiceNow>`; a share of the processors takes a moment |
//! | `GET /v1/objects/agent/{name}/processes?cpu=true` | | `Vec<ServiceNow>`, one for each process that is enabled |
//! | `GET /v1/objects/agent/{name}/health` | | `Vec<HealthNow>`; each check is carried out before the answer |
//! | `POST /v1/prove` | [`ProveRequest`] | `Vec<Proof>`; two agents have tried what they must not be able to do |
//! | `GET /v1/objects/agent/{name}/belongings` | | [`Belongings`] |
//! | `POST /v1/remains` | [`Places`] | `Vec<String>`: what is left of an agent that is gone, one line each |
//! | `POST /v1/objects/agent/{name}/verify` | [`VerifyRequest`] | stream of [`VerifyEvent`]; the run is stopped when nobody reads it |
//! | `GET /v1/objects/agent/{name}/verify` | | the last `Report` |
//! | `DELETE /v1/objects/agent/{name}/verify/{run}` | | `true`, unless it has ended; its stream still tells what came of it |
//! | `GET /v1/objects/agent/{name}/queries?limit=N` | | `Vec<SlowQuery>`, what took longest in all first |
//! | `POST /v1/objects/agent/{name}/database/reset` | | [`Replaced`] |
//! | `POST /v1/objects/agent/{name}/database/save?name=NAME` | | [`Replaced`] |
//! | `POST /v1/objects/agent/{name}/database/restore?name=NAME` | | [`Replaced`] |
//! | `GET /v1/objects/agent/{name}/database/kept` | | `Vec<KeptDatabase>`, the oldest first |
//! | `DELETE /v1/objects/agent/{name}/database/kept?name=NAME` | | nothing |
//! | `GET /v1/objects/stack/{name}/generations` | | `Vec<Generation>`, the current one first |
//! | `POST /v1/objects/stack/{name}/rebuild` | | [`Rebuilt`] |
//! | `POST /v1/objects/infra/{name}/exec/{service}` | stream of [`Frame`] | stream of [`Frame`], ends with the command |
//! | `GET /v1/events?object=KIND/NAME&follow=true` | | stream of [`Event`], oldest first |
//! | `POST /v1/down` | [`DownRequest`] | stream of [`Event`], ends when all is down |

mod check;
mod database;
mod frame;
mod health;
mod leak;
mod prove;
mod query;
mod service;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{ObjectKey, Uid};
use crate::status::Status;
pub use check::{Check, Verdict};
pub use database::{Generation, GenerationState, KeptDatabase, Rebuilt, Replaced};
pub use frame::{Ended, ExecRequest, Frame, FrameError, Frames, WindowSize};
pub use health::HealthNow;
pub use leak::{Audit, Leak, RemoveLeaks, Removed};
pub use prove::{Belongings, Places, Proof, ProveRequest};
pub use query::SlowQuery;
pub use service::ServiceNow;
pub use verify::{VerifyEvent, VerifyRequest};

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// What happened and what to do, ready to be shown.
    pub message: String,
    /// Rendered diagnostics of specs, each with file, line and remedy.
    #[serde(default)]
    pub diagnostics: Vec<String>,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Version of the controller.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Its state folder.
    pub state: PathBuf,
    /// The folder that it watches.
    pub specs: PathBuf,
    /// Why deletions are frozen, when they are.
    pub frozen: Option<String>,
    /// What is wrong with files of that folder and is in no object's status, such as a file that holds no object
    /// that can be told: file, line and remedy in one line each.
    #[serde(default)]
    pub problems: Vec<String>,
    /// By what processes are held: `cgroup v1 (memory, cpu, pids)`, `cgroup v2` or `process groups`.
    #[serde(default)]
    pub held_by: Option<String>,
}

/// A spec that an object had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpecVersion {
    /// Its generation.
    pub generation: u64,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Where it was read: `FILE:LINE`.
    pub source: String,
    /// Of one from a Git repository: the commit that it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The document, as the user wrote it.
    pub text: String,
}

/// What came of `suspend` or `resume`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Suspended {
    /// The object.
    pub object: ObjectKey,
    /// Whether it was not so before.
    pub changed: bool,
}

/// An object: spec and status in one, as `ctl get -o yaml` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// `agent-harness.dev/v1alpha1`
    pub api_version: String,
    /// `Infra`, `Stack` or `Agent`.
    pub kind: String,
    /// Who it is.
    pub metadata: ObjectMeta,
    /// As the user wrote it.
    pub spec: serde_json::Value,
    /// What came of it; `None` before its first reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Whether something else is wanted of it than what its status speaks of: its own spec changed, or one that it
    /// refers to, or a fact that they rest on. In no status file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outdated: bool,
}

impl Object {
    /// Its identity.
    pub fn key(&self) -> Option<ObjectKey> {
        format!("{}/{}", self.kind.to_lowercase(), self.metadata.name).try_into().ok()
    }
}

/// Who an object is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMeta {
    /// Its name.
    pub name: String,
    /// Its incarnation.
    pub uid: Uid,
    /// Counts the changes of its spec's meaning.
    pub generation: u64,
    /// When it was first seen.
    pub creation_timestamp: Timestamp,
    /// Since when it is leaving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Timestamp>,
    /// Where it was read: `FILE:LINE`.
    pub source: String,
    /// Of one from a Git repository: the commit that this version of it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Labels of the user's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Specs to be applied or compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyRequest {
    /// Each file with the name that its errors are to show.
    pub files: Vec<SpecFile>,
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// One file of specs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpecFile {
    /// Its name, for errors and as a proposal for the name in the watched folder.
    pub name: String,
    /// The folder that relative paths in it refer to; `None` for standard input.
    pub folder: Option<PathBuf>,
    /// YAML.
    pub text: String,
}

/// What an `apply` did to one object: `agent/agent-3 created`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The object.
    pub object: ObjectKey,
    /// What was done.
    pub change: Change,
    /// The generation to wait for.
    pub generation: u64,
}

/// What an `apply` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It was not there.
    Created,
    /// It was there and is another now.
    Configured,
    /// It was there like this.
    Unchanged,
    /// It came back from the trash.
    Restored,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Restored => "restored",
        })
    }
}

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiffAnswer {
    /// Changes of the specs' text: a unified diff of the normalised YAML per object.
    pub specs: Vec<SpecDiff>,
    /// The plan, one line a step.
    pub plan: String,
    /// How many steps that is.
    pub steps: usize,
}

/// How one object's spec would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpecDiff {
    /// The object.
    pub object: ObjectKey,
    /// As it is; empty when it is new.
    pub before: String,
    /// As it would be; empty when it would leave.
    pub after: String,
}

/// A deletion that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// The object.
    pub object: ObjectKey,
    /// Its incarnations, the youngest first: what to wait for.
    pub uids: Vec<Uid>,
    /// Until when it can be brought back; `None` when it was purged.
    pub until: Option<Timestamp>,
    /// Of a purge, the data that goes for good: `volume harness-shared_pgdata`, `folder /state/…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub destroyed: Vec<String>,
}

/// An object in the trash, or what a live one put there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trashed {
    /// The object.
    pub object: ObjectKey,
    /// Its incarnation.
    pub uid: Uid,
    /// When it was deleted.
    pub since: Timestamp,
    /// Until when it can be brought back.
    pub until: Timestamp,
    /// The object is there, and only these things of it are kept: its spec wants others by now. They come back with
    /// the spec, not with `undelete`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
    /// What is kept, by `kind/name`.
    pub resources: Vec<String>,
    /// Bytes of those that can be measured now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sizes: BTreeMap<String, u64>,
}

/// Deletions that were let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approved {
    /// The objects that may leave now.
    pub objects: Vec<ObjectKey>,
}

/// What an agent's processes get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// The worktree.
    pub cwd: PathBuf,
    /// All variables, secrets in clear: the socket is its owner's alone.
    pub variables: BTreeMap<String, String>,
    /// Names of the variables that hold secrets.
    pub secret: Vec<String>,
}

/// A log that can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogFile {
    /// `api`, `setup/install`, `template/migrate`.
    pub name: String,
    /// The newest file; older ones lie beside it as `.1`, `.2`. `None`: the Docker engine has it, and the controller
    /// streams it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When, the last time.
    pub time: Timestamp,
    /// To which object.
    pub object: ObjectKey,
    /// Whether it needs attention.
    pub severity: Severity,
    /// One word for what.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// How often in a row.
    pub count: u32,
}

/// Whether an event needs attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Severity {
    /// As it should be.
    Normal,
    /// Somebody may want to look.
    Warning,
}

/// How everything of a state folder is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DownRequest {
    /// Destroy the data as well.
    pub purge: bool,
}
