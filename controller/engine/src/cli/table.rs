//! What `controller run` shows: a table that is drawn again in place, or a line for each change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use agent_harness_model::api::Object;
use agent_harness_model::status::{ConditionType, Phase, Truth};
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};

use super::say;

/// What is on the screen.
#[derive(Debug)]
pub struct Screen {
    terminal: bool,
    lines: usize,
    told: BTreeMap<String, String>,
}

impl Screen {
    /// A table where a person watches, else lines.
    pub fn new() -> Self {
        Self { terminal: say::on_terminal(), lines: 0, told: BTreeMap::new() }
    }

    /// Shows how things are.
    pub fn draw(&mut self, objects: &[Object], problems: &[String]) {
        if self.terminal { self.redraw(objects, problems) } else { self.tell(objects) }
    }

    fn redraw(&mut self, objects: &[Object], problems: &[String]) {
        let size = rustix::termios::tcgetwinsize(std::io::stdout());
        let (columns, rows) = room(size.map_or((0, 0), |size| (size.ws_col, size.ws_row)));
        let mut text = drawing(objects, problems, columns);
        if anstream::AutoStream::choice(&std::io::stdout()) == anstream::ColorChoice::Never {
            text = anstream::adapter::strip_str(&text).to_string();
        }
        let (text, lines) = fit(&text, columns, rows);
        // Up to where the last drawing began, and clear from there. Moving the cursor is no colour: it is not for
        // anybody to be taken out.
        let up = if self.lines > 0 { format!("\x1b[{}A\x1b[J", self.lines) } else { String::new() };
        let mut out = std::io::stdout().lock();
        let _ = write!(out, "{up}{text}").and_then(|()| out.flush());
        self.lines = lines;
    }

    fn tell(&mut self, objects: &[Object]) {
        let now: BTreeMap<_, _> =
            objects.iter().map(|object| (name(object), line(object))).collect();
        for (name, line) in &now {
            if self.told.get(name) != Some(line) {
                say::data(&format!("{name} {line}"));
            }
        }
        for name in self.told.keys().filter(|name| !now.contains_key(*name)) {
            say::data(&format!("{name} gone"));
        }
        self.told = now;
    }
}

/// The columns and rows of a terminal. One that does not know its size, as that of a container or a recorder, says 0.
fn room((columns, rows): (u16, u16)) -> (usize, usize) {
    let or = |said: u16, usual| if said == 0 { usual } else { usize::from(said) };
    (or(columns, 80).max(20), or(rows, 24).max(4))
}

/// The table and what is below it, of the screen's width.
fn drawing(objects: &[Object], problems: &[String], columns: usize) -> String {
    let mut table = table(objects);
    table.set_width(u16::try_from(columns).unwrap_or(u16::MAX));
    let mut text = table.to_string();
    for line in below(objects, problems, columns) {
        text.push('\n');
        text.push_str(&line);
    }
    text
}

/// What is wrong and in no row, in lines of the screen's width.
fn below(objects: &[Object], problems: &[String], columns: usize) -> Vec<String> {
    let rows: Vec<String> = objects
        .iter()
        .filter(|object| has_a_row(object))
        .map(|object| format!("{}: {}", name(object), facts(object).1))
        .collect();
    let mut told = BTreeSet::new();
    let news = problems
        .iter()
        .filter(|it| told.insert(*it) && !rows.iter().any(|row| row.contains(it.as_str())));
    news.flat_map(|problem| problem.lines()).flat_map(|line| wrapped(line, columns)).collect()
}

/// A line broken at spaces, each further one set in. A word that is longer than a line stays whole.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let length = |text: &str| text.chars().count();
        let Some(line) = lines.last_mut() else { continue };
        let begins = line.trim().is_empty();
        if !begins && length(line) + 1 + length(word) > columns {
            lines.push(format!("  {word}"));
            continue;
        }
        line.push_str(if begins { "" } else { " " });
        line.push_str(word);
    }
    lines
}

