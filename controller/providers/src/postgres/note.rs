//! What our comments on roles and databases say: whose it is, how far it is, and what it was cloned from.
//!
//! An agent owns its database and may change the comment on it, but no role may comment on itself.
//! So the comment on the *role* is what is believed, and the one on the database is for people.

use std::fmt;

use agent_harness_model::id::Mark;
use jiff::Timestamp;

/// How far something of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Being made: nobody but us has ever been able to write to it.
    Creating,
    /// Complete, and open to its owner.
    Complete,
    /// In the trash.
    Trashed,
}

impl State {
    const ALL: [Self; 3] = [Self::Creating, Self::Complete, Self::Trashed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Complete => "complete",
            Self::Trashed => "trashed",
        }
    }
}

/// A comment of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whose it is.
    pub mark: Mark,
    /// How far it is.
    pub state: State,
    /// The template generation: its own for a template, what it was cloned from for a clone.
    pub generation: Option<String>,
    /// Which life of a database it is; `None`: the first.
    pub life: Option<String>,
    /// When the build of a template ended.
    pub built_at: Option<Timestamp>,
}

impl Note {
    /// Reads a comment; anything that is not ours is `None`.
    pub fn parse(comment: &str) -> Option<Self> {
        let mark = Mark::parse(comment)?;
        let words = comment.split_whitespace().skip(1).filter_map(|word| word.split_once('='));
        let value = |key: &str| words.clone().find(|(k, _)| *k == key).map(|(_, value)| value);
        let state = value("state")?;
        let state = State::ALL.into_iter().find(|known| known.as_str() == state)?;
        let word = |key: &str| value(key).map(str::to_owned);
        let built_at = value("built").and_then(|time| time.parse().ok());
        Some(Self { mark, state, generation: word("generation"), life: word("life"), built_at })
    }

    /// The same note with another state.
    pub fn with_state(&self, state: State) -> Self {
        Self { state, ..self.clone() }
    }
}

/// `agent-harness:<installation>:<uid> state=complete generation=1f3a9c0d`
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} state={}", self.mark, self.state.as_str())?;
        if let Some(generation) = &self.generation {
            write!(f, " generation={generation}")?;
        }
        if let Some(life) = &self.life {
            write!(f, " life={life}")?;
        }
        if let Some(at) = &self.built_at {
            write!(f, " built={at}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use agent_harness_model::id::Uid;

    use super::*;

    #[test]
    fn a_note_is_read_back_and_nothing_else_is_taken_for_one() {
        let mark = Mark { installation: "i1".into(), uid: Uid::new("u-12345678") };
        for state in State::ALL {
            for generation in [None, Some("1f3a9c0d".to_owned())] {
                for life in [None, Some("2".to_owned())] {
                    let (mark, generation) = (mark.clone(), generation.clone());
                    let built_at = Some(Timestamp::UNIX_EPOCH);
                    let note = Note { mark, state, generation, life, built_at };
                    assert_eq!(Note::parse(&note.to_string()), Some(note));
                }
            }
        }
        for text in
            ["", "agent-harness:i1:u1", "agent-harness:i1:u1 state=gone", "mine state=complete"]
        {
            assert_eq!(Note::parse(text), None, "{text}");
        }
    }
}
