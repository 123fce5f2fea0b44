//! What carries our mark and is of no object that the ledger knows. A ledger that was lost or put back from a backup
//! leaves such things, a crash of a server in the middle of a clone, or a bug of ours. Pure: the providers look, and
//! nothing is removed unless a person says so, by its name.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use crate::api::{Check, Leak};
use crate::bytes::bytes;
use crate::id::{ObjectKey, ObjectKind, Uid};

/// Something that was found. Removed in this order, users before what they use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A supervised process, by its folder of the state folder.
    Process { folder: String },
    /// A process of the host that carries our mark, and that nobody supervises.
    Stray { pid: i32 },
    /// A worktree as git knows it.
    Worktree { repo: PathBuf, path: PathBuf },
    /// A database, with its role.
    Database { infra: String, name: String },
    /// A role that owns no database.
    Role { infra: String, name: String },
    /// A bucket.
    Bucket { infra: String, name: String },
    /// A container.
    Container { name: String },
    /// A network of containers.
    Network { name: String },
    /// A volume of containers.
    Volume { name: String },
    /// A file or folder of the state folder.
    File { path: PathBuf },
    /// A folder of a PostgreSQL server in which no database is: what a clone leaves whose server crashed.
    Directory { infra: String, path: String, size: u64 },
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { folder } => write!(f, "process/{folder}"),
            Self::Stray { pid } => write!(f, "pid/{pid}"),
            Self::Worktree { path, .. } => write!(f, "worktree/{}", path.display()),
            Self::Database { infra, name } => write!(f, "database/{infra}/{name}"),
            Self::Role { infra, name } => write!(f, "role/{infra}/{name}"),
            Self::Bucket { infra, name } => write!(f, "bucket/{infra}/{name}"),
            Self::Container { name } => write!(f, "container/{name}"),
            Self::Network { name } => write!(f, "network/{name}"),
            Self::Volume { name } => write!(f, "volume/{name}"),
            Self::File { path } => write!(f, "file/{}", path.display()),
            Self::Directory { infra, path, .. } => write!(f, "directory/{infra}/{path}"),
        }
    }
}

/// Whose something is, as far as it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// An incarnation's.
    Incarnation(Uid),
    /// Some incarnation's of an object, by the end of its uid; what lies in the state folder says no more.
    Named { slug: String, short: String },
    /// An Infra's, whichever incarnation: what outlives each of them.
    Infra(String),
    /// Nobody's, whatever the ledger says.
    Nobody,
}

/// Something that carries our mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What.
    pub thing: Thing,
    /// Whose.
    pub owner: Owner,
    /// What else is to be said of it: `in the trash`.
    pub state: Option<&'static str>,
}

/// The incarnations of which there is a record.
#[derive(Debug, Clone, Default)]
pub struct Known {
    uids: BTreeSet<Uid>,
    names: BTreeSet<(String, String)>,
    infras: BTreeSet<String>,
}

impl Known {
    /// Takes one in.
    pub fn add(&mut self, key: &ObjectKey, uid: &Uid) {
        self.uids.insert(uid.clone());
        self.names.insert((key.slug(), uid.short().to_owned()));
        if key.kind == ObjectKind::Infra {
            self.infras.insert(key.name.clone());
        }
    }

    fn has(&self, owner: &Owner) -> bool {
        match owner {
            Owner::Incarnation(uid) => self.uids.contains(uid),
            Owner::Named { slug, short } => self.names.contains(&(slug.clone(), short.clone())),
            Owner::Infra(name) => self.infras.contains(name),
            Owner::Nobody => false,
        }
    }
}

/// Those that are of nobody known, in the order in which they are removed. `known` holds every incarnation that there
/// was at any time since the look began: what came or went meanwhile is no leak.
pub fn leaks(found: Vec<Found>, known: &Known) -> Vec<Found> {
    let mut leaks: Vec<_> = found.into_iter().filter(|one| !known.has(&one.owner)).collect();
    leaks.sort_by(|a, b| a.thing.cmp(&b.thing));
    leaks.dedup();
    // With what supervises them, they go.
    let supervised = leaks.iter().filter(|it| matches!(it.thing, Thing::Process { .. }));
    let supervised: Vec<Owner> = supervised.map(|it| it.owner.clone()).collect();
    leaks.retain(|it| !matches!(it.thing, Thing::Stray { .. }) || !supervised.contains(&it.owner));
    leaks
}

