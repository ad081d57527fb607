//! A connection as the URI that Airflow itself writes: `Connection.get_uri()`.
//!
//! For templates and people. What it writes does not always parse to the same connection; [`super::uri_write`] writes
//! a URI that does. Rules: Airflow 2.8.1 and 3.3.2 `airflow/models/connection.py` `get_uri`; proved by
//! `tests/airflow/fuzz.py`.

use super::uri_secret as uri;
use super::uri_write::quote_into;
use crate::airflow::versions::AirflowTarget;
use crate::model::connection::{Connection, Extra, Scalar};
use crate::python::json::{Json, dumps, loads};
use crate::python::str::{PyString, py_lower};

/// The URI, or `None` where `get_uri()` raises (a lone surrogate in what it encodes).
#[must_use]
pub fn get_uri(connection: &Connection, target: AirflowTarget) -> Option<String> {
    let conn_type = connection.conn_type.as_ref().map_or(Some(""), PyString::as_str)?;
    let mut out = String::new();
    if !conn_type.is_empty() {
        out.push_str(&py_lower(conn_type).replace('_', "-"));
        out.push(':');
    }
    out.push_str("//");
    let (protocol, host) = match text_of(connection.host.as_ref())?.split_once("://") {
        // Airflow 3 leaves a protocol alone that the type says already; a type that is not there says none.
        Some((protocol, _))
            if target != AirflowTarget::V2 && connection.conn_type.as_ref().is_some_and(|t| t == protocol) =>
        {
            ("", text_of(connection.host.as_ref())?)
        }
        Some((protocol, host)) => (protocol, host),
        None => ("", text_of(connection.host.as_ref())?),
    };
    if !protocol.is_empty() {
        out.push_str(protocol);
        out.push_str("://");
    }
    let has_authority = connection.login.is_some() || connection.password.is_some();
    if let Some(login) = &connection.login {
        quote_into(login.as_str()?, &mut out);
    }
    if let Some(password) = &connection.password {
        out.push(':');
        quote_into(password.as_str()?, &mut out);
    }
    // An empty login alone writes nothing, so there is no `@` after it.
    let wrote_authority = has_authority
        && (connection.password.is_some() || connection.login.as_ref().is_some_and(|login| !login.is_empty()));
    if wrote_authority {
        out.push('@');
    }
    quote_into(host, &mut out);
    if let Some(port) = connection.port.as_deref().filter(|port| *port != "0") {
        if host.is_empty() && !wrote_authority {
            out.push('@');
        }
        out.push(':');
        out.push_str(port);
    }
    let schema = text_of(connection.schema.as_ref())?;
    if !schema.is_empty() {
        out.push('/');
        quote_into(schema, &mut out);
    }
    let extra = match &connection.extra {
        None => return Some(out),
        Some(Extra::Text(text)) if text.is_empty() => return Some(out),
        Some(Extra::Text(text)) => text.clone(),
        Some(Extra::Json(json)) => PyString::from(dumps(json).as_str()),
    };
    out.push_str(if schema.is_empty() { "/?" } else { "?" });
    match loads(extra.as_str()?) {
        Ok(Json::Object(entries)) if is_flat(&entries) => {
            for (position, (key, value)) in entries.iter().enumerate() {
                let Json::String(value) = value else { return None };
                if position > 0 {
                    out.push('&');
                }
                quote_plus_into(key.as_str()?, &mut out);
                out.push('=');
                quote_plus_into(value.as_str()?, &mut out);
            }
        }
        _ => {
            out.push_str(uri::EXTRA_KEY);
            out.push('=');
            quote_plus_into(extra.as_str()?, &mut out);
        }
    }
    Some(out)
}

/// Text that `get_uri` looks at: false values count as none.
fn text_of(value: Option<&Scalar>) -> Option<&str> {
    match value {
        None | Some(Scalar::Falsy(_)) => Some(""),
        Some(Scalar::Text(text)) => text.as_str(),
    }
}

/// Whether the extra becomes a query of its own: strings alone survive a round trip through one.
fn is_flat(entries: &indexmap::IndexMap<PyString, Json>) -> bool {
    !entries.is_empty() && entries.values().all(|value| matches!(value, Json::String(_)))
}

/// Python's `quote_plus`.
fn quote_plus_into(text: &str, out: &mut String) {
    for (position, part) in text.split(' ').enumerate() {
        if position > 0 {
            out.push('+');
        }
        quote_into(part, out);
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::airflow::secret::from_secret;
    use crate::airflow::versions::Rules;

    /// Expected values: what Airflow 2.8.1 and 3.3.2 print.
    #[test]
    fn it_writes_what_airflow_writes() {
        for (secret, target, expected) in [
            (
                "postgres://u:p%40@H:5432/db?sslmode=require",
                AirflowTarget::V3,
                "postgres://u:p%40@h:5432/db?sslmode=require",
            ),
            (
                r#"{"conn_type": "google_cloud_platform", "extra": {"a": "b c", "d": "&="}}"#,
                AirflowTarget::V3,
                "google-cloud-platform:///?a=b+c&d=%26%3D",
            ),
            (r#"{"conn_type": "aws", "extra": {"n": 1}}"#, AirflowTarget::V3, "aws:///?__extra__=%7B%22n%22%3A+1%7D"),
            (r#"{"conn_type": "http", "host": "http://h/p"}"#, AirflowTarget::V3, "http://http%3A%2F%2Fh%2Fp"),
            (r#"{"conn_type": "http", "host": "http://h/p"}"#, AirflowTarget::V2, "http://http://h%2Fp"),
            (r#"{"conn_type": "x", "password": "p", "schema": "s"}"#, AirflowTarget::V2, "x://:p@/s"),
            (r#"{"conn_type": "x", "login": "", "port": 1}"#, AirflowTarget::V2, "x://@:1"),
            (r#"{"conn_type": "x", "login": "", "host": "h"}"#, AirflowTarget::V2, "x://h"),
            (r#"{"conn_type": "x", "host": "h", "port": 1}"#, AirflowTarget::V2, "x://h:1"),
            (r#"{"conn_type": "x", "login": "u", "port": 1}"#, AirflowTarget::V2, "x://u@:1"),
            ("x://h?__extra__=", AirflowTarget::V2, "x://h"),
            (r#"{"port": "0", "host": 0}"#, AirflowTarget::V2, "//"),
            ("{}", AirflowTarget::V3, "//"),
            (r#"{"host": "://h"}"#, AirflowTarget::V3, "//h"),
        ] {
            let rules = Rules { target, extra_conn_words: IndexMap::new(), urlencoded: false };
            let connection = from_secret(secret, &rules).unwrap();
            assert_eq!(get_uri(&connection, target).as_deref(), Some(expected), "{secret}");
        }
    }
}
