//! Reads a finished file as Airflow's loader would, before it is put in place.
//!
//! (What a user's template should say is known to its reader only.)
//!
//! LocalFilesystemBackend builds every entry on every lookup, so one entry that it refuses makes all of them
//! unreadable. Whatever reaches a file was checked one by one before; this is the check of the whole, by other code.
//! Rules: Airflow 2.8.1 to 3.3.2 `airflow/secrets/local_filesystem.py`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use crate::airflow::secret::from_secret;
use crate::airflow::uri_write::is_same_in_a_uri;
use crate::airflow::versions::{AirflowTarget, Rules};
use crate::config::settings::{Dialect, Format};
use crate::error::{Exit, Failure};
use crate::model::connection::{Connection, Field};
use crate::python::json::{Object, Value, dumps, loads_within, raw_ascii};
use crate::render::files::{Expected, Rendered};
use crate::render::template::quote;
use crate::text::shown;

/// The entries of a file: by id, the fields with their content.
pub type Fields = BTreeMap<String, BTreeMap<String, String>>;

/// The file adds two levels around an extra. Airflow itself fails near 970 (seen in runs of 2.8.1 and 3.3.2).
const DEEPEST: usize = 600;

/// Entries in the order of the file, by id.
type Entries<'a> = Vec<(Cow<'a, str>, Object<'a>)>;

/// Texts in the order of the file, by key.
type Texts<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Checks that a file is one that its reader takes, and that it gives the very entries it was rendered from.
///
/// # Errors
/// [`Exit::Bug`]: what was rendered is not what was expected. Nothing is written then. The error names the entry's place.
pub fn check(file: &Rendered<'_>, target: AirflowTarget) -> Result<(), Failure> {
    let bytes = &file.bytes;
    let outcome = match &file.expected {
        Expected::Connections(format @ Format::Json, set) => {
            json(bytes).and_then(|entries| same_objects(&entries, set, target, *format))
        }
        Expected::Connections(format @ Format::Yaml, set) => {
            yaml(bytes).and_then(|entries| same_objects(&entries, set, target, *format))
        }
        Expected::Connections(Format::Env, set) => env(bytes, set, target),
        Expected::Texts(format, set) => texts(bytes, *format).and_then(|read| same_texts(&read, set)),
        Expected::Lines(dialect, set) => {
            let set = set.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            variables(bytes, *dialect).and_then(|read| same_texts(&read, &set))
        }
        Expected::Anything => Ok(()),
    };
    outcome.map_err(|problem| {
        let line = format!(
            "{}: the rendered file would not be read as it was meant ({problem}); nothing was written; please report this as a bug",
            shown(file.path)
        );
        Failure::new(Exit::Bug, line)
    })
}

/// The entries of a file of this kind, by id, with their fields: for a comparison. A variable is an entry without fields that
/// have names. `None` where the bytes are not such a file, or not as this program writes it.
pub fn entries_of(bytes: &[u8], expected: &Expected<'_>) -> Option<Fields> {
    let texts = |read: Result<Texts<'_>, String>| -> Option<Fields> {
        // Without a name for the field: that it has changed is all there is to say.
        let fields = |text: Cow<'_, str>| BTreeMap::from([(String::new(), text.into_owned())]);
        Some(read.ok()?.into_iter().map(|(id, text)| (id.into_owned(), fields(text))).collect())
    };
    match expected {
        Expected::Connections(Format::Env, _) => uris(bytes),
        Expected::Connections(format, _) => {
            let entries = if *format == Format::Json { json(bytes) } else { yaml(bytes) }.ok()?;
            let fields = |entry: Object<'_>| {
                entry.into_iter().map(|(name, value)| (name.into_owned(), raw_ascii(&value))).collect()
            };
            Some(entries.into_iter().map(|(id, entry)| (id.into_owned(), fields(entry))).collect())
        }
        Expected::Texts(format, _) => texts(self::texts(bytes, *format)),
        Expected::Lines(dialect, _) => texts(variables(bytes, *dialect)),
        Expected::Anything => None,
    }
}

