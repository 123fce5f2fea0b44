//! Lives of a database: set aside, cloned from what was kept, and gone on with after every kind of crash.

use std::sync::Arc;

use agent_harness_model::kinds::{Action, AnyTarget, Have, Place, Resource, database};
use agent_harness_model::secret::Secret;
use agent_harness_model::world::Class;

use super::fixture::{Fixture, Wanted, execute, first};

const SEED: &str = "CREATE SCHEMA app; CREATE TABLE app.note (text text); \
    INSERT INTO app.note VALUES ('seed'); CREATE VIEW app.texts AS SELECT text FROM app.note";
const NOTES: &str = "SELECT string_agg(text, ',' ORDER BY text) FROM app.note";

async fn template(at: &Fixture, generation: &str) -> Wanted {
    let template = Wanted::template(&at.name("tpl"), generation, &[SEED]);
    at.make(&template).await.unwrap();
    template
}

fn place(of: &Wanted) -> &database::Place {
    let Place::Database(place) = &of.place else { panic!("not a database") };
    place
}

/// The same in another life.
fn in_life(of: &Wanted, id: &str, aside: &str, copy: Option<&str>) -> Wanted {
    let Resource::Database(want) = &of.resource else { panic!("not a database") };
    let generation = want.template.as_ref().map(|from| from.generation.clone());
    let copy = copy.map(|name| database::Copy { place: want.place.kept_as(name), generation });
    let aside = want.place.kept_as(aside);
    let life = database::Life { id: id.into(), aside, copy, renews: true };
    let want = database::Desired { life: Some(life), ..(**want).clone() };
    Wanted { resource: Resource::Database(Arc::new(want)), ..of.clone() }
}

/// What is kept under a name.
fn kept(of: &Wanted, name: &str) -> Wanted {
    let mut id = of.id.clone();
    id.name = format!("{}:{name}", id.name);
    Wanted { id, place: Place::Database(place(of).kept_as(name)), resource: of.resource.clone() }
}

async fn notes(at: &Fixture, agent: &Wanted) -> Option<String> {
    let mut inside = at.as_agent(agent, &agent.role()).await.unwrap();
    first(&mut inside, NOTES).await.unwrap()
}

async fn write(at: &Fixture, agent: &Wanted, text: &str) {
    let mut inside = at.as_agent(agent, &agent.role()).await.unwrap();
    execute(&mut inside, &format!("INSERT INTO app.note VALUES ('{text}')")).await.unwrap();
}

async fn databases(at: &Fixture, like: &str) -> String {
    let sql = format!(
        "SELECT string_agg(datname::text || ' of ' || pg_get_userbyid(datdba), ', ' ORDER BY datname) \
         FROM pg_database WHERE datname LIKE '{like}'"
    );
    at.ask(&sql).await.unwrap_or_default()
}

