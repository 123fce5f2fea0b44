//! `hello worker`: counts the words of new notes, and keeps a summary of all in the bucket.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;

use crate::error::Error;
use crate::store::Bucket;
use crate::{db, output, serve};

const PERIOD: Duration = Duration::from_secs(1);

/// Works until the process is asked to end; a failure is logged and tried again.
pub async fn run() -> Result<(), Error> {
    let (pool, bucket) = (db::pool()?, Bucket::from_env()?);
    let end = serve::asked_to_end();
    tokio::pin!(end);
    output::line("worker waits for notes");
    let mut summary = None;
    loop {
        if let Err(error) = round(&pool, &bucket, &mut summary).await {
            output::error(&error);
        }
        tokio::select! {
            () = &mut end => return Ok(()),
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

/// One round; `last` is the summary that is known to be in the bucket.
async fn round(pool: &PgPool, bucket: &Bucket, last: &mut Option<(i64, i64)>) -> Result<(), Error> {
    let counted = sqlx::query(
        r"UPDATE note SET words = cardinality(regexp_split_to_array(trim(body), '\s+'))
          WHERE id IN (SELECT id FROM note WHERE words IS NULL ORDER BY id LIMIT 100
                       FOR UPDATE SKIP LOCKED)",
    )
    .execute(pool)
    .await?
    .rows_affected();
    if counted > 0 {
        output::line(format!("counted the words of {counted} notes"));
    }
    let now: (i64, i64) = sqlx::query_as("SELECT count(*), coalesce(sum(words), 0) FROM note")
        .fetch_one(pool)
        .await?;
    if *last != Some(now) {
        let body = json!({ "notes": now.0, "words": now.1 }).to_string();
        bucket.put("summary.json", "application/json", body.into_bytes()).await?;
        *last = Some(now);
    }
    Ok(())
}
