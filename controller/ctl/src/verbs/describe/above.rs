//! The problem that stands at the top of a description, and leaving it out further below: the controller says it
//! in conditions, resources and events alike, at up to 300 characters each.

use agent_harness_model::api::Object;
use agent_harness_model::status::ConditionType;

use crate::object;

/// What stands for what was said.
const SEE: &str = "see above";

/// What is shorter is as soon read as looked for.
const LONG: usize = 40;

/// What was said at the top.
#[derive(Default)]
pub struct Above {
    /// The condition that it comes from, which says it in full.
    pub owner: Option<ConditionType>,
    /// As it was said, longest first: all of it, and the bare error of its first resource.
    texts: Vec<String>,
}

impl Above {
    /// What is said at the top of an object's description.
    pub fn of(object: &Object) -> Self {
        let Some(problem) = object::problem(object) else { return Self::default() };
        let line = problem.message.lines().next().unwrap_or_default();
        let mut texts = vec![problem.message.clone(), line.to_owned(), bare(line).to_owned()];
        texts.retain(|text| text.len() >= LONG);
        texts.dedup();
        Self { owner: Some(problem.kind), texts }
    }

    /// A text without what was said at the top.
    pub fn without(&self, text: &str) -> String {
        if text.len() >= LONG && self.texts.iter().any(|said| said.contains(text)) {
            return SEE.to_owned();
        }
        let said = self.texts.iter().find(|said| text.contains(said.as_str()));
        said.map_or_else(|| text.to_owned(), |said| text.replace(said, SEE))
    }
}

/// `process/api: it ended (asked for at a.yaml:3)`, without what is around the error: an event has other words
/// there, a resource none.
fn bare(line: &str) -> &str {
    let rest = line.split_once(": ").map_or(line, |(_, rest)| rest);
    rest.split_once(" (asked for at ").map_or(rest, |(error, _)| error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_said_is_left_out() {
        let error = "it ended with exit code 1 right after it was started, five times in a row";
        let problem = format!("process/api: {error} (asked for at /specs/stack.yaml:12)");
        let object = crate::testing::agent(
            "agent-1",
            agent_harness_model::status::Phase::Progressing,
            &problem,
        );
        let above = Above::of(&object);
        assert_eq!(above.owner, Some(ConditionType::Ready));
        assert_eq!(above.without(&problem), "see above");
        assert_eq!(above.without(error), "see above");
        assert_eq!(above.without(&format!("{problem}; web waits")), "see above; web waits");
        assert_eq!(
            above.without(&format!("process/api start: {error}")),
            "process/api start: see above"
        );
        for other in ["", "process/api", "database/app was cloned from hello_template in 0.3s"] {
            assert_eq!(above.without(other), other);
        }
        let short = crate::testing::agent(
            "agent-1",
            agent_harness_model::status::Phase::Progressing,
            "port 1 is taken",
        );
        assert_eq!(Above::of(&short).without("port 1 is taken"), "port 1 is taken");
    }
}
