//! What a view was made of. Where that is still the same, so is the view: most surveys find nothing new.

use std::sync::Arc;

use agent_harness_model::resolve::Facts;

use crate::core::Core;
use crate::intake::sources::Intake;
use crate::view::View;

/// Whatever resolving goes by, and what came of it.
#[derive(Debug, Clone)]
pub struct Basis {
    inputs: Inputs,
    facts: Arc<Facts>,
    view: Arc<View>,
}

/// What is looked at before the facts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inputs {
    sources: u64,
    ledger: u64,
}

impl Inputs {
    /// Those of now.
    pub fn now(core: &Core) -> Self {
        Self { sources: core.sources().revision(), ledger: core.ledger().revision() }
    }
}

impl Basis {
    /// That of a view which was made of these, unless the view will be another one as time passes: because a file
    /// is missing and its grace ends, or because something is on its way out or in the trash: an object, or what a
    /// live one does not want any more.
    pub fn of(core: &Core, inputs: Inputs, intake: &Intake, view: &Arc<View>) -> Option<Self> {
        // Taken apart without `..`: a new field cannot be missed here.
        let Intake {
            documents: _,
            problems: _,
            held: _,
            leave,
            blocked,
            ask_again,
            frozen,
            // Of what is the same, nobody asks where it came from anew.
            commits: _,
        } = intake;
        let waits =
            !leave.is_empty() || !blocked.is_empty() || ask_again.is_some() || frozen.is_some();
        let leaving = core.ledger().records().any(|record| {
            let mut entries = record.resources.values();
            record.deletion.is_some() || entries.any(|entry| entry.leaving_since.is_some())
        });
        let (facts, view) = (core.facts.facts(), Arc::clone(view));
        (!waits && !leaving).then_some(Self { inputs, facts, view })
    }

    /// The view, when all but the facts is as it was.
    pub fn view(&self, core: &Core) -> Option<&Arc<View>> {
        let same = self.inputs == Inputs::now(core) && Arc::ptr_eq(&self.view, &core.view());
        same.then_some(&self.view)
    }

    /// Whether the facts are, once they were gathered.
    pub fn has_facts_of(&self, core: &Core) -> bool {
        Arc::ptr_eq(&self.facts, &core.facts.facts())
    }
}