/// The URIs of a `.env` file as the connections that they stand for.
fn uris(bytes: &[u8]) -> Option<Fields> {
    let lines = env_halves(ascii(bytes).ok()?, ".env").ok()?;
    let fields = |uri: &str| {
        let read = |target| from_secret(uri, &Rules { target, extra_conn_words: IndexMap::new(), urlencoded: false });
        // Each refuses extras that the other takes, and a file does not say whom it was written for.
        let connection = read(AirflowTarget::V2).or_else(|_| read(AirflowTarget::V3)).ok()?;
        Some(connection.fields().map(|(field, value)| (field.to_string(), raw_ascii(value))).collect())
    };
    lines.into_iter().map(|(id, uri)| Some((id.into_owned(), fields(&uri)?))).collect()
}

fn ascii(bytes: &[u8]) -> Result<&str, String> {
    let text = str::from_utf8(bytes).ok().filter(|text| text.is_ascii());
    text.ok_or_else(|| "it is not ASCII".to_owned())
}

// ---- the three formats -----------------------------------------------------------------------------------------

fn json(bytes: &[u8]) -> Result<Entries<'_>, String> {
    let object = |(position, (conn_id, entry))| match entry {
        Value::Object(fields) => Ok((conn_id, fields)),
        _ => Err(format!("entry {} is not an object", position + 1)),
    };
    top_of(ascii(bytes)?, DEEPEST)?.into_iter().enumerate().map(object).collect()
}

/// What stands in a JSON object.
fn top_of(text: &str, deepest: usize) -> Result<Object<'_>, String> {
    match loads_within(text, deepest).map_err(|error| format!("JSON at byte {}", error.offset))? {
        Value::Object(entries) => Ok(entries),
        _ => Err("the top is not an object".to_owned()),
    }
}

/// The part of YAML that the template writes, line by line: anything else is refused.
fn yaml(bytes: &[u8]) -> Result<Entries<'_>, String> {
    let text = ascii(bytes)?;
    let mut entries: IndexMap<Cow<'_, str>, Object<'_>> = IndexMap::new();
    if text == "{}\n" {
        return Ok(Vec::new());
    }
    for (number, line) in text.lines().enumerate() {
        let refuse = || format!("YAML at line {}", number + 1);
        if let Some(field) = line.strip_prefix("  ") {
            let (name, value) = field.split_once(": ").ok_or_else(refuse)?;
            let value = if value.starts_with('"') {
                Value::String(unquote_yaml(value).ok_or_else(refuse)?)
            } else {
                loads_within(value, 1).map_err(|_| refuse())?
            };
            let (_, entry) = entries.last_mut().ok_or_else(refuse)?;
            if entry.insert(name.into(), value).is_some() || entry.len() > Field::ALL.len() {
                return Err(refuse());
            }
        } else {
            let key = line.strip_suffix(':').or_else(|| line.strip_suffix(": {}")).ok_or_else(refuse)?;
            let key = unquote_yaml(key).ok_or_else(refuse)?;
            if entries.insert(key, Object::default()).is_some() {
                return Err(refuse());
            }
        }
    }
    Ok(entries.into_iter().collect())
}

/// The text of a double-quoted YAML scalar on one line.
fn unquote_yaml(quoted: &str) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains(['"', '\\']) {
        return Some(inner.into());
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let decoded = match c {
            '"' => return None,
            '\\' => match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                '"' => '"',
                '\\' => '\\',
                'x' => hex(&mut chars, 2)?,
                'u' => hex(&mut chars, 4)?,
                'U' => hex(&mut chars, 8)?,
                _ => return None,
            },
            c => c,
        };
        out.push(decoded);
    }
    Some(out.into())
}

