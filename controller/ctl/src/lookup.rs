//! Finding the objects that were named, with the controller or, while none runs, in its last statuses.

use agent_harness_model::api::{Environment, Info, Object};
use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::spec::diagnostic::nearest;

use crate::client::{Client, path};
use crate::error::{Failure, Result};
use crate::object;
use crate::ui::{Ui, age};

/// How many names a hint lists.
const LISTED: usize = 12;

/// What was named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// All objects of a kind: `agents`.
    Kind(ObjectKind),
    /// One object: `3`, `agent-3`, `infra/shared`.
    One(ObjectKey),
}

/// A word that names objects: a kind, `KIND/NAME`, or a name. After a kind it is a name of that kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(String);

impl Word {
    /// The one that names an object.
    pub fn of(key: &ObjectKey) -> Self {
        Self(key.to_string())
    }
}

impl std::str::FromStr for Word {
    type Err = agent_harness_model::id::ParseKeyError;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        if kind(text).is_none() {
            text.parse::<ObjectKey>()?;
        }
        Ok(Self(text.to_owned()))
    }
}

fn kind(word: &str) -> Option<ObjectKind> {
    match word.to_ascii_lowercase().as_str() {
        "infra" | "infras" => Some(ObjectKind::Infra),
        "stack" | "stacks" => Some(ObjectKind::Stack),
        "agent" | "agents" => Some(ObjectKind::Agent),
        _ => None,
    }
}

/// What words name: `agents`, `3`, `infra/shared`, and two words for one: `agent 3`, `infra shared`.
pub fn selectors(words: &[Word]) -> Vec<Selector> {
    let mut selectors = Vec::new();
    // The last kind, and whether names came after it.
    let mut of: Option<(ObjectKind, bool)> = None;
    let close = |of: Option<(ObjectKind, bool)>, selectors: &mut Vec<Selector>| {
        if let Some((kind, false)) = of {
            selectors.push(Selector::Kind(kind));
        }
    };
    for Word(word) in words {
        if let Some(kind) = kind(word) {
            close(of.replace((kind, false)), &mut selectors);
            continue;
        }
        let named = match &mut of {
            Some((kind, named)) if !word.contains('/') => {
                *named = true;
                format!("{kind}/{word}").parse()
            }
            _ => word.parse(),
        };
        // It was read before.
        selectors.extend(named.ok().map(Selector::One));
    }
    close(of, &mut selectors);
    selectors
}

/// The objects that words name, one by one.
pub fn keys(words: &[Word]) -> Result<Vec<ObjectKey>> {
    let key = |selector| match selector {
        Selector::One(key) => Ok(key),
        Selector::Kind(kind) => Err(Failure::usage(format!("which {kind}? A name is missing"))
            .hint(format!("`ctl get {kind}s -o name` lists them"))),
    };
    selectors(words).into_iter().map(key).collect()
}

/// Refuses a uid beside many names: it is the uid of one of them alone.
pub fn one_name_for(uid: Option<&str>, names: &[ObjectKey]) -> Result<()> {
    if uid.is_some() && names.len() != 1 {
        return Err(Failure::usage("--uid is about one object: name that one alone")
            .hint("`ctl trash` lists names and uids"));
    }
    Ok(())
}

/// The objects that were named, all without a name, in the order of a list; and whether they come
/// from a running controller.
pub async fn objects(
    client: &Client,
    ui: &mut Ui,
    named: &[Selector],
) -> Result<(Vec<Object>, bool)> {
    let (mut all, live) = match client.objects().await {
        Ok(objects) => (objects, true),
        Err(error) if error.is_down() => (last_known(client, ui)?, false),
        Err(error) => return Err(error.into()),
    };
    object::sort(&mut all);
    if named.is_empty() {
        return Ok((all, live));
    }
    for selector in named {
        if let Selector::One(key) = selector {
            if !all.iter().any(|object| object.key().as_ref() == Some(key)) {
                return Err(absent(key, &all));
            }
        }
    }
    all.retain(|object| {
        object.key().is_some_and(|key| {
            named.iter().any(|selector| match selector {
                Selector::Kind(kind) => key.kind == *kind,
                Selector::One(one) => key == *one,
            })
        })
    });
    Ok((all, live))
}

