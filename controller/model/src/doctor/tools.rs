//! What is said of the programs that a stack needs, of what they printed.

use std::sync::LazyLock;

use regex::Regex;
use semver::{Version, VersionReq};

use crate::api::Check;
use crate::spec::Tool;

/// The first number with a dot in it.
static VERSION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?").ok());

/// How one program stands: what it printed, or why it did not run.
pub fn tool(name: &str, wanted: &Tool, found: &Result<String, String>) -> Check {
    let fix = wanted.fix.clone().unwrap_or_else(|| format!("install {name}"));
    let bad = if wanted.optional { Check::warning } else { Check::problem };
    let asked = wanted.version.as_deref().and_then(|asked| VersionReq::parse(asked).ok());
    let text = match found {
        Err(why) => return bad(name, why.clone(), fix),
        Ok(text) => text.trim(),
    };
    let first = text.lines().next().unwrap_or_default().trim();
    let (Some(asked), Some(version)) = (asked, version(text)) else {
        return match &wanted.version {
            Some(asked) => {
                bad(name, format!("{first:?} tells no version, and {asked} is wanted"), fix)
            }
            None => Check::ok(name, first),
        };
    };
    if asked.matches(&version) {
        Check::ok(name, version.to_string())
    } else {
        bad(name, format!("{version} is there, and {asked} is wanted"), fix)
    }
}

fn version(text: &str) -> Option<Version> {
    let found = VERSION.as_ref()?.captures(text)?;
    let part = |index| found.get(index).map_or(Some(0), |part| part.as_str().parse().ok());
    Some(Version::new(part(1)?, part(2)?, part(3)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_there_and_new_enough_or_it_is_said_what_to_do() {
        let asked = |version: &str| Tool {
            version: Some(version.to_owned()),
            fix: Some("fnm install 20".to_owned()),
            ..Tool::default()
        };
        let optional = Tool { optional: true, ..Tool::default() };
        let ok = |text: &str| Ok(text.to_owned());
        let missing = || Err("there is no program `node` on the PATH of agents".to_owned());
        let all = [
            tool("node", &asked(">=20.19"), &ok("v20.20.2\n")),
            tool("node", &asked(">=20.19, <25"), &ok("v18.19.1")),
            tool("node", &asked(">=20.19"), &missing()),
            tool("node", &asked(">=20.19"), &ok("what?")),
            tool("python3", &Tool::default(), &ok("Python 3.11.7")),
            tool("go", &asked(">=1.21"), &ok("go version go1.26 linux/amd64")),
            tool("dbt", &optional, &missing()),
        ];
        let line = |check: &Check| {
            let fix = check.fix.as_ref().map(|fix| format!(" -> {fix}")).unwrap_or_default();
            format!("{:?} {}: {}{fix}\n", check.verdict, check.name, check.message)
        };
        insta::assert_snapshot!(all.iter().map(line).collect::<String>(), @r#"
        Ok node: 20.20.2
        Problem node: 18.19.1 is there, and >=20.19, <25 is wanted -> fnm install 20
        Problem node: there is no program `node` on the PATH of agents -> fnm install 20
        Problem node: "what?" tells no version, and >=20.19 is wanted -> fnm install 20
        Ok python3: Python 3.11.7
        Ok go: 1.26.0
        Warning dbt: there is no program `node` on the PATH of agents -> install dbt
        "#);
    }
}
