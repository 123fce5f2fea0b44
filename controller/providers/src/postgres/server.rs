//! One PostgreSQL server as its administrator sees it: to whom we connect, and few connections.
//!
//! Not the pool of `sqlx`: that one tries a refused connection again until its own time-out, and then
//! tells only of the time-out. A session of which anything is in doubt is closed, never handed on.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use agent_harness_model::kinds::service::{PostgresConnection, SslMode};
use sqlx::postgres::{PgConnectOptions, PgRow, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::{self, PgError};
use super::reflink;
use super::session::STATEMENT;
pub use super::session::{Limit, Session};
use crate::process::ports;

/// How long a connection may take to come about.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// Sessions at the same time on the administrator's database.
const SESSIONS: usize = 6;
/// Sessions that are kept for the next use.
const IDLE: usize = 2;
/// A server, and the sessions on it.
#[derive(Debug)]
pub struct Server {
    connection: PostgresConnection,
    label: String,
    permits: Semaphore,
    idle: Mutex<Vec<(PgConnection, Facts)>>,
    gate: Mutex<Gate>,
    /// How often the gate was changed: a session from before is not kept.
    changes: AtomicU64,
    reflinks: OnceLock<bool>,
}

/// Whether, and to whom, we connect. A password is not shown to whoever happens to have the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// To whoever is there: it is the server of somebody else's.
    Open,
    /// Only to this process, which is ours and runs on these data.
    Process {
        /// Its pid.
        pid: u32,
        /// Its data folder.
        data: PathBuf,
    },
    /// To nobody: our server does not run, or nobody has looked yet. Why.
    Closed(String),
}

/// What the server says of itself and of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// `150019`
    pub version: u32,
    /// Whether we may do anything: passwords can be read back, memberships need not be granted.
    pub superuser: bool,
}

impl Facts {
    /// `15`
    pub fn major(self) -> u32 {
        self.version / 10_000
    }
}

impl Server {
    /// A server; nothing is connected yet. One of our own is reached once it was seen to run: until then, who
    /// has its port may be anybody, for the port may have been edited a moment ago.
    pub fn new(connection: PostgresConnection) -> Arc<Self> {
        let gate = match connection.embedded_root {
            Some(_) => {
                Gate::Closed("whether our own server has this port is not known yet".to_owned())
            }
            None => Gate::Open,
        };
        Arc::new(Self {
            label: format!("{}:{}", connection.host, connection.port),
            connection,
            permits: Semaphore::new(SESSIONS),
            idle: Mutex::default(),
            gate: Mutex::new(gate),
            changes: AtomicU64::new(0),
            reflinks: OnceLock::new(),
        })
    }

    /// How it is reached.
    pub fn connection(&self) -> &PostgresConnection {
        &self.connection
    }

    /// `host:port`, for messages.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether the file system of the server's data shares blocks between files. Tried once; known only of
    /// servers that we run ourselves.
    pub fn reflinks(&self) -> bool {
        self.data().is_some_and(|data| {
            *self.reflinks.get_or_init(|| data.parent().is_some_and(reflink::works))
        })
    }

    /// Says to whom we connect from now on. Sessions on anybody else are closed.
    pub fn set_gate(&self, gate: Gate) {
        let mut now = lock(&self.gate);
        if *now != gate {
            *now = gate;
            self.changes.fetch_add(1, Ordering::Relaxed);
            lock(&self.idle).clear();
        }
    }

    /// Fails when the process that listens on the port is not the one that we may connect to.
    fn check_gate(&self) -> Result<(), PgError> {
        let unreachable =
            |reason: String| error::unreachable(&self.label, &self.connection, reason);
        let gate = lock(&self.gate).clone();
        match gate {
            Gate::Open => Ok(()),
            Gate::Closed(why) => Err(unreachable(why)),
            Gate::Process { pid, .. } => {
                let port = self.connection.port;
                let failed = |error: std::io::Error| {
                    unreachable(format!("cannot see who has the port: {error}"))
                };
                if ports::holds(pid, port).map_err(failed)? {
                    return Ok(());
                }
                match ports::listener(port).map_err(failed)? {
                    // It began to listen between the two looks.
                    Some(listener) if listener.pid == Some(pid) => Ok(()),
                    Some(listener) => Err(PgError::WrongServer {
                        server: self.label.clone(),
                        theirs: listener.to_string(),
                    }),
                    None => Err(unreachable("it does not listen yet".to_owned())),
                }
            }
        }
    }

