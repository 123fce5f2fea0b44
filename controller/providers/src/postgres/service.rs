//! PostgreSQL as a shared server: what a start needs, and who may be shown a password.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::service::{EmbeddedPostgres, PostgresConnection, Runtime};
use agent_harness_model::secret::Text;
use rustix::process::Signal;

use super::embedded::fetch::Progress;
use super::embedded::layout::Layout;
use super::embedded::{self, ADMIN, EmbeddedError, in_force};
use super::error::PgError;
use super::server::{Gate, Server, Servers};
use crate::Class;
use crate::mask::Mask;
use crate::process::Supervisor;
use crate::provider::Context;
use crate::service::{Backend, How, Program, Services};

/// PostgreSQL servers, embedded and external: the resources whose place is named `postgres`.
pub type PostgresService = Services<Postgres>;

/// Hears how far the download for a server is.
pub type Report = Arc<dyn Fn(&ResourceId, &Progress) + Send + Sync>;

/// What is special about PostgreSQL.
pub struct Postgres {
    servers: Arc<Servers>,
    cache: PathBuf,
    report: Report,
}

impl PostgresService {
    /// Logs lie below `log_root`; programs are fetched into `cache` where the machine has none, and `report` is told.
    pub fn new(
        supervisor: Arc<Supervisor>,
        servers: Arc<Servers>,
        log_root: PathBuf,
        cache: PathBuf,
        report: Report,
    ) -> Self {
        Self::with(supervisor, log_root, Postgres { servers, cache, report })
    }
}

impl Backend for Postgres {
    type Embedded = EmbeddedPostgres;
    type External = PostgresConnection;
    type Error = EmbeddedError;

    const NAME: &'static str = "PostgreSQL";
    /// SIGINT is its "fast" shutdown: sessions are ended, and a checkpoint is written. Killed after a minute, it
    /// recovers at its next start.
    const STOP: (Signal, Duration) = (Signal::INT, Duration::from_secs(60));
    const PATIENCE: Duration = Duration::from_secs(20);
    const SETTINGS: &'static str = "postgres.embedded.settings";
    const ROOT_MODE: u32 = 0o711;

