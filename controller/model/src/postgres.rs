//! What a spec may say to a PostgreSQL server of ours: which version, and which settings. Whether the server knows a
//! setting, and takes its value, is its own to say.

/// The settings that are ours to make, with why.
const RESERVED: [(&str, &str); 13] = [
    ("config_file", FILES),
    ("data_directory", FILES),
    ("external_pid_file", FILES),
    ("hba_file", LOGIN),
    ("ident_file", LOGIN),
    ("include", FILES),
    ("include_dir", FILES),
    ("include_if_exists", FILES),
    ("listen_addresses", "the server listens on 127.0.0.1 alone"),
    ("password_encryption", LOGIN),
    ("port", "it is `postgres.embedded.port` that says where the server listens"),
    ("ssl", "the server listens on 127.0.0.1 alone"),
    ("unix_socket_directories", "the server listens on 127.0.0.1 alone"),
];

const FILES: &str = "the controller says where the server's files lie";
const LOGIN: &str = "the controller says who may log in, and how";

/// The first and the last major version that there may be.
const MAJORS: std::ops::Range<u32> = 13..100;

/// The major version that is meant: `18` of `18` and of `18.1`; `None`: it is no version of PostgreSQL.
pub fn major(version: &str) -> Option<u32> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = version.split('.');
    let first = parts.next().filter(|first| digits(first))?;
    let major = first.parse().ok().filter(|major| MAJORS.contains(major))?;
    parts.all(digits).then_some(major)
}

/// What is wrong with the name of a setting, and what to do about it.
pub fn setting_problem(name: &str) -> Option<(String, String)> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    if name.is_empty() || !name.bytes().all(plain) {
        let help = "a setting has letters, digits, `_` and `.`, such as `work_mem` or \
                    `pg_stat_statements.track`";
        return Some((format!("{name:?} is no name of a PostgreSQL setting"), help.to_owned()));
    }
    let lower = name.to_ascii_lowercase();
    let (_, why) = RESERVED.iter().find(|(reserved, _)| *reserved == lower)?;
    Some((format!("the setting `{name}` cannot be set: {why}"), "remove it".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major("18"), Some(18));
        assert_eq!(major("18.1"), Some(18));
        for bad in ["", "latest", "9.6", "v18", "18.x", "18.", "+18", "100"] {
            assert_eq!(major(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_keeps_the_server_closed_cannot_be_set() {
        for name in ["listen_addresses", "HBA_file", "a b", "", "x\ny", "it's"] {
            assert!(setting_problem(name).is_some(), "{name:?}");
        }
        for name in ["work_mem", "pg_stat_statements.track", "DateStyle"] {
            assert_eq!(setting_problem(name), None);
        }
    }
}
