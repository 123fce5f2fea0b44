//! At every step boundary of a creation and of a deletion the controller is ended with `kill -9`, a step fails or its answer
//! is lost, or it never answers; it all ends in the same world as without, and what ran goes on running. Here it is an
//! agent that comes and goes; the very first start, and what is called back or goes for good, are the modules' affair.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use super::containers::Servers;
use super::harness::{Site, succeed, text};

mod back;
mod database;
mod first;

/// More boundaries than an agent has steps.
const MOST: usize = 60;

/// The signal that nobody can answer to.
const KILL: i32 = 9;

#[test]
fn killed_at_every_boundary_it_ends_in_the_same_world() {
    struck_at_every_boundary("kill");
}

#[test]
fn a_step_that_fails_or_whose_answer_is_lost_ends_in_the_same_world() {
    struck_at_every_boundary("error");
}

#[test]
fn a_step_that_never_answers_holds_nobody_else_up_and_ends_in_the_same_world() {
    struck_at_every_boundary("hang");
}

/// Agent 2 goes and comes, with a fault at each boundary of both.
fn struck_at_every_boundary(kind: &str) {
    let mut site = Site::on(Servers::Embedded);
    let spec = fs::read_to_string(site.specs().join("agent-2.yaml")).unwrap();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let (mut life, expected) = settled(&site);
    let mut kept = None;
    let bystanders = |site: &Site| {
        (
            site.processes(1),
            [site.postgres, site.store].map(Site::pid_on),
            site.git(&["-C", site.worktree("agent-1").to_str().unwrap(), "status", "-s"]),
        )
    };
    let others = bystanders(&site);
    let mut lives = 1;
    for side in ["before", "after"] {
        for number in 1..MOST {
            let fault = format!("{kind}:{side}:{number}");

            site.kill();
            fs::remove_file(site.specs().join("agent-2.yaml")).unwrap();
            let struck_deleting =
                strike(&mut site, &fault, |site| site.is_gone("agent-2")).is_some();
            site.eventually("agent 2 to be gone", || site.is_gone("agent-2").then_some(()));
            assert!(site.processes(2).is_empty(), "{fault}: processes were left behind");
            let trash = trash(&site, &life);
            assert_eq!(*kept.get_or_insert_with(|| trash.clone()), trash, "{fault}");

            site.kill();
            site.write_spec("agent-2.yaml", &spec);
            let ran = strike(&mut site, &fault, |site| site.is_ready("agent-2"));
            site.ready("agent-2");
            let run = running(&site);
            let struck_creating = ran.is_some();
            let ran = ran.unwrap_or_default();
            assert!(ran.iter().all(|it| run.contains(it)), "{fault}: {ran:?} became {run:?}");
            let (next, world) = settled(&site);
            assert_eq!(world.join("\n"), expected.join("\n"), "{fault}");
            assert_ne!(next, life, "{fault}: what left does not come back as what is new");
            assert_eq!(bystanders(&site), others, "{fault}: they had no part in it");
            life = next;
            lives += 1;
            assert_eq!(all_lives(&site), [lives; 4], "{fault}");

            assert!(number > 1 || struck_creating, "the controller was built without `faults`");
            if !struck_creating && !struck_deleting {
                assert!(number > 5, "an agent has more than {number} steps");
                break;
            }
            assert!(number + 1 < MOST, "an agent has more steps than this test tries");
        }
    }
}

/// Starts a controller with a fault, and waits for that, or until `done` holds where there is none: what ran of the app
/// then. From there a controller without faults works.
fn strike(
    site: &mut Site,
    fault: &str,
    done: impl Fn(&Site) -> bool,
) -> Option<Vec<(String, u32, String)>> {
    let faults = |site: &Site| {
        fs::read_to_string(site.log()).unwrap().matches("a fault of a test: ").count()
    };
    let before = faults(site);
    site.start_with(&[("HARNESS_FAULT", fault)]);
    if fault.starts_with("error:") {
        // It goes on by itself.
        assert!(!site.ended_or(done), "{fault}");
        return (faults(site) > before).then(Vec::new);
    }
    if fault.starts_with("kill:") {
        if !site.ended_or(done) {
            return None;
        }
        assert_eq!(site.ended_by(), Some(KILL), "{fault}");
    } else {
        assert!(!site.ended_or(|site| faults(site) > before || done(site)), "{fault}");
        if faults(site) == before {
            return None;
        }
        // Whoever asks is answered, and others are looked after.
        site.ctl_ok(&["health", "1"]);
        site.kill();
    }
    let ran = running(site);
    site.start();
    Some(ran)
}

/// The processes of agent 2's app. What runs of it beside them is a setup step.
fn running(site: &Site) -> Vec<(String, u32, String)> {
    let processes = site.processes(2).into_iter();
    processes.filter(|(what, ..)| ["api", "frontend", "worker"].contains(&what.as_str())).collect()
}

