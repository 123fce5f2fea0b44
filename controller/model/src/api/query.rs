//! What a database server remembers of a query.

use serde::{Deserialize, Serialize};

/// A query of one database, its values taken out, over all times that it was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlowQuery {
    /// How often it was run.
    pub calls: u64,
    /// Milliseconds that all of that took.
    pub total_ms: f64,
    /// Milliseconds that it takes on the average.
    pub mean_ms: f64,
    /// Rows that came of it.
    pub rows: u64,
    /// The query, with `$1` for each value.
    pub query: String,
}
