//! An agent's own database: what is seen of it, and how it is repaired, trashed, restored and purged.
//!
//! All names and marks are checked under the database's lock, right before each change. How it is made is in
//! `create`.

use agent_harness_model::id::Mark;
use agent_harness_model::kinds::database::{Desired, Observed, Place};

use super::catalog::{Catalog, Database, Membership, Role};
use super::dropping::{drop_database, drop_role};
use super::error::PgError;
use super::locked::{Locked, with_lock};
use super::note::{Note, State};
use super::scram;
use super::server::{Facts, Server, Session};
use super::sql::{check_name, ident, kept_name, literal, trash_name};

/// What an agent's role may do: log in to what it owns, and nothing else.
const POWERLESS: &str = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT";

/// Where something of ours was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Live,
    /// In the trash or kept: closed to everybody.
    Trashed,
}

/// The names of one database and its role, in use and in the trash, or of one that is kept.
#[derive(Debug)]
pub(super) struct Names<'a> {
    place: &'a Place,
    closed_database: String,
    closed_role: String,
}

impl<'a> Names<'a> {
    pub(super) fn new(place: &'a Place, mark: &Mark) -> Result<Self, PgError> {
        check_name(&place.database)?;
        check_name(&place.role)?;
        let closed = |name: &str| match &place.kept {
            Some(kept) => kept_name(name, kept, mark.uid.short()),
            None => trash_name(name, mark.uid.short()),
        };
        Ok(Self {
            place,
            closed_database: closed(&place.database),
            closed_role: closed(&place.role),
        })
    }

    /// Where it can be: what is kept is never in use.
    fn all(&self) -> &'static [Found] {
        if self.place.kept.is_some() { &[Found::Trashed] } else { &[Found::Live, Found::Trashed] }
    }

    pub(super) fn of(&self, found: Found) -> (&str, &str) {
        match found {
            Found::Live => (&self.place.database, &self.place.role),
            Found::Trashed => (&self.closed_database, &self.closed_role),
        }
    }
}

/// The role of that name, if it carries our mark.
fn our_role<'c>(catalog: &'c Catalog, role: &str, mark: &Mark) -> Option<(&'c Role, &'c Note)> {
    let role = catalog.roles.get(role)?;
    let note = role.note.as_ref().filter(|note| note.mark == *mark)?;
    Some((role, note))
}

/// The database of that name, if it is ours: owned by our role, or, when somebody changed its owner, with
/// our comment while our role is there.
pub(super) fn our_database<'c>(
    catalog: &'c Catalog,
    (database, role): (&str, &str),
    mark: &Mark,
) -> Option<(&'c Database, &'c Note)> {
    let (_, note) = our_role(catalog, role, mark)?;
    let database = catalog.databases.get(database)?;
    let ours = database.owner == role || database.note.as_ref().is_some_and(|n| n.mark == *mark);
    ours.then_some((database, note))
}

/// What is seen of one database. `password_fits` tells whether a role's password is the wanted one.
pub(super) fn look(
    catalog: &Catalog,
    place: &Place,
    mark: &Mark,
    want: Option<&Desired>,
    password_fits: impl Fn(&Role, &Desired) -> bool,
) -> Result<Option<Observed>, PgError> {
    let names = Names::new(place, mark)?;
    if place.kept.is_none()
        && let Some((database, note)) = our_database(catalog, names.of(Found::Live), mark)
    {
        if note.state == State::Creating || database.invalid {
            return Ok(Some(Observed::Partial));
        }
        let role = catalog.roles.get(&place.role);
        let role_ok = role.is_some_and(|role| {
            role.can_login
                && !role.privileged
                && !role.limited
                && role.memberships.is_empty()
                && database.owner == place.role
                && database.allow_connections
                && !database.is_template
                && !database.limited
                && !database.public_connect
                && want.is_none_or(|want| password_fits(role, want))
        });
        let Note { generation, life, .. } = note.clone();
        return Ok(Some(Observed::Live { generation, life, role_ok }));
    }
    let trashed = our_database(catalog, names.of(Found::Trashed), mark);
    let taken = if place.kept.is_none() { taken(catalog, place, mark) } else { None };
    Ok(match (taken, trashed) {
        // A successor may have taken the name of what lies in the trash.
        (Some(whose), None) => Some(Observed::Foreign(whose)),
        (Some(whose), Some(_)) if want.is_some() => Some(Observed::Foreign(whose)),
        (_, Some((database, _))) if database.invalid => Some(Observed::Partial),
        (_, Some(_)) => Some(Observed::Trashed),
        (None, None) => leftover(catalog, &names, mark, want.is_some()),
    })
}

