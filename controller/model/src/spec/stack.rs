//! `Stack`: what one agent's development stack looks like, written once per app.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Command, Cors, Deletion, Drift, Duration, FileMode, Limits, Metadata, Ordered, ProblemMatcher,
    Process, Requests, Tool, Value, VerifyStage,
};

/// What the development stack of one agent looks like for one app. Written once; each `Agent` that
/// names it gets its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stack {
    /// `agent-harness.dev/v1alpha1`.
    pub api_version: String,
    /// `Stack`.
    pub kind: String,
    /// Who the object is.
    pub metadata: Metadata,
    /// What a stack consists of.
    pub spec: StackSpec,
    /// What the controller last saw. Ignored on input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<serde_json::Value>,
}

/// What a stack consists of. Text in it may hold `${…}`, which is replaced for each agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StackSpec {
    /// The name of the Infra whose services the agents use. Default: none. Example: `shared`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infra: Option<String>,
    /// Base ports by name; an agent's port is base + id × `portStride`, and `${ports.NAME}` in
    /// text. Default: none. Example: `{frontend: 3000, api: 8000}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<String, u16>,
    /// How far the ports of one agent lie from those of the next, 1 to 65535. Default: `10`.
    #[serde(default = "default_stride")]
    #[schemars(range(min = 1))]
    pub port_stride: u16,
    /// The Git worktree that each agent gets. Default: none; processes then run in the home folder,
    /// and there are no `files` and no `setup`. Example: `{repo: ~/src/app, base: origin/main}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<Worktree>,
    /// The database that each agent gets. Default: none. Example: `{name: "agent_${agent.id}"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// The bucket that each agent gets. Default: none. Example: `{name: "agent-${agent.id}"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Bucket>,
    /// Environment of every step and process: text or `{secret: NAME}`. Default: none. Example:
    /// `{PORT: "${ports.api}"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Value>,
    /// Folders put before PATH, relative to the worktree. Default: none. Example: `[venv/bin]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// Files that are written into the worktree, by path relative to it; Git does not see them.
    /// Default: none. Example: `{.env: {from: env.template, mode: "0600"}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, File>,
    /// Steps that prepare the worktree, by name. They run in the order written, unless `after` says
    /// otherwise, and again only when there is a reason. Default: none. Example:
    /// `{install: {run: pnpm install, inputs: [pnpm-lock.yaml]}}`.
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub setup: Ordered<Step>,
    /// The processes of the stack, by name. Default: none. Example:
    /// `{api: {run: node server.js, ready: {tcp: {port: api}}}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub processes: BTreeMap<String, Process>,
    /// What all processes of an agent may use together. Default: no limit. Example:
    /// `{memory: 4Gi, cpus: 2, pids: 512}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// What an agent is expected to use: it starts once the host has room for that. Default: its limit of memory.
    /// Example: `{memory: 2Gi, disk: 5Gi}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Requests>,
    /// What becomes of an agent that is to go. Example: `{protect: true, retain: 7d}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// What is done about things of an agent that somebody changed or removed, by their kind. Default: all is corrected.
    /// Example: `{file: warn, bucket: ignore}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// Programs of the host that the stack needs, by name: what `ctl doctor --for stack/NAME` looks for. Default: none.
    /// Example: `{node: {version: ">=20.19", fix: "fnm install 20"}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, Tool>,
    /// The stages of a check of an agent's work, by name, in the order written: what `ctl verify` runs. Default: none.
    /// Example: `{test: {run: pnpm test}}`.
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub verify: Ordered<VerifyStage>,
    /// How problems are found in what commands of `verify` print, by name, beside those that are known: `tsc`, `eslint`,
    /// `jest`, `vitest`, `cargo`, `pytest`, `go` and compilers alike. Default: none. Example:
    /// `{mylint: {lines: ["^(?<file>\\S+) line (?<line>\\d+): (?<message>.+)$"]}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub problem_matchers: BTreeMap<String, ProblemMatcher>,
}

impl Default for StackSpec {
    fn default() -> Self {
        Self {
            infra: None,
            ports: BTreeMap::new(),
            port_stride: default_stride(),
            worktree: None,
            database: None,
            bucket: None,
            env: BTreeMap::new(),
            path: Vec::new(),
            files: BTreeMap::new(),
            setup: Ordered::default(),
            processes: BTreeMap::new(),
            limits: None,
            requests: None,
            deletion: None,
            drift: None,
            tools: BTreeMap::new(),
            verify: Ordered::default(),
            problem_matchers: BTreeMap::new(),
        }
    }
}

fn default_stride() -> u16 {
    10
}

