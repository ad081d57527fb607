//! The document of the file store, as JSON and as YAML: whatever the text, it is read or refused, in words that hold no value.
//!
//! The first byte chooses the form (odd: JSON), the rest is the document, with `` ` `` for a value that must not be seen. What must
//! hold:
//!
//! - an error says a place or a secret's name and nothing else;
//! - what is read of a JSON document is what Python's `json` reads of it, character for character where a secret is an object;
//! - a JSON document that is YAML too holds the same secrets as YAML.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use airflow_secrets_init::config::kwargs_reader::parse;
use airflow_secrets_init::python::json::{self, loads_within};
use airflow_secrets_init::error::ConfigErrors;
use airflow_secrets_init::plan::Plan;
use airflow_secrets_init::store::file::{Form, stores};
use airflow_secrets_init::store::secret_store::{Found, SecretStore, Wanted};
use airflow_secrets_init_fuzz::{accepted, at_once, check_form, check_line, planted, settings};
use libfuzzer_sys::{Corpus, fuzz_target};
use secrecy::ExposeSecret;
use serde_json::Value;

const ACCOUNT: &str = "258781458051";
/// Of secrets in JSON. Rust's default for a thread is 2 MiB of stack; the main one has 8.
const DEEPEST: usize = 4096;

static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let mut mistakes = ConfigErrors::default();
    let kwargs =
        parse("KWARGS", &format!(r#"{{"shared_account": "{ACCOUNT}", "shared_index": "i"}}"#), (&[], &BTreeSet::new()), &mut mistakes);
    let Some(kwargs) = accepted(kwargs, mistakes) else { panic!("the kwargs are wrong") };
    let settings = settings(kwargs);
    Plan::of(&settings, &settings.needs())
});

type Secrets = BTreeMap<String, Option<String>>;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some((first, rest)) = bytes.split_first() else { return Corpus::Reject };
    let Ok(text) = std::str::from_utf8(rest) else { return Corpus::Reject };
    let text = planted(text);
    let form = if first & 1 == 0 { Form::Yaml } else { Form::Json };
    let read = read(&text, form);
    if form == Form::Json {
        if let Ok(accounts) = &read {
            assert!(is_what_stands_there(accounts, &text), "the document is read as another");
        }
        if let (Ok(json), Ok(yaml)) = (&read, self::read(&text, Form::Yaml)) {
            for (json, yaml) in json.iter().zip(&yaml) {
                assert!(json.keys().eq(yaml.keys()), "as YAML the document has other secrets");
                assert!(
                    json.values().zip(yaml.values()).all(|(a, b)| is_same(a.as_deref(), b.as_deref())),
                    "as YAML a secret is another"
                );
            }
        }
    }
    Corpus::Keep
});

/// The secrets of the own account and of the shared one.
fn read(text: &str, form: Form) -> Result<[Secrets; 2], ()> {
    let stores = stores(text, form, &PLAN).map_err(|problems| problems.into_iter().for_each(|problem| {
        // A secret's name, an account's number: what stands before the words of a problem is no value.
        let named = ["secret ", "connection ", "shared: "].iter().find_map(|start| problem.strip_prefix(start));
        let words = match named {
            Some(_) => problem.rsplit_once(": ").map_or("", |(_, words)| words),
            None => problem.as_str(),
        };
        check_form(&problem);
        if !problem.starts_with("shared: ") {
            check_line(words);
        }
    }))?;
    let everything = Wanted { takes: &|_| true, everything: true, look: &|_, _| () };
    let all = stores.iter().map(|store| {
        let listed = at_once(store.enumerate(&[""], &everything)).unwrap_or_else(|error| panic!("{error}"));
        let text = |found: &Found| match found {
            Found::Value(value) => Some(value.text.expose_secret().to_owned()),
            Found::NotThere(_) => None,
        };
        let secrets =
            listed.secrets.iter().map(|(listed, answer)| (listed.name.clone(), answer.as_ref().ok().and_then(text)));
        secrets.collect::<Secrets>()
    });
    let all: Vec<Secrets> = all.collect();
    Ok(all.try_into().unwrap_or_else(|_| panic!("there are two accounts")))
}

/// Whether a JSON document holds these secrets, by the reader that has been proved against Python.
fn is_what_stands_there(accounts: &[Secrets; 2], text: &str) -> bool {
    let Ok(json::Value::Object(document)) = loads_within(text, DEEPEST) else { return false };
    // An export of Airflow's own.
    if !document.is_empty() && !document.contains_key("own") && !document.contains_key("shared") {
        return accounts.iter().map(BTreeMap::len).sum::<usize>() <= document.len();
    }
    let shared = match document.get("shared") {
        Some(json::Value::Object(accounts)) => accounts.get(ACCOUNT),
        _ => None,
    };
    let own = document.get("own");
    accounts.iter().zip([own, shared]).all(|(secrets, account)| match account {
        None => secrets.is_empty(),
        Some(json::Value::Object(entries)) => {
            entries.len() == secrets.len()
                && entries.iter().all(|(name, value)| match (secrets.get(&**name), value) {
                    (Some(None), json::Value::Null) => true,
                    (Some(Some(text)), json::Value::String(value)) => value == text,
                    (Some(Some(text)), value @ json::Value::Object(_)) => loads_within(text, DEEPEST).as_ref() == Ok(value),
                    _ => false,
                })
        }
        Some(_) => false,
    })
}

/// Whether two secrets are the same text, or the same object with white space of its own.
fn is_same(a: Option<&str>, b: Option<&str>) -> bool {
    fn is_same(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
            (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b)))
            }
            (a, b) => a == b,
        }
    }
    a == b
        || match (a.map(serde_json::from_str), b.map(serde_json::from_str)) {
            (Some(Ok(a)), Some(Ok(b))) => is_same(&a, &b),
            _ => false,
        }
}
