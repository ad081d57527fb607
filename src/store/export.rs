//! Connections as Airflow itself keeps them in a file: what `airflow connections export` writes, and what LocalFilesystemBackend reads.
//!
//! Sources: Airflow 2.8.1 and 3.3.2 `airflow/cli/commands/connection_command.py` `_format_connections`,
//! `airflow/secrets/local_filesystem.py` `_create_connection` and `_parse_env_file`.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The keys of a mapping with what stands under them, each once.
pub struct Pairs(pub Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let (mut pairs, mut seen) = (Vec::new(), BTreeSet::new());
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom("a key that stands twice"));
                    }
                    pairs.push((key, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

/// Keys of an exported connection that no secret has.
const OF_THE_METASTORE: [&str; 5] = ["conn_id", "description", "id", "is_encrypted", "is_extra_encrypted"];

/// The secret that says the same as an exported connection.
///
/// # Errors
/// When the object has both of two keys that mean the same.
pub fn secret_of(object: &str) -> Result<String, &'static str> {
    let Pairs(mut entries) =
        serde_json::from_str(object).map_err(|_| "must be text or an object that has each key once")?;
    entries.retain(|(key, _)| !OF_THE_METASTORE.contains(&key.as_str()));
    if let Some((_, uri)) = entries.iter().find(|(key, _)| key == "uri") {
        if entries.len() > 1 {
            return Err("has uri beside other keys: keep one of both");
        }
        return serde_json::from_str(uri.get()).map_err(|_| "has a uri that is no text");
    }
    let entries: Vec<(String, Box<RawValue>)> = entries
        .into_iter()
        .map(|(key, value)| (if key == "extra_dejson" { "extra".to_owned() } else { key }, value))
        .collect();
    if entries.iter().filter(|(key, _)| key == "extra").count() > 1 {
        return Err("has extra and extra_dejson: keep one of both");
    }
    let fields =
        entries.iter().map(|(key, value)| format!("{}: {}", serde_json::Value::from(key.as_str()), value.get()));
    Ok(format!("{{{}}}", fields.collect::<Vec<_>>().join(", ")))
}

/// The lines `conn_id=value` of a file of variables, in order.
///
/// # Errors
/// The number of each line that is none, and of each conn_id that stands twice.
pub fn lines(text: &str) -> Result<Vec<(String, String)>, Vec<String>> {
    let (mut all, mut errors) = (Vec::<(String, String)>::new(), Vec::new());
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once('=') {
            None => errors.push(format!("line {number}: not of the form CONN_ID=URI")),
            Some(("", _)) => errors.push(format!("line {number}: nothing before the =")),
            Some((id, _)) if all.iter().any(|(known, _)| known == id) => {
                errors.push(format!("line {number}: this conn_id stands before already: keep one"));
            }
            Some((id, value)) => all.push((id.to_owned(), value.to_owned())),
        }
    }
    if errors.is_empty() { Ok(all) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exported_connection_becomes_a_secret() {
        let exported = r#"{"conn_type": "mysql", "description": "d", "login": "u", "password": null, "host": "h", "port": 3306, "schema": "s", "extra": "{\"a\": 1}"}"#;
        let secret = r#"{"conn_type": "mysql", "login": "u", "password": null, "host": "h", "port": 3306, "schema": "s", "extra": "{\"a\": 1}"}"#;
        assert_eq!(secret_of(exported).as_deref(), Ok(secret));
        assert_eq!(secret_of(r#"{"conn_id": "x", "uri": "mysql://h"}"#).as_deref(), Ok("mysql://h"));
        assert_eq!(secret_of(r#"{"extra_dejson": {"a": 1}}"#).as_deref(), Ok(r#"{"extra": {"a": 1}}"#));
        for wrong in [
            r#"{"uri": "x://h", "host": "canary"}"#,
            r#"{"extra": "{}", "extra_dejson": {"a": "canary"}}"#,
            r#"{"uri": 1}"#,
        ] {
            assert!(secret_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lines_of_variables_are_ids_and_uris() {
        let text = "# exported\n\na=mysql://u:p=@h\n b = \n";
        assert_eq!(
            lines(text).unwrap(),
            [("a".to_owned(), "mysql://u:p=@h".to_owned()), ("b ".to_owned(), String::new())]
        );
        assert_eq!(lines("a=1\ncanary\na=2\n=3\n").unwrap_err().len(), 3);
    }
}