    fn how(runtime: &Runtime) -> Option<How<'_, Self>> {
        match runtime {
            Runtime::EmbeddedPostgres(want) => Some(How::Embedded(want)),
            Runtime::ExternalPostgres(to) => Some(How::External(to)),
            Runtime::EmbeddedObjectStore(_) | Runtime::ExternalObjectStore(_) => None,
        }
    }

    fn port(want: &EmbeddedPostgres) -> u16 {
        want.port
    }

    fn root(want: &EmbeddedPostgres) -> &Path {
        &want.root
    }

    fn is_foreign(root: &Path, _installation: &str) -> Result<bool, EmbeddedError> {
        Ok(Layout::find(root)?.is_some())
    }

    async fn prepare(
        &self,
        _cx: &Context<'_>,
        id: &ResourceId,
        want: &EmbeddedPostgres,
    ) -> Result<Program, EmbeddedError> {
        let report = |progress| (self.report)(id, &progress);
        let prepared = embedded::prepare(want, &self.cache, &report).await?;
        let refused = in_force::refusal(&prepared).await?;
        Ok(Program {
            argv: prepared.argv,
            env: BTreeMap::from([
                ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
                ("TZ".to_owned(), "UTC".to_owned()),
            ]),
            cwd: prepared.layout.base,
            user: prepared.user.map(|user| (user.uid, user.gid)),
            refused,
        })
    }

    fn put_in_force(&self, want: &EmbeddedPostgres) -> Result<bool, EmbeddedError> {
        Layout::find(&want.root)?.as_ref().map_or(Ok(false), in_force::put_in_force)
    }

    fn put_back(&self, want: &EmbeddedPostgres) -> Result<bool, EmbeddedError> {
        Layout::find(&want.root)?.as_ref().map_or(Ok(false), in_force::put_back)
    }

    fn came_up(&self, want: &EmbeddedPostgres) -> Result<(), EmbeddedError> {
        Layout::find(&want.root)?.as_ref().map_or(Ok(()), in_force::came_up)
    }

    /// A setting may be one: a server names the values that it refuses.
    fn secrets(want: &EmbeddedPostgres) -> Mask {
        let admin = Text::Secret(want.admin_password.clone());
        Mask::of(want.settings.values().chain([&admin]))
    }

    /// Whoever has another port than the one that is asked for is not reached all the same: each connection looks who
    /// listens there.
    fn up(
        &self,
        cx: &Context<'_>,
        infra: &str,
        want: Option<&EmbeddedPostgres>,
        pid: u32,
    ) -> Result<(), EmbeddedError> {
        let Some(to) = to(cx, infra, want) else { return Ok(()) };
        let Some(root) = &to.embedded_root else { return Ok(()) };
        let data = match Layout::find(root)? {
            Some(layout) => layout.data,
            None => root.join("data"),
        };
        self.servers.get(infra, &to).set_gate(Gate::Process { pid, data });
        Ok(())
    }

    async fn answers(
        &self,
        cx: &Context<'_>,
        infra: &str,
        want: &EmbeddedPostgres,
        pid: u32,
    ) -> Result<(), EmbeddedError> {
        self.up(cx, infra, Some(want), pid)?;
        Ok(log_in(&self.servers.get(infra, &connection(want))).await?)
    }

    async fn external_answers(
        &self,
        infra: &str,
        to: &PostgresConnection,
    ) -> Result<(), EmbeddedError> {
        let server = self.servers.get(infra, to);
        if to.in_container {
            return Ok(close_what_it_came_with(&server).await?);
        }
        Ok(log_in(&server).await?)
    }

    /// A server that is starting refuses connections, or says so. Or a stranger has its port: then it ends, and its
    /// own last words are the better message.
    fn passes(error: &EmbeddedError) -> bool {
        match error {
            EmbeddedError::Server(
                PgError::Unreachable { .. } | PgError::Lost { .. } | PgError::WrongServer { .. },
            ) => true,
            EmbeddedError::Server(other) => {
                other.code().is_some_and(|code| code.starts_with("57P"))
            }
            _ => false,
        }
    }

    /// From now on nobody on its port is shown the password.
    fn down(&self, cx: &Context<'_>, infra: &str, want: Option<&EmbeddedPostgres>) {
        if let Some(to) = to(cx, infra, want) {
            let why = format!("our server does not run; `ctl describe infra/{infra}` says why");
            let closed = Gate::Closed(why);
            self.servers.get(infra, &to).set_gate(closed);
        }
    }

    fn clear(root: &Path) -> Result<(), EmbeddedError> {
        Layout::clear(root)
    }

    fn class(error: &EmbeddedError) -> Class {
        error.class()
    }
}

/// How the server of an Infra is reached: as it is wanted, else as everybody knows it.
fn to(
    cx: &Context<'_>,
    infra: &str,
    want: Option<&EmbeddedPostgres>,
) -> Option<PostgresConnection> {
    match want {
        Some(want) => Some(connection(want)),
        None => cx.connections.postgres.get(infra).cloned(),
    }
}

/// How an embedded server is reached.
fn connection(want: &EmbeddedPostgres) -> PostgresConnection {
    PostgresConnection {
        host: "127.0.0.1".to_owned(),
        port: want.port,
        user: ADMIN.to_owned(),
        password: want.admin_password.clone(),
        database: "postgres".to_owned(),
        sslmode: None,
        in_container: false,
        embedded_root: Some(want.root.clone()),
    }
}

/// An image leaves the server's first databases open to every role. No agent has any business in them.
async fn close_what_it_came_with(server: &Server) -> Result<(), PgError> {
    let mut session = server.session().await?;
    let open = "SELECT 1 FROM pg_database WHERE datname IN ('postgres', 'template1') \
                AND has_database_privilege('public', oid, 'CONNECT')";
    if !session.rows(open, "look at the first databases").await?.is_empty() {
        let close = "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC";
        session.run(close.to_owned(), "close the first databases").await?;
    }
    session.keep();
    Ok(())
}

async fn log_in(server: &Server) -> Result<(), PgError> {
    server.session().await?.keep();
    Ok(())
}
