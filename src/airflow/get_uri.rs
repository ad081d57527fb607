//! A connection as the URI that Airflow itself writes: `Connection.get_uri()`.
//!
//! For templates and people. What it writes does not always parse to the same connection; [`super::uri_write`] writes
//! a URI that does. Rules: Airflow 2.8.1 and 3.3.2 `airflow/models/connection.py` `get_uri`; proved by
//! `tests/airflow/fuzz.py`.

use super::uri_secret as uri;
use crate::airflow::versions::AirflowTarget;
use crate::model::connection::{Connection, Field};
use crate::python::json::{Value, loads};
use crate::python::str::{quote, quote_plus};

pub fn get_uri(connection: &Connection, target: AirflowTarget) -> String {
    // False values count as none.
    let text = |field| connection.text(field).unwrap_or_default();
    let mut out = String::new();
    let conn_type = text(Field::ConnType);
    if !conn_type.is_empty() {
        out.push_str(&conn_type.to_lowercase().replace('_', "-"));
        out.push(':');
    }
    out.push_str("//");
    let whole = text(Field::Host);
    let (protocol, host) = match whole.split_once("://") {
        // Airflow 3 leaves a protocol alone that the type says already; a type that is not there says none.
        Some((protocol, _)) if target != AirflowTarget::V2 && connection.text(Field::ConnType) == Some(protocol) => {
            ("", whole)
        }
        Some(halves) => halves,
        None => ("", whole),
    };
    if !protocol.is_empty() {
        out.push_str(protocol);
        out.push_str("://");
    }
    let (login, password) = (text(Field::Login), connection.text(Field::Password));
    out.push_str(&quote(login));
    if let Some(password) = password {
        out.push(':');
        out.push_str(&quote(password));
    }
    // An empty login alone writes nothing, so there is no `@` after it.
    let wrote_authority = password.is_some() || !login.is_empty();
    if wrote_authority {
        out.push('@');
    }
    out.push_str(&quote(host));
    if let Some(port) = connection.port().filter(|port| *port != "0") {
        if host.is_empty() && !wrote_authority {
            out.push('@');
        }
        out.push(':');
        out.push_str(port);
    }
    let schema = text(Field::Schema);
    if !schema.is_empty() {
        out.push('/');
        out.push_str(&quote(schema));
    }
    let Some(extra) = connection.get(Field::Extra).filter(|extra| extra.is_truthy()) else { return out };
    out.push_str(if schema.is_empty() { "/?" } else { "?" });
    let extra = extra.to_text();
    out.push_str(&flat_query(&extra).unwrap_or_else(|| format!("{}={}", uri::EXTRA_KEY, quote_plus(&extra))));
    out
}

/// The extra as a query of its own: strings alone survive a round trip through one.
fn flat_query(extra: &str) -> Option<String> {
    let Ok(Value::Object(entries)) = loads(extra) else { return None };
    let pairs: Option<Vec<String>> = entries
        .iter()
        .map(|(key, value)| Some(format!("{}={}", quote_plus(key), quote_plus(value.as_str()?))))
        .collect();
    pairs.filter(|pairs| !pairs.is_empty()).map(|pairs| pairs.join("&"))
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
            assert_eq!(get_uri(&connection, target), expected, "{secret}");
        }
    }
}
