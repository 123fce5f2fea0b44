//! A folder of specs and what becomes of it, with a clock of the test's own.

use super::*;
use crate::assemble::{accept, begin_deletion};
use agent_harness_providers::fs;

const RETENTION: SignedDuration = SignedDuration::from_hours(24);

struct Case {
    folder: tempfile::TempDir,
    sources: Sources,
    ledger: Ledger,
    _state: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = tempfile::tempdir().unwrap();
        let mut case = Self {
            sources: Sources::new(folder.path().into(), SignedDuration::from_secs(3)),
            ledger: Ledger::open(state.path()).unwrap(),
            folder,
            _state: state,
        };
        case.write("stack.yaml", &object("Stack", "app", "ports: {api: 8000}"));
        case.write("agent-1.yaml", &object("Agent", "agent-1", "stack: app"));
        case.write("agent-2.yaml", &object("Agent", "agent-2", "stack: app"));
        case
    }

    fn write(&mut self, name: &str, text: &str) {
        fs::write_atomic(self.folder.path().join(name), text, 0o644).unwrap();
    }

    fn remove(&mut self, name: &str) {
        fs::remove_file_if_exists(self.folder.path().join(name)).unwrap();
    }

    fn at(&mut self, second: i64) -> Intake {
        let now = Timestamp::from_second(second).unwrap();
        self.sources.read();
        let intake = self.sources.settle(&self.ledger, now);
        accept(&mut self.ledger, &intake, RETENTION, now).unwrap();
        intake
    }

    fn live(&self, name: &str) -> bool {
        self.ledger.live(&ObjectKey::agent(name)).is_some()
    }
}

fn object(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: agent-harness.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
    )
}

#[test]
fn a_rename_is_a_move() {
    let mut case = Case::new();
    case.at(0);
    let uid = case.ledger.live(&ObjectKey::agent("agent-1")).unwrap().uid.clone();
    case.remove("agent-1.yaml");
    assert!(case.at(1).leave.is_empty());
    case.write("renamed.yaml", &object("Agent", "agent-1", "stack: app"));
    assert!(case.at(9).leave.is_empty());
    assert_eq!(case.ledger.live(&ObjectKey::agent("agent-1")).unwrap().uid, uid);
}

/// Half of a file may look whole, and mean something else.
#[test]
fn a_file_that_is_written_in_place_is_read_once_it_is_left_alone() {
    let mut case = Case::new();
    case.at(0);
    let path = case.folder.path().join("stack.yaml");
    let in_place = |text: &str| {
        let mut file = std::fs::OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    };
    in_place(&object("Stack", "app", "ports: {api: 7000}"));
    let listing = folder::list(case.folder.path()).unwrap();
    let after = |ms| listing.files[&path].modified + Duration::from_millis(ms);
    let wait = |case: &Case, ms| case.sources.until_still(&listing, after(ms));
    assert_eq!(wait(&case, 30), Some(Duration::from_millis(70)));
    assert_eq!(wait(&case, 100), None, "left alone");
    // Whoever looks right after a write waits, and gets what was written.
    let begun = Instant::now();
    in_place(&object("Stack", "app", "ports: {api: 7100}"));
    let stack = case.at(1).documents.remove(&ObjectKey::stack("app")).unwrap();
    assert!(begun.elapsed() >= STILL / 2 && stack.node.to_json().to_string().contains("7100"));
    let listing = folder::list(case.folder.path()).unwrap();
    assert_eq!(case.sources.until_still(&listing, after(0)), None, "nothing new");
    // What is put in its place is whole.
    case.write("stack.yaml", &object("Stack", "app", "ports: {api: 7200}"));
    let listing = folder::list(case.folder.path()).unwrap();
    assert_eq!(case.sources.until_still(&listing, listing.files[&path].modified), None);
}

#[test]
fn a_removed_file_lets_its_object_leave_after_the_grace() {
    let mut case = Case::new();
    case.at(0);
    case.remove("agent-1.yaml");
    let early = case.at(1);
    assert!(early.documents.contains_key(&ObjectKey::agent("agent-1")), "still in force");
    case.at(4);
    assert!(!case.live("agent-1"));
    assert!(case.live("agent-2"));
}

#[test]
fn a_broken_file_keeps_the_last_good_version() {
    let mut case = Case::new();
    case.at(0);
    for text in ["", "kind: [", "\u{0}", "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\n"] {
        case.write("agent-1.yaml", text);
        let intake = case.at(100);
        assert!(intake.documents.contains_key(&ObjectKey::agent("agent-1")), "{text:?}");
        assert!(intake.held[&ObjectKey::agent("agent-1")].contains("agent-1.yaml"), "{text:?}");
        assert!(case.live("agent-1"), "{text:?}");
    }
}

