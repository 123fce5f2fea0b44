//! The verify pipeline: what an agent's work is checked with, what came of it, and what tools say in which words.
//! Running the commands is the engine's affair.

mod known;
mod pipeline;
mod problems;
mod report;
#[cfg(test)]
mod tests;

pub use pipeline::{Pipeline, Selection, Stage, Unselectable, Work};
pub use problems::{Matchers, Problem, Reader, Severity, first_words};
pub use report::{CommandReport, Receipt, Report, StageReport, Summary, Verdict};
