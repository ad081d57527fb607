//! One secret's text, through everything that is done with it: what is accepted must be written so that it is read back.

use std::path::Path;

use airflow_secrets_init::airflow::get_uri::get_uri;
use airflow_secrets_init::airflow::invalid::{InvalidPlace, Reason};
use airflow_secrets_init::airflow::secret::from_secret;
use airflow_secrets_init::airflow::uri_write::to_uri;
use airflow_secrets_init::airflow::versions::{AirflowTarget, Rules};
use airflow_secrets_init::config::settings::Format;
use airflow_secrets_init::model::connection::{Connection, Field, SecretForm};
use airflow_secrets_init::python::json::{Json, JsonErrorKind, MAX_DEPTH, Value, loads_within, raw_ascii};
use airflow_secrets_init::render::files::{Expected, Rendered};
use airflow_secrets_init::render::formats::{Formatted, connections};
use airflow_secrets_init::verify;

use crate::check_line;

/// Every kind of file that holds connections.
pub const FORMATS: [Format; 3] = [Format::Json, Format::Yaml, Format::Env];

/// The rules that the first byte of an input chooses: the target, and whether values are percent-encoded and fields have more
/// names.
#[must_use]
pub fn rules(byte: u8) -> Rules {
    let target = [AirflowTarget::V2, AirflowTarget::V3, AirflowTarget::V3QueryJson][usize::from(byte % 3)];
    let more = [(Field::Host, "endpoint"), (Field::Extra, "opts"), (Field::Login, "principal")];
    let extra_conn_words = if byte & 0x10 == 0 {
        Default::default()
    } else {
        more.into_iter().map(|(field, word)| (field, vec![word.to_owned()])).collect()
    };
    Rules { target, extra_conn_words, urlencoded: byte & 0x08 != 0 }
}

/// Reads a secret and checks what comes of it.
///
/// # Panics
/// When a property does not hold.
pub fn check(text: &str, rules: &Rules) -> Option<Connection> {
    let read = from_secret(text, rules);
    assert!(read == from_secret(text, rules), "the same secret is read in two ways");
    let connection = match read {
        Ok(connection) => connection,
        Err(invalid) => {
            check_line(&invalid.to_string());
            check_line(&format!("{invalid:?}"));
            if let InvalidPlace::Byte(at) = invalid.place {
                assert!(at <= text.len(), "the error's place is beyond the text");
            }
            return None;
        }
    };
    // The connection type is told apart from values, so that `Debug` may show its length alone.
    check_line(&format!("{connection:?}"));
    files(&connection, rules.target);
    uris(&connection, rules.target);
    as_json_secret(&connection, rules.target);
    Some(connection)
}

/// Whatever a format does not refuse is written so that the check of the whole takes it.
fn files(connection: &Connection, target: AirflowTarget) {
    for format in FORMATS {
        let Formatted { bytes, carried, .. } = connections([("c", connection)], format);
        assert!(format != Format::Json || carried.len() == 1, "JSON can't carry a connection");
        let file = Rendered { path: Path::new("f"), bytes, mode: 0, expected: Expected::Connections(format, carried) };
        if let Err(failure) = verify::check(&file, target) {
            panic!("{format:?}: {failure}");
        }
        assert!(verify::entries_of(&file.bytes, &file.expected).is_some(), "a comparison can't read what was written");
    }
}

/// `to_uri` is read as what it was written from, and then stays as it is. `get_uri` can be written of whatever is accepted.
fn uris(connection: &Connection, target: AirflowTarget) {
    if let Some(uri) = to_uri(connection) {
        assert!(uri.chars().all(|c| c.is_ascii_graphic()), "a URI holds a character that is not printable ASCII");
        let any = [target, AirflowTarget::V2, AirflowTarget::V3].map(|target| from_secret(&uri, &plain(target)));
        let Some(read) = any.into_iter().find_map(Result::ok) else { panic!("the URI of a connection is refused") };
        assert!(same(&read, connection), "the URI of a connection is another connection");
        assert!(to_uri(&read) == Some(uri), "the URI of a connection changes when it is read and written again");
    }
    drop(get_uri(connection, target));
}

/// The entry of the JSON file, read as a JSON secret, is the same connection.
fn as_json_secret(connection: &Connection, target: AirflowTarget) {
    let bytes = connections([("c", connection)], Format::Json).bytes;
    let text = String::from_utf8(bytes).unwrap_or_default();
    let Ok(Value::Object(file)) = loads_within(&text, MAX_DEPTH + 2) else { panic!("the file is no JSON") };
    let Some(entry) = file.values().next() else { panic!("the file is empty") };
    match from_secret(&raw_ascii(entry), &plain(target)) {
        Ok(read) => assert!(same(&read, connection), "an entry of the file is another connection"),
        // A value of a query is read by itself, and is one level deeper in the file.
        Err(invalid) => assert!(
            connection.form == SecretForm::Uri && matches!(invalid.reason, Reason::Json(JsonErrorKind::TooDeep)),
            "an entry of the file is refused: {invalid}"
        ),
    }
}

fn plain(target: AirflowTarget) -> Rules {
    Rules { target, extra_conn_words: Default::default(), urlencoded: false }
}

/// Whether two connections are the same, as far as JSON and a URI can both say: an empty type, host, schema or extra and none, a
/// port of 0 and none, an extra and its text.
#[must_use]
pub fn same(a: &Connection, b: &Connection) -> bool {
    let value = |connection: &Connection, field| match (field, connection.get(field)) {
        (Field::Port, Some(_)) => connection.port().filter(|port| *port != "0").map(Json::from),
        (Field::Extra, Some(extra)) => Some(Json::from(&*extra.to_text())).filter(Json::is_truthy),
        (Field::Login | Field::Password, value) => value.cloned(),
        (_, value) => value.filter(|value| value.is_truthy()).cloned(),
    };
    Field::ALL.into_iter().all(|field| value(a, field) == value(b, field))
}
