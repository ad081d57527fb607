//! `$NAME` and `${NAME}` in a text, replaced as Airflow replaces them in an environment variable of its own.
//!
//! Source: Airflow 2.8.1 `airflow/configuration.py` `expand_env_var` (the same in 3.x,
//! `airflow/_shared/configuration/parser.py`), which repeats CPython's `posixpath.expandvars` until nothing
//! changes. `~` is expanded only at the very start of a text, so never in a JSON object.

use std::collections::BTreeSet;

use crate::config::env::Env;

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
    let mut current = text.to_owned();
    for _ in 0..MOST_ROUNDS {
        let (next, unset) = once(&current, env)?;
        if next == current {
            return Ok(Expanded { text: current, unset });
        }
        current = next;
    }
    Err(Endless)
}

/// The longest text that names may make, in bytes.
const LONGEST: usize = 1 << 20;

/// One pass of `posixpath.expandvars`, with the names that are not set: what is put in is not looked at again in this pass. It ends where the text gets too long:
/// a thousand names of a large variable are a gigabyte.
///
/// # Errors
/// [`Endless`] there.
pub fn once(text: &str, env: &Env) -> Result<(String, BTreeSet<String>), Endless> {
    let longest = LONGEST.max(text.len());
    let mut out = String::with_capacity(text.len());
    let mut unset = BTreeSet::new();
    let mut rest = text;
    // Beyond it no brace is closed, and none need be looked for: a text of open braces alone would take a search for each.
    let last_closing = text.rfind('}').unwrap_or_default();
    while let Some(at) = rest.find('$') {
        let (before, from_dollar) = rest.split_at(at);
        out.push_str(before);
        let has_closing = text.len() - from_dollar.len() < last_closing;
        let (name, length) = name_at(&from_dollar[1..], has_closing);
        let whole = &from_dollar[..=length];
        match name.and_then(|name| env.raw(name)) {
            Some(value) if out.len().saturating_add(value.len()) > longest => return Err(Endless),
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
    if out.len() > longest { Err(Endless) } else { Ok((out, unset)) }
}

/// The name after a `$` and how many bytes it takes there, braces included: `\w+` (ASCII) or `{[^}]*}`.
fn name_at(after: &str, has_closing: bool) -> (Option<&str>, usize) {
    if let Some(inner) = after.strip_prefix('{') {
        return match has_closing.then(|| inner.find('}')).flatten() {
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
    fn a_text_does_not_grow_without_end() {
        let large = "x".repeat(LONGEST);
        let env: Env = [("LARGE", large.as_str()), ("B", "y")].into_iter().collect();
        let length = |text: &str| expand(text, &env).map(|done| done.text.len());
        assert_eq!(length("$LARGE"), Ok(LONGEST));
        assert_eq!(length("$LARGE!"), Err(Endless));
        assert_eq!(length("!$LARGE"), Err(Endless));
        assert_eq!(length(&"$LARGE".repeat(100)), Err(Endless));
        // What is long by itself may stay so.
        assert_eq!(length(&format!("{large}${{B}}")), Ok(LONGEST + 1));
        assert_eq!(length(&format!("{large}!$nope")), Ok(LONGEST + 6));
    }

    /// One search to the end for each of them would take hours.
    #[test]
    fn names_that_do_not_end_are_passed_over_at_once() {
        for text in ["${".repeat(LONGEST / 2), "$".repeat(LONGEST), format!("}}{}", "${".repeat(LONGEST / 2 - 1))] {
            assert_eq!(expanded(&text), (text, Vec::new()));
        }
        let names = "$nope".repeat(LONGEST / 8) + "}";
        assert_eq!(expanded(&names).0, names);
    }

    #[test]
    fn a_variable_that_holds_itself_is_refused() {
        assert_eq!(expand("$LOOP", &env()).err(), Some(Endless));
    }
}
