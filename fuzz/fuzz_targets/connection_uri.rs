//! A secret that is a URI, or any text that Airflow takes for one: it is read, or refused in words that hold nothing of it.
//!
//! The first byte chooses the rules (fuzz/src/secret.rs), the rest is the secret, with `` ` `` and `^` for values that must never be
//! seen. What must hold beyond fuzz/src/secret.rs:
//!
//! - what a URI can't say is not there: no host that is no text, a port of 0 to 65535.
#![no_main]

use airflow_secrets_init::model::connection::{Field, SecretForm};
use airflow_secrets_init::python::str::py_strip;
use airflow_secrets_init_fuzz::{planted, secret};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some((first, rest)) = bytes.split_first() else { return Corpus::Reject };
    let Ok(text) = std::str::from_utf8(rest) else { return Corpus::Reject };
    let text = planted(text);
    if py_strip(&text).starts_with('{') {
        return Corpus::Reject;
    }
    let Some(connection) = secret::check(&text, &secret::rules(*first)) else { return Corpus::Keep };
    assert!(connection.form == SecretForm::Uri);
    assert!([Field::Host, Field::Schema].into_iter().all(|field| connection.text(field).is_some()));
    assert!(connection.port().is_none_or(|port| port.parse::<u16>().is_ok()));
    Corpus::Keep
});
