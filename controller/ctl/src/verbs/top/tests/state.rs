//! What keys and news do to the state, and what is asked for then.

use super::super::page::Kind;
use super::super::rows::Id;
use super::*;

fn id(words: &str) -> Id {
    let (key, part) = words.split_once(' ').unwrap_or((words, ""));
    let part = (!part.is_empty()).then(|| part.to_owned());
    Id { key: key.parse().unwrap(), part }
}

fn rows(model: &Model) -> Vec<String> {
    model.rows().iter().map(|row| row.id.to_string()).collect()
}

fn objects(model: &Model) -> Vec<String> {
    rows(model).into_iter().filter(|row| !row.contains(' ')).collect()
}

#[test]
fn agents_come_first_and_stacks_run_nothing() {
    assert_eq!(
        objects(&model(80, 24)),
        ["agent/agent-1", "agent/agent-2", "agent/agent-10", "infra/shared"]
    );
}

#[test]
fn one_goes_up_and_down_and_no_further() {
    let mut model = model(80, 24);
    assert_eq!(chosen(&model), "agent/agent-1");
    press(&mut model, &["Up", "k"]);
    assert_eq!(chosen(&model), "agent/agent-1");
    press(&mut model, &["Down", "j"]);
    assert_eq!(chosen(&model), "agent/agent-1 frontend");
    press(&mut model, &["G", "j", "PgDn"]);
    assert_eq!(chosen(&model), "infra/shared frontend");
    press(&mut model, &["g"]);
    assert_eq!(chosen(&model), "agent/agent-1");
}

#[test]
fn what_is_chosen_stays_so_wherever_it_goes() {
    let mut model = model(80, 24);
    press(&mut model, &["j"]);
    assert_eq!(chosen(&model), "agent/agent-1 api");
    press(&mut model, &["s"]);
    assert_eq!((chosen(&model).as_str(), model.cursor), ("agent/agent-1 api", 4));
    // Where it is gone, its place is.
    model.update(Event::Objects(vec![infra()], None));
    assert_eq!(chosen(&model), "infra/shared frontend");
    model.update(Event::Objects(Vec::new(), None));
    assert_eq!(chosen(&model), "");
    assert!(press(&mut model, &["d", "l", "r", " ", "a"]).is_empty());
}

#[test]
fn whoever_uses_most_is_first() {
    let mut model = model(80, 24);
    press(&mut model, &["s"]);
    assert_eq!(
        rows(&model)[..5],
        [
            "agent/agent-10",
            "agent/agent-10 frontend",
            "agent/agent-10 api",
            "agent/agent-1",
            "agent/agent-1 api"
        ]
    );
    press(&mut model, &["s"]);
    assert_eq!(rows(&model)[3..5], ["agent/agent-1", "agent/agent-1 frontend"]);
    // What nobody knows is last, and Infras are below whatever they use.
    let figures = vec![running("api", "process", 9000.0, 9000)];
    model.update(Event::Figures("infra/shared".parse().unwrap(), Ok(figures)));
    assert_eq!(objects(&model)[2..], ["agent/agent-2", "infra/shared"]);
    press(&mut model, &["s"]);
    assert_eq!(objects(&model)[..2], ["agent/agent-1", "agent/agent-2"]);
}

#[test]
fn folding_hides_the_parts_of_one_or_all() {
    let mut model = model(80, 24);
    let whole = rows(&model);
    press(&mut model, &["j", " "]);
    assert_eq!(chosen(&model), "agent/agent-1", "a part that is hidden is not chosen");
    assert_eq!(rows(&model)[..2], ["agent/agent-1", "agent/agent-2"]);
    press(&mut model, &["Left"]);
    assert_eq!(rows(&model).len(), whole.len() - 2);
    press(&mut model, &["Right"]);
    assert_eq!(rows(&model), whole);
    press(&mut model, &["G", "a"]);
    assert_eq!(rows(&model), objects(&model));
    assert_eq!(chosen(&model), "infra/shared");
    press(&mut model, &["a"]);
    assert_eq!(rows(&model), whole);
}

#[test]
fn a_filter_leaves_what_it_names() {
    let mut model = model(80, 24);
    press(&mut model, &["/", "A", "P", "I"]);
    let all: Vec<_> = rows(&model).into_iter().filter(|row| row.contains(' ')).collect();
    assert!(all.len() == 4 && all.iter().all(|row| row.ends_with(" api")), "{all:?}");
    // All of an object that is named itself; letters are no keys while one writes.
    press(&mut model, &["Backspace", "Backspace", "Backspace", "1", "0", "Enter"]);
    assert_eq!(rows(&model), ["agent/agent-10", "agent/agent-10 api", "agent/agent-10 frontend"]);
    press(&mut model, &["/", "q", "Esc"]);
    assert_eq!(model.view.filter, "10", "what was there before");
    assert!(press(&mut model, &["Esc"]).is_empty(), "the filter goes first");
    assert_eq!(objects(&model).len(), 4);
    assert_eq!(press(&mut model, &["Esc"]), [Ask::Leave]);
}

#[test]
fn one_leaves_from_everywhere() {
    let mut model = model(80, 24);
    assert_eq!(press(&mut model, &["q"]), [Ask::Leave]);
    assert_eq!(ctrl(&mut model, 'c'), [Ask::Leave]);
    assert_eq!(ctrl(&mut model, 'r'), []);
    for keys in [&["d"][..], &["q", "/"], &["Esc", "r"]] {
        press(&mut model, keys);
        assert_eq!(ctrl(&mut model, 'c'), [Ask::Leave], "{keys:?}");
    }
    assert_eq!(model.update(Event::Closed), [Ask::Leave]);
}

