//! What something may use of the host, as far as the schema does not say it.

use super::lint::Lint;
use crate::spec::Size;

/// Less than any program needs to begin.
const MEMORY_MIN: u64 = 1 << 20;

/// Limits of memory and processors at `path`.
pub(super) fn check(lint: &mut Lint<'_>, path: &[&str], memory: Option<Size>, cpus: Option<f64>) {
    let at = |key| -> Vec<&str> { path.iter().copied().chain([key]).collect() };
    if let Some(memory) = memory.filter(|it| it.0 < MEMORY_MIN) {
        lint.value(
            &at("memory"),
            format!("{memory} is less than any program needs"),
            "write 1Mi or more, such as `1Gi`",
        );
    }
    // The kernel gives out processors by the hundredth.
    if let Some(cpus) = cpus.filter(|it| !(*it >= 0.01 && *it <= 4096.0)) {
        lint.value(
            &at("cpus"),
            format!("{cpus} is no number of processors"),
            "write a number above 0, such as `1.5`",
        );
    }
}