fn hex(chars: &mut std::str::Chars<'_>, length: usize) -> Option<char> {
    let digits: String = chars.take(length).collect();
    // Not by the parser alone: it takes a sign.
    let are_digits = digits.len() == length && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u32::from_str_radix(&digits, 16).ok().filter(|_| are_digits).and_then(char::from_u32)
}

// ---- variables and config values -------------------------------------------------------------------------------

/// The texts of a file, by key. LocalFilesystemBackend gives variables back as the parser does.
fn texts(bytes: &[u8], format: Format) -> Result<Texts<'_>, String> {
    let text = ascii(bytes)?;
    match format {
        Format::Json => {
            let pair = |(position, (key, value))| match value {
                Value::String(value) => Ok((key, value)),
                _ => Err(format!("entry {} is not text", position + 1)),
            };
            top_of(text, 2)?.into_iter().enumerate().map(pair).collect()
        }
        Format::Yaml if text == "{}\n" => Ok(Vec::new()),
        Format::Yaml => {
            let pair = |(number, line)| yaml_halves(line).ok_or_else(|| format!("YAML at line {}", number + 1));
            text.lines().enumerate().map(pair).collect()
        }
        Format::Env => env_halves(text, ".env"),
    }
}

/// `"key": "value"` on one line: the key ends at the first quote without a backslash before it.
fn yaml_halves(line: &str) -> Option<(Cow<'_, str>, Cow<'_, str>)> {
    let mut escaped = false;
    let end = line.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at_checked(end?.0 + 1)?;
    Some((unquote_yaml(key)?, unquote_yaml(rest.strip_prefix(": ")?)?))
}

fn env_halves<'a>(text: &'a str, what: &str) -> Result<Texts<'a>, String> {
    let pair = |(number, line): (usize, &'a str)| {
        let halves = line.split_once('=').filter(|(key, _)| !key.is_empty());
        halves.map(|(key, value)| (key.into(), value.into())).ok_or_else(|| format!("{what} at line {}", number + 1))
    };
    text.split_terminator('\n').enumerate().map(pair).collect()
}

/// A file of environment variables as its readers take it.
fn variables(bytes: &[u8], dialect: Dialect) -> Result<Texts<'_>, String> {
    let text = str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    match dialect {
        Dialect::List => env_halves(text, "line"),
        Dialect::Env => words(text).ok_or_else(|| "a line is not an assignment".to_owned()),
    }
}

/// `NAME=word` lines of a shell; a word is made of plain characters and of texts in quotes.
fn words(text: &str) -> Option<Texts<'_>> {
    let mut all = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '\n') => break at + 1,
                (_, '\'') => loop {
                    match chars.next()?.1 {
                        '\'' => break,
                        c => value.push(c),
                    }
                },
                (_, '"') => loop {
                    match chars.next()?.1 {
                        '"' => break,
                        '\\' => match chars.next()?.1 {
                            c @ ('"' | '\\' | '$' | '`') => value.push(c),
                            c => value.extend(['\\', c]),
                        },
                        '`' => return None,
                        // What follows it decides whether a shell takes it for a name.
                        '$' if !chars.clone().next().is_some_and(|(_, next)| quote::ends_dollar(next)) => return None,
                        c => value.push(c),
                    }
                },
                (_, ' ' | '\t' | '\\' | '$' | '`' | '#' | '&' | ';' | '(' | ')' | '<' | '>' | '|') => return None,
                (_, c) => value.push(c),
            }
        };
        all.push((name.into(), value.into()));
        rest = after.get(end..)?;
    }
    Some(all)
}

fn same_texts(read: &[(Cow<'_, str>, Cow<'_, str>)], expected: &BTreeMap<&str, &str>) -> Result<(), String> {
    if read.len() != expected.len() {
        return Err("the number of entries differs".to_owned());
    }
    let mut pairs = read.iter().zip(expected);
    match pairs.position(|((key, value), (expected_key, expected))| key != expected_key || value != expected) {
        None => Ok(()),
        Some(position) => Err(format!("entry {} is another", position + 1)),
    }
}

