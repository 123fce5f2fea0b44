//! How an agent's database is made.
//!
//! The order: role (cannot log in) → clone (nobody can connect) → CONNECT taken from PUBLIC, opened for us alone
//! → in one transaction: the objects are handed to the role, which may log in, and the notes say "complete".
//! Every statement can be the last one before a crash; the next try goes on from what it finds.
//!
//! Nothing here waits for the disk (`NO_SYNC`), but for the copy itself, which the server always writes out. A
//! last commit that a crash takes back is seen by the next look, and made again; what the agent commits
//! afterwards brings it to the disk with itself.

use agent_harness_model::id::Mark;
use agent_harness_model::kinds::database::{self, Desired, Place};

use super::database::{
    Found, Names, open, opening, our_database, powers, refuse_foreign, verifier,
};
use super::dropping::drop_database;
use super::error::PgError;
use super::locked::{Locked, with_lock};
use super::note::{Note, State};
use super::passwords::Passwords;
use super::server::{Limit, Server};
use super::sql::{NO_SYNC, ident, literal};
use super::strategy::{self, Strategy};
use super::template;

/// Makes the database, or goes on making it. Complete already: its role is set right, its data stays.
pub(super) async fn create(
    server: &Server,
    mark: &Mark,
    want: &Desired,
    passwords: &Passwords,
) -> Result<(), PgError> {
    let place = &want.place;
    let names = Names::new(place, mark)?;
    let verifier = verifier(want);
    with_lock(server, &place.database, async |at| {
        refuse_foreign(&at.catalog, place, mark)?;
        let generation = want.template.as_ref().map(|from| from.generation.clone());
        let note = Note { mark: mark.clone(), state: State::Creating, generation };
        let live = our_database(&at.catalog, names.of(Found::Live), mark);
        let (exists, keep) = match live {
            Some((database, found)) if found.state != State::Creating && !database.invalid => {
                return open(at, mark, want, &verifier.await?).await;
            }
            // Nobody ever wrote to it; but only a copy of the wanted generation is worth going on with.
            Some((database, found)) => {
                (true, !database.invalid && found.generation == note.generation)
            }
            None => (false, false),
        };
        if exists && !keep {
            let doing = format!("drop the half-made database {}", place.database);
            drop_database(at, &place.database, &doing).await?;
        }
        prepare_role(at, place, &note).await?;
        if !keep {
            clone(at, want, server).await?;
        }
        let sql = format!(
            "{NO_SYNC}; REVOKE ALL ON DATABASE {database} FROM PUBLIC; \
             ALTER DATABASE {database} ALLOW_CONNECTIONS true",
            database = ident(&place.database)
        );
        at.session.run(sql, &format!("close the database {} to others", place.database)).await?;
        let verifier = verifier.await?;
        hand_over(at, server, mark, want, &verifier).await?;
        passwords.remember(&verifier, &want.password);
        Ok(())
    })
    .await
}

/// Makes the role, unable to log in, with its note in the same transaction; or takes it back to that.
async fn prepare_role(at: &mut Locked<'_>, place: &Place, note: &Note) -> Result<(), PgError> {
    let role = ident(&place.role);
    let verb = if at.catalog.roles.contains_key(&place.role) { "ALTER" } else { "CREATE" };
    let powers = powers(at.session.facts());
    let mut sql = format!(
        "{NO_SYNC}; {verb} ROLE {role} {powers} NOLOGIN; COMMENT ON ROLE {role} IS {}",
        literal(&note.to_string())
    );
    if !at.session.facts().superuser {
        // To give it a database, and to drop that again, we have to be a member.
        sql = format!("{sql}; GRANT {role} TO CURRENT_USER");
    }
    at.session.run(sql, &format!("make the role {}", place.role)).await
}

async fn clone(at: &mut Locked<'_>, want: &Desired, server: &Server) -> Result<(), PgError> {
    let place = &want.place;
    let (template, strategy) = match &want.template {
        None => ("template1", Strategy::Default),
        Some(from) => (from.database.as_str(), strategy(at, want, &from.database, server).await?),
    };
    if let Some(set) = strategy.setting() {
        at.session.run(set.to_owned(), "choose how files are copied").await?;
    }
    // Owner and closed door come with the creation itself: there is no moment at which it is nobody's.
    let sql = format!(
        "CREATE DATABASE {} TEMPLATE {} OWNER {} ALLOW_CONNECTIONS false{}",
        ident(&place.database),
        ident(template),
        ident(&place.role),
        strategy.clause()
    );
    let doing = format!("clone {template} to {}", place.database);
    at.session.run_within(Limit::Copy, sql, &doing).await
}

/// How a complete template is copied; its size is asked for only where the rule needs it.
async fn strategy(
    at: &mut Locked<'_>,
    want: &Desired,
    template: &str,
    server: &Server,
) -> Result<Strategy, PgError> {
    if !template::is_there(&at.catalog, template) {
        return Err(PgError::NoTemplate { template: template.to_owned() });
    }
    let size = match want.strategy {
        database::Strategy::WalLog | database::Strategy::FileCopy => 0,
        database::Strategy::Auto => {
            let sql = format!("SELECT pg_database_size({})", literal(template));
            let row = at.session.row(&sql, &format!("ask for the size of {template}")).await?;
            server.column::<i64>(&row, 0)?.try_into().unwrap_or(0)
        }
    };
    strategy::choose(want.strategy, at.session.facts().major(), size, server.reflinks())
}

/// Gives everything inside the clone that belongs to the template's builder to the agent's role, and opens the
/// database. The builder owns no database any more once its template is complete, so nothing else moves.
async fn hand_over(
    at: &mut Locked<'_>,
    server: &Server,
    mark: &Mark,
    want: &Desired,
    verifier: &str,
) -> Result<(), PgError> {
    let opening = opening(at, mark, want, verifier);
    let (database, role) = (&want.place.database, ident(&want.place.role));
    let doing = format!("open the database {database} to its role");
    let Some(from) = &want.template else {
        return at.session.run(format!("{NO_SYNC}; {opening}"), &doing).await;
    };
    let builder = ident(&from.database);
    let mut sql = format!("REASSIGN OWNED BY {builder} TO {role}; DROP OWNED BY {builder}");
    if !at.session.facts().superuser {
        // For others than a superuser, the new owner must be able to create in the schemas. In one
        // transaction, so nobody ever sees the membership.
        sql = format!("GRANT {builder} TO {role}; {sql}; REVOKE {builder} FROM {role}");
    }
    let mut inside = server.session_on(database).await?;
    let done = inside.run_within(Limit::Copy, format!("{NO_SYNC}; {sql}; {opening}"), &doing).await;
    inside.close().await;
    done
}
