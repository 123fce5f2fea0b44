//! Databases of earlier lives: how one is set aside, so that another can take its place, and how one is cloned.
//!
//! A database and its role get names that are derived from the name under which they are kept; nobody can log in or
//! connect. So the mark stays where it is believed, and an agent reaches no copy, not even its own.

use agent_harness_model::id::Mark;
use agent_harness_model::kinds::database::{Copy, Desired, Place};

use super::catalog::Catalog;
use super::database::{Found, Names, close_as, our_database, refuse_foreign};
use super::error::PgError;
use super::locked::with_lock;
use super::note::State;
use super::server::{Facts, Server};
use super::sql::ident;

/// Ends the sessions on a database of the life before, closes it, and renames it and its role. In the wanted life
/// already, or not there: nothing.
pub(super) async fn set_aside(server: &Server, mark: &Mark, want: &Desired) -> Result<(), PgError> {
    let Some(life) = &want.life else { return Ok(()) };
    let place = &want.place;
    let (now, then) = (Names::new(place, mark)?, Names::new(&life.aside, mark)?);
    with_lock(server, &place.database, async |at| {
        let Some((_, note)) = our_database(&at.catalog, now.of(Found::Live), mark) else {
            return refuse_foreign(&at.catalog, place, mark);
        };
        // What never was complete is no life: nobody wrote to it, and whoever creates begins again.
        if note.state != State::Complete || note.life.as_ref() == Some(&life.id) {
            return Ok(());
        }
        let note = note.with_state(State::Trashed);
        let doing = format!("set the database {} aside", place.database);
        close_as(at, place, &note, then.of(Found::Trashed), &doing).await
    })
    .await
}

/// The database that is kept at a place.
pub fn database_of(place: &Place, mark: &Mark) -> Result<String, PgError> {
    Ok(Names::new(place, mark)?.of(Found::Trashed).0.to_owned())
}

/// The names of a kept database and its role, where both are there and ours.
pub(super) fn names(
    catalog: &Catalog,
    mark: &Mark,
    copy: &Copy,
) -> Result<(String, String), PgError> {
    let names = Names::new(&copy.place, mark)?;
    let (database, role) = names.of(Found::Trashed);
    match our_database(catalog, (database, role), mark) {
        Some((found, _)) if !found.invalid => Ok((database.to_owned(), role.to_owned())),
        _ => Err(PgError::NoCopy { name: copy.place.kept.clone().unwrap_or_default() }),
    }
}

/// Gives everything inside a clone that belongs to the role of the kept database to another one. That moves the kept
/// database as well (`REASSIGN OWNED` takes all databases of a role along), so its role gets it back: in one transaction,
/// of which nobody sees the middle.
pub(super) fn hand_over(facts: Facts, (database, kept_role): (&str, &str), role: &str) -> String {
    let (database, kept_role, role) = (ident(database), ident(kept_role), ident(role));
    let sql = format!(
        "REASSIGN OWNED BY {kept_role} TO {role}; DROP OWNED BY {kept_role}; \
         ALTER DATABASE {database} OWNER TO {kept_role}"
    );
    if facts.superuser {
        return sql;
    }
    // As for the builder of a template: the new owner must be able to create in the schemas.
    format!("GRANT {kept_role} TO {role}; {sql}; REVOKE {kept_role} FROM {role}")
}
