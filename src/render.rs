//! Connections to the bytes of a file, through the built-in templates.
//!
//! The template decides the layout, the filters `json`, `yaml` and `uri` write each value, in ASCII alone: Airflow
//! opens the file in the locale's encoding. The same connections give the same bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};

use crate::connection::pyjson::{Json, dumps, raw_ascii};
use crate::connection::pystr::PyString;
use crate::connection::uri_write::to_uri;
use crate::connection::{Connection, Extra, Scalar};
use crate::exit::{Exit, Failure};
use crate::settings::Format;

/// The built-in templates: name and text, held in the binary.
const TEMPLATES: [(&str, &str); 3] = [
    ("connections.json.j2", include_str!("../templates/connections.json.j2")),
    ("connections.yaml.j2", include_str!("../templates/connections.yaml.j2")),
    ("connections.env.j2", include_str!("../templates/connections.env.j2")),
];

/// libyaml takes a key only where it is found to be one within 1024 bytes.
const LONGEST_YAML_KEY: usize = 1000;

/// Why a format can't carry a connection that is right in itself; `None` when it can.
#[must_use]
pub fn cannot_carry(format: Format, conn_id: &str, connection: &Connection) -> Option<&'static str> {
    match format {
        Format::Json => None,
        Format::Yaml => {
            let mut key = String::new();
            let key_fits = quote_yaml(&PyString::from(conn_id), &mut key) && key.len() <= LONGEST_YAML_KEY;
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
            if !key_fits {
                Some("the conn_id is too long for a key in YAML; write .json")
            } else if texts.into_iter().flatten().all(whole) {
                None
            } else {
                Some("YAML can't hold a lone surrogate; write .json")
            }
        }
        Format::Env => {
            // LocalFilesystemBackend splits lines as Python's str.splitlines does, takes `\s*#` for a comment and
            // splits at the first `=`.
            let splits =
                |c: char| matches!(c, '=' | '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
            if conn_id.contains(splits) || crate::connection::pystr::py_strip(conn_id).starts_with('#') {
                Some("the .env format has no way to write this conn_id; write .json")
            } else if !conn_id.is_ascii() {
                Some("the file is ASCII and .env has no escapes; write .json")
            } else if to_uri(connection).is_none() {
                Some("the .env format holds URIs alone, and no URI says the same; write .json")
            } else {
                None
            }
        }
    }
}

/// Renders the connections.
///
/// # Errors
/// [`Exit::Bug`] only: the templates are our own. The error names template and line, never a value.
pub fn connections(set: &BTreeMap<String, Connection>, format: Format) -> Result<Vec<u8>, Failure> {
    let name = match format {
        Format::Json => "connections.json.j2",
        Format::Yaml => "connections.yaml.j2",
        Format::Env => "connections.env.j2",
    };
    let list: Vec<Value> = set.iter().map(|(conn_id, c)| Value::from_object(Item::new(conn_id, c))).collect();
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
    let text = template.render(minijinja::context! { connections => list }).map_err(|error| bug(&error))?;
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
        there.map(|(name, cell)| Value::from_object(Field { name, cell: Value::from_object(cell) })).collect()
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

/// One field: `name` and `value`.
#[derive(Debug)]
struct Field {
    name: &'static str,
    cell: Value,
}

impl Object for Field {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "name" => Some(Value::from(self.name)),
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

/// Writes a double-quoted YAML 1.1 scalar in ASCII; false when a lone surrogate makes that impossible.
fn quote_yaml(text: &PyString, out: &mut String) -> bool {
    let Some(text) = text.as_str() else { return false };
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            // Writing to a String can't fail.
            c if u32::from(c) <= 0xff => drop(write!(out, "\\x{:02x}", u32::from(c))),
            c if u32::from(c) <= 0xffff => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => drop(write!(out, "\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    true
}

#[cfg(test)]
mod tests;