#[test]
fn a_restart_is_asked_about_first() {
    let mut model = model(80, 24);
    assert!(press(&mut model, &["j", "r", "n", "r", "Enter", "r", "Esc"]).is_empty());
    assert_eq!(press(&mut model, &["r", "y"]), [Ask::Restart(id("agent/agent-1 api"))]);
    assert_eq!(press(&mut model, &["k", "r", "Y"]), [Ask::Restart(id("agent/agent-1"))]);
    // Whom it was asked about, whatever is there by then.
    press(&mut model, &["r"]);
    model.update(Event::Objects(vec![infra()], None));
    assert_eq!(press(&mut model, &["y"]), [Ask::Restart(id("agent/agent-1"))]);
}

#[test]
fn a_notice_is_there_for_a_while() {
    let mut model = model(80, 24);
    model.update(Event::Told(crate::ui::Tone::Good, "done".into()));
    model.update(Event::Tick(at("12:00:05")));
    assert!(model.notice.is_some());
    model.update(Event::Tick(at("12:00:07")));
    assert!(model.notice.is_none());
}

#[test]
fn a_description_is_asked_for_anew_and_a_log_is_not() {
    let mut model = model(80, 24);
    let describe = |number| Ask::Page(number, Kind::Describe, id("agent/agent-1"), 80);
    assert_eq!(press(&mut model, &["Enter"]), [describe(1)]);
    // Not before the first has come.
    assert_eq!(model.update(Event::Tick(at("12:00:09"))), []);
    model.update(Event::Ended(1));
    assert_eq!(model.update(Event::Tick(at("12:00:10"))), []);
    assert_eq!(model.update(Event::Tick(at("12:00:11"))), [describe(2)]);
    // In lines of the width that there is now.
    let narrow = Ask::Page(3, Kind::Describe, id("agent/agent-1"), 60);
    assert_eq!(model.update(Event::Resize(60, 24)), [narrow]);
    assert_eq!(press(&mut model, &["Esc"]), [Ask::NoPage]);
    assert_eq!(
        press(&mut model, &["j", "l"]),
        [Ask::Page(4, Kind::Logs, id("agent/agent-1 api"), 60)]
    );
    model.update(Event::Ended(4));
    assert_eq!(model.update(Event::Tick(at("12:01:00"))), []);
    assert_eq!(model.update(Event::Resize(80, 24)), []);
    assert_eq!(press(&mut model, &["q"]), [Ask::NoPage]);
}

#[test]
fn what_was_printed_for_another_page_is_not_shown() {
    let mut model = model(80, 24);
    press(&mut model, &["l", "q", "j", "l"]);
    model.update(Event::Printed(1, b"of the first\n".to_vec()));
    model.update(Event::Printed(2, b"of the second\n".to_vec()));
    let seen = seen(&model, 80, 24);
    assert!(seen.contains("of the second") && !seen.contains("of the first"), "{seen}");
}

#[test]
fn a_log_is_followed_while_one_looks_at_its_end() {
    let mut model = model(80, 6);
    press(&mut model, &["l"]);
    let print = |model: &mut Model, from: u32, to: u32| {
        for line in from..to {
            model.update(Event::Printed(1, format!("line {line}\n").into_bytes()));
        }
        let seen = seen(model, 80, 6);
        seen.lines().skip(1).take(4).map(|line| line.replace("line ", "")).collect::<Vec<_>>()
    };
    assert_eq!(print(&mut model, 0, 20), ["16", "17", "18", "19"]);
    assert_eq!(print(&mut model, 20, 21), ["17", "18", "19", "20"]);
    press(&mut model, &["k"]);
    assert_eq!(print(&mut model, 21, 30), ["16", "17", "18", "19"]);
    press(&mut model, &["g"]);
    assert_eq!(print(&mut model, 30, 31), ["0", "1", "2", "3"]);
    press(&mut model, &["PgDn"]);
    assert_eq!(print(&mut model, 31, 32), ["4", "5", "6", "7"]);
    press(&mut model, &["G"]);
    assert_eq!(print(&mut model, 32, 33), ["29", "30", "31", "32"]);
    // What is too old goes, and what one looks at stays.
    press(&mut model, &["k"]);
    assert_eq!(print(&mut model, 33, 4000), ["28", "29", "30", "31"]);
    assert_eq!(print(&mut model, 4000, 5020), ["28", "29", "30", "31"]);
    assert_eq!(print(&mut model, 5020, 6000), ["1000", "1001", "1002", "1003"]);
}

#[test]
fn figures_that_cannot_be_had_leave_what_the_status_says() {
    let mut model = model(80, 24);
    let why = Err("the controller does not say what it uses".to_owned());
    model.update(Event::Figures("agent-1".parse().unwrap(), why));
    let all = model.rows();
    assert_eq!(all[0].message, "the controller does not say what it uses");
    assert_eq!((all[1].state.0.as_str(), all[1].ready.as_str()), ("Ready", "yes"));
    assert_eq!(all[1].used.cpu, None);
}

#[test]
fn without_a_terminal_it_names_what_needs_none() {
    insta::assert_snapshot!(crate::testing::Ctl::new().alone(&["top"]), @"
    --- stderr
    error: `ctl top` needs a terminal that can move its cursor
     hint: `ctl stats -w` prints what an agent uses, again and again
     hint: `ctl get -w` prints each change of an object
    --- Usage
    ");
}
