//! `ctl wait` on a terminal: a line that moves while it waits.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::support::{Controller, agent};

fn standing(phase: &str, ready: &str, message: &str) -> Value {
    let mut agent = agent("a.yaml:3");
    agent["status"] = json!({
        "observedGeneration": 1, "phase": phase, "urls": {}, "ports": {}, "resources": {},
        "conditions": [{
            "type": "Ready", "status": ready, "reason": "R", "message": message,
            "observedGeneration": 1, "lastTransitionTime": "2026-11-24T11:55:00Z",
        }],
    });
    agent
}

#[test]
fn a_line_shows_how_it_stands_until_it_is_there() {
    let looks = AtomicU32::new(0);
    let controller = Controller::new(move |line, _| match line {
        "GET /v1/objects/agent/agent-1" => {
            // Long enough for a line to be drawn, and for a time worth telling.
            if looks.fetch_add(1, Ordering::SeqCst) < 5 {
                (200, standing("Progressing", "False", "process/api is starting"))
            } else {
                (200, standing("Ready", "True", ""))
            }
        }
        "GET /v1/objects?fresh=true" => {
            (200, json!([standing("Progressing", "False", "process/api is starting")]))
        }
        _ => (404, json!({ "message": "no such thing" })),
    });
    let done = controller.ctl_on_terminal("wait 1").env("TERM", "xterm").assert().success();
    let shown = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    let how = |line: &str| {
        line.contains("agent/agent-1") && line.contains("Progressing  process/api is starting")
    };
    assert!(shown.split('\r').any(how), "{shown:?}");
    let (_, end) = shown.split_once("agent/agent-1 ready  in ").unwrap();
    // What was shown meanwhile is taken away: the cursor goes back, and the line is cleared.
    assert!(shown.contains("\x1b[2K") && !end.contains("Progressing"), "{shown:?}");
}
