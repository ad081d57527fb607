//! AWS's own configuration, and what the endpoints answer that it leads to: variables, the two files, proxies; a container, an
//! instance, STS, the SSO portal.
//!
//! The input is cut at zero bytes: lines of `NAME=VALUE`, the configuration file, the credentials file, a command line, and one
//! answer after the other, the last of them for as long as somebody asks: `200 TEXT`, `-` for a connection that fails, `~` for
//! silence. In a variable's or key's value, and in an answer where a secret can stand, `$` stands for a word that is a secret;
//! `{home}` is a directory with a web identity's token and that of a login (`s`). What must hold:
//!
//! - nothing panics and nothing runs for long, whatever the files hold: loops of profiles, sections without end;
//! - what is refused is refused in words that hold nothing of a key, a token, an address or a command;
//! - what is found can be put into a request: no control character, no empty key.
#![no_main]

use std::collections::VecDeque;
use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};

use airflow_secrets_init::config::aws::chosen::Chosen;
use airflow_secrets_init::config::aws::identity::{Identity, find};
use airflow_secrets_init::config::aws::profiles::Profiles;
use airflow_secrets_init::config::aws::proxies::Proxies;
use airflow_secrets_init::config::aws::refusal::Refusal;
use airflow_secrets_init::config::aws::session::Session;
use airflow_secrets_init::config::aws::shell;
use airflow_secrets_init::config::env::Env;
use airflow_secrets_init::store::aws::sources::{self, Means};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
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
/// What stands before a secret in an answer.
const BEFORE: [&str; 9] = [
    "Id\": \"",
    "Key\": \"",
    "Token\": \"",
    "<AccessKeyId>",
    "<SecretAccessKey>",
    "<SessionToken>",
    "accessKeyId\":\"",
    "AccessKey\":\"",
    "Token\":\"",
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

/// A home directory with tokens. It stays for the next process.
static HOME: LazyLock<String> = LazyLock::new(|| {
    let home = std::env::temp_dir().join("airflow-secrets-init-fuzz");
    let write = |path: PathBuf, text: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(home.join("token"), CANARY);
    // The name is the SHA-1 of `s`, a session's name.
    let cached = format!("{{\"accessToken\": \"{CANARY}\", \"expiresAt\": \"2099-01-01T00:00:00Z\"}}");
    write(home.join(".aws/sso/cache/a0f1490a20d0211c997b44bc357e1972deab8ae3.json"), &cached);
    home.to_str().unwrap().to_owned()
});

/// What every endpoint answers, one call after the other.
#[derive(Clone, Debug)]
struct Answers(Arc<Mutex<VecDeque<String>>>);

impl Answers {
    fn next(&self) -> String {
        let mut left = self.0.lock().unwrap();
        let next = left.pop_front().unwrap_or_else(|| "-".to_owned());
        if left.is_empty() {
            left.push_back(next.clone());
        }
        next
    }
}

impl HttpClient for Answers {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Answers {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let answer = self.next();
        if answer.starts_with('~') {
            return HttpConnectorFuture::new(std::future::pending());
        }
        let (status, text) = answer.split_once(' ').unwrap_or((&answer, ""));
        let Some(status) = status.parse::<u16>().ok().and_then(|status| status.try_into().ok()) else {
            return HttpConnectorFuture::ready(Err(ConnectorError::io("connection refused".into())));
        };
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(text))))
    }
}

/// The answer with the word where a secret stands. Of a text that is none of JSON or XML it is the whole.
fn planted_answer(text: &str) -> String {
    let text = BEFORE.iter().fold(text.to_owned(), |all, before| {
        all.replace(&format!("{before}$"), &format!("{before}{CANARY}"))
    });
    text.strip_prefix("200 $").map(|rest| format!("200 {CANARY}{rest}")).unwrap_or(text)
}

/// Asks the source, as the first call of a run does.
fn ask(identity: Identity, answers: &Answers) {
    let http = SharedHttpClient::new(answers.clone());
    let sts = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .http_client(http.clone())
        .retry_config(RetryConfig::disabled())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(SharedTimeSource::new(SystemTimeSource::new()))
        .build();
    let means = Means {
        sts,
        direct: http.clone(),
        http,
        sso: None,
        retries: Default::default(),
        opened: Default::default(),
        printed: None,
    };
    // Time passes when all wait: silence takes none.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    match runtime.block_on(sources::provider_of(&Ok(identity), &means).provide_credentials()) {
        Ok(found) => {
            assert!(is_sendable(found.access_key_id()) && is_sendable(found.secret_access_key()));
            assert!(found.session_token().is_none_or(is_sendable));
        }
        Err(error) => {
            let mut current: Option<&dyn Error> = Some(&error);
            while let Some(error) = current {
                let words = error.to_string();
                assert!(!words.contains(CANARY), "a value is shown: {words}");
                assert!(!words.contains(char::is_control), "{words:?}");
                current = error.source();
            }
        }
    }
}

fuzz_target!(|input: &str| {
    let mut parts = input.split('\0');
    let mut part = || parts.next().unwrap_or_default();
    let variables = part().lines().filter_map(|line| line.split_once('=')).map(|(name, value)| {
        let value = if SECRET.contains(&name) { value.replace('$', CANARY) } else { value.to_owned() };
        // A newline can't stand in a line.
        (name.to_owned(), value.replace('\u{b6}', "\n").replace("{home}", &HOME))
    });
    let env: Env = variables.chain([("HOME".to_owned(), HOME.clone())]).collect();
    let (config, credentials, command) = (planted(part()), planted(part()), part());
    let config = config.replace("{home}", &HOME);
    let _ = shell::split(command);
    if let Err(refusal) = Proxies::of(&env) {
        check(&refusal);
    }
    let answers: VecDeque<String> = parts.map(planted_answer).collect();
    let profiles = match Profiles::parse(&config, &credentials) {
        Ok(profiles) => profiles,
        Err(refusal) => return check(&refusal),
    };
    for chosen in [Chosen::of(None, &env), Chosen::of(Some("p"), &env)] {
        if let Err(refusal) = Session::of(&chosen, &env, &profiles) {
            check(&refusal);
        }
        match find(&chosen, &env, &profiles) {
            Ok(identity) => {
                check_identity(&identity);
                if !answers.is_empty() {
                    ask(identity, &Answers(Arc::new(Mutex::new(answers.clone()))));
                }
            }
            Err(refusal) => check(&refusal),
        }
    }
});
