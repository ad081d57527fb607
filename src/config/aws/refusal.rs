//! Why the AWS configuration can't be used: what is wrong, where it stands, and what to do.

use crate::model::cause::Cause;

/// A part of the AWS configuration that can't be used. Names variables, files, profiles and keys, and holds no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The cause that says what to do; `None` where the words do, and the run ends as with any wrong setting (78).
    pub cause: Option<Cause>,
    /// What is wrong and where.
    pub words: String,
}

impl Refusal {
    /// One with a code.
    pub fn new(cause: Cause, words: impl Into<String>) -> Self {
        Self { cause: Some(cause), words: words.into() }
    }

    /// One that is a wrong setting.
    pub fn of_setting(words: impl Into<String>) -> Self {
        Self { cause: None, words: words.into() }
    }
}

/// What about a key or token keeps it out of a header, as the end of a sentence.
pub fn unusable(value: &str) -> Option<&'static str> {
    if value.ends_with(['\n', '\r']) && !value.trim_end_matches(['\n', '\r']).contains(char::is_control) {
        return Some("has a trailing newline: write it without one");
    }
    if value.contains(['\n', '\r']) {
        return Some("has a newline in it");
    }
    if value.contains(char::is_control) {
        return Some("has a control character in it");
    }
    (!value.is_ascii()).then_some("has a character in it that is not ASCII")
}
