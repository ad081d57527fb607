//! Errors of ours within a template, in words that hold no value.

use std::fmt;

use minijinja::value::Value;
use minijinja::{Error, ErrorKind};

/// What is wrong, in words that hold no value.
#[derive(Debug)]
pub struct Problem(pub &'static str);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Problem {}

/// The message of `required`. It may come from a value: only shown where the template spells it out.
#[derive(Debug)]
pub struct Required(pub Option<String>);

impl fmt::Display for Required {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("required")
    }
}

impl std::error::Error for Required {}

/// An error of ours within a template.
pub fn problem(words: &'static str) -> Error {
    Error::from(ErrorKind::InvalidOperation).with_source(Problem(words))
}

/// What `required` says of a value that is not there.
pub fn required(message: Option<&Value>) -> Error {
    let message = message.and_then(Value::as_str).map(str::to_owned);
    Error::from(ErrorKind::InvalidOperation).with_source(Required(message))
}
