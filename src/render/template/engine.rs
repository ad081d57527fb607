//! minijinja as this program sets it up: which filters there are, how a value is written, and what a render may cost.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;
use minijinja::value::{Kwargs, Rest, Value};
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior};
use sha2::{Digest as _, Sha256};

use super::describe::{describe, describe_limit, describe_syntax};
use super::errors::{problem, required};
use super::limits;
use super::quote::{self, Cannot, Escape};
use super::source::Template;
use super::tags::{Tags, words};
use super::values::{Misses, Names, to_json, to_json_indented, to_text};
use crate::error::{Exit, Failure};

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

/// The functions that minijinja has at the top, which are found although the context does not have them.
const FUNCTIONS: [&str; 3] = ["range", "dict", "namespace"];

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
    match escape {
        Escape::Json => quote::json(&to_json(value, state)?, None).map_err(problem),
        Escape::Yaml => quote::yaml(&to_json(value, state)?).map_err(problem),
        Escape::Toml => quote::toml(&to_json(value, state)?).map_err(problem),
        Escape::None => to_text(value, state),
        Escape::Xml => quote::xml(&to_text(value, state)?).map_err(problem),
        Escape::Env => quote::dotenv(&to_text(value, state)?).map_err(problem),
        Escape::Shell => quote::shell(&to_text(value, state)?).map_err(problem),
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
    text.map(Value::from_safe_string).map_err(problem)
}
