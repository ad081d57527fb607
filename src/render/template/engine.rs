//! minijinja as this program sets it up: which filters there are, how a value is written, and how an error is told.
//!
//! An error names the template, the line and column, the expression and the name that is missing. It never repeats what
//! minijinja says, because that may hold a value; and a name that comes from a value is not shown either.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;
use minijinja::value::{Kwargs, Rest, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};

use sha2::{Digest as _, Sha256};

use super::Template;
use super::quote::{self, Cannot, Escape};
use super::values::{Miss, Misses, Names, to_json, to_json_indented, to_text};
use crate::error::{Exit, Failure};
use crate::model::ask::Ask;
use crate::model::kind::Kind;
use crate::text::nearest;
use crate::text::printable;
use crate::text::shown;

/// What a render may cost: a step of the template takes one, and so do some dozens of bytes that it makes.
const FUEL: u64 = 2_000_000;
/// What it may cost more for each connection, variable and config value that it sees: a loop of 50 lines takes about 300.
const FUEL_OF_ENTRY: u64 = 3_000;

/// The stack of a render, in bytes for each of its fuel. minijinja (3.1.0) walks through nested lists, and lets go of them, by
/// calling itself for each level, without a limit: some 50,000 levels, which `namespace` and a loop make, end an ordinary stack
/// of 8 MB, and with it the process; half as many where they are compared. A level takes 0.2 KB to let go of and up to 0.7 KB to
/// compare or write. This is enough for whatever a loop makes step by step; thirty brackets in each turn can still end it.
const STACK_OF_FUEL: usize = 128;
/// Addresses, not memory: what is never touched is never taken.
const LARGEST_STACK: usize = 1 << 30;

/// `tojson(indent=...)` is not wider.
const WIDEST_INDENT: usize = 16;

/// What a template is called in minijinja. The path is told by us.
const NAME: &str = "template";

/// The functions that minijinja has at the top, which are found although the context does not have them.
const FUNCTIONS: [&str; 3] = ["range", "dict", "namespace"];

/// What templates call a kind.
#[must_use]
pub const fn context_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Connection => "connections",
        Kind::Variable => "variables",
        Kind::Config => "configs",
    }
}

/// Checks the syntax.
///
/// # Errors
/// What is wrong and where, as one line.
pub fn check_syntax(template: &Template) -> Result<(), String> {
    let mut environment = environment(template.escape);
    environment.add_template(NAME, template.body()).map_err(|error| describe_syntax(template, &error))
}

/// Whether a tag of the template has this name in it.
///
/// minijinja's own `undeclared_variables` does not look into slices (3.1.0): `{{ connections.a.password[:4] }}`.
#[must_use]
pub fn mentions(template: &Template, name: &str) -> bool {
    let body = template.body();
    let last = |text: &str, of: &[&str]| of.iter().filter_map(|tag| text.rfind(tag)).max();
    words(body, name).any(|at| {
        let before = body.get(..at).unwrap_or_default();
        let is_comment = last(before, &["{#"]) > last(before, &["#}"]);
        !is_comment && last(before, &["{{", "{%"]) > last(before, &["}}", "%}"])
    })
}

/// Renders a template that sees so many entries, on a stack of its own. `make` is given where missed names are noted, and makes
/// the context.
///
/// # Errors
/// [`Exit::InvalidData`], naming the place in the template.
pub fn render(
    template: &Template,
    entries: usize,
    make: impl Fn(&Arc<Misses>) -> IndexMap<String, Value> + Sync,
) -> Result<String, Failure> {
    let fuel = FUEL + FUEL_OF_ENTRY * entries as u64;
    let stack = usize::try_from(fuel).unwrap_or(usize::MAX).saturating_mul(STACK_OF_FUEL).min(LARGEST_STACK);
    let render = || render_here(template, fuel, &make);
    std::thread::scope(|scope| match std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, render) {
        Ok(rendering) => rendering.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        // Under a limit of addresses. Any template that means no harm is rendered on the stack that there is.
        Err(_) => render(),
    })
}

