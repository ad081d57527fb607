//! What is odd about a secret that Airflow reads all the same: a connection that says nothing, or less than its secret.

use std::fmt;

use crate::model::connection::Connection;
use crate::python::json::Json;

/// A connection, and what is odd about the secret that it was read from.
#[derive(Debug)]
pub struct Reading {
    pub connection: Connection,
    /// A password that is there and false in Python, such as an empty one. Airflow's own class reads it as none, the class of
    /// Airflow 3 that tasks get keeps it: only an environment variable holds it for both.
    pub false_password: Option<Json>,
    /// `None` where nothing is odd.
    pub note: Option<Note>,
}

/// What is odd about a secret. No values, and no key that could be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A JSON object without any key that stands for a field.
    NoKnownKey,
    /// A JSON object whose known keys are all empty, zero, false or null.
    NoValue,
    /// Some keys of a JSON object give nothing: no field has them, or another key before them has the field.
    UnusedKeys {
        /// How many keys give nothing.
        unused: usize,
        /// How many keys there are.
        all: usize,
        /// Those of the unused ones that can be shown.
        shown: Vec<String>,
    },
    /// An extra that is no JSON, for Airflow 2.
    ExtraNotJson,
    /// An extra that is JSON and no object, for Airflow 2.
    ExtraNotAnObject,
    /// A text without a scheme, so without a connection type.
    NoScheme,
    /// A text with a scheme, but without `//` after it: what follows is no host.
    NoAuthority,
}

/// The most keys that a note names.
const MOST_KEYS: usize = 8;

impl Note {
    /// About keys that give nothing, of so many.
    pub(super) fn of_unused<'a>(unused: impl IntoIterator<Item = &'a str>, all: usize) -> Option<Self> {
        let unused: Vec<&str> = unused.into_iter().collect();
        let shown =
            unused.iter().filter(|key| can_be_shown(key)).take(MOST_KEYS).map(|key| (*key).to_owned()).collect();
        (!unused.is_empty()).then_some(Self::UnusedKeys { unused: unused.len(), all, shown })
    }
}

/// Whether a key is surely a name: a key may be a URL with its password, or a token.
fn can_be_shown(key: &str) -> bool {
    key.len() <= 32
        && key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKnownKey => f.write_str("no key that Airflow knows"),
            Self::NoValue => f.write_str("no key has a value"),
            Self::ExtraNotJson => f.write_str("the extra is not JSON: Airflow 2 reads no extras from it"),
            Self::ExtraNotAnObject => f.write_str("the extra is no JSON object: Airflow 2 reads no extras from it"),
            Self::NoScheme => f.write_str("not a URI: no scheme"),
            Self::NoAuthority => f.write_str("not a URI: no // after the scheme"),
            Self::UnusedKeys { unused, all, shown } => {
                write!(f, "{unused} of {} unused", crate::text::count(*all, "key"))?;
                if !shown.is_empty() {
                    write!(f, ": {}", shown.join(", "))?;
                    if *unused > shown.len() {
                        write!(f, " and {} more", unused - shown.len())?;
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::airflow::secret::read_secret;
    use crate::airflow::versions::{AirflowTarget, Rules};
    use crate::model::connection::Field;

    fn note_of(text: &str) -> Option<String> {
        let extra_conn_words = [(Field::Login, vec!["benutzer".to_owned()])].into_iter().collect();
        let rules = Rules { target: AirflowTarget::V3, extra_conn_words, urlencoded: false };
        read_secret(text, &rules).unwrap().note.map(|note| note.to_string())
    }

    #[test]
    fn a_connection_that_says_nothing_or_less_than_its_secret_has_a_note() {
        let rows: &[(&str, Option<&str>)] = &[
            // Nothing that Airflow knows.
            (r#"{"my_db": "mysql://u:canary@h/db"}"#, Some("no key that Airflow knows")),
            (r#"{"conn_uri": "mysql://u:canary@h/db"}"#, Some("no key that Airflow knows")),
            (r#"{"type": "service_account", "private_key": "canary"}"#, Some("no key that Airflow knows")),
            (r#"{"Username": "u", "Password": "canary"}"#, Some("no key that Airflow knows")),
            ("{}", Some("no key that Airflow knows")),
            (r#"{"login": null, "password": "", "host": "", "port": 0}"#, Some("no key has a value")),
            // Keys that give nothing.
            (
                r#"{"engine": "mysql", "host": "h", "username": "u", "pasword": "canary", "port": 1, "dbname": "d"}"#,
                Some("2 of 6 keys unused: pasword, dbname"),
            ),
            (r#"{"conn_id": "a", "conn_type": "mysql"}"#, Some("1 of 2 keys unused: conn_type")),
            (r#"{"host": "h", "mysql://u:canary@h": ""}"#, Some("1 of 2 keys unused")),
            (
                r#"{"host": "h", "dbname": "d", "ca nary": "", "1canary": ""}"#,
                Some("3 of 4 keys unused: dbname and 2 more"),
            ),
            (r#"{"host": "h", "canary_canary_canary_canary_canar": 1}"#, Some("1 of 2 keys unused")),
            (
                r#"{"host": "h", "a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1, "g": 1, "h": 1, "i": 1}"#,
                Some("9 of 10 keys unused: a, b, c, d, e, f, g, h and 1 more"),
            ),
            // Text that is no URI.
            ("CHANGEME", Some("not a URI: no scheme")),
            ("Y2FuYXJ5Y2FuYXJ5Cg==", Some("not a URI: no scheme")),
            ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\ncanary\n", Some("not a URI: no scheme")),
            ("//u:canary@h/db", Some("not a URI: no scheme")),
            ("3com://h/db", Some("not a URI: no scheme")),
            ("user:canary@h", Some("not a URI: no // after the scheme")),
            ("jdbc:postgresql://h/db", Some("not a URI: no // after the scheme")),
            ("arn:aws:secretsmanager:eu-central-1:1:secret:canary", Some("not a URI: no // after the scheme")),
            // What is as it should be.
            (r#"{"conn_type": "mysql", "benutzer": "u", "extra": {"dbname": "d"}}"#, None),
            (r#"{"host": "h", "schema": ""}"#, None),
            ("mysql://u:p@h/db?x=y", None),
            ("Mysql://h", None),
            ("aws://", None),
            (" mys\tql://h ", None),
            ("http://https://h", None),
        ];
        for (text, expected) in rows {
            assert_eq!(note_of(text).as_deref(), *expected, "{text}");
        }
    }
}