/// What is wrong with specs and is in no object's status.
pub async fn problems(client: &Client) -> Result<Vec<String>> {
    match client.get::<Info>("/v1/info").await {
        Ok(info) => Ok(info.problems),
        Err(error) if error.is_absent() => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// One object, from the running controller.
pub async fn object(client: &Client, key: &ObjectKey) -> Result<Object> {
    match client.object(key).await {
        Ok(object) => Ok(object),
        Err(error) if error.is_absent() => Err(absent(key, &client.objects().await?)),
        Err(error) => Err(error.into()),
    }
}

/// What an agent's processes get.
pub async fn environment(client: &Client, key: &ObjectKey) -> Result<Environment> {
    part(client, key, "/environment").await
}

/// Something of an object (`/health`), from the running controller.
pub async fn part<T: serde::de::DeserializeOwned>(
    client: &Client,
    key: &ObjectKey,
    rest: &str,
) -> Result<T> {
    match client.get(&path(key, rest)).await {
        Ok(part) => Ok(part),
        Err(error) if error.is_absent() => {
            object(client, key).await?;
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// What the status files say, after words about how old that is.
fn last_known(client: &Client, ui: &mut Ui) -> Result<Vec<Object>> {
    let snapshot = client.state().snapshot()?;
    let Some(written) = snapshot.written else {
        return Err(crate::client::ClientError::Down {
            socket: client.state().socket(),
            folder: client.state().folder().to_owned(),
        }
        .into());
    };
    for file in &snapshot.unreadable {
        ui.warn(&format!("{file}; the controller writes it anew when it starts"))?;
    }
    for problem in &snapshot.problems {
        ui.warn(problem)?;
    }
    ui.warn(&format!(
        "the controller does not run; this is what it last wrote, {} ago",
        age(written, ui.now())
    ))?;
    Ok(snapshot.objects)
}

/// That an object is not there, and which ones may have been meant.
pub fn absent(key: &ObjectKey, all: &[Object]) -> Failure {
    let failure = Failure::failed(format!("{key} does not exist"));
    let mut keys: Vec<ObjectKey> = all.iter().filter_map(Object::key).collect();
    keys.sort_by_key(ObjectKey::listed);
    if let Some(same) = keys.iter().find(|other| other.name == key.name) {
        return failure.hint(format!("there is {same}"));
    }
    let names: Vec<_> = keys
        .iter()
        .filter(|other| other.kind == key.kind)
        .map(|other| other.name.as_str())
        .collect();
    // Another number is no typing error.
    let stem = |name: &str| name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    let meant = names.iter().copied().filter(|name| stem(name) != stem(&key.name));
    failure.hint(match nearest(&key.name, meant) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => format!("there is no {} yet", key.kind),
        None => there_are(&names),
    })
}

/// `there are agent-1, agent-2`, and of many how many more.
pub fn there_are(names: &[&str]) -> String {
    match names {
        [only] => format!("there is {only}"),
        _ if names.len() > LISTED => {
            let more = names.len() - LISTED;
            format!("there are {} and {more} more", names[..LISTED].join(", "))
        }
        _ => format!("there are {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(words: &[&str]) -> Vec<String> {
        let words: Vec<Word> = words.iter().map(|word| word.parse().unwrap()).collect();
        let shown = |selector| match selector {
            Selector::Kind(kind) => format!("all {kind}s"),
            Selector::One(key) => key.to_string(),
        };
        selectors(&words).into_iter().map(shown).collect()
    }

    #[test]
    fn of_many_names_some_are_listed() {
        let names: Vec<_> = (1..=20).map(|number| format!("agent-{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(there_are(&names[..1]), "there is agent-1");
        assert_eq!(there_are(&names[..2]), "there are agent-1, agent-2");
        assert!(there_are(&names).ends_with(", agent-12 and 8 more"), "{}", there_are(&names));
    }

    #[test]
    fn a_kind_and_a_name_are_one_object() {
        assert_eq!(named(&["agent", "3"]), ["agent/agent-3"]);
        assert_eq!(named(&["agents", "3", "x"]), ["agent/agent-3", "agent/x"]);
        assert_eq!(named(&["3", "infra", "shared"]), ["agent/agent-3", "infra/shared"]);
        assert_eq!(named(&["agents", "infra"]), ["all agents", "all infras"]);
        assert_eq!(named(&["agents", "infra/shared"]), ["infra/shared", "all agents"]);
        assert_eq!(named(&["stack", "s", "agents"]), ["stack/s", "all agents"]);
        assert_eq!(named(&[]), Vec::<String>::new());
        assert!("pod/x".parse::<Word>().is_err());
    }
}
