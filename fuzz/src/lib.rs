//! What the fuzz targets share: a word that stands for a secret, and the search for it in what is said.
//!
//! An input says with one character where the secret is, and [`planted`] puts it there. Then whatever an error or a `Debug` says
//! is searched for any stretch of it, however it is spelled.

pub mod secret;

use std::collections::{BTreeMap, HashSet};
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use airflow_secrets_init::config::kwargs::BackendKwargs;
use airflow_secrets_init::config::cli::RawSettings;
use airflow_secrets_init::config::env::Env;
use airflow_secrets_init::error::Failure;
use airflow_secrets_init::error::ConfigErrors;
use airflow_secrets_init::config::settings::Settings;
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

/// So many characters of a secret are a leak as they are, and so many in a disguise.
const PIECE: usize = 8;
const DISGUISED_PIECE: usize = 4;
/// No line of ours is as long as this, whatever is wrong.
const LONGEST_LINE: usize = 2000;

/// The text with the secret in the place of its marks.
#[must_use]
pub fn planted(text: &str) -> String {
    text.replace(MARK, CANARY).replace(NUMBER_MARK, NUMBER)
}

/// How a text may hide in another, and how long a piece of that is a leak. A shorter one would be more of the disguise than of the
/// text: `0058\u00` is one character of it.
fn disguises(text: &str) -> Vec<(String, usize)> {
    let each = |form: fn(u8) -> String| text.bytes().map(form).collect::<String>();
    let written = [
        each(|byte| format!("{byte:02x}")),
        each(|byte| format!("%{byte:02x}")),
        each(|byte| format!("\\x{byte:02x}")),
        each(|byte| format!("\\u{byte:04x}")),
        each(|byte| format!("\\u{{{byte:x}}}")),
    ];
    let mut all = vec![(text.to_owned(), PIECE)];
    for form in written {
        let piece = DISGUISED_PIECE * form.len() / text.len();
        all.push((form, piece));
    }
    // What base64 makes of it depends on where it begins; its ends depend on what stands beside it.
    for shift in 0..3 {
        let encoded = STANDARD.encode([&b"xx"[..shift], text.as_bytes()].concat());
        all.push((encoded[4..encoded.len() - 4].to_owned(), PIECE));
    }
    let reversed: Vec<_> = all.iter().map(|(text, piece)| (text.chars().rev().collect(), *piece)).collect();
    all.extend(reversed);
    all
}

/// Every stretch of a text that is so long, whatever the case of its letters, mixed: libFuzzer looks at what is compared, and would
/// put the secret into its inputs. From one to the next in one step.
fn pieces(text: &str, size: usize) -> impl Iterator<Item = u64> + '_ {
    const BASE: u64 = 0x0100_0000_01b3;
    let first_of_piece = (0..size).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let bytes = text.as_bytes();
    let mut sum = 0_u64;
    let sums = bytes.iter().enumerate().filter_map(move |(place, byte)| {
        sum = sum.wrapping_mul(BASE).wrapping_add(u64::from(byte.to_ascii_lowercase()));
        if let Some(gone) = place.checked_sub(size) {
            sum = sum.wrapping_sub(first_of_piece.wrapping_mul(u64::from(bytes[gone].to_ascii_lowercase())));
        }
        (place + 1 >= size).then_some(sum)
    });
    sums.map(|plain| {
        let mixed = (plain ^ plain >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 29
    })
}

/// Whether a text holds a piece of the canary or of the number, in any disguise.
#[must_use]
pub fn holds_a_piece(text: &str) -> bool {
    /// Pieces of the canary as it stands and in its disguises, by their length, all in small letters, hidden from libFuzzer.
    static PIECES: LazyLock<BTreeMap<usize, HashSet<u64>>> = LazyLock::new(|| {
        let mut all: BTreeMap<usize, HashSet<u64>> = BTreeMap::new();
        for (text, size) in disguises(CANARY).into_iter().chain(disguises(NUMBER)) {
            all.entry(size).or_default().extend(pieces(&text, size));
        }
        all
    });
    PIECES.iter().any(|(size, of_secrets)| pieces(text, *size).any(|piece| of_secrets.contains(&piece)))
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

/// What a parser that collects mistakes gave, if there is none.
///
/// # Panics
/// When there is nothing without a reason, or when a mistake says too much.
pub fn accepted<T>(parsed: Option<T>, mistakes: ConfigErrors) -> Option<T> {
    if mistakes.is_empty() {
        assert!(parsed.is_some(), "nothing came of the input, and nothing says why");
        return parsed;
    }
    check_failure(&mistakes.into_failure());
    None
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

/// Checks the check: a piece is found in every disguise, and what is mostly disguise is none.
///
/// # Panics
/// When it does not hold.
pub fn check_pieces() {
    for secret in [CANARY, NUMBER] {
        for (text, size) in disguises(secret) {
            for at in 0..=text.len() - size {
                let piece = &text[at..at + size];
                assert!(holds_a_piece(&format!("x{piece}")) && holds_a_piece(&piece.to_uppercase()), "{piece}");
            }
        }
        assert!(!holds_a_piece(&secret[..PIECE - 1]));
    }
    for text in ["", "0058\\u0003", "%58%", "\\x58\\x", "REDACTED", "58765139"] {
        assert!(!holds_a_piece(text), "{text}");
    }
}
