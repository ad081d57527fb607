//! The file of environment variables: `AIRFLOW_CONN_*`, `AIRFLOW_VAR_*` and config options, one a line.
//!
//! Airflow looks a connection or variable up as the prefix and the upper-case id (Airflow 2.8.1 and 3.3.2
//! `airflow/secrets/environment_variables.py`), and takes a value that begins with `{` for a JSON connection, in every
//! version from 2.3 on (`airflow/secrets/base_secrets.py` `deserialize_connection`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use secrecy::ExposeSecret;

use crate::airflow::uri_write::to_uri;
use crate::config::settings::{Dialect, EnvFile};
use crate::convert::Entries;
use crate::model::connection::{Connection, Field};
use crate::model::kind::Kind;
use crate::python::json::{Json, raw_ascii};
use crate::render::template::quote;
use crate::text::{printable, shown};

/// The file's content, and what it can't carry.
pub struct Assignments<'a> {
    pub bytes: Vec<u8>,
    /// The variables in it, name to value.
    pub values: BTreeMap<String, String>,
    /// What is not in it, and why.
    pub refused: Vec<(Kind, &'a str, Cow<'static, str>)>,
}

/// Writes the file.
pub fn render<'a>(file: &EnvFile, entries: &'a Entries) -> Assignments<'a> {
    let mut candidates: Vec<(Kind, &str, String, Result<String, &'static str>)> = Vec::new();
    let path = shown(&file.path);
    for id in entries.connections.keys().chain(entries.for_variable_alone.keys()) {
        let of = entries.of_file(&path, Kind::Connection, id);
        let Some(connection) = of.connections.get(id).or_else(|| of.for_variable_alone.get(id)) else { continue };
        let value = value_of(connection, of.false_passwords.get(id))
            .ok_or("neither JSON nor a URI says the same in an environment variable");
        candidates.push((Kind::Connection, id, name_of(CONN, id), value));
    }
    for id in entries.variables.keys() {
        let Some(text) = entries.of_file(&path, Kind::Variable, id).variables.get(id) else { continue };
        candidates.push((Kind::Variable, id, name_of(VAR, id), Ok(text.expose_secret().to_owned())));
    }
    for option in &file.options {
        let of = entries.of_file(&path, Kind::Config, &option.key);
        let (Some(text), Some((id, _))) = (of.configs.get(&option.key), entries.configs.get_key_value(&option.key))
        else {
            continue;
        };
        let text = text.expose_secret();
        let value = if is_expanded_by_airflow(text) {
            Err(
                "Airflow replaces a $NAME, or a ~ at the start, in the variable of an option, and not in what a backend gives",
            )
        } else {
            Ok(text.to_owned())
        };
        candidates.push((Kind::Config, id, option.variable.clone(), value));
    }
    let owners = Owners::of(entries);
    let mut lines = BTreeMap::new();
    let mut values = BTreeMap::new();
    let mut refused = Vec::new();
    for (kind, id, name, value) in candidates {
        let carried = match value {
            Ok(_) if let Some(other) = owners.other_than(kind, id, &name) => Err(Cow::Owned(format!(
                "Airflow would look for it under the same variable, {}, as for {other}; rename one of them{}",
                printable(&name),
                if other.is_held { ": a restart decides anew whose it is" } else { "" }
            ))),
            Ok(_) if !name_fits(&name, file.dialect) => Err(Cow::Borrowed(match file.dialect {
                Dialect::Env => "a shell has no variable of this name: only letters, digits and _ are allowed",
                Dialect::List => "no environment variable can have this name",
            })),
            Ok(value) => match written(&value, file.dialect) {
                Ok(written) => Ok((written, value)),
                Err(reason) => Err(Cow::Borrowed(reason)),
            },
            Err(reason) => Err(Cow::Borrowed(reason)),
        };
        match carried {
            Ok((written, value)) => {
                lines.insert(name.clone(), written);
                values.insert(name, value);
            }
            Err(reason) => refused.push((kind, id, reason)),
        }
    }
    let text: String = lines.iter().map(|(name, written)| format!("{name}={written}\n")).collect();
    Assignments { bytes: text.into_bytes(), values, refused }
}

/// What a program is started with, of which Linux gives a quarter of the stack's limit (8 MiB): `execve(2)`, "Limits on size of
/// arguments and environment". Arguments and the rest of the environment need room too.
const MUCH: usize = 3 << 19;
/// The same of one variable: 32 pages, `MAX_ARG_STRLEN`.
const MUCH_IN_ONE: usize = 96 << 10;

/// What an operator should know of the size of an environment, before no program can be started with it.
pub fn too_large_soon(values: &BTreeMap<String, String>) -> Vec<String> {
    // A name, `=`, a value, NUL, and a pointer to them.
    let size = |(name, value): (&String, &String)| name.len() + value.len() + 2;
    let all: usize = values.iter().map(|variable| size(variable) + size_of::<usize>()).sum();
    let mut lines = Vec::new();
    if all > MUCH {
        lines.push(format!(
            "the variables take {} KiB: from 2048 KiB on, the whole environment and the arguments together, no program can be \
             started (\"Argument list too long\"); choose what the component needs, or use a connections file",
            all >> 10
        ));
    }
    for variable in values.iter().filter(|variable| size(*variable) > MUCH_IN_ONE) {
        lines.push(format!(
            "{} takes {} KiB: from 128 KiB on in one variable no program can be started (\"Argument list too long\"); use a file \
             for it",
            printable(variable.0),
            size(variable) >> 10
        ));
    }
    lines
}

