//! `hello seed-files`: attaches the files of `seeds/files` to the notes that their names begin with.

use std::path::Path;

use crate::error::Error;
use crate::store::Bucket;
use crate::{attachment_key, db, output};

const FOLDER: &str = "seeds/files";

/// Puts each file into the bucket and notes it in the database. Doing it again changes nothing.
pub async fn run() -> Result<(), Error> {
    let (pool, bucket) = (db::pool()?, Bucket::from_env()?);
    let read = |source| Error::Read { path: FOLDER.into(), source };
    let mut entries = tokio::fs::read_dir(Path::new(FOLDER)).await.map_err(read)?;
    while let Some(entry) = entries.next_entry().await.map_err(read)? {
        let file_name = entry.file_name().to_string_lossy().into_owned();
        let Some((Ok(note), name)) =
            file_name.split_once('-').map(|(id, name)| (id.parse::<i64>(), name))
        else {
            continue;
        };
        let path = entry.path();
        let bytes = tokio::fs::read(&path).await.map_err(|source| Error::Read { path, source })?;
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        bucket.put(&attachment_key(note), "text/plain", bytes).await?;
        sqlx::query(
            "INSERT INTO attachment (note_id, name, content_type, size)
             SELECT id, $2, 'text/plain', $3 FROM note WHERE id = $1
             ON CONFLICT (note_id) DO NOTHING",
        )
        .bind(note)
        .bind(name)
        .bind(size)
        .execute(&pool)
        .await?;
        output::line(format!("{name} is attached to note {note}"));
    }
    Ok(())
}
