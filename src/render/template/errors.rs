//! Errors of ours within a template, in words that hold no value.

use minijinja::{Error, ErrorKind};

/// What is wrong, in words that hold no value.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub &'static str);

/// An error of ours within a template.
pub fn problem(words: &'static str) -> Error {
    Error::from(ErrorKind::InvalidOperation).with_source(Problem(words))
}
