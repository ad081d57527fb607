//! minijinja as this program sets it up: which filters there are, how a value is written, and what a render may cost.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;
use minijinja::value::{Kwargs, Rest, Value};
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior};
use sha2::{Digest as _, Sha256};

use super::describe::{Seen, describe, describe_limit, describe_syntax};
use super::errors::problem;
use super::limits;
use super::quote::{self, Cannot, Escape};
use super::source::Template;
use super::tags::{Tags, words};
use super::values::{LastConnection, Names, to_json, to_json_indented, to_text};
use crate::error::{Exit, Failure};
use crate::model::kind::Kind;
use crate::python::json::Json;

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

/// What a template is called in minijinja. The path is added to errors by this program.
const NAME: &str = "template";

/// Checks the syntax.
///
/// # Errors
/// What is wrong and where, as one line.
pub fn check_syntax(template: &Template) -> Result<(), String> {
    limits::check(template.body()).map_err(|(at, problem)| describe_limit(template, at, &problem))?;
    let mut environment = environment(template.escape);
    environment.add_template(NAME, template.body()).map_err(|error| describe_syntax(template, &error))
}

/// Whether a tag of the template has this name in it.
///
/// minijinja's own `undeclared_variables` does not look into slices (3.1.0): `{{ connections.a.password[:4] }}`.
pub fn mentions(template: &Template, name: &str) -> bool {
    Tags::of(template.body()).any(|(_, tag)| words(tag, name).next().is_some())
}

/// Renders a template that sees so many entries, on a stack of its own. `make` is given where the connection that is asked last is
/// noted, and makes the context; `why_absent` says why an id of a kind is not in it, in a clause without values.
///
/// # Errors
/// [`Exit::InvalidData`], naming the place in the template.
pub fn render(
    template: &Template,
    entries: usize,
    make: impl Fn(&LastConnection) -> IndexMap<String, Value> + Sync,
    why_absent: impl Fn(Kind, &str) -> Option<String> + Sync,
) -> Result<String, Failure> {
    let fuel = FUEL + FUEL_OF_ENTRY * entries as u64;
    let stack = usize::try_from(fuel).unwrap_or(usize::MAX).saturating_mul(STACK_OF_FUEL).min(LARGEST_STACK);
    let render = || render_here(template, fuel, &make, &why_absent);
    std::thread::scope(|scope| match std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, render) {
        Ok(rendering) => rendering.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        // Under a limit of addresses. Any template that means no harm is rendered on the stack that there is.
        Err(_) => render(),
    })
}

fn render_here(
    template: &Template,
    fuel: u64,
    make: impl Fn(&LastConnection) -> IndexMap<String, Value>,
    why_absent: &dyn Fn(Kind, &str) -> Option<String>,
) -> Result<String, Failure> {
    let mut environment = environment(template.escape);
    environment.set_fuel(Some(fuel));
    let last = LastConnection::default();
    let context = Names::of(make(&last));
    let text = environment
        .add_template(NAME, template.body())
        .and_then(|()| environment.get_template(NAME))
        .and_then(|compiled| compiled.render(context.clone()));
    text.map_err(|error| {
        let last_connection = last.lock().ok().and_then(|last| last.clone());
        let seen = Seen { context, last_connection, why_absent };
        Failure::new(Exit::InvalidData, describe(template, &error, &seen))
    })
}

/// minijinja with our syntax and our filters.
pub fn environment(escape: Escape) -> Environment<'static> {
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
    let text = || to_text(value, state);
    let written = match escape {
        Escape::None => return text(),
        Escape::Json => quote::json(&to_json(value, state)?, None),
        Escape::Yaml => quote::yaml(&to_json(value, state)?),
        Escape::Toml => quote::toml(&to_json(value, state)?),
        Escape::Xml => quote::xml(&text()?),
        Escape::Env => quote::dotenv(&text()?),
        Escape::Shell => quote::shell(&text()?),
        Escape::Properties => Ok(quote::properties(&text()?)),
    };
    written.map_err(problem)
}

// ---- filters ---------------------------------------------------------------------------------------------------

type OfText = fn(&str) -> Result<String, Cannot>;
type OfData = fn(&Json) -> Result<String, Cannot>;

fn add_filters(environment: &mut Environment<'static>) {
    // These write what a file holds: nothing is escaped after them.
    environment.add_filter("tojson", |state: &State, value: &Value, options: Kwargs| {
        let indent: Option<usize> = options.get("indent")?;
        options.assert_all_used()?;
        let indent = indent.map(|indent| indent.min(WIDEST_INDENT));
        safe(quote::json(&to_json_indented(value, state, indent.unwrap_or_default())?, indent))
    });
    environment.add_filter("ini", |state: &State, value: &Value, options: Kwargs| {
        let interpolation: Option<bool> = options.get("interpolation")?;
        options.assert_all_used()?;
        safe(quote::ini(&to_text(value, state)?, interpolation.unwrap_or(false)))
    });
    let of_text: [(&str, OfText); 6] = [
        ("properties", |text| Ok(quote::properties(text))),
        ("xml", quote::xml),
        ("netrc", quote::netrc),
        ("pgpass", quote::pgpass),
        ("shell_quote", quote::shell),
        ("dotenv_quote", quote::dotenv),
    ];
    for (name, write) in of_text {
        environment.add_filter(name, move |state: &State, value: &Value| safe(write(&to_text(value, state)?)));
    }
    let of_data: [(&str, OfData); 2] = [("yaml", quote::yaml), ("toml", quote::toml)];
    for (name, write) in of_data {
        environment.add_filter(name, move |state: &State, value: &Value| safe(write(&to_json(value, state)?)));
    }
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
    // The message stands in the tag, which the error shows.
    environment.add_filter("required", |value: &Value, _: Rest<Value>| {
        let is_there = !value.is_undefined() && !value.is_none() && value.as_str() != Some("");
        if is_there { Ok(value.clone()) } else { Err(problem("a required value is not there")) }
    });
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn safe(text: Result<String, Cannot>) -> Result<Value, Error> {
    text.map(Value::from_safe_string).map_err(problem)
}
