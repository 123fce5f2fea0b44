//! A template generation: begun empty, filled by the Stack's steps as its own builder role, then sealed.
//!
//! While it is built, its builder owns it, and the builder's note says "creating". Sealing is one
//! transaction: the administrator becomes the owner, nobody can connect, and the note says "complete".
//! Each generation has a builder of its own, which afterwards owns the objects inside and nothing else, so
//! that a clone can hand them on (`REASSIGN OWNED` also moves databases, were there any).

use std::collections::BTreeMap;

use agent_harness_model::id::Mark;
use agent_harness_model::kinds::template::{Desired, Observed, Place};
use agent_harness_model::secret::Text;
use jiff::Timestamp;

use super::catalog::{Catalog, Database};
use super::database::end_sessions;
use super::dropping::{drop_database, drop_role};
use super::error::PgError;
use super::locked::{Locked, with_lock};
use super::note::{Note, State};
use super::scram;
use super::server::{Limit, Server};
use super::sql::{NO_SYNC, check_name, ident, literal};

/// What stands under the name.
enum Found {
    Nothing,
    /// Ours: begun, not sealed.
    Partial,
    /// Ours, sealed.
    Complete,
    /// Somebody else's: of which role.
    Foreign(String),
}

fn find(catalog: &Catalog, name: &str, mark: &Mark) -> Found {
    let builder = catalog.roles.get(name);
    let builder_is_ours =
        builder.is_some_and(|role| role.note.as_ref().is_some_and(|note| note.mark == *mark));
    match catalog.databases.get(name) {
        Some(database) if is_complete(database, name) => match &database.note {
            Some(note) if note.mark == *mark => Found::Complete,
            _ => Found::Foreign(format!("role {}", database.owner)),
        },
        Some(database) if database.owner == name && builder_is_ours => Found::Partial,
        // Ours, sealed, and then opened again by hand: whatever was done to it, it is built anew.
        Some(database)
            if builder_is_ours && database.note.as_ref().is_some_and(|n| n.mark == *mark) =>
        {
            Found::Partial
        }
        Some(database) => Found::Foreign(format!("role {}", database.owner)),
        None if builder.is_some() && !builder_is_ours => {
            Found::Foreign(format!("a role {name} that is there already"))
        }
        None => Found::Nothing,
    }
}

/// Sealed: a builder could write the comment while it owned the database, but not take the owner's place.
fn is_complete(database: &Database, name: &str) -> bool {
    database.is_template
        && !database.allow_connections
        && !database.invalid
        && database.owner != name
        && database.note.as_ref().is_some_and(|note| note.state == State::Complete)
}

/// Whether a complete template has the name, whoever of this or another installation made it.
pub(super) fn is_there(catalog: &Catalog, name: &str) -> bool {
    catalog.databases.get(name).is_some_and(|database| is_complete(database, name))
}

/// What is seen of a generation.
pub(super) fn look(
    catalog: &Catalog,
    place: &Place,
    mark: &Mark,
    wanted: bool,
) -> Result<Option<Observed>, PgError> {
    check_name(&place.database)?;
    Ok(match find(catalog, &place.database, mark) {
        // A builder without a database is half of a drop.
        Found::Nothing if !wanted && catalog.roles.contains_key(&place.database) => {
            Some(Observed::Partial)
        }
        Found::Nothing => None,
        Found::Partial => Some(Observed::Partial),
        Found::Complete => Some(Observed::Complete),
        Found::Foreign(whose) => Some(Observed::Foreign(whose)),
    })
}

fn foreign(name: &str, whose: &str) -> PgError {
    PgError::Foreign { what: format!("{name} of {whose}") }
}

/// Drops what an earlier try left, and makes the empty database with its builder. Sealed already: nothing.
pub(super) async fn begin(server: &Server, mark: &Mark, want: &Desired) -> Result<(), PgError> {
    let name = want.place.database.as_str();
    check_name(name)?;
    with_lock(server, name, async |at| {
        match find(&at.catalog, name, mark) {
            Found::Complete => return Ok(()),
            Found::Foreign(whose) => return Err(foreign(name, &whose)),
            Found::Partial => {
                drop_database(at, name, &format!("drop the half-built template {name}")).await?;
            }
            Found::Nothing => {}
        }
        make(at, mark, want).await
    })
    .await
}

/// Each of these is lost alone in a crash, and built anew: the server need not wait for the disk.
async fn make(at: &mut Locked<'_>, mark: &Mark, want: &Desired) -> Result<(), PgError> {
    let name = want.place.database.as_str();
    let note = note(mark, State::Creating, want);
    let (database, role) = (ident(name), ident(name));
    let verb = if at.catalog.roles.contains_key(name) { "ALTER" } else { "CREATE" };
    let mut sql = format!(
        "{NO_SYNC}; {verb} ROLE {role} NOCREATEDB NOCREATEROLE NOLOGIN; COMMENT ON ROLE {role} IS {note}"
    );
    if !at.session.facts().superuser {
        sql = format!("{sql}; GRANT {role} TO CURRENT_USER");
    }
    at.session.run(sql, &format!("make the role {name}")).await?;
    let sql = format!("CREATE DATABASE {database} OWNER {role} ALLOW_CONNECTIONS false");
    at.session.run_within(Limit::Copy, sql, &format!("create the template {name}")).await?;
    let sql = format!(
        "{NO_SYNC}; REVOKE ALL ON DATABASE {database} FROM PUBLIC; \
         ALTER DATABASE {database} ALLOW_CONNECTIONS true; \
         COMMENT ON DATABASE {database} IS {note}; ALTER ROLE {role} LOGIN"
    );
    at.session.run(sql, &format!("open the template {name} to its builder")).await
}