// ---- connections as URIs ---------------------------------------------------------------------------------------

fn env(bytes: &[u8], set: &BTreeMap<&str, &Connection>, target: AirflowTarget) -> Result<(), String> {
    let text = ascii(bytes)?;
    let mut seen = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        let refuse = || format!(".env at line {}", number + 1);
        let (conn_id, uri) =
            line.split_once('=').filter(|(id, uri)| !id.is_empty() && !uri.is_empty()).ok_or_else(refuse)?;
        let rules = Rules { target, extra_conn_words: IndexMap::new(), urlencoded: false };
        // The loader takes any text for a URI; from_secret does too, unless it begins with a brace.
        let read = Some(uri).filter(|uri| !uri.starts_with('{')).and_then(|uri| from_secret(uri, &rules).ok());
        let expected = set.get(conn_id).ok_or_else(refuse)?;
        if !read.is_some_and(|read| is_same_in_a_uri(&read, expected)) || !seen.insert(conn_id) {
            return Err(refuse());
        }
    }
    if seen.len() == set.len() { Ok(()) } else { Err("entries are missing".to_owned()) }
}

// ---- is it what was expected? -------------------------------------------------------------------------------------

fn same_objects(
    entries: &[(Cow<'_, str>, Object<'_>)],
    set: &BTreeMap<&str, &Connection>,
    target: AirflowTarget,
    format: Format,
) -> Result<(), String> {
    if entries.len() != set.len() {
        return Err("the number of entries differs".to_owned());
    }
    for (position, ((conn_id, entry), (expected_id, expected))) in entries.iter().zip(set).enumerate() {
        let place = position + 1;
        if conn_id != expected_id {
            return Err(format!("entry {place} has another conn_id"));
        }
        loadable(entry, target).map_err(|field| format!("entry {place}, {field}"))?;
        same_fields(entry, expected, format).map_err(|field| format!("entry {place}, field {field}"))?;
    }
    Ok(())
}

/// Whether the loader takes an entry: the fields that it knows (the same from 2.3 to 3.3), and values that no Connection
/// refuses.
fn loadable(entry: &Object<'_>, target: AirflowTarget) -> Result<(), &'static str> {
    for (key, value) in entry {
        let Some(field) = Field::ALL.into_iter().find(|field| field.name() == key) else {
            return Err("a key that Airflow does not know");
        };
        let right = match (field, value) {
            (Field::ConnType | Field::Login | Field::Password | Field::Host | Field::Schema, Value::String(_)) => true,
            (Field::Host | Field::Schema, other) => !other.is_truthy(),
            (Field::Port, Value::Number(number)) => !number.is_float(),
            // Connection.__init__ of 3.0 and later: falsy is not looked at, everything else must be a JSON object.
            (Field::Extra, Value::String(text)) => {
                text.is_empty()
                    || target == AirflowTarget::V2
                    || matches!(loads_within(text, DEEPEST), Ok(Value::Object(_)))
            }
            (Field::Extra, Value::Object(fields)) => !fields.is_empty(),
            (Field::Extra, other) => target == AirflowTarget::V2 && other.is_truthy(),
            _ => false,
        };
        if !right {
            return Err(field.name());
        }
    }
    Ok(())
}

/// Numbers may be written in another way (-0 as 0) but must be the same to Python.
fn same_fields(entry: &Object<'_>, expected: &Connection, format: Format) -> Result<(), &'static str> {
    let differs = |field: &Field| match (entry.get(field.name()), expected.get(*field)) {
        (value, Some(extra)) if *field == Field::Extra && format == Format::Yaml => {
            value.and_then(Value::as_str) != Some(&*extra.to_text())
        }
        (value, expected) => value != expected && value.map(dumps) != expected.map(dumps),
    };
    Field::ALL.into_iter().find(differs).map_or(Ok(()), |field| Err(field.name()))
}

#[cfg(test)]
mod tests;
