//! `Controller`: what the controller of a host is started with. No object of it: it is read once, from a file that is named
//! on the command line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{API_VERSION, Duration};
use crate::source::{GitSource, INTERVAL, Rewritten, Signers, SourceProblem, check_name};
use crate::yaml::{YamlError, from_yaml};

/// What the controller of a host is started with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Controller {
    /// `agent-harness.dev/v1alpha1`.
    pub api_version: String,
    /// `Controller`.
    pub kind: String,
    /// What it is started with.
    #[serde(default)]
    pub spec: ControllerSpec,
}

/// Relative paths start at the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControllerSpec {
    /// The folder of specs that `ctl apply` writes into. Default: `specs` where there are no sources, else `STATE/local`.
    pub specs: Option<PathBuf>,
    /// What specs come from besides, by name.
    #[serde(default)]
    pub sources: BTreeMap<String, Source>,
    /// Where repositories say that they have something new.
    pub webhook: Option<Webhook>,
}

/// Either a folder or a repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// A folder, whose files `ctl` reads and never writes.
    pub folder: Option<PathBuf>,
    /// A branch of a Git repository.
    pub git: Option<Git>,
}

/// A branch of a Git repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Git {
    /// Where the repository is, as `git fetch` takes it.
    pub url: String,
    /// The branch. Default: the one that the repository's `HEAD` names.
    pub branch: Option<String>,
    /// The folder of specs in it. Default: the top.
    #[serde(default)]
    pub path: PathBuf,
    /// How often it is asked for news. Default: `60s`.
    pub interval: Option<Duration>,
    /// What becomes of a rewritten history: `follow` or `refuse`. Default: `follow`.
    #[serde(default)]
    pub rewritten: Rewritten,
    /// Who has to have signed a commit. Default: nobody.
    pub signers: Option<SignersFile>,
}

/// One of both.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignersFile {
    /// A file of the form of `ssh-keygen`'s `allowed_signers`.
    pub ssh: Option<PathBuf>,
    /// A file of public keys, as `gpg --export` writes it.
    pub gpg: Option<PathBuf>,
}

/// A port on 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Webhook {
    /// The port.
    pub port: u16,
}

/// Why a file is none to start a controller with.
#[derive(Debug, thiserror::Error)]
pub enum ControllerProblem {
    /// It has another form.
    #[error("is no Controller: {0}")]
    Form(String),
    /// A source of it is none.
    #[error("spec.sources.{name}: {source}")]
    Source {
        /// Its name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: SourceProblem,
    },
}

/// What the sources of such a file are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Repositories.
    pub git: BTreeMap<String, GitSource>,
    /// Folders.
    pub folders: BTreeMap<String, PathBuf>,
}

