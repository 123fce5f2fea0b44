//! Runs the SQL files of a folder in the order of their names, each once and in a transaction.
//!
//! Which ran is kept in the database itself, in `_migration` and `_seed`.

use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

use crate::error::Error;
use crate::{db, output};

const MIGRATIONS: &str = "migrations";

/// `hello migrate`.
pub async fn migrate() -> Result<(), Error> {
    run(&db::pool()?, Path::new(MIGRATIONS), "_migration").await
}

/// `hello seed`.
pub async fn seed() -> Result<(), Error> {
    run(&db::pool()?, Path::new("seeds"), "_seed").await
}

/// The names of the migrations that did not run yet.
pub async fn pending(pool: &PgPool) -> Result<Vec<String>, Error> {
    let done: Vec<String> = match sqlx::query_scalar("SELECT name FROM _migration")
        .fetch_all(pool)
        .await
    {
        Ok(names) => names,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let files = files(Path::new(MIGRATIONS)).await?;
    Ok(files.into_iter().map(|(name, _)| name).filter(|name| !done.contains(name)).collect())
}

async fn run(pool: &PgPool, folder: &Path, table: &'static str) -> Result<(), Error> {
    let mut ran = 0;
    for (name, path) in files(folder).await? {
        let sql = tokio::fs::read_to_string(&path)
            .await
            .map_err(|source| Error::Read { path: path.clone(), source })?;
        let mut transaction = begin(pool, table).await?;
        let known: bool = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT EXISTS (SELECT FROM {table} WHERE name = $1)"
        )))
        .bind(&name)
        .fetch_one(&mut *transaction)
        .await?;
        if known {
            continue;
        }
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *transaction)
            .await
            .map_err(|source| Error::Sql { path, source })?;
        sqlx::query(AssertSqlSafe(format!("INSERT INTO {table} (name) VALUES ($1)")))
            .bind(&name)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        output::line(format!("{}/{name}", folder.display()));
        ran += 1;
    }
    output::line(format!("{}: {ran} ran", folder.display()));
    Ok(())
}

/// A transaction that holds a lock, so that two runs at a time do not run a file twice.
async fn begin(
    pool: &PgPool,
    table: &'static str,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('hello'))")
        .execute(&mut *transaction)
        .await?;
    sqlx::query(AssertSqlSafe(format!(
        "CREATE TABLE IF NOT EXISTS {table} (name text PRIMARY KEY, ran_at timestamptz NOT NULL DEFAULT now())"
    )))
    .execute(&mut *transaction)
    .await?;
    Ok(transaction)
}

/// The SQL files of a folder by name, in order.
async fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let read = |source| Error::Read { path: folder.to_path_buf(), source };
    let mut entries = tokio::fs::read_dir(folder).await.map_err(read)?;
    let mut files = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(read)? {
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == "sql") {
            files.push((entry.file_name().to_string_lossy().into_owned(), path));
        }
    }
    files.sort();
    Ok(files)
}
