//! What there is of an agent and of each of its lives, in words that are the same however it came about.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use super::super::harness::{Site, succeed, text};

const NOTES: &str = "SELECT string_agg(body, ',' ORDER BY id) FROM note";

/// The processes of an agent's app. What runs of it beside them is a setup step.
pub fn running(site: &Site, agent: u16) -> Vec<(String, u32, String)> {
    let processes = site.processes(agent).into_iter();
    processes.filter(|(what, ..)| ["api", "frontend", "worker"].contains(&what.as_str())).collect()
}

/// How much of all lives of an agent there is: records, databases, buckets, worktrees.
pub fn all_lives(site: &Site, agent: u16) -> [usize; 4] {
    let name = format!("agent-{agent}");
    let records = fs::read_dir(site.state().join("ledger")).unwrap().flatten();
    let prefix = format!("agent-{name}");
    let records = records.filter(|it| it.file_name().to_string_lossy().starts_with(&prefix));
    let like = format!("%agent\\_{agent}");
    let databases = format!("SELECT count(*) FROM pg_database WHERE datname LIKE '{like}'");
    let buckets = site.admin().buckets();
    let trees = site.git(&["worktree", "list"]);
    [
        records.count(),
        site.sql("postgres", &databases).parse().unwrap(),
        buckets.iter().filter(|bucket| bucket.ends_with(&name)).count(),
        trees.lines().filter(|line| line.contains(&format!("/{name}"))).count(),
    ]
}

/// What there is for an agent, once all of it is there; first of all the identity of this life of it.
pub fn settled(site: &Site, agent: u16) -> (String, Vec<String>) {
    let name = format!("agent-{agent}");
    site.eventually("the plan to be empty", || site.ctl(&["diff"]).status.success().then_some(()));
    // The worker writes it when it finds the time.
    let admin = site.admin();
    let summary = || admin.objects(&name).contains_key("summary.json").then_some(());
    site.eventually("the worker's summary", summary);
    look(site, agent)
}

/// What there is for an agent now, after the identity of this life of it.
pub fn look(site: &Site, agent: u16) -> (String, Vec<String>) {
    let name = format!("agent-{agent}");
    let object = site.object(&name);
    let uid = object["metadata"]["uid"].as_str().unwrap().to_owned();
    let words = same(&world(site, agent, &object), &uid);
    (uid, words)
}

/// In words that are the same for each life.
fn world(site: &Site, agent: u16, object: &Value) -> Vec<String> {
    let uid = object["metadata"]["uid"].as_str().unwrap();
    let (name, database) = (format!("agent-{agent}"), format!("agent_{agent}"));
    let mut words: Vec<String> =
        running(site, agent).into_iter().map(|(what, ..)| format!("process {what}")).collect();
    words.extend(databases(site, &format!("agent\\_{agent}")));
    words.push(format!("notes {}", site.sql(&database, NOTES)));
    words.extend(bucket(site, &name));
    words.extend(trees(site, &format!("worktrees/{name}\n")));
    let branch = format!("refs/heads/agent/{name}");
    words.push(site.git(&["for-each-ref", "--format=%(refname) %(objectname)", &branch]));
    let tree = site.worktree(&name);
    words
        .push(text(&succeed(site.command("git").current_dir(&tree).args(["status", "-s"])).stdout));
    let secrets = secrets(site, agent, uid);
    for file in ["CLAUDE.agent.md", &format!(".env.agent.{agent}")] {
        let mut text = fs::read_to_string(tree.join(file)).unwrap();
        for (name, secret) in &secrets {
            text = text.replace(secret, &format!("<{name}>"));
        }
        words.push(format!("{file}\n{text}"));
    }
    words.extend(secrets.into_keys());
    words.extend(record(site, agent, uid));
    words.push(object["status"]["resources"].to_string());
    words.push(object["status"]["phase"].to_string());
    words
}

/// What is kept of a life that ended.
pub fn trash(site: &Site, agent: u16, uid: &str) -> Vec<String> {
    let short = &uid[uid.len() - 8..];
    let mut words = databases(site, &format!("trash\\_{short}\\_agent\\_{agent}"));
    let database = format!("trash_{short}_agent_{agent}");
    let open = format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true");
    let close = open.replace("true", "false");
    site.sql("postgres", &open);
    words.push(format!("notes {}", site.sql(&database, NOTES)));
    site.sql("postgres", &close);
    words.extend(bucket(site, &format!("trash-{short}-agent-{agent}")));
    // How far its worker had come.
    words.retain(|word| !word.contains("summary.json"));
    words.extend(trees(site, &format!("worktrees/.trash/agent-{agent}-{short}-")));
    words.extend(secrets(site, agent, uid).into_keys());
    words.extend(record(site, agent, uid));
    same(&words, uid)
}

