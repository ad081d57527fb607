//! `backend_kwargs`: whatever the text, it is read, or every mistake is named without a value.
//!
//! The input is the object, then after each NUL a key's own variable as `key=value`; `` ` `` stands for a value that must not be
//! seen. What must hold:
//!
//! - `$NAME` is replaced in bounded memory, and what is left of it is told;
//! - kwargs are given or mistakes are noted, and no mistake repeats a value;
//! - what is accepted keeps the promises that the plan relies on;
//! - no key of AWS gets into the plan, the notices or the policies; the policies are JSON.
#![no_main]

use std::collections::BTreeSet;

use airflow_secrets_init::config::kwargs::BackendKwargs;
use airflow_secrets_init::config::kwargs_reader::parse;
use airflow_secrets_init::config::env::Env;
use airflow_secrets_init::config::expand::expand;
use airflow_secrets_init::commands::iam::{self, build};
use airflow_secrets_init::model::kind::Kind;
use airflow_secrets_init::error::ConfigErrors;
use airflow_secrets_init::plan::Plan;
use airflow_secrets_init_fuzz::{CANARY, MARK, accepted, check_form, holds_a_piece, planted, settings};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::Value;

/// What an environment may make of a text, in bytes: src/config/expand.rs says where it ends.
const LARGEST: usize = 1 << 20;

const STATIC_KEYS: [&str; 3] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(bytes) else { return Corpus::Reject };
    if holds_a_piece(text) {
        return Corpus::Reject;
    }
    let Some(text) = expanded(text) else { return Corpus::Keep };
    let mut parts = text.split('\0');
    let object = parts.next().unwrap_or_default();
    let overlay: Vec<(String, String)> =
        parts.filter_map(|part| part.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let in_values = |(key, value): &(String, String)| (key.clone(), planted(value));
    let (secret, overlaid) = (in_all_values(object), overlay.iter().map(in_values).collect::<Vec<_>>());
    let mut mistakes = ConfigErrors::default();
    let parsed = parse("KWARGS", &secret, (&overlaid, &BTreeSet::new()), &mut mistakes);
    drop(accepted(parsed, mistakes));
    let mut mistakes = ConfigErrors::default();
    let parsed = parse("KWARGS", &in_static_keys(object), (&overlay, &BTreeSet::new()), &mut mistakes);
    if let Some(kwargs) = accepted(parsed, mistakes) {
        promises(&kwargs);
        policies(kwargs);
    }
    Corpus::Keep
});

fn expanded(text: &str) -> Option<String> {
    let large = "x".repeat(1000);
    let pairs =
        [("A", "x${B}"), ("B", "y"), ("LOOP", "$LOOP!"), ("PAIR", "$PAIR2$PAIR2"), ("PAIR2", "$A$A"), ("EMPTY", "")];
    let env: Env = pairs.into_iter().chain([("LARGE", large.as_str())]).collect();
    let done = expand(text, &env).ok()?;
    assert!(done.text.len() <= LARGEST.max(text.len()), "$NAME makes {} bytes of {}", done.text.len(), text.len());
    for name in &done.unset {
        assert!(
            done.text.contains(&format!("${name}")) || done.text.contains(&format!("${{{name}}}")),
            "a name is told that is not there"
        );
    }
    Some(done.text)
}

/// The secret in the place of every mark in a value; keys are no secret. In what is no JSON, anywhere.
fn in_all_values(text: &str) -> String {
    fn plant(value: &mut Value) {
        match value {
            Value::String(text) => *text = planted(text),
            Value::Array(items) => items.iter_mut().for_each(plant),
            Value::Object(entries) => entries.values_mut().for_each(plant),
            _ => {}
        }
    }
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            plant(&mut value);
            value.to_string()
        }
        Err(_) => planted(text),
    }
}

/// The secret in place of AWS's keys alone.
fn in_static_keys(text: &str) -> String {
    let Ok(Value::Object(mut object)) = serde_json::from_str::<Value>(text) else { return text.replace(MARK, "") };
    for key in STATIC_KEYS {
        if let Some(Value::String(text)) = object.get_mut(key) {
            CANARY.clone_into(text);
        }
    }
    Value::Object(object).to_string()
}

fn promises(kwargs: &BackendKwargs) {
    let is_stripped = |prefix: &str| kwargs.sep.is_empty() || !prefix.ends_with(|c| kwargs.sep.contains(c));
    for kind in Kind::ALL {
        assert!(kwargs.names[kind].prefix.as_deref().is_none_or(is_stripped), "a prefix ends in a separator");
    }
    for shared in &kwargs.shared {
        assert!(shared.names[Kind::Connection].is_some(), "a shared account has no connections");
        let names = Kind::ALL.iter().filter_map(|kind| shared.names[*kind].as_ref());
        assert!(names.into_iter().all(|names| is_stripped(&names.prefix)), "a shared prefix ends in a separator");
    }
    for notice in &kwargs.notices {
        check_form(notice);
        assert!(!holds_a_piece(notice), "a notice holds a key of AWS");
    }
}

fn policies(kwargs: BackendKwargs) {
    let settings = settings(kwargs);
    let plan = Plan::of(&settings, &settings.needs());
    assert!(!holds_a_piece(&format!("{plan:?}")), "the plan holds a key of AWS");
    match build::policies(&settings, &plan, &Env::default()) {
        Ok(policies) => {
            let text = iam::json::text(&policies);
            assert!(serde_json::from_str::<Value>(&text).is_ok(), "the policies are no JSON");
            assert!(!holds_a_piece(&text) && !holds_a_piece(&iam::hcl::text(&policies)), "a policy holds a key of AWS");
            policies.notices.iter().for_each(|notice| check_form(notice));
        }
        Err(failure) => failure.lines().iter().for_each(|line| check_form(line)),
    }
}