    /// A session on the administrator's database.
    pub async fn session(&self) -> Result<Session<'_>, PgError> {
        let permit = Some(self.permit().await);
        let changes = self.changes();
        let kept = lock(&self.idle).pop();
        if let Some((mut connection, facts)) = kept {
            // A kept connection may have died with its server; a new one says why.
            if bounded(CONNECT, connection.ping()).await.is_some_and(|answer| answer.is_ok()) {
                return Ok(Session { connection, facts, server: self, changes, _permit: permit });
            }
        }
        self.open(&self.connection.database, permit).await
    }

    /// A session of its own on any database, for who has one on the administrator's already: it waits for nobody,
    /// or those who have one could all wait for each other.
    pub async fn session_on(&self, database: &str) -> Result<Session<'_>, PgError> {
        self.open(database, None).await
    }

    async fn open<'s>(
        &'s self,
        database: &str,
        permit: Option<SemaphorePermit<'s>>,
    ) -> Result<Session<'s>, PgError> {
        let changes = self.changes();
        self.check_gate()?;
        let connection = self.connect(database).await?;
        let facts = Facts { version: 0, superuser: false };
        let mut session = Session { connection, facts, server: self, changes, _permit: permit };
        session.introduce().await?;
        Ok(session)
    }

    /// Takes a session back that anybody may have.
    pub(super) fn take_back(&self, connection: PgConnection, facts: Facts, changes: u64) {
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE && changes == self.changes() {
            idle.push((connection, facts));
        }
    }

    fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// The data that the server has to have, where we know.
    pub(super) fn data(&self) -> Option<PathBuf> {
        match &*lock(&self.gate) {
            Gate::Process { data, .. } => Some(data.clone()),
            Gate::Open | Gate::Closed(_) => None,
        }
    }

    #[expect(clippy::expect_used, reason = "it cannot fail, for the reason given there")]
    async fn permit(&self) -> SemaphorePermit<'_> {
        self.permits.acquire().await.expect("the semaphore is never closed")
    }

    fn ssl_mode(&self) -> PgSslMode {
        match self.connection.sslmode {
            Some(SslMode::Disable) => PgSslMode::Disable,
            Some(SslMode::Prefer) => PgSslMode::Prefer,
            Some(SslMode::Require) => PgSslMode::Require,
            Some(SslMode::VerifyCa) => PgSslMode::VerifyCa,
            Some(SslMode::VerifyFull) => PgSslMode::VerifyFull,
            // Nobody listens in between us and our own server on loopback; to ask for it costs a round trip.
            None if self.connection.embedded_root.is_some() => PgSslMode::Disable,
            None => PgSslMode::Prefer,
        }
    }

    async fn connect(&self, database: &str) -> Result<PgConnection, PgError> {
        let to = &self.connection;
        let milliseconds = |limit: Duration| limit.as_millis().to_string();
        let options = PgConnectOptions::new_without_pgpass()
            .host(&to.host)
            .port(to.port)
            .username(&to.user)
            .password(to.password.reveal())
            .database(database)
            .ssl_mode(self.ssl_mode())
            .application_name("agent-harness")
            .statement_cache_capacity(16)
            .options([
                // Nobody else's function or operator of the same name is ours to call; it wins over what a
                // database or role has set.
                ("search_path", "pg_catalog".to_owned()),
                ("statement_timeout", milliseconds(STATEMENT)),
                ("lock_timeout", milliseconds(Duration::from_secs(10))),
                ("idle_in_transaction_session_timeout", milliseconds(STATEMENT)),
                ("client_min_messages", "warning".to_owned()),
            ])
            .disable_statement_logging();
        let refused = |error| error::connecting(&self.label, to, &error);
        match bounded(CONNECT, options.connect()).await {
            Some(connection) => connection.map_err(refused),
            None => {
                let reason = format!("no answer within {} s", CONNECT.as_secs());
                Err(error::unreachable(&self.label, to, reason))
            }
        }
    }
}

impl Server {
    /// One column of a row.
    pub(super) fn column<'r, T>(&self, row: &'r PgRow, index: usize) -> Result<T, PgError>
    where
        T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        use sqlx::Row as _;
        row.try_get(index).map_err(|error| error::running(&self.label, "read an answer", &error))
    }

    pub(super) fn strange(&self, doing: &str) -> PgError {
        PgError::Lost {
            server: self.label.clone(),
            doing: doing.to_owned(),
            reason: "the answer is empty".to_owned(),
        }
    }

    pub(super) fn timed_out(&self, doing: &str, after: Duration) -> PgError {
        PgError::TimedOut { server: self.label.clone(), doing: doing.to_owned(), after }
    }
}

/// The servers in use, by how they are reached.
#[derive(Debug, Default)]
pub struct Servers(Mutex<BTreeMap<String, Arc<Server>>>);

impl Servers {
    /// The server of an Infra. A changed connection makes a new one.
    pub fn get(&self, infra: &str, connection: &PostgresConnection) -> Arc<Server> {
        let mut servers = lock(&self.0);
        match servers.get(infra) {
            Some(server) if server.connection == *connection => Arc::clone(server),
            _ => {
                let server = Server::new(connection.clone());
                servers.insert(infra.to_owned(), Arc::clone(&server));
                server
            }
        }
    }
}

pub(super) async fn bounded<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
