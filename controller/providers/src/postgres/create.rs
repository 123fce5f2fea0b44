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
    Found, Names, note_of, open, opening, our_database, powers, refuse_foreign, verifier,
};
use super::dropping::drop_database;
use super::error::PgError;
use super::locked::{Locked, with_lock};
use super::note::{Note, State};
use super::passwords::Passwords;
use super::server::{Limit, Server};
use super::sql::{NO_SYNC, ident, literal};
use super::strategy::{self, Strategy};
use super::{aside, template};

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
        let note = note_of(mark, State::Creating, want);
        let live = our_database(&at.catalog, names.of(Found::Live), mark);
        let (exists, keep) = match live {
            Some((database, found)) if found.state != State::Creating && !database.invalid => {
                return open(at, mark, want, &verifier.await?).await;
            }
            // Nobody ever wrote to it; but only a copy of what is wanted is worth going on with.
            Some((database, found)) => (true, !database.invalid && *found == note),
            None => (false, false),
        };
        if exists && !keep {
            let doing = format!("drop the half-made database {}", place.database);
            drop_database(at, &place.database, &doing).await?;
        }
        prepare_role(at, place, &note).await?;
        if !keep {
            clone(at, mark, want, server).await?;
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

async fn clone(
    at: &mut Locked<'_>,
    mark: &Mark,
    want: &Desired,
    server: &Server,
) -> Result<(), PgError> {
    let place = &want.place;
    let (template, strategy) = match (copy_of(want), &want.template) {
        (Some(copy), _) => {
            let (database, _) = aside::names(&at.catalog, mark, copy)?;
            let strategy = strategy(at, want, &database, server).await?;
            (database, strategy)
        }
        (None, Some(from)) => {
            if !template::is_there(&at.catalog, &from.database) {
                return Err(PgError::NoTemplate { template: from.database.clone() });
            }
            (from.database.clone(), strategy(at, want, &from.database, server).await?)
        }
        (None, None) => ("template1".to_owned(), Strategy::Default),
    };
    if let Some(set) = strategy.setting() {
        at.session.run(set.to_owned(), "choose how files are copied").await?;
    }
    // Owner and closed door come with the creation itself: there is no moment at which it is nobody's.
    let sql = format!(
        "CREATE DATABASE {} TEMPLATE {} OWNER {} ALLOW_CONNECTIONS false{}",
        ident(&place.database),
        ident(&template),
        ident(&place.role),
        strategy.clause()
    );
    let doing = format!("clone {template} to {}", place.database);
    at.session.run_within(Limit::Copy, sql, &doing).await
}

/// The kept database that it is cloned from, where it is from one.
fn copy_of(want: &Desired) -> Option<&database::Copy> {
    want.life.as_ref()?.copy.as_ref()
}

/// How a complete template is copied, or a kept database; its size is asked for only where the rule needs it.
async fn strategy(
    at: &mut Locked<'_>,
    want: &Desired,
    template: &str,
    server: &Server,
) -> Result<Strategy, PgError> {
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
    if let Some(copy) = copy_of(want) {
        let from = aside::names(&at.catalog, mark, copy)?;
        let sql = aside::hand_over(
            at.session.facts(),
            (from.0.as_str(), from.1.as_str()),
            &want.place.role,
        );
        return inside(server, database, format!("{NO_SYNC}; {sql}; {opening}"), &doing).await;
    }
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
    inside(server, database, format!("{NO_SYNC}; {sql}; {opening}"), &doing).await
}

/// Carries out something in a database that is not the administrator's.
async fn inside(server: &Server, database: &str, sql: String, doing: &str) -> Result<(), PgError> {
    let mut inside = server.session_on(database).await?;
    let done = inside.run_within(Limit::Copy, sql, doing).await;
    inside.close().await;
    done
}
