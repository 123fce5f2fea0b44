//! How far a step is that takes long, said while it is under way. Pure.

use super::Status;
use crate::id::ResourceId;

/// What is said of a resource whose step is under way.
pub(super) fn under_way(resource: &str) -> String {
    format!("{resource} is under way")
}

impl Status {
    /// Says how far the step of a resource is, wherever it is said that it is under way; whether that is said at all.
    pub fn tell_progress(&mut self, of: &ResourceId, text: &str) -> bool {
        let resource = of.local();
        let said = under_way(&resource);
        let now = format!("{said}: {text}");
        let mut told = false;
        for condition in &mut self.conditions {
            told |= condition.message.contains(&said);
            let lines = condition.message.split("; ");
            let lines = lines.map(|line| if line.starts_with(&said) { now.as_str() } else { line });
            condition.message = lines.collect::<Vec<_>>().join("; ");
        }
        // A step that has ended since says more than how far it was.
        if let Some(status) = self.resources.get_mut(&resource).filter(|_| told) {
            text.clone_into(&mut status.message);
        }
        told
    }
}
