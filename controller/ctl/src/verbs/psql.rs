//! `ctl psql`: an agent's database, with the user's own psql, or without one for a single query.

mod connection;
mod query;

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::client::Client;
use crate::error::{Failure, Result};
use crate::lookup;
use crate::ui::Ui;
use crate::whose;
use connection::Connection;

/// How psql is told how long a server may take to let it in.
const TIMEOUT: &str = "PGCONNECT_TIMEOUT";

/// Open an agent's database, or run one query
///
/// It runs the psql of this machine as the agent's own role, and ends with its exit code. A single query works
/// without psql.
#[derive(Debug, clap::Args)]
pub struct PsqlArgs {
    /// The agent
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// A query to run instead of opening a session
    #[arg(value_name = "QUERY")]
    query: Option<String>,
    /// Arguments for psql
    #[arg(value_name = "ARGS", last = true)]
    args: Vec<OsString>,
}

/// Carries it out.
pub async fn run(args: PsqlArgs, client: &Client, ui: &mut Ui) -> Result {
    let words = args.name.into_iter().chain(args.query).collect();
    let (name, mut query) = whose::about(client, words, 1).await?;
    let query = query.pop();
    let environment = lookup::environment(client, &name).await?;
    let connection = Connection::find(&environment.variables).ok_or_else(|| {
        Failure::failed(format!("{name} has no database in its environment")).hint(
            "give its Stack `env: {PGHOST: ${database.host}, PGPORT: ${database.port}, \
             PGUSER: ${database.user}, PGPASSWORD: ${database.password}, PGDATABASE: ${database.name}}`",
        )
    })?;
    match (find_psql(), query) {
        (Some(psql), query) => Err(exec(&psql, &connection, query, args.args)),
        (None, Some(query)) if args.args.is_empty() => query::run(&connection, &query, ui).await,
        (None, _) => Err(Failure::failed("psql is not installed")
            .hint("apt-get install postgresql-client")
            .hint(format!("without it: ctl psql {} 'select 1'", name.name))),
    }
}

/// Becomes psql. The password goes through the environment, never through an argument.
fn exec(
    psql: &PathBuf,
    connection: &Connection,
    query: Option<String>,
    args: Vec<OsString>,
) -> Failure {
    let mut command = Command::new(psql);
    if let Some(query) = query {
        command.arg("--command").arg(query);
    }
    without_own_postgres(&mut command);
    // Without it psql waits for ever for a server that is stopped.
    if std::env::var_os(TIMEOUT).is_none() {
        command.env(TIMEOUT, query::PATIENCE.as_secs().to_string());
    }
    let error = command.args(args).envs(connection.variables()).exec();
    Failure::failed(format!("{}: {error}", psql.display()))
}

/// Takes what leads the caller to a database away from a command that is to reach an agent's: what that does not name,
/// such as a password or a service, would lead it elsewhere. How long to wait is the caller's to say.
pub(super) fn without_own_postgres(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") && name != TIMEOUT {
            command.env_remove(name);
        }
    }
}

/// The user's own psql.
fn find_psql() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join("psql")).find(|psql| psql.is_file())
}