/// A role of ours without a database: half of a creation or of a purge, or the database was dropped by hand.
fn leftover(catalog: &Catalog, names: &Names<'_>, mark: &Mark, wanted: bool) -> Option<Observed> {
    let live = our_role(catalog, &names.place.role, mark).filter(|_| names.place.kept.is_none());
    let trashed = our_role(catalog, &names.closed_role, mark);
    match (live, trashed) {
        (Some((_, note)), None) if wanted && note.state != State::Creating => None,
        (None, None) => None,
        (Some(_), _) | (None, Some(_)) => Some(Observed::Partial),
    }
}

/// Whose the names are, if somebody else has one of them.
fn taken(catalog: &Catalog, place: &Place, mark: &Mark) -> Option<String> {
    if let Some(database) = catalog.databases.get(&place.database)
        && our_database(catalog, (&place.database, &place.role), mark).is_none()
    {
        return Some(format!("role {}", database.owner));
    }
    let role = catalog.roles.get(&place.role)?;
    match &role.note {
        Some(note) if note.mark == *mark => None,
        Some(note) => Some(format!("another incarnation ({})", note.mark)),
        None => Some(format!("a role {} that is there already", place.role)),
    }
}

/// Sets the role's password, rights and ownership right.
pub(super) async fn repair(server: &Server, mark: &Mark, want: &Desired) -> Result<(), PgError> {
    let names = Names::new(&want.place, mark)?;
    let verifier = verifier(want);
    with_lock(server, &want.place.database, async |at| {
        refuse_foreign(&at.catalog, &want.place, mark)?;
        match our_database(&at.catalog, names.of(Found::Live), mark) {
            Some((_, note)) if note.state == State::Complete => {
                open(at, mark, want, &verifier.await?).await
            }
            // Opening a half-made one would make it count as complete.
            _ => Err(PgError::Vanished { what: format!("the database {}", want.place.database) }),
        }
    })
    .await
}

/// A verifier of the role's password. It is slow on purpose (4,096 rounds), and made while the server works.
pub(super) fn verifier(
    want: &Desired,
) -> impl Future<Output = Result<String, PgError>> + Send + use<> {
    let password = want.password.clone();
    let work = tokio::task::spawn_blocking(move || scram::verifier(&password));
    async move {
        let done = work.await.unwrap_or_else(|broken| Err(std::io::Error::other(broken)));
        done.map_err(PgError::Random)
    }
}

/// All of repairing: one transaction.
pub(super) async fn open(
    at: &mut Locked<'_>,
    mark: &Mark,
    want: &Desired,
    verifier: &str,
) -> Result<(), PgError> {
    let sql = opening(at, mark, want, verifier);
    at.session.run(sql, &format!("open the database {} to its role", want.place.database)).await
}

/// Takes from a role whatever makes it a member of others: it could act as they do. What others may do as it is their
/// affair, and is taken from them where they are ours.
fn alone(at: &Locked<'_>, role: &str) -> String {
    let memberships = at.catalog.roles.get(role).map_or(&[][..], |role| &role.memberships);
    let revoke = |membership: &Membership| {
        let sql = format!("REVOKE {} FROM {}", ident(&membership.role), ident(role));
        // Since then there can be several, each to be taken back in the name of who granted it.
        if at.session.facts().major() >= 16 {
            format!("{sql} GRANTED BY {} CASCADE; ", ident(&membership.grantor))
        } else {
            format!("{sql}; ")
        }
    };
    memberships.iter().map(revoke).collect()
}

/// What it takes to do so; also the last act of making.
pub(super) fn opening(at: &Locked<'_>, mark: &Mark, want: &Desired, verifier: &str) -> String {
    let place = &want.place;
    let note = match our_role(&at.catalog, &place.role, mark) {
        Some((_, note)) if note.state == State::Complete => note.clone(),
        _ => note_of(mark, State::Complete, want),
    };
    format!(
        "{alone}ALTER ROLE {role} {powers} LOGIN CONNECTION LIMIT -1 VALID UNTIL 'infinity' \
           PASSWORD {verifier}; \
         ALTER DATABASE {database} OWNER TO {role}; \
         REVOKE ALL ON DATABASE {database} FROM PUBLIC; \
         ALTER DATABASE {database} ALLOW_CONNECTIONS true IS_TEMPLATE false CONNECTION LIMIT -1; \
         COMMENT ON DATABASE {database} IS {note}; \
         COMMENT ON ROLE {role} IS {note}",
        alone = alone(at, &place.role),
        role = ident(&place.role),
        powers = powers(at.session.facts()),
        verifier = literal(verifier),
        database = ident(&place.database),
        note = literal(&note.to_string()),
    )
}

/// What is noted of a database that is made of this.
pub(super) fn note_of(mark: &Mark, state: State, want: &Desired) -> Note {
    let (generation, life) = (want.generation().cloned(), want.life_id().cloned());
    Note { mark: mark.clone(), state, generation, life, built_at: None }
}

