//! The picture of a state: a head, the list, a word about the line that is chosen, the keys; or a page over all of it.
//! It looks at the state alone, so that the same state always gives the same picture.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::model::{Mode, Model};
use super::page::{Kind, Page};
use super::rows::{Row, Totals, totals};
use crate::ui::{Tone, age, bytes, fit, wrap};

/// What does not apply, or is not known.
const NOTHING: &str = "-";
/// That nobody tells anything now.
const AWAY: &str = "the controller is away";
/// The least columns of a message beside what else is in a line.
const MESSAGE: usize = 12;
/// The least and the most columns of a name.
const NAME: (usize, usize) = (12, 28);
/// Columns of what stands between the name and the rest: state, ready, cpu, memory, restarts.
const STATE: usize = 11;
const READY: usize = 5;
const CPU: usize = 6;
const MEMORY: usize = 6;
const RESTARTS: usize = 8;
/// Of a process its pid and uptime are in the place where an agent has its branch.
const PID: usize = 7;
const UPTIME: usize = 6;
const PLACE: usize = PID + 2 + UPTIME;

/// Draws it.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    let paint = Paint { colour: model.colour };
    let width = usize::from(area.width);
    let lines = match &model.mode {
        Mode::Page(page) => page_lines(model, page, paint, width),
        Mode::List | Mode::Filter(_) | Mode::Confirm(_) => list_lines(model, paint, width),
    };
    for (line, y) in lines.into_iter().zip(area.y..area.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

/// What a tone looks like here.
#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn style(self, tone: Tone) -> Style {
        if !self.colour {
            return Style::new();
        }
        match tone {
            Tone::Plain | Tone::Series(_) => Style::new(),
            Tone::Strong => Style::new().add_modifier(Modifier::BOLD),
            Tone::Quiet => Style::new().add_modifier(Modifier::DIM),
            Tone::Good => Style::new().fg(Color::Green),
            Tone::Busy => Style::new().fg(Color::Yellow),
            Tone::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Info => Style::new().fg(Color::Cyan),
        }
    }

    fn span(self, tone: Tone, text: impl Into<String>) -> Span<'static> {
        Span::styled(text.into(), self.style(tone))
    }
}

fn list_lines(model: &Model, paint: Paint, width: usize) -> Vec<Line<'static>> {
    let rows = model.rows();
    let totals = totals(&model.learned);
    let name = rows.iter().map(|row| name(row).chars().count()).max().unwrap_or(0);
    let name = name.clamp(NAME.0, NAME.1);
    let mut lines = vec![
        head(model, &totals, paint),
        sums(&totals, paint),
        Line::from(paint.span(Tone::Quiet, titles(name, width))),
    ];
    let height = model.list_height();
    let seen = rows.iter().enumerate().skip(model.top).take(height);
    lines.extend(seen.map(|(index, row)| {
        let chosen = index == model.cursor;
        let mut line = row_line(row, name, width, chosen, model);
        if chosen {
            // Up to the edge.
            line.push_span(Span::raw(" ".repeat(width.saturating_sub(line.width()))));
            line = line.patch_style(Style::new().add_modifier(Modifier::REVERSED));
        }
        line
    }));
    if rows.is_empty() {
        let words = wrap(&nothing(model), width.saturating_sub(2));
        lines.extend(words.into_iter().map(|words| Line::from(format!("  {words}"))).take(height));
    }
    lines.resize(3 + height, Line::default());
    lines.push(word(model, rows.get(model.cursor), paint, width));
    lines.push(keys(model, paint, width));
    lines
}

/// Why there is no line.
fn nothing(model: &Model) -> String {
    if !model.view.filter.is_empty() {
        format!("nothing is called `{}`", model.view.filter)
    } else if let Some(why) = &model.away {
        why.clone()
    } else if model.told.is_some() {
        "nothing there yet: `ctl apply -f FILE` creates objects".to_owned()
    } else {
        String::new()
    }
}

