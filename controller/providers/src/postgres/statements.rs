//! What the server has counted of an agent's queries: `pg_stat_statements`, of one database.
//!
//! It is asked by the administrator, with a filter on the database. An agent's own role sees no more than its own
//! queries, and what lets it see others' (`pg_read_all_stats`) shows it the queries of every agent. Neither does an
//! agent get a view of ours: it would have to be made in its database, with the administrator's rights. What the
//! administrator ran there is left out.
//!
//! The counters are the server's as soon as it has loaded the library; the extension is only the way to them. Where
//! nobody has made it in the administrator's database, it is made for the length of one look and taken back with it.

use agent_harness_model::api::SlowQuery;
use agent_harness_model::id::Mark;
use agent_harness_model::kinds::database::Place;
use agent_harness_model::kinds::service::PostgresConnection;

use super::catalog::Catalog;
use super::database::our_database;
use super::error::PgError;
use super::server::{Server, Session};
use super::sql::{ident, literal};

/// Where it is for the length of a look.
const SCHEMA: &str = "agent_harness_look";

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
pub enum StatementsError {
    /// The Infra has no server.
    #[error("infra/{infra} has no PostgreSQL server")]
    NoServer {
        /// Its name.
        infra: String,
    },
    /// The database is not there, or it is somebody else's.
    #[error("the database {database} is not there yet; `ctl describe` says how it stands")]
    NoDatabase {
        /// Its name.
        database: String,
    },
    /// The server does not count.
    #[error(
        "PostgreSQL of infra/{infra} has not loaded pg_stat_statements, which counts queries; {remedy}"
    )]
    NotLoaded {
        /// Its name.
        infra: String,
        /// What to do.
        remedy: &'static str,
    },
    /// It counts, and the way to it is not installed.
    #[error(
        "PostgreSQL of infra/{infra} comes without the extension pg_stat_statements; install its contrib modules, or \
         take an image that has them"
    )]
    NotInstalled {
        /// Its name.
        infra: String,
    },
    /// It counts, and we may not make the way to it.
    #[error(
        "the extension pg_stat_statements is not in the database {database} of infra/{infra}, and {user} is no \
         superuser; have one run there: CREATE EXTENSION pg_stat_statements; GRANT pg_read_all_stats TO {user}"
    )]
    NotCreated {
        /// Its name.
        infra: String,
        /// The administrator's database.
        database: String,
        /// The administrator.
        user: String,
    },
    /// The server said no, or nothing.
    #[error(transparent)]
    Server(#[from] PgError),
}

/// The queries of an agent's database that took longest in all, the longest first.
pub async fn slowest(
    server: &Server,
    mark: &Mark,
    place: &Place,
    limit: u32,
) -> Result<Vec<SlowQuery>, StatementsError> {
    let mut session = server.session().await?;
    let catalog = Catalog::read(&mut session).await?;
    let names = (place.database.as_str(), place.role.as_str());
    if our_database(&catalog, names, mark).is_none() {
        return Err(StatementsError::NoDatabase { database: place.database.clone() });
    }
    let schema = match find(&mut session, server, &place.infra).await? {
        Some(schema) => schema,
        None => {
            make_for_a_look(&mut session).await?;
            SCHEMA.to_owned()
        }
    };
    let queries = read(&mut session, server, (&schema, &place.database), limit).await;
    // With the session ends what was made for the look: it was never committed.
    session.close().await;
    Ok(queries?)
}

