//! Which settings are in force: a draft is put beside those that are, and takes their place only when a start with it
//! is due. Those before stay until a server has come up with the new ones.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use super::Prepared;
use super::error::EmbeddedError;
use super::init::command;
use super::layout::Layout;
use super::user::{self, RunAs};
use crate::fs;

/// How long the server may take to read its settings.
const LIMIT: Duration = Duration::from_secs(20);

/// Writes settings that are not in force yet.
pub(super) fn draft(
    layout: &Layout,
    settings: &str,
    user: Option<&RunAs>,
) -> Result<(), EmbeddedError> {
    let draft = draft_of(layout);
    fs::write_atomic(&draft, settings, 0o600)?;
    user::give(&draft, user)
}

/// What the server says against the draft; `None`: it takes it. It reads the settings alone, and may run meanwhile:
/// names and values are looked at, but not whether a library is there or the memory suffices.
pub async fn refusal(prepared: &Prepared) -> Result<Option<String>, EmbeddedError> {
    let Prepared { argv, user, layout } = prepared;
    let program = PathBuf::from(&argv[0]);
    let config = format!("config_file={}", draft_of(layout).display());
    let answer = command(&program, user.as_ref())
        // One that needs no start to be known.
        .args(["-C", "data_directory", "-D"])
        .arg(&layout.data)
        .args(["-c", &config, "-c", "log_line_prefix="])
        .stdin(Stdio::null())
        .output();
    let Ok(output) = tokio::time::timeout(LIMIT, answer).await else {
        return Err(EmbeddedError::Failed {
            program: "postgres -C",
            how: format!("no end within {} s", LIMIT.as_secs()),
            last_lines: String::new(),
        });
    };
    let output = output.map_err(|source| EmbeddedError::Run { program, source })?;
    if output.status.success() {
        return Ok(None);
    }
    Ok(Some(words(&String::from_utf8_lossy(&output.stderr))))
}

/// Its complaints, without the last one, which only says that there were some.
fn words(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let complaints: Vec<&str> =
        lines.iter().filter_map(|line| line.strip_prefix("LOG:")).map(str::trim).collect();
    if complaints.is_empty() { lines.join("; ") } else { complaints.join("; ") }
}

/// Takes the draft. Whether other settings were in force before that can be put back: a server came up with them,
/// and none did with those that came between.
pub fn put_in_force(layout: &Layout) -> Result<bool, EmbeddedError> {
    let (draft, before) = (draft_of(layout), before_of(layout));
    let kept = fs::metadata(&before)?.is_some();
    let now = fs::read_to_string_if_exists(&layout.conf)?;
    let others = match &now {
        Some(now) => *now != fs::read_to_string(&draft)?,
        None => false,
    };
    if others && !kept {
        fs::rename(&layout.conf, before)?;
    }
    fs::rename(draft, &layout.conf)?;
    Ok(others || kept)
}

/// Puts the settings in force again that a server last came up with. Whether there are any.
pub fn put_back(layout: &Layout) -> Result<bool, EmbeddedError> {
    let before = before_of(layout);
    if fs::metadata(&before)?.is_some() {
        fs::rename(before, &layout.conf)?;
    }
    Ok(fs::metadata(&layout.conf)?.is_some())
}

/// A server came up with what is in force.
pub fn came_up(layout: &Layout) -> Result<(), EmbeddedError> {
    fs::remove_file_if_exists(before_of(layout))?;
    Ok(())
}

fn draft_of(layout: &Layout) -> PathBuf {
    layout.conf.with_added_extension("draft")
}

fn before_of(layout: &Layout) -> PathBuf {
    layout.conf.with_added_extension("before")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(folder: &std::path::Path) -> Layout {
        Layout {
            root: folder.into(),
            base: folder.into(),
            data: folder.join("data"),
            conf: folder.join("conf"),
        }
    }

    #[test]
    fn what_a_server_came_up_with_is_put_back_whatever_was_tried_since() {
        let folder = tempfile::tempdir().unwrap();
        let layout = layout(folder.path());
        let take = |text: &str| {
            draft(&layout, text, None).unwrap();
            put_in_force(&layout).unwrap()
        };
        let now = || fs::read_to_string(&layout.conf).unwrap();
        assert!(!put_back(&layout).unwrap(), "there is nothing yet");
        assert!(!take("first"));
        came_up(&layout).unwrap();
        assert!(!take("first"), "they are the same");
        // Cut off before it was known whether the server comes up.
        assert!(take("second"));
        assert!(take("second"));
        assert!(take("third"));
        assert_eq!(now(), "third");
        assert!(put_back(&layout).unwrap());
        assert_eq!(now(), "first");
        assert!(put_back(&layout).unwrap());
        assert_eq!(now(), "first");
        assert!(take("fourth"));
        came_up(&layout).unwrap();
        assert!(put_back(&layout).unwrap());
        assert_eq!(now(), "fourth");
    }

    #[test]
    fn a_complaint_is_told_without_what_surrounds_it() {
        let said = "LOG:  invalid value for parameter \"max_connections\": \"lots\"\n\
            FATAL:  configuration file \"/s/conf.draft\" contains errors\n";
        assert_eq!(words(said), "invalid value for parameter \"max_connections\": \"lots\"");
        assert_eq!(words("FATAL:  no memory\n"), "FATAL:  no memory");
        assert_eq!(words(""), "");
    }
}
