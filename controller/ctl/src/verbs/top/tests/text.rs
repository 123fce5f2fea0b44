//! What programs print, as styled text.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::super::ansi::{line, wrapped};

fn plain(text: &str) -> String {
    line(text.as_bytes(), false).to_string()
}

#[test]
fn colours_stay_and_nothing_else_of_a_terminal_does() {
    let styled = line(b"a \x1b[1;31mred\x1b[0m \x1b[38;5;200mx\x1b[38;2;1;2;3my\x1b[39mz", true);
    let red = Style::new().fg(Color::Indexed(1)).add_modifier(Modifier::BOLD);
    let expected = Line::from(vec![
        Span::raw("a "),
        Span::styled("red", red),
        Span::raw(" "),
        Span::styled("x", Style::new().fg(Color::Indexed(200))),
        Span::styled("y", Style::new().fg(Color::Rgb(1, 2, 3))),
        Span::styled("z", Style::new().fg(Color::Reset)),
    ]);
    assert_eq!(styled, expected);
    assert_eq!(line(b"a \x1b[31mred", false), Line::from("a red"));
}

#[test]
fn what_would_move_the_cursor_is_taken_out() {
    for (text, shown) in [
        ("a\x1b[2J\x1b[Hb\x1b[?25l", "ab"),
        ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b", "ab"),
        ("a\r\x08\x07b\x1b(Bc\x1b7d", "abcd"),
        ("a\tb\tc", "a       b       c"),
        ("cut \x1b[3", "cut "),
        ("cut \x1b]0;ti", "cut "),
        ("cut \x1b", "cut "),
    ] {
        assert_eq!(plain(text), shown, "{text:?}");
    }
    assert_eq!(line(b"\xff\xfe", false).to_string(), "\u{fffd}\u{fffd}");
}

#[test]
fn long_lines_go_on_below() {
    let wrap = |text: &str, width| {
        wrapped(&line(text.as_bytes(), true), width).iter().map(Line::to_string).collect::<Vec<_>>()
    };
    assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
    assert_eq!(wrap("ab\x1b[31mcd\x1b[0mef", 3), ["abc", "def"]);
    assert_eq!(wrap("日本語", 4), ["日本", "語"]);
    assert_eq!(wrap("日本", 1), ["日", "本"]);
    assert_eq!(wrap("", 0), [""]);
}
