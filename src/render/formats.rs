//! Entries in the formats that LocalFilesystemBackend reads: JSON, YAML and `.env`.
//!
//! In ASCII alone: Airflow opens the file in the locale's encoding. The same entries give the same bytes.

use std::collections::BTreeMap;

use crate::airflow::uri_write::to_uri;
use crate::config::settings::Format;
use crate::model::connection::{Connection, Field};
use crate::python::json::{dumps, quote_into, raw_ascii_into};
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
    formatted(all, format, |connection, text| connection_value(connection, format, text))
}

/// Variables or config values, by key.
pub fn texts<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>, format: Format) -> Formatted<'a, &'a str> {
    formatted(all, format, |value, text| text_value(value, format, text))
}

fn formatted<'a, T: Copy>(
    all: impl IntoIterator<Item = (&'a str, T)>,
    format: Format,
    value: impl Fn(T, &mut String) -> Result<(), &'static str>,
) -> Formatted<'a, T> {
    let mut text = String::new();
    let mut carried = Vec::new();
    let mut refused = Vec::new();
    for (id, entry) in all {
        let before = text.len();
        text.push_str(match (format, before) {
            (Format::Json, 0) => "{\n",
            (Format::Json, _) => ",\n",
            (Format::Yaml | Format::Env, _) => "",
        });
        match key(id, format, &mut text).and_then(|()| value(entry, &mut text)) {
            Ok(()) => {
                text.push_str(if format == Format::Json { "" } else { "\n" });
                carried.push((id, entry));
            }
            Err(reason) => {
                text.truncate(before);
                refused.push((id, reason));
            }
        }
    }
    text.push_str(match format {
        Format::Json | Format::Yaml if text.is_empty() => "{}\n",
        Format::Json => "\n}\n",
        Format::Yaml | Format::Env => "",
    });
    Formatted { bytes: text.into_bytes(), carried: carried.into_iter().collect(), refused }
}

/// The line of an entry up to its value. LocalFilesystemBackend splits the lines of an `.env` file as Python's
/// str.splitlines does, takes `\s*#` for a comment and splits at the first `=`.
fn key(id: &str, format: Format, text: &mut String) -> Result<(), &'static str> {
    match format {
        Format::Json => {
            text.push_str("  ");
            quote_into(id, text);
            text.push_str(": ");
        }
        Format::Yaml => {
            let before = text.len();
            yaml_text_into(id, text);
            if text.len() - before > LONGEST_YAML_KEY {
                return Err("the name is too long for a key in YAML; write .json");
            }
            text.push(':');
        }
        Format::Env if id.contains(|c| c == '=' || splits_lines(c)) || py_strip(id).starts_with('#') => {
            return Err("the .env format has no way to write this name; write .json");
        }
        Format::Env if !id.is_ascii() => return Err("the file is ASCII and .env has no escapes; write .json"),
        Format::Env => {
            text.push_str(id);
            text.push('=');
        }
    }
    Ok(())
}

/// Python's `str.splitlines`.
const fn splits_lines(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Every text of YAML is in double quotes, so that PyYAML can't take it for a number, date or boolean.
///
/// Number tokens of JSON stay as the secret has them: Airflow reads them as the live backend does. YAML reads them by other
/// rules, so an extra is written there as the text that Airflow would make of it.
fn connection_value(connection: &Connection, format: Format, text: &mut String) -> Result<(), &'static str> {
    match format {
        Format::Json => {
            text.push('{');
            for (i, (field, value)) in connection.fields().enumerate() {
                text.push_str(if i > 0 { ", \"" } else { "\"" });
                text.push_str(field.name());
                text.push_str("\": ");
                raw_ascii_into(value, text);
            }
            text.push('}');
        }
        Format::Yaml => {
            if connection.fields().next().is_none() {
                text.push_str(" {}");
            }
            for (field, value) in connection.fields() {
                text.push_str("\n  ");
                text.push_str(field.name());
                text.push_str(": ");
                match value.as_str() {
                    Some(value) => yaml_text_into(value, text),
                    None if field == Field::Extra => yaml_text_into(&value.to_text(), text),
                    None => text.push_str(&dumps(value)),
                }
            }
        }
        Format::Env => {
            let uri = to_uri(connection);
            text.push_str(&uri.ok_or("the .env format holds URIs alone, and no URI says the same; write .json")?);
        }
    }
    Ok(())
}

/// LocalFilesystemBackend strips nothing from an `.env` line, knows no quotes, and refuses the whole file for an empty value.
fn text_value(value: &str, format: Format, text: &mut String) -> Result<(), &'static str> {
    match format {
        Format::Json => quote_into(value, text),
        Format::Yaml => {
            text.push(' ');
            yaml_text_into(value, text);
        }
        Format::Env if value.is_empty() => return Err("the .env format has no empty values; write .json"),
        Format::Env if value.contains(splits_lines) => {
            return Err("the .env format has no way to write a line break; write .json");
        }
        Format::Env if !value.is_ascii() => return Err("the file is ASCII and .env has no escapes; write .json"),
        Format::Env => text.push_str(value),
    }
    Ok(())
}
