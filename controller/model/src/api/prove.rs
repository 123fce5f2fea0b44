//! What `ctl prove` asks for: whether two agents are kept apart, what each of them has, and what is left of one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Which two agents are to be kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProveRequest {
    /// Their names.
    pub agents: [String; 2],
}

/// One thing that was looked at or tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// What should be so.
    pub claim: String,
    /// Whether it is.
    pub passed: bool,
    /// What was found.
    pub found: String,
}

impl Proof {
    /// Of something that is so where nothing speaks against it.
    pub fn of(claim: impl Into<String>, against: &[String], otherwise: impl Into<String>) -> Self {
        let (claim, passed) = (claim.into(), against.is_empty());
        let found = if passed { otherwise.into() } else { against.join("; ") };
        Self { claim, passed, found }
    }
}

/// What an agent has at one moment, as far as another one's end could harm it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Belongings {
    /// Its processes: which one runs, by name.
    pub processes: BTreeMap<String, String>,
    /// How many rows its tables have, by name.
    pub rows: BTreeMap<String, u64>,
    /// The keys of its objects; at most so many as one listing holds.
    pub objects: BTreeSet<String>,
    /// The hash of all that is in its worktree but for what Git ignores.
    pub tree: Option<String>,
    /// The hashes of its generated files, by name.
    pub files: BTreeMap<String, String>,
    /// Checks that fail.
    pub unhealthy: Vec<String>,
    /// Where it all is.
    pub places: Places,
}

impl Belongings {
    /// What is gone or changed by now that its own processes do not take away by themselves.
    pub fn harmed(&self, now: &Self) -> Vec<String> {
        let mut harmed = Vec::new();
        for (name, run) in &self.processes {
            if now.processes.get(name) != Some(run) {
                harmed.push(format!("process {name} is another one, or none"));
            }
        }
        for (table, rows) in &self.rows {
            match now.rows.get(table) {
                Some(now) if now >= rows => {}
                Some(now) => harmed.push(format!("table {table} has {now} rows instead of {rows}")),
                None => harmed.push(format!("table {table} is gone")),
            }
        }
        harmed.extend(
            self.objects.difference(&now.objects).map(|key| format!("object {key} is gone")),
        );
        if self.tree != now.tree {
            harmed.push("files of its worktree changed".to_owned());
        }
        for (name, hash) in &self.files {
            if now.files.get(name) != Some(hash) {
                harmed.push(format!("file {name} is another one, or none"));
            }
        }
        harmed.extend(now.unhealthy.iter().cloned());
        harmed
    }

    /// In a few words, for people.
    pub fn words(&self) -> String {
        format!(
            "processes: {}, rows: {} in tables: {}, objects: {}, files: {}",
            self.processes.len(),
            self.rows.values().sum::<u64>(),
            self.rows.len(),
            self.objects.len(),
            self.files.len()
        )
    }
}

/// Where an agent's things are: enough to look whether any of them is left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Places {
    /// Its name.
    pub agent: String,
    /// Its incarnation.
    pub uid: String,
    /// Whose servers it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infra: Option<String>,
    /// Its database, and its role with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// Its bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Its worktree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<PathBuf>,
    /// Its ports.
    pub ports: Vec<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_ones_end_took_along_is_told() {
        let before = Belongings {
            processes: [("api".to_owned(), "17@5".to_owned())].into(),
            rows: [("note".to_owned(), 3), ("word".to_owned(), 1)].into(),
            objects: ["a".to_owned(), "b".to_owned()].into(),
            tree: Some("t".to_owned()),
            files: [(".env".to_owned(), "h".to_owned())].into(),
            ..Belongings::default()
        };
        assert_eq!(before.harmed(&before), Vec::<String>::new());
        let mut grown = before.clone();
        grown.rows.insert("note".to_owned(), 4);
        grown.objects.insert("c".to_owned());
        assert_eq!(before.harmed(&grown), Vec::<String>::new(), "it goes on with its work");
        let now = Belongings {
            processes: [("api".to_owned(), "18@6".to_owned())].into(),
            rows: [("note".to_owned(), 2)].into(),
            objects: ["b".to_owned()].into(),
            unhealthy: vec!["api: answered 500".to_owned()],
            ..Belongings::default()
        };
        insta::assert_snapshot!(before.harmed(&now).join("\n"), @"
        process api is another one, or none
        table note has 2 rows instead of 3
        table word is gone
        object a is gone
        files of its worktree changed
        file .env is another one, or none
        api: answered 500
        ");
        insta::assert_snapshot!(before.words(), @"processes: 1, rows: 4 in tables: 2, objects: 2, files: 1");
    }
}
