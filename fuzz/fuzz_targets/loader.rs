//! The check of a finished file: it takes what was rendered, and nothing that another reader would take for something else.
//!
//! The first byte chooses the rules and the second the format. If the third is even, the rest is what a file holds, of any kind. If
//! not, two bytes say where and one what, and the rest is the text of secrets, NUL between them: they are rendered, checked, and
//! checked once more with that one byte in that place. What must hold:
//!
//! - no bytes make the check panic, whatever the file should have held;
//! - what was rendered passes;
//! - a changed file that passes still says the same, read by code that is not ours: serde_json, serde_saphyr.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;

use airflow_secrets_init::airflow::secret::from_secret;
use airflow_secrets_init::airflow::versions::AirflowTarget;
use airflow_secrets_init::config::settings::{Dialect, Format};
use airflow_secrets_init::model::connection::Connection;
use airflow_secrets_init::python::json::Json;
use airflow_secrets_init::render::files::{Expected, Rendered};
use airflow_secrets_init::render::formats::{Formatted, connections};
use airflow_secrets_init::verify;
use airflow_secrets_init_fuzz::secret::{FORMATS, rules};
use airflow_secrets_init_fuzz::{check_failure, planted};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let [first, second, third, rest @ ..] = bytes else { return Corpus::Reject };
    let rules = rules(*first);
    let format = FORMATS[usize::from(*second) % FORMATS.len()];
    if third % 2 == 0 {
        any_bytes(rest, format, rules.target);
        return Corpus::Keep;
    }
    let [high, low, byte, rest @ ..] = rest else { return Corpus::Reject };
    let Ok(text) = std::str::from_utf8(rest) else { return Corpus::Reject };
    let text = planted(text);
    let read: Vec<(String, Connection)> = text
        .split('\0')
        .enumerate()
        .filter_map(|(place, secret)| Some((id(place, secret), from_secret(secret, &rules).ok()?)))
        .collect();
    let all: BTreeMap<&str, &Connection> = read.iter().map(|(id, connection)| (id.as_str(), connection)).collect();
    let Formatted { bytes, carried: set, .. } = connections(all, format);
    let expected = Expected::Connections(format, set.clone());
    let mut file = Rendered { path: Path::new("f"), bytes, mode: 0, expected };
    if let Err(failure) = verify::check(&file, rules.target) {
        panic!("what was rendered is refused: {failure}");
    }
    let at = (usize::from(*high) << 8 | usize::from(*low)) % file.bytes.len().max(1);
    let Some(place) = file.bytes.get_mut(at).filter(|old| *old != byte) else { return Corpus::Keep };
    *place = *byte;
    match verify::check(&file, rules.target) {
        Err(failure) => check_failure(&failure),
        Ok(()) => assert!(says(&file.bytes, format).is_none_or(|said| said == meant(&set)), "a changed file passes"),
    }
    Corpus::Keep
});

/// A conn_id that has something of the secret, so that ids are as odd as secrets.
fn id(place: usize, secret: &str) -> String {
    let odd: String = secret.chars().filter(|c| !c.is_alphanumeric()).take(3).collect();
    format!("{place}{odd}")
}

fn any_bytes(bytes: &[u8], format: Format, target: AirflowTarget) {
    let none = BTreeMap::new;
    for expected in [
        Expected::Connections(format, BTreeMap::new()),
        Expected::Texts(format, BTreeMap::new()),
        Expected::Lines(Dialect::Env, none()),
        Expected::Lines(Dialect::List, none()),
        Expected::Anything,
    ] {
        let file = Rendered { path: Path::new("f"), bytes: bytes.to_vec(), mode: 0, expected };
        drop(verify::entries_of(&file.bytes, &file.expected));
        match verify::check(&file, target) {
            Err(failure) => check_failure(&failure),
            Ok(()) => {
                let is_empty = matches!(file.expected, Expected::Anything)
                    || bytes.len() <= 3
                    || bytes.iter().all(u8::is_ascii_whitespace);
                let spaced = bytes.iter().filter(|byte| !byte.is_ascii_whitespace()).eq(b"{}");
                assert!(is_empty || spaced, "a file passes that holds something");
            }
        }
    }
}

/// The fields of each entry, as text or as a number's text.
type Said = BTreeMap<String, BTreeMap<String, String>>;

fn meant(set: &BTreeMap<&str, &Connection>) -> Said {
    let fields = |connection: &Connection| {
        connection.fields().map(|(field, value): (_, &Json)| (field.to_string(), value.to_text().into_owned())).collect()
    };
    set.iter().map(|(id, connection)| ((*id).to_owned(), fields(connection))).collect()
}

/// What a file says by other readers; `None` where they can't tell: a document that they refuse (NaN), a URI,
/// numbers and nested values, which they write in other ways.
fn says(bytes: &[u8], format: Format) -> Option<Said> {
    type Document = BTreeMap<String, BTreeMap<String, serde_json::Value>>;
    let text = str::from_utf8(bytes).ok()?;
    let document: Document = match format {
        Format::Json => serde_json::from_str(text).ok()?,
        Format::Yaml => serde_saphyr::from_str(text).ok()?,
        Format::Env => return None,
    };
    let entry = |(id, fields): (String, BTreeMap<String, serde_json::Value>)| {
        let text = |(name, value)| match value {
            serde_json::Value::String(text) => Some((name, text)),
            serde_json::Value::Number(number) if name == "port" => Some((name, number.to_string())),
            _ => None,
        };
        Some((id, fields.into_iter().map(text).collect::<Option<_>>()?))
    };
    document.into_iter().map(entry).collect()
}
