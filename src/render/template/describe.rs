//! Errors of a template in words: the place, the tag, and the name that is missing.
//!
//! minijinja's own words are never repeated, because they may hold a value; and a name that comes from a value is not shown either.

use minijinja::{Error, ErrorKind};

use super::errors::{Problem, Required};
use super::source::{Template, context_name};
use super::values::{Miss, Misses};
use crate::model::ask::Ask;
use crate::model::kind::Kind;
use crate::text::{printable, shown};

/// An error in the syntax: minijinja's words are about the template alone.
#[must_use]
pub fn describe_syntax(template: &Template, error: &Error) -> String {
    let words = printable(error.detail().unwrap_or("the syntax is wrong"));
    format!("{}: {words}; docs/TEMPLATES.md has the syntax", place(template, error))
}

/// An error while rendering, as one line.
#[must_use]
pub fn describe(template: &Template, error: &Error, misses: &Misses) -> String {
    let place = place(template, error);
    let expression = expression(template, error);
    let what = what_is_wrong(template, error, misses, expression);
    match expression {
        Some(expression) => format!("{place}: {what}; in `{}`", shortened(expression)),
        None => format!("{place}: {what}"),
    }
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
    if let Some(words) = own_words(template, error) {
        return words;
    }
    let body = template.body();
    match error.kind() {
        ErrorKind::UndefinedError => {
            // From what is nearest to the error to what is farthest.
            let texts = [error.range().and_then(|range| body.get(range)), expression, Some(body)];
            let miss = texts.into_iter().flatten().find_map(|text| misses.first_by(|miss| spells_out(text, miss)));
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
    } else {
        miss.nearest().map(|near| format!("; did you mean {}?", printable(&near))).unwrap_or_default()
    };
    let of = if miss.of.is_empty() { String::new() } else { format!("{}.", printable(&miss.of)) };
    format!("{of}{name} is undefined{hint}")
}

/// Words of ours, wherever in the chain of causes they stand.
fn own_words(template: &Template, error: &Error) -> Option<String> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(Problem(words)) = error.downcast_ref() {
            return Some((*words).to_owned());
        }
        if let Some(Required(message)) = error.downcast_ref() {
            let message = message.as_deref().filter(|message| template.body().contains(message));
            return Some(message.map_or_else(|| "a required value is not there".to_owned(), printable));
        }
        cause = error.source();
    }
    None
}

/// minijinja names it, but the name may come from a value: `map(name)`. So it is shown only where the template spells it out.
fn unknown(what: &str, error: &Error, expression: Option<&str>) -> String {
    let named = error.detail().unwrap_or_default();
    let is_spelled_out = |word: &&str| expression.is_some_and(|text| words(text, word).next().is_some());
    match named.split_whitespace().find(|word| *word != what && is_spelled_out(word)) {
        Some(name) => format!("there is no {what} {}; docs/TEMPLATES.md has them all", printable(name)),
        None => format!("there is no such {what}; docs/TEMPLATES.md has them all"),
    }
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

/// The places of a text where a name stands as a word of its own.
pub fn words<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_word = !name.is_empty() && name.chars().all(is_of_word);
    // What is no word stands nowhere as one.
    let places = is_word.then(|| text.match_indices(name)).into_iter().flatten();
    places.map(|(at, _)| at).filter(move |at| {
        let before = text.get(..*at).and_then(|text| text.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_of_word) && !after.is_some_and(is_of_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of a name that was missed is what the template itself says: the rest may be a value.
    #[test]
    fn a_name_is_spelled_out_as_a_word_of_its_own_and_never_by_what_it_is_not() {
        let places = |text: &str, name: &str| words(text, name).collect::<Vec<_>>();
        assert_eq!(places("a.my_db, my_db2 (my_db)", "my_db"), [2, 17]);
        for name in ["", "which-value", "a b", "\0", "é!"] {
            assert_eq!(places("connections.\0\0 which-value a b é! x", name), [0_usize; 0], "{name}");
        }
        assert_eq!(places("a.é", "é"), [2]);
    }
}
