//! What becomes of an agent's database and of a Stack's template at a person's word.

use agent_harness_model::api::{Generation, GenerationState, KeptDatabase, Rebuilt, Replaced};
use agent_harness_model::id::ObjectKey;
use agent_harness_model::status::Phase;

use super::{looking, world};
use crate::testing::{Asked, Ctl, agent};

fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

fn kept() -> Vec<KeptDatabase> {
    let reset = KeptDatabase {
        name: "reset-20261124-100000".into(),
        at: at("2026-11-24T10:00:00Z"),
        until: Some(at("2026-11-25T10:00:00Z")),
        generation: Some("1-1f3a9c0d".into()),
        size: Some(39 << 20),
    };
    let saved = KeptDatabase {
        name: "before-fix".into(),
        at: at("2026-11-24T11:00:00Z"),
        until: None,
        size: None,
        ..reset.clone()
    };
    vec![reset, saved]
}

fn generations() -> Vec<Generation> {
    let old = Generation {
        database: "app_template_1f3a9c0d".into(),
        hash: "1-1f3a9c0d2b4e6f80aa".into(),
        state: GenerationState::Ready,
        current: false,
        message: String::new(),
        size: Some(400 << 20),
        built_at: Some(at("2026-11-20T12:00:00Z")),
        users: vec![ObjectKey::agent("agent-1"), ObjectKey::agent("agent-2")],
        until: None,
    };
    let failed = Generation {
        database: "app_template_2b2b2b2b".into(),
        hash: "1-2b2b2b2b2b2b2b2b".into(),
        state: GenerationState::Failed,
        current: true,
        message: "build seed: exit code 3: went wrong\nmore".into(),
        size: None,
        built_at: None,
        users: Vec::new(),
        until: None,
    };
    let unused = Generation {
        database: "app_template_00000000".into(),
        users: Vec::new(),
        until: Some(at("2026-11-24T14:00:00Z")),
        ..old.clone()
    };
    vec![failed, old, unused]
}

fn answer(asked: &Asked) -> impl Fn(&str, &str) -> (u16, String) + Clone + 'static {
    let note = asked.clone();
    move |line, body| {
        if !line.starts_with("GET ") {
            note.note(line);
        }
        let replaced = |kept: &str, until: Option<&str>| {
            let object = ObjectKey::agent("agent-1");
            let replaced = Replaced { object, kept: kept.into(), until: until.map(at) };
            (200, serde_json::to_string(&replaced).unwrap())
        };
        let until = Some("2026-11-25T12:00:00Z");
        match line {
            "POST /v1/objects/agent/agent-1/database/reset" => {
                replaced("reset-20261124-120000", until)
            }
            "POST /v1/objects/agent/agent-1/database/save?name=before-fix" => {
                replaced("before-fix", None)
            }
            "POST /v1/objects/agent/agent-1/database/restore?name=before-fix" => {
                replaced("restore-20261124-120000", until)
            }
            "GET /v1/objects/agent/agent-1/database/kept" => {
                (200, serde_json::to_string(&kept()).unwrap())
            }
            "DELETE /v1/objects/agent/agent-1/database/kept?name=before-fix" => {
                (204, String::new())
            }
            _ if line.starts_with("GET /v1/events") => (200, String::new()),
            "GET /v1/objects/stack/app/generations" => {
                (200, serde_json::to_string(&generations()).unwrap())
            }
            "POST /v1/objects/stack/app/rebuild" => {
                let object = ObjectKey::stack("app");
                let rebuilt = Rebuilt { object, database: "app_template_77777777".into() };
                (200, serde_json::to_string(&rebuilt).unwrap())
            }
            _ => {
                let mut world = world();
                let mut stack = agent("app", Phase::Stalled, "the template cannot be built");
                stack.kind = "Stack".into();
                world.push(stack);
                looking(world)(line, body)
            }
        }
    }
}

fn run(words: &[&str]) -> (String, String) {
    let asked = Asked::default();
    let shown = Ctl::new().with(words, answer(&asked));
    (shown, asked.lines())
}

#[test]
fn what_was_replaced_is_told_with_its_way_back() {
    insta::assert_snapshot!(run(&["reset", "1", "database", "--yes"]).0, @"
    agent/agent-1 database resetting
    --- stderr
    `ctl db restore agent-1 reset-20261124-120000` brings it back until 2026-11-25 12:00 UTC
    --- Done
    ");
    insta::assert_snapshot!(run(&["db", "save", "1", "before-fix"]).0, @"
    agent/agent-1 database saving as before-fix
    --- Done
    ");
    insta::assert_snapshot!(run(&["db", "restore", "1", "before-fix", "-y"]).0, @"
    agent/agent-1 database restoring from before-fix
    --- stderr
    `ctl db restore agent-1 restore-20261124-120000` brings it back until 2026-11-25 12:00 UTC
    --- Done
    ");
    let (shown, asked) = run(&["db", "delete", "1", "before-fix", "-y"]);
    insta::assert_snapshot!(shown, @"
    agent/agent-1 before-fix deleted
    --- Done
    ");
    assert_eq!(asked, "DELETE /v1/objects/agent/agent-1/database/kept?name=before-fix");
    insta::assert_snapshot!(run(&["rebuild", "stack/app"]).0, @"
    stack/app rebuilding its template as app_template_77777777
    --- Done
    ");
}

#[test]
fn what_is_kept_is_listed_with_its_size_and_age() {
    insta::assert_snapshot!(run(&["db", "list", "1"]).0, @"
    NAME                   SIZE  AGE   LEFT
    reset-20261124-100000  39Mi  120m  22h
    before-fix             -     60m   until deleted
    --- Done
    ");
    let (shown, _) = run(&["db", "list", "1", "-o", "json"]);
    assert!(shown.contains("\"size\": 40894464"), "{shown}");
}

#[test]
fn a_database_is_an_agents_and_a_template_a_stacks() {
    let (shown, _) = run(&["reset", "stack/app", "database"]);
    assert!(shown.contains("name an agent") && shown.ends_with("--- Usage"), "{shown}");
    let (shown, _) = run(&["rebuild", "1"]);
    assert!(shown.contains("stack/NAME") && shown.ends_with("--- Usage"), "{shown}");
}

#[test]
fn a_stack_shows_its_generations() {
    let (shown, _) = run(&["describe", "stack/app"]);
    let section = shown.split("\n\n").find(|part| part.starts_with("Generations"));
    insta::assert_snapshot!(section.unwrap_or(&shown), @"
    Generations
      DATABASE               INPUTS        STATE            SIZE   AGE  USERS
      app_template_2b2b2b2b  2b2b2b2b2b2b  Failed, current  -      -    -                 build seed: exit code 3: went wrong
      app_template_1f3a9c0d  1f3a9c0d2b4e  Ready            400Mi  4d   agent-1, agent-2
      app_template_00000000  1f3a9c0d2b4e  Ready            400Mi  4d   -                 nobody uses it: goes in 120m
    ");
}