/// As a literal.
fn note(mark: &Mark, state: State, want: &Desired) -> String {
    let generation = Some(want.fingerprint.clone());
    // Seconds are enough for people.
    let now = || Timestamp::from_second(Timestamp::now().as_second()).ok();
    let built_at = if state == State::Complete { now() } else { None };
    literal(&Note { mark: mark.clone(), state, generation, life: None, built_at }.to_string())
}

/// The variables with which a build step reaches the template that was begun; with a new password, so that
/// nothing has to be remembered between two steps, nor over a restart.
pub(super) async fn environment(
    server: &Server,
    mark: &Mark,
    place: &Place,
) -> Result<BTreeMap<String, Text>, PgError> {
    let name = place.database.as_str();
    check_name(name)?;
    let password = scram::random_password().map_err(PgError::Random)?;
    let verifier = scram::verifier(&password).map_err(PgError::Random)?;
    with_lock(server, name, async |at| {
        partial(at, name, mark)?;
        let sql =
            format!("{NO_SYNC}; ALTER ROLE {} LOGIN PASSWORD {}", ident(name), literal(&verifier));
        at.session.run(sql, &format!("give the builder of {name} a password")).await
    })
    .await?;
    let to = server.connection();
    let plain = |value: &str| Text::from(value);
    let mut env = BTreeMap::from([
        ("PGHOST".to_owned(), plain(&to.host)),
        ("PGPORT".to_owned(), Text::from(to.port.to_string())),
        ("PGUSER".to_owned(), plain(name)),
        ("PGPASSWORD".to_owned(), Text::Secret(password)),
        ("PGDATABASE".to_owned(), plain(name)),
    ]);
    env.extend(to.sslmode.map(|mode| ("PGSSLMODE".to_owned(), plain(mode.as_str()))));
    Ok(env)
}

/// Fails unless the template was begun and is not sealed.
fn partial(at: &Locked<'_>, name: &str, mark: &Mark) -> Result<(), PgError> {
    match find(&at.catalog, name, mark) {
        Found::Partial => Ok(()),
        Found::Foreign(whose) => Err(foreign(name, &whose)),
        Found::Nothing | Found::Complete => {
            Err(PgError::Vanished { what: format!("the half-built template {name}") })
        }
    }
}

/// Ends the builder's sessions, tidies up once for all clones, and makes it a template. Sealed already: nothing.
pub(super) async fn seal(server: &Server, mark: &Mark, want: &Desired) -> Result<(), PgError> {
    let name = want.place.database.as_str();
    check_name(name)?;
    with_lock(server, name, async |at| {
        if matches!(find(&at.catalog, name, mark), Found::Complete) {
            return Ok(());
        }
        partial(at, name, mark)?;
        let (database, role) = (ident(name), ident(name));
        let doing = format!("seal the template {name}");
        at.session.run(format!("ALTER ROLE {role} NOLOGIN PASSWORD NULL"), &doing).await?;
        end_sessions(&mut at.session, name).await?;
        // Statistics and frozen rows are copied: no clone has to make them again.
        let mut inside = server.session_on(name).await?;
        let tidied =
            inside.run_within(Limit::Copy, "VACUUM (FREEZE, ANALYZE)".into(), &doing).await;
        inside.close().await;
        tidied?;
        let note = note(mark, State::Complete, want);
        let sql = format!(
            "ALTER DATABASE {database} OWNER TO CURRENT_USER; \
             ALTER DATABASE {database} IS_TEMPLATE true ALLOW_CONNECTIONS false; \
             COMMENT ON DATABASE {database} IS {note}; COMMENT ON ROLE {role} IS {note}"
        );
        at.session.run(sql, &doing).await
    })
    .await
}

/// Drops a generation, complete or not, and its builder.
pub(super) async fn drop(server: &Server, mark: &Mark, place: &Place) -> Result<(), PgError> {
    let name = place.database.as_str();
    check_name(name)?;
    with_lock(server, name, async |at| {
        match find(&at.catalog, name, mark) {
            Found::Foreign(_) => return Ok(()),
            Found::Partial | Found::Complete => {
                drop_database(at, name, &format!("drop the template {name}")).await?;
            }
            Found::Nothing => {}
        }
        if at.catalog.roles.contains_key(name) {
            drop_role(&mut at.session, name).await?;
        }
        Ok(())
    })
    .await
}
