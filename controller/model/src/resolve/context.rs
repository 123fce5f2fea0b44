//! What every part of resolving shares: looking facts up, rendering, paths, and adding resources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Stop;
use super::facts::{Facts, Need};
use crate::desired::{Connections, Dependency, DesiredObject, Wanted};
use crate::id::{ObjectKey, ResourceId, ResourceKind, Uid};
use crate::kinds::{self, Resource};
use crate::layout::normal;
use crate::secret::{Secret, Text};
use crate::spec::Value;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::node::Node;
use crate::spec::parse::{Body, Document};
use crate::spec::source::Place;
use crate::template::{Scope, names_in, render};

pub(super) struct Context<'a> {
    pub key: &'a ObjectKey,
    pub uid: &'a Uid,
    pub documents: &'a BTreeMap<ObjectKey, Document>,
    pub uids: &'a BTreeMap<ObjectKey, Uid>,
    pub facts: &'a Facts,
    pub needs: &'a mut BTreeSet<Need>,
    pub connections: &'a mut Connections,
    pub object: DesiredObject,
}

impl Context<'_> {
    /// A resource of this object.
    pub fn id(&self, kind: ResourceKind, name: impl Into<String>) -> ResourceId {
        ResourceId { owner: self.key.clone(), uid: self.uid.clone(), kind, name: name.into() }
    }

    /// A resource of another object, which exists when its document does.
    pub fn foreign(&self, owner: &ObjectKey, kind: ResourceKind, name: &str) -> Option<ResourceId> {
        let uid = self.uids.get(owner)?.clone();
        Some(ResourceId { owner: owner.clone(), uid, kind, name: name.to_owned() })
    }

    /// Adds a resource and says what it needs first, and where in the specs it is asked for.
    pub fn add(
        &mut self,
        id: &ResourceId,
        resource: Resource,
        after: Vec<Dependency>,
        source: &Place,
    ) {
        let source = Some(source.to_string());
        let wanted = Wanted { after, source, ..Wanted::present(resource) };
        self.object.resources.insert(id.clone(), wanted);
    }

    /// A secret; it is generated before the next try when there is none yet. One that cannot be had is a problem,
    /// also where an earlier value of it is known.
    pub fn secret(&mut self, name: &str) -> Result<Secret, Stop> {
        let need = Need::Secret(name.to_owned());
        let answer = self.facts.answers.get(&need);
        self.needs.insert(need);
        match (answer, self.documents.get(self.key)) {
            (Some(Err(why)), Some(document)) => {
                Err(Diagnostic::at(document.name_place(), why.as_str()).into())
            }
            _ => self.facts.secrets.get(name).cloned().ok_or(Stop { problem: None }),
        }
    }

    /// A fact; its failure becomes a problem at `place`.
    pub fn fact(&mut self, need: Need, place: impl FnOnce() -> Place) -> Result<String, Stop> {
        let answer = self.facts.answers.get(&need).cloned();
        self.needs.insert(need);
        match answer {
            None => Err(Stop { problem: None }),
            Some(Ok(value)) => Ok(value),
            Some(Err(why)) => Err(Diagnostic::at(place(), why).into()),
        }
    }

    /// A value of the spec, with secrets fetched and `${…}` replaced.
    pub fn value(
        &mut self,
        value: &Value,
        scope: &Scope,
        place: impl Fn() -> Place,
    ) -> Result<Text, Stop> {
        match value {
            Value::Plain(template) => {
                let text = text(template, scope, &place)?;
                // No spec holds one, so it comes from a secret.
                let odd =
                    |name: &&str| scope.get(name).is_some_and(|it| it.reveal().contains('\0'));
                match names_in(template).into_iter().find(odd) {
                    Some(name) => Err(nul(name.strip_prefix("secrets.").unwrap_or(name), place())),
                    None => Ok(text),
                }
            }
            Value::Secret(name) => {
                let secret = self.secret(&shared_secret(name))?;
                if secret.reveal().contains('\0') {
                    return Err(nul(name, place()));
                }
                Ok(Text::Secret(secret))
            }
        }
    }

    /// A path of the spec: `~` is the home folder, and a relative one starts at the folder of the
    /// spec file that it is written in.
    pub fn path(&self, file: &str, text: &str) -> PathBuf {
        let path = match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                self.facts.home.join(rest.trim_start_matches('/'))
            }
            _ => Path::new(file).parent().unwrap_or_else(|| Path::new("/")).join(text),
        };
        normal(&path)
    }

    /// The folder in which the harness keeps what it makes for an object.
    pub fn folder(&self) -> PathBuf {
        self.facts.state.join(self.key.kind.as_str()).join(&self.key.name)
    }

    /// Puts the secrets into a scope that a tree refers to as `${secrets.NAME}`.
    pub fn add_secrets(&mut self, scope: &mut Scope, node: &Node) -> Result<(), Stop> {
        let mut names = BTreeSet::new();
        super::names::secrets_of(node, &mut names);
        for name in names {
            let secret = self.secret(&shared_secret(&name))?;
            scope.set_secret(format!("secrets.{name}"), &secret);
        }
        Ok(())
    }

    /// Names of an Infra's other services.
    pub fn add_services(&self, scope: &mut Scope, infra: &str) {
        let document = self.documents.get(&ObjectKey::infra(infra));
        if let Some(Body::Infra(spec)) = document.map(|document| &document.body) {
            super::names::set_services(scope, spec);
        }
    }

    /// Names that mean the same everywhere.
    pub fn common_scope(&self) -> Scope {
        let mut scope = Scope::default();
        scope.set("harness.bin", self.facts.bin.display().to_string());
        scope.set("harness.state", self.facts.state.display().to_string());
        scope.set("home", self.facts.home.display().to_string());
        scope
    }
}

