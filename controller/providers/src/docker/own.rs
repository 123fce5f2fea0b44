//! A container by its name, when it is ours: nothing is done to another one, and nothing is told of it.

use std::collections::HashMap;

use agent_harness_model::id::Mark;
use bollard::models::ContainerInspectResponse;

use super::engine::Engine;
use super::error::DockerError;
use super::listing::{Listing, Named};
use super::{labels, state};

/// The container of a name; `None`: there is none. One that does not carry this mark is an error.
pub async fn own(
    engine: &Engine,
    name: &str,
    mark: &Mark,
) -> Result<Option<ContainerInspectResponse>, DockerError> {
    let found = match state::inspect(engine, name).await {
        Ok(found) => found,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    if labels::mark(labels_of(&found)).as_ref() == Some(mark) {
        return Ok(Some(found));
    }
    let who = match Listing::fetch(engine).await?.named(name, mark) {
        Named::Other(who) | Named::Foreign(who) => who,
        Named::Nobody | Named::Ours(_) => format!("the container {name} is not ours"),
    };
    Err(DockerError::ForeignContainer { who })
}

/// The labels of a container that was looked at.
pub fn labels_of(found: &ContainerInspectResponse) -> Option<&HashMap<String, String>> {
    found.config.as_ref()?.labels.as_ref()
}
