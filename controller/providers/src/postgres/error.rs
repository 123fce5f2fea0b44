//! What can go wrong with a PostgreSQL server, in words for people, and what it means for a retry.
//!
//! Server errors are taken apart here: `sqlx` prints the server's C source line, and the text of a
//! statement may hold what nobody should see.

use std::time::Duration;

use agent_harness_model::kinds::service::PostgresConnection;
use agent_harness_model::world::ApplyError;

use crate::Class;
use crate::fs::FsError;

/// A failure of this provider.
#[derive(Debug, thiserror::Error)]
pub enum PgError {
    /// No connection came about.
    #[error(
        "cannot connect to PostgreSQL at {server}: {reason}{}",
        if *external { "; see that it runs, and that `postgres` of the Infra says where" } else { "" }
    )]
    Unreachable {
        /// `host:port`
        server: String,
        /// What the system said.
        reason: String,
        /// Somebody else runs it: nobody here starts it again.
        external: bool,
    },
    /// The server answered and refused the login.
    #[error(
        "PostgreSQL at {server} refuses the login of {user}: {message}; check user and password"
    )]
    Login {
        /// `host:port`
        server: String,
        /// The role.
        user: String,
        /// The server's words.
        message: String,
    },
    /// The server carried a statement out as far as an error of its own.
    #[error("cannot {doing}: {answer}")]
    Refused {
        /// What was being done, after "cannot".
        doing: String,
        /// The server's answer.
        answer: Answer,
    },
    /// A role owns something, or has rights, where we do not go.
    #[error(
        "cannot drop the role {role}: {answer}; run `DROP OWNED BY \"{role}\"` there, or give what it owns \
         to another role"
    )]
    RoleInUse {
        /// The role.
        role: String,
        /// The server's answer, which says where.
        answer: Answer,
    },
    /// The statement was sent and the connection ended before the answer.
    #[error("lost the connection to PostgreSQL at {server} while it was to {doing}: {reason}")]
    Lost {
        /// `host:port`
        server: String,
        /// What was being done.
        doing: String,
        /// What the system said.
        reason: String,
    },
    /// The statement was sent and no answer came in time.
    #[error("PostgreSQL at {server} did not {doing} within {} s; it may still do it", after.as_secs())]
    TimedOut {
        /// `host:port`
        server: String,
        /// What was being done.
        doing: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// Something that is not ours has the name.
    #[error("{what} is there already and is not ours; choose another name")]
    Foreign {
        /// `the database agent_3 of role bob`
        what: String,
    },
    /// The template is not there, or not complete.
    #[error("the template {template} is not complete yet")]
    NoTemplate {
        /// Its database.
        template: String,
    },
    /// The kept database is not there.
    #[error("the kept database {name} is not there any more; `ctl db list` says which are")]
    NoCopy {
        /// The name under which it was kept.
        name: String,
    },
    /// A strategy that the server does not have.
    #[error(
        "PostgreSQL {version} cannot copy a template through its log; set `strategy: fileCopy` or leave it \
         out, or use version 15 or newer"
    )]
    NoStrategy {
        /// Its major version.
        version: u32,
    },
    /// Something that should be there went away in the meantime.
    #[error("{what} is gone; it will be made anew")]
    Vanished {
        /// What.
        what: String,
    },
    /// A name that PostgreSQL cannot hold.
    #[error("{name:?} cannot be the name of a database or role: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// A server that is too old.
    #[error("PostgreSQL at {server} is version {version}; 13 or newer is needed")]
    TooOld {
        /// `host:port`
        server: String,
        /// Its major version.
        version: u32,
    },
    /// Another server answers on our port.
    #[error("the server at {server} is not ours but {theirs}; stop it, or give ours another port")]
    WrongServer {
        /// `host:port`
        server: String,
        /// What it is.
        theirs: String,
    },
    /// No random numbers.
    #[error("cannot make a password: the system gives no random numbers")]
    Random(#[source] std::io::Error),
    /// A file operation failed.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// What a server answered to a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// SQLSTATE: `55006`.
    pub code: String,
    /// The message, and the hint where there is one.
    pub message: String,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)
    }
}

