//! Entries to the bytes of files: the built-in templates, and the user's own.
//!
//! A built-in template decides the layout, the filters `json`, `yaml` and `uri` write each value, in ASCII alone: Airflow
//! opens the file in the locale's encoding. The same entries give the same bytes. What a file can't carry is left out of
//! that file and told.

pub mod env_file;
pub mod template;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use secrecy::ExposeSecret;

use crate::airflow::lazy_backend;
use crate::airflow::uri_write::to_uri;
use crate::airflow::versions::AirflowTarget;
use crate::config::settings::{Dialect, Format, OutputFile, Settings};
use crate::convert::{Entries, LeftOut, Why};
use crate::error::{Exit, Failure};
use crate::model::ask::Ask;
use crate::model::connection::{Connection, Extra, Scalar};
use crate::model::kind::Kind;
use crate::model::policy::Policy;
use crate::python::json::{Json, dumps, raw_ascii};
use crate::python::str::PyString;
use crate::render::template::quote::yaml_text_into;
use crate::render::template::values::Names;
use crate::render::template::{Template, Templates, engine, values};
use crate::text::shown;

/// The built-in templates: name and text, held in the binary.
const TEMPLATES: [(&str, &str); 7] = [
    ("connections.json.j2", include_str!("../../templates/connections.json.j2")),
    ("connections.yaml.j2", include_str!("../../templates/connections.yaml.j2")),
    ("connections.env.j2", include_str!("../../templates/connections.env.j2")),
    ("variables.json.j2", include_str!("../../templates/variables.json.j2")),
    ("variables.yaml.j2", include_str!("../../templates/variables.yaml.j2")),
    ("variables.env.j2", include_str!("../../templates/variables.env.j2")),
    ("airflow.env.j2", include_str!("../../templates/airflow.env.j2")),
];

/// libyaml takes a key only where it is found to be one within 1024 bytes.
const LONGEST_YAML_KEY: usize = 1000;

/// One file, ready to be checked and written.
pub struct Rendered<'a> {
    /// Where it goes.
    pub path: &'a Path,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its mode.
    pub mode: u32,
    /// What a reader must find in it.
    pub meant: Meant<'a>,
}

/// A file to be put in place; it no longer knows what it was rendered from.
pub struct File {
    /// Where it goes.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its mode.
    pub mode: u32,
}

impl From<Rendered<'_>> for File {
    fn from(rendered: Rendered<'_>) -> Self {
        Self { path: rendered.path.to_owned(), bytes: rendered.bytes, mode: rendered.mode }
    }
}

/// What a file was rendered from: what a reader must find in it.
pub enum Meant<'a> {
    /// These connections.
    Connections(Format, BTreeMap<&'a str, &'a Connection>),
    /// These variables or config values.
    Texts(Format, BTreeMap<&'a str, &'a str>),
    /// These environment variables.
    Lines(Dialect, BTreeMap<String, String>),
    /// Nobody but its reader knows: a template of the user's, or a text that is always the same.
    Anything,
}

