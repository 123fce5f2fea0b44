//! The example app: one program whose subcommands are the processes and steps of a small web app.
//!
//! It knows nothing of Agent Harness: everything it needs comes from the environment, as for any
//! app. Each subcommand is a module.

mod api;
mod bloat;
mod check;
mod config;
mod db;
mod error;
mod frontend;
mod output;
mod seed_files;
mod serve;
mod sql_folder;
mod store;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Notes in PostgreSQL, attachments in S3, and a page to see both.
#[derive(Debug, Parser)]
#[command(name = "hello", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring the database's tables up to date with ./migrations
    Migrate,
    /// Put the example notes of ./seeds into the database
    Seed,
    /// Put the example attachments of ./seeds/files into the bucket
    SeedFiles,
    /// Serve the API on 127.0.0.1:$PORT
    Api,
    /// Serve the page of ./frontend on 127.0.0.1:$FE_PORT
    Frontend,
    /// Count the words of new notes and keep summary.json in the bucket up to date
    Worker,
    /// Check a running app from outside: the API's health, the page, a note and an attachment
    Check,
    /// Make the database that much bigger, for benchmarks
    Bloat {
        /// Megabytes to add
        #[arg(long)]
        mb: u32,
    },
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Migrate => sql_folder::migrate().await,
        Command::Seed => sql_folder::seed().await,
        Command::SeedFiles => seed_files::run().await,
        Command::Api => api::run().await,
        Command::Frontend => frontend::run().await,
        Command::Worker => worker::run().await,
        Command::Check => check::run().await,
        Command::Bloat { mb } => bloat::run(mb).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Where the bytes of a note's attachment lie in the bucket.
fn attachment_key(note: i64) -> String {
    format!("attachments/{note}")
}
