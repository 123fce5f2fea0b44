//! The settings of an embedded server: what we set, what users set, and what nobody may change. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use agent_harness_model::postgres::setting_problem;
use agent_harness_model::secret::Text;

use super::error::EmbeddedError;
use super::layout::Layout;

/// Who may log in from where: everybody with a password, over loopback.
pub const HBA: &str = "# Written by agent-harness.\n\
    host all all 127.0.0.1/32 scram-sha-256\n";

/// The file with our settings. It reads in what `initdb` wrote (locale, memory sizes) first.
pub fn render(layout: &Layout, settings: &BTreeMap<String, Text>) -> Result<String, EmbeddedError> {
    let mut text =
        "# Written by agent-harness at each start; change `settings` in the Infra.\n".to_owned();
    let initdb = layout.data.join("postgresql.conf");
    // Many agents, each with the pools of several processes; the rest is PostgreSQL's own choice.
    let mut lines = vec![
        ("include", initdb.to_string_lossy().into_owned()),
        ("max_connections", "300".to_owned()),
        ("log_line_prefix", "%m [%p] %q%u@%d ".to_owned()),
    ];
    for (name, value) in settings {
        // Said by validation already; here it is what keeps the server closed.
        if let Some((problem, help)) = setting_problem(name) {
            return Err(EmbeddedError::BadSetting { problem, help });
        }
        lines.push((name, value.reveal().to_owned()));
    }
    for (name, value) in lines {
        let value = value.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n");
        let assign = if name == "include" { " " } else { " = " };
        let _ = writeln!(text, "{name}{assign}'{value}'");
    }
    Ok(text)
}

/// The command line. What must not be overridden stands here: it beats every file.
pub fn argv(bin_dir: &Path, layout: &Layout, port: u16) -> Vec<String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut argv = vec![text(&bin_dir.join("postgres")), "-D".to_owned(), text(&layout.data)];
    for setting in [
        format!("config_file={}", text(&layout.conf)),
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        "unix_socket_directories=".to_owned(),
    ] {
        argv.extend(["-c".to_owned(), setting]);
    }
    argv
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout {
            root: "/s".into(),
            base: "/s".into(),
            data: "/s/data".into(),
            conf: "/s/agent-harness.conf".into(),
        }
    }

    #[test]
    fn settings_are_quoted_and_come_last() {
        let settings = BTreeMap::from([
            ("pg_stat_statements.track".to_owned(), "all".into()),
            ("search_path".to_owned(), "it's\\here".into()),
        ]);
        assert_eq!(
            render(&layout(), &settings).unwrap(),
            "# Written by agent-harness at each start; change `settings` in the Infra.\n\
             include '/s/data/postgresql.conf'\n\
             max_connections = '300'\n\
             log_line_prefix = '%m [%p] %q%u@%d '\n\
             pg_stat_statements.track = 'all'\n\
             search_path = 'it''s\\\\here'\n"
        );
    }

    #[test]
    fn what_keeps_the_server_closed_cannot_be_set() {
        for name in ["listen_addresses", "x\ny"] {
            let settings = BTreeMap::from([(name.to_owned(), "*".into())]);
            assert!(render(&layout(), &settings).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_command_line_holds_no_secret_and_listens_on_loopback() {
        assert_eq!(
            argv(Path::new("/bin"), &layout(), 15432).join(" "),
            "/bin/postgres -D /s/data -c config_file=/s/agent-harness.conf \
             -c listen_addresses=127.0.0.1 -c port=15432 -c unix_socket_directories="
        );
    }
}
