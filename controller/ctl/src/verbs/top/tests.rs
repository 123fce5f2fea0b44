//! The state and the picture of it, without a terminal: what keys do, and what is seen then. The whole in a real
//! terminal is an end-to-end test.

mod picture;
mod state;
mod text;

use agent_harness_model::api::{Info, Object, ServiceNow};
use agent_harness_model::status::Phase;
use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::draw::draw;
use super::model::{Ask, Event, Model};
use crate::testing::{agent, infra};

fn at(time: &str) -> Timestamp {
    format!("2026-11-24T{time}Z").parse().unwrap()
}

fn running(name: &str, kind: &str, cpu: f64, memory: u64) -> ServiceNow {
    ServiceNow {
        name: name.into(),
        resource: format!("{kind}/{name}"),
        state: Some("running".into()),
        pid: Some(4711),
        started: Some(at("11:30:00")),
        restarts: Some(1),
        cpu_percent: Some(cpu),
        memory: Some(memory << 20),
        ..ServiceNow::default()
    }
}

fn info() -> Info {
    Info {
        version: "0.1.0".into(),
        pid: 42,
        state: "/state".into(),
        specs: "/specs".into(),
        frozen: None,
        problems: Vec::new(),
        held_by: None,
    }
}

fn world() -> Vec<Object> {
    vec![
        infra(),
        agent("agent-10", Phase::Stalled, "port 3100 is taken by pid 4711 (node server.js)"),
        agent("agent-2", Phase::Progressing, "process/api is starting: connection refused"),
        agent("agent-1", Phase::Ready, ""),
        crate::testing::stack(),
    ]
}

/// A terminal of a size, with the world and figures of some of it.
fn model(columns: u16, lines: u16) -> Model {
    let mut model = Model::new(at("12:00:00"), (columns, lines), false);
    tell(&mut model);
    let figures =
        vec![running("api", "process", 12.34, 40), running("frontend", "process", 0.0, 90)];
    model.update(Event::Figures("agent-1".parse().unwrap(), Ok(figures)));
    let mut ended = running("api", "process", 0.0, 0);
    ended.state = Some("exited with code 1".into());
    (ended.pid, ended.started, ended.cpu_percent, ended.memory) = (None, None, None, None);
    let figures = vec![ended, running("frontend", "process", 1203.4, 512)];
    model.update(Event::Figures("agent-10".parse().unwrap(), Ok(figures)));
    model
}

fn tell(model: &mut Model) -> Vec<Ask> {
    model.update(Event::Objects(world(), Some(info())))
}

/// Presses keys: characters, `Enter`, `Esc`, `Up`, ...
fn press(model: &mut Model, keys: &[&str]) -> Vec<Ask> {
    let key = |key: &&str| {
        let code = match *key {
            "Enter" => KeyCode::Enter,
            "Esc" => KeyCode::Esc,
            "Up" => KeyCode::Up,
            "Down" => KeyCode::Down,
            "Left" => KeyCode::Left,
            "Right" => KeyCode::Right,
            "PgUp" => KeyCode::PageUp,
            "PgDn" => KeyCode::PageDown,
            "Backspace" => KeyCode::Backspace,
            char => KeyCode::Char(char.chars().next().unwrap()),
        };
        KeyEvent::new(code, KeyModifiers::NONE)
    };
    keys.iter().flat_map(|it| model.update(Event::Key(key(it)))).collect()
}

fn ctrl(model: &mut Model, char: char) -> Vec<Ask> {
    model.update(Event::Key(KeyEvent::new(KeyCode::Char(char), KeyModifiers::CONTROL)))
}

/// The line that is chosen.
fn chosen(model: &Model) -> String {
    model.selected.as_ref().map(ToString::to_string).unwrap_or_default()
}

/// What is seen, without blanks at the ends of lines.
fn seen(model: &Model, columns: u16, lines: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
    terminal.draw(|frame| draw(model, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(usize::from(columns));
    let text = rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>());
    text.map(|line| line.trim_end().to_owned() + "\n").collect()
}