/// What of a drawing fits on the screen, and how many of its lines that takes. What has left the screen at its top
/// cannot be drawn over any more.
fn fit(text: &str, columns: usize, rows: usize) -> (String, usize) {
    let height = |line: &str| {
        let shown = anstream::adapter::strip_str(line).to_string();
        shown.chars().count().div_ceil(columns).max(1)
    };
    let all: Vec<&str> = text.lines().collect();
    let whole: usize = all.iter().map(|line| height(line)).sum();
    // The cursor stands in a line of its own.
    let room = rows - 1;
    if whole <= room {
        return (all.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat(), whole);
    }
    let (mut kept, mut used) = (String::new(), 1);
    let mut shown = 0;
    for line in &all {
        if used + height(line) > room {
            break;
        }
        used += height(line);
        shown += 1;
        kept.push_str(line);
        kept.push('\n');
    }
    let more = all.len() - shown;
    let _ = writeln!(kept, "… and {more} more lines; `ctl get` shows all");
    (kept, used)
}

fn name(object: &Object) -> String {
    format!("{}/{}", object.kind.to_lowercase(), object.metadata.name)
}

fn line(object: &Object) -> String {
    let (phase, detail) = facts(object);
    format!("{phase} {detail}").trim_end().to_owned()
}

/// The phase, and either its URLs or what is in the way.
fn facts(object: &Object) -> (String, String) {
    let Some(status) = &object.status else { return ("Pending".into(), String::new()) };
    let urls = || {
        let urls = status.urls.iter().map(|(name, url)| format!("{name} {url}"));
        urls.collect::<Vec<_>>().join("  ")
    };
    let message = |kind| {
        status.condition(kind).map(|condition| condition.message.clone()).unwrap_or_default()
    };
    let mut detail = match status.phase {
        Phase::Ready => urls(),
        Phase::Pending
        | Phase::Progressing
        | Phase::Degraded
        | Phase::Stalled
        | Phase::Suspended
        | Phase::Deleting => message(ConditionType::Ready),
    };
    let source = message(ConditionType::SourceValid);
    if !source.is_empty() && !detail.contains(&source) {
        // Writing to a String cannot fail.
        let _ = write!(detail, " (the file has a problem: {source})");
    }
    let stays = message(ConditionType::DeletionBlocked);
    if !stays.is_empty() && !detail.contains(&stays) {
        let _ = write!(detail, " (cannot leave: {stays})");
    }
    (status.phase.to_string(), detail.trim_start().to_owned())
}

fn table(objects: &[Object]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["NAME", "PHASE", "URLS / WHAT IT WAITS FOR"]);
    let mut shown: Vec<&Object> = objects.iter().filter(|object| has_a_row(object)).collect();
    shown.sort_by_key(|object| object.key().map(|key| key.listed()));
    for object in shown {
        let (phase, detail) = facts(object);
        let colour = match object.status.as_ref().map(|status| status.phase) {
            Some(Phase::Ready) => Color::Green,
            Some(Phase::Stalled | Phase::Degraded) => Color::Red,
            Some(Phase::Pending | Phase::Progressing | Phase::Deleting) => Color::Yellow,
            Some(Phase::Suspended) | None => Color::Grey,
        };
        table.add_row([Cell::new(name(object)), Cell::new(phase).fg(colour), Cell::new(detail)]);
    }
    table
}

