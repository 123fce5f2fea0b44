//! What programs write for terminals, as styled text: colours stay where there are to be some, and whatever else a
//! terminal would be told is taken out. A log may hold anything, and must not move our cursor.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Columns between two stops of a tabulator.
const TAB: usize = 8;

/// One line, without its end.
pub fn line(bytes: &[u8], colour: bool) -> Line<'static> {
    let text = String::from_utf8_lossy(bytes);
    let mut spans = Vec::new();
    let (mut style, mut piece, mut column) = (Style::new(), String::new(), 0);
    let mut rest = text.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '\x1b' => match rest.next() {
                Some('[') => {
                    let mut words = String::new();
                    let end = loop {
                        match rest.next() {
                            Some(end @ '\x40'..='\x7e') => break Some(end),
                            Some(char) => words.push(char),
                            None => break None,
                        }
                    };
                    if end == Some('m') && colour {
                        if !piece.is_empty() {
                            spans.push(Span::styled(std::mem::take(&mut piece), style));
                        }
                        style = changed(style, &words);
                    }
                }
                // A title, a link: up to a bell or the end of the string.
                Some(']' | 'P' | '_' | '^') => {
                    while let Some(char) = rest.next() {
                        if char == '\x07' || (char == '\x1b' && rest.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                Some('(' | ')') => {
                    rest.next();
                }
                Some(_) | None => {}
            },
            '\t' => {
                let blanks = TAB - column % TAB;
                piece.extend(std::iter::repeat_n(' ', blanks));
                column += blanks;
            }
            char if char.is_control() => {}
            char => {
                piece.push(char);
                column += 1;
            }
        }
    }
    if !piece.is_empty() {
        spans.push(Span::styled(piece, style));
    }
    Line::from(spans)
}

/// A line in pieces that are no wider than that.
pub fn wrapped(line: &Line<'static>, width: usize) -> Vec<Line<'static>> {
    let width = width.max(1);
    if line.width() <= width {
        return vec![line.clone()];
    }
    let (mut lines, mut spans, mut used) = (Vec::new(), Vec::new(), 0);
    for span in &line.spans {
        let mut from = 0;
        for (at, char) in span.content.char_indices() {
            let wide = Span::raw(&span.content[at..at + char.len_utf8()]).width();
            if used > 0 && used + wide > width {
                spans.push(Span::styled(span.content[from..at].to_owned(), span.style));
                lines.push(Line::from(std::mem::take(&mut spans)));
                (from, used) = (at, 0);
            }
            used += wide;
        }
        spans.push(Span::styled(span.content[from..].to_owned(), span.style));
    }
    lines.push(Line::from(spans));
    lines
}

/// A style after the words of an escape sequence: `1;31`.
fn changed(mut style: Style, words: &str) -> Style {
    let mut codes = words.split([';', ':']).map(|word| word.parse::<u8>().unwrap_or(0));
    while let Some(code) = codes.next() {
        style = match code {
            0 => Style::new(),
            1 => style.add_modifier(Modifier::BOLD),
            2 => style.add_modifier(Modifier::DIM),
            3 => style.add_modifier(Modifier::ITALIC),
            4 => style.add_modifier(Modifier::UNDERLINED),
            7 => style.add_modifier(Modifier::REVERSED),
            22 => style.remove_modifier(Modifier::BOLD | Modifier::DIM),
            23 => style.remove_modifier(Modifier::ITALIC),
            24 => style.remove_modifier(Modifier::UNDERLINED),
            27 => style.remove_modifier(Modifier::REVERSED),
            30..=37 => style.fg(Color::Indexed(code - 30)),
            90..=97 => style.fg(Color::Indexed(code - 82)),
            40..=47 => style.bg(Color::Indexed(code - 40)),
            100..=107 => style.bg(Color::Indexed(code - 92)),
            39 => style.fg(Color::Reset),
            49 => style.bg(Color::Reset),
            38 => extended(&mut codes).map_or(style, |color| style.fg(color)),
            48 => extended(&mut codes).map_or(style, |color| style.bg(color)),
            _ => style,
        };
    }
    style
}

/// A colour by its number (`5;N`), or by its parts (`2;R;G;B`).
fn extended(codes: &mut impl Iterator<Item = u8>) -> Option<Color> {
    match codes.next()? {
        5 => Some(Color::Indexed(codes.next()?)),
        2 => Some(Color::Rgb(codes.next()?, codes.next()?, codes.next()?)),
        _ => None,
    }
}
