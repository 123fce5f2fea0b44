//! Servers that an Infra may not lose: those that still hold something of somebody. Pure.
//!
//! A server that was taken out of its Infra, or exchanged for another one, is not reached any more, and with
//! it everything in it, what lies in the trash included. The version that had it stays in force until nothing
//! is left.

use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::kinds::Place;
use agent_harness_model::spec::Value;
use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::parse::{Body, Document};
use agent_harness_model::validate::{LastGood, Valid};

use crate::intake::sources::document;
use crate::ledger::{Ledger, ObjectRecord};

/// The servers of an Infra, as their keys are called.
const SERVERS: [&str; 2] = ["postgres", "objectStore"];

/// How many holders a message names.
const NAMED: usize = 3;

/// Puts the last good version of every Infra back in force that would lose a server with something in it.
pub fn keep(
    valid: &mut Valid,
    problems: &mut Vec<Diagnostic>,
    last_good: &LastGood,
    ledger: &Ledger,
) {
    let infras = valid.documents.iter().filter(|(key, _)| key.kind == ObjectKind::Infra);
    let mut back = Vec::new();
    for (key, now) in infras {
        let Some(before) = last_good.get(key) else { continue };
        for server in SERVERS {
            let (had, has) = (runtime(before, server), runtime(now, server));
            if had.is_none() || had == has {
                continue;
            }
            let holders = holders(ledger, key, server);
            if !holders.is_empty() {
                problems.push(refusal(now, server, has.is_none(), &holders));
                back.push((key.clone(), before.clone()));
                break;
            }
        }
    }
    for (key, before) in back {
        valid.documents.insert(key.clone(), before);
        valid.held.insert(key);
    }
}

/// What a purge of these incarnations of an Infra would take along although nobody asked for it: what others have in
/// its servers, in the trash above all. In words; empty when there is nothing. A server that a live incarnation has
/// as well stays with all that is in it.
pub fn would_go_along(ledger: &Ledger, infra: &ObjectKey, going: &[ObjectRecord]) -> String {
    let stays = ledger.live(infra).filter(|live| !going.iter().any(|it| it.uid == live.uid));
    let stays = stays.and_then(document);
    let goes = |server: &&&str| {
        going.iter().any(|record| {
            // Of one that cannot be read any more nobody knows which servers it had.
            let Some(before) = document(record) else { return true };
            let lost = runtime(&before, server);
            lost.is_some_and(|it| stays.as_ref().is_none_or(|now| runtime(now, server) != Some(it)))
        })
    };
    let lost = SERVERS.iter().filter(goes);
    named(&lost.flat_map(|server| holders(ledger, infra, server)).collect::<Vec<_>>())
}

/// Whether something lies in a server of an Infra.
pub fn lies_in(place: &Place, infra: &str, server: &str) -> bool {
    match place {
        Place::Database(place) => server == "postgres" && place.infra == infra,
        Place::Template(place) => server == "postgres" && place.infra == infra,
        Place::Bucket(place) => server == "objectStore" && place.infra == infra,
        Place::Service(_)
        | Place::Container(_)
        | Place::Worktree(_)
        | Place::File(_)
        | Place::Setup(_)
        | Place::Process(_) => false,
    }
}

/// Which server stands behind a key: `embedded`, the volumes of a container, or the address of somebody else's.
fn runtime(document: &Document, server: &str) -> Option<String> {
    let Body::Infra(infra) = &document.body else { return None };
    let (embedded, container, external) = match server {
        "postgres" => {
            let it = infra.postgres.as_ref()?;
            let external = it.external.as_ref().map(|it| address(&it.url));
            (it.embedded.is_some(), it.container.as_ref(), external)
        }
        _ => {
            let it = infra.object_store.as_ref()?;
            let external = it.external.as_ref().map(|it| it.endpoint.clone());
            (it.embedded.is_some(), it.container.as_ref(), external)
        }
    };
    if embedded {
        return Some("embedded".to_owned());
    }
    // Another image or limit is the same data.
    let container = container.map(|it| format!("container {:?}", it.volumes));
    container.or_else(|| external.map(|at| format!("external {at}")))
}

/// Host and port of a URL: another password is no other server.
fn address(url: &Value) -> String {
    match url {
        Value::Plain(url) => {
            let rest = url.rsplit_once('@').map_or(url.as_str(), |(_, rest)| rest);
            rest.split(['/', '?']).next().unwrap_or(rest).to_owned()
        }
        Value::Secret(name) => format!("secret {name}"),
    }
}

/// What the ledger knows to be in a server, other than what is the Infra's own.
fn holders(ledger: &Ledger, infra: &ObjectKey, server: &str) -> Vec<String> {
    let mut holders = Vec::new();
    // Those that are being purged hold nothing for long.
    let stay = |record: &&ObjectRecord| !record.deletion.as_ref().is_some_and(|it| it.purge);
    for record in ledger.records().filter(stay) {
        for (local, entry) in &record.resources {
            if lies_in(&entry.place, &infra.name, server) && record.key != *infra {
                let trash = record.deletion.is_some() || entry.leaving_since.is_some();
                let where_it_is =
                    if trash { " (no longer wanted, kept until its retention ends)" } else { "" };
                holders.push(format!("{local} of {}{where_it_is}", record.key));
            }
        }
    }
    holders
}

fn refusal(now: &Document, server: &str, gone: bool, holders: &[String]) -> Diagnostic {
    let path = ["spec", server];
    let what = if gone {
        format!("`{server}` cannot go while it holds")
    } else {
        format!("`{server}` cannot become another server while it holds")
    };
    let named = named(holders);
    Diagnostic::at(now.place(&path), format!("{what} {named}"))
        .help("purge these first with `ctl delete NAME --purge`, or put the server back")
        .of(now.key.clone())
}

fn named(holders: &[String]) -> String {
    let named = holders.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match holders.len().checked_sub(NAMED).filter(|more| *more > 0) {
        Some(more) => format!("{named} and {more} more"),
        None => named,
    }
}

#[cfg(test)]
mod tests {
    use agent_harness_model::id::Uid;
    use agent_harness_model::kinds::database;
    use jiff::Timestamp;

    use super::*;
    use crate::ledger::Origin;

    fn record(key: ObjectKey, uid: &str, text: &str) -> ObjectRecord {
        let origin =
            Origin { file: "/x.yaml".into(), line: 1, text: text.to_owned(), commit: None };
        ObjectRecord::new(key, Uid::new(uid), Timestamp::UNIX_EPOCH, origin)
    }

    #[test]
    fn a_purge_of_an_infra_that_cannot_be_read_any_more_takes_nothing_along_unasked() {
        let state = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(state.path()).unwrap();
        let mut agent = record(ObjectKey::agent("a"), "u1", "");
        let (infra, database, role) = ("i".to_owned(), "a".to_owned(), "a".to_owned());
        agent.claim(
            "database/a",
            &Place::Database(database::Place { infra, database, role, kept: None }),
        );
        ledger.save(agent).unwrap();
        let along = |spec: &str| {
            let key = ObjectKey::infra("i");
            let head = "apiVersion: agent-harness.dev/v1alpha1\nkind: Infra\nmetadata: {name: i}";
            let going = record(key.clone(), "u0", &format!("{head}\nspec: {spec}\n"));
            would_go_along(&ledger, &key, &[going])
        };
        assert_eq!(along("{}"), "");
        for spec in ["{postgres: {embedded: {port: 15432}}}", "{unheard: of}", "["] {
            assert!(along(spec).contains("database/a"), "{spec}: {}", along(spec));
        }
    }
}
