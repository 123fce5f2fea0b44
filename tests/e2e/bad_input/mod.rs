//! What is wrong is said, with file, line and remedy; everything else goes on, and the last good version stays in
//! force. The exact words are in the snapshots beside this.

mod files;
mod places;
mod processes;
mod servers;

use serde_json::Value;

use super::harness::{Site, text};

/// An agent's file.
fn agent(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {{name: {name}}}\nspec:\n  stack: hello\n{spec}"
    )
}

/// What a status says that is not as a user would like it: the phase, then each such condition.
fn said(site: &Site, object: &str) -> String {
    let Ok(object) =
        serde_json::from_slice::<Value>(&site.ctl(&["get", object, "-o", "json"]).stdout)
    else {
        return String::new();
    };
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut said = word(&object["status"]["phase"]);
    for condition in object["status"]["conditions"].as_array().into_iter().flatten() {
        let of = |name: &str| word(&condition[name]);
        let good =
            if matches!(of("type").as_str(), "Ready" | "SourceValid") { "True" } else { "False" };
        if matches!(of("type").as_str(), "Ready" | "SourceValid" | "Drifted")
            && of("status") != good
        {
            said = format!("{said}\n{}: {}", of("type"), of("message"));
        }
    }
    same(site, &said)
}

/// What is said of files that hold no object that can be told.
fn loose(site: &Site) -> String {
    let info: Value = serde_json::from_str(&site.ctl_ok(&["info", "--json"])).unwrap();
    let problems = info["controller"]["problems"].as_array().unwrap().iter();
    same(site, &problems.filter_map(Value::as_str).collect::<Vec<_>>().join("\n"))
}

/// Waits until it is said, and the same is said again: what is on its way has come.
fn until(words: &str, mut said: impl FnMut() -> String) -> String {
    let deadline = std::time::Instant::now() + super::harness::PATIENCE;
    let mut last = String::new();
    loop {
        let now = said();
        if now.contains(words) && now == last {
            return now;
        }
        assert!(std::time::Instant::now() < deadline, "waited in vain for {words:?}, not {now:?}");
        last = now;
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// The same words in every run: without the folder, the ports, the pids and the ids of this one.
fn same(site: &Site, said: &str) -> String {
    let mut said = without_ids(said).replace(&site.folder().display().to_string(), "DIR");
    for number in 1..10 {
        for (name, base) in [("api", site.api), ("frontend", site.frontend)] {
            said = said.replace(&(base + number * 10).to_string(), &format!("<{name} {number}>"));
        }
    }
    for (name, port) in [("postgres", site.postgres), ("store", site.store)] {
        said = said.replace(&port.to_string(), &format!("<{name}>"));
    }
    let program = std::env::current_exe().unwrap();
    let program = program.file_name().unwrap().to_str().unwrap();
    said.replace(program, "<this test>")
        .replace(&format!("pid {}", std::process::id()), "pid <this test>")
}

/// Eight hexadecimal digits are a short uid, or a hash of something with this machine's paths in it.
fn without_ids(said: &str) -> String {
    let is_id = |word: &str| {
        word.len() == 8
            && word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let words = said.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).map(|piece| {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_id(word) { piece.replace(word, "<id>") } else { piece.to_owned() }
    });
    words.collect()
}
