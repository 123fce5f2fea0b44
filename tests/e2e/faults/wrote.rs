//! What an agent wrote into all that it has, and whether it is still there.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::path::PathBuf;

use super::super::harness::{Site, succeed, text};
use super::tally::Tally;

const ROW: &str = "a row of mine";
const OBJECT: &str = "an object of mine";
const FILE: &str = "a file of mine";
const STAGED: &str = "staged by me";
const COMMITTED: &str = "committed by me";

/// Which of it there may be: the rest was destroyed by somebody else, or was never written.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// A row of the database.
    pub row: bool,
    /// An object of the bucket.
    pub object: bool,
    /// What git knows of, beside the file that it does not know: one that is staged, and a commit that nobody has pushed.
    pub in_git: bool,
}

impl Words {
    /// All of it.
    pub const ALL: Self = Self { row: true, object: true, in_git: true };

    /// Lets an agent write it.
    pub fn write(self, site: &Site, agent: u16) {
        if self.row {
            let there = format!("SELECT FROM note WHERE body = '{ROW}'");
            let sql = format!("INSERT INTO note (body) SELECT '{ROW}' WHERE NOT EXISTS ({there})");
            site.sql(&format!("agent_{agent}"), &sql);
        }
        let name = format!("agent-{agent}");
        if self.object {
            site.admin().put(&name, "mine", OBJECT);
        }
        let tree = site.worktree(&name);
        fs::write(tree.join("mine"), FILE).unwrap();
        if !self.in_git {
            return;
        }
        fs::write(tree.join("mine-staged"), STAGED).unwrap();
        fs::write(tree.join("mine-committed"), COMMITTED).unwrap();
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

    /// Looks for it where the agent has it.
    pub fn are_there(self, site: &Site, agent: u16, tally: &mut Tally) {
        let name = format!("agent-{agent}");
        let tree = Some(site.worktree(&name));
        let place = Place { database: format!("agent_{agent}"), bucket: name, tree };
        self.look(site, &place, tally);
    }

    /// Looks for it where it is of a life that ended.
    pub fn are_kept(self, site: &Site, agent: u16, uid: &str, tally: &mut Tally) {
        let short = &uid[uid.len() - 8..];
        let prefix = format!("agent-{agent}-{short}-");
        let trees =
            fs::read_dir(site.state().join("worktrees/.trash")).into_iter().flatten().flatten();
        let mut trees =
            trees.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
        let place = Place {
            database: format!("trash_{short}_agent_{agent}"),
            bucket: format!("trash-{short}-agent-{agent}"),
            tree: trees.next().map(|entry| entry.path()),
        };
        let open = format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", place.database);
        let _ = site.try_sql("postgres", &open);
        self.look(site, &place, tally);
        let _ = site.try_sql("postgres", &open.replace("true", "false"));
    }

    fn look(self, site: &Site, place: &Place, tally: &mut Tally) {
        if self.row {
            let sql = format!("SELECT body FROM note WHERE body = '{ROW}'");
            let rows = site.try_sql(&place.database, &sql);
            tally.looked_for(ROW, rows.is_ok_and(|rows| rows.lines().any(|line| line == ROW)));
        }
        if self.object {
            let admin = site.admin();
            let is_there = admin.buckets().contains(&place.bucket);
            let objects = is_there.then(|| admin.objects(&place.bucket));
            let mine = objects.as_ref().and_then(|all| all.get("mine"));
            tally.looked_for(OBJECT, mine.is_some_and(|now| now == OBJECT));
        }
        tally.looked_for(FILE, place.holds("mine", FILE));
        if self.in_git {
            let status = place.git(site, &["status", "--short"]);
            let is_staged = status.lines().any(|line| line == "A  mine-staged");
            tally.looked_for(STAGED, is_staged && place.holds("mine-staged", STAGED));
            let shown = place.git(site, &["show", "HEAD:mine-committed"]);
            tally.looked_for(COMMITTED, shown == COMMITTED);
        }
        assert_eq!(tally.bytes.1, 0, "bytes lost of {place:?}, {self:?}");
    }
}

/// Where it is.
#[derive(Debug)]
struct Place {
    database: String,
    bucket: String,
    tree: Option<PathBuf>,
}

impl Place {
    fn holds(&self, name: &str, text: &str) -> bool {
        let tree = self.tree.as_ref();
        tree.is_some_and(|tree| fs::read_to_string(tree.join(name)).is_ok_and(|now| now == text))
    }

    fn git(&self, site: &Site, words: &[&str]) -> String {
        let Some(tree) = &self.tree else { return String::new() };
        text(&site.command("git").current_dir(tree).args(words).output().unwrap().stdout)
    }
}
