//! Errors of a template in words: the place, the tag, and the name that is missing.
//!
//! minijinja's own words are never repeated, because they may hold a value. What is shown of a name stands in the tag itself.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

use super::errors::Problem;
use super::source::{Template, context_name};
use super::tags::words;
use crate::model::ask::Ask;
use crate::model::kind::Kind;
use crate::text::{nearest, printable, shown};

/// What a template saw.
pub struct Seen<'a> {
    /// By the names at the top.
    pub context: Value,
    /// The conn_id of the connection that was asked last: where a tag says `c.host`, in a loop, this is the one.
    pub last_connection: Option<String>,
    /// Why an id of a kind is not there, in a clause without values.
    pub why_absent: &'a dyn Fn(Kind, &str) -> Option<String>,
}

/// An error in the syntax: minijinja's words are about the template alone.
pub fn describe_syntax(template: &Template, error: &Error) -> String {
    let words = printable(error.detail().unwrap_or("the syntax is wrong"));
    format!("{}: {words}; docs/TEMPLATES.md has the syntax", place(template, error))
}

/// A tag that is too long, at this byte of the body.
pub fn describe_limit(template: &Template, at: usize, problem: &str) -> String {
    let (line, column) = template.place_of(at);
    format!("template {} line {line} column {column}: {problem}", shown(&template.source))
}

/// An error while rendering, as one line.
pub fn describe(template: &Template, error: &Error, seen: &Seen<'_>) -> String {
    let place = place(template, error);
    let Some(tag) = tag(template, error) else {
        return format!("{place}: {}", what_is_wrong(template, error, "", seen));
    };
    let what = what_is_wrong(template, error, tag, seen);
    // What is not there is most likely asked of that connection: `c.host`.
    let is_missing = error.kind() == ErrorKind::UndefinedError || what.contains("required") || what.contains("is none");
    let is_of_a_connection = tag.contains('.') && !ROOTS.iter().any(|name| tag.contains(name));
    let of = seen.last_connection.as_ref().filter(|_| is_missing && is_of_a_connection);
    let of = of.map(|conn_id| format!(", of conn_id {}", printable(conn_id))).unwrap_or_default();
    format!("{place}: {what}; in `{}`{of}", shortened(tag))
}

fn place(template: &Template, error: &Error) -> String {
    let shown = shown(&template.source);
    match (error.range(), error.line()) {
        (Some(range), _) => {
            let (line, column) = template.place_of(range.start);
            format!("template {shown} line {line} column {column}")
        }
        (None, Some(line)) => format!("template {shown} line {}", template.lines_before_body() + line),
        (None, None) => format!("template {shown}"),
    }
}

/// The tag that the error is in, without its braces.
fn tag<'a>(template: &'a Template, error: &Error) -> Option<&'a str> {
    let body = template.body();
    let range = error.range()?;
    let before = body.get(..range.start)?;
    let opens = before.rfind("{{").max(before.rfind("{%")).map(|at| at + 2);
    let after = body.get(range.start..)?;
    let closes = [after.find("}}"), after.find("%}")].into_iter().flatten().min().map(|at| range.start + at);
    let tag = opens.zip(closes).and_then(|(opens, closes)| body.get(opens..closes));
    let inner = tag.map(|tag| tag.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']));
    inner.or_else(|| body.get(range)).map(str::trim).filter(|text| !text.is_empty())
}

fn shortened(tag: &str) -> String {
    const LONGEST: usize = 200;
    let flat = tag.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown = printable(&flat);
    if shown.len() > LONGEST {
        shown.truncate(LONGEST);
        shown.push_str("...");
    }
    shown
}

fn what_is_wrong(template: &Template, error: &Error, tag: &str, seen: &Seen<'_>) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    if let Some(Problem(words)) = { causes }.find_map(|cause| cause.downcast_ref()) {
        return (*words).to_owned();
    }
    let words = match error.kind() {
        ErrorKind::UndefinedError => {
            return first_missing(tag, &seen.context).map_or_else(
                || "something in it is undefined".to_owned(),
                |missing| undefined(template, &missing, seen),
            );
        }
        ErrorKind::UnknownFilter => "there is no such filter; docs/TEMPLATES.md has them all",
        ErrorKind::UnknownTest => "there is no such test; docs/TEMPLATES.md has them all",
        ErrorKind::UnknownFunction => "there is no such function; docs/TEMPLATES.md has them all",
        ErrorKind::UnknownMethod => "there is no such method; mappings have keys(), values(), items() and get()",
        ErrorKind::OutOfFuel => "it takes too many steps or makes too much text; look for a loop that does not end",
        ErrorKind::TooManyArguments | ErrorKind::MissingArgument => {
            "a filter or function has too many or too few arguments"
        }
        ErrorKind::CannotUnpack => "a loop unpacks something else than pairs; a mapping is unpacked with items()",
        _ => "an operation, a filter or a test can't take the kind of value that it is given",
    };
    words.to_owned()
}

