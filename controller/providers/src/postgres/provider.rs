//! The provider: one listing per server answers all asks, and each action goes to its module.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use agent_harness_model::id::{Mark, ResourceId};
use agent_harness_model::kinds::template::BuildStep;
use agent_harness_model::kinds::{
    Action, Have, Place, Resource, database as databases, template as templates,
};
use agent_harness_model::plant::{Bug, is_planted};
use agent_harness_model::secret::Text;
use agent_harness_model::world::{ApplyError, Ask, Class, Observed, Seen};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::catalog::Catalog;
use super::error::PgError;
use super::passwords::Passwords;
use super::server::{Server, Servers};
use super::{aside, create, database, template};
use crate::provider::{Context, LOOK, Provider, within, wrong_kind};

/// What a `RunStep` gives back.
pub type StepFuture<'a> = Pin<Box<dyn Future<Output = Result<(), ApplyError>> + Send + 'a>>;

/// Whoever runs the commands that fill a template.
pub trait RunStep: Send + Sync {
    /// Runs one build step to its end, or stops it when `stop` is cancelled. `env` (PGHOST, PGPORT, PGUSER,
    /// PGPASSWORD, PGDATABASE) wins over the command's own.
    fn run<'a>(
        &'a self,
        resource: &'a ResourceId,
        step: &'a BuildStep,
        env: BTreeMap<String, Text>,
        stop: &'a CancellationToken,
    ) -> StepFuture<'a>;
}

/// Templates and databases on all servers.
pub struct PostgresProvider {
    servers: Arc<Servers>,
    passwords: Passwords,
    steps: Arc<dyn RunStep>,
}

impl PostgresProvider {
    /// A provider whose template build steps are run by `steps`. Connects to nothing yet. `servers` are
    /// shared with the [`PostgresService`](super::PostgresService), which knows whom to trust.
    pub fn new(servers: Arc<Servers>, steps: Arc<dyn RunStep>) -> Self {
        Self { servers, passwords: Passwords::default(), steps }
    }

    fn server(&self, cx: &Context<'_>, infra: &str) -> Result<Arc<Server>, ApplyError> {
        cx.connections.postgres.get(infra).map(|to| self.servers.get(infra, to)).ok_or_else(|| {
            ApplyError {
                class: Class::Blocked,
                message: format!("infra/{infra} has no Postgres server"),
                part: None,
            }
        })
    }

    fn look(
        &self,
        cx: &Context<'_>,
        catalog: &Catalog,
        ask: &Ask<'_>,
    ) -> Result<Option<Have>, PgError> {
        let mark = cx.mark(ask.id);
        match (ask.place, ask.want) {
            (Place::Database(place), want) => {
                let want = match want {
                    Some(Resource::Database(want)) => Some(&**want),
                    _ => None,
                };
                let seen = database::look(catalog, place, &mark, want, |role, want| {
                    self.passwords.fit(role, &want.password)
                });
                Ok(seen?.map(Have::Database))
            }
            (Place::Template(place), want) => {
                Ok(template::look(catalog, place, &mark, want.is_some())?.map(Have::Template))
            }
            _ => Ok(None),
        }
    }

    async fn change_database(
        &self,
        server: &Server,
        mark: &Mark,
        action: &databases::Action,
    ) -> Result<(), PgError> {
        match action {
            databases::Action::Create(want) => {
                create::create(server, mark, want, &self.passwords).await
            }
            databases::Action::RepairRole(want) => database::repair(server, mark, want).await,
            databases::Action::SetAside(want) => aside::set_aside(server, mark, want).await,
            databases::Action::Trash(place) if is_planted(Bug::TrashIsDropped) => {
                database::purge(server, mark, place).await
            }
            databases::Action::Trash(place) => database::trash(server, mark, place).await,
            databases::Action::Restore(want) => database::restore(server, mark, want).await,
            databases::Action::Purge(place) => database::purge(server, mark, place).await,
        }
    }

    async fn change_template(
        &self,
        cx: &Context<'_>,
        server: &Server,
        resource: &ResourceId,
        action: &templates::Action,
    ) -> Result<(), ApplyError> {
        let mark = &cx.mark(resource);
        match action {
            templates::Action::Begin(want) => template::begin(server, mark, want).await?,
            templates::Action::Build(want, index) => {
                let Some(step) = want.build.get(*index) else { return Ok(()) };
                let env = template::environment(server, mark, &want.place).await?;
                self.steps.run(resource, step, env, cx.stop).await?;
            }
            templates::Action::Seal(want) => template::seal(server, mark, want).await?,
            templates::Action::Drop(place) => template::drop(server, mark, place).await?,
        }
        Ok(())
    }
}

/// The Infra that a place is on; `None` for places that are not ours.
fn infra(place: &Place) -> Option<&str> {
    match place {
        Place::Database(place) => Some(&place.infra),
        Place::Template(place) => Some(&place.infra),
        _ => None,
    }
}

async fn read(server: &Server) -> Result<Catalog, PgError> {
    let mut session = server.session().await?;
    let catalog = Catalog::read(&mut session).await?;
    session.keep();
    Ok(catalog)
}

impl Provider for PostgresProvider {
    async fn observe(&self, cx: &Context<'_>, asks: &[Ask<'_>]) -> Observed {
        let infras: BTreeSet<&str> = asks.iter().filter_map(|ask| infra(ask.place)).collect();
        // Each by itself: one that hangs says nothing of the others.
        let looks = infras.into_iter().map(|infra| async move {
            let seen = match self.server(cx, infra) {
                Ok(server) => match within(LOOK, server.label(), read(&server)).await {
                    Ok(read) => read.map_err(|error| ApplyError::from(error).message),
                    Err(late) => Err(late),
                },
                Err(error) => Err(error.message),
            };
            (infra, seen)
        });
        let catalogs: BTreeMap<&str, Result<Catalog, String>> =
            join_all(looks).await.into_iter().collect();
        asks.iter()
            .map(|ask| {
                let seen = match infra(ask.place).and_then(|infra| catalogs.get(infra)) {
                    Some(Ok(catalog)) => match self.look(cx, catalog, ask) {
                        Ok(have) => Seen::Known(have),
                        Err(error) => Seen::Unknown(ApplyError::from(error).message),
                    },
                    Some(Err(why)) => Seen::Unknown(why.clone()),
                    None => Seen::Unknown("not a database or template".to_owned()),
                };
                (ask.id.clone(), seen)
            })
            .collect()
    }

    async fn apply(
        &self,
        cx: &Context<'_>,
        resource: &ResourceId,
        action: &Action,
    ) -> Result<(), ApplyError> {
        let mark = cx.mark(resource);
        match action {
            Action::Database(action) => {
                let place = match action {
                    databases::Action::Create(want)
                    | databases::Action::RepairRole(want)
                    | databases::Action::SetAside(want)
                    | databases::Action::Restore(want) => &want.place,
                    databases::Action::Trash(place) | databases::Action::Purge(place) => place,
                };
                let server = self.server(cx, &place.infra)?;
                Ok(self.change_database(&server, &mark, action).await?)
            }
            Action::Template(action) => {
                let place = match action {
                    templates::Action::Begin(want)
                    | templates::Action::Build(want, _)
                    | templates::Action::Seal(want) => &want.place,
                    templates::Action::Drop(place) => place,
                };
                let server = self.server(cx, &place.infra)?;
                self.change_template(cx, &server, resource, action).await
            }
            other => Err(wrong_kind(resource, other)),
        }
    }
}