const CONN: &str = "AIRFLOW_CONN_";
const VAR: &str = "AIRFLOW_VAR_";

fn name_of(prefix: &str, id: &str) -> String {
    format!("{prefix}{}", id.to_ascii_uppercase())
}

/// Whose each variable is: the first account's that has any id of that spelling, whether or not it can be read and whether or not
/// the settings leave it out. The live backend never gives the secret of another account under that id. What the file has held since an
/// earlier reading keeps its variable, whoever comes.
struct Owners<'a>(BTreeMap<String, Vec<Owner<'a>>>);

/// An id, and what is known of it.
struct Owner<'a> {
    kind: Kind,
    id: &'a str,
    /// Which of the kind's sources has it.
    source: usize,
    /// Whether it has a value in this run.
    is_there: bool,
    /// Whether the file has held it since an earlier reading.
    is_held: bool,
}

impl<'a> Owners<'a> {
    fn of(entries: &'a Entries) -> Self {
        let mut all: BTreeMap<String, Vec<Owner<'a>>> = BTreeMap::new();
        for (kind, prefix) in [(Kind::Connection, CONN), (Kind::Variable, VAR)] {
            let found = entries.details[kind].iter().map(|(id, detail)| (id, detail.source));
            let skipped = entries.skipped[kind].iter().map(|skipped| (&skipped.id, skipped.source));
            for (id, source) in found.chain(skipped) {
                let is_there = entries.is_there(kind, id);
                let is_held = is_there && entries.held.contains(&(kind, id.clone()));
                all.entry(name_of(prefix, id)).or_default().push(Owner { kind, id, source, is_there, is_held });
            }
        }
        for owners in all.values_mut() {
            if owners.iter().any(|owner| owner.is_held) {
                owners.retain(|owner| owner.is_held);
                continue;
            }
            let first = owners.iter().map(|owner| owner.source).min();
            owners.retain(|owner| Some(owner.source) == first);
        }
        Self(all)
    }

    /// An id that keeps this one from the variable: of an account before, or another one of the same.
    fn other_than(&self, kind: Kind, id: &str, name: &str) -> Option<&Owner<'a>> {
        self.0.get(name)?.iter().find(|owner| owner.kind == kind && owner.id != id)
    }
}

impl std::fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let account = if self.source == 0 { "the own account" } else { "a shared account" };
        let how = match (self.is_there, self.is_held) {
            (false, _) => " (which is left out itself, and keeps the name)",
            (true, true) => " (which was there before, and stays)",
            (true, false) => "",
        };
        write!(f, "{} {} of {account}{how}", self.kind.noun(), printable(self.id))
    }
}

/// Whether Airflow's `expand_env_var` might change the text: Python's `expandvars` and `expanduser` (Airflow 2.8.1
/// `airflow/configuration.py`, 3.3.2 `airflow/_shared/configuration/parser.py`).
fn is_expanded_by_airflow(text: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '{';
    text.starts_with('~')
        || text.match_indices('$').any(|(at, _)| text.get(at + 1..).is_some_and(|rest| rest.starts_with(is_name)))
}

/// A value as its line holds it.
fn written(value: &str, dialect: Dialect) -> Result<String, quote::Cannot> {
    match dialect {
        Dialect::Env => quote::dotenv(value),
        Dialect::List => quote::env_list(value),
    }
}

fn name_fits(name: &str, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Env => name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
        Dialect::List => name.bytes().all(|b| b.is_ascii_graphic() && b != b'='),
    }
}

/// A connection as an environment variable: JSON, or a URI where JSON can't tell what the live backend would return.
///
/// `Connection.from_json` drops an empty type and an empty extra (Airflow 2.8.1 and 3.3.2 `airflow/models/connection.py`); a
/// URI keeps them. `None` where neither says the same.
fn value_of(connection: &Connection, false_password: Option<&Json>) -> Option<String> {
    if [Field::ConnType, Field::Extra].into_iter().any(|field| connection.text(field) == Some("")) {
        return to_uri(connection);
    }
    let value = |field, value: &Json| match connection.port() {
        // A zero is false, and only a true port is read.
        Some("0") if field == Field::Port => "\"0\"".to_owned(),
        _ => raw_ascii(value),
    };
    let password = false_password.map(|password| (Field::Password, password));
    let fields = connection.fields().chain(password);
    let fields: Vec<String> = fields.map(|(field, json)| format!("\"{field}\": {}", value(field, json))).collect();
    Some(without_specials(&format!("{{{}}}", fields.join(", "))))
}

/// The same JSON without the characters that readers of env files treat in ways of their own: within a text every one of
/// them can be an escape.
fn without_specials(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut chars = json.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let code = match chars.next() {
                    Some('u') => {
                        out.push_str("\\u");
                        continue;
                    }
                    Some('b') => 0x08,
                    Some('f') => 0x0c,
                    Some('n') => 0x0a,
                    Some('r') => 0x0d,
                    Some('t') => 0x09,
                    Some(other) => u32::from(other),
                    None => continue,
                };
                escape_into(code, &mut out);
            }
            '\'' | '$' | '`' | '#' | '!' => escape_into(u32::from(c), &mut out),
            c => out.push(c),
        }
    }
    out
}

fn escape_into(code: u32, out: &mut String) {
    // Writing to a String can't fail.
    let _ = write!(out, "\\u{code:04x}");
}
