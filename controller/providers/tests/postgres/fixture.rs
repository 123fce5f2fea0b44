//! What the tests of databases and templates share: an installation of its own on the shared server, and the
//! loop observe → diff → apply.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{ObjectKey, ResourceId, ResourceKind, Uid};
use agent_harness_model::kinds::command::Command;
use agent_harness_model::kinds::service::PostgresConnection;
use agent_harness_model::kinds::{
    Action, AnyTarget, Have, Place, Resource, Verdict, database, diff, template,
};
use agent_harness_model::secret::{Secret, Text};
use agent_harness_model::world::{ApplyError, Ask, Class, Record, Seen};
use agent_harness_providers::postgres::{PostgresProvider, RunStep, StepFuture};
use agent_harness_providers::provider::{Context, Provider};
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};

use super::server::TestServer;
use tokio_util::sync::CancellationToken;

/// Build steps that are SQL: run as the builder, with the variables that it gets.
pub struct SqlSteps;

impl RunStep for SqlSteps {
    fn run<'a>(
        &'a self,
        _: &'a ResourceId,
        step: &'a template::BuildStep,
        env: BTreeMap<String, Text>,
        _: &'a CancellationToken,
    ) -> StepFuture<'a> {
        Box::pin(async move {
            let of = |name: &str| env[name].reveal().to_owned();
            let mut connection = login(
                of("PGPORT").parse().unwrap(),
                &of("PGUSER"),
                &of("PGPASSWORD"),
                &of("PGDATABASE"),
            )
            .await
            .unwrap();
            execute(&mut connection, &step.command.argv[0]).await.map_err(|error| ApplyError {
                class: Class::Terminal,
                message: format!("step {} failed: {error}", step.name),
                part: None,
            })
        })
    }
}

/// An installation on a server.
pub struct Fixture {
    pub provider: PostgresProvider,
    pub connections: Connections,
    pub installation: String,
    pub port: u16,
    admin: PostgresConnection,
}

impl Fixture {
    /// On the server that all tests share.
    pub fn new() -> Self {
        Self::on(TestServer::shared())
    }

    pub fn on(server: &TestServer) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let admin = server.connection();
        let connections = Connections {
            postgres: [("shared".to_owned(), admin.clone())].into(),
            stores: BTreeMap::new(),
        };
        Self {
            provider: PostgresProvider::new(Arc::default(), Arc::new(SqlSteps)),
            connections,
            installation: format!("i{}", NEXT.fetch_add(1, Ordering::Relaxed)),
            port: server.port,
            admin,
        }
    }

    /// A name that no other test uses.
    pub fn name(&self, base: &str) -> String {
        format!("{base}_{}", self.installation)
    }

    pub fn context(&self) -> Context<'_> {
        Context::new(&self.connections, &self.installation)
    }

    pub async fn observe(
        &self,
        id: &ResourceId,
        place: &Place,
        want: Option<&Resource>,
    ) -> Seen<Option<Have>> {
        let record = Record::default();
        let asks = [Ask { id, place, want, record: &record }];
        let observed = self.provider.observe(&self.context(), &asks).await;
        match observed.get(id) {
            Seen::Known(have) => Seen::Known(have.cloned()),
            Seen::Unknown(why) => Seen::Unknown(why),
        }
    }

    pub async fn known(&self, id: &ResourceId, place: &Place) -> Option<Have> {
        match self.observe(id, place, None).await {
            Seen::Known(have) => have,
            Seen::Unknown(why) => panic!("unknown: {why}"),
        }
    }

    pub async fn apply(&self, id: &ResourceId, action: &Action) -> Result<(), ApplyError> {
        self.provider.apply(&self.context(), id, action).await
    }

    /// One round: looks, and does what is due. What was done, one line a step.
    pub async fn round(
        &self,
        id: &ResourceId,
        place: &Place,
        target: &AnyTarget,
    ) -> Result<Vec<String>, ApplyError> {
        let want = match target {
            AnyTarget::Present(resource) => Some(resource),
            AnyTarget::Trashed | AnyTarget::Gone => None,
        };
        let held = |message: String| ApplyError { class: Class::Transient, message, part: None };
        let have = match self.observe(id, place, want).await {
            Seen::Known(have) => have,
            Seen::Unknown(why) => return Err(held(why)),
        };
        match diff(target, place, have.as_ref()) {
            Verdict::Settled => Ok(Vec::new()),
            Verdict::Change(changes) => {
                let mut done = Vec::new();
                for (action, cause) in changes {
                    self.apply(id, &action).await?;
                    done.push(format!("{action}, {cause}"));
                }
                Ok(done)
            }
            Verdict::Conflict(message) => {
                Err(ApplyError { class: Class::Conflict, message, part: None })
            }
            Verdict::Wait(why) | Verdict::Drift(why) | Verdict::Stalled(why) => Err(held(why)),
        }
    }

    /// Rounds until nothing is left to do.
    pub async fn converge(
        &self,
        id: &ResourceId,
        place: &Place,
        target: &AnyTarget,
    ) -> Result<Vec<String>, ApplyError> {
        let mut done = Vec::new();
        for _ in 0..10 {
            let round = self.round(id, place, target).await?;
            if round.is_empty() {
                return Ok(done);
            }
            done.extend(round);
        }
        panic!("never settles: {done:?}")
    }

    pub async fn make(&self, wanted: &Wanted) -> Result<Vec<String>, ApplyError> {
        self.converge(&wanted.id, &wanted.place, &AnyTarget::Present(wanted.resource.clone())).await
    }

    pub async fn trash(&self, wanted: &Wanted) -> Result<Vec<String>, ApplyError> {
        self.converge(&wanted.id, &wanted.place, &AnyTarget::Trashed).await
    }

    pub async fn purge(&self, wanted: &Wanted) -> Result<Vec<String>, ApplyError> {
        self.converge(&wanted.id, &wanted.place, &AnyTarget::Gone).await
    }

    /// A session of the administrator.
    pub async fn admin(&self, database: &str) -> PgConnection {
        let admin = &self.admin;
        login(admin.port, &admin.user, admin.password.reveal(), database).await.unwrap()
    }

    /// Runs a statement as the administrator.
    pub async fn sql(&self, sql: &str) {
        let mut connection = self.admin("postgres").await;
        execute(&mut connection, sql).await.unwrap();
    }

    /// The first column of the first row, as text.
    pub async fn ask(&self, sql: &str) -> Option<String> {
        let mut connection = self.admin("postgres").await;
        first(&mut connection, sql).await.unwrap()
    }

    /// Logs in as an agent does.
    pub async fn as_agent(&self, agent: &Wanted, database: &str) -> sqlx::Result<PgConnection> {
        login(self.port, &agent.role(), &agent.password(), database).await
    }
}

