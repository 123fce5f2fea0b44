//! A session on a server: statements with bounded waits, whose errors say what was being done.

use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::SemaphorePermit;

use super::error::{self, PgError};
use super::server::{CONNECT, Facts, Server, bounded};

/// How long the server may work on an ordinary statement.
pub(super) const STATEMENT: Duration = Duration::from_secs(30);
/// How long it may copy a database.
const COPY: Duration = Duration::from_secs(900);
/// How much longer we wait than the server works, for its own answer tells more than our time-out.
const MARGIN: Duration = Duration::from_secs(5);
/// The oldest server version that has all we need (`DROP DATABASE … WITH (FORCE)`).
const OLDEST: u32 = 13;

/// How long a statement may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// What only changes the catalog.
    Ordinary,
    /// What copies, drops or vacuums a whole database.
    Copy,
}

impl Limit {
    fn of_server(self) -> Duration {
        match self {
            Self::Ordinary => STATEMENT,
            Self::Copy => COPY,
        }
    }
}

/// A session on a server. It is closed when dropped; `keep` hands it to the next user.
#[derive(Debug)]
pub struct Session<'a> {
    pub(super) connection: PgConnection,
    pub(super) facts: Facts,
    pub(super) server: &'a Server,
    /// What the gate's count was when it was opened.
    pub(super) changes: u64,
    pub(super) _permit: Option<SemaphorePermit<'a>>,
}

impl Session<'_> {
    /// The server.
    pub fn server(&self) -> &Server {
        self.server
    }

    /// Sends statements, joined by `;`, and forgets their rows. Several statements are one transaction.
    /// Identifiers and literals in it come from `sql`. `doing` completes "cannot …".
    pub async fn run(&mut self, sql: String, doing: &str) -> Result<(), PgError> {
        self.run_within(Limit::Ordinary, sql, doing).await
    }

    /// Like `run`, with another limit.
    pub async fn run_within(
        &mut self,
        limit: Limit,
        sql: String,
        doing: &str,
    ) -> Result<(), PgError> {
        if limit != Limit::Ordinary {
            let set = format!("SET statement_timeout = {}", limit.of_server().as_millis());
            self.send(Limit::Ordinary, set, doing).await?;
        }
        let done = self.send(limit, sql, doing).await;
        if limit != Limit::Ordinary && done.is_ok() {
            let set = format!("SET statement_timeout = {}", STATEMENT.as_millis());
            self.send(Limit::Ordinary, set, doing).await?;
        }
        done
    }

    async fn send(&mut self, limit: Limit, sql: String, doing: &str) -> Result<(), PgError> {
        let after = limit.of_server() + MARGIN;
        let sent = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection);
        match bounded(after, sent).await {
            Some(answer) => answer
                .map(|_| ())
                .map_err(|error| error::running(self.server.label(), doing, &error)),
            None => Err(self.server.timed_out(doing, after)),
        }
    }

    /// The rows of a query that is asked again and again: the server plans it once a session.
    pub async fn rows(&mut self, sql: &str, doing: &str) -> Result<Vec<PgRow>, PgError> {
        let after = STATEMENT + MARGIN;
        let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        let rows = bounded(after, query.fetch_all(&mut self.connection)).await;
        self.answer(rows, doing)
    }

    /// The one row of a query that is asked once: in one round trip.
    pub async fn row(&mut self, sql: &str, doing: &str) -> Result<PgRow, PgError> {
        self.rows_once(sql, doing).await?.pop().ok_or_else(|| self.server.strange(doing))
    }

    /// The rows of a query that is asked once, of which the server remembers nothing.
    pub async fn rows_once(&mut self, sql: &str, doing: &str) -> Result<Vec<PgRow>, PgError> {
        let after = STATEMENT + MARGIN;
        let query = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let rows = bounded(after, query.fetch_all(&mut self.connection)).await;
        self.answer(rows, doing)
    }

    fn answer<T>(&self, answer: Option<sqlx::Result<T>>, doing: &str) -> Result<T, PgError> {
        match answer {
            Some(rows) => rows.map_err(|error| error::running(self.server.label(), doing, &error)),
            None => Err(self.server.timed_out(doing, STATEMENT + MARGIN)),
        }
    }

    /// What the server says of itself and of us.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// Learns what the server is, and whether it is the one that it should be: the right process was checked
    /// before, the right data is here. One question for both.
    pub(super) async fn introduce(&mut self) -> Result<(), PgError> {
        let data = self.server.data();
        let directory = match &data {
            Some(_) => "current_setting('data_directory')",
            // Not for everybody to see.
            None => "NULL::text",
        };
        let sql = format!(
            "SELECT current_setting('server_version_num')::int, \
             (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), {directory}"
        );
        let row = self.row(&sql, "ask the server for its version").await?;
        let server = self.server;
        let version = u32::try_from(server.column::<i32>(&row, 0)?).unwrap_or(0);
        self.facts = Facts { version, superuser: server.column(&row, 1)? };
        let label = || server.label().to_owned();
        if self.facts.major() < OLDEST {
            return Err(PgError::TooOld { server: label(), version: self.facts.major() });
        }
        let theirs: Option<String> = server.column(&row, 2)?;
        match (data, theirs) {
            (Some(ours), Some(theirs)) if ours.as_os_str() != theirs.as_str() => {
                Err(PgError::WrongServer {
                    server: label(),
                    theirs: format!("a server on {theirs}"),
                })
            }
            _ => Ok(()),
        }
    }

    /// Waits for, and takes, the lock of a name on this server. It is held until the session ends; also by
    /// a session whose client has gone while the server still works on its last statement. So whoever has
    /// the lock sees what became of that statement.
    pub async fn lock(&mut self, name: &str) -> Result<(), PgError> {
        let hash = blake3::hash(format!("agent-harness {name}").as_bytes());
        let mut key = [0; 8];
        key.copy_from_slice(&hash.as_bytes()[..8]);
        let sql = format!("SELECT pg_advisory_lock({})", i64::from_le_bytes(key));
        self.run(sql, &format!("get the lock of {name}")).await
    }

    /// Gives the session to the next user. Only for sessions without locks, settings and open transactions.
    pub fn keep(self) {
        self.server.take_back(self.connection, self.facts, self.changes);
    }

    /// Gives back its locks and settings, then the session itself. A failure closes it, which does the same.
    pub async fn release(mut self) {
        let sql = "SELECT pg_advisory_unlock_all(); RESET ALL".to_owned();
        if self.run(sql, "give back the locks").await.is_ok() {
            self.keep();
        }
    }

    /// Ends the session and waits until the server knows.
    pub async fn close(self) {
        // What cannot be told goodbye to is gone anyway.
        let _ = bounded(CONNECT, self.connection.close()).await;
    }
}