/// Only a superuser may say NOSUPERUSER.
pub(super) fn powers(facts: Facts) -> &'static str {
    if facts.superuser { POWERLESS } else { "NOCREATEDB NOCREATEROLE INHERIT" }
}

/// Ends its sessions, closes it, and renames it and its role.
pub(super) async fn trash(server: &Server, mark: &Mark, place: &Place) -> Result<(), PgError> {
    let names = Names::new(place, mark)?;
    with_lock(server, &place.database, async |at| {
        let Some((_, note)) = our_database(&at.catalog, names.of(Found::Live), mark) else {
            return match our_database(&at.catalog, names.of(Found::Trashed), mark) {
                Some(_) => Ok(()),
                None => refuse_foreign(&at.catalog, place, mark),
            };
        };
        let note = note.with_state(State::Trashed);
        let doing = format!("move the database {} to the trash", place.database);
        close_as(at, place, &note, names.of(Found::Trashed), &doing).await
    })
    .await
}

/// Ends the sessions on a database that is in use, closes it, and gives it and its role other names.
pub(super) async fn close_as(
    at: &mut Locked<'_>,
    place: &Place,
    note: &Note,
    (database_to, role_to): (&str, &str),
    doing: &str,
) -> Result<(), PgError> {
    let (database, role) = (ident(&place.database), ident(&place.role));
    let sql =
        format!("ALTER ROLE {role} NOLOGIN; ALTER DATABASE {database} ALLOW_CONNECTIONS false");
    at.session.run(sql, &format!("close the database {}", place.database)).await?;
    end_sessions(&mut at.session, &place.database).await?;
    let sql = format!(
        "COMMENT ON DATABASE {database} IS {note}; COMMENT ON ROLE {role} IS {note}; \
         ALTER DATABASE {database} RENAME TO {}; ALTER ROLE {role} RENAME TO {}",
        ident(database_to),
        ident(role_to),
        note = literal(&note.to_string()),
    );
    at.session.run(sql, doing).await
}

/// Renames it back and opens it.
pub(super) async fn restore(server: &Server, mark: &Mark, want: &Desired) -> Result<(), PgError> {
    let place = &want.place;
    let names = Names::new(place, mark)?;
    let verifier = verifier(want);
    with_lock(server, &place.database, async |at| {
        refuse_foreign(&at.catalog, place, mark)?;
        if our_database(&at.catalog, names.of(Found::Live), mark).is_none() {
            let Some((_, note)) = our_database(&at.catalog, names.of(Found::Trashed), mark) else {
                return Err(PgError::Vanished { what: format!("the trashed {}", place.database) });
            };
            let note = note.with_state(State::Complete);
            let (database, role) = (ident(&place.database), ident(&place.role));
            let sql = format!(
                "ALTER DATABASE {} RENAME TO {database}; ALTER ROLE {} RENAME TO {role}; \
                 COMMENT ON DATABASE {database} IS {note}; COMMENT ON ROLE {role} IS {note}",
                ident(&names.closed_database),
                ident(&names.closed_role),
                note = literal(&note.to_string()),
            );
            at.session.run(sql, &format!("bring the database {} back", place.database)).await?;
            at.catalog = Catalog::read(&mut at.session).await?;
        }
        open(at, mark, want, &verifier.await?).await
    })
    .await
}

/// Drops it and its role, in use or in the trash. What is not ours stays, also under the same name.
pub(super) async fn purge(server: &Server, mark: &Mark, place: &Place) -> Result<(), PgError> {
    let names = Names::new(place, mark)?;
    with_lock(server, &place.database, async |at| {
        for found in names.all().iter().copied() {
            let (database, role) = names.of(found);
            if our_database(&at.catalog, (database, role), mark).is_some() {
                let sql = format!("ALTER ROLE {} NOLOGIN", ident(role));
                at.session.run(sql, &format!("lock the role {role}")).await?;
                drop_database(at, database, &format!("drop {database}")).await?;
            }
            if our_role(&at.catalog, role, mark).is_some() {
                drop_role(&mut at.session, role).await?;
            }
        }
        Ok(())
    })
    .await
}

pub(super) fn refuse_foreign(catalog: &Catalog, place: &Place, mark: &Mark) -> Result<(), PgError> {
    match taken(catalog, place, mark) {
        Some(whose) => Err(PgError::Foreign { what: format!("{} of {whose}", place.database) }),
        None => Ok(()),
    }
}

/// Ends the sessions on a database that nobody can connect to any more. The rename after it waits for them.
pub(super) async fn end_sessions(session: &mut Session<'_>, database: &str) -> Result<(), PgError> {
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = {} AND pid <> pg_backend_pid()",
        literal(database)
    );
    session.run(sql, &format!("end the sessions on {database}")).await
}
