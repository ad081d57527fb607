//! What the passwords of a file cost Airflow's log masker at the first lookup of each process.
//!
//! `LocalFilesystemBackend` builds every connection of the file. Each gives its password to the masker, and once more as
//! `urllib.parse.quote` writes it; an extra waits until somebody reads it. At each text that is new to the masker it joins all that it
//! knows into one regular expression and compiles that, so P patterns with C characters in all make it compile about P * C / 2.
//! Sources: Airflow 2.8.1, 2.11.2, 3.3.2 and 3.4.0b2 `airflow/models/connection.py` `__init__`; 2.x `airflow/utils/log/secrets_masker.py`,
//! 3.x `airflow/_shared/secrets_masker/secrets_masker.py` `add_mask`. tests/airflow/masker.py counts in real Airflow.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::airflow::versions::AirflowTarget;
use crate::model::connection::{Connection, Field};
use crate::python::str::quote_path;

/// What the first lookup of a process makes the masker learn, and how long that takes.
#[derive(Debug, PartialEq, Eq)]
pub struct FirstLookup {
    pub connections: usize,
    /// What the masker registers.
    pub patterns: usize,
    /// The characters of all patterns, not escaped.
    pub characters: usize,
    /// The conn_ids whose password is registered a second time, as a URL has it.
    pub twice: Vec<String>,
    target: AirflowTarget,
}

impl FirstLookup {
    /// For a file with these connections, by conn_id.
    pub fn of<'a>(connections: impl IntoIterator<Item = (&'a String, &'a Connection)>, target: AirflowTarget) -> Self {
        let (mut patterns, mut twice, mut count) = (BTreeSet::new(), Vec::new(), 0);
        for (conn_id, connection) in connections {
            count += 1;
            let password = connection.text(Field::Password).unwrap_or_default();
            let quoted = quote_path(password);
            if quoted != password && is_masked(&quoted, target) {
                twice.push(conn_id.clone());
            }
            patterns.extend([Cow::Borrowed(password), quoted].into_iter().filter(|text| is_masked(text, target)));
        }
        let characters = patterns.iter().map(|pattern| pattern.chars().count()).sum();
        Self { connections: count, patterns: patterns.len(), characters, twice, target }
    }

    /// CPU time of the lookup on a quiet machine: a lower bound, since the cost of a character grows with the patterns.
    /// docs/LARGE-SETS.md has the measurements that the factors come from.
    pub fn cpu_time(&self) -> Duration {
        // Microseconds for each connection, which is built twice, and nanoseconds for each character in each pattern.
        let (connection, character) = match self.target {
            AirflowTarget::V2 => (400, 75),
            AirflowTarget::V3 | AirflowTarget::V3QueryJson => (300, 600),
        };
        let compiled = self.patterns as u64 * self.characters as u64;
        Duration::from_micros(self.connections as u64 * connection) + Duration::from_nanos(compiled * character)
    }
}

/// Whether the masker registers this text: 3.x leaves out what has fewer than 5 characters, and one word.
fn is_masked(text: &str, target: AirflowTarget) -> bool {
    match target {
        AirflowTarget::V2 => !text.is_empty(),
        AirflowTarget::V3 | AirflowTarget::V3QueryJson => {
            text.chars().count() >= 5 && !text.eq_ignore_ascii_case("airflow")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::connection::SecretForm;
    use crate::python::json::Json;

    fn first_lookup(passwords: &[Option<&str>], target: AirflowTarget) -> FirstLookup {
        let with = |password: Option<&str>| {
            let password = password.map(Json::from);
            Connection::new(SecretForm::Json, [(Field::Password, password)])
        };
        let connections: Vec<(String, Connection)> =
            passwords.iter().enumerate().map(|(number, password)| (format!("c{number}"), with(*password))).collect();
        FirstLookup::of(connections.iter().map(|(conn_id, connection)| (conn_id, connection)), target)
    }

    #[test]
    fn each_password_is_a_pattern_and_a_second_one_where_a_url_writes_it_otherwise() {
        for (passwords, patterns, characters, twice) in [
            (&[][..], 0, 0, &[][..]),
            (&[None], 0, 0, &[]),
            (&[Some("")], 0, 0, &[]),
            (&[Some("plain-pass"), Some("a/b.c_d~e")], 2, 19, &[]),
            (&[Some("plus+plus")], 2, 9 + 11, &["c0"]),
            (&[Some("same+same"), Some("same+same")], 2, 9 + 11, &["c0", "c1"]),
            // The second form of one is the password of the other.
            (&[Some("p+plus"), Some("p%2Bplus")], 3, 6 + 8 + 10, &["c0", "c1"]),
            (&[Some("p\u{e4}ssword")], 2, 8 + 13, &["c0"]),
        ] {
            for target in [AirflowTarget::V2, AirflowTarget::V3, AirflowTarget::V3QueryJson] {
                let found = first_lookup(passwords, target);
                assert_eq!((found.patterns, found.characters), (patterns, characters), "{passwords:?} {target:?}");
                assert_eq!(
                    (found.connections, found.twice.as_slice()),
                    (passwords.len(), &twice.iter().map(ToString::to_string).collect::<Vec<_>>()[..])
                );
            }
        }
    }

    #[test]
    fn airflow_3_leaves_short_texts_and_its_own_name_out() {
        for (password, in_2, in_3) in
            [("four", 1, 0), ("fives", 1, 1), ("a+b", 2, 1), ("Airflow", 1, 0), ("\u{e4}\u{e4}\u{e4}\u{e4}", 2, 1)]
        {
            assert_eq!(first_lookup(&[Some(password)], AirflowTarget::V2).patterns, in_2, "{password}");
            assert_eq!(first_lookup(&[Some(password)], AirflowTarget::V3).patterns, in_3, "{password}");
        }
    }

    #[test]
    fn the_time_grows_with_patterns_times_characters() {
        let of = |connections, patterns, characters, target| {
            FirstLookup { connections, patterns, characters, twice: Vec::new(), target }.cpu_time()
        };
        assert_eq!(of(0, 0, 0, AirflowTarget::V3), Duration::ZERO);
        assert_eq!(of(10, 0, 0, AirflowTarget::V3), Duration::from_millis(3));
        assert_eq!(of(10, 0, 0, AirflowTarget::V2), Duration::from_millis(4));
        assert_eq!(of(0, 100, 2000, AirflowTarget::V3), Duration::from_millis(120));
        assert_eq!(of(0, 200, 4000, AirflowTarget::V3QueryJson), Duration::from_millis(480));
        assert_eq!(of(0, 200, 4000, AirflowTarget::V2), Duration::from_millis(60));
    }
}
