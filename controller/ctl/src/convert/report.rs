//! What a conversion has to tell: what was lost, what is to be known, and what is wrong with the file.

use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::source::Place;

use super::field::Field;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Something that the file says is not in the spec.
    Lost,
    /// The spec says the same; something about it is to be known.
    Note,
}

/// One thing that a reader of the spec should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// Where it was written; only the file where the program that wrote it hid that.
    pub place: Option<Place>,
    /// The file.
    pub file: String,
    /// The dotted key, such as `services.db.build`; empty where the whole file is meant.
    pub key: String,
    /// How many more keys it is said of: one line is read for each of them, through anchors.
    pub also: usize,
    /// Why, and what to do.
    pub text: String,
}

impl Finding {
    /// The key, and how many more there are, as a sentence begins with it.
    pub fn of(&self) -> String {
        match (self.key.as_str(), self.also) {
            ("", _) => String::new(),
            (key, 0) => format!("`{key}`: "),
            (key, more) => format!("`{key}` and {more} more: "),
        }
    }

    /// `FILE:LINE:COLUMN`, as editors and terminals jump to it.
    pub fn at(&self) -> String {
        self.place.as_ref().map_or_else(|| self.file.clone(), ToString::to_string)
    }
}

/// Everything that a conversion tells.
#[derive(Debug)]
pub struct Report {
    file: String,
    /// Whether the places are those of the user's file: a program's output has others.
    placed: bool,
    findings: Vec<Finding>,
    problems: Vec<Diagnostic>,
}

impl Report {
    /// About a file whose places are known, or not.
    pub fn new(file: &str, placed: bool) -> Self {
        Self { file: file.to_owned(), placed, findings: Vec::new(), problems: Vec::new() }
    }

    /// What a field says is not in the spec: why, and what to do instead.
    pub fn lost(&mut self, field: &Field<'_>, text: impl Into<String>) {
        self.find(Weight::Lost, field.at.clone(), &field.path, text.into());
    }

    /// What is to be known about a field.
    pub fn note(&mut self, field: &Field<'_>, text: impl Into<String>) {
        self.find(Weight::Note, field.at.clone(), &field.path, text.into());
    }

    /// What is to be known about a value of a key that the file does not write.
    pub fn note_at(&mut self, place: Place, key: &str, text: impl Into<String>) {
        self.find(Weight::Note, place, key, text.into());
    }

    /// What is to be known about the whole.
    pub fn note_file(&mut self, text: impl Into<String>) {
        self.add(Finding {
            weight: Weight::Note,
            place: None,
            file: self.file.clone(),
            key: String::new(),
            also: 0,
            text: text.into(),
        });
    }

    fn find(&mut self, weight: Weight, place: Place, key: &str, text: String) {
        let place = self.placed.then_some(place);
        let (file, key) = (self.file.clone(), key.to_owned());
        self.add(Finding { weight, place, file, key, also: 0, text });
    }

    /// What was said of the same line already is not said again.
    fn add(&mut self, finding: Finding) {
        let same = |other: &&mut Finding| {
            let other = (other.weight, &other.place, &other.text);
            other == (finding.weight, &finding.place, &finding.text)
        };
        match self.findings.iter_mut().find(same) {
            Some(other) if other.key == finding.key => {}
            Some(other) if other.place.is_some() => other.also += 1,
            Some(_) | None => self.findings.push(finding),
        }
    }

    /// The file is wrong here.
    pub fn wrong(&mut self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        let problem = if self.placed {
            Diagnostic::at(place, message)
        } else {
            Diagnostic::file(self.file.as_str(), message)
        };
        self.problem(problem.help(help));
    }

    /// Something is wrong, here or in a file that this one names.
    pub fn problem(&mut self, problem: Diagnostic) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Whether nothing in the file is wrong so far.
    pub fn is_well(&self) -> bool {
        self.problems.is_empty()
    }

    /// The findings in the order of the file, those of the whole last, and the problems.
    pub fn into_parts(self) -> (Vec<Finding>, Vec<Diagnostic>) {
        let mut findings = self.findings;
        findings.sort_by_key(|finding| {
            let place = finding.place.as_ref().map(|place| (place.line, place.column));
            (finding.key.is_empty(), place)
        });
        (findings, self.problems)
    }
}
