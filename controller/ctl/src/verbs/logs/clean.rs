//! What of a line may reach a terminal: its colours. Whatever else a process prints at one (a moved cursor, a title, a
//! reset, binary garbage) would change what others have on the screen. Elsewhere the colours go too.

use std::borrow::Cow;
use std::fmt::Write as _;

use anstyle_parse::{Params, Parser, Perform};

const RESET: &[u8] = b"\x1b[0m";

/// A line as it is shown; colours are kept where `colour` is set, and end with it.
pub fn clean(line: &[u8], colour: bool) -> Cow<'_, [u8]> {
    // The bytes of most lines are all to be seen, and are left as they are, be they UTF-8 or not.
    if !line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Cow::Borrowed(line);
    }
    let mut seen = Seen { text: String::with_capacity(line.len()), colour, coloured: false };
    let mut parser: Parser = Parser::default();
    // The parser takes what follows half a character for a part of it, be it an escape.
    for byte in String::from_utf8_lossy(line).bytes() {
        parser.advance(&mut seen, byte);
    }
    let mut text = seen.text.into_bytes();
    if seen.coloured {
        text.extend_from_slice(RESET);
    }
    Cow::Owned(text)
}

struct Seen {
    text: String,
    colour: bool,
    /// A colour has not ended yet.
    coloured: bool,
}

impl Perform for Seen {
    fn print(&mut self, char: char) {
        if !char.is_control() {
            self.text.push(char);
        }
    }

    fn execute(&mut self, byte: u8) {
        if byte == b'\t' {
            self.text.push('\t');
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: u8) {
        if !self.colour || action != b'm' || ignore || !intermediates.is_empty() {
            return;
        }
        self.text.push_str("\x1b[");
        for (number, param) in params.iter().enumerate() {
            if number > 0 {
                self.text.push(';');
            }
            for (number, part) in param.iter().enumerate() {
                let colon = if number > 0 { ":" } else { "" };
                // A string takes everything.
                let _ = write!(self.text, "{colon}{part}");
            }
        }
        self.text.push('m');
        self.coloured = params.iter().last().is_none_or(|last| last != [0]);
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    fn shown(line: &[u8], colour: bool) -> String {
        String::from_utf8_lossy(&clean(line, colour)).into_owned()
    }

    #[test]
    fn colours_are_kept_and_end_with_their_line_or_are_left_out() {
        let line = b"\x1b[1;38;5;9mred\x1b[0m and \x1b[38:2:1:2:3mmore\tof it";
        assert_eq!(shown(line, false), "red and more\tof it");
        let kept = "\x1b[1;38;5;9mred\x1b[0m and \x1b[38:2:1:2:3mmore\tof it\x1b[0m";
        assert_eq!(shown(line, true), kept);
        assert_eq!(shown(b"\x1b[31mred\x1b[m", true), "\x1b[31mred\x1b[0m");
    }

    #[test]
    fn nothing_else_that_moves_a_terminal_gets_there() {
        let line = b"\x1b[2J\x1b[Hone\x1b]0;title\x07 two\x1bc\x0e\r\x08 thr\xc3\xa9e\x1b[?1049h\x7f \xff\0";
        assert_eq!(shown(line, true), "one two thr\u{e9}e \u{fffd}");
        assert_eq!(shown(b"caf\xe9\x1b[2J.", true), "caf\u{fffd}.");
        assert_eq!(shown(b"cut off \x1b]0;within", true), "cut off ");
    }

    #[test]
    fn a_line_without_any_is_left_as_its_bytes_are() {
        assert_eq!(&*clean(b"caf\xe9\tau lait", true), b"caf\xe9\tau lait");
    }
}
