//! AWS's own configuration: variables, the two files, proxies.
//!
//! The input is cut at zero bytes: lines of `NAME=VALUE`, the configuration file, the credentials file, a command line. In a
//! variable's or key's value, `$` stands for a word that is a secret wherever a secret can stand. What must hold:
//!
//! - nothing panics and nothing runs for long, whatever the files hold: loops of profiles, sections without end;
//! - what is refused is refused in words that hold nothing of a key, a token, an address or a command;
//! - what is found can be put into a request: no control character, no empty key.
#![no_main]

use airflow_secrets_init::config::aws::chosen::Chosen;
use airflow_secrets_init::config::aws::identity::{Identity, find};
use airflow_secrets_init::config::aws::profiles::Profiles;
use airflow_secrets_init::config::aws::proxies::Proxies;
use airflow_secrets_init::config::aws::refusal::Refusal;
use airflow_secrets_init::config::aws::session::Session;
use airflow_secrets_init::config::aws::shell;
use airflow_secrets_init::config::env::Env;
use libfuzzer_sys::fuzz_target;

const CANARY: &str = "c4nary-Zq8vW3";
/// The variables of which no part may be shown.
const SECRET: [&str; 8] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "HTTPS_PROXY",
    "http_proxy",
];
const KEYS: [&str; 4] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "credential_process"];

fn check(refusal: &Refusal) {
    assert!(!refusal.words.contains(CANARY), "a value is shown: {}", refusal.words);
    assert!(!refusal.words.contains(char::is_control), "{:?}", refusal.words);
}

fn is_sendable(text: &str) -> bool {
    !text.is_empty() && text.is_ascii() && !text.contains(char::is_control)
}

fn check_identity(identity: &Identity) {
    match identity {
        Identity::Keys(keys) => {
            let (secret, token) = keys.exposed();
            assert!(is_sendable(&keys.id) && is_sendable(secret) && token.is_none_or(is_sendable));
        }
        Identity::Role(role) => check_identity(&role.source),
        Identity::Container(container) => assert!(container.uri.parse::<http::Uri>().is_ok()),
        Identity::Instance(instance) => assert!(instance.endpoint.parse::<http::Uri>().is_ok()),
        Identity::Process(process) => assert!(!process.words.is_empty()),
        Identity::WebIdentity(found) => assert!(!found.file.is_empty() && !found.role.is_empty()),
        Identity::Sso(_) => {}
    }
}

/// The file with the word in the values of secret keys.
fn planted(text: &str) -> String {
    let plant = |line: &str| match line.split_once('=') {
        Some((key, value)) if KEYS.contains(&key.trim()) => format!("{key}={}", value.replace('$', CANARY)),
        _ => line.to_owned(),
    };
    text.split('\n').map(plant).collect::<Vec<_>>().join("\n")
}

fuzz_target!(|input: &str| {
    let mut parts = input.split('\0');
    let mut part = || parts.next().unwrap_or_default();
    let variables = part().lines().filter_map(|line| line.split_once('=')).map(|(name, value)| {
        let value = if SECRET.contains(&name) { value.replace('$', CANARY) } else { value.to_owned() };
        // A newline can't stand in a line.
        (name.to_owned(), value.replace('\u{b6}', "\n"))
    });
    let env: Env = variables.collect();
    let (config, credentials, command) = (planted(part()), planted(part()), part());
    let _ = shell::split(command);
    if let Err(refusal) = Proxies::of(&env) {
        check(&refusal);
    }
    let profiles = match Profiles::parse(&config, &credentials) {
        Ok(profiles) => profiles,
        Err(refusal) => return check(&refusal),
    };
    for chosen in [Chosen::of(None, &env), Chosen::of(Some("p"), &env)] {
        if let Err(refusal) = Session::of(&chosen, &env, &profiles) {
            check(&refusal);
        }
        match find(&chosen, &env, &profiles) {
            Ok(identity) => check_identity(&identity),
            Err(refusal) => check(&refusal),
        }
    }
});
