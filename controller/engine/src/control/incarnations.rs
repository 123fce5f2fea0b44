//! Which incarnation of a name is meant: at most one is live, and any number of others may lie in the trash.

use agent_harness_model::id::ObjectKey;

use super::answer::Refusal;
use crate::ledger::{Ledger, ObjectRecord};

/// The incarnation of a name that a word names: its uid, or the beginning of that, in the long or the short form.
pub fn named(ledger: &Ledger, key: &ObjectKey, word: &str) -> Result<ObjectRecord, Refusal> {
    let of_name: Vec<&ObjectRecord> = ledger.records().filter(|it| it.key == *key).collect();
    if of_name.is_empty() {
        return Err(Refusal::NotFound(format!("there is no {key}, neither live nor in the trash")));
    }
    let is = |it: &&ObjectRecord| [it.uid.as_str(), it.uid.short()].contains(&word);
    let begins = |it: &&ObjectRecord| {
        !word.is_empty() && (it.uid.as_str().starts_with(word) || it.uid.short().starts_with(word))
    };
    let mut found: Vec<_> = of_name.iter().copied().filter(is).collect();
    if found.is_empty() {
        found = of_name.iter().copied().filter(begins).collect();
    }
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Refusal::NotFound(format!(
            "no {key} has a uid that begins with `{word}`; there are:{}",
            list(&of_name)
        ))),
        _ => Err(Refusal::Conflict(format!(
            "`{word}` is the beginning of more than one uid of {key}; write more of the one that is meant:{}",
            list(&found)
        ))),
    }
}

/// The incarnations that a purge of a name destroys: the only one there is, or with `all` every one. Which of
/// several is meant nobody can guess, and nothing of them comes back.
pub fn to_purge(ledger: &Ledger, key: &ObjectKey, all: bool) -> Result<Vec<ObjectRecord>, Refusal> {
    let of_name = ledger.records().filter(|it| it.key == *key);
    let (going, there): (Vec<_>, Vec<_>) =
        of_name.partition(|it| it.deletion.as_ref().is_some_and(|deletion| deletion.purge));
    if there.len() > 1 && !all {
        return Err(Refusal::Conflict(format!(
            "there is more than one {key}, and --purge would destroy what they made:{}\n\
             name one with `ctl delete {key} --purge --uid UID`, or destroy all of them with --all",
            list(&there)
        )));
    }
    // What is being destroyed already may be asked for again.
    let meant = if there.is_empty() { going } else { there };
    Ok(meant.into_iter().cloned().collect())
}

/// One line for each, the oldest first.
fn list(records: &[&ObjectRecord]) -> String {
    let line = |record: &&ObjectRecord| {
        let uid = record.uid.short();
        let time = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
        match &record.deletion {
            None => format!("\n  {uid}  live, since {}", time(record.created_at)),
            Some(it) if it.purge => format!("\n  {uid}  purged, being destroyed"),
            Some(it) => format!(
                "\n  {uid}  deleted {}, kept until {}",
                time(it.requested_at),
                time(it.until)
            ),
        }
    };
    records.iter().map(line).collect()
}
