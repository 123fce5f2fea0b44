//! How large databases are, and when templates were built: asked for by people alone, for it reads every file's size.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::error::PgError;
use super::note::Note;
use super::server::Server;
use super::sql::literal;

/// What is told of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// Bytes on disk.
    pub size: u64,
    /// When it was built, where its note says so.
    pub built_at: Option<Timestamp>,
}

/// The figures of those databases that are there and carry a note of this installation.
pub async fn of(
    server: &Server,
    installation: &str,
    names: &[String],
) -> Result<BTreeMap<String, Figures>, PgError> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let list: Vec<_> = names.iter().map(|name| literal(name)).collect();
    // Whoever's it is not, is not ours to measure: the note of the owner counts, or, where that is the administrator,
    // the one of the database.
    let sql = format!(
        "SELECT d.datname::text, shobj_description(d.oid, 'pg_database'), \
           shobj_description(d.datdba, 'pg_authid'), pg_database_size(d.oid)::text \
         FROM pg_database d WHERE d.datconnlimit <> -2 AND d.datname IN ({})",
        list.join(", ")
    );
    let mut session = server.session().await?;
    let rows = session.rows_once(&sql, "ask for the sizes of databases").await?;
    let mut all = BTreeMap::new();
    for row in &rows {
        let name: String = server.column(row, 0)?;
        let notes: [Option<String>; 2] = [server.column(row, 1)?, server.column(row, 2)?];
        let size: Option<String> = server.column(row, 3)?;
        let mut notes = notes.iter().flatten().filter_map(|text| Note::parse(text));
        let ours = notes.rfind(|note| note.mark.installation == installation);
        if let (Some(note), Some(size)) = (ours, size.and_then(|size| size.parse().ok())) {
            all.insert(name, Figures { size, built_at: note.built_at });
        }
    }
    session.keep();
    Ok(all)
}