/// Renders every file, in the order in which they are put in place.
///
/// # Errors
/// [`Exit::InvalidData`] for a template of the user's that can't be rendered; [`Exit::Bug`] for a built-in one. Errors name
/// template and place, never a value.
pub fn all<'a>(
    settings: &'a Settings,
    templates: &'a Templates,
    entries: &'a Entries,
) -> Result<(Vec<Rendered<'a>>, Vec<LeftOut>), Failure> {
    let outputs = &settings.outputs;
    let mode = settings.file_mode;
    let mut left_out = Vec::new();
    let mut files = Vec::new();
    // The module comes first: it serves any connections file, the old one too.
    if let Some(path) = &outputs.backend_module {
        files.push(Rendered { path, bytes: lazy_backend::SOURCE.into(), mode, meant: Meant::Anything });
    }
    files.extend(user_templates(settings, templates, entries)?);
    if let Some(file) = &outputs.airflow_env {
        let lines = env_file::lines(file, entries, settings, &mut left_out);
        let bytes = env_file::render(&lines, file.dialect)?;
        files.push(Rendered { path: &file.path, bytes, mode, meant: Meant::Lines(file.dialect, lines) });
    }
    for kind in [Kind::Config, Kind::Variable] {
        let (Some(OutputFile { path, format }), Some(all)) = (outputs.file_of(kind), entries.texts(kind)) else {
            continue;
        };
        let mut carried = BTreeMap::new();
        for (id, text) in all {
            let text = text.expose_secret();
            match cannot_carry_text(*format, id, text) {
                None => drop(carried.insert(id.as_str(), text)),
                Some(reason) => left_out.push(not_for_file(kind, id, path, reason, settings)),
            }
        }
        let bytes = texts(&carried, *format)?;
        files.push(Rendered { path, bytes, mode, meant: Meant::Texts(*format, carried) });
    }
    if let Some(OutputFile { path, format }) = &outputs.connections {
        let mut carried = BTreeMap::new();
        for (id, connection) in &entries.connections {
            match cannot_carry(*format, id, connection) {
                None => drop(carried.insert(id.as_str(), connection)),
                Some(reason) => left_out.push(not_for_file(Kind::Connection, id, path, reason, settings)),
            }
        }
        let bytes = connections(&carried, *format)?;
        files.push(Rendered { path, bytes, mode, meant: Meant::Connections(*format, carried) });
    }
    Ok((files, left_out))
}

/// Applies the policy for empty files to those that could carry nothing of what there is.
///
/// # Errors
/// [`Exit::InvalidData`], with every entry that could not be carried.
pub fn refuse_emptied(files: &[Rendered<'_>], not_carried: &[LeftOut], policy: Policy) -> Result<(), Failure> {
    if policy != Policy::Error {
        return Ok(());
    }
    for file in files {
        let emptied = match &file.meant {
            Meant::Connections(_, set) => set.is_empty(),
            Meant::Texts(_, set) => set.is_empty(),
            Meant::Lines(_, set) => set.is_empty(),
            Meant::Anything => false,
        };
        let path = shown(file.path);
        let is_of_file = |left: &&LeftOut| matches!(&left.why, Why::NotForFile { file, .. } if *file == path);
        let lost: Vec<&LeftOut> = not_carried.iter().filter(is_of_file).collect();
        if emptied && !lost.is_empty() {
            let first = format!("{path}: nothing is left that this file could carry; write another format");
            let lines = std::iter::once(first).chain(lost.iter().map(ToString::to_string)).collect();
            return Err(Failure::with_lines(Exit::InvalidData, lines));
        }
    }
    Ok(())
}

fn not_for_file(kind: Kind, id: &str, path: &Path, reason: &'static str, settings: &Settings) -> LeftOut {
    let required = kind == Kind::Connection && settings.selection.required.iter().any(|required| required == id);
    LeftOut {
        kind,
        id: id.to_owned(),
        source: None,
        why: Why::NotForFile { file: shown(path), reason },
        required,
        near: None,
    }
}

// ---- the user's templates --------------------------------------------------------------------------------------

/// Renders the user's templates.
///
/// # Errors
/// [`Exit::InvalidData`], one line for each template that can't be rendered.
pub fn user_templates<'a>(
    settings: &Settings,
    templates: &'a Templates,
    entries: &Entries,
) -> Result<Vec<Rendered<'a>>, Failure> {
    let mut files = Vec::new();
    let mut lines = Vec::new();
    for template in &templates.all {
        match template_text(template, settings.target, entries) {
            Ok(text) => files.push(Rendered {
                path: &template.target,
                bytes: text.into_bytes(),
                mode: template.mode.unwrap_or(settings.file_mode),
                meant: Meant::Anything,
            }),
            Err(failure) => lines.extend(failure.lines().iter().cloned()),
        }
    }
    if lines.is_empty() { Ok(files) } else { Err(Failure::with_lines(Exit::InvalidData, lines)) }
}