#[tokio::test]
async fn each_life_keeps_the_one_before_whole() {
    let at = Fixture::new();
    let template = template(&at, "g1").await;
    let name = at.name("agent");
    let agent = Wanted::database(&name, "uid-00000001", Some(&template));
    at.make(&agent).await.unwrap();
    write(&at, &agent, "first").await;
    let session = at.as_agent(&agent, &name).await.unwrap();

    let second = in_life(&agent, "2", "reset", None);
    let done = at.make(&second).await.unwrap();
    let clone = format!("clone from {}_g1, the one before is kept", at.name("tpl"));
    assert_eq!(done, ["keep as reset, another is to take its place".to_owned(), clone]);
    assert_eq!(notes(&at, &second).await.as_deref(), Some("seed"));
    drop(session);
    let old = kept(&agent, "reset");
    let trashed = Some(Have::Database(database::Observed::Trashed));
    assert_eq!(at.known(&old.id, &old.place).await, trashed);
    let aside = format!("kept_00000001_reset_{name}");
    assert_eq!(databases(&at, &aside.replace('_', "\\_")).await, format!("{aside} of {aside}"));
    assert!(at.as_agent(&second, &aside).await.is_err(), "closed to its own agent as well");

    // As it was, and its agent's own down to the last view; what is kept stays.
    write(&at, &second, "second").await;
    let third = in_life(&agent, "3", "saved", Some("reset"));
    at.make(&third).await.unwrap();
    assert_eq!(notes(&at, &third).await.as_deref(), Some("first,seed"));
    let mut inside = at.as_agent(&third, &name).await.unwrap();
    for sql in ["ALTER TABLE app.note ADD COLUMN more text", "DROP VIEW app.texts"] {
        execute(&mut inside, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    drop(inside);
    assert_eq!(databases(&at, &aside.replace('_', "\\_")).await, format!("{aside} of {aside}"));

    // A save: the same, under another name.
    let fourth = in_life(&agent, "4", "mine", Some("mine"));
    at.make(&fourth).await.unwrap();
    assert_eq!(notes(&at, &fourth).await.as_deref(), Some("first,seed"));
    let fifth = in_life(&agent, "5", "restored", Some("mine"));
    write(&at, &fourth, "mistake").await;
    at.make(&fifth).await.unwrap();
    assert_eq!(notes(&at, &fifth).await.as_deref(), Some("first,seed"));

    // The trash of the whole and what is kept do not meet.
    at.trash(&fifth).await.unwrap();
    for name in ["reset", "saved", "mine", "restored"] {
        let one = kept(&agent, name);
        assert!(at.trash(&one).await.unwrap().is_empty(), "{name} is where it is to be");
        assert_eq!(at.purge(&one).await.unwrap(), ["purge, to be purged"], "{name}");
        assert_eq!(at.known(&one.id, &one.place).await, None, "{name}");
    }
    at.make(&fifth).await.unwrap();
    assert_eq!(notes(&at, &fifth).await.as_deref(), Some("first,seed"));
    at.purge(&fifth).await.unwrap();
    assert_eq!(databases(&at, &format!("%{}", name.replace('_', "\\_"))).await, "");
}

#[tokio::test]
async fn a_crash_between_two_lives_loses_neither() {
    let at = Fixture::new();
    let template = template(&at, "g1").await;
    let name = at.name("agent");
    let agent = Wanted::database(&name, "uid-00000001", Some(&template));
    at.make(&agent).await.unwrap();
    write(&at, &agent, "first").await;
    let second = in_life(&agent, "2", "before", Some("before"));
    let Resource::Database(want) = &second.resource else { panic!() };

    let aside = Action::Database(database::Action::SetAside(want.clone()));
    at.apply(&second.id, &aside).await.unwrap();
    at.apply(&second.id, &aside).await.unwrap();
    assert_eq!(at.known(&second.id, &second.place).await, None);
    // Half of the clone; then the last word is missing.
    let mark = format!("agent-harness:{}:uid-00000001", at.installation);
    let creating = format!("{mark} state=creating generation=g1 life=2");
    let from = format!("kept_00000001_before_{name}");
    at.sql(&format!("CREATE ROLE {name} NOLOGIN; COMMENT ON ROLE {name} IS '{creating}'")).await;
    let clone = format!("CREATE DATABASE {name} TEMPLATE {from} OWNER {name}");
    at.sql(&clone).await;
    let partial = Some(Have::Database(database::Observed::Partial));
    assert_eq!(at.known(&second.id, &second.place).await, partial);
    at.make(&second).await.unwrap();
    assert_eq!(notes(&at, &second).await.as_deref(), Some("first,seed"));
    // A step of before that comes late takes nothing away.
    at.apply(&second.id, &aside).await.unwrap();
    assert!(at.make(&second).await.unwrap().is_empty());
    assert_eq!(notes(&at, &second).await.as_deref(), Some("first,seed"));
}

#[tokio::test]
async fn what_only_has_the_name_of_something_kept_is_never_touched() {
    let at = Fixture::new();
    let name = at.name("agent");
    let theirs = format!("kept_00000001_before_{name}");
    at.sql(&format!("CREATE ROLE \"{theirs}\"; COMMENT ON ROLE \"{theirs}\" IS 'mine'")).await;
    at.sql(&format!("CREATE DATABASE \"{theirs}\" OWNER \"{theirs}\"")).await;
    let agent = Wanted::database(&name, "uid-00000001", None);
    at.make(&agent).await.unwrap();

    let before = kept(&agent, "before");
    assert_eq!(at.known(&before.id, &before.place).await, None);
    at.purge(&before).await.unwrap();
    let Place::Database(place) = &before.place else { panic!() };
    let purge = Action::Database(database::Action::Purge(place.clone()));
    at.apply(&before.id, &purge).await.unwrap();
    // Neither is it cloned, nor is anything put in its place.
    let copied = in_life(&agent, "2", "other", Some("before"));
    let error = at.make(&copied).await.unwrap_err();
    assert_eq!(error.class, Class::Terminal, "{error}");
    let back = in_life(&agent, "3", "third", Some("other"));
    at.make(&back).await.unwrap();
    let onto = in_life(&agent, "4", "before", None);
    let error = at.make(&onto).await.unwrap_err();
    assert!(error.message.contains("already exists"), "{error}");
    at.converge(&agent.id, &agent.place, &AnyTarget::Present(back.resource.clone())).await.unwrap();
    assert!(at.as_agent(&agent, &name).await.is_ok(), "it is open again");
    let like = theirs.replace('_', "\\_");
    assert_eq!(databases(&at, &like).await, format!("{theirs} of {theirs}"));
}

/// As on a server of somebody else's.
#[tokio::test]
async fn an_administrator_without_superuser_keeps_and_restores() {
    let mut at = Fixture::new();
    let admin = at.name("admin");
    at.sql(&format!("CREATE ROLE {admin} LOGIN CREATEDB CREATEROLE PASSWORD 'pw'")).await;
    at.sql(&format!("GRANT CONNECT ON DATABASE postgres TO {admin}")).await;
    let server = at.connections.postgres.get_mut("shared").unwrap();
    (server.user, server.password) = (admin, Secret::new("pw"));
    let template = template(&at, "g1").await;
    let name = at.name("agent");
    let agent = Wanted::database(&name, "uid-00000001", Some(&template));
    at.make(&agent).await.unwrap();
    write(&at, &agent, "first").await;
    let saved = in_life(&agent, "2", "mine", Some("mine"));
    at.make(&saved).await.unwrap();
    write(&at, &saved, "mistake").await;
    let restored = in_life(&agent, "3", "restore", Some("mine"));
    at.make(&restored).await.unwrap();
    assert_eq!(notes(&at, &restored).await.as_deref(), Some("first,seed"));
    let mut inside = at.as_agent(&restored, &name).await.unwrap();
    execute(&mut inside, "ALTER TABLE app.note ADD COLUMN more text").await.unwrap();
    drop(inside);
    let kept_database = format!("kept_00000001_mine_{name}");
    assert_eq!(
        databases(&at, &kept_database.replace('_', "\\_")).await,
        format!("{kept_database} of {kept_database}")
    );
    for name in ["mine", "restore"] {
        at.purge(&kept(&agent, name)).await.unwrap();
    }
    at.purge(&restored).await.unwrap();
    assert_eq!(databases(&at, &format!("%{}", name.replace('_', "\\_"))).await, "");
}
