//! The trash, where more than one incarnation of a name lies in it.

use agent_harness_model::api::{Applied, Change, Deleted, Trashed};
use agent_harness_model::id::{ObjectKey, Uid};
use agent_harness_model::status::Phase;
use serde_json::json;

use super::{looking, world};
use crate::testing::{Asked, Ctl, agent, not_found};

fn trashed(uid: &str, since: &str) -> Trashed {
    Trashed {
        object: ObjectKey::agent("agent-4"),
        uid: Uid::new(uid),
        since: since.parse().unwrap(),
        until: "2026-11-25T11:00:00Z".parse().unwrap(),
        live: false,
        resources: vec!["database/agent_4".into()],
        sizes: [("database/agent_4".into(), 7_654_321)].into(),
    }
}

fn answer(asked: &Asked) -> impl Fn(&str, &str) -> (u16, String) + Clone + 'static {
    let note = asked.clone();
    move |line, body| {
        if !line.starts_with("GET ") {
            note.note(line);
        }
        let path = line.split('?').next().unwrap_or_default();
        match (line, path) {
            (_, "GET /v1/trash") => {
                let live = Trashed {
                    object: ObjectKey::agent("agent-1"),
                    live: true,
                    ..trashed("0190-cccccccc", "2026-11-24T11:00:00Z")
                };
                let trash = [
                    live,
                    trashed("0190-aaaaaaaa", "2026-11-24T10:00:00Z"),
                    trashed("0190-bbbbbbbb", "2026-11-24T11:00:00Z"),
                ];
                (200, serde_json::to_string(&trash).unwrap())
            }
            (_, "POST /v1/objects/agent/agent-4/undelete") => {
                let object = ObjectKey::agent("agent-4");
                let applied = Applied { object, change: Change::Restored, generation: 1 };
                (200, serde_json::to_string(&applied).unwrap())
            }
            ("DELETE /v1/objects/agent/agent-4?purge=true", _) => {
                (409, json!({"message": "there is more than one agent/agent-4"}).to_string())
            }
            (_, "DELETE /v1/objects/agent/agent-4") => {
                let object = ObjectKey::agent("agent-4");
                let uids = vec![Uid::new("0190-bbbbbbbb"), Uid::new("0190-aaaaaaaa")];
                let deleted = Deleted { object, uids, until: None, destroyed: Vec::new() };
                (200, serde_json::to_string(&deleted).unwrap())
            }
            _ => looking(world())(line, body),
        }
    }
}

#[test]
fn each_is_listed_with_its_uid() {
    let names = Ctl::new().with(&["trash", "-o", "name"], answer(&Asked::default()));
    assert!(!names.contains("agent-1"), "it does not come back with undelete: {names}");
    let shown = Ctl::new().with(&["trash"], answer(&Asked::default()));
    insta::assert_snapshot!(shown, @"
    NAME           UID       DELETED  LEFT  SIZE   KEPT
    agent/agent-1  cccccccc  60m      23h   7.3Mi  database/agent_4 (it is live, and its spec wants others)
    agent/agent-4  aaaaaaaa  120m     23h   7.3Mi  database/agent_4
    agent/agent-4  bbbbbbbb  60m      23h   7.3Mi  database/agent_4
    --- Done
    ");
}

#[test]
fn a_uid_is_handed_on() {
    let asked = Asked::default();
    let run = |args: &[&str]| Ctl::new().with(args, answer(&asked));
    run(&["undelete", "4", "--uid", "aa"]);
    run(&["delete", "4", "--purge", "--yes", "--uid", "bbbb"]);
    run(&["delete", "4", "--purge", "--yes", "--all"]);
    insta::assert_snapshot!(asked.lines(), @"
    POST /v1/objects/agent/agent-4/undelete?uid=aa
    DELETE /v1/objects/agent/agent-4?purge=true&uid=bbbb
    DELETE /v1/objects/agent/agent-4?purge=true&all=true
    ");
    insta::assert_snapshot!(run(&["delete", "4", "--purge", "--yes"]), @"
    --- stderr
    error: there is more than one agent/agent-4
    --- Blocked
    ");
}

/// Of its name there may be a live one, which stays, or nothing at all that speaks for it.
#[test]
fn a_purge_is_waited_for_by_uid() {
    for live in [true, false] {
        let asked = Asked::default();
        let (note, looks) = (asked.clone(), std::cell::Cell::new(0));
        let answer = answer(&Asked::default());
        let words = ["delete", "4", "--purge", "--yes", "--all", "--wait"];
        let shown = Ctl::new().with(&words, move |line, body| match line {
            "GET /v1/objects/agent/agent-4?uid=0190-bbbbbbbb" => {
                note.note(line);
                not_found()
            }
            "GET /v1/objects/agent/agent-4?uid=0190-aaaaaaaa" => {
                note.note(line);
                looks.set(looks.get() + 1);
                let going = agent("agent-4", Phase::Deleting, "");
                if looks.get() > 1 {
                    return not_found();
                }
                (200, serde_json::to_string(&going).unwrap())
            }
            "GET /v1/objects/agent/agent-4" if live => {
                (200, serde_json::to_string(&agent("agent-4", Phase::Ready, "")).unwrap())
            }
            _ => answer(line, body),
        });
        assert!(shown.starts_with("agent/agent-4 purged\n"), "{shown}");
        let twice = "GET /v1/objects/agent/agent-4?uid=0190-bbbbbbbb\n\
                     GET /v1/objects/agent/agent-4?uid=0190-aaaaaaaa";
        assert_eq!(asked.lines(), [twice, twice].join("\n"));
    }
}

#[test]
fn a_uid_is_about_one_object() {
    let run = |args: &[&str]| Ctl::new().with(args, answer(&Asked::default()));
    insta::assert_snapshot!(run(&["delete", "4", "1", "--purge", "--yes", "--uid", "aa"]), @"
    --- stderr
    error: --uid is about one object: name that one alone
     hint: `ctl trash` lists names and uids
    --- Usage
    ");
    assert!(run(&["undelete", "4", "1", "--uid", "aa"]).ends_with("--- Usage"));
}