/// Renders one template of the user's, for this Airflow's URIs. It sees of each kind what its front matter names, or
/// everything.
///
/// # Errors
/// As [`user_templates`].
pub fn template_text(template: &Template, target: AirflowTarget, entries: &Entries) -> Result<String, Failure> {
    let is_seen = |kind: Kind, id: &str| match &template.needs[kind] {
        Ask::Nothing => false,
        Ask::Named(ids) => ids.iter().any(|named| named == id),
        Ask::Everything => true,
    };
    let seen = Kind::ALL.iter().map(|kind| entries.count(*kind)).sum();
    engine::render(template, seen, |misses| {
        let connections = entries.connections.iter().filter(|(id, _)| is_seen(Kind::Connection, id));
        let connections = connections
            .map(|(id, connection)| (id.clone(), values::of_connection(id, connection, target, misses)))
            .collect();
        let texts = |kind: Kind| -> IndexMap<String, Value> {
            let all = entries.texts(kind).into_iter().flatten().filter(|(id, _)| is_seen(kind, id));
            all.map(|(id, text)| (id.clone(), Value::from(text.expose_secret()))).collect()
        };
        let allowed = template.env.iter().filter_map(|name| entries.env.get_key_value(name));
        let env = allowed.map(|(name, value)| (name.clone(), Value::from(value.expose_secret())));
        let meta = IndexMap::from([("version".to_owned(), Value::from(env!("CARGO_PKG_VERSION")))]);
        [
            ("connections", connections),
            ("variables", texts(Kind::Variable)),
            ("configs", texts(Kind::Config)),
            ("env", env.collect()),
            ("meta", meta),
        ]
        .into_iter()
        .map(|(name, entries)| (name.to_owned(), Names::at(name, entries, misses)))
        .collect()
    })
}

// ---- the built-in templates ------------------------------------------------------------------------------------

/// Why a format can't carry a variable or config value; `None` when it can.
#[must_use]
pub fn cannot_carry_text(format: Format, id: &str, text: &str) -> Option<&'static str> {
    match format {
        Format::Yaml if !is_yaml_key(id) => Some("the key is too long for one in YAML; write .json"),
        Format::Json | Format::Yaml => None,
        // LocalFilesystemBackend strips nothing, knows no quotes, and refuses the whole file for an empty value.
        Format::Env => match id_in_env(id) {
            Some(reason) => Some(reason),
            None if text.is_empty() => Some("the .env format has no empty values; write .json"),
            None if text.contains(splits_lines) => {
                Some("the .env format has no way to write a line break; write .json")
            }
            None if !text.is_ascii() => Some("the file is ASCII and .env has no escapes; write .json"),
            None => None,
        },
    }
}

/// Python's `str.splitlines`.
const fn splits_lines(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_yaml_key(id: &str) -> bool {
    let mut key = String::new();
    yaml_text_into(id, &mut key);
    key.len() <= LONGEST_YAML_KEY
}

/// Why the `.env` format can't hold an id. LocalFilesystemBackend splits lines as Python's str.splitlines does, takes
/// `\s*#` for a comment and splits at the first `=`.
fn id_in_env(id: &str) -> Option<&'static str> {
    if id.contains(|c| c == '=' || splits_lines(c)) || crate::python::str::py_strip(id).starts_with('#') {
        Some("the .env format has no way to write this name; write .json")
    } else if !id.is_ascii() {
        Some("the file is ASCII and .env has no escapes; write .json")
    } else {
        None
    }
}

/// Why a format can't carry a connection that is right in itself; `None` when it can.
#[must_use]
pub fn cannot_carry(format: Format, conn_id: &str, connection: &Connection) -> Option<&'static str> {
    match format {
        Format::Json => None,
        Format::Yaml => {
            let text_of = |scalar: &'_ Option<Scalar>| match scalar {
                Some(Scalar::Text(text)) => Some(text.clone()),
                _ => None,
            };
            let extra = match &connection.extra {
                Some(Extra::Text(text)) => Some(text.clone()),
                _ => None,
            };
            let Connection { conn_type, login, password, host, schema, .. } = connection;
            let texts = [conn_type.clone(), login.clone(), password.clone(), text_of(host), text_of(schema), extra];
            let whole = |text: PyString| !text.has_lone_surrogate();
            if !is_yaml_key(conn_id) {
                Some("the conn_id is too long for a key in YAML; write .json")
            } else if texts.into_iter().flatten().all(whole) {
                None
            } else {
                Some("YAML can't hold a lone surrogate; write .json")
            }
        }
        Format::Env => id_in_env(conn_id).or_else(|| {
            let reason = "the .env format holds URIs alone, and no URI says the same; write .json";
            to_uri(connection).is_none().then_some(reason)
        }),
    }
}

