//! The user's templates: whatever the text, it is parsed and rendered, or refused in words that hold nothing of a secret.
//!
//! Takes any bytes: the first says the extension of the target (`0` to `7` in the corpus, so that a person can read it), the
//! rest is the template. What must hold:
//!
//! - nothing panics, overflows the stack or, within libFuzzer's limits, takes more than 10 s or 1 GiB;
//! - what is rendered is not larger than the fuel of a render pays for;
//! - an error holds no piece of a value, however it is spelled;
//! - with placeholders in place of the values, there is no piece of a value in what is rendered either;
//! - the same again gives the same.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use airflow_secrets_init::airflow::secret::from_secret;
use airflow_secrets_init::airflow::versions::{AirflowTarget, Rules};
use airflow_secrets_init::convert::Entries;
use airflow_secrets_init::error::ConfigErrors;
use airflow_secrets_init::render::template::source::Template;
use airflow_secrets_init::render::user_templates;
use airflow_secrets_init_fuzz::{CANARY, NUMBER, accepted, check_failure, check_pieces, holds_a_piece};
use libfuzzer_sys::{Corpus, fuzz_target};
use secrecy::SecretString;

const EXTENSIONS: [&str; 8] = ["txt", "json", "yaml", "toml", "xml", "env", "sh", "properties"];

/// src/render/template/engine.rs, `FUEL` and `FUEL_OF_ENTRY`; minijinja takes one for each 64 bytes that are written.
const FUEL: usize = 2_000_000;
const FUEL_OF_ENTRY: usize = 3_000;
const BYTES_OF_FUEL: usize = 64;
/// What the last value that is written may take it beyond that: it is charged for when it is there.
const SLACK: usize = 1 << 20;

const TARGET: AirflowTarget = AirflowTarget::V3;

struct Fixed {
    entries: Entries,
    placeholders: Entries,
    largest: usize,
}

static FIXED: LazyLock<Fixed> = LazyLock::new(|| {
    check_pieces();
    let entries = entries();
    let placeholders = entries.with_placeholders();
    let count = entries.connections.len() + entries.variables.len() + entries.configs.len();
    let largest = (FUEL + FUEL_OF_ENTRY * count) * BYTES_OF_FUEL + SLACK;
    Fixed { entries, placeholders, largest }
});

/// The names are those of tests/templates/secrets.yaml, so that its templates render.
fn entries() -> Entries {
    let rules = Rules { target: TARGET, extra_conn_words: indexmap::IndexMap::new(), urlencoded: false };
    let secrets = [
        ("warehouse", "postgres://user-@:p%2Fq%40-@@host-@:#/db-@?sslmode=mode-@"),
        ("api-gateway", r#"{"conn_type": "http", "host": "https://@.example", "password": "token-@"}"#),
        (
            "lake",
            r#"{"conn_type": "snowflake", "host": "h-@", "schema": "s-@", "port": #, "login": "svc-@",
            "password": "@ \"quoted\" 'single' $HOME `tick` \\ back\nline two\té € @",
            "extra": {"account": "account-@", "warehouse": "wh-@", "retries": #, "wide": ###, "wider": ######,
            "minus": -#, "ratio": 0.#, "huge": #e300, "endless": Infinity, "insecure": false, "secure": true, "nothing": null,
            "empty": "", "none_of_it": [], "tags": ["a-@", "b-@", ["c-@", {"d": "@"}], #], "control": "\u0000\u001b\u2028\ufeff@",
            "nested": {"key": "nested-@", "deeper": {"still": {"more": ["@"]}}}}}"#,
        ),
        ("bare", "@"),
        ("upper", r#"{"conn_type": "type-@", "extra": "{\"text\": \"@\"}"}"#),
        ("a", r#"{"conn_type": "aws", "host": "", "schema": 0, "extra": {"a": {"a": {"a": "@"}}}}"#),
    ];
    let mut entries = Entries::default();
    let number = NUMBER;
    for (id, secret) in secrets {
        // A port of a URI is not longer.
        let secret = if id == "warehouse" { secret.replace('#', "54321") } else { secret.replace('#', number) };
        // Of `@-@@host` the last separates.
        let secret = match id {
            "warehouse" => secret.replace("-@", &format!("-{CANARY}")),
            _ => secret.replace('@', CANARY),
        };
        match from_secret(&secret, &rules) {
            Ok(connection) => drop(entries.connections.insert(id.to_owned(), connection)),
            Err(invalid) => panic!("{id}: {invalid}"),
        }
    }
    let texts = |all: &[(&str, String)]| -> BTreeMap<String, SecretString> {
        all.iter().map(|(id, text)| ((*id).to_owned(), SecretString::from(text.as_str()))).collect()
    };
    entries.variables = texts(&[
        ("region", format!("region-{CANARY}")),
        ("which", format!("which-{CANARY}")),
        ("numbers", format!("[1, 2, \"{CANARY}\", {NUMBER}]")),
        ("number", NUMBER.to_owned()),
        ("lines", format!("{CANARY}\n {CANARY}\r\n\t{CANARY} # {CANARY}: %s {{}} {{{{ {CANARY} }}}}")),
    ]);
    entries.configs = texts(&[("broker_url", format!("redis://:{CANARY}@redis/0"))]);
    entries.env = texts(&[("GREETING", format!("hello {CANARY}")), ("HOME", format!("/{CANARY}"))]);
    entries
}

// ---- the target --------------------------------------------------------------------------------------------------

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some((first, rest)) = bytes.split_first() else { return Corpus::Reject };
    let Ok(text) = std::str::from_utf8(rest) else { return Corpus::Reject };
    if holds_a_piece(text) {
        return Corpus::Reject;
    }
    let extension = EXTENSIONS[usize::from(*first) % EXTENSIONS.len()];
    let target = format!("target.{extension}");
    let mut mistakes = ConfigErrors::default();
    let parsed = Template::parse(Path::new("t.j2"), Path::new(&target), text.to_owned(), &mut mistakes);
    let Some(template) = accepted(parsed, mistakes) else { return Corpus::Keep };
    let render = |entries| user_templates::one(&template, TARGET, entries).inspect_err(check_failure);
    let rendered = render(&FIXED.entries);
    if let Ok(text) = &rendered {
        assert!(text.len() <= FIXED.largest, "{} bytes are rendered", text.len());
    }
    let again = render(&FIXED.entries);
    assert!(again == rendered, "the same template and entries render differently: {rendered:?} and {again:?}");
    drop(again);
    drop(rendered);
    if let Ok(text) = render(&FIXED.placeholders) {
        assert!(!holds_a_piece(&text), "a value stands among placeholders");
    }
    Corpus::Keep
});
