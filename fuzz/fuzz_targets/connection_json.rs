//! A secret that is a JSON object: whatever the text, it is read as Python's `json` reads it, or refused in words that hold nothing
//! of it.
//!
//! The first byte chooses the rules (fuzz/src/secret.rs), the rest is the secret, with `` ` `` and `^` for values that must never be
//! seen. What must hold beyond fuzz/src/secret.rs:
//!
//! - what is written of a document is read as the same document, and Python's own form of it is stable;
//! - a document that serde_json takes is taken, but for what the limits say; one that it refuses is taken only where Python's `json`
//!   is known to be wider.
#![no_main]

use airflow_secrets_init::python::json::{self, Json, JsonErrorKind, dumps, loads, raw_ascii};
use airflow_secrets_init::python::str::py_strip;
use airflow_secrets_init_fuzz::{planted, secret};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some((first, rest)) = bytes.split_first() else { return Corpus::Reject };
    let Ok(text) = std::str::from_utf8(rest) else { return Corpus::Reject };
    let text = planted(text);
    document(&text);
    if !py_strip(&text).starts_with('{') {
        return Corpus::Reject;
    }
    secret::check(&text, &secret::rules(*first));
    Corpus::Keep
});

fn document(text: &str) {
    // serde_json's own names for a number and for a text as it stands: it takes an object with one for that.
    if text.contains("$serde_json") {
        return;
    }
    let other = serde_json::from_str::<serde_json::Value>(text);
    match (loads(text).map(json::Value::into_owned), other) {
        (Ok(value), other) => {
            let raw = raw_ascii(&value);
            assert!(loads(&raw).as_ref() == Ok(&value), "a document is written as another");
            let dumped = dumps(&value);
            let again = loads(&dumped).map(|value| dumps(&value));
            assert!(again.as_deref() == Ok(dumped.as_str()), "the form of a document is not stable");
            match other {
                Ok(other) => assert!(is_same(&value, &other), "two readers read another document"),
                Err(_) => assert!(is_wider(text), "only we take this document"),
            }
        }
        (Err(error), Ok(_)) => {
            assert!(!matches!(error.kind, JsonErrorKind::Syntax(_)), "only we refuse this document: {error}");
        }
        (Err(_), Err(_)) => {}
    }
}

/// Whether a text may hold what Python takes and serde_json does not: NaN and infinities, more than 127 levels.
fn is_wider(text: &str) -> bool {
    ["NaN", "Infinity"].iter().any(|word| text.contains(word)) || text.matches(['[', '{']).count() > 126
}

fn is_same(ours: &Json, other: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (ours, other) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(a), Value::Bool(b)) => a == b,
        // With `arbitrary_precision` serde_json keeps the token, but writes an exponent in a way of its own.
        (Json::Number(a), Value::Number(b)) => {
            a.token().to_lowercase().replace('+', "") == b.to_string().to_lowercase().replace('+', "")
        }
        (Json::String(a), Value::String(b)) => a == b,
        (Json::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Json::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((a, x), (b, y))| a == b && is_same(x, y))
        }
        _ => false,
    }
}