/// What all of it uses, and who tells that, or that nobody does.
fn head(model: &Model, totals: &Totals, paint: Paint) -> Line<'static> {
    let used = format!("cpu {}  memory {}", cpu(totals.used.cpu), memory(totals.used.memory));
    let mut spans = vec![paint.span(Tone::Strong, "ctl top"), Span::raw(format!("  {used}  "))];
    if model.away.is_some() {
        let old = match model.told {
            Some(told) => format!(", this is {} old", age(told, model.now)),
            None if model.learned.objects.is_empty() => String::new(),
            None => ", this is what it last wrote".to_owned(),
        };
        spans.push(paint.span(Tone::Bad, format!("{AWAY}{old}")));
        return Line::from(spans);
    }
    let Some(info) = &model.info else {
        let words = if model.told.is_some() { "" } else { "asking the controller ..." };
        spans.push(paint.span(Tone::Quiet, words));
        return Line::from(spans);
    };
    spans.push(Span::raw(format!("controller {}, pid {}", info.version, info.pid)));
    if !info.problems.is_empty() {
        let count = info.problems.len();
        let words = if count == 1 { "problem" } else { "problems" };
        spans.push(paint.span(Tone::Bad, format!("  {count} {words}: see `ctl get`")));
    }
    if let Some(frozen) = &info.frozen {
        spans.push(paint.span(Tone::Busy, format!("  deletions wait: {frozen}")));
    }
    Line::from(spans)
}

/// How many there are, and how they stand.
fn sums(totals: &Totals, paint: Paint) -> Line<'static> {
    let count: usize = totals.phases.iter().map(|(_, count)| count).sum();
    let mut spans = vec![Span::raw(format!("{count} agent{}", if count == 1 { "" } else { "s" }))];
    for (index, (phase, count)) in totals.phases.iter().enumerate() {
        spans.push(Span::raw(if index == 0 { ": " } else { ", " }));
        let tone = crate::object::phase_tone(*phase);
        spans.push(paint.span(tone, format!("{count} {phase}")));
    }
    let (ready, all) = totals.ready;
    spans.push(Span::raw(format!("   processes ready: {ready}/{all}")));
    Line::from(spans)
}

fn titles(name: usize, width: usize) -> String {
    let titles = format!(
        "  {:name$}  {:STATE$}  {:>READY$}  {:>CPU$}  {:>MEMORY$}  {:>RESTARTS$}  {:PID$}  {:UPTIME$}",
        "NAME", "STATE", "READY", "CPU", "MEMORY", "RESTARTS", "PID", "UPTIME"
    );
    if has_messages(name, width) { titles + "  MESSAGE" } else { titles }
}

/// Whether messages have a place of their own.
fn has_messages(name: usize, width: usize) -> bool {
    let before = name + STATE + READY + CPU + MEMORY + RESTARTS + PLACE + 8 * 2;
    width >= before + MESSAGE
}

fn name(row: &Row) -> String {
    match (&row.id.part, row.folded) {
        (Some(part), _) => format!("    {part}"),
        (None, Some(true)) => format!("▸ {}", short(row)),
        (None, Some(false)) => format!("▾ {}", short(row)),
        (None, None) => format!("  {}", short(row)),
    }
}

/// Of an agent its name alone, as in other lists.
fn short(row: &Row) -> String {
    match row.id.key.kind {
        agent_harness_model::id::ObjectKind::Agent => row.id.key.name.clone(),
        _ => row.id.key.to_string(),
    }
}

fn row_line(row: &Row, name: usize, width: usize, chosen: bool, model: &Model) -> Line<'static> {
    let paint = Paint { colour: model.colour };
    let is_object = row.id.part.is_none();
    let (state, tone) = &row.state;
    let message = row.message.lines().next().unwrap_or_default();
    let has_messages = has_messages(name, width);
    let place = if !is_object {
        let pid = row.pid.map_or_else(|| NOTHING.to_owned(), |pid| pid.to_string());
        let uptime = row.started.map_or_else(|| NOTHING.to_owned(), |at| age(at, model.now));
        format!("{pid:PID$}  {uptime:UPTIME$}")
    } else if has_messages || message.is_empty() {
        fit(&row.branch, PLACE)
    } else {
        // What is wrong with it is more than its branch, of which the word below tells.
        message.to_owned()
    };
    let restarts = row.used.restarts.map_or_else(|| NOTHING.to_owned(), |count| count.to_string());
    // The mark is there for whoever sees no colours.
    let mark = if chosen { "> " } else { "  " };
    let shown = fit(&self::name(row), name);
    let mut spans = vec![
        Span::raw(mark),
        paint.span(if is_object { Tone::Strong } else { Tone::Plain }, format!("{shown:name$}  ")),
        paint.span(*tone, format!("{:STATE$}", fit(state, STATE))),
        Span::raw(format!(
            "  {:>READY$}  {:>CPU$}  {:>MEMORY$}  {restarts:>RESTARTS$}  ",
            row.ready,
            cpu(row.used.cpu),
            memory(row.used.memory),
        )),
    ];
    if has_messages {
        let tone = if is_object { Tone::Quiet } else { Tone::Plain };
        spans.push(paint.span(tone, format!("{place:PLACE$}  ")));
        spans.push(Span::raw(message.to_owned()));
    } else {
        spans.push(Span::raw(place));
    }
    let used: usize = spans.iter().map(Span::width).sum();
    if used > width {
        // What does not fit ends with a mark.
        if let Some(last) = spans.pop() {
            spans.push(Span::styled(
                fit(&last.content, (width + last.width()).saturating_sub(used)),
                last.style,
            ));
        }
    }
    Line::from(spans)
}