/// A database or template that a test wants.
#[derive(Clone)]
pub struct Wanted {
    pub id: ResourceId,
    pub place: Place,
    pub resource: Resource,
}

impl Wanted {
    /// A database of an agent, with a role of the same name.
    pub fn database(name: &str, uid: &str, template: Option<&Wanted>) -> Self {
        let place = database::Place {
            infra: "shared".into(),
            database: name.to_owned(),
            role: name.to_owned(),
            kept: None,
        };
        let template = template.map(|template| match &template.resource {
            Resource::Template(want) => database::From {
                database: want.place.database.clone(),
                generation: want.fingerprint.clone(),
            },
            _ => panic!("not a template"),
        });
        let want = database::Desired {
            place: place.clone(),
            fingerprint: "f".into(),
            password: Secret::new(format!("pw '\"\\ of {name}")),
            template,
            strategy: database::Strategy::Auto,
            life: None,
        };
        Self {
            id: ResourceId {
                owner: ObjectKey::agent("agent-3"),
                uid: Uid::new(uid),
                kind: ResourceKind::Database,
                name: name.to_owned(),
            },
            place: Place::Database(place),
            resource: Resource::Database(Arc::new(want)),
        }
    }

    /// A template that is filled by SQL.
    pub fn template(name: &str, generation: &str, steps: &[&str]) -> Self {
        let place =
            template::Place { infra: "shared".into(), database: format!("{name}_{generation}") };
        let build = steps
            .iter()
            .enumerate()
            .map(|(index, sql)| template::BuildStep {
                name: format!("step{index}"),
                command: Command {
                    argv: vec![(*sql).to_owned()],
                    cwd: "/".into(),
                    env: BTreeMap::new(),
                },
                timeout_s: 60,
            })
            .collect();
        let want =
            template::Desired { place: place.clone(), fingerprint: generation.to_owned(), build };
        Self {
            id: ResourceId {
                owner: ObjectKey::stack("app"),
                uid: Uid::new("stack-00000001"),
                kind: ResourceKind::Template,
                name: name.to_owned(),
            },
            place: Place::Template(place),
            resource: Resource::Template(Arc::new(want)),
        }
    }

    /// The same database, whose template is copied like this.
    pub fn copied(self, strategy: database::Strategy) -> Self {
        let Resource::Database(want) = &self.resource else { panic!("not a database") };
        let want = database::Desired { strategy, ..(**want).clone() };
        Self { resource: Resource::Database(Arc::new(want)), ..self }
    }

    pub fn role(&self) -> String {
        match &self.place {
            Place::Database(place) => place.role.clone(),
            _ => panic!("not a database"),
        }
    }

    pub fn password(&self) -> String {
        match &self.resource {
            Resource::Database(want) => want.password.reveal().to_owned(),
            _ => panic!("not a database"),
        }
    }
}

pub async fn login(
    port: u16,
    user: &str,
    password: &str,
    database: &str,
) -> sqlx::Result<PgConnection> {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username(user)
        .password(password)
        .database(database)
        .connect()
        .await
}

pub async fn execute(connection: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.map(|_| ())
}

pub async fn first(connection: &mut PgConnection, sql: &str) -> sqlx::Result<Option<String>> {
    use sqlx::Row as _;
    let row: Option<PgRow> =
        sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_optional(connection).await?;
    Ok(row.and_then(|row| row.get::<Option<String>, _>(0)))
}
