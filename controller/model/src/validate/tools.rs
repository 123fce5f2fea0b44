//! The programs that a stack needs.

use semver::VersionReq;

use super::lint::Lint;
use crate::spec::StackSpec;

pub(super) fn check(lint: &mut Lint<'_>, spec: &StackSpec) {
    for (name, tool) in &spec.tools {
        lint.name(&["tools", name], "a program");
        if let Some(run) = &tool.run {
            lint.command(&["tools", name, "run"], run);
            run.texts().for_each(|text| lint.fixed(&["tools", name, "run"], text));
        }
        if let Some(version) = &tool.version
            && let Err(error) = VersionReq::parse(version)
        {
            lint.value(
                &["tools", name, "version"],
                format!("{version:?} says no versions: {error}"),
                "write `\">=20.19\"`, or `\">=3.9, <3.13\"`",
            );
        }
    }
}