/// Of a Stack that is fine there is nothing to tell: it is its agents that work.
fn has_a_row(object: &Object) -> bool {
    let fine = object.status.as_ref().is_some_and(|status| {
        let is = |kind| status.condition(kind).map(|condition| condition.status);
        status.phase == Phase::Ready
            && is(ConditionType::SourceValid) != Some(Truth::False)
            && is(ConditionType::DeletionBlocked) != Some(Truth::True)
    });
    object.kind != "Stack" || !fine
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_does_not_know_its_size_has_the_usual_one() {
        assert_eq!(room((0, 0)), (80, 24));
        assert_eq!(room((120, 0)), (120, 24));
        assert_eq!(room((3, 2)), (20, 4));
    }

    #[test]
    fn colours_take_no_room() {
        let line = format!("\x1b[38;5;10m{}\x1b[39m", "x".repeat(80));
        assert_eq!(fit(&line, 80, 24), (format!("{line}\n"), 1));
        assert_eq!(fit(&"x".repeat(81), 80, 24).1, 2);
        assert_eq!(fit("a\n\nb", 80, 24).1, 3);
    }

    #[test]
    fn what_does_not_fit_on_the_screen_is_counted() {
        let text = vec!["line"; 30].join("\n");
        let (shown, lines) = fit(&text, 80, 10);
        assert_eq!(lines, 9);
        assert_eq!(shown.lines().count(), 9);
        assert!(shown.ends_with("line\n… and 22 more lines; `ctl get` shows all\n"), "{shown}");
    }

    /// An object as `GET` answers it, with one condition that is not as usual.
    fn object(kind: &str, name: &str, condition: &str, truth: &str, message: &str) -> Object {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "agent-harness.dev/v1alpha1",
            "kind": kind,
            "metadata": {
                "name": name, "uid": "0190-12345678", "generation": 1, "source": "x.yaml:1",
                "creationTimestamp": "2026-11-24T11:55:00Z",
            },
            "spec": {},
            "status": {
                "observedGeneration": 1,
                "phase": "Ready",
                "conditions": [{
                    "type": condition, "status": truth, "reason": "R", "message": message,
                    "observedGeneration": 1, "lastTransitionTime": "2026-11-24T11:55:00Z",
                }],
            },
        }))
        .unwrap()
    }

    #[test]
    fn what_is_not_fine_has_a_row_and_agents_are_in_their_order() {
        let broken = "stack.yaml:4:8: there is no Infra `sharedd`";
        let objects = [
            object("Agent", "agent-10", "Ready", "True", ""),
            object("Agent", "agent-2", "Ready", "True", ""),
            object("Stack", "fine", "SourceValid", "True", ""),
            object("Stack", "broken", "SourceValid", "False", broken),
            object("Infra", "shared", "DeletionBlocked", "True", "still used by agent/agent-2"),
        ];
        let mut table = table(&objects);
        table.set_width(100);
        let shown = anstream::adapter::strip_str(&table.to_string()).to_string();
        let lines: Vec<_> = shown.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "NAME            PHASE  URLS / WHAT IT WAITS FOR",
                "infra/shared    Ready  (cannot leave: still used by agent/agent-2)",
                "stack/broken    Ready  (the file has a problem: stack.yaml:4:8: there is no Infra `sharedd`)",
                "agent/agent-2   Ready",
                "agent/agent-10  Ready",
            ]
        );
        let problems = [
            broken.to_owned(),
            "other.yaml:1:1: this is no object, and a line that is as long as this one is broken"
                .to_owned(),
        ];
        assert_eq!(
            below(&objects, &problems, 40),
            [
                "other.yaml:1:1: this is no object, and a",
                "  line that is as long as this one is",
                "  broken",
            ]
        );
    }

    #[test]
    fn the_live_table_fits_the_screen_with_all_its_urls() {
        let agent = |number: u16, phase: &str, message: &str| {
            let mut agent = object("Agent", &format!("agent-{number}"), "Ready", "True", message);
            let status = agent.status.as_mut().unwrap();
            status.phase = serde_json::from_value(phase.into()).unwrap();
            for (name, base) in [("api", 8000), ("frontend", 3000)] {
                let url = format!("http://127.0.0.1:{}", base + 10 * number);
                status.urls.insert(name.to_owned(), url);
            }
            agent
        };
        let objects = [
            object("Infra", "shared", "Ready", "True", ""),
            agent(1, "Ready", ""),
            agent(2, "Progressing", "waits for setup/install"),
            agent(3, "Ready", ""),
        ];
        let problems = ["x.yaml:1:1: this is no object".to_owned()];
        let shown = |columns| {
            let text = drawing(&objects, &problems, columns);
            let text = anstream::adapter::strip_str(&text).to_string();
            let lines: Vec<_> = text.lines().map(str::trim_end).map(str::to_owned).collect();
            lines.join("\n")
        };
        assert_eq!(shown(100), WIDE);
        assert_eq!(shown(60), NARROW);
    }

    const WIDE: &str = "\u{20}NAME           PHASE        URLS / WHAT IT WAITS FOR
 infra/shared   Ready
 agent/agent-1  Ready        api http://127.0.0.1:8010  frontend http://127.0.0.1:3010
 agent/agent-2  Progressing  waits for setup/install
 agent/agent-3  Ready        api http://127.0.0.1:8030  frontend http://127.0.0.1:3030
x.yaml:1:1: this is no object";

    const NARROW: &str = "\u{20}NAME           PHASE        URLS / WHAT IT WAITS FOR
 infra/shared   Ready
 agent/agent-1  Ready        api http://127.0.0.1:8010
                             frontend http://127.0.0.1:3010
 agent/agent-2  Progressing  waits for setup/install
 agent/agent-3  Ready        api http://127.0.0.1:8030
                             frontend http://127.0.0.1:3030
x.yaml:1:1: this is no object";
}
