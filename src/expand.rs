//! `$NAME` and `${NAME}` in a text, replaced as Airflow replaces them in an environment variable of its own.
//!
//! Source: Airflow 2.8.1 `airflow/configuration.py` `expand_env_var` (the same in 3.x,
//! `airflow/_shared/configuration/parser.py`), which repeats CPython's `posixpath.expandvars` until nothing
//! changes. `~` is expanded only at the very start of a text, so never in a JSON object.

use std::collections::BTreeSet;

use crate::env::Env;

/// A text with its names replaced, and the names that are not set and so stand there still.
pub struct Expanded {
    /// The text after replacement.
    pub text: String,
    /// Names that are not set, without `$`.
    pub unset: BTreeSet<String>,
}

/// A variable that contains itself: Airflow would never come to an end.
#[derive(Debug, PartialEq, Eq)]
pub struct Endless;

/// Replaces until nothing changes.
///
/// # Errors
/// [`Endless`] when a variable's value leads back to itself.
pub fn expand(text: &str, env: &Env) -> Result<Expanded, Endless> {
    const MOST_ROUNDS: usize = 32;
    const LONGEST: usize = 1 << 20;
    let mut current = text.to_owned();
    for _ in 0..MOST_ROUNDS {
        let (next, unset) = once(&current, env);
        if next == current {
            return Ok(Expanded { text: current, unset });
        }
        if next.len() > LONGEST {
            return Err(Endless);
        }
        current = next;
    }
    Err(Endless)
}

/// One pass of `posixpath.expandvars`: what is put in is not looked at again in this pass.
fn once(text: &str, env: &Env) -> (String, BTreeSet<String>) {
    let mut out = String::with_capacity(text.len());
    let mut unset = BTreeSet::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from_dollar) = rest.split_at(at);
        out.push_str(before);
        let (name, length) = name_at(&from_dollar[1..]);
        let whole = &from_dollar[..=length];
        match name.and_then(|name| env.raw(name)) {
            Some(value) => out.push_str(value),
            None => {
                out.push_str(whole);
                if let Some(name) = name {
                    unset.insert(name.to_owned());
                }
            }
        }
        rest = &from_dollar[1 + length..];
    }
    out.push_str(rest);
    (out, unset)
}

/// The name after a `$` and how many bytes it takes there, braces included: `\w+` (ASCII) or `{[^}]*}`.
fn name_at(after: &str) -> (Option<&str>, usize) {
    if let Some(inner) = after.strip_prefix('{') {
        return match inner.find('}') {
            Some(end) => (Some(&inner[..end]).filter(|name| !name.is_empty()), end + 2),
            None => (None, 0),
        };
    }
    let length = after.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    (Some(&after[..length]).filter(|name| !name.is_empty()), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> Env {
        [("environment", "dev"), ("A", "x${B}"), ("B", "y"), ("LOOP", "$LOOP!"), ("EMPTY", "")].into_iter().collect()
    }

    fn expanded(text: &str) -> (String, Vec<String>) {
        let done = expand(text, &env()).unwrap();
        (done.text, done.unset.into_iter().collect())
    }

    #[test]
    fn names_are_replaced_again_and_again() {
        assert_eq!(expanded("c/${environment}/$A").0, "c/dev/xy");
        assert_eq!(expanded("$EMPTY.").0, ".");
    }

    #[test]
    fn names_that_are_not_set_stay_and_are_told() {
        assert_eq!(
            expanded("$nope/${nor this}$$ $ ${"),
            ("$nope/${nor this}$$ $ ${".into(), vec!["nope".into(), "nor this".into()])
        );
    }

    #[test]
    fn a_variable_that_holds_itself_is_refused() {
        assert_eq!(expand("$LOOP", &env()).err(), Some(Endless));
    }
}
