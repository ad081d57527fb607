//! One secret's text, through everything that is done with it: what is accepted must be written so that it is read back.

use std::collections::BTreeMap;
use std::path::Path;

use airflow_secrets_init::airflow::get_uri::get_uri;
use airflow_secrets_init::python::json::{self, Json, MAX_DEPTH};
use airflow_secrets_init::python::str::PyString;
use airflow_secrets_init::airflow::uri_write::to_uri;
use airflow_secrets_init::airflow::secret::{from_secret};
use airflow_secrets_init::airflow::versions::{AirflowTarget, Rules};
use airflow_secrets_init::model::connection::{Connection, Extra, Field, Form, Scalar};
use airflow_secrets_init::airflow::invalid::{Place, Reason};
use airflow_secrets_init::render::{Meant, Rendered, cannot_carry, connections};
use airflow_secrets_init::config::settings::Format;
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
            if let Place::Byte(at) = invalid.place {
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
    assert!(cannot_carry(Format::Json, "c", connection).is_none(), "JSON can't carry a connection");
    for format in FORMATS {
        if cannot_carry(format, "c", connection).is_some() {
            continue;
        }
        let set = BTreeMap::from([("c", connection)]);
        let bytes = connections(&set, format).unwrap_or_else(|failure| panic!("{failure}"));
        let file = Rendered { path: Path::new("f"), bytes, mode: 0, meant: Meant::Connections(format, set) };
        if let Err(failure) = validate::check(&file, target) {
            panic!("{format:?}: {failure}");
        }
        assert!(validate::entries_of(&file.bytes, &file.meant).is_some(), "a comparison can't read what was written");
    }
}

/// `to_uri` is read as what it was written from, and then stays as it is. `get_uri` can be written of whatever is accepted: where
/// Airflow's own raises, a lookup finds nothing.
fn uris(connection: &Connection, target: AirflowTarget) {
    if let Some(uri) = to_uri(connection) {
        assert!(uri.chars().all(|c| c.is_ascii_graphic()), "a URI holds a character that is not printable ASCII");
        let any = [target, AirflowTarget::V2, AirflowTarget::V3].map(|target| from_secret(&uri, &plain(target)));
        let Some(read) = any.into_iter().find_map(Result::ok) else { panic!("the URI of a connection is refused") };
        assert!(same(&read, connection), "the URI of a connection is another connection");
        assert!(to_uri(&read) == Some(uri), "the URI of a connection changes when it is read and written again");
    }
    let lone = |text: Option<&PyString>| text.is_some_and(PyString::has_lone_surrogate);
    let host = match &connection.host {
        Some(Scalar::Text(text)) => Some(text),
        _ => None,
    };
    let uri = get_uri(connection, target);
    // Airflow encodes neither, so it finds such a connection; a Rust string can't hold what it would write.
    assert!(
        uri.is_some() || lone(connection.conn_type.as_ref()) || lone(host),
        "an accepted connection has no get_uri()"
    );
}

/// The entry of the JSON file, read as a JSON secret, is the same connection.
fn as_json_secret(connection: &Connection, target: AirflowTarget) {
    let bytes = connections(&BTreeMap::from([("c", connection)]), Format::Json).unwrap_or_default();
    let text = String::from_utf8(bytes).unwrap_or_default();
    let Ok(Json::Object(file)) = pyjson::loads_within(&text, MAX_DEPTH + 2) else { panic!("the file is no JSON") };
    let Some(entry) = file.values().next() else { panic!("the file is empty") };
    match from_secret(&pyjson::raw_ascii(entry), &plain(target)) {
        Ok(read) => assert!(same(&read, connection), "an entry of the file is another connection"),
        // A value of a query is read by itself, and is one level deeper in the file.
        Err(invalid) => assert!(
            connection.form == Form::Uri && matches!(invalid.reason, Reason::Json(pyjson::JsonErrorKind::TooDeep)),
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
    let text = |text: &Option<PyString>| text.clone().filter(|text| !text.is_empty());
    let scalar = |scalar: &Option<Scalar>| match scalar {
        Some(Scalar::Text(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
        Some(Scalar::Falsy(_)) | None => None,
    };
    let extra = |extra: &Option<Extra>| match extra {
        None => String::new(),
        Some(Extra::Text(text)) if text.is_empty() => String::new(),
        Some(Extra::Text(text)) => text.json_quote(),
        Some(Extra::Json(json)) => PyString::from(pyjson::dumps(json)).json_quote(),
    };
    let port = |port: &Option<String>| port.clone().filter(|port| port != "0");
    text(&a.conn_type) == text(&b.conn_type)
        && scalar(&a.host) == scalar(&b.host)
        && (&a.login, &a.password) == (&b.login, &b.password)
        && scalar(&a.schema) == scalar(&b.schema)
        && port(&a.port) == port(&b.port)
        && extra(&a.extra) == extra(&b.extra)
}