/// How much of all lives of agent 2 there is: records, databases, buckets, worktrees.
fn all_lives(site: &Site) -> [usize; 4] {
    let records = fs::read_dir(site.state().join("ledger")).unwrap().flatten();
    let records =
        records.filter(|it| it.file_name().to_string_lossy().starts_with("agent-agent-2"));
    let databases = "SELECT count(*) FROM pg_database WHERE datname LIKE '%agent\\_2%'";
    let buckets = site.admin().buckets();
    let trees = site.git(&["worktree", "list"]);
    [
        records.count(),
        site.sql("postgres", databases).parse().unwrap(),
        buckets.iter().filter(|name| name.ends_with("agent-2")).count(),
        trees.lines().filter(|line| line.contains("/agent-2")).count(),
    ]
}

/// What there is for agent 2, once all of it is there; first of all the identity of this life of it.
fn settled(site: &Site) -> (String, Vec<String>) {
    site.eventually("the plan to be empty", || site.ctl(&["diff"]).status.success().then_some(()));
    // The worker writes it when it finds the time.
    let admin = site.admin();
    let summary = || admin.objects("agent-2").contains_key("summary.json").then_some(());
    site.eventually("the worker's summary", summary);
    let object = site.object("agent-2");
    let uid = object["metadata"]["uid"].as_str().unwrap().to_owned();
    let words = same(&world(site, &object), &uid);
    (uid, words)
}

/// In words that are the same for each life.
fn world(site: &Site, object: &Value) -> Vec<String> {
    let mut words: Vec<String> =
        site.processes(2).into_iter().map(|(what, ..)| format!("process {what}")).collect();
    words.extend(databases(site, "agent\\_2"));
    words.push(format!("notes {}", site.sql("agent_2", "SELECT string_agg(body, ',') FROM note")));
    words.extend(bucket(site, "agent-2"));
    words.extend(trees(site, "worktrees/agent-2\n"));
    let branch = "refs/heads/agent/agent-2";
    words.push(site.git(&["for-each-ref", "--format=%(refname) %(objectname)", branch]));
    let tree = site.worktree("agent-2");
    words
        .push(text(&succeed(site.command("git").current_dir(&tree).args(["status", "-s"])).stdout));
    let secrets = secrets(site, object["metadata"]["uid"].as_str().unwrap());
    for file in ["CLAUDE.agent.md", ".env.agent.2"] {
        let mut text = fs::read_to_string(tree.join(file)).unwrap();
        for (name, secret) in &secrets {
            text = text.replace(secret, &format!("<{name}>"));
        }
        words.push(format!("{file}\n{text}"));
    }
    words.extend(secrets.into_keys());
    words.extend(record(site, object["metadata"]["uid"].as_str().unwrap()));
    words.push(object["status"]["resources"].to_string());
    words.push(object["status"]["phase"].to_string());
    words
}

/// What is kept of a life that ended.
fn trash(site: &Site, uid: &str) -> Vec<String> {
    let short = &uid[uid.len() - 8..];
    let mut words = databases(site, &format!("trash\\_{short}\\_agent\\_2"));
    let open = format!("ALTER DATABASE trash_{short}_agent_2 ALLOW_CONNECTIONS true");
    let close = open.replace("true", "false");
    site.sql("postgres", &open);
    let notes =
        site.sql(&format!("trash_{short}_agent_2"), "SELECT string_agg(body, ',') FROM note");
    site.sql("postgres", &close);
    words.push(format!("notes {notes}"));
    words.extend(bucket(site, &format!("trash-{short}-agent-2")));
    words.extend(trees(site, &format!("worktrees/.trash/agent-2-{short}-")));
    words.extend(secrets(site, uid).into_keys());
    words.extend(record(site, uid));
    same(&words, uid)
}

/// Databases and roles of a name, with all that says whose they are.
fn databases(site: &Site, like: &str) -> Vec<String> {
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
fn trees(site: &Site, path: &str) -> Vec<String> {
    let list = site.git(&["worktree", "list", "--porcelain"]);
    let of = |tree: &&str| format!("{tree}\n").contains(path);
    list.split("\n\n").filter(of).map(|tree| tree.split_once('\n').unwrap().1.to_owned()).collect()
}

/// The secrets of a life, each under its name. Nobody else may read them.
fn secrets(site: &Site, uid: &str) -> BTreeMap<String, String> {
    use std::os::unix::fs::PermissionsExt as _;

    let files = fs::read_dir(site.state().join("secrets")).unwrap().flatten();
    let of = |it: &fs::DirEntry| {
        it.file_name().to_string_lossy().contains(&format!("agent-2-{}", &uid[uid.len() - 8..]))
    };
    files
        .filter(of)
        .map(|file| {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            let name = file.file_name().to_string_lossy().into_owned();
            let secret = site.secret(&name);
            (nameless(&name, uid), secret)
        })
        .collect()
}

/// What the ledger says of a life, without its times.
fn record(site: &Site, uid: &str) -> Vec<String> {
    let name = format!("agent-agent-2-{}.json", &uid[uid.len() - 8..]);
    let text = fs::read_to_string(site.state().join("ledger").join(name)).unwrap();
    let mut record: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(record["uid"], uid);
    record.as_object_mut().unwrap().remove("createdAt");
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