fn render_here(
    template: &Template,
    fuel: u64,
    make: impl Fn(&Arc<Misses>) -> IndexMap<String, Value>,
) -> Result<String, Failure> {
    let mut environment = environment(template.escape);
    environment.set_fuel(Some(fuel));
    let misses = Arc::new(Misses::default());
    let context = Names::top(make(&misses), &FUNCTIONS, &misses);
    let text = environment
        .add_template(NAME, template.body())
        .and_then(|()| environment.get_template(NAME))
        .and_then(|compiled| compiled.render(context.clone()));
    text.map_err(|error| Failure::new(Exit::InvalidData, describe(template, &error, &misses)))
}

fn environment(escape: Escape) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Never: what it keeps for an error holds the values of the context.
    environment.set_debug(false);
    // A line that holds a tag alone leaves nothing behind, and a file ends as its template does. The builder fails for
    // delimiters alone, which stay as they are.
    let mut syntax = environment.syntax().to_builder();
    if let Ok(syntax) = syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    // minijinja's own escaping is off: with it, `~` would escape its parts, and a text that is composed of several is one value.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(move |out: &mut Output, state: &mut State, value: &Value| {
        let text = if value.is_safe() { value.to_string() } else { written(value, state, escape)? };
        out.write_str(&text).map_err(Error::from)
    });
    // It would print the whole context.
    environment.remove_global("debug");
    environment.remove_filter("pprint");
    // They are about HTML, and say `escape`.
    environment.remove_filter("escape");
    environment.remove_filter("e");
    add_filters(&mut environment);
    environment
}

/// A value as a target of this kind holds it.
fn written(value: &Value, state: &State, escape: Escape) -> Result<String, Error> {
    match escape {
        Escape::Json => quote::json(&to_json(value, state)?, None).map_err(cannot),
        Escape::Yaml => quote::yaml(&to_json(value, state)?).map_err(cannot),
        Escape::Toml => quote::toml(&to_json(value, state)?).map_err(cannot),
        Escape::None => to_text(value, state),
        Escape::Xml => quote::xml(&to_text(value, state)?).map_err(cannot),
        Escape::Env => quote::dotenv(&to_text(value, state)?).map_err(cannot),
        Escape::Shell => quote::shell(&to_text(value, state)?).map_err(cannot),
        Escape::Properties => Ok(quote::properties(&to_text(value, state)?)),
    }
}

// ---- filters ---------------------------------------------------------------------------------------------------

