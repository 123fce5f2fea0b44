//! `hello bloat`: rows that cannot be compressed, so that a benchmark has a database of some size.

use crate::error::Error;
use crate::{db, output};

/// Adds about that many megabytes.
pub async fn run(mb: u32) -> Result<(), Error> {
    let pool = db::pool()?;
    sqlx::query("CREATE TABLE IF NOT EXISTS bloat (n integer, payload text)")
        .execute(&pool)
        .await?;
    // Seven rows of 32 MD5 sums fill a page of 8 KiB: 128 pages, or 896 rows, are a megabyte.
    let rows = i64::from(mb) * 896;
    sqlx::query(
        "INSERT INTO bloat
         SELECT row, (SELECT string_agg(md5(row::text || '/' || part::text), '')
                      FROM generate_series(1, 32) part)
         FROM generate_series(1, $1) row",
    )
    .bind(rows)
    .execute(&pool)
    .await?;
    let size: String =
        sqlx::query_scalar("SELECT pg_size_pretty(pg_database_size(current_database()))")
            .fetch_one(&pool)
            .await?;
    output::line(format!("the database has {size} now"));
    Ok(())
}
