//! The one door to the process environment: a snapshot taken once, at start.
//!
//! Everything after this file works on the snapshot, so that a test can run the whole pipeline in any
//! environment without touching the process's own. (The AWS SDK reads its own `AWS_*` variables itself.)

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

/// The variables of the environment, by name.
///
/// A value that is not UTF-8 is remembered as unreadable, so that it is an error where this program asks for it. A name that is not
/// UTF-8 is none that it could ask for, and is left out.
#[derive(Clone, Default)]
pub struct Env {
    variables: BTreeMap<String, Option<String>>,
}

/// A variable that is set to something that is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUnicode;

/// What is wrong with such a variable.
pub const NOT_UNICODE: &str = "is not UTF-8 text";

impl Env {
    /// Takes the snapshot of this process's environment.
    #[expect(clippy::disallowed_methods, reason = "this file is the one that may read the environment")]
    pub fn of_this_process() -> Self {
        Self::from_os(std::env::vars_os())
    }

    /// A snapshot from pairs, for tests and embedding.
    pub fn from_os(pairs: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let variables = pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok())))
            .collect();
        Self { variables }
    }

    /// The value of a variable; unset and empty are both `None`.
    ///
    /// # Errors
    /// [`NotUnicode`] when the variable is set to something that is not UTF-8.
    pub fn get(&self, name: &str) -> Result<Option<&str>, NotUnicode> {
        match self.variables.get(name) {
            None => Ok(None),
            Some(None) => Err(NotUnicode),
            Some(Some(value)) if value.is_empty() => Ok(None),
            Some(Some(value)) => Ok(Some(value)),
        }
    }

    /// The value as it stands, the empty string included: what `$NAME` in a text is replaced with.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.variables.get(name)?.as_deref()
    }

    /// Whether a terminal is to show colours: `NO_COLOR` (no-color.org) and a terminal that has none say no.
    pub fn wants_colour(&self) -> bool {
        self.raw("NO_COLOR").is_none_or(str::is_empty) && self.raw("TERM") != Some("dumb")
    }

    /// The names that begin with `prefix`, in order.
    pub fn names_with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.variables
            .range(prefix.to_owned()..)
            .map(|(name, _)| name.as_str())
            .take_while(move |name| name.starts_with(prefix))
    }
}

impl<A: Into<String>, B: Into<String>> FromIterator<(A, B)> for Env {
    fn from_iter<I: IntoIterator<Item = (A, B)>>(pairs: I) -> Self {
        let variables = pairs.into_iter().map(|(name, value)| (name.into(), Some(value.into()))).collect();
        Self { variables }
    }
}

/// Names alone: values may be secrets.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