/// The schema that the extension is in; `None`: it can be made.
async fn find(
    session: &mut Session<'_>,
    server: &Server,
    infra: &str,
) -> Result<Option<String>, StatementsError> {
    // A setting of a library is there when the library is; which ones are loaded is not for everybody to see.
    let sql = "SELECT current_setting('pg_stat_statements.max', true) IS NOT NULL, \
               EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements'), \
               (SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
                WHERE e.extname = 'pg_stat_statements')";
    let row = session.row(sql, "ask the server whether it counts queries").await?;
    let (is_loaded, is_installed): (bool, bool) =
        (server.column(&row, 0)?, server.column(&row, 1)?);
    let schema: Option<String> = server.column(&row, 2)?;
    let infra = infra.to_owned();
    if !is_loaded {
        return Err(StatementsError::NotLoaded { infra, remedy: how_to_load(server.connection()) });
    }
    if schema.is_none() && !is_installed {
        return Err(StatementsError::NotInstalled { infra });
    }
    if schema.is_none() && !session.facts().superuser {
        let to = server.connection();
        let (database, user) = (to.database.clone(), to.user.clone());
        return Err(StatementsError::NotCreated { infra, database, user });
    }
    Ok(schema)
}

/// What loads the library, in the words of the Infra that the server is from.
fn how_to_load(to: &PostgresConnection) -> &'static str {
    if to.embedded_root.is_some() {
        "say so in its spec: `postgres: {embedded: {settings: {shared_preload_libraries: pg_stat_statements}}}`"
    } else if to.in_container {
        "say so in its spec: `postgres: {container: {command: [postgres, -c, \
         shared_preload_libraries=pg_stat_statements]}}`"
    } else {
        "set `shared_preload_libraries = 'pg_stat_statements'` in its postgresql.conf, and restart it"
    }
}

async fn make_for_a_look(session: &mut Session<'_>) -> Result<(), PgError> {
    let sql = format!(
        "BEGIN; CREATE SCHEMA {SCHEMA}; CREATE EXTENSION pg_stat_statements WITH SCHEMA {SCHEMA}"
    );
    session.run(sql, "look at what the server has counted").await
}

async fn read(
    session: &mut Session<'_>,
    server: &Server,
    (schema, database): (&str, &str),
    limit: u32,
) -> Result<Vec<SlowQuery>, PgError> {
    // What the administrator ran there is not the agent's, and in it are verifiers of passwords. One query may be
    // counted by each role, and within functions, on its own.
    let sql = format!(
        "SELECT sum(calls)::int8, sum(total_exec_time)::float8, sum(rows)::int8, min(query) \
         FROM {}.pg_stat_statements \
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = {}) \
           AND userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user) \
         GROUP BY queryid ORDER BY 2 DESC, 4 LIMIT {limit}",
        ident(schema),
        literal(database)
    );
    let rows = session.rows_once(&sql, "read what the server has counted").await?;
    rows.iter()
        .map(|row| {
            let count = |index| {
                server.column::<i64>(row, index).map(|count| u64::try_from(count).unwrap_or(0))
            };
            let (calls, total_ms): (u64, f64) = (count(0)?, server.column(row, 1)?);
            #[expect(clippy::cast_precision_loss, reason = "an average")]
            let mean_ms = total_ms / calls.max(1) as f64;
            Ok(SlowQuery {
                calls,
                total_ms,
                mean_ms,
                rows: count(2)?,
                query: server.column::<Option<String>>(row, 3)?.unwrap_or_default(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use agent_harness_model::secret::Secret;

    use super::*;

    #[test]
    fn each_kind_of_server_is_told_in_its_own_words_how_to_count() {
        let external = PostgresConnection {
            host: "127.0.0.1".to_owned(),
            port: 5432,
            user: "postgres".to_owned(),
            password: Secret::new(""),
            database: "postgres".to_owned(),
            sslmode: None,
            in_container: false,
            embedded_root: None,
        };
        let container = PostgresConnection { in_container: true, ..external.clone() };
        let embedded = PostgresConnection { embedded_root: Some("/r".into()), ..external.clone() };
        for (to, words) in [
            (external, "`shared_preload_libraries = 'pg_stat_statements'` in its postgresql.conf"),
            (
                container,
                "`postgres: {container: {command: [postgres, -c, shared_preload_libraries=pg_stat_statements]}}`",
            ),
            (
                embedded,
                "`postgres: {embedded: {settings: {shared_preload_libraries: pg_stat_statements}}}`",
            ),
        ] {
            assert!(how_to_load(&to).contains(words), "{}", how_to_load(&to));
        }
    }
}