fn add_filters(environment: &mut Environment<'static>) {
    // These write what a file holds: nothing is escaped after them.
    environment.add_filter("tojson", |state: &State, value: &Value, options: Kwargs| {
        let indent: Option<usize> = options.get("indent")?;
        options.assert_all_used()?;
        let indent = indent.map(|indent| indent.min(WIDEST_INDENT));
        safe(quote::json(&to_json_indented(value, state, indent.unwrap_or_default())?, indent))
    });
    environment.add_filter("yaml", |state: &State, value: &Value| safe(quote::yaml(&to_json(value, state)?)));
    environment.add_filter("toml", |state: &State, value: &Value| safe(quote::toml(&to_json(value, state)?)));
    environment.add_filter("ini", |state: &State, value: &Value, options: Kwargs| {
        let interpolation: Option<bool> = options.get("interpolation")?;
        options.assert_all_used()?;
        safe(quote::ini(&to_text(value, state)?, interpolation.unwrap_or(false)))
    });
    environment
        .add_filter("properties", |state: &State, value: &Value| safe(Ok(quote::properties(&to_text(value, state)?))));
    environment.add_filter("xml", |state: &State, value: &Value| safe(quote::xml(&to_text(value, state)?)));
    environment.add_filter("netrc", |state: &State, value: &Value| safe(quote::netrc(&to_text(value, state)?)));
    environment.add_filter("pgpass", |state: &State, value: &Value| safe(quote::pgpass(&to_text(value, state)?)));
    environment.add_filter("shell_quote", |state: &State, value: &Value| safe(quote::shell(&to_text(value, state)?)));
    environment.add_filter("dotenv_quote", |state: &State, value: &Value| safe(quote::dotenv(&to_text(value, state)?)));
    // These give a text that is a value still.
    environment.add_filter("urlencode", |state: &State, value: &Value| {
        Ok::<_, Error>(crate::python::str::quote(&to_text(value, state)?).into_owned())
    });
    environment.add_filter("b64encode", |state: &State, value: &Value| {
        Ok::<_, Error>(STANDARD.encode(to_text(value, state)?))
    });
    environment.add_filter("b64decode", |state: &State, value: &Value| {
        let bytes = STANDARD.decode(to_text(value, state)?).map_err(|_| problem("the value is not base64"))?;
        String::from_utf8(bytes).map_err(|_| problem("what the base64 stands for is not UTF-8 text"))
    });
    environment.add_filter("sha256", |state: &State, value: &Value| {
        Ok::<_, Error>(hex(&Sha256::digest(to_text(value, state)?)))
    });
    environment.add_filter("airflow_uri", |value: &Value| match value.get_attr("uri") {
        Ok(uri) if !uri.is_undefined() => Ok(uri),
        _ => Err(problem("airflow_uri is for a connection")),
    });
    environment.add_filter("required", |value: &Value, rest: Rest<Value>| {
        let is_there = !value.is_undefined() && !value.is_none() && value.as_str() != Some("");
        if is_there { Ok(value.clone()) } else { Err(required(rest.first())) }
    });
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn safe(text: Result<String, Cannot>) -> Result<Value, Error> {
    text.map(Value::from_safe_string).map_err(cannot)
}

// ---- errors ----------------------------------------------------------------------------------------------------

/// What is wrong, in words that hold no value.
#[derive(Debug)]
struct Problem(&'static str);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Problem {}

/// The message of `required`. It may come from a value: only shown where the template spells it out.
#[derive(Debug)]
struct Required(Option<String>);

impl fmt::Display for Required {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("required")
    }
}

impl std::error::Error for Required {}

/// An error of ours within a template.
#[must_use]
pub fn problem(words: &'static str) -> Error {
    Error::from(ErrorKind::InvalidOperation).with_source(Problem(words))
}

fn cannot(words: Cannot) -> Error {
    problem(words)
}

fn required(message: Option<&Value>) -> Error {
    let message = message.and_then(Value::as_str).map(str::to_owned);
    Error::from(ErrorKind::InvalidOperation).with_source(Required(message))
}

/// A mistake in the syntax: minijinja's words are about the template alone.
fn describe_syntax(template: &Template, error: &Error) -> String {
    let words = printable(error.detail().unwrap_or("the syntax is wrong"));
    format!("{}: {words}; docs/TEMPLATES.md has the syntax", place(template, error))
}

fn describe(template: &Template, error: &Error, misses: &Misses) -> String {
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
        ErrorKind::UnknownFilter => unknown("filter", error, expression, &super::FILTERS),
        ErrorKind::UnknownTest => unknown("test", error, expression, &KNOWN_TESTS),
        ErrorKind::UnknownFunction => unknown("function", error, expression, &FUNCTIONS),
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

fn unknown(what: &str, error: &Error, expression: Option<&str>, known: &[&str]) -> String {
    // minijinja names it, and it may come from a value: `map(name)`.
    let said = error.detail().unwrap_or_default();
    let name = said
        .split_whitespace()
        .find(|word| expression.is_some_and(|text| words(text, word).next().is_some()) && *word != what);
    match name {
        Some(name) => match nearest(name, known) {
            Some(near) => format!("there is no {what} {}; did you mean {near}?", printable(name)),
            None => format!("there is no {what} {}; docs/TEMPLATES.md has them all", printable(name)),
        },
        None => format!("there is no such {what}; docs/TEMPLATES.md has them all"),
    }
}

/// minijinja's own tests.
const KNOWN_TESTS: [&str; 12] = [
    "defined",
    "undefined",
    "none",
    "boolean",
    "integer",
    "float",
    "number",
    "string",
    "sequence",
    "mapping",
    "in",
    "startingwith",
];

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
fn words<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
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
