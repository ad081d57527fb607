//! `SECRETS_INIT_STORE=file:PATH`: a YAML or JSON document instead of AWS, for dev stacks, demos and CI.
//!
//! Takes the document's text, gives one store for the own account and one for each shared one. A value is the
//! secret's text, or a mapping that stands for a JSON secret, or null for a secret without a current value.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::memory::MemoryStore;
use crate::backend_kwargs::is_account;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::plan::{Plan, Source};
use crate::text::{os_error, printable};

/// A document larger than this is not a dev stack's.
const LARGEST: u64 = 256 << 20;

/// Reads the document and gives the store of each of the plan's accounts, in order.
///
/// # Errors
/// [`Exit::NotFound`] when there is no such file, [`Exit::Config`] when it is not a document of the right form. Errors name
/// the place, never a value.
pub fn open(path: &Path, plan: &Plan) -> Result<Vec<MemoryStore>, Failure> {
    let shown = printable(&path.display().to_string());
    let refuse = |problem: String| Failure::new(Exit::Config, format!("file store {shown}: {problem}"));
    let text = files::read_text(path, LARGEST).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            let line = format!("file store {shown}: {}; check SECRETS_INIT_STORE", os_error(&error));
            Failure::new(Exit::NotFound, line)
        }
        _ => refuse(format!("can't be read: {}", os_error(&error))),
    })?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    stores(&text, if is_json { Form::Json } else { Form::Yaml }, plan).map_err(&refuse)
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON: number tokens and the order of keys stay as they are.
    Json,
    /// YAML.
    Yaml,
}

/// The store of each of the plan's accounts, in order, from a document's text.
///
/// # Errors
/// When it is not a document of the right form: the place, never a value.
pub fn stores(text: &str, form: Form, plan: &Plan) -> Result<Vec<MemoryStore>, String> {
    let accounts = match form {
        Form::Json => from_json(text)?,
        Form::Yaml => from_yaml(text)?,
    };
    let stores = plan.accounts.iter().map(|account| match &account.source {
        Source::Own => accounts.own.clone(),
        Source::Shared { account, .. } => accounts.shared.get(account).cloned().unwrap_or_default(),
    });
    Ok(stores.map(MemoryStore::new).collect())
}

type Secrets = BTreeMap<String, Option<SecretString>>;

#[derive(Default)]
struct Accounts {
    own: Secrets,
    shared: BTreeMap<String, Secrets>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<T> {
    #[serde(default = "BTreeMap::new")]
    own: BTreeMap<String, T>,
    #[serde(default = "BTreeMap::new")]
    shared: BTreeMap<String, BTreeMap<String, T>>,
}

impl<T> Document<T> {
    fn accounts(self, text_of: impl Fn(T) -> Result<Option<String>, &'static str>) -> Result<Accounts, String> {
        let secrets = |map: BTreeMap<String, T>| -> Result<Secrets, String> {
            map.into_iter()
                .map(|(name, value)| match text_of(value) {
                    Ok(text) => Ok((name, text.map(SecretString::from))),
                    Err(problem) => Err(format!("secret {}: {problem}", printable(&name))),
                })
                .collect()
        };
        let own = secrets(self.own)?;
        let mut shared = BTreeMap::new();
        for (account, map) in self.shared {
            if !is_account(&account) {
                return Err(format!("shared: {} is not a 12-digit account number in quotes", printable(&account)));
            }
            shared.insert(account, secrets(map)?);
        }
        Ok(Accounts { own, shared })
    }
}

fn from_json(text: &str) -> Result<Accounts, String> {
    let document: Document<Box<RawValue>> = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("line {line} column {column}: not JSON of the form {{\"own\": {{name: value}}, \"shared\": {{account: {{name: value}}}}}}")
    })?;
    document.accounts(|raw| match raw.get().as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw.get()).map(Some).map_err(|_| "is text with a lone surrogate"),
        // As it stands: number tokens and the order of keys survive.
        Some(b'{') => Ok(Some(raw.get().to_owned())),
        Some(b'n') => Ok(None),
        _ => Err("must be text or an object (quote numbers and booleans)"),
    })
}

fn from_yaml(text: &str) -> Result<Accounts, String> {
    // Without snippets: they would print the lines around a mistake, and those hold secrets.
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    let document: Document<serde_json::Value> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let place = error.location().map(|at| format!("line {} column {}: ", at.line(), at.column()));
            let form = "not YAML of the form own: {name: value}, shared: {\"account\": {name: value}}";
            format!("{}{form}", place.unwrap_or_default())
        })?;
    document.accounts(|value| match value {
        serde_json::Value::String(text) => Ok(Some(text)),
        serde_json::Value::Null => Ok(None),
        object @ serde_json::Value::Object(_) if has_rounded_number(&object) => {
            Err("holds a number of more than 15 digits, which YAML rounds; quote it")
        }
        object @ serde_json::Value::Object(_) => Ok(Some(object.to_string())),
        _ => Err("must be text or a mapping (quote numbers and booleans)"),
    })
}

/// Whether reading YAML has rounded an integer: what fits no integer type comes as a float.
fn has_rounded_number(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => {
            let is_integer = number.as_i64().is_some() || number.as_u64().is_some();
            !is_integer && number.as_f64().is_some_and(|float| float.abs() >= 1e15)
        }
        serde_json::Value::Array(items) => items.iter().any(has_rounded_number),
        serde_json::Value::Object(items) => items.values().any(has_rounded_number),
        _ => false,
    }
}
