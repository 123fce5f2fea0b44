//! The one printer: data to standard output, words to standard error, colour only for people.
//!
//! A closed pipe comes back as an error of kind `BrokenPipe`, which ends a command well.

mod age;

mod progress;
mod table;
mod tone;
mod wrap;

use std::io::{self, IsTerminal as _, Write};

use jiff::Timestamp;

use crate::error::Failure;

pub use age::{age, seconds};
pub use agent_harness_model::bytes::bytes;
pub use progress::Progress;
pub use table::{Cell, Table, fit};
pub use tone::Tone;
pub use wrap::wrap;

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    // On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

/// The printer.
pub struct Ui {
    out: Sink,
    err: Sink,
    clock: fn() -> Timestamp,
}

/// One of the two ways out.
struct Sink {
    write: Box<dyn Write>,
    /// A terminal that can move its cursor.
    live: bool,
    colour: bool,
    /// Columns; `None` where lines may be as long as they are.
    width: Option<usize>,
}

impl Ui {
    /// The printer of this process.
    pub fn of_terminal(color: Color) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let sink = |write: Box<dyn Write>, terminal: bool, width: Option<usize>| Sink {
            write,
            live: terminal && !dumb,
            colour: match color {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => terminal && !dumb && !refused,
            },
            width: width.filter(|_| terminal),
        };
        let (out, err) = (io::stdout(), io::stderr());
        let (out_width, err_width) = (columns(&out), columns(&err));
        let (out_tty, err_tty) = (out.is_terminal(), err.is_terminal());
        Self {
            out: sink(Box::new(out), out_tty, out_width),
            err: sink(Box::new(err), err_tty, err_width),
            clock: Timestamp::now,
        }
    }

    /// A printer whose words and data go to one place, in lines of a width.
    pub fn into_one(write: impl Write + Clone + 'static, width: usize, colour: bool) -> Self {
        let sink = |write| Sink { write, live: false, colour, width: Some(width) };
        let (out, err) = (Box::new(write.clone()), Box::new(write));
        Self { out: sink(out), err: sink(err), clock: Timestamp::now }
    }

    /// A printer like this one that takes all for words: for what is data elsewhere, and here a part of something.
    pub fn for_words(&self) -> Self {
        let sink = || Sink {
            write: Box::new(io::stderr()),
            live: self.err.live,
            colour: self.err.colour,
            width: self.err.width,
        };
        Self { out: sink(), err: sink(), clock: self.clock }
    }

    /// The time against which ages are shown.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Whether a person looks at standard output.
    pub fn is_terminal(&self) -> bool {
        self.out.live
    }

    /// Whether standard error can show progress.
    pub fn is_live(&self) -> bool {
        self.err.live
    }

    /// Whether standard output is coloured.
    pub fn is_coloured(&self) -> bool {
        self.out.colour
    }

    /// Whether standard error is coloured.
    pub fn words_are_coloured(&self) -> bool {
        self.err.colour
    }

    /// The columns of standard output; `None` where lines may be as long as they are.
    pub fn width(&self) -> Option<usize> {
        self.out.width
    }

    /// Writes data as it is.
    pub fn data(&mut self, text: &str) -> io::Result<()> {
        self.bytes(text.as_bytes())
    }

    /// Writes bytes of somebody else's as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write.write_all(bytes)?;
        self.out.write.flush()
    }

    /// Writes bytes of somebody else's words for people as they are.
    pub fn error_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.err.write.write_all(bytes)?;
        self.err.write.flush()
    }

    /// Writes one line of data.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.data(&format!("{}\n", text.trim_end()))
    }

    /// Writes one line of words for people.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        self.err.write.write_all(format!("{}\n", text.trim_end()).as_bytes())?;
        self.err.write.flush()
    }

    /// Says what a person should know and what ends nothing.
    pub fn warn(&mut self, text: &str) -> io::Result<()> {
        let label = Tone::Busy.paint(self.err.colour, "warning");
        self.say(&format!("{label}: {text}"))
    }

    /// Says what ended the command. Where even that cannot be said, nobody listens.
    pub fn failure(&mut self, failure: &Failure) {
        for diagnostic in &failure.diagnostics {
            let _ = self.say(diagnostic);
            let _ = self.say("");
        }
        if !failure.message.is_empty() {
            let label = Tone::Bad.paint(self.err.colour, "error");
            let _ = self.say(&format!("{label}: {}", failure.message));
        }
        for hint in &failure.hints {
            let label = Tone::Info.paint(self.err.colour, "hint");
            let _ = self.say(&format!(" {label}: {hint}"));
        }
    }

    /// A text for standard output in a tone.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        tone.paint(self.out.colour, text)
    }

    /// A text for standard error in a tone.
    pub fn paint_words(&self, tone: Tone, text: &str) -> String {
        tone.paint(self.err.colour, text)
    }

    /// Writes a table.
    pub fn table(&mut self, table: &Table) -> io::Result<()> {
        let text = table.render(self.out.width, self.out.colour);
        self.data(&text)
    }

    /// Writes a table in place of what is on a terminal.
    pub fn screen(&mut self, table: &Table, first: bool) -> io::Result<()> {
        let text = table.render(self.out.width, self.out.colour);
        self.data(&in_place(&text, first))
    }
}

/// A text in place of what is on the screen: from its upper left corner, and nothing after it. It is not wiped before,
/// which would flicker, but for the first time.
fn in_place(text: &str, first: bool) -> String {
    let wipe = if first { "\x1b[2J" } else { "" };
    format!("{wipe}\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"))
}

/// The columns of a terminal; `COLUMNS` is not asked, since it may be another terminal's.
fn columns(stream: &impl std::os::fd::AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_was_on_the_screen_is_written_over() {
        assert_eq!(super::in_place("a\nb\n", true), "\x1b[2J\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
        assert_eq!(super::in_place("a\n", false), "\x1b[Ha\x1b[K\n\x1b[J");
    }
}

#[cfg(test)]
pub use captured::Captured;

#[cfg(test)]
mod captured {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::{Sink, Ui, Write, io};

    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a test's printer printed.
    pub struct Captured {
        out: Shared,
        err: Shared,
    }

    impl Captured {
        /// A printer without colour and of any width, at a fixed time.
        pub fn new() -> (Ui, Self) {
            Self::like(None, false)
        }

        /// A printer like that of a terminal.
        pub fn like(width: Option<usize>, colour: bool) -> (Ui, Self) {
            let captured = Self { out: Shared::default(), err: Shared::default() };
            let sink = |shared: &Shared| Sink {
                write: Box::new(shared.clone()),
                live: false,
                colour,
                width,
            };
            let (out, err) = (sink(&captured.out), sink(&captured.err));
            let clock = || "2026-11-24T12:00:00Z".parse().unwrap();
            (Ui { out, err, clock }, captured)
        }

        pub fn out(&self) -> String {
            String::from_utf8(self.out.0.take()).unwrap()
        }

        pub fn err(&self) -> String {
            String::from_utf8(self.err.0.take()).unwrap()
        }

        /// Both, for a snapshot.
        pub fn all(&self) -> String {
            let (out, err) = (self.out(), self.err());
            match (out.as_str(), err.as_str()) {
                (_, "") => out,
                ("", _) => format!("--- stderr\n{err}"),
                _ => format!("{out}--- stderr\n{err}"),
            }
        }
    }
}