/// What a person is told of one, with the command that removes it.
pub fn told(leak: &Found) -> Leak {
    let name = leak.thing.to_string();
    let (about, fix) = match &leak.thing {
        Thing::Stray { pid } => {
            ("runs with our mark, and nobody supervises it".to_owned(), Some(format!("kill {pid}")))
        }
        Thing::Directory { path, size, .. } => {
            let about = format!("{} in which no database is, older than 10 minutes", bytes(*size));
            (about, Some(format!("rm -r '{path}'")))
        }
        Thing::Process { .. } if leak.owner == Owner::Nobody => {
            (leak.state.unwrap_or("has ended").to_owned(), None)
        }
        Thing::Process { .. } => ("is of no object that is known".to_owned(), None),
        Thing::File { .. } => ("was left by an object that is gone".to_owned(), None),
        _ => {
            let state = leak.state.map(|state| format!(", {state}")).unwrap_or_default();
            (format!("carries our mark and is of no object that is known{state}"), None)
        }
    };
    let uid = match &leak.owner {
        Owner::Incarnation(uid) => Some(uid.clone()),
        Owner::Named { .. } | Owner::Infra(_) | Owner::Nobody => None,
    };
    let removable = fix.is_none();
    let fix = fix.unwrap_or_else(|| format!("ctl leaks remove '{name}'"));
    Leak { name, about, uid, fix, removable }
}

/// What `ctl doctor` says of it.
pub fn check(leaks: &[Leak], unknown: &[String]) -> Check {
    let name = "leaks";
    match (leaks, unknown) {
        ([], []) => Check::ok(name, "all that carries our mark is of an object that is known"),
        ([], [why, ..]) => Check::warning(
            name,
            format!("not everything could be looked at: {why}"),
            "see `ctl leaks`",
        ),
        ([one], _) => Check::warning(name, format!("{} {}", one.name, one.about), one.fix.clone()),
        (all, _) => Check::warning(
            name,
            summary(all.len()),
            "`ctl leaks` lists them, with what removes each",
        ),
    }
}

/// Of many, in one line.
pub fn summary(count: usize) -> String {
    if count == 1 {
        "1 thing carries our mark and is of no object that is known: see `ctl leaks`".to_owned()
    } else {
        format!("{count} things carry our mark and are of no object that is known: see `ctl leaks`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(thing: Thing, owner: Owner) -> Found {
        Found { thing, owner, state: None }
    }

    fn of(uid: &str) -> Owner {
        Owner::Incarnation(Uid::new(uid))
    }

    fn database(name: &str) -> Thing {
        Thing::Database { infra: "shared".into(), name: name.into() }
    }

    fn file(name: &str, short: &str) -> Found {
        let owner = Owner::Named { slug: "agent-agent-1".into(), short: short.into() };
        found(Thing::File { path: format!("/state/{name}").into() }, owner)
    }

    #[test]
    fn what_is_of_nobody_known_is_a_leak_and_nothing_else() {
        let mut known = Known::default();
        known.add(&ObjectKey::agent("agent-1"), &Uid::new("0190-00000001"));
        known.add(&ObjectKey::infra("shared"), &Uid::new("0190-00000002"));
        let volume = |infra: &str| {
            found(Thing::Volume { name: format!("{infra}_data") }, Owner::Infra(infra.into()))
        };
        let mut trashed = found(database("trash_00000009_agent_1"), of("0190-00000009"));
        trashed.state = Some("in the trash");
        let path = "/pg/base/16999".to_owned();
        let orphan = Thing::Directory { infra: "shared".into(), path, size: 7 << 20 };
        let all = vec![
            file("setup/agent-agent-1-00000001", "00000001"),
            file("setup/agent-agent-1-00000009", "00000009"),
            volume("shared"),
            volume("other"),
            trashed,
            found(database("agent_1"), of("0190-00000001")),
            found(Thing::Stray { pid: 42 }, of("0190-00000009")),
            found(Thing::Stray { pid: 43 }, of("0190-00000008")),
            found(Thing::Process { folder: "agent-8~api".into() }, of("0190-00000008")),
            found(orphan, Owner::Nobody),
            Found {
                state: Some("has ended, and only its folder is left"),
                ..found(Thing::Process { folder: "agent-7~api".into() }, Owner::Nobody)
            },
        ];
        let told: Vec<Leak> = leaks(all, &known).iter().map(told).collect();
        let lines: Vec<String> =
            told.iter().map(|it| format!("{} {} -> {}", it.name, it.about, it.fix)).collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        process/agent-7~api has ended, and only its folder is left -> ctl leaks remove 'process/agent-7~api'
        process/agent-8~api is of no object that is known -> ctl leaks remove 'process/agent-8~api'
        pid/42 runs with our mark, and nobody supervises it -> kill 42
        database/shared/trash_00000009_agent_1 carries our mark and is of no object that is known, in the trash -> ctl leaks remove 'database/shared/trash_00000009_agent_1'
        volume/other_data carries our mark and is of no object that is known -> ctl leaks remove 'volume/other_data'
        file//state/setup/agent-agent-1-00000009 was left by an object that is gone -> ctl leaks remove 'file//state/setup/agent-agent-1-00000009'
        directory/shared//pg/base/16999 7.0Mi in which no database is, older than 10 minutes -> rm -r '/pg/base/16999'
        ");
        assert_eq!(check(&told, &[]).message, summary(7));
        assert!(check(&told[2..3], &[]).message.contains("pid/42 runs"));
        assert_eq!(check(&[], &["x".into()]).message, "not everything could be looked at: x");
    }
}
