//! For each reason why a secret is invalid: a real one, what is reported, and that following the advice leads to what was meant.

use crate::airflow::invalid::Reason;
use crate::airflow::note::Note;
use crate::airflow::secret::{from_secret, read_secret};
use crate::airflow::versions::{AirflowTarget, Rules};
use crate::model::connection::{Connection, Field};
use crate::python::json::{Json, loads};
use indexmap::IndexMap;

fn rules(target: AirflowTarget) -> Rules {
    Rules { target, extra_conn_words: IndexMap::new(), urlencoded: false }
}

/// What a connection holds, whatever form its secret had.
fn fields(connection: &Connection) -> Vec<(Field, String)> {
    let text = |(field, value): (Field, &Json)| {
        let text = value.to_text().into_owned();
        (
            field,
            if field == Field::Extra {
                loads(&text).map_or_else(|_| text.clone(), |json| json.to_text().into_owned())
            } else {
                text
            },
        )
    };
    let mut fields: Vec<_> = connection.fields().map(text).filter(|(_, text)| !text.is_empty()).collect();
    fields.sort();
    fields
}

/// The secret as it was stored; what is reported; the secret as the advice says it, in each way that it names.
const ROWS: &[(&str, &str, &[&str])] = &[
    // A blank secret.
    (" \n", "secret: the secret is blank; put a connection URI or a JSON object into the secret, or delete it", &[]),
    // A Python dict, pasted.
    (
        "{'conn_type': 'mysql', 'host': 'h'}",
        "secret, byte 1: the JSON cannot be read: ",
        &[r#"{"conn_type": "mysql", "host": "h"}"#, "mysql://h"],
    ),
    // A number where text is needed.
    (
        r#"{"conn_type": "mysql", "host": "h", "login": 1234}"#,
        "field `login`: the value is a number, but Airflow needs a string; put the value in double quotes",
        &[r#"{"conn_type": "mysql", "host": "h", "login": "1234"}"#, "mysql://1234@h"],
    ),
    (
        r#"{"conn_type": "mysql", "host": "h", "port": [3306]}"#,
        "field `port`: the value is an array, but Airflow needs an integer; write the port as a number",
        &[r#"{"conn_type": "mysql", "host": "h", "port": 3306}"#, "mysql://h:3306"],
    ),
    // A separator in a password.
    (
        "mysql://u:pa/ss@h:3306/db",
        "field `port`: the value is not a valid port: it is not an integer; correct the port; in a URI, percent-encode `/`",
        &["mysql://u:pa%2Fss@h:3306/db"],
    ),
    ("mysql://h:65536/db", "field `port`: the port is greater than 65535; correct the port", &["mysql://h:6553/db"]),
    // Several hosts.
    (
        "postgres://u:p@h1:5432,h2:5433/db",
        "field `port`: the port is followed by another host; write the secret as JSON",
        &[
            r#"{"conn_type": "postgres", "login": "u", "password": "p", "host": "h1:5432,h2:5433", "schema": "db"}"#,
            "postgres://u:p@h1%3A5432%2Ch2%3A5433/db",
        ],
    ),
    // A JDBC URL.
    (
        "jdbc://u:p@jdbc:postgresql://h:5432/db",
        "secret: a JDBC URL stands where the host does; write the secret as JSON with the JDBC URL in `host`",
        &[r#"{"conn_type": "jdbc", "login": "u", "password": "p", "host": "jdbc:postgresql://h:5432/db"}"#],
    ),
    // A URL in a password or in the query.
    (
        "http://u:a://b@h",
        "secret: the URI holds a second `://` after credentials, a port or a path",
        &["http://u:a%3A%2F%2Fb@h", r#"{"conn_type": "http", "login": "u", "password": "a://b", "host": "h"}"#],
    ),
    (
        "http://https://h/?a=http://x&b=http://y",
        "secret: the URI holds `://` more than twice; percent-encode the inner URLs",
        &[
            "http://https://h/?a=http%3A%2F%2Fx&b=http%3A%2F%2Fy",
            r#"{"conn_type": "http", "host": "https://h", "extra": {"a": "http://x", "b": "http://y"}}"#,
        ],
    ),
    // Brackets in a password.
    (
        "mysql://u:p[w@h/db",
        "authority of the URI: the user or password has `[` without `]`, or `]` without `[`; percent-encode `[` as %5B",
        &["mysql://u:p%5Bw@h/db"],
    ),
    (
        "mysql://u:[pw]@h/db",
        "authority of the URI: the text in brackets in the user or password is not an IPv6 address; percent-encode",
        &["mysql://u:%5Bpw%5D@h/db"],
    ),
    // Brackets in a host.
    (
        "mysql://u:p@[::1/db",
        "authority of the URI: the host has `[` without `]`, or `]` without `[`; write an IPv6 address as [ADDRESS]:PORT",
        &["mysql://u:p@[::1]/db"],
    ),
    (
        "mongo://u:p@[h]:1/db",
        "authority of the URI: the text in brackets in the host is not an IPv6 address; write an IPv6 address as",
        &["mongo://u:p@h:1/db"],
    ),
    (
        "mysql://h\u{ff1a}1/db",
        "authority of the URI: a character in the part between `//` and the path stands for one of",
        &["mysql://h%EF%BC%9A1/db"],
    ),
    // Extras that are no JSON: the most frequent mistake in public reports.
    (
        r#"{"conn_type": "snowflake", "extra": "account=x;role=y"}"#,
        "field `extra`, byte 0: the text is not JSON (",
        &[r#"{"conn_type": "snowflake", "extra": {"account": "x", "role": "y"}}"#],
    ),
    (
        r#"{"conn_type": "snowflake", "extra": "{'account': 'x'}"}"#,
        "field `extra`, byte 1: the text is not JSON (",
        &[r#"{"conn_type": "snowflake", "extra": {"account": "x"}}"#, "snowflake://?account=x"],
    ),
    // A key with one level of escaping.
    (
        r#"{"conn_type": "ssh", "extra": "{\"private_key\": \"-----BEGIN\nEND\"}"}"#,
        "field `extra`, byte 27: the text is not JSON (",
        &[r#"{"conn_type": "ssh", "extra": {"private_key": "-----BEGIN\nEND"}}"#],
    ),
    (
        r#"{"conn_type": "aws", "extra": ["a"]}"#,
        "field `extra`: the value is JSON but not an object, and Airflow 3, which SECRETS_INIT_AIRFLOW_VERSION says or assumes, \
         needs one; write the extra as an object, not as text",
        &[r#"{"conn_type": "aws", "extra": {"a": 1}}"#],
    ),
];

#[test]
fn the_advice_leads_to_what_was_meant() {
    for (stored, reported, mended) in ROWS {
        let invalid = from_secret(stored, &rules(AirflowTarget::V3)).unwrap_err();
        assert!(invalid.to_string().starts_with(reported), "{stored}: {invalid}");
        let meant: Vec<_> =
            mended.iter().map(|text| fields(&from_secret(text, &rules(AirflowTarget::V3)).unwrap())).collect();
        assert!(meant.windows(2).all(|pair| pair[0] == pair[1]), "{stored}: {meant:?}");
        // The host as it was meant, whatever the mistake did to it.
        assert!(meant.iter().flatten().all(|(field, text)| *field != Field::Host || !text.contains('%')), "{meant:?}");
    }
}

/// Every reason has its row.
#[test]
fn every_reason_has_a_real_secret() {
    let mut seen = std::collections::BTreeSet::new();
    for (stored, ..) in ROWS {
        let name = match from_secret(stored, &rules(AirflowTarget::V3)).unwrap_err().reason {
            Reason::Blank => 0,
            Reason::Json(_) => 1,
            Reason::Kind { .. } => 2,
            Reason::Port(_) => 3,
            Reason::PortRange => 4,
            Reason::ExtraNotJson(_) => 5,
            Reason::ExtraNotAnObject => 6,
            Reason::TooManyProtocols => 7,
            Reason::SecondProtocol => 8,
            Reason::Jdbc => 9,
            Reason::SeveralHosts => 10,
            Reason::Brackets { in_host } => 11 + usize::from(in_host),
            Reason::NotIpv6 { in_host } => 13 + usize::from(in_host),
            Reason::HostCharacters => 15,
        };
        seen.insert(name);
    }
    assert_eq!(seen, (0..=15).collect());
}

/// Airflow 2 takes an extra that is no object, and reads no extras from it: written, and noted.
#[test]
fn airflow_2_takes_any_extra_and_the_note_says_what_that_means() {
    for (extra, note) in [
        (r#""a=b""#, Note::ExtraNotJson),
        (r#""{'a': 'b'}""#, Note::ExtraNotJson),
        ("[1]", Note::ExtraNotAnObject),
        (r#""[1]""#, Note::ExtraNotAnObject),
    ] {
        let secret = format!(r#"{{"conn_type": "aws", "extra": {extra}}}"#);
        assert_eq!(read_secret(&secret, &rules(AirflowTarget::V2)).unwrap().note, Some(note), "{extra}");
        assert!(from_secret(&secret, &rules(AirflowTarget::V3)).is_err(), "{extra}");
    }
    let uri = read_secret("aws://?__extra__=a%3Db", &rules(AirflowTarget::V2)).unwrap();
    assert_eq!(uri.note, Some(Note::ExtraNotJson));
    let note = Note::ExtraNotJson.to_string();
    assert_eq!(note, "the extra is not JSON: Airflow 2 reads no extras from it");
}
