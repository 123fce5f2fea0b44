//! What a container is made from as flat settings in words: kept in a label of the container, so that one listing says
//! what each was made from, and a change can be told setting by setting.
//!
//! Only what is set is in it: a later version that knows more settings finds no difference where nobody uses them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Config, Healthcheck, Restart};
use crate::hash;
use crate::secret::Text;
use crate::spec::{Duration, Size};

impl Config {
    /// The settings, by the names that users write. A secret is its hash.
    pub fn settings(&self) -> BTreeMap<String, String> {
        // Taken apart without `..`: a new field cannot be missed here.
        let Self {
            image,
            command,
            entrypoint,
            env,
            ports,
            mounts,
            healthcheck,
            shm_size,
            memory,
            nano_cpus,
            restart,
            labels,
            extra_hosts,
            logging,
            ulimits,
            user,
            network,
        } = self;
        let mut all = Settings::default();
        all.set("image", image.as_str());
        all.words("command", command);
        all.words("entrypoint", entrypoint);
        for (name, value) in env {
            all.set(&format!("env.{name}"), known(name, value));
        }
        for (name, port) in ports {
            all.set(&format!("ports.{name}"), port.to_string());
        }
        let mut mounts: Vec<String> = mounts.iter().map(ToString::to_string).collect();
        mounts.sort();
        all.words("volumes", &mounts);
        if let Some(check) = healthcheck {
            all.set("healthcheck", health(check));
        }
        all.maybe("shmSize", shm_size.map(size));
        all.maybe("memory", memory.map(size));
        all.maybe("cpus", nano_cpus.map(cpus));
        if *restart != Restart::default() {
            all.set("restart", restart.as_str());
        }
        all.map("labels", labels);
        all.map("extraHosts", extra_hosts);
        if let Some((driver, options)) = logging {
            all.set("logging", driver.as_str());
            all.map("logging", options);
        }
        for (name, (soft, hard)) in ulimits {
            all.set(&format!("ulimits.{name}"), format!("{soft}:{hard}"));
        }
        all.maybe("user", user.as_deref());
        all.maybe("network", network.as_deref());
        all.0
    }
}

#[derive(Default)]
struct Settings(BTreeMap<String, String>);

impl Settings {
    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn maybe(&mut self, name: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    fn words(&mut self, name: &str, words: &[String]) {
        if !words.is_empty() {
            self.set(name, list(words));
        }
    }

    fn map(&mut self, name: &str, map: &BTreeMap<String, String>) {
        for (key, value) in map {
            self.set(&format!("{name}.{key}"), value.as_str());
        }
    }
}

/// With what the text of a secret begins.
const SECRET: &str = "a secret";

/// A setting as everybody may see it: a guess of a secret could be tried on its hash.
pub(super) fn shown(value: &str) -> &str {
    if value.starts_with(SECRET) { SECRET } else { value }
}

/// A value of the environment for the label: the same secret gives the same text.
fn known(name: &str, value: &Text) -> String {
    match value {
        Text::Plain(value) => value.clone(),
        Text::Secret(secret) => {
            let hash = hash::parts([name, secret.reveal()]);
            format!("{SECRET} ({:.10})", hash.rsplit('-').next().unwrap_or_default())
        }
    }
}

fn list(words: &[String]) -> String {
    // As users write it, and so that no two lists look the same.
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("[{}]", quoted.join(", "))
}

fn health(check: &Healthcheck) -> String {
    let Healthcheck { test, interval_ms, timeout_ms, retries, start_period_ms } = check;
    let mut text = list(test);
    for (name, ms) in
        [("interval", interval_ms), ("timeout", timeout_ms), ("startPeriod", start_period_ms)]
    {
        if let Some(ms) = ms {
            let duration = Duration(std::time::Duration::from_millis(*ms));
            let _ = write!(text, " {name} {duration}");
        }
    }
    if let Some(retries) = retries {
        let _ = write!(text, " retries {retries}");
    }
    text
}

fn size(bytes: u64) -> String {
    Size(bytes).to_string()
}

fn cpus(nano: u64) -> String {
    let (whole, rest) = (nano / 1_000_000_000, nano % 1_000_000_000);
    if rest == 0 {
        return whole.to_string();
    }
    format!("{whole}.{rest:09}").trim_end_matches('0').to_owned()
}