/// Renders the file of connections.
///
/// # Errors
/// [`Exit::Bug`] only: the templates are our own.
pub fn connections(set: &BTreeMap<&str, &Connection>, format: Format) -> Result<Vec<u8>, Failure> {
    let name = match format {
        Format::Json => "connections.json.j2",
        Format::Yaml => "connections.yaml.j2",
        Format::Env => "connections.env.j2",
    };
    let list: Vec<Value> = set.iter().map(|(conn_id, c)| Value::from_object(Item::new(conn_id, c))).collect();
    built_in(name, minijinja::context! { connections => list })
}

/// Renders a file of variables or config values.
///
/// # Errors
/// As [`connections`].
pub fn texts(set: &BTreeMap<&str, &str>, format: Format) -> Result<Vec<u8>, Failure> {
    let name = match format {
        Format::Json => "variables.json.j2",
        Format::Yaml => "variables.yaml.j2",
        Format::Env => "variables.env.j2",
    };
    let pair = |(key, text): (&&str, &&str)| {
        let cell = Value::from_object(Cell::Text(PyString::from(*text)));
        Value::from_object(Field { name: (*key).to_owned(), cell })
    };
    let list: Vec<Value> = set.iter().map(pair).collect();
    built_in(name, minijinja::context! { variables => list })
}

/// Renders a built-in template.
fn built_in(name: &str, context: Value) -> Result<Vec<u8>, Failure> {
    let environment = environment()?;
    let bug = |error: &minijinja::Error| {
        let line = error.line().unwrap_or_default();
        let line = format!(
            "the built-in template {name} failed at line {line} ({}); please report this as a bug",
            error.kind()
        );
        Failure::new(Exit::Bug, line)
    };
    let template = environment.get_template(name).map_err(|error| bug(&error))?;
    let text = template.render(context).map_err(|error| bug(&error))?;
    // A template ends with the newline of its last line, and some branches write one of their own before it.
    let mut text = text.trim_end_matches('\n').to_owned();
    if !text.is_empty() {
        text.push('\n');
    }
    Ok(text.into_bytes())
}

fn environment() -> Result<Environment<'static>, Failure> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.add_filter("json", json_filter);
    environment.add_filter("yaml", yaml_filter);
    environment.add_filter("uri", uri_filter);
    environment.add_filter("plain", plain_filter);
    // What it keeps for an error would hold values.
    environment.set_debug(false);
    for (name, text) in TEMPLATES {
        environment.add_template(name, text).map_err(|error| {
            let line = error.line().unwrap_or_default();
            Failure::new(
                Exit::Bug,
                format!("the built-in template {name} is wrong at line {line}; please report this as a bug"),
            )
        })?;
    }
    Ok(environment)
}

// ---- what the templates see ------------------------------------------------------------------------------------

/// One connection: `conn_id` and `fields`.
struct Item {
    conn_id: String,
    connection: Connection,
}

impl Item {
    fn new(conn_id: &str, connection: &Connection) -> Self {
        Self { conn_id: conn_id.to_owned(), connection: connection.clone() }
    }

    /// The fields that are there, in the order in which Airflow's own export writes them.
    fn fields(&self) -> Vec<Value> {
        let c = &self.connection;
        let text = |text: &Option<PyString>| text.clone().map(Cell::Text);
        let scalar = |scalar: &Option<Scalar>| {
            scalar.clone().map(|scalar| match scalar {
                Scalar::Text(text) => Cell::Text(text),
                Scalar::Falsy(json) => Cell::Json(json),
            })
        };
        let extra = c.extra.clone().map(|extra| match extra {
            Extra::Text(text) => Cell::Text(text),
            Extra::Json(json) => Cell::Extra(json),
        });
        let cells = [
            ("conn_type", text(&c.conn_type)),
            ("host", scalar(&c.host)),
            ("login", text(&c.login)),
            ("password", text(&c.password)),
            ("schema", scalar(&c.schema)),
            ("port", c.port.clone().map(Cell::Integer)),
            ("extra", extra),
        ];
        let there = cells.into_iter().filter_map(|(name, cell)| Some((name, cell?)));
        let field = |(name, cell): (&str, Cell)| Field { name: name.to_owned(), cell: Value::from_object(cell) };
        there.map(|field_of| Value::from_object(field(field_of))).collect()
    }
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(connection)")
    }
}

