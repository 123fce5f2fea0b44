//! Which agent a verb is about where its name is left out: the one that `HARNESS_AGENT` names, as it does for all that
//! runs in an agent's worktree, else the one in whose worktree one stands. A verb that takes further words takes the
//! first one for a name only where it is one.

use std::path::{Path, PathBuf};

use agent_harness_model::api::Object;
use agent_harness_model::id::{ObjectKey, ObjectKind, ParseKeyError};

use crate::client::Client;
use crate::error::{Failure, Result};
use crate::{lookup, object};

/// The variable that names the agent. All that runs in its worktree gets it.
const VARIABLE: &str = "HARNESS_AGENT";

/// From where it is asked.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// What `HARNESS_AGENT` says.
    pub agent: Option<String>,
    /// The working folder, without symlinks.
    pub folder: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        let agent = std::env::var_os(VARIABLE).map(|name| name.to_string_lossy().into_owned());
        let folder = std::env::current_dir().ok().map(|folder| real(&folder));
        Self { agent: agent.filter(|name| !name.is_empty()), folder }
    }
}

/// An object that is there.
#[derive(Debug, Clone)]
struct Known {
    key: ObjectKey,
    /// Of an agent, without symlinks.
    worktree: Option<PathBuf>,
}

/// Whom the words mean.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose {
    /// The first word is the name.
    Named(ObjectKey),
    /// The name was left out.
    Implied(ObjectKey),
    /// Nobody can tell.
    Nobody,
    /// `HARNESS_AGENT` names no agent.
    NoAgent(String),
}

/// The rule. A word is a name where it can be nothing else (`3`, `agent/x`, `infra/shared`), or there is such an
/// agent; all else is for whom the surroundings name.
fn whose(word: Option<&str>, around: &Surroundings, known: &[Known]) -> Whose {
    let named = word.and_then(|word| {
        let key: ObjectKey = word.parse().ok()?;
        (is_plain_name(word) || known.iter().any(|it| it.key == key)).then_some(key)
    });
    if let Some(key) = named {
        return Whose::Named(key);
    }
    if let Some(name) = &around.agent {
        return match name.parse::<ObjectKey>() {
            Ok(key) if key.kind == ObjectKind::Agent => Whose::Implied(key),
            Ok(_) | Err(_) => Whose::NoAgent(name.clone()),
        };
    }
    let stands_in = |it: &&Known| {
        let folders = it.worktree.as_ref().zip(around.folder.as_ref());
        folders.is_some_and(|(worktree, folder)| folder.starts_with(worktree))
    };
    // A worktree may lie in another one.
    let depth = |it: &&Known| it.worktree.as_ref().map(|path| path.components().count());
    let innermost = known.iter().filter(stands_in).max_by_key(depth);
    innermost.map_or(Whose::Nobody, |it| Whose::Implied(it.key.clone()))
}

/// Whether a word is a name whatever there is: a number, or a name after its kind.
fn is_plain_name(word: &str) -> bool {
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    is_number || word.contains('/') && word.parse::<ObjectKey>().is_ok()
}

/// The agent of a verb that takes no other words.
pub async fn one(client: &Client, name: Option<ObjectKey>) -> Result<ObjectKey> {
    match name {
        Some(key) => Ok(key),
        None => Ok(about(client, Vec::new(), 0).await?.0),
    }
}

/// The object that words are about, and those of them that follow its name. Of more words than `most` can follow a
/// name the first one has to be it.
pub async fn about(
    client: &Client,
    mut words: Vec<String>,
    most: usize,
) -> Result<(ObjectKey, Vec<String>)> {
    let first = words.first().map(String::as_str);
    let is_certain = first.is_some_and(|word| is_plain_name(word) || words.len() > most);
    if let Some(word) = first.filter(|_| is_certain) {
        let key = word.parse().map_err(|error: ParseKeyError| Failure::usage(error.to_string()))?;
        words.remove(0);
        return Ok((key, words));
    }
    let around = client.around();
    // Where one variable says it all, nobody has to be asked.
    let (objects, runs) = match (first, &around.agent) {
        (None, Some(_)) => (Vec::new(), false),
        _ => objects(client).await?,
    };
    match whose(first, around, &known(&objects)) {
        Whose::Named(key) => {
            words.remove(0);
            Ok((key, words))
        }
        Whose::Implied(key) => Ok((key, words)),
        Whose::NoAgent(name) => {
            Err(Failure::usage(format!("{VARIABLE} is `{name}`, which names no agent"))
                .hint("set it to one, such as agent-3, or unset it"))
        }
        Whose::Nobody => match first.filter(|word| looks_like_a_name(word)) {
            Some(word) => {
                let key = word.parse().map_err(|_| nobody())?;
                if runs {
                    let absent = lookup::absent(&key, &objects);
                    return Err(absent.hint(
                        "if it is something of an agent: name that one before it, set HARNESS_AGENT, or stand in its \
                         worktree",
                    ));
                }
                // Why nobody knows, the verb will say.
                words.remove(0);
                Ok((key, words))
            }
            None if runs || !objects.is_empty() => Err(nobody()),
            None => {
                Err(nobody().hint("no controller runs, which alone knows whose worktree this is"))
            }
        },
    }
}

