//! Takes secrets out of what commands and processes print: it goes into statuses and events, which others may read.
//!
//! Logs are left as they are: they are their owner's, with mode 0600.

use agent_harness_model::secret::{Secret, Text};

/// Shorter ones would be found everywhere, and protect nothing.
const LEAST: usize = 4;
/// What ends a line that was cut.
const CUT: char = '…';

/// The secrets that a command has in its environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mask(Vec<Secret>);

impl Mask {
    /// Of these values, those that are secret.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a Text>) -> Self {
        Self::of_texts(values.into_iter().filter(|value| value.is_secret()).map(Text::reveal))
    }

    /// Of secrets.
    pub fn of_secrets<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        Self::of_texts(secrets.into_iter().map(Secret::reveal))
    }

    /// Output is looked at line by line, so the lines of a secret that has several (a private key) are secrets of
    /// their own, and so is the password in a URL: a client that fails to log in names no more than that.
    fn of_texts<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let mut pieces: Vec<&str> = secrets
            .flat_map(|secret| {
                secret.lines().map(str::trim).chain(passwords(secret)).chain([secret])
            })
            .filter(|piece| piece.len() >= LEAST)
            .collect();
        // Longer ones first: a secret may be part of another one.
        pieces.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        pieces.dedup();
        Self(pieces.into_iter().map(Secret::new).collect())
    }

    /// The line without them; also without the beginning of one at which it was cut.
    pub fn apply(&self, line: &str) -> String {
        let mut line = self
            .0
            .iter()
            .fold(line.to_owned(), |line, secret| line.replace(secret.reveal(), "***"));
        if let Some(kept) = line.strip_suffix(CUT)
            && let Some(end) = self.beginning_at_the_end(kept)
        {
            line.replace_range(end.., "***…");
        }
        line
    }

    /// Where a secret begins that goes on after the end of the text.
    fn beginning_at_the_end(&self, text: &str) -> Option<usize> {
        let longest = self.0.first()?.reveal().len().min(text.len());
        (text.len() - longest..(text.len() + 1).saturating_sub(LEAST))
            .filter(|start| text.is_char_boundary(*start))
            .find(|start| self.0.iter().any(|secret| secret.reveal().starts_with(&text[*start..])))
    }
}

/// The passwords of the URLs in a text: `scheme://user:PASSWORD@host`.
fn passwords(text: &str) -> impl Iterator<Item = &str> {
    text.split("://").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(rest.len());
        let (login, _host) = rest.get(..end)?.rsplit_once('@')?;
        login.split_once(':').map(|(_user, password)| password)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(values: &[&str]) -> Mask {
        let values: Vec<Text> =
            values.iter().map(|value| Text::Secret(Secret::new(*value))).collect();
        Mask::of(&values)
    }

    #[test]
    fn secrets_are_masked_whole_and_line_by_line() {
        let at = mask(&["hunter2", "hunter2-and-more", "BEGIN\n  MIIEabc\nEND", "x"]);
        assert_eq!(at.apply("login with hunter2-and-more or hunter2"), "login with *** or ***");
        assert_eq!(at.apply("key: MIIEabc"), "key: ***");
        assert_eq!(at.apply("extra"), "extra", "too short to be one");
        let plain = Mask::of(&[Text::from("public")]);
        assert_eq!(plain.apply("public"), "public");
        assert_eq!(plain, Mask::default());
    }

    #[test]
    fn the_password_of_a_url_is_a_secret_by_itself() {
        let at =
            mask(&["postgres://agent_3:hunter2@127.0.0.1:5432/agent_3", "http://localhost:80"]);
        assert_eq!(
            at.apply("the password hunter2 of agent_3 is wrong"),
            "the password *** of agent_3 is wrong"
        );
        assert_eq!(at.apply("to postgres://agent_3:hunter2@127.0.0.1:5432/agent_3"), "to ***");
        assert_eq!(at.apply("localhost"), "localhost");
    }

    #[test]
    fn a_line_that_was_cut_within_a_secret_does_not_show_its_beginning() {
        let at = mask(&["hunter2 is a long secret", "ünter"]);
        assert_eq!(at.apply("the password is hunter2 is a l…"), "the password is ***…");
        assert_eq!(at.apply("ünt…"), "***…");
        assert_eq!(at.apply("hun…"), "hun…");
        assert_eq!(at.apply("…"), "…");
        assert_eq!(at.apply("hunter2 is not it"), "hunter2 is not it");
    }

    #[test]
    fn it_does_not_print() {
        assert!(!format!("{:?}", mask(&["hunter2"])).contains("hunter2"));
    }
}