/// Databases and roles of a name, with all that says whose they are.
pub fn databases(site: &Site, like: &str) -> Vec<String> {
    let databases = format!(
        "SELECT 'database', datname, pg_get_userbyid(datdba), datallowconn, datacl, \
         shobj_description(oid, 'pg_database') FROM pg_database WHERE datname LIKE '{like}%'"
    );
    let roles = format!(
        "SELECT 'role', rolname, rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, \
         shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname LIKE '{like}%'"
    );
    let both = [databases, roles].map(|sql| site.sql("postgres", &sql));
    both.iter().flat_map(|rows| rows.lines()).map(str::to_owned).collect()
}

/// A bucket, its tags, and what is in it.
fn bucket(site: &Site, name: &str) -> Vec<String> {
    let admin = site.admin();
    let tags = format!("bucket {name} {:?}", admin.tags(name));
    let objects = admin.objects(name);
    [tags].into_iter().chain(objects.into_iter().map(|it| format!("object {it:?}"))).collect()
}

/// Worktrees at such a path: what git says of them. The end of a path in the trash is a random one.
pub fn trees(site: &Site, path: &str) -> Vec<String> {
    let list = site.git(&["worktree", "list", "--porcelain"]);
    let of = |tree: &&str| format!("{tree}\n").contains(path);
    list.split("\n\n").filter(of).map(|tree| tree.split_once('\n').unwrap().1.to_owned()).collect()
}

/// The secrets of a life, each under its name. Nobody else may read them.
pub fn secrets(site: &Site, agent: u16, uid: &str) -> BTreeMap<String, String> {
    use std::os::unix::fs::PermissionsExt as _;

    let files = fs::read_dir(site.state().join("secrets")).unwrap().flatten();
    let of_life = format!("agent-{agent}-{}", &uid[uid.len() - 8..]);
    let of = |it: &fs::DirEntry| it.file_name().to_string_lossy().contains(&of_life);
    files
        .filter(of)
        .map(|file| {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "a secret that others can read");
            let name = file.file_name().to_string_lossy().into_owned();
            let secret = site.secret(&name);
            (nameless(&name, uid), secret)
        })
        .collect()
}

/// What the ledger says of a life, without its times.
fn record(site: &Site, agent: u16, uid: &str) -> Vec<String> {
    let name = format!("agent-agent-{agent}-{}.json", &uid[uid.len() - 8..]);
    let text = fs::read_to_string(site.state().join("ledger").join(name)).unwrap();
    let mut record: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(record["uid"], uid);
    for time in ["createdAt", "acceptedAt"] {
        record.as_object_mut().unwrap().remove(time);
    }
    // Whether a step was seen to its end is no difference: what it wrote is known to be ours.
    for entry in record["resources"].as_object_mut().unwrap().values_mut() {
        let known: BTreeSet<&str> =
            entry["record"].as_object().unwrap().values().filter_map(Value::as_str).collect();
        entry["record"] = json!(known);
    }
    let deletion = record.as_object_mut().unwrap().remove("deletion");
    if deletion.is_some() {
        // Files lie in the worktree, and go where it goes.
        let resources = record["resources"].as_object_mut().unwrap();
        resources.retain(|name, _| !name.starts_with("file/"));
    }
    let deletion = deletion.map(|deletion| {
        format!(
            "deleted, purge {}, in the trash {}",
            deletion["purge"],
            deletion["trashedAt"] != Value::Null
        )
    });
    [serde_json::to_string_pretty(&record).unwrap()].into_iter().chain(deletion).collect()
}

/// The same words for each life: without its identity, and with a number for each fingerprint, into which its own
/// secrets go.
fn same(words: &[String], uid: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut numbered = |word: &str| {
        let word = nameless(word, uid);
        let mut pieces = word.split("\"1-");
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (fingerprint, rest) = piece.split_once('"').unwrap();
            let known = seen.iter().position(|it| it == fingerprint);
            let number = known.unwrap_or(seen.len());
            if known.is_none() {
                seen.push(fingerprint.to_owned());
            }
            write!(text, "\"#{number}\"{rest}").unwrap();
        }
        text
    };
    words.iter().map(|word| numbered(word)).collect()
}

/// Without the identity of this life.
fn nameless(text: &str, uid: &str) -> String {
    text.replace(uid, "<uid>").replace(&uid[uid.len() - 8..], "<uid>")
}