fn nobody() -> Failure {
    Failure::usage("which agent? None is named, HARNESS_AGENT is not set, and this folder is in no agent's worktree")
        .hint("name one, set HARNESS_AGENT, or stand in an agent's worktree")
        .hint("`ctl get agents` lists them")
}

/// A query has blanks.
fn looks_like_a_name(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// All objects, and whether a controller runs that says so; else as they were when one did.
async fn objects(client: &Client) -> Result<(Vec<Object>, bool)> {
    match client.objects().await {
        Ok(objects) => Ok((objects, true)),
        Err(error) if error.is_down() => Ok((client.state().snapshot()?.objects, false)),
        Err(error) => Err(error.into()),
    }
}

fn known(objects: &[Object]) -> Vec<Known> {
    let known = |it: &Object| {
        let worktree = object::worktree(it).map(|path| real(Path::new(path)));
        Some(Known { key: it.key()?, worktree })
    };
    objects.iter().filter_map(known).collect()
}

/// A folder without symlinks on the way; one that is not there stays as it is called.
fn real(folder: &Path) -> PathBuf {
    std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Agents 1 and 3, whose worktree lies in that of agent 1, and one that is called as a process is.
    fn known() -> Vec<Known> {
        let known = |key: &str, worktree: Option<&str>| Known {
            key: key.parse().unwrap(),
            worktree: worktree.map(PathBuf::from),
        };
        vec![
            known("agent-1", Some("/w/agent-1")),
            known("agent-3", Some("/w/agent-1/inner")),
            known("web", Some("/elsewhere/web")),
            known("infra/shared", None),
        ]
    }

    fn said(word: Option<&str>, agent: Option<&str>, folder: &str) -> String {
        let agent = agent.map(str::to_owned);
        let around = Surroundings { agent, folder: Some(folder.into()) };
        match whose(word, &around, &known()) {
            Whose::Named(key) => format!("named {key}"),
            Whose::Implied(key) => format!("implied {key}"),
            Whose::Nobody => "nobody".to_owned(),
            Whose::NoAgent(name) => format!("no agent {name}"),
        }
    }

    #[test]
    fn the_variable_comes_before_the_worktree() {
        assert_eq!(said(None, Some("agent-9"), "/w/agent-1"), "implied agent/agent-9");
        assert_eq!(said(None, Some("9"), "/"), "implied agent/agent-9");
        assert_eq!(said(None, Some("infra/shared"), "/w/agent-1"), "no agent infra/shared");
        assert_eq!(said(None, Some("a/b/c"), "/"), "no agent a/b/c");
    }

    #[test]
    fn the_innermost_worktree_around_the_folder_is_meant() {
        for (folder, expected) in [
            ("/w/agent-1", "implied agent/agent-1"),
            ("/w/agent-1/src/deep", "implied agent/agent-1"),
            ("/w/agent-1/inner", "implied agent/agent-3"),
            ("/w/agent-1/inner/src", "implied agent/agent-3"),
            ("/w/agent-10", "nobody"),
            ("/w", "nobody"),
            ("/", "nobody"),
        ] {
            assert_eq!(said(None, None, folder), expected, "{folder}");
        }
    }

    #[test]
    fn a_word_is_a_name_where_it_can_be_nothing_else_or_is_known() {
        let inside = |word| said(Some(word), None, "/w/agent-1");
        for (word, expected) in [
            ("3", "named agent/agent-3"),
            ("77", "named agent/agent-77"),
            ("agent-3", "named agent/agent-3"),
            ("web", "named agent/web"),
            ("agent/api", "named agent/api"),
            ("infra/shared", "named infra/shared"),
            ("infra/other", "named infra/other"),
            // Names of other things, of the agent where one stands.
            ("agent-77", "implied agent/agent-1"),
            ("api", "implied agent/agent-1"),
            ("shared", "implied agent/agent-1"),
            ("setup/install", "implied agent/agent-1"),
            ("select 1", "implied agent/agent-1"),
            ("select 4/2", "implied agent/agent-1"),
            ("", "implied agent/agent-1"),
        ] {
            assert_eq!(inside(word), expected, "{word:?}");
        }
        assert_eq!(said(Some("api"), None, "/"), "nobody");
        assert_eq!(said(Some("3"), Some("agent-1"), "/"), "named agent/agent-3");
        assert_eq!(said(Some("api"), Some("agent-1"), "/"), "implied agent/agent-1");
    }
}
