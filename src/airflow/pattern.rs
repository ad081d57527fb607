//! A lookup pattern (`connections_lookup_pattern`), matched as Airflow matches it.
//!
//! Takes a pattern in Python's syntax, gives whether a connection id matches:
//! `re.match(pattern, id, re.IGNORECASE)`, which is anchored at the start only. The caller treats
//! an empty pattern as no filter. Rules: Amazon provider 8.13.0 `secrets_manager.py`
//! `_is_pattern_match`/`_get_secret` for the call, `CPython` 3.11 `re` for the meaning. The
//! pattern is parsed by `pattern_parse` and written for fancy-regex by `pattern_emit`.
//!
//! Known limits: `\N{...}` is refused, and so is the flag `t`, which Python dropped in 3.13; outside ASCII, which ids in AWS cannot leave, the two
//! engines differ for a few letters in case-insensitive comparison (such as U+0130).

use fancy_regex::{Regex, RegexBuilder};

use super::pattern_emit::emit;
use super::pattern_parse::parse;

/// A compiled lookup pattern.
#[derive(Clone, Debug)]
pub struct LookupPattern {
    regex: Regex,
}

/// Why a pattern cannot be used, in the words of Python where Python refuses it too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}", position.map_or_else(String::new, |at| format!(" at character {at}")))]
pub struct PatternError {
    /// The character of the pattern, counted from 0, if the error has a place.
    pub position: Option<usize>,
    /// What is wrong.
    pub reason: String,
}

impl LookupPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When Python refuses the pattern, or when it uses something that is not supported here.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let tree = parse(pattern)?;
        let regex = RegexBuilder::new(&emit(&tree)).build().map_err(|error| PatternError {
            position: None,
            // Not the error itself: its positions are those of the translated pattern.
            reason: match error {
                fancy_regex::Error::CompileError(_) => {
                    "the pattern is too large or uses an unsupported combination".to_owned()
                }
                _ => "the pattern uses an unsupported combination".to_owned(),
            },
        })?;
        Ok(Self { regex })
    }

    /// Whether an id matches.
    ///
    /// # Errors
    /// When the match takes too many steps.
    pub fn is_match(&self, id: &str) -> Result<bool, PatternError> {
        self.regex
            .is_match(id)
            .map_err(|_| PatternError { position: None, reason: "matching takes too many steps".to_owned() })
    }
}
