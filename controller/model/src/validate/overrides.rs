//! Who is to be told when a Stack and an agent's overrides do not fit each other: the agent, where it says so.

use crate::spec::diagnostic::Diagnostic;
use crate::spec::node::NodeKind;
use crate::spec::parse::Document;
use crate::spec::source::Place;

/// What the problem of a merged spec comes from.
pub(super) struct Cause {
    /// Where the agent says it.
    pub place: Place,
    /// The key that it removes, if it removes one.
    pub removes: Option<String>,
}

/// What an agent says about a part of the spec: the part itself, or that something it lies in is removed.
pub(super) fn cause(agent: &Document, path: &[&str]) -> Option<Cause> {
    let mut node = agent.node.get("spec")?;
    let mut place = None;
    for (depth, key) in (1..).zip(path) {
        let entry = node.entry(key)?;
        if matches!(entry.value.kind, NodeKind::Null) {
            let removes = path.get(..depth).map(|path| path.join("."));
            return Some(Cause { place: entry.place(), removes });
        }
        place = Some(entry.place());
        node = &entry.value;
    }
    Some(Cause { place: place?, removes: None })
}

/// The problem of an agent at `place` in its Stack, told at `cause`.
pub(super) fn told(
    agent: &Document,
    cause: Cause,
    place: Place,
    message: &str,
    help: &str,
) -> Diagnostic {
    let help = match cause.removes {
        Some(key) => format!("leave `{key}: null` out, or change what needs it"),
        None => help.to_owned(),
    };
    Diagnostic::at(cause.place, format!("in {}, {message}", agent.key))
        .related("the Stack says it here", place)
        .help(help)
        .of(agent.key.clone())
}

/// The same for a problem of which nothing but its place is known: one in the Stack is told at the agent's name.
pub(super) fn tell(agent: &Document, problem: Diagnostic) -> Diagnostic {
    let Some(place) = problem.place.clone().filter(|place| !wrote(agent, place)) else {
        return problem;
    };
    let place_of_agent = Cause { place: agent.name_place(), removes: None };
    let mut told = told(agent, place_of_agent, place, &problem.message, "");
    told.related.extend(problem.related);
    Diagnostic { help: problem.help, ..told }
}

/// Whether a place lies in an agent's document.
fn wrote(agent: &Document, place: &Place) -> bool {
    let line = |offset: usize| {
        let before = agent.node.source.text.get(..offset).unwrap_or_default();
        before.matches('\n').count() + 1
    };
    *place.file == *agent.file
        && (line(agent.range.start)..=line(agent.range.end)).contains(&(place.line as usize))
}