impl Answer {
    /// Takes an error of the server apart.
    pub fn of(error: &dyn sqlx::error::DatabaseError) -> Self {
        let mut message = error.message().to_owned();
        if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
            for more in [error.detail(), error.hint()].into_iter().flatten() {
                message.push_str("; ");
                message.push_str(&more.trim_end_matches('.').replace('\n', ", "));
            }
        }
        Self { code: error.code().unwrap_or_default().into_owned(), message }
    }

    /// What a SQLSTATE means for a retry (PostgreSQL documentation, appendix A).
    fn class(&self) -> Class {
        match self.code.as_str() {
            // In use, locked, serialization, deadlock, cancelled by a time-out of the server.
            "55006" | "55P03" | "40001" | "40P01" | "57014" => Class::Transient,
            // Somebody else changed the same row of the catalog at the same time.
            "XX000" if self.message.starts_with("tuple concurrently") => Class::Transient,
            // Starting up, or shutting down: it did not let us in.
            "57P03" => Class::Transient,
            // The session was ended in the middle of a statement, which may have taken effect.
            "57P01" | "57P02" => Class::Indeterminate,
            // Disk full, out of memory, too many connections.
            code if code.starts_with("53") => Class::Transient,
            // Connection exceptions, and errors of the system under the server.
            code if code.starts_with("08") || code.starts_with("58") => Class::Transient,
            _ => Class::Terminal,
        }
    }
}

impl PgError {
    /// What it means for a retry.
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. } | Self::Vanished { .. } => Class::Transient,
            Self::Login { .. }
            | Self::Name { .. }
            | Self::TooOld { .. }
            | Self::NoStrategy { .. } => Class::Terminal,
            Self::Refused { answer, .. } | Self::RoleInUse { answer, .. } => answer.class(),
            Self::Lost { .. } | Self::TimedOut { .. } => Class::Indeterminate,
            Self::Foreign { .. } | Self::WrongServer { .. } => Class::Conflict,
            Self::NoTemplate { .. } => Class::Blocked,
            Self::NoCopy { .. } => Class::Terminal,
            Self::Random(_) => Class::Transient,
            Self::Fs(error) => error.class(),
        }
    }

    /// The SQLSTATE, where the server gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { answer, .. } => Some(&answer.code),
            _ => None,
        }
    }
}

impl From<PgError> for ApplyError {
    fn from(error: PgError) -> Self {
        Self::from_error(error.class(), &error)
    }
}

/// A failure to connect, told apart by what answered.
pub(super) fn connecting(server: &str, to: &PostgresConnection, error: &sqlx::Error) -> PgError {
    match error {
        sqlx::Error::Database(error) => {
            let answer = Answer::of(error.as_ref());
            if answer.code.starts_with("28") {
                let (server, user) = (server.to_owned(), to.user.clone());
                PgError::Login { server, user, message: answer.message }
            } else {
                PgError::Refused { doing: format!("connect to PostgreSQL at {server}"), answer }
            }
        }
        other => unreachable(server, to, words(other)),
    }
}

/// No connection to a server, because of this.
pub(super) fn unreachable(server: &str, to: &PostgresConnection, reason: String) -> PgError {
    let external = to.embedded_root.is_none();
    PgError::Unreachable { server: server.to_owned(), reason, external }
}

/// A failure after a statement was sent.
pub(super) fn running(server: &str, doing: &str, error: &sqlx::Error) -> PgError {
    match error {
        sqlx::Error::Database(error) => {
            PgError::Refused { doing: doing.to_owned(), answer: Answer::of(error.as_ref()) }
        }
        other => PgError::Lost {
            server: server.to_owned(),
            doing: doing.to_owned(),
            reason: words(other),
        },
    }
}

fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(error) => format!("TLS: {error}"),
        other => other.to_string(),
    }
}
