//! Every key of an app that PM2 knows and that is not carried over as it is: why, and what to do instead.

/// What becomes of a key.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// It is carried over, or says nothing.
    Carried,
    /// It is not: why, and what to do instead.
    Lost(&'static str),
    /// It need not be.
    Note(&'static str),
}

use Fate::{Carried, Lost, Note};

/// Keys of an app, in the way of writing with `_`.
pub const APP: &[(&str, Fate)] = &[
    ("name", Carried),
    ("script", Carried),
    ("cmd", Carried),
    ("command", Carried),
    ("args", Carried),
    ("interpreter", Carried),
    ("exec_interpreter", Carried),
    ("interpreter_args", Carried),
    ("node_args", Carried),
    ("cwd", Carried),
    ("env", Carried),
    ("instances", Carried),
    ("exec_mode", Carried),
    ("autorestart", Carried),
    ("stop_exit_codes", Carried),
    ("max_memory_restart", Carried),
    ("kill_timeout", Carried),
    ("wait_ready", Carried),
    ("listen_timeout", Carried),
    ("watch", Carried),
    ("ignore_watch", Carried),
    ("watch_delay", Carried),
    ("watch_options", Carried),
    ("cron_restart", Lost(CRON)),
    ("cron", Lost(CRON)),
    (
        "namespace",
        Note("the processes of an agent are its own; `ctl restart NAME` is for all of them"),
    ),
    ("out_file", Note(LOGS)),
    ("output", Note(LOGS)),
    ("out", Note(LOGS)),
    ("out_log", Note(LOGS)),
    ("error_file", Note(LOGS)),
    ("error", Note(LOGS)),
    ("err", Note(LOGS)),
    ("err_file", Note(LOGS)),
    ("err_log", Note(LOGS)),
    ("log_file", Note(LOGS)),
    ("log", Note(LOGS)),
    ("log_type", Note(LOGS)),
    ("log_date_format", Note(LOGS)),
    ("combine_logs", Note(LOGS)),
    ("merge_logs", Note(LOGS)),
    ("disable_logs", Note(LOGS)),
    ("time", Note(LOGS)),
    ("pid_file", Note("no file holds its number; `ctl describe` shows it")),
    ("pid", Note("no file holds its number; `ctl describe` shows it")),
    ("min_uptime", Note(BACKOFF)),
    ("max_restarts", Note(BACKOFF)),
    ("restart_delay", Note(BACKOFF)),
    ("exp_backoff_restart_delay", Note(BACKOFF)),
    ("uid", Lost(USER)),
    ("gid", Lost(USER)),
    ("user", Lost(USER)),
    ("instance_var", Lost(CLUSTER)),
    ("increment_var", Lost(CLUSTER)),
    (
        "filter_env",
        Lost("a process gets what the spec says, and little of the caller's; see `ctl env NAME`"),
    ),
    ("shutdown_with_message", Lost("a process is ended with a signal; write `stop: {signal: …}`")),
    ("treekill", Lost("whatever a process started ends with it")),
    ("post_update", Lost("nothing is run after an update; write it under `setup` as a step")),
    (
        "source_map_support",
        Note("it is PM2's own; write `--enable-source-maps` after `node` if it is wanted"),
    ),
    ("disable_source_map_support", Carried),
    ("append_env_to_name", Carried),
    ("force", Carried),
    ("vizion", Carried),
    ("autostart", Carried),
    ("pmx", Carried),
    ("automation", Carried),
    ("trace", Carried),
    ("disable_trace", Carried),
    ("deep_monitoring", Carried),
    ("port", Carried),
    ("windows_hide", Carried),
];

const LOGS: &str = "the harness keeps the output itself; `ctl logs NAME PROCESS` shows it";
const CRON: &str = "nothing is restarted by the clock; let cron run `ctl restart NAME PROCESS`";
const BACKOFF: &str =
    "a process that keeps ending is started again after longer and longer times anyway";
const USER: &str =
    "a process runs as the user of the controller; start that as the user who is meant";
const CLUSTER: &str = "a process is one process; write one entry for each, with its own `env`";
