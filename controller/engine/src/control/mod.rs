//! The control socket: HTTP with JSON over `STATE/control.sock`, for its owner alone.
//! Which request means what is said in `agent_harness_model::api`; each group of requests has its own file.

mod answer;
mod apply;
mod data;
mod databases;
mod doctor;
mod edits;
mod exec;
mod figures;
mod files;
mod generations;
mod history;
mod incarnations;
mod leaks;
mod leave;
mod logs;
mod objects;
mod processes;
mod prove;
mod restart;
mod services;
mod socket;
mod sources;
mod streams;
mod suspend;
mod swap;
#[cfg(test)]
mod tests;
mod trash;
mod trial;
mod verify;
mod written;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use agent_harness_model::desired::Connections;
use agent_harness_model::world::Observed;
use agent_harness_providers::live::Live;
use agent_harness_providers::verify::Verifier;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{delete, get, post};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use crate::core::{Core, Progress};
use crate::down::DownError;
use crate::observe::Question;

use answer::Refusal;
pub use edits::sweep;
pub use socket::{connect, forget, listen};

/// How long a request waits for the first look at the specs: less than a client waits for its answer.
const FIRST_SURVEY: Duration = Duration::from_secs(10);

/// A future of whatever a request needs of the world.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What requests may do with the world, whatever world that is.
pub trait Outside: Send + Sync {
    /// Looks at what may never be wanted, without a trace in what reconciles know.
    fn suppose(&self, connections: Arc<Connections>, questions: Vec<Question>) -> Later<Observed>;

    /// What runs, as it is at this moment.
    fn live(&self) -> Option<Live> {
        None
    }

    /// Runs what agents' work is verified with.
    fn verifier(&self) -> Option<Verifier> {
        None
    }

    /// Ends everything.
    fn down(&self, purge: bool) -> Later<Result<(), DownError>>;
}

/// What every request gets.
#[derive(Clone)]
struct Control {
    core: Arc<Core>,
    outside: Arc<dyn Outside>,
    stop: CancellationToken,
}

/// Answers requests until `stop`.
pub async fn serve(
    listener: UnixListener,
    core: Arc<Core>,
    outside: Arc<dyn Outside>,
    stop: CancellationToken,
) {
    let control = Control { core, outside, stop: stop.clone() };
    let served = axum::serve(socket::Owned(listener), routes(control))
        .with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the control socket broke off");
    }
}

fn routes(control: Control) -> Router {
    let about_specs = Router::new()
        .route("/v1/objects", get(objects::list))
        .route("/v1/objects/{kind}/{name}", get(objects::one))
        .route("/v1/objects/{kind}/{name}", delete(leave::delete))
        .route("/v1/objects/{kind}/{name}/undelete", post(leave::undelete))
        .route("/v1/objects/{kind}/{name}/reconcile", post(objects::reconcile))
        .route("/v1/objects/{kind}/{name}/restart", post(restart::restart))
        .route("/v1/objects/{kind}/{name}/history", get(history::list))
        .route("/v1/objects/{kind}/{name}/rollback", post(history::rollback))
        .route("/v1/objects/{kind}/{name}/suspend", post(suspend::suspend))
        .route("/v1/objects/{kind}/{name}/resume", post(suspend::resume))
        .route("/v1/objects/{kind}/{name}/environment", get(objects::environment))
        .route("/v1/objects/{kind}/{name}/services", get(figures::services))
        .route("/v1/objects/{kind}/{name}/processes", get(processes::processes))
        .route("/v1/objects/{kind}/{name}/health", get(processes::health))
        .route("/v1/objects/{kind}/{name}/queries", get(processes::queries))
        .route("/v1/objects/{kind}/{name}/belongings", get(prove::belongings))
        .route("/v1/prove", post(prove::apart))
        .route("/v1/remains", post(prove::remains))
        .route("/v1/objects/{kind}/{name}/verify", post(verify::begin).get(verify::last))
        .route("/v1/objects/{kind}/{name}/verify/{run}", delete(verify::stop))
        .route("/v1/objects/{kind}/{name}/database/reset", post(databases::reset))
        .route("/v1/objects/{kind}/{name}/database/save", post(databases::save))
        .route("/v1/objects/{kind}/{name}/database/restore", post(databases::restore))
        .route("/v1/objects/{kind}/{name}/database/kept", get(databases::kept))
        .route("/v1/objects/{kind}/{name}/database/kept", delete(databases::forget))
        .route("/v1/objects/{kind}/{name}/generations", get(generations::list))
        .route("/v1/objects/{kind}/{name}/rebuild", post(generations::rebuild))
        .route("/v1/objects/{kind}/{name}/exec/{service}", post(exec::exec))
        .route("/v1/objects/{kind}/{name}/logs/{service}", get(logs::stream))
        .route("/v1/apply", post(apply::apply))
        .route("/v1/diff", post(apply::diff))
        .route("/v1/leaks", get(leaks::list))
        .route("/v1/leaks/remove", post(leaks::remove))
        .route("/v1/approve", post(leave::approve))
        .route("/v1/sync", post(sources::sync))
        .route_layer(from_fn_with_state(control.clone(), once_it_works));
    about_specs
        .route("/v1/info", get(objects::info))
        .route("/v1/sources", get(sources::list))
        .route("/v1/doctor", get(doctor::checks))
        .route("/v1/objects/{kind}/{name}/logs", get(logs::list))
        .route("/v1/trash", get(trash::list))
        .route("/v1/watch", get(streams::watch))
        .route("/v1/events", get(streams::events))
        .route("/v1/down", post(streams::down))
        .fallback(answer::no_such_request)
        .layer(DefaultBodyLimit::max(answer::LARGEST))
        .layer(map_response(answer::in_words))
        .with_state(control)
}

/// Before the first look at the specs nobody knows what there is, so nothing is said about objects until then.
async fn once_it_works(
    State(control): State<Control>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let works = control.core.until(Progress::Working);
    if tokio::time::timeout(FIRST_SURVEY, works).await.is_err() {
        return Err(Refusal::NotYet(format!(
            "the controller has not read {} yet; try again, and look at its log if that goes on",
            control.core.config.specs.display()
        )));
    }
    Ok(next.run(request).await)
}
