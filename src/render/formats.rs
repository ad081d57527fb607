//! Entries in the formats that LocalFilesystemBackend reads: JSON, YAML and `.env`.
//!
//! In ASCII alone: Airflow opens the file in the locale's encoding. The same entries give the same bytes.

use std::collections::BTreeMap;

use crate::airflow::uri_write::to_uri;
use crate::config::settings::Format;
use crate::model::connection::{Connection, Field};
use crate::python::json::{Json, dumps, raw_ascii};
use crate::python::str::py_strip;
use crate::render::template::quote::yaml_text_into;

/// libyaml takes a key only where it is found to be one within 1024 bytes.
const LONGEST_YAML_KEY: usize = 1000;

/// A file's content, and what its format can't carry.
pub struct Formatted<'a, T> {
    pub bytes: Vec<u8>,
    /// What is in it, by id.
    pub carried: BTreeMap<&'a str, T>,
    /// What is not, and why.
    pub refused: Vec<(&'a str, &'static str)>,
}

/// Connections, by conn_id.
pub fn connections<'a>(
    all: impl IntoIterator<Item = (&'a str, &'a Connection)>,
    format: Format,
) -> Formatted<'a, &'a Connection> {
    formatted(all, format, |connection| connection_value(connection, format))
}

/// Variables or config values, by key.
pub fn texts<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>, format: Format) -> Formatted<'a, &'a str> {
    formatted(all, format, |text| text_value(text, format))
}

fn formatted<'a, T: Copy>(
    all: impl IntoIterator<Item = (&'a str, T)>,
    format: Format,
    value: impl Fn(T) -> Result<String, &'static str>,
) -> Formatted<'a, T> {
    let mut lines = Vec::new();
    let mut carried = BTreeMap::new();
    let mut refused = Vec::new();
    for (id, entry) in all {
        match key(id, format).and_then(|key| Ok(key + &value(entry)?)) {
            Ok(line) => {
                lines.push(line);
                carried.insert(id, entry);
            }
            Err(reason) => refused.push((id, reason)),
        }
    }
    let text = match format {
        Format::Json | Format::Yaml if lines.is_empty() => "{}\n".to_owned(),
        Format::Json => format!("{{\n{}\n}}\n", lines.join(",\n")),
        Format::Yaml | Format::Env => lines.into_iter().map(|line| line + "\n").collect(),
    };
    Formatted { bytes: text.into_bytes(), carried, refused }
}

/// The line of an entry up to its value. LocalFilesystemBackend splits the lines of an `.env` file as Python's
/// str.splitlines does, takes `\s*#` for a comment and splits at the first `=`.
fn key(id: &str, format: Format) -> Result<String, &'static str> {
    match format {
        Format::Json => Ok(format!("  {}: ", raw_ascii(&Json::from(id)))),
        Format::Yaml => {
            let key = yaml_text(id);
            let fits = key.len() <= LONGEST_YAML_KEY;
            fits.then(|| format!("{key}:")).ok_or("the name is too long for a key in YAML; write .json")
        }
        Format::Env if id.contains(|c| c == '=' || splits_lines(c)) || py_strip(id).starts_with('#') => {
            Err("the .env format has no way to write this name; write .json")
        }
        Format::Env if !id.is_ascii() => Err("the file is ASCII and .env has no escapes; write .json"),
        Format::Env => Ok(format!("{id}=")),
    }
}

/// Python's `str.splitlines`.
const fn splits_lines(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Number tokens of JSON stay as the secret has them: Airflow reads them as the live backend does. YAML reads them by other
/// rules, so an extra is written there as the text that Airflow would make of it.
fn connection_value(connection: &Connection, format: Format) -> Result<String, &'static str> {
    let fields = connection.fields();
    match format {
        Format::Json => {
            let fields: Vec<String> =
                fields.map(|(field, value)| format!("\"{field}\": {}", raw_ascii(value))).collect();
            Ok(format!("{{{}}}", fields.join(", ")))
        }
        Format::Yaml => {
            let value = |field, value: &Json| match value.as_str() {
                Some(text) => yaml_text(text),
                None if field == Field::Extra => yaml_text(&value.to_text()),
                None => dumps(value),
            };
            let fields: String = fields.map(|(field, json)| format!("\n  {field}: {}", value(field, json))).collect();
            Ok(if fields.is_empty() { " {}".to_owned() } else { fields })
        }
        Format::Env => {
            to_uri(connection).ok_or("the .env format holds URIs alone, and no URI says the same; write .json")
        }
    }
}

/// LocalFilesystemBackend strips nothing from an `.env` line, knows no quotes, and refuses the whole file for an empty value.
fn text_value(text: &str, format: Format) -> Result<String, &'static str> {
    match format {
        Format::Json => Ok(raw_ascii(&Json::from(text))),
        Format::Yaml => Ok(format!(" {}", yaml_text(text))),
        Format::Env if text.is_empty() => Err("the .env format has no empty values; write .json"),
        Format::Env if text.contains(splits_lines) => {
            Err("the .env format has no way to write a line break; write .json")
        }
        Format::Env if !text.is_ascii() => Err("the file is ASCII and .env has no escapes; write .json"),
        Format::Env => Ok(text.to_owned()),
    }
}

/// Every text in double quotes, so that PyYAML can't take it for a number, date or boolean.
fn yaml_text(text: &str) -> String {
    let mut out = String::new();
    yaml_text_into(text, &mut out);
    out
}
