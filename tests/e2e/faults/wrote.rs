//! What an agent wrote into all that it has, and whether it is still there.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::path::Path;

use super::super::harness::{Site, succeed};
use super::tally::Tally;

/// A row, an object, a file that git does not know, one that is staged, and a commit that nobody has pushed.
const WORDS: [&str; 5] =
    ["a row of mine", "an object of mine", "a file of mine", "staged by me", "committed by me"];

/// Lets an agent write.
pub fn write(site: &Site, agent: u16) {
    let [row, object, file, staged, committed] = WORDS;
    site.sql(&format!("agent_{agent}"), &format!("INSERT INTO note (body) VALUES ('{row}')"));
    site.admin().put(&format!("agent-{agent}"), "mine", object);
    let tree = site.worktree(&format!("agent-{agent}"));
    for (name, text) in [("mine", file), ("mine-staged", staged), ("mine-committed", committed)] {
        fs::write(tree.join(name), text).unwrap();
    }
    // Always the same commit.
    let dates =
        ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"].map(|name| (name, "2026-01-01T00:00:00Z"));
    let git = |words: &[&str]| {
        succeed(site.command("git").current_dir(&tree).args(words).envs(dates));
    };
    git(&["add", "mine-committed"]);
    git(&["commit", "--quiet", "--message", "Mine"]);
    git(&["add", "mine-staged"]);
}

/// Looks for it where an agent has it that is there.
pub fn is_there(site: &Site, agent: u16, tally: &mut Tally) {
    let (database, bucket) = (format!("agent_{agent}"), format!("agent-{agent}"));
    let tree = site.worktree(&bucket);
    look(site, &database, &bucket, Some(&tree), tally);
}

/// Looks for it where it is of a life that ended.
pub fn is_kept(site: &Site, agent: u16, uid: &str, tally: &mut Tally) {
    let short = &uid[uid.len() - 8..];
    let (database, bucket) =
        (format!("trash_{short}_agent_{agent}"), format!("trash-{short}-agent-{agent}"));
    let prefix = format!("agent-{agent}-{short}-");
    let trees = fs::read_dir(site.state().join("worktrees/.trash")).into_iter().flatten().flatten();
    let mut trees = trees.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    let tree = trees.next().map(|entry| entry.path());
    let open = format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true");
    let _ = site.try_sql("postgres", &open);
    look(site, &database, &bucket, tree.as_deref(), tally);
    let _ = site.try_sql("postgres", &open.replace("true", "false"));
}

fn look(site: &Site, database: &str, bucket: &str, tree: Option<&Path>, tally: &mut Tally) {
    let [row, object, file, staged, committed] = WORDS;
    let rows = site.try_sql(database, &format!("SELECT body FROM note WHERE body = '{row}'"));
    tally.looked_for(row, rows.is_ok_and(|rows| rows.lines().any(|line| line == row)));
    let admin = site.admin();
    let objects = admin.buckets().iter().any(|name| name == bucket).then(|| admin.objects(bucket));
    let kept = objects.and_then(|all| all.get("mine").cloned());
    tally.looked_for(object, kept.as_deref() == Some(object));
    let reads = |name: &str, text: &str| {
        tree.is_some_and(|tree| fs::read_to_string(tree.join(name)).is_ok_and(|now| now == text))
    };
    tally.looked_for(file, reads("mine", file));
    let says = |words: &[&str]| {
        let mut git = site.command("git");
        let output = tree.map(|tree| git.current_dir(tree).args(words).output().unwrap());
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let status = says(&["status", "--short"]).unwrap_or_default();
    let is_staged = status.lines().any(|line| line == "A  mine-staged");
    tally.looked_for(staged, is_staged && reads("mine-staged", staged));
    let shown = says(&["show", "HEAD:mine-committed"]);
    tally.looked_for(committed, shown.as_deref() == Some(committed));
    assert_eq!(tally.bytes.1, 0, "lost of {database}, {bucket}, {tree:?}: {status}");
}
