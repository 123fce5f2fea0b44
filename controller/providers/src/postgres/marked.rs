//! All that carries a mark of one installation on a server, and the folders in which no database is: for an audit, and
//! for a person who wants one of them gone.
//!
//! Whose a database is says its role, which cannot comment on itself; of a template, whose owner is the administrator,
//! the comment on it.

use agent_harness_model::audit::{Found, Owner, Thing};
use agent_harness_model::id::Mark;

use super::catalog::Catalog;
use super::dropping::{drop_database, drop_role};
use super::error::PgError;
use super::locked::{Locked, with_lock};
use super::note::{Note, State};
use super::server::{Server, Session};

/// What is there.
pub async fn find(server: &Server, infra: &str, installation: &str) -> Result<Vec<Found>, PgError> {
    let mut session = server.session().await?;
    let catalog = Catalog::read(&mut session).await?;
    let mut all = in_catalog(&catalog, infra, installation);
    if session.facts().superuser {
        all.extend(directories(&mut session, infra).await?);
    }
    session.keep();
    Ok(all)
}

/// Drops a database that carries the mark, with its role, or a role alone. Gone already: Ok.
pub async fn remove(server: &Server, mark: &Mark, name: &str) -> Result<(), PgError> {
    with_lock(server, name, async |at| {
        if let Some(owner) = at.catalog.databases.get(name).map(|database| database.owner.clone()) {
            if note_of(&at.catalog, name).is_none_or(|note| note.mark != *mark) {
                return Err(PgError::Foreign { what: format!("{name} of role {owner}") });
            }
            drop_database(at, name, &format!("drop the database {name}")).await?;
            for role in [owner.as_str(), name] {
                drop_own_role(at, mark, role).await?;
            }
            return Ok(());
        }
        drop_own_role(at, mark, name).await
    })
    .await
}

async fn drop_own_role(at: &mut Locked<'_>, mark: &Mark, role: &str) -> Result<(), PgError> {
    let note = at.catalog.roles.get(role).and_then(|role| role.note.as_ref());
    if note.is_some_and(|note| note.mark == *mark) {
        drop_role(&mut at.session, role).await?;
        at.catalog.roles.remove(role);
    }
    Ok(())
}

/// What a database's owner says of it, where that is one of ours; else, where the owner may do what no agent may, the
/// comment on it.
fn note_of<'c>(catalog: &'c Catalog, database: &str) -> Option<&'c Note> {
    let database = catalog.databases.get(database)?;
    let owner = catalog.roles.get(&database.owner)?;
    match &owner.note {
        Some(note) => Some(note),
        None if owner.privileged => database.note.as_ref(),
        None => None,
    }
}

fn in_catalog(catalog: &Catalog, infra: &str, installation: &str) -> Vec<Found> {
    let is_ours = |note: &&Note| note.mark.installation == installation;
    let found = |thing: Thing, note: &Note| Found {
        thing,
        owner: Owner::Incarnation(note.mark.uid.clone()),
        state: state(note.state),
    };
    let databases = catalog.databases.keys().filter_map(|name| {
        let note = note_of(catalog, name).filter(is_ours)?;
        Some(found(Thing::Database { infra: infra.to_owned(), name: name.clone() }, note))
    });
    // The builder of a template has its name, and owns nothing by the time it is whole.
    let has_database = |role: &str| {
        catalog.databases.contains_key(role)
            || catalog.databases.values().any(|database| database.owner == role)
    };
    let roles = catalog.roles.iter().filter_map(|(name, role)| {
        let note = role.note.as_ref().filter(is_ours).filter(|_| !has_database(name))?;
        Some(found(Thing::Role { infra: infra.to_owned(), name: name.clone() }, note))
    });
    databases.chain(roles).collect()
}

fn state(state: State) -> Option<&'static str> {
    match state {
        State::Creating => Some("not completed"),
        State::Complete => None,
        State::Trashed => Some("in the trash"),
    }
}

/// A clone that is cut off by a crash of the server leaves its files, and nothing in the catalog. While one is under way
/// that looks the same: so only what is older, and only while nobody makes or drops a database.
async fn directories(session: &mut Session<'_>, infra: &str) -> Result<Vec<Found>, PgError> {
    let sql = "SELECT current_setting('data_directory') || '/base/' || d, \
          (SELECT coalesce(sum((pg_stat_file('base/' || d || '/' || f, true)).size), 0)::text \
           FROM pg_ls_dir('base/' || d, true, false) f) \
        FROM pg_ls_dir('base') d \
        WHERE d ~ '^[0-9]+$' AND NOT EXISTS (SELECT FROM pg_database WHERE oid::text = d) \
          AND (pg_stat_file('base/' || d, true)).modification < now() - interval '10 minutes' \
          AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
            AND state = 'active' AND query ~* '(create|drop|alter)\\s+database')";
    let rows = session.rows_once(sql, "look for folders of no database").await?;
    let server = session.server();
    let mut all = Vec::new();
    for row in &rows {
        let (path, size): (String, String) = (server.column(row, 0)?, server.column(row, 1)?);
        let size = size.parse().unwrap_or_default();
        let thing = Thing::Directory { infra: infra.to_owned(), path, size };
        all.push(Found { thing, owner: Owner::Nobody, state: None });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use agent_harness_model::id::Uid;

    use super::super::catalog::{Database, Role};
    use super::*;

    fn note(installation: &str, uid: &str, state: State) -> Note {
        let mark = Mark { installation: installation.into(), uid: Uid::new(uid) };
        Note { mark, state, generation: None, life: None, built_at: None }
    }

    #[test]
    fn a_role_says_whose_a_database_is_and_no_agent_can_say_otherwise() {
        let mut catalog = Catalog::default();
        let mut role = |name: &str, privileged: bool, note: Option<Note>| {
            let role = Role { privileged, note, ..Role::default() };
            catalog.roles.insert(name.to_owned(), role);
        };
        role("admin", true, None);
        role("agent_1", false, Some(note("i", "u1", State::Trashed)));
        role("of_another", false, Some(note("j", "u1", State::Complete)));
        role("stranger", false, None);
        role("alone", false, Some(note("i", "u3", State::Creating)));
        role("template", false, Some(note("i", "u4", State::Creating)));
        let mut database = |name: &str, owner: &str, note: Option<Note>| {
            let database = Database { owner: owner.to_owned(), note, ..Database::default() };
            catalog.databases.insert(name.to_owned(), database);
        };
        database("agent_1", "agent_1", Some(note("i", "u9", State::Complete)));
        database("of_another", "of_another", Some(note("i", "u9", State::Complete)));
        database("posing", "stranger", Some(note("i", "u9", State::Complete)));
        database("template", "admin", Some(note("i", "u4", State::Complete)));
        database("plain", "admin", None);
        let found = in_catalog(&catalog, "shared", "i");
        let lines: Vec<String> = found
            .iter()
            .map(|it| format!("{} {:?} {}", it.thing, it.owner, it.state.unwrap_or("-")))
            .collect();
        assert_eq!(
            lines,
            [
                "database/shared/agent_1 Incarnation(Uid(\"u1\")) in the trash",
                "database/shared/template Incarnation(Uid(\"u4\")) -",
                "role/shared/alone Incarnation(Uid(\"u3\")) not completed",
            ]
        );
    }
}