/// `12.3%`, and what is many processors without its fraction.
fn cpu(percent: Option<f64>) -> String {
    match percent {
        Some(percent) if percent >= 999.95 => format!("{percent:.0}%"),
        Some(percent) => format!("{percent:.1}%"),
        None => NOTHING.to_owned(),
    }
}

fn memory(count: Option<u64>) -> String {
    count.map_or_else(|| NOTHING.to_owned(), bytes)
}

/// What was done just now, else what is to be said of the line that is chosen: messages do not fit in every list.
fn word(model: &Model, row: Option<&Row>, paint: Paint, width: usize) -> Line<'static> {
    if let Some((_, tone, words)) = &model.notice {
        return Line::from(paint.span(*tone, fit(words, width)));
    }
    if let Some(why) = model.away.as_ref().filter(|_| row.is_some()) {
        return Line::from(paint.span(Tone::Bad, fit(why, width)));
    }
    let Some(row) = row else { return Line::default() };
    let mut words = Vec::new();
    if !row.branch.is_empty() {
        words.push(format!("branch {}", row.branch));
    }
    if row.state.0.chars().count() > STATE {
        words.push(row.state.0.clone());
    }
    words.extend(row.message.lines().next().map(str::to_owned));
    if words.is_empty() {
        return Line::default();
    }
    Line::from(paint.span(Tone::Quiet, fit(&format!("{}: {}", row.id, words.join(", ")), width)))
}

fn keys(model: &Model, paint: Paint, width: usize) -> Line<'static> {
    match &model.mode {
        Mode::Filter(_) => Line::from(vec![
            Span::raw(format!("/{}_", model.view.filter)),
            paint.span(Tone::Quiet, "   Enter keep  Esc drop"),
        ]),
        Mode::Confirm(id) => {
            let all = if id.part.is_none() { "all of " } else { "" };
            let words = fit(&format!("restart {all}{id}?"), width.saturating_sub(5));
            Line::from(vec![paint.span(Tone::Busy, words), Span::raw(" y/n")])
        }
        Mode::List | Mode::Page(_) => {
            let sort = match model.view.filter.as_str() {
                "" => format!("sort: {}", model.view.sort.word()),
                _ => "sort".to_owned(),
            };
            let filter = match model.view.filter.as_str() {
                "" => "filter".to_owned(),
                filter => format!("{} (Esc: all)", fit(filter, 8)),
            };
            let keys = [
                ("d", "describe"),
                ("l", "logs"),
                ("r", "restart"),
                ("Space/a", "fold"),
                ("/", filter.as_str()),
                ("s", sort.as_str()),
                ("q", "quit"),
            ];
            key_line(&keys, paint)
        }
    }
}

fn key_line(keys: &[(&str, &str)], paint: Paint) -> Line<'static> {
    let mut spans = Vec::new();
    for (key, what) in keys {
        if !spans.is_empty() {
            spans.push(Span::raw("  "));
        }
        spans.push(paint.span(Tone::Strong, *key));
        spans.push(paint.span(Tone::Quiet, format!(" {what}")));
    }
    Line::from(spans)
}

fn page_lines(model: &Model, page: &Page, paint: Paint, width: usize) -> Vec<Line<'static>> {
    let size = model.page_size();
    let mut title = vec![paint.span(Tone::Strong, fit(&page.title(), width))];
    if model.away.is_some() {
        title.push(paint.span(Tone::Bad, format!("  {AWAY}")));
    }
    let mut lines = vec![Line::from(title)];
    lines.extend(page.seen(size));
    lines.resize(1 + size.1, Line::default());
    let end = match page.kind {
        Kind::Describe => "end",
        Kind::Logs if page.follows() => "following",
        Kind::Logs => "follow",
    };
    let keys =
        [("j/k", "scroll"), ("PgUp/PgDn", "page"), ("g", "begin"), ("G", end), ("q", "back")];
    lines.push(key_line(&keys, paint));
    lines
}
