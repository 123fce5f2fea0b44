//! What an incarnation leaves in the state folder beside its record: logs, which carry its name alone while it is
//! there, and secrets and locks, which carry its uid. Its successor gets none of it, and nothing outlasts its end.
//! The keys of servers stay as long as their data does: until the last incarnation of their Infra.
//!
//! Nothing is decided by any of it: where it cannot be moved or removed, that is said and everything goes on.

use std::path::{Path, PathBuf};

use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::layout;
use agent_harness_model::resolve::{SPEC_SECRETS, own_secrets, server_secrets};
use agent_harness_providers::fs::{self, FsError};
use agent_harness_providers::setup::records_of;

use crate::facts::chain;
use crate::ledger::{Ledger, ObjectRecord};
use crate::verify;

/// Puts the logs of an incarnation that is in the trash now where its successor's do not come.
pub fn put_aside(state: &Path, record: &ObjectRecord) {
    let (logs, aside) = (logs(state, &record.key), aside(state, record));
    warn(match fs::metadata(&logs) {
        Ok(Some(_)) => fs::remove_dir_all(&aside).and_then(|()| fs::rename(&logs, &aside)),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    });
}

/// Gives an incarnation that comes back its logs again.
pub fn take_back(state: &Path, record: &ObjectRecord) {
    let (logs, aside) = (logs(state, &record.key), aside(state, record));
    warn(match (fs::metadata(&aside), fs::metadata(&logs)) {
        (Ok(Some(_)), Ok(None)) => fs::rename(&aside, &logs),
        (Ok(_), Ok(_)) => Ok(()),
        (Err(error), _) | (_, Err(error)) => Err(error),
    });
}

/// Removes the logs, locks and secrets of an incarnation of which nothing else is left.
pub fn forget(state: &Path, ledger: &Ledger, record: &ObjectRecord) {
    warn(fs::remove_dir_all(aside(state, record)));
    // Out of the trash its logs were put aside before, and those of its name are another's.
    if record.deletion.as_ref().is_some_and(|it| it.trashed_at.is_none()) {
        warn(fs::remove_dir_all(logs(state, &record.key)));
    }
    warn(fs::remove_dir_all(records_of(&state.join("setup"), &record.key, &record.uid)));
    let last = !ledger.records().any(|it| it.key == record.key && it.uid != record.uid);
    let mut secrets = own_secrets(&record.key, &record.uid).to_vec();
    if record.key.kind == ObjectKind::Infra && last {
        secrets.extend(server_secrets(&record.key.name));
    }
    for name in secrets {
        warn(fs::remove_file_if_exists(state.join("secrets").join(name)).map(drop));
    }
}

/// Where the logs of an object are: of the live one, else of the one that left last.
pub fn logs_of(state: &Path, ledger: &Ledger, key: &ObjectKey) -> PathBuf {
    let of_name: Vec<&ObjectRecord> = ledger.records().filter(|it| it.key == *key).collect();
    let is_there =
        |it: &&&ObjectRecord| it.deletion.as_ref().is_none_or(|it| it.trashed_at.is_none());
    if of_name.iter().any(|it| is_there(&it)) {
        return logs(state, key);
    }
    let last = of_name.into_iter().max_by_key(|it| it.deletion.as_ref().map(|it| it.requested_at));
    last.map_or_else(|| logs(state, key), |record| aside(state, record))
}

/// Removes all that is left in a state folder of which everything was destroyed, but for what names it, and for
/// what a person may have written: see [`kept`].
pub fn clear(state: &Path) {
    for name in [layout::LOGS, layout::EVENTS, layout::STATUS, "setup"] {
        warn(fs::remove_dir_all(state.join(name)));
    }
    warn(verify::clear(state));
    for name in [layout::PROBLEMS, "specs"] {
        warn(fs::remove_file_if_exists(state.join(name)).map(drop));
    }
    match fs::list_dir(state.join("secrets")) {
        Ok(paths) => {
            for path in paths.into_iter().filter(|path| !is_of_specs(path)) {
                warn(fs::remove_file_if_exists(path).map(drop));
            }
        }
        Err(error) => warn(Err(error)),
    }
}

/// What stays of a state folder when everything was destroyed, because a person may have written it, and it is
/// nowhere else: the secrets that specs name, and what every command gets.
pub fn kept(state: &Path) -> Vec<PathBuf> {
    let secrets = fs::list_dir(state.join("secrets")).unwrap_or_default();
    let environment = state.join("environment.json");
    let is_there = fs::metadata(&environment).is_ok_and(|it| it.is_some());
    let secrets = secrets.into_iter().filter(|path| is_of_specs(path));
    secrets.chain(is_there.then_some(environment)).collect()
}

/// Whether a file holds a secret that specs name.
fn is_of_specs(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_none_or(|name| name.starts_with(SPEC_SECRETS))
}

fn logs(state: &Path, key: &ObjectKey) -> PathBuf {
    state.join(layout::LOGS).join(key.slug())
}

/// No name has this form.
fn aside(state: &Path, record: &ObjectRecord) -> PathBuf {
    state.join(layout::LOGS).join(format!("{}@{}", record.key.slug(), record.uid.short()))
}

fn warn(result: Result<(), FsError>) {
    if let Err(error) = result {
        tracing::warn!("{}", chain(&error));
    }
}