/// The Git worktree of an agent. The controller makes and switches it without running Git hooks, such as
/// `post-checkout`; a step under `setup` does what one would.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Worktree {
    /// The repository: a folder of this host; `~` is the home folder, and a relative path starts at
    /// the folder of the spec file. Example: `~/src/lightdash`.
    pub repo: String,
    /// What a new branch starts from: a branch, tag or commit. Default: `HEAD`. Example:
    /// `origin/main`.
    #[serde(default = "default_base")]
    pub base: String,
    /// The branch, made from `base` when it does not exist. A change of it switches a worktree that holds no
    /// uncommitted work. One that its agent has switched to another branch stays there, and the status says so.
    /// Default: `agent/${agent.name}`. Example: `fix/foo`.
    #[serde(default = "default_branch")]
    pub branch: String,
    /// Where the worktree goes: a folder of its own, not among the specs and not around the repository or the state
    /// folder. `~` is the home folder, and a relative path starts at the folder of the spec file. Default:
    /// `~/worktrees/${agent.name}`. Example: `${harness.state}/worktrees/${agent.name}`.
    #[serde(default = "default_path")]
    pub path: String,
}

fn default_base() -> String {
    "HEAD".to_owned()
}

fn default_branch() -> String {
    "agent/${agent.name}".to_owned()
}

fn default_path() -> String {
    "~/worktrees/${agent.name}".to_owned()
}

/// The database of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Database {
    /// The name of the database and of the role that owns it. Default: `agent_${agent.id}`.
    #[serde(default = "default_database")]
    pub name: String,
    /// The template that the database is a clone of. Default: none; the database starts empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<DatabaseTemplate>,
    /// Steps that run after each clone, with the agent's environment, by name, in the order written. One without
    /// `inputs` of its own runs again when the branch of the agent's worktree has other `inputs` of the template than
    /// before: newer migrations, once they are committed. Its processes are stopped for that and started again. So a
    /// step has to bear being run twice. Default: none. Example: `{migrate: {run: pnpm -F backend migrate}}`.
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub after_clone: Ordered<Step>,
    /// How PostgreSQL copies the template: `auto`, `walLog` or `fileCopy`. Default: `auto`, which
    /// goes by the server's version and the template's size.
    #[serde(default)]
    pub strategy: CloneStrategy,
}

fn default_database() -> String {
    "agent_${agent.id}".to_owned()
}

/// How PostgreSQL copies a template database.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum CloneStrategy {
    /// Whatever is fastest, by the server's version and the template's size.
    #[default]
    Auto,
    /// Through the write-ahead log.
    WalLog,
    /// File by file, with a checkpoint before and after.
    FileCopy,
}

/// A template database: built once for each state of its inputs and steps, then cloned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DatabaseTemplate {
    /// The name of the template; each generation's database adds a hash to it. Example:
    /// `lightdash_template`.
    pub name: String,
    /// Files whose content decides whether a new generation is built, as globs relative to the
    /// repository; a folder stands for all below it. Default: none; only the steps count. Example:
    /// `[migrations/**, seeds/**]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// Steps that fill the template, by name, in the order written. They run after the Stack's `setup`
    /// in a checkout of `base` of their own, and see the template as `${database.name}`. They log in as
    /// a user of the template's own, whom PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE name;
    /// `${database.password}` is empty here and `${database.url}` holds no password, so a program that
    /// reads only a URL needs a script that makes it from these. Default: none. Example:
    /// `{migrate: {run: pnpm -F backend migrate}}`.
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub build: Ordered<Step>,
    /// How long a generation is kept that is not the current one and that no agent's database came from. One that a
    /// database came from stays as long as that database does. Default: as long as the trash is kept, which is
    /// `24h` unless the controller was started with another `--retention`. Example: `7d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain: Option<Duration>,
}

/// The bucket of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bucket {
    /// The name of the bucket. Default: `agent-${agent.id}`.
    #[serde(default = "default_bucket")]
    pub name: String,
    /// Objects go this long after they were written; whole days. Default: never. Example: `1d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<Duration>,
    /// Which web pages may read and write the bucket. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
}

fn default_bucket() -> String {
    "agent-${agent.id}".to_owned()
}

/// A file that is written into the worktree. Exactly one of `from` and `content`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// A template file, relative to the spec file; `${…}` in it is replaced. Example:
    /// `env.template`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The text itself; `${…}` in it is replaced. Example: `"PORT=${ports.api}\n"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Permissions in octal, in quotes. Default: `"0644"`, and `"0600"` when the text holds a
    /// secret. Example: `"0600"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
}

/// A command that runs once, and again when there is a reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// The command: a line or a list of words. Example:
    /// `pnpm install --frozen-lockfile`.
    pub run: Command,
    /// The folder to run in, relative to the worktree. Default: the worktree itself. Example:
    /// `packages/backend`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Files whose change makes the step run again, as globs relative to the worktree; a folder stands
    /// for all below it. What the controller may not read is left out. Default: none; the step runs
    /// again only when its command changes. Example: `[pnpm-lock.yaml]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// A path relative to the worktree that the step makes; it runs again when that is missing.
    /// Default: none. Example: `node_modules`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creates: Option<String>,
    /// How long the step may take before it is ended and counts as failed. Default: `20m`. Example:
    /// `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Environment beside the Stack's `env`: text or `{secret: NAME}`. Default: none. Example:
    /// `{TS_NODE_TRANSPILE_ONLY: "true"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Value>,
    /// Steps of the same map that must have succeeded first. Default: the step written before this
    /// one; `[]` waits for none. Example: `[install]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Vec<String>>,
}
