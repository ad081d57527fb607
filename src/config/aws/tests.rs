//! What no file and no variable may bring about.

use proptest::prelude::*;

use super::chosen::Chosen;
use super::identity::{Identity, find};
use super::profiles::Profiles;
use super::proxies::Proxies;
use super::session::Session;
use crate::config::env::Env;

const CANARY: &str = "c4nary-Zq8vW3";
const LINES: [&str; 22] = [
    "[default]",
    "[profile a]",
    "[profile b]",
    "[a]",
    "[sso-session s]",
    "[services s]",
    "[DEFAULT]",
    "  endpoint_url = http://h",
    "role_arn = r",
    "source_profile = a",
    "source_profile = b",
    "credential_source = Environment",
    "mfa_serial = m",
    "aws_access_key_id = c4nary-Zq8vW3",
    "aws_secret_access_key = c4nary-Zq8vW3\u{1}",
    "credential_process = c4nary-Zq8vW3 'x",
    "sso_session = s",
    "sso_account_id = 1",
    "services = s",
    "sts =",
    "external_id = 1",
    "region = eu-north-1",
];
const VARIABLES: [(&str, &str); 14] = [
    ("AWS_ACCESS_KEY_ID", "c4nary-Zq8vW3\n"),
    ("AWS_SECRET_ACCESS_KEY", "c4nary-Zq8vW3"),
    ("AWS_SESSION_TOKEN", "c4nary-Zq8vW3\u{7f}"),
    ("AWS_PROFILE", "a"),
    ("AWS_DEFAULT_PROFILE", ""),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"),
    ("AWS_ROLE_ARN", ""),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://c4nary-Zq8vW3"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ""),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://"),
    ("HTTPS_PROXY", "http://c4nary-Zq8vW3:x"),
    ("AWS_ENDPOINT_URL", "http://"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("BOTO_CONFIG", "/nonexistent"),
];

fn all_words(env: &Env, config: &str, credentials: &str) -> Vec<String> {
    let mut words: Vec<String> = Proxies::of(env).err().map(|refusal| refusal.words).into_iter().collect();
    let profiles = match Profiles::parse(config, credentials) {
        Ok(profiles) => profiles,
        Err(refusal) => return vec![refusal.words],
    };
    for chosen in [Chosen::of(None, env), Chosen::of(Some("a"), env)] {
        words.extend(Session::of(&chosen, env, &profiles).err().map(|refusal| refusal.words));
        match find(&chosen, env, &profiles) {
            Err(refusal) => words.push(refusal.words),
            Ok(Identity::Keys(keys)) => assert!(super::refusal::unusable(&keys.id).is_none()),
            Ok(_) => {}
        }
    }
    words
}

proptest! {
    #[test]
    fn nothing_panics_and_no_value_is_told(
        config in proptest::collection::vec(proptest::sample::select(&LINES[..]), 0..12),
        credentials in proptest::collection::vec(proptest::sample::select(&LINES[..]), 0..6),
        variables in proptest::sample::subsequence(&VARIABLES[..], 0..6),
    ) {
        let env: Env = variables.into_iter().collect();
        for words in all_words(&env, &config.join("\n"), &credentials.join("\n")) {
            prop_assert!(!words.contains(CANARY) && !words.contains(char::is_control), "{words}");
        }
    }
}