#[test]
fn a_missing_or_emptied_folder_deletes_nothing() {
    let mut case = Case::new();
    case.at(0);
    for name in ["stack.yaml", "agent-1.yaml", "agent-2.yaml"] {
        case.remove(name);
    }
    let intake = case.at(100);
    assert!(intake.frozen.unwrap().contains("holds no spec files any more"));
    let path = case.folder.path().to_path_buf();
    fs::remove_dir_all(&path).unwrap();
    let intake = case.at(200);
    assert!(intake.frozen.unwrap().contains("does not exist"));
    assert_eq!(intake.documents.len(), 3);
    assert!(case.live("agent-1") && case.live("agent-2"));
}

#[test]
fn what_was_deleted_does_not_begin_anew_while_the_folder_cannot_be_read() {
    let mut case = Case::new();
    case.at(0);
    let uid = case.ledger.live(&ObjectKey::agent("agent-1")).unwrap().uid.clone();
    // As `ctl delete` does, of which no look at the folder came after.
    case.remove("agent-1.yaml");
    begin_deletion(&mut case.ledger, &uid, false, RETENTION, Timestamp::UNIX_EPOCH).unwrap();
    let away = case.folder.path().with_extension("away");
    fs::rename(case.folder.path(), &away).unwrap();
    case.at(1);
    assert!(!case.live("agent-1") && case.live("agent-2"));
    fs::rename(&away, case.folder.path()).unwrap();
    case.at(2);
    assert!(!case.live("agent-1") && case.live("agent-2"));
}

#[test]
fn a_stack_in_use_does_not_leave() {
    let mut case = Case::new();
    case.at(0);
    case.remove("stack.yaml");
    case.at(1);
    let intake = case.at(9);
    let why = &intake.blocked[&ObjectKey::stack("app")];
    assert_eq!(why.message, "still used by agent/agent-1, agent/agent-2");
    assert_eq!(why.by, Blocker::Users);
    assert!(case.ledger.live(&ObjectKey::stack("app")).is_some());
}

#[test]
fn a_document_in_the_middle_keeps_its_lines() {
    let mut case = Case::new();
    let two = [object("Agent", "agent-1", "stack: app"), object("Agent", "agent-3", "stack: app")];
    case.write("agent-1.yaml", &two.join("---\n"));
    case.at(0);
    let record = case.ledger.live(&ObjectKey::agent("agent-3")).unwrap();
    assert_eq!(record.origin.line, 6);
    assert_eq!(record.origin.text, two[1]);
    let good = last_good(&case.ledger);
    assert_eq!(good[&ObjectKey::agent("agent-3")].name_place().line, 8);
}

#[test]
fn a_file_that_was_renamed_and_broken_in_one_go_deletes_nothing() {
    let mut case = Case::new();
    case.at(0);
    case.remove("agent-1.yaml");
    case.write("renamed.yaml", &object("Agent", "agent-1", "stack: app, prots: {}"));
    let intake = case.at(100);
    assert!(intake.held[&ObjectKey::agent("agent-1")].contains("renamed.yaml:4"), "{intake:?}");
    case.at(200);
    assert!(case.live("agent-1"));

    // Not even its name can be read.
    case.write("renamed.yaml", "kind: [");
    case.at(300);
    let intake = case.at(400);
    assert!(case.live("agent-1"));
    let path = case.folder.path().join("renamed.yaml");
    assert_eq!(
        intake.blocked[&ObjectKey::agent("agent-1")].message,
        format!(
            "deletions are frozen: {} cannot be read, and may hold what is missing",
            path.display()
        )
    );
    case.remove("renamed.yaml");
    case.at(500);
    assert!(!case.live("agent-1"), "gone for good");
}

#[test]
fn nobody_takes_an_object_over_while_its_file_is_broken() {
    let mut case = Case::new();
    case.at(0);
    case.write("agent-1.yaml", "kind: [");
    case.write("copy.yaml", &object("Agent", "agent-1", "stack: app, id: 7"));
    let intake = case.at(1);
    let key = ObjectKey::agent("agent-1");
    assert!(intake.held.contains_key(&key));
    assert!(intake.documents[&key].file.ends_with("agent-1.yaml"));
    let about: Vec<&Diagnostic> =
        intake.problems.iter().filter(|it| it.about.as_ref() == Some(&key)).collect();
    assert_eq!(about.len(), 1);
    assert!(about[0].line().contains("copy.yaml:3"), "{}", about[0].line());
    case.write("agent-1.yaml", &object("Agent", "agent-1", "stack: app"));
    case.remove("copy.yaml");
    assert!(case.at(2).held.is_empty());
}

#[test]
fn what_the_guard_holds_back_says_so() {
    let mut case = Case::new();
    case.at(0);
    case.remove("agent-1.yaml");
    case.remove("agent-2.yaml");
    assert!(case.at(1).blocked.is_empty(), "within the grace");
    let intake = case.at(9);
    let why = &intake.blocked[&ObjectKey::agent("agent-1")];
    assert!(why.by == Blocker::Guard && why.message.contains("ctl approve"), "{intake:?}");
    assert!(!intake.blocked.contains_key(&ObjectKey::stack("app")));
}

