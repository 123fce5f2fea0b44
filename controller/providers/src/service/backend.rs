//! What differs from one make of server to another, for [`super::Services`] to go by.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::service::Runtime;
use rustix::process::Signal;

use crate::Class;
use crate::mask::Mask;
use crate::provider::Context;

/// How a server runs, in the words of its backend.
pub enum How<'a, B: Backend> {
    /// As a process of ours.
    Embedded(&'a B::Embedded),
    /// By somebody else.
    External(&'a B::External),
}

/// What a prepared server is started with; as in [`crate::process::Launch`].
pub struct Program {
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub cwd: PathBuf,
    /// Uid and gid to run as, when we are root.
    pub user: Option<(u32, u32)>,
    /// What the program says against its settings; `None`: it takes them, as far as it can tell without a start.
    pub refused: Option<String>,
}

/// One make of server.
pub trait Backend: Sized + Send + Sync {
    /// What is wanted of a process of ours.
    type Embedded: Sync;
    /// How a server of somebody else's is reached.
    type External: Sync;
    type Error: std::error::Error + Send + Sync + 'static;

    /// How messages call it.
    const NAME: &'static str;
    /// What ends it in good order, and how long that may take.
    const STOP: (Signal, Duration);
    /// How long a start waits for the first answer. Later it is looked at like any other.
    const PATIENCE: Duration;
    /// Where in the spec the settings are that a server may refuse.
    const SETTINGS: &'static str;
    /// Of the root: open to a server that runs as another user, or to nobody else.
    const ROOT_MODE: u32;

    /// `None`: it is a server of another make.
    fn how(runtime: &Runtime) -> Option<How<'_, Self>>;

    /// Where it listens on 127.0.0.1.
    fn port(want: &Self::Embedded) -> u16;

    /// The folder with its data.
    fn root(want: &Self::Embedded) -> &Path;

    /// Whether a root that has no note of ownership holds data which is not of this installation.
    fn is_foreign(root: &Path, installation: &str) -> Result<bool, Self::Error>;

    /// Everything that has to be there before the start. The server may still run with other settings, and they stay
    /// in force.
    fn prepare(
        &self,
        cx: &Context<'_>,
        id: &ResourceId,
        want: &Self::Embedded,
    ) -> impl Future<Output = Result<Program, Self::Error>> + Send;

    /// Puts what was prepared in force. Whether it can be put back: other settings were in force before.
    fn put_in_force(&self, want: &Self::Embedded) -> Result<bool, Self::Error>;

    /// Puts the last settings in force that a server came up with; whether there are any.
    fn put_back(&self, want: &Self::Embedded) -> Result<bool, Self::Error>;

    /// Told that a server came up with the settings in force: nothing else is put back from now on.
    fn came_up(&self, want: &Self::Embedded) -> Result<(), Self::Error>;

    /// What of its settings nobody may see who reads its last words.
    fn secrets(want: &Self::Embedded) -> Mask;

    /// Told which process of ours runs, on whose data; also of one that has other settings, or is about to go.
    fn up(
        &self,
        cx: &Context<'_>,
        infra: &str,
        want: Option<&Self::Embedded>,
        pid: u32,
    ) -> Result<(), Self::Error>;

    /// Whether the process answers, as the server that it should be.
    fn answers(
        &self,
        cx: &Context<'_>,
        infra: &str,
        want: &Self::Embedded,
        pid: u32,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Whether a server of somebody else's answers.
    fn external_answers(
        &self,
        infra: &str,
        to: &Self::External,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Whether that answer is no more than what a server gives until it is up.
    fn passes(error: &Self::Error) -> bool;

    /// Told that the process does not run, or is about to end.
    fn down(&self, cx: &Context<'_>, infra: &str, want: Option<&Self::Embedded>);

    /// Deletes what a server keeps outside of its root, before that goes.
    fn clear(root: &Path) -> Result<(), Self::Error>;

    fn class(error: &Self::Error) -> Class;
}
