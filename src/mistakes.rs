//! A list of what is wrong with the settings, filled to the end before anything is reported.

use crate::exit::{Exit, Failure};

/// Everything wrong that was met so far. Each line names the setting, the problem and the mend, never a secret.
#[derive(Debug, Default)]
pub struct Mistakes {
    lines: Vec<String>,
    /// How many of them are about a file that is not there.
    not_found: usize,
}

impl Mistakes {
    /// Notes one mistake: `place` is a setting's name as the user wrote it.
    pub fn add(&mut self, place: &str, problem: impl AsRef<str>) {
        self.lines.push(format!("{place}: {}", problem.as_ref()));
    }

    /// Notes a file that was asked for and is not there.
    pub fn add_not_found(&mut self, place: &str, problem: impl AsRef<str>) {
        self.add(place, problem);
        self.not_found += 1;
    }

    /// Notes a mistake whose line names its place already.
    pub fn add_line(&mut self, line: String) {
        self.lines.push(line);
    }

    /// Notes a name that is not known, with the nearest one that is.
    pub fn add_unknown(&mut self, what: &str, name: &str, known: &[&str]) {
        let name_shown = crate::text::printable(name);
        match nearest(name, known) {
            Some(near) => self.add(&name_shown, format!("unknown {what}; did you mean {near}?")),
            None => self.add(&name_shown, format!("unknown {what}; see docs/CONFIGURATION.md")),
        }
    }

    /// True while nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// `value` when nothing is wrong, else every mistake as one failure.
    ///
    /// # Errors
    /// When at least one mistake was noted.
    pub fn into_result<T>(self, value: T) -> Result<T, Failure> {
        if self.is_empty() { Ok(value) } else { Err(self.into_failure()) }
    }

    /// Every mistake as one failure: [`Exit::NotFound`] when nothing but files is missing, else [`Exit::Config`]. With none,
    /// the failure says that it has no reason, which is a bug.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let only_missing = self.not_found == self.lines.len();
        Failure::with_lines(if only_missing { Exit::NotFound } else { Exit::Config }, self.lines)
    }
}

/// The known name that `name` most likely stands for, if any is near.
#[must_use]
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase()), *candidate))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
