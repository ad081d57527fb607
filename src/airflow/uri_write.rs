//! A connection written as an Airflow URI in printable ASCII.
//!
//! Takes a connection, gives a URI that Airflow parses to the same connection, or nothing if no
//! URI does. Rules: the reverse of Airflow 2.8.1 `airflow/models/connection.py` `_parse_from_uri`.
//! `Connection.get_uri` is not the model: what it writes does not always parse to the same fields.

use std::fmt::Write as _;

use super::uri_secret as uri;
use crate::airflow::versions::AirflowTarget;
use crate::model::connection::{Connection, Extra, Scalar};
use crate::python::json as pyjson;
use crate::python::str::PyString;

/// A URI that [`super::secret::from_secret`] reads as `connection`, for every target.
///
/// A URI cannot tell a missing type, host or schema from an empty one. `None` when there is no
/// such URI: a password without a login, a port beyond 65535, a type that is no URI scheme, a lone
/// surrogate, a host or schema that is no text.
#[must_use]
pub fn to_uri(connection: &Connection) -> Option<String> {
    let mut out = String::new();
    let conn_type = optional_text(connection.conn_type.as_ref())?;
    if !conn_type.is_empty() {
        // Airflow turns `-` into `_`; a scheme cannot hold `_`.
        out.push_str(&conn_type.replace('_', "-"));
        out.push(':');
    }
    out.push_str("//");
    if let Some(login) = &connection.login {
        quote_into(login.as_str()?, &mut out);
        if let Some(password) = &connection.password {
            out.push(':');
            quote_into(password.as_str()?, &mut out);
        }
        out.push('@');
    } else if connection.password.is_some() {
        return None;
    }
    quote_host_into(scalar_text(connection.host.as_ref())?, &mut out);
    if let Some(port) = &connection.port {
        out.push(':');
        out.push_str(port);
    }
    let schema = scalar_text(connection.schema.as_ref())?;
    if !schema.is_empty() {
        out.push('/');
        quote_into(schema, &mut out);
    }
    if let Some(extra) = &connection.extra {
        out.push_str(if schema.is_empty() { "/?" } else { "?" });
        out.push_str(uri::EXTRA_KEY);
        out.push('=');
        quote_into(extra_text(extra).as_str()?, &mut out);
    }
    // The check that makes the rules above safe: what does not come back is not written.
    // Airflow 2 refuses some extras that 3 takes, and the reverse; what was taken from the secret is right for its target.
    let read = uri::parse(&out, AirflowTarget::V2).or_else(|_| uri::parse(&out, AirflowTarget::V3)).ok()?;
    same(connection, &read).then_some(out)
}

fn optional_text(text: Option<&PyString>) -> Option<&str> {
    text.map_or(Some(""), PyString::as_str)
}

fn scalar_text(value: Option<&Scalar>) -> Option<&str> {
    match value {
        None => Some(""),
        Some(Scalar::Text(text)) => text.as_str(),
        Some(Scalar::Falsy(_)) => None,
    }
}

/// The text of the extra as Airflow holds it.
fn extra_text(extra: &Extra) -> PyString {
    match extra {
        Extra::Text(text) => text.clone(),
        Extra::Json(value) => PyString::from(pyjson::dumps(value)),
    }
}

fn same(a: &Connection, b: &Connection) -> bool {
    optional_text(a.conn_type.as_ref()) == optional_text(b.conn_type.as_ref())
        && scalar_text(a.host.as_ref()) == scalar_text(b.host.as_ref())
        && a.login == b.login
        && a.password == b.password
        && scalar_text(a.schema.as_ref()) == scalar_text(b.schema.as_ref())
        && a.port == b.port
        && a.extra.as_ref().map(extra_text) == b.extra.as_ref().map(extra_text)
}

/// Percent-encodes all but letters, digits and `-._~`, as Python's `quote(text, safe="")`.
pub(crate) fn quote_into(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            escape_into(byte, out);
        }
    }
}

/// [`quote_into`] for a host: upper-case letters too, because Airflow lowers a host up to its
/// first `%`.
fn quote_host_into(host: &str, out: &mut String) {
    for part in host.split_inclusive(|c: char| c.is_ascii_uppercase()) {
        match part.as_bytes().split_last() {
            Some((&last, head)) if last.is_ascii_uppercase() => {
                quote_into(part.get(..head.len()).unwrap_or_default(), out);
                escape_into(last, out);
            }
            _ => quote_into(part, out),
        }
    }
}

fn escape_into(byte: u8, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(out, "%{byte:02X}");
}
