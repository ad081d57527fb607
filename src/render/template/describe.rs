//! Errors of a template in words: the place, the tag, and the name that is missing.
//!
//! minijinja's own words are never repeated, because they may hold a value; and a name that comes from a value is not shown either.

use minijinja::{Error, ErrorKind};

use super::errors::{Problem, Required};
use super::source::{Template, context_name};
use super::tags::{Tags, words};
use super::values::{Miss, Misses};
use crate::model::ask::Ask;
use crate::model::kind::Kind;
use crate::text::{printable, shown};

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
pub fn describe(template: &Template, error: &Error, misses: &Misses) -> String {
    let place = place(template, error);
    let expression = expression(template, error);
    let what = what_is_wrong(template, error, misses, expression);
    match expression {
        Some(expression) => {
            let of = misses.last_connection().filter(|_| is_of_a_connection(error, &what, expression));
            let of = of.map(|conn_id| printable(&conn_id)).filter(|conn_id| !what.contains(conn_id.as_str()));
            let of = of.map(|conn_id| format!(", of conn_id {conn_id}")).unwrap_or_default();
            format!("{place}: {what}; in `{}`{of}", shortened(expression))
        }
        None => format!("{place}: {what}"),
    }
}

/// Whether something is not there that a tag asks of a connection without spelling out which: `c.host` in a loop.
fn is_of_a_connection(error: &Error, what: &str, expression: &str) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let is_missing = error.kind() == ErrorKind::UndefinedError
        || causes.any(<dyn std::error::Error>::is::<Required>)
        || what.contains("none") && what.contains("default");
    let names_its_own = ["connections", "variables", "configs", "env"].iter().any(|name| expression.contains(name));
    is_missing && !names_its_own && expression.contains('.')
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
fn expression<'a>(template: &'a Template, error: &Error) -> Option<&'a str> {
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

fn shortened(expression: &str) -> String {
    const LONGEST: usize = 120;
    let flat = expression.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown = printable(&flat);
    if shown.len() > LONGEST {
        shown.truncate(LONGEST);
        shown.push_str("...");
    }
    shown
}

fn what_is_wrong(template: &Template, error: &Error, misses: &Misses, expression: Option<&str>) -> String {
    if let Some(words) = own_words(error, expression) {
        return words;
    }
    let body = template.body();
    match error.kind() {
        ErrorKind::UndefinedError => {
            // From what is nearest to the error to what is farthest.
            let texts = [error.range().and_then(|range| body.get(range)), expression, Some(body)];
            let texts = texts.into_iter().flatten().filter(|text| !tags_of(text).any(looks_up_by_value));
            let miss = { texts }.find_map(|text| misses.first_by(|miss| spells_out(text, miss)));
            match miss {
                Some(miss) => undefined(template, &miss),
                None => "something in it is undefined".to_owned(),
            }
        }
        ErrorKind::UnknownFilter => unknown("filter", error, expression),
        ErrorKind::UnknownTest => unknown("test", error, expression),
        ErrorKind::UnknownFunction => unknown("function", error, expression),
        ErrorKind::UnknownMethod => {
            "there is no such method; mappings have keys(), values(), items() and get()".to_owned()
        }
        ErrorKind::OutOfFuel => {
            "it takes too many steps or makes too much text; look for a loop that does not end".to_owned()
        }
        ErrorKind::TooManyArguments | ErrorKind::MissingArgument => {
            "a filter or function has too many or too few arguments".to_owned()
        }
        ErrorKind::CannotUnpack => {
            "a loop unpacks something else than pairs; a mapping is unpacked with items()".to_owned()
        }
        _ => "an operation, a filter or a test can't take the kind of value that it is given".to_owned(),
    }
}

fn undefined(template: &Template, miss: &Miss) -> String {
    let name = printable(&miss.name);
    let named_alone = |kind: Kind| {
        let named = matches!(&template.needs[kind], Ask::Named(ids) if !ids.contains(&miss.name));
        named && miss.of == context_name(kind)
    };
    let hint = if miss.of == "env" && template.env.contains(&miss.name) {
        "; the environment variable is not set".to_owned()
    } else if miss.of == "env" {
        format!("; name it in the front matter: `env: [{name}]`")
    } else if Kind::ALL.into_iter().any(named_alone) {
        "; a template whose front matter names some sees no others".to_owned()
    } else if let Some(why) = miss.why() {
        format!(": it is left out, {why}")
    } else {
        miss.nearest().map(|near| format!("; did you mean {}?", printable(&near))).unwrap_or_default()
    };
    let of = if miss.of.is_empty() { String::new() } else { format!("{}.", printable(&miss.of)) };
    format!("{of}{name} is undefined{hint}")
}

/// Words of ours, wherever in the chain of causes they stand.
fn own_words(error: &Error, expression: Option<&str>) -> Option<String> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(Problem(words)) = error.downcast_ref() {
            return Some((*words).to_owned());
        }
        if let Some(Required(message)) = error.downcast_ref() {
            let is_literal = |message: &&str| expression.is_some_and(|tag| is_message_of(tag, message));
            let message = message.as_deref().filter(is_literal);
            return Some(message.map_or_else(|| "a required value is not there".to_owned(), printable));
        }
        cause = error.source();
    }
    None
}

