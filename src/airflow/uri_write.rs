//! A connection written as an Airflow URI in printable ASCII.
//!
//! Takes a connection, gives a URI that Airflow parses to the same connection, or nothing if no
//! URI does. Rules: the reverse of Airflow 2.8.1 `airflow/models/connection.py` `_parse_from_uri`.
//! `Connection.get_uri` is not the model: what it writes does not always parse to the same fields.

use percent_encoding::{AsciiSet, utf8_percent_encode};

use super::uri_secret as uri;
use crate::airflow::versions::AirflowTarget;
use crate::model::connection::{Connection, Field};
use crate::python::json::Json;
use crate::python::str::{QUOTED, quote};

/// What is escaped in a host: upper-case letters too, because Airflow lowers a host up to its first `%`.
const HOST: AsciiSet = {
    let mut set = QUOTED;
    let mut letter = b'A';
    while letter <= b'Z' {
        set = set.add(letter);
        letter += 1;
    }
    set
};

/// A URI that [`super::secret::from_secret`] reads as `connection`, for every target.
///
/// A URI cannot tell a missing type, host or schema from an empty one. `None` when there is no
/// such URI: a password without a login, a port beyond 65535, a type that is no URI scheme, a host
/// or schema that is no text.
pub fn to_uri(connection: &Connection) -> Option<String> {
    let text = |field| connection.text(field).unwrap_or_default();
    let mut out = String::new();
    let conn_type = text(Field::ConnType);
    if !conn_type.is_empty() {
        // Airflow turns `-` into `_`; a scheme cannot hold `_`.
        out.push_str(&conn_type.replace('_', "-"));
        out.push(':');
    }
    out.push_str("//");
    if let Some(login) = connection.text(Field::Login) {
        out.push_str(&quote(login));
        if let Some(password) = connection.text(Field::Password) {
            out.push(':');
            out.push_str(&quote(password));
        }
        out.push('@');
    }
    out.extend(utf8_percent_encode(text(Field::Host), &HOST));
    if let Some(port) = connection.port() {
        out.push(':');
        out.push_str(port);
    }
    let schema = text(Field::Schema);
    if !schema.is_empty() {
        out.push('/');
        out.push_str(&quote(schema));
    }
    if let Some(extra) = connection.get(Field::Extra) {
        out.push_str(if schema.is_empty() { "/?" } else { "?" });
        out.push_str(uri::EXTRA_KEY);
        out.push('=');
        out.push_str(&quote(&extra.to_text()));
    }
    // The check that makes the rules above safe: what does not come back is not written.
    // Airflow 2 refuses some extras that 3 takes, and the reverse; what was taken from the secret is right for its target.
    let read = uri::parse(&out, AirflowTarget::V2).or_else(|_| uri::parse(&out, AirflowTarget::V3)).ok()?;
    is_same_in_a_uri(connection, &read.connection).then_some(out)
}

/// Whether two connections are the same, as far as a URI can say: it can't tell a missing type, host or schema from an empty
/// one, nor an extra from its text.
pub fn is_same_in_a_uri(a: &Connection, b: &Connection) -> bool {
    let value = |connection: &Connection, field| match (field, connection.get(field)) {
        (Field::ConnType | Field::Host | Field::Schema, None) => Some(Json::from("")),
        (Field::Extra, Some(extra)) => Some(Json::from(&*extra.to_text())),
        (_, value) => value.cloned(),
    };
    Field::ALL.into_iter().all(|field| value(a, field) == value(b, field))
}
