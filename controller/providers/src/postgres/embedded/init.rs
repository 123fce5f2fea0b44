//! Makes the data folder: as a draft beside it, renamed when it is complete and closed. A crash leaves a draft,
//! and perhaps an `initdb` that goes on with it: the next try has a draft of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use agent_harness_model::secret::Secret;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::binaries::Binaries;
use super::conf::HBA;
use super::error::EmbeddedError;
use super::layout::Layout;
use super::user::{self, RunAs};
use crate::fs;

/// The superuser's name.
pub const ADMIN: &str = "postgres";
/// How long `initdb` may take.
const LIMIT: Duration = Duration::from_secs(120);
/// The locale that sorts and upcases all of Unicode alike everywhere.
const LOCALE: &str = "C.UTF-8";
/// Where the system lacks it.
const FALLBACK: &str = "C";

/// Makes the data folder unless it is there.
pub async fn initialise(
    layout: &Layout,
    binaries: &Binaries,
    user: Option<&RunAs>,
    password: &Secret,
) -> Result<(), EmbeddedError> {
    layout.remove_drafts()?;
    if fs::metadata(&layout.data)?.is_some() {
        // Also for data that an earlier version made, or whose making was cut off right here.
        return layout.note_data();
    }
    let draft = match make(layout, binaries, user, password, LOCALE).await {
        // Any other failure may pass, and the locale stays for good.
        Err(error) if is_unknown_locale(&error) => {
            make(layout, binaries, user, password, FALLBACK).await?
        }
        other => other?,
    };
    let hba = draft.join("pg_hba.conf");
    fs::write_atomic(&hba, HBA, 0o600)?;
    user::give(&hba, user)?;
    close(&draft, binaries, user).await?;
    fs::rename(&draft, &layout.data)?;
    layout.note_data()
}

/// A draft in this locale; nothing when it fails.
async fn make(
    layout: &Layout,
    binaries: &Binaries,
    user: Option<&RunAs>,
    password: &Secret,
    locale: &str,
) -> Result<PathBuf, EmbeddedError> {
    let draft = layout.new_draft();
    fs::create_dir_all(&draft, 0o700)?;
    user::give(&draft, user)?;
    match initdb(&draft, binaries, user, password, locale).await {
        Ok(()) => Ok(draft),
        Err(error) => {
            fs::remove_dir_all(&draft)?;
            Err(error)
        }
    }
}

fn is_unknown_locale(error: &EmbeddedError) -> bool {
    matches!(error, EmbeddedError::Failed { last_lines, .. } if last_lines.contains("invalid locale"))
}

async fn initdb(
    draft: &Path,
    binaries: &Binaries,
    user: Option<&RunAs>,
    password: &Secret,
    locale: &str,
) -> Result<(), EmbeddedError> {
    let file = draft.with_added_extension("password");
    fs::write_atomic(&file, password.reveal(), 0o600)?;
    let given = user::give(&file, user);
    let mut command = command(&binaries.dir.join("initdb"), user);
    command
        .arg("--pgdata")
        .arg(draft)
        .arg("--pwfile")
        .arg(&file)
        .args(["--username", ADMIN, "--encoding", "UTF8", "--locale", locale])
        .args(["--auth", "scram-sha-256", "--no-instructions"]);
    let done = match given {
        Ok(()) => run("initdb", command, "").await,
        Err(error) => Err(error),
    };
    fs::remove_file_if_exists(&file)?;
    done
}

/// Takes the default databases from everybody but the administrator, before the first connection there can be.
async fn close(
    draft: &Path,
    binaries: &Binaries,
    user: Option<&RunAs>,
) -> Result<(), EmbeddedError> {
    let mut command = command(&binaries.dir.join("postgres"), user);
    command.arg("--single").arg("-D").arg(draft).args(["-c", "exit_on_error=on", "postgres"]);
    let sql = "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;\n";
    run("postgres --single", command, sql).await
}

/// A program of the server's, as the server's user.
pub(super) fn command(program: &Path, user: Option<&RunAs>) -> Command {
    let mut command = Command::new(program);
    // LC_ALL decides the language of messages only: the locale of the data is an argument.
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .current_dir("/")
        .kill_on_drop(true);
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

async fn run(name: &'static str, mut command: Command, input: &str) -> Result<(), EmbeddedError> {
    let program = || command_path(name);
    let failed_to_run = |source| EmbeddedError::Run { program: program(), source };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed_to_run)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends early says why itself.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let failed =
        |how: String, last_lines: String| EmbeddedError::Failed { program: name, how, last_lines };
    let Ok(output) = tokio::time::timeout(LIMIT, child.wait_with_output()).await else {
        return Err(failed(format!("no end within {} s", LIMIT.as_secs()), String::new()));
    };
    let output = output.map_err(failed_to_run)?;
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    Err(failed(output.status.to_string(), last_lines(&String::from_utf8_lossy(&printed))))
}

fn command_path(name: &str) -> std::path::PathBuf {
    name.into()
}

/// The last five lines that say something, joined by `; `.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}