/// Whether `required` is called in this tag with literals alone, and one of them is this message: anything else may come from
/// a value, of which a part may stand in the template by chance.
fn is_message_of(tag: &str, message: &str) -> bool {
    const NAME: &str = "required";
    let calls: Vec<_> =
        words(tag, NAME).map(|at| literal_call(tag.get(at + NAME.len()..).unwrap_or_default())).collect();
    calls.iter().all(Option::is_some) && calls.contains(&Some(message)) && words(tag, "map").next().is_none()
}

/// The literal in `("literal")`.
fn literal_call(after: &str) -> Option<&str> {
    let inner = after.trim_start().strip_prefix('(')?.trim_start();
    let mark = inner.chars().next().filter(|mark| matches!(mark, '"' | '\''))?;
    let (literal, rest) = inner.get(1..)?.split_once(mark)?;
    (!literal.contains('\\') && rest.trim_start().starts_with(')')).then_some(literal)
}

/// minijinja names it, but the name may come from a value: `map(name)`. So it is shown only where the template spells it out.
fn unknown(what: &str, error: &Error, expression: Option<&str>) -> String {
    let named = error.detail().unwrap_or_default();
    let is_spelled_out = |word: &&str| {
        expression.filter(|text| !looks_up_by_value(text)).is_some_and(|text| words(text, word).next().is_some())
    };
    match named.split_whitespace().find(|word| *word != what && is_spelled_out(word)) {
        Some(name) => format!("there is no {what} {}; docs/TEMPLATES.md has them all", printable(name)),
        None => format!("there is no such {what}; docs/TEMPLATES.md has them all"),
    }
}

/// The tags of a text of the template; the text itself where it is a part of one.
fn tags_of(text: &str) -> impl Iterator<Item = &str> {
    let is_part = !text.contains("{{") && !text.contains("{%");
    is_part.then_some(text).into_iter().chain(Tags::of(text).map(|(_, tag)| tag))
}

/// Whether a tag asks for a name that it does not spell out: `connections[x]`, `attr(x)`. That name may be a value, and the
/// template may spell the same one elsewhere.
fn looks_up_by_value(tag: &str) -> bool {
    const LOOKUPS: [&str; 8] = ["attr", "get", "groupby", "map", "reject", "rejectattr", "select", "selectattr"];
    let is_subscript = |at: usize| {
        let before = tag.get(..at).unwrap_or_default().trim_end();
        let after = tag.get(at + 1..).unwrap_or_default().trim_start();
        let follows_value = before.ends_with(|c: char| c.is_alphanumeric() || "_)]\"'".contains(c));
        follows_value && !after.starts_with(|c: char| c.is_ascii_digit() || "\"':-".contains(c))
    };
    tag.match_indices('[').any(|(at, _)| is_subscript(at))
        || LOOKUPS.iter().any(|name| words(tag, name).next().is_some())
}

/// Where a text of the template spells out the name that was missed, so that showing it shows nothing of a value, and does
/// not only ask whether it is there.
fn spells_out(text: &str, miss: &Miss) -> Option<usize> {
    let name = miss.name.as_str();
    let is_used = |end: usize| !is_only_asked_for(text.get(end..).unwrap_or_default());
    let word = words(text, name)
        .filter(|at| miss.of.is_empty() || text.get(..*at).is_some_and(|before| before.trim_end().ends_with('.')))
        .find(|at| is_used(at + name.len()));
    let quoted = [format!("\"{name}\"]"), format!("'{name}']")];
    let quoted = quoted.iter().filter_map(|form| text.find(form.as_str()).filter(|at| is_used(at + form.len())));
    word.into_iter().chain(quoted).min()
}

/// Whether what follows a name makes do without it.
fn is_only_asked_for(after: &str) -> bool {
    let words: Vec<&str> =
        after.split_whitespace().take(3).map(|word| word.trim_end_matches(|c: char| !c.is_alphanumeric())).collect();
    let is_test =
        matches!(words.as_slice(), ["is", "defined" | "undefined", ..] | ["is", "not", "defined" | "undefined"]);
    let filter = after.trim_start().strip_prefix('|').map(str::trim_start).unwrap_or_default();
    is_test || filter.starts_with("default") || filter.starts_with("d(")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_whole_literal_of_its_call() {
        for (tag, message, expected) in [
            ("x|required('no x')", "no x", true),
            ("x | required( \"it's\" )", "it's", true),
            ("x|required(password[:3])", "pas", false),
            ("x|required(x[0])", "x", false),
            ("x|required('abc' ~ p)", "abc", false),
            ("x|required('abcd')", "abc", false),
            ("'abc' ~ x|required(p)", "abc", false),
            ("x|required('abc') ~ y|required(p)", "abc", false),
            ("x|map('required', p) ~ y|required('abc')", "abc", false),
        ] {
            assert_eq!(is_message_of(tag, message), expected, "{tag}");
        }
    }

    #[test]
    fn a_tag_that_asks_for_a_name_by_a_value_is_known() {
        for tag in ["connections[x]", "connections[ x ]", "(a)[b]", "a|attr(b)", "a.get(b)", "a|map(b)", "a['b'][c]"] {
            assert!(looks_up_by_value(tag), "{tag}");
        }
        for tag in ["connections['x']", "a[0]", "a[:3]", "[a, b]", "set x = [a]", "a.b.c|default('x')"] {
            assert!(!looks_up_by_value(tag), "{tag}");
        }
    }
}