// ---- names that are not there ----------------------------------------------------------------------------------

/// The mappings whose names are looked for.
const ROOTS: [&str; 4] = ["connections", "variables", "configs", "env"];

/// A name that a tag spells out and that is not there.
struct Missing<'a> {
    /// Of what: `connections.my_db`.
    of: String,
    name: &'a str,
    /// What should have it.
    parent: Value,
}

/// The first such name that the tag can't do without.
fn first_missing<'a>(tag: &'a str, context: &Value) -> Option<Missing<'a>> {
    let mut roots: Vec<(usize, &str)> =
        ROOTS.into_iter().flat_map(|root| words(tag, root).map(move |at| (at, root))).collect();
    roots.sort_unstable();
    roots.into_iter().find_map(|(at, root)| {
        let mut parent = context.get_attr(root).ok()?;
        let (mut of, mut rest) = (root.to_owned(), tag.get(at + root.len()..)?);
        while let Some((name, after)) = next_name(rest) {
            let value = parent.get_attr(name).ok()?;
            if value.is_undefined() {
                return Some(Missing { of, name, parent }).filter(|_| !is_only_asked_for(after));
            }
            (of, parent, rest) = (format!("{of}.{name}"), value, after);
        }
        None
    })
}

/// The name in `.name`, `["name"]` or `['name']`, and what follows it. That of a method is none.
fn next_name(text: &str) -> Option<(&str, &str)> {
    if let Some(text) = text.strip_prefix('.') {
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
        return text.split_at_checked(end).filter(|(name, after)| !name.is_empty() && !after.starts_with('('));
    }
    let text = text.strip_prefix('[')?;
    let mark = text.chars().next().filter(|mark| matches!(mark, '"' | '\''))?;
    let (name, after) = text.get(1..)?.split_once(mark)?;
    Some((name, after.strip_prefix(']')?))
}

/// Whether what follows a name makes do without it.
fn is_only_asked_for(after: &str) -> bool {
    let after = after.trim_start();
    let filter = after.strip_prefix('|').map(str::trim_start).unwrap_or_default();
    after.starts_with("is ") || filter.starts_with("default") || filter.starts_with("d(")
}

fn undefined(template: &Template, Missing { of, name, parent }: &Missing<'_>, seen: &Seen<'_>) -> String {
    let kind = Kind::ALL.into_iter().find(|kind| context_name(*kind) == of);
    let is_not_named =
        |kind: &Kind| matches!(&template.needs[*kind], Ask::Named(ids) if !ids.iter().any(|id| id == name));
    let hint = if of == "env" && template.env.iter().any(|known| known == name) {
        "; the environment variable is not set".to_owned()
    } else if of == "env" {
        format!("; name it in the front matter: `env: [{}]`", printable(name))
    } else if kind.as_ref().is_some_and(is_not_named) {
        "; a template whose front matter names some sees no others".to_owned()
    } else if let Some(why) = kind.and_then(|kind| (seen.why_absent)(kind, name)) {
        format!(": it is left out, {why}")
    } else {
        let names = (parent.kind() == ValueKind::Map).then(|| parent.try_iter().ok()).flatten();
        let names: Vec<Value> = names.into_iter().flatten().collect();
        let known: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        nearest(name, &known)
            .map(|near| format!("; did you mean {}.{}?", printable(of), printable(near)))
            .unwrap_or_default()
    };
    format!("{}.{} is undefined{hint}", printable(of), printable(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_spelled_out_in_the_tag() {
        for (text, expected) in [
            (".a_1.b", Some(("a_1", ".b"))),
            (".a", Some(("a", ""))),
            ("['my-db'].x", Some(("my-db", ".x"))),
            ("[\"a\"] ~ b", Some(("a", " ~ b"))),
            ("[x]", None),
            ("['a' ~ x]", None),
            ("[0]", None),
            ("[:3]", None),
            (".get(x)", None),
            ("..a", None),
            (" | attr(x)", None),
            ("", None),
        ] {
            assert_eq!(next_name(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_that_a_tag_can_do_without_is_not_the_missing_one() {
        for after in [" is defined", " is not none", "|default('x')", " | d(1)"] {
            assert!(is_only_asked_for(after), "{after}");
        }
        for after in [" | upper", " ~ x", "", ".b"] {
            assert!(!is_only_asked_for(after), "{after}");
        }
    }
}