#[test]
fn a_server_stays_while_it_holds_something() {
    let mut case = Case::new();
    let infra = |spec: &str| object("Infra", "shared", spec);
    case.write("infra.yaml", &infra("postgres: {embedded: {}}, objectStore: {embedded: {}}"));
    case.at(0);
    let uid = case.ledger.live(&ObjectKey::agent("agent-1")).unwrap().uid.clone();
    let place = agent_harness_model::kinds::database::Place {
        infra: "shared".into(),
        database: "agent_1".into(),
        role: "agent_1".into(),
        kept: None,
    };
    let place = agent_harness_model::kinds::Place::Database(place);
    case.ledger
        .update(&uid, |record| {
            record.claim("database/agent_1", &place);
        })
        .unwrap();
    let key = ObjectKey::infra("shared");
    for spec in [
        "objectStore: {embedded: {}}",
        "postgres: {external: {url: 'postgres://u:p@h/d'}}, objectStore: {embedded: {}}",
    ] {
        case.write("infra.yaml", &infra(spec));
        let intake = case.at(1);
        assert!(intake.held[&key].contains("while it holds database/agent_1 of agent/agent-1"));
        let document = case.ledger.live(&key).and_then(document).unwrap();
        assert!(document.node.find(&["spec", "postgres", "embedded"]).is_some());
    }
    case.ledger.update(&uid, |record| record.resources.clear()).unwrap();
    assert!(case.at(2).held.is_empty());
    // The store never held anything.
    case.write("infra.yaml", &infra("postgres: {external: {url: 'postgres://u:p@h/d'}}"));
    assert!(case.at(3).held.is_empty());
    case.write("infra.yaml", &infra("postgres: {external: {url: 'postgres://u:new@h/d'}}"));
    assert!(case.at(4).held.is_empty());
}

#[test]
fn a_protected_agent_stays_until_its_spec_lets_it_go() {
    let mut case = Case::new();
    let stack = |deletion: &str| {
        object("Stack", "app", &format!("ports: {{api: 8000}}, deletion: {{{deletion}}}"))
    };
    case.write("stack.yaml", &stack("protect: true, retain: 7d"));
    case.at(0);
    case.remove("agent-1.yaml");
    case.at(1);
    case.sources.approve();
    let intake = case.at(10);
    assert!(case.live("agent-1"));
    let blocked = &intake.blocked[&ObjectKey::agent("agent-1")];
    assert_eq!(blocked.by, Blocker::Protection);
    assert_eq!(
        blocked.message,
        "its spec says `deletion: {protect: true}`: put its file back, or take that out of it first"
    );
    case.write("stack.yaml", &stack("retain: 7d"));
    // First that is in force, then it goes.
    case.at(20);
    case.at(21);
    assert!(!case.live("agent-1"));
    let record = case.ledger.records().find(|it| it.key == ObjectKey::agent("agent-1")).unwrap();
    let deletion = record.deletion.as_ref().unwrap();
    assert_eq!(
        deletion.until.duration_since(deletion.requested_at),
        SignedDuration::from_hours(7 * 24)
    );
}

#[test]
fn an_agent_is_kept_as_long_as_its_stack_says_also_when_both_leave_at_once() {
    let mut case = Case::new();
    case.write("stack.yaml", &object("Stack", "app", "deletion: {retain: 7d}"));
    case.at(0);
    for file in ["stack.yaml", "agent-1.yaml", "agent-2.yaml"] {
        case.remove(file);
    }
    // Something stays, so that the folder is not empty.
    case.write("other.yaml", &object("Stack", "other", "ports: {api: 9000}"));
    case.at(1);
    case.sources.approve();
    case.at(10);
    let gone: Vec<_> = case.ledger.records().filter_map(|it| it.deletion.as_ref()).collect();
    let kept = gone.iter().map(|it| it.until.duration_since(it.requested_at).as_hours());
    let mut kept: Vec<_> = kept.collect();
    kept.sort_unstable();
    assert_eq!(kept, [24, 7 * 24, 7 * 24], "the Stack itself, and two agents");
}

#[test]
fn who_may_be_protected_by_what_cannot_be_read_stays() {
    let mut case = Case::new();
    case.at(0);
    let uid = case.ledger.live(&ObjectKey::stack("app")).unwrap().uid.clone();
    // Accepted by a later version.
    let later = object("Stack", "app", "fromTheFuture: true");
    case.ledger.update(&uid, |record| record.origin.text.clone_from(&later)).unwrap();
    case.write("stack.yaml", &later);
    case.remove("agent-1.yaml");
    case.at(1);
    let intake = case.at(10);
    assert!(case.live("agent-1"));
    let blocked = &intake.blocked[&ObjectKey::agent("agent-1")];
    assert_eq!(blocked.by, Blocker::Protection);
    assert_eq!(
        blocked.message,
        "whether it is protected is not known: the spec of stack/app that is in force cannot be read by this version; \
         apply it anew first"
    );
}