impl Controller {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, ControllerProblem> {
        let form = |error: YamlError| {
            let why = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), ToString::to_string);
            ControllerProblem::Form(why)
        };
        let read: Self = from_yaml(text).map_err(form)?;
        for (key, value, wanted) in
            [("apiVersion", &read.api_version, API_VERSION), ("kind", &read.kind, "Controller")]
        {
            if value != wanted {
                return Err(ControllerProblem::Form(format!(
                    "`{key}` is `{value}`, and has to be `{wanted}`"
                )));
            }
        }
        Ok(read)
    }

    /// Its sources; `at` makes a path of the file absolute.
    pub fn sources(&self, at: impl Fn(&PathBuf) -> PathBuf) -> Result<Sources, ControllerProblem> {
        let mut all = Sources::default();
        for (name, source) in &self.spec.sources {
            let wrong = |source| ControllerProblem::Source { name: name.clone(), source };
            check_name(name).map_err(wrong)?;
            match source {
                Source { folder: Some(folder), git: None } => {
                    all.folders.insert(name.clone(), at(folder));
                }
                Source { folder: None, git: Some(git) } => {
                    let source = GitSource::new(git.url.clone(), git.branch.clone(), &git.path)
                        .map_err(wrong)?
                        .with_whole_path(|path| at(&path.to_path_buf()));
                    let signers = match &git.signers {
                        None => None,
                        Some(SignersFile { ssh: Some(file), gpg: None }) => {
                            Some(Signers::Ssh(at(file)))
                        }
                        Some(SignersFile { ssh: None, gpg: Some(file) }) => {
                            Some(Signers::Gpg(at(file)))
                        }
                        Some(_) => {
                            return Err(ControllerProblem::Form(format!(
                                "spec.sources.{name}.git.signers has either `ssh` or `gpg`"
                            )));
                        }
                    };
                    let interval = git.interval.map_or(INTERVAL, |interval| interval.0);
                    let rewritten = git.rewritten;
                    all.git
                        .insert(name.clone(), GitSource { interval, rewritten, signers, ..source });
                }
                Source { .. } => {
                    return Err(ControllerProblem::Form(format!(
                        "spec.sources.{name} has either `folder` or `git`"
                    )));
                }
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: agent-harness.dev/v1alpha1\nkind: Controller\n";

    fn sources(text: &str) -> Result<Sources, ControllerProblem> {
        Controller::parse(text)?.sources(|path| PathBuf::from("/etc").join(path))
    }

    #[test]
    fn a_file_says_what_specs_come_from() {
        let text = format!(
            "{HEAD}spec:\n  specs: mine\n  webhook: {{port: 9180}}\n  sources:\n    more: {{folder: ../srv/more}}\n    team:\n      \
             git: {{url: 'https://example.org/specs.git', branch: main, path: agents, interval: 5m, rewritten: refuse, \
             signers: {{ssh: signers}}}}\n    other: {{git: {{url: ../other}}}}\n"
        );
        let read = Controller::parse(&text).unwrap();
        assert_eq!(read.spec.specs, Some("mine".into()));
        assert_eq!(read.spec.webhook, Some(Webhook { port: 9180 }));
        let all = sources(&text).unwrap();
        assert_eq!(all.folders, [("more".to_owned(), PathBuf::from("/etc/../srv/more"))].into());
        let team = &all.git["team"];
        assert_eq!((team.branch.as_deref(), team.path.to_str()), (Some("main"), Some("agents")));
        assert_eq!(team.interval, std::time::Duration::from_secs(300));
        assert_eq!(team.rewritten, Rewritten::Refuse);
        assert_eq!(team.signers, Some(Signers::Ssh("/etc/signers".into())));
        assert_eq!(
            all.git["other"],
            GitSource::new("/etc/../other".into(), None, "".as_ref()).unwrap()
        );
        assert_eq!(sources(HEAD).unwrap(), Sources::default());
    }

    #[test]
    fn what_is_wrong_with_it_is_named() {
        let wrong = [
            "kind: Controller".to_owned(),
            HEAD.replace("Controller", "Agent"),
            HEAD.replace("v1alpha1", "v2"),
            format!("{HEAD}spec: {{sorces: {{}}}}"),
            format!("{HEAD}spec: {{sources: {{a: {{}}}}}}"),
            format!("{HEAD}spec: {{sources: {{a: {{folder: b, git: {{url: c}}}}}}}}"),
            format!("{HEAD}spec: {{sources: {{A: {{folder: b}}}}}}"),
            format!("{HEAD}spec: {{sources: {{a: {{git: {{url: 'https://a:b@c/d'}}}}}}}}"),
            format!("{HEAD}spec: {{sources: {{a: {{git: {{url: c, signers: {{}}}}}}}}}}"),
            format!("{HEAD}spec: {{sources: {{a: {{git: {{url: c, interval: 5}}}}}}}}"),
        ];
        let words: Vec<String> =
            wrong.iter().map(|text| sources(text).unwrap_err().to_string()).collect();
        insta::assert_snapshot!(words.join("\n"), @"
        is no Controller: missing field `apiVersion` at line 1, column 1
        is no Controller: `kind` is `Agent`, and has to be `Controller`
        is no Controller: `apiVersion` is `agent-harness.dev/v2`, and has to be `agent-harness.dev/v1alpha1`
        is no Controller: unknown field `sorces`, expected one of specs, sources, webhook at line 3, column 8
        is no Controller: spec.sources.a has either `folder` or `git`
        is no Controller: spec.sources.a has either `folder` or `git`
        spec.sources.A: `A` is no name for a source: a name is written in lower case: `A` is not allowed
        spec.sources.a: a URL with a password in it is seen by everybody who lists processes: leave the password out, and let git get it from its credential helper
        is no Controller: spec.sources.a.git.signers has either `ssh` or `gpg`
        is no Controller: `5` is not a duration: write a number and a unit, such as 500ms, 60s, 20m, 1h30m or 1d at line 3, column 46
        ");
    }
}
