//! One query without psql: over the simple protocol, in which every value comes as text.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ValueRef as _};
use sqlx::{ConnectOptions as _, Connection as _, Either, Executor as _, Row as _};
use tokio_stream::StreamExt as _;

use super::connection::Connection;
use crate::error::{Exit, Failure, Result};
use crate::ui::{Cell, Table, Tone, Ui};

/// How long a server may take to let us in, as psql is told, too. One that is stopped takes the connection and
/// never says a word.
pub const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// Runs it and prints each result as a table, and how many rows that were as words.
pub async fn run(connection: &Connection, query: &str, ui: &mut Ui) -> Result {
    let mode = connection.sslmode.as_deref().map(str::parse).transpose();
    let mode = mode.map_err(|error| failure(&error))?.unwrap_or(PgSslMode::Prefer);
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&connection.host)
        .port(connection.port)
        .username(&connection.user)
        .database(&connection.database)
        .ssl_mode(mode)
        .application_name("ctl psql")
        .disable_statement_logging();
    if let Some(password) = &connection.password {
        options = options.password(password);
    }
    let connect = tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options));
    let mut server =
        connect.await.map_err(|_| silent(connection))?.map_err(|error| failure(&error))?;
    // The user's own query, as it would be given to psql.
    let mut results = server.fetch_many(sqlx::raw_sql(AssertSqlSafe(query.to_owned())));
    let mut table: Option<Table> = None;
    let mut rows: u64 = 0;
    while let Some(result) = results.next().await {
        match result.map_err(|error| failure(&error))? {
            Either::Right(row) => {
                rows += 1;
                let table = table.get_or_insert_with(|| {
                    let names = row.columns().iter().map(sqlx::Column::name);
                    names.fold(Table::new(), Table::column)
                });
                let mut cells = Vec::new();
                for index in 0..row.len() {
                    let value = row.try_get_raw(index).map_err(|error| failure(&error))?;
                    cells.push(if value.is_null() {
                        Cell::new(Tone::Quiet, "NULL")
                    } else {
                        Cell::from(value.as_str().unwrap_or("?"))
                    });
                }
                table.row(cells);
            }
            Either::Left(done) => {
                if let Some(table) = table.take() {
                    ui.table(&table)?;
                }
                let count = if rows > 0 { rows } else { done.rows_affected() };
                ui.say(&format!("{count} {}", if count == 1 { "row" } else { "rows" }))?;
                rows = 0;
            }
        }
    }
    Ok(Exit::Done)
}

/// That the server takes the connection, or not even that, and says nothing.
fn silent(connection: &Connection) -> Failure {
    let Connection { host, port, .. } = connection;
    let seconds = PATIENCE.as_secs();
    Failure::failed(format!("the PostgreSQL server at {host}:{port} did not answer in {seconds}s"))
        .hint("is it stopped, or is the machine too busy? `ctl get infras` says how the servers stand")
}

/// The server's own words, without the line of its C source that they end with.
fn failure(error: &sqlx::Error) -> Failure {
    match error.as_database_error() {
        Some(said) => {
            let code = said.code().map(|code| format!(" ({code})")).unwrap_or_default();
            Failure::failed(format!("{}{code}", said.message()))
        }
        None => Failure::from_error(Exit::Failed, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Captured;

    /// As a server does whose process is stopped: the system takes connections for it.
    #[test]
    fn a_server_that_takes_connections_and_says_nothing_is_named() {
        let stopped = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = stopped.local_addr().unwrap().port();
        let connection = Connection {
            host: "127.0.0.1".to_owned(),
            port,
            user: "agent_1".to_owned(),
            password: None,
            database: "agent_1".to_owned(),
            sslmode: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut ui, captured) = Captured::new();
        let failure = runtime.block_on(run(&connection, "select 1", &mut ui)).unwrap_err();
        ui.failure(&failure);
        insta::assert_snapshot!(captured.all().replace(&port.to_string(), "PORT"), @"
        --- stderr
        error: the PostgreSQL server at 127.0.0.1:PORT did not answer in 1s
         hint: is it stopped, or is the machine too busy? `ctl get infras` says how the servers stand
        ");
    }
}
