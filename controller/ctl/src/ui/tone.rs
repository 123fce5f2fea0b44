//! What a colour means: tones are named by meaning, and only here become colours.

use anstyle::{AnsiColor, Style};

/// The meaning of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// The headline.
    Strong,
    /// Seldom looked at.
    Quiet,
    /// As it should be.
    Good,
    /// On its way, or worth a look.
    Busy,
    /// Wrong.
    Bad,
    /// A name or a place.
    Info,
    /// Told apart from others by its number alone.
    Series(usize),
}

impl Tone {
    /// The text in this tone, or as it is where there are no colours.
    pub fn paint(self, colour: bool, text: &str) -> String {
        let style = self.style();
        if !colour || text.is_empty() || style.is_plain() {
            return text.to_owned();
        }
        format!("{style}{text}{style:#}")
    }

    fn style(self) -> Style {
        const SERIES: [AnsiColor; 6] = [
            AnsiColor::Cyan,
            AnsiColor::Magenta,
            AnsiColor::Yellow,
            AnsiColor::Green,
            AnsiColor::Blue,
            AnsiColor::BrightRed,
        ];
        let of = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Quiet => Style::new().dimmed(),
            Self::Good => of(AnsiColor::Green),
            Self::Busy => of(AnsiColor::Yellow),
            Self::Bad => of(AnsiColor::Red).bold(),
            Self::Info => of(AnsiColor::Cyan),
            Self::Series(number) => of(SERIES[number % SERIES.len()]),
        }
    }
}