impl Object for Item {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "conn_id" => Some(Value::from(self.conn_id.as_str())),
            "fields" => Some(Value::from(self.fields())),
            _ => None,
        }
    }
}

/// A field of a connection, or a variable: `name` and `value`.
#[derive(Debug)]
struct Field {
    name: String,
    cell: Value,
}

impl Object for Field {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "name" => Some(Value::from(self.name.as_str())),
            "value" => Some(self.cell.clone()),
            _ => None,
        }
    }
}

/// A value that only the filters can write.
enum Cell {
    Text(PyString),
    Integer(String),
    /// A host or schema that is false in Python.
    Json(Json),
    /// An extra that is not text.
    Extra(Json),
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(value)")
    }
}

impl Object for Cell {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

// ---- filters ---------------------------------------------------------------------------------------------------

fn not_a_value(filter: &'static str) -> minijinja::Error {
    minijinja::Error::new(ErrorKind::InvalidOperation, filter)
}

/// JSON in ASCII. Number tokens stay as the secret has them: Airflow reads them as the live backend does.
fn json_filter(value: &Value) -> Result<Value, minijinja::Error> {
    let text = match value.downcast_object_ref::<Cell>() {
        Some(Cell::Text(text)) => text.json_quote(),
        Some(Cell::Integer(digits)) => digits.clone(),
        Some(Cell::Json(json) | Cell::Extra(json)) => raw_ascii(json),
        None => PyString::from(value.as_str().ok_or_else(|| not_a_value("json"))?).json_quote(),
    };
    Ok(Value::from_safe_string(text))
}

/// YAML in ASCII, every text in double quotes so that PyYAML can't take it for a number, date or boolean. An extra
/// is written as the text that Airflow would make of it: YAML reads number tokens by other rules than JSON.
fn yaml_filter(value: &Value) -> Result<Value, minijinja::Error> {
    let mut out = String::new();
    let whole = match value.downcast_object_ref::<Cell>() {
        Some(Cell::Text(text)) => quote_yaml(text, &mut out),
        Some(Cell::Integer(digits)) => {
            out.push_str(digits);
            true
        }
        Some(Cell::Json(json)) => {
            out.push_str(&dumps(json));
            true
        }
        Some(Cell::Extra(json)) => quote_yaml(&PyString::from(dumps(json).as_str()), &mut out),
        None => quote_yaml(&PyString::from(value.as_str().ok_or_else(|| not_a_value("yaml"))?), &mut out),
    };
    if whole { Ok(Value::from_safe_string(out)) } else { Err(not_a_value("yaml")) }
}

/// A connection as the URI that Airflow reads it from.
fn uri_filter(value: &Value) -> Result<Value, minijinja::Error> {
    let item = value.downcast_object_ref::<Item>().ok_or_else(|| not_a_value("uri"))?;
    to_uri(&item.connection).map(Value::from_safe_string).ok_or_else(|| not_a_value("uri"))
}

/// False when a lone surrogate makes it impossible.
fn quote_yaml(text: &PyString, out: &mut String) -> bool {
    text.as_str().map(|text| yaml_text_into(text, out)).is_some()
}

/// A text as it stands, for the formats without quotes.
fn plain_filter(value: &Value) -> Result<Value, minijinja::Error> {
    match value.downcast_object_ref::<Cell>() {
        Some(Cell::Text(text)) => {
            text.as_str().map(|text| Value::from_safe_string(text.to_owned())).ok_or_else(|| not_a_value("plain"))
        }
        _ => Err(not_a_value("plain")),
    }
}

#[cfg(test)]
mod tests;