/// With what the names of all secrets begin that specs refer to.
pub const SPEC_SECRETS: &str = "spec-";

/// That a secret cannot be the value of a variable.
fn nul(secret: &str, place: Place) -> Stop {
    Diagnostic::at(place, format!("the secret `{secret}` contains a NUL character"))
        .help("give it a value of plain text: no variable can hold that character")
        .into()
}

/// How the store of secrets calls a secret that specs refer to by `name`.
pub(super) fn shared_secret(name: &str) -> String {
    format!("{SPEC_SECRETS}{name}")
}

/// Renders a template of the spec.
pub(super) fn text(
    template: &str,
    scope: &Scope,
    place: impl FnOnce() -> Place,
) -> Result<Text, Stop> {
    render(template, scope)
        .map_err(|error| Diagnostic::at(place(), error.to_string()).help(error.help()).into())
}

/// What is wrong with a secret in a name or path, and what to do.
pub(crate) const SECRET_IN_NAME: (&str, &str) =
    ("a name or path must not contain a secret", "use a value that may be seen");

/// Renders a template whose value becomes a name or a path, which secrets have no business in.
pub(super) fn plain(
    template: &str,
    scope: &Scope,
    place: impl FnOnce() -> Place + Copy,
) -> Result<String, Stop> {
    match text(template, scope, place)? {
        Text::Plain(value) => Ok(value),
        Text::Secret(_) => {
            let (message, help) = SECRET_IN_NAME;
            Err(Diagnostic::at(place(), message).help(help).into())
        }
    }
}

/// An agent's number: `spec.id`, or the number that ends its name.
pub fn agent_id(name: &str, id: Option<u32>) -> Option<u32> {
    let digits = name.len() - name.bytes().rev().take_while(u8::is_ascii_digit).count();
    id.or_else(|| name.get(digits..)?.parse().ok())
}

/// A dependency.
pub(super) fn needs(on: ResourceId, need: kinds::Need) -> Dependency {
    Dependency { on, need }
}
