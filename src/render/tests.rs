//! What is rendered passes the check of the loader's rules, is ASCII, and is the same every time.

use indexmap::IndexMap;
use proptest::prelude::*;

use super::*;
use crate::connection::{AirflowTarget, Rules, from_secret};
use crate::validate;

fn rules(target: AirflowTarget) -> Rules {
    Rules { target, extra_conn_words: IndexMap::new(), urlencoded: false }
}

fn of(set: &BTreeMap<String, Connection>) -> BTreeMap<&str, &Connection> {
    set.iter().map(|(id, connection)| (id.as_str(), connection)).collect()
}

fn check(
    bytes: &[u8],
    format: Format,
    set: &BTreeMap<String, Connection>,
    target: AirflowTarget,
) -> Result<(), Failure> {
    check_meant(bytes, Meant::Connections(format, of(set)), target)
}

fn check_meant(bytes: &[u8], meant: Meant<'_>, target: AirflowTarget) -> Result<(), Failure> {
    validate::check(&Rendered { path: Path::new("file"), bytes: bytes.to_vec(), mode: 0o440, meant }, target)
}

/// Texts that come near to being connections: JSON with odd values in known keys, URIs with odd parts, and junk.
fn secret() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "conn_type",
        "conn_id",
        "host",
        "server",
        "login",
        "user",
        "password",
        "key",
        "port",
        "schema",
        "database",
        "extra",
        "other",
    ]);
    let value = prop_oneof![
        "\"[ -~é\u{1f600}\\t]{0,12}\""
            .prop_map(|text| { serde_json::to_string(text.trim_matches('"')).expect("text is JSON") }),
        Just("\"\\ud800\"".to_owned()),
        prop::sample::select(vec![
            "0",
            "-0",
            "1",
            "5432",
            "1E400",
            "1.50",
            "-0.0",
            "true",
            "false",
            "null",
            "NaN",
            "[]",
            "{}",
            "[1, \"x\"]",
            "{\"a\": 1e5, \"b\": [null, \"\\ud800\"], \"a\": 2}",
            "\"{\\\"a\\\": 0.10}\"",
            "\"[1]\"",
            "\"5_4\"",
            "\" 54\\n\"",
        ])
        .prop_map(str::to_owned),
    ];
    let object = prop::collection::vec((key, value), 0..6).prop_map(|pairs| {
        let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
        format!("{{{}}}", pairs.join(", "))
    });
    let uri = "[a-zA-Z_+.-]{0,8}(://|:/|//|)[a-zé%/:@\\[\\]0-9]{0,20}(:[0-9]{0,6})?(/[a-z%/]{0,6})?(\\?[a-z=&%+0-9_]{0,16}(&__extra__=(%7B%7D|%5B%5D|x))?)?";
    prop_oneof![4 => object, 4 => uri, 1 => any::<String>(), 1 => "[ -~]{0,30}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn whatever_is_rendered_is_taken_by_the_loader(
        secrets in prop::collection::btree_map("[a-zA-Z0-9/_+=.@#é -]{1,12}", secret(), 0..6),
        target in prop::sample::select(vec![AirflowTarget::V2, AirflowTarget::V3, AirflowTarget::V3QueryJson]),
        format in prop::sample::select(vec![Format::Json, Format::Yaml, Format::Env]),
    ) {
        let set: BTreeMap<String, Connection> = secrets
            .iter()
            .filter_map(|(conn_id, text)| Some((conn_id.clone(), from_secret(text, &rules(target)).ok()?)))
            .filter(|(conn_id, connection)| cannot_carry(format, conn_id, connection).is_none())
            .collect();
        let bytes = connections(&of(&set), format).expect("it renders");
        prop_assert!(bytes.is_ascii());
        prop_assert!(set.is_empty() || bytes.ends_with(b"\n"));
        if let Err(failure) = check(&bytes, format, &set, target) {
            prop_assert!(false, "{failure}:\n{}", String::from_utf8_lossy(&bytes));
        }
        prop_assert_eq!(connections(&of(&set), format).expect("it renders"), bytes);
    }
}

#[test]
fn the_layout_is_stable() {
    let secrets = [
        ("a", "postgres://u:p%40@h:5432/db?x=1"),
        ("b", r#"{"conn_type": "http", "extra": {"n": 1E400, "b": 0.10}, "host": 0}"#),
        ("c", "{}"),
    ];
    let set = secrets.map(|(id, text)| (id.to_owned(), from_secret(text, &rules(AirflowTarget::V3)).unwrap()));
    let set = BTreeMap::from(set);
    let json = connections(&of(&set), Format::Json).unwrap();
    let expected = r#"{
  "a": {"conn_type": "postgres", "host": "h", "login": "u", "password": "p@", "schema": "db", "port": 5432, "extra": "{\"x\": \"1\"}"},
  "b": {"conn_type": "http", "host": 0, "extra": {"n": 1E400, "b": 0.10}},
  "c": {}
}
"#;
    assert_eq!(String::from_utf8(json).unwrap(), expected);
    let yaml = connections(&of(&set), Format::Yaml).unwrap();
    let expected = r#""a":
  conn_type: "postgres"
  host: "h"
  login: "u"
  password: "p@"
  schema: "db"
  port: 5432
  extra: "{\"x\": \"1\"}"
"b":
  conn_type: "http"
  host: 0
  extra: "{\"n\": Infinity, \"b\": 0.1}"
"c": {}
"#;
    assert_eq!(String::from_utf8(yaml).unwrap(), expected);
}

#[test]
fn a_file_that_says_something_else_is_refused() {
    let set = BTreeMap::from([("a".to_owned(), from_secret("mysql://u:p@h:1/db", &rules(AirflowTarget::V3)).unwrap())]);
    let good = String::from_utf8(connections(&of(&set), Format::Json).unwrap()).unwrap();
    assert!(check(good.as_bytes(), Format::Json, &set, AirflowTarget::V3).is_ok());
    for (from, to) in [
        ("\"a\"", "\"b\""),
        ("\"u\"", "\"v\""),
        ("\"host\"", "\"hostname\""),
        ("\"p\"", "5"),
        (": 1}", ": \"1\"}"),
        ("}\n}", "}, \"x\": null}"),
        ("\"h\"", "\"é\""),
        ("{\n", ""),
    ] {
        let broken = good.replacen(from, to, 1);
        assert_ne!(broken, good, "{from} is there");
        let failure = check(broken.as_bytes(), Format::Json, &set, AirflowTarget::V3).unwrap_err();
        assert_eq!(failure.exit(), Exit::Bug, "{failure}");
    }
}
