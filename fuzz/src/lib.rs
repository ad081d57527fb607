//! What the fuzz targets share: a word that stands for a secret, and the search for it in what is said.
//!
//! An input says with one character where the secret is, and [`planted`] puts it there. Then whatever an error or a `Debug` says
//! is searched for any stretch of it, however it is spelled.

pub mod secret;

use std::collections::HashSet;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use airflow_secrets_init::backend_kwargs::BackendKwargs;
use airflow_secrets_init::cli::RawSettings;
use airflow_secrets_init::env::Env;
use airflow_secrets_init::exit::Failure;
use airflow_secrets_init::mistakes::Mistakes;
use airflow_secrets_init::settings::Settings;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Stands in every text. No part of it is a part of any word.
pub const CANARY: &str = "Zq7vXkW9jQfZ4xKwVq";
/// Stands for every number.
pub const NUMBER: &str = "8306179425";

/// Where the canary goes in an input: a character that means nothing to JSON, to a URI, to YAML in quotes, to a pattern.
pub const MARK: char = '`';
/// Where the number goes.
pub const NUMBER_MARK: char = '^';

/// A piece of a secret that is as long as this is a leak.
const PIECE: usize = 8;
/// No line of ours is as long as this, whatever is wrong.
const LONGEST_LINE: usize = 2000;

/// The text with the secret in the place of its marks.
#[must_use]
pub fn planted(text: &str) -> String {
    text.replace(MARK, CANARY).replace(NUMBER_MARK, NUMBER)
}

/// How a text may hide in another.
fn disguises(text: &str) -> Vec<String> {
    let each = |form: fn(u8) -> String| text.bytes().map(form).collect::<String>();
    let mut all = vec![
        text.to_owned(),
        each(|byte| format!("{byte:02x}")),
        each(|byte| format!("%{byte:02x}")),
        each(|byte| format!("\\x{byte:02x}")),
        each(|byte| format!("\\u{byte:04x}")),
        each(|byte| format!("\\u{{{byte:x}}}")),
    ];
    // What base64 makes of it depends on where it begins; its ends depend on what stands beside it.
    for shift in 0..3 {
        let encoded = STANDARD.encode([&b"xx"[..shift], text.as_bytes()].concat());
        all.push(encoded[4..encoded.len() - 4].to_owned());
    }
    let reversed: Vec<String> = all.iter().map(|text| text.chars().rev().collect()).collect();
    all.extend(reversed);
    all
}

/// Every stretch of a text, whatever the case of its letters, mixed: libFuzzer looks at what is compared, and would put the
/// secret into its inputs.
fn pieces(text: &str) -> impl Iterator<Item = u64> + '_ {
    text.as_bytes().windows(PIECE).map(|window| {
        let plain = window.iter().fold(0_u64, |all, byte| all << 8 | u64::from(byte.to_ascii_lowercase()));
        let mixed = (plain ^ plain >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 29
    })
}

/// Whether a text holds a piece of the canary or of the number, in any disguise.
#[must_use]
pub fn holds_a_piece(text: &str) -> bool {
    /// Pieces of the canary as it stands and in its disguises, all in small letters, hidden from libFuzzer.
    static PIECES: LazyLock<HashSet<u64>> = LazyLock::new(|| {
        disguises(CANARY).iter().chain(&disguises(NUMBER)).flat_map(|text| pieces(text).collect::<Vec<_>>()).collect()
    });
    pieces(text).any(|piece| PIECES.contains(&piece))
}

/// What must hold of every line that is said of a hostile input.
///
/// # Panics
/// When it does not.
pub fn check_line(line: &str) {
    assert!(!holds_a_piece(line), "a line holds a piece of a value: {line}");
    check_form(line);
}

/// As [`check_line`], of a line that names what is no secret: a conn_id, a key, a secret's name.
///
/// # Panics
/// When it does not hold.
pub fn check_form(line: &str) {
    assert!(line.chars().all(|c| matches!(c, ' '..='~')), "a line could forge another: {line:?}");
    assert!(line.len() < LONGEST_LINE, "a line without end: {line}");
    assert!(!line.is_empty(), "an error without a word");
}

/// [`check_line`] for each line of a failure.
///
/// # Panics
/// When it does not hold.
pub fn check_failure(failure: &Failure) {
    assert!(!failure.lines().is_empty(), "a failure without a line");
    failure.lines().iter().for_each(|line| check_line(line));
}

/// What a parser that collects mistakes gave: something and no mistake, or nothing and a reason, and then `None`.
///
/// # Panics
/// When it is neither, or when a mistake says too much.
pub fn accepted<T>(parsed: Option<T>, mistakes: Mistakes) -> Option<T> {
    assert!(parsed.is_some() == mistakes.is_empty(), "mistakes and what came of the input do not agree");
    if !mistakes.is_empty() {
        check_failure(&mistakes.into_failure());
    }
    parsed
}

/// What a future gives that waits for nobody.
///
/// # Panics
/// When it waits.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("a store in memory waits"),
    }
}

/// Settings that write a file of every kind, with these kwargs.
///
/// # Panics
/// When the settings beside the kwargs are wrong.
#[must_use]
pub fn settings(kwargs: BackendKwargs) -> Settings {
    let env: Env = [
        ("SECRETS_INIT_BACKEND_KWARGS", "{}"),
        ("SECRETS_INIT_CONNECTIONS_FILE", "/f/connections.json"),
        ("SECRETS_INIT_VARIABLES_FILE", "/f/variables.json"),
        ("SECRETS_INIT_CONFIGS_FILE", "/f/configs.json"),
        ("AWS_REGION", "eu-central-1"),
    ]
    .into_iter()
    .collect();
    let mut settings = Settings::load(&env, RawSettings::default()).unwrap_or_else(|failure| panic!("{failure}"));
    settings.regions.shared = kwargs.aws_region.clone().unwrap_or(settings.regions.shared);
    settings.kwargs = kwargs;
    settings
}
