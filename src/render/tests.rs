//! What is rendered passes the check of the loader's rules, is ASCII, and is the same every time.

use std::collections::BTreeMap;
use std::path::Path;

use indexmap::IndexMap;
use proptest::prelude::*;
use secrecy::SecretString;

use super::env_file::{self, Assignments};
use super::files::{Expected, Rendered};
use super::formats::{Formatted, connections, texts};
use crate::airflow::secret::from_secret;
use crate::airflow::versions::{AirflowTarget, Rules};
use crate::config::settings::{Dialect, EnvFile, Format};
use crate::convert::{Detail, Entries};
use crate::error::{Exit, Failure};
use crate::fetch::answers::{Fetched, SecretState, Skipped, SkippedBy, Winner};
use crate::model::connection::Connection;
use crate::model::kind::Kind;
use crate::plan::{Access, AddressedBy, Enumerate, Plan, Source, SourcePlan, Want};
use crate::store::secret_store::SecretValue;
use crate::verify;

fn rules(target: AirflowTarget) -> Rules {
    Rules { target, extra_conn_words: IndexMap::new(), urlencoded: false }
}

/// Connections of the own account.
fn plan_of_connections() -> Plan {
    let mut plan = Plan::for_tests([(Source::Own, Access::Own)]);
    let kind = Kind::Connection;
    let source = SourcePlan::for_tests((kind, 0), Source::Own, Enumerate::Listing, AddressedBy::Name, "");
    let [chosen, named, required] = [const { Vec::new() }; 3];
    plan.wants.push(Want { kind, exactly: None, chosen, named, required, sources: vec![source] });
    plan
}

fn of(set: &BTreeMap<String, Connection>) -> BTreeMap<&str, &Connection> {
    set.iter().map(|(id, connection)| (id.as_str(), connection)).collect()
}

fn text_of(set: &BTreeMap<String, Connection>, format: Format) -> String {
    String::from_utf8(connections(of(set), format).bytes).unwrap()
}

fn check(
    bytes: &[u8],
    format: Format,
    set: &BTreeMap<String, Connection>,
    target: AirflowTarget,
) -> Result<(), Failure> {
    check_expected(bytes, Expected::Connections(format, of(set)), target)
}

fn check_expected(bytes: &[u8], expected: Expected<'_>, target: AirflowTarget) -> Result<(), Failure> {
    verify::check(&Rendered { path: Path::new("file"), bytes: bytes.to_vec(), mode: 0o440, expected }, target)
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
            "{\"a\": 1e5, \"b\": [null, \"x\"], \"a\": 2}",
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
            .collect();
        let Formatted { bytes, carried, refused } = connections(of(&set), format);
        prop_assert!(bytes.is_ascii());
        prop_assert!(carried.is_empty() || bytes.ends_with(b"\n"));
        prop_assert_eq!(carried.len() + refused.len(), set.len());
        if let Err(failure) = check_expected(&bytes, Expected::Connections(format, carried), target) {
            prop_assert!(false, "{failure}:\n{}", String::from_utf8_lossy(&bytes));
        }
        prop_assert_eq!(connections(of(&set), format).bytes, bytes);
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
    let expected = r#"{
  "a": {"conn_type": "postgres", "host": "h", "login": "u", "password": "p@", "schema": "db", "port": 5432, "extra": "{\"x\": \"1\"}"},
  "b": {"conn_type": "http", "host": 0, "extra": {"n": 1E400, "b": 0.10}},
  "c": {}
}
"#;
    assert_eq!(text_of(&set, Format::Json), expected);
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
    assert_eq!(text_of(&set, Format::Yaml), expected);
}

/// Airflow 3 refuses an extra that is no JSON, Airflow 2 does not: whoever compares two files does not know for which of them
/// they were written.
#[test]
fn a_file_of_uris_is_read_again_whatever_its_target() {
    for (target, secret) in [
        (AirflowTarget::V3, r#"{"conn_type": "aws", "extra": {"a": ["x"]}}"#),
        (AirflowTarget::V2, r#"{"conn_type": "aws", "extra": "no JSON"}"#),
    ] {
        let connection = from_secret(secret, &rules(target)).unwrap();
        let bytes = connections([("c", &connection)], Format::Env).bytes;
        let read = crate::verify::entries_of(&bytes, &Expected::Connections(Format::Env, BTreeMap::new()));
        assert!(read.is_some_and(|read| read["c"].contains_key("extra")), "{secret}");
    }
}

#[test]
fn a_file_that_says_something_else_is_refused() {
    let set = BTreeMap::from([("a".to_owned(), from_secret("mysql://u:p@h:1/db", &rules(AirflowTarget::V3)).unwrap())]);
    let good = text_of(&set, Format::Json);
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

/// Texts with everything that a format could lose.
fn nasty() -> impl Strategy<Value = String> {
    let atoms = prop::sample::select(vec![
        "a",
        "Z9",
        " ",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "\"",
        "'",
        "`",
        "\\",
        "$",
        "${HOME}",
        "$HOME",
        "#",
        "=",
        ":",
        "%",
        "{",
        "}",
        "é",
        "\u{85}",
        "\u{2028}",
        "\u{1f600}",
        "\u{1}",
        "\u{7f}",
        "\u{feff}",
    ]);
    prop_oneof![4 => prop::collection::vec(atoms, 0..8).prop_map(|atoms| atoms.concat()), 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn variables_are_read_back_as_they_are(
        all in prop::collection::btree_map("[a-zA-Z0-9/_+=.@ é\"\\\\-]{1,12}", nasty(), 0..6),
        format in prop::sample::select(vec![Format::Json, Format::Yaml, Format::Env]),
    ) {
        let Formatted { bytes, carried, .. } = texts(all.iter().map(|(id, text)| (id.as_str(), text.as_str())), format);
        prop_assert!(bytes.is_ascii());
        if let Err(failure) = check_expected(&bytes, Expected::Texts(format, carried), AirflowTarget::V3) {
            prop_assert!(false, "{failure}:\n{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn environment_variables_are_read_back_as_they_are(
        all in prop::collection::btree_map("[A-Z0-9_]{1,8}", nasty(), 0..6),
        dialect in prop::sample::select(vec![Dialect::Env, Dialect::List]),
    ) {
        let (lines, bytes) = env_file(all, dialect);
        if let Err(failure) = check_expected(&bytes, Expected::Lines(dialect, lines), AirflowTarget::V3) {
            prop_assert!(false, "{failure}:\n{}", String::from_utf8_lossy(&bytes));
        }
    }
}

/// The file of environment variables that holds these variables, as far as it can.
fn env_file(variables: BTreeMap<String, String>, dialect: Dialect) -> (BTreeMap<String, String>, Vec<u8>) {
    let variables = variables.into_iter().map(|(id, text)| (id, SecretString::from(text))).collect();
    let entries = Entries { variables, ..Entries::default() };
    let Assignments { bytes, values, .. } = env_file::render(&of_dialect(dialect), &entries);
    (values, bytes)
}

fn of_dialect(dialect: Dialect) -> EnvFile {
    EnvFile { path: "a.env".into(), dialect, options: Vec::new() }
}

#[test]
fn a_file_of_variables_that_says_something_else_is_refused() {
    let set = BTreeMap::from([("a", "no"), ("b", "x\n\"y\"")]);
    let variables = BTreeMap::from([("A".to_owned(), "it's $5".to_owned()), ("B".to_owned(), "x".to_owned())]);
    let of_texts = |format| (texts(set.clone(), format).bytes, Expected::Texts(format, set.clone()));
    let of_lines = |dialect| {
        let (lines, bytes) = env_file(variables.clone(), dialect);
        (bytes, Expected::Lines(dialect, lines))
    };
    for (good, meant) in
        [of_texts(Format::Json), of_texts(Format::Yaml), of_lines(Dialect::Env), of_lines(Dialect::List)]
    {
        let again = || match &meant {
            Expected::Texts(format, set) => Expected::Texts(*format, set.clone()),
            Expected::Lines(dialect, lines) => Expected::Lines(*dialect, lines.clone()),
            Expected::Connections(..) | Expected::Anything => unreachable!(),
        };
        let text = String::from_utf8(good.clone()).unwrap();
        assert!(check_expected(&good, again(), AirflowTarget::V3).is_ok(), "{text}");
        for (from, to) in
            [("x", "z"), ("\"no\"", "no"), ("\"a\"", "\"c\""), ("'s", "s"), ("AIRFLOW_VAR_B=x\n", ""), ("$", "")]
        {
            let broken = text.replacen(from, to, 1);
            let refused = check_expected(broken.as_bytes(), again(), AirflowTarget::V3).is_err();
            assert!(broken == text || refused, "{from} -> {to}:\n{broken}");
        }
    }
}

/// Two ids that Airflow would look for under one variable, and a connection that JSON can't tell from another.
#[test]
fn environment_variables_have_one_owner_each() {
    let secrets = [("up", "hello"), ("down", r#"{"conn_type": "x", "port": "0", "password": "it's $5 `x` #!\\"}"#)];
    let connections = secrets.map(|(id, text)| (id.to_owned(), from_secret(text, &rules(AirflowTarget::V3)).unwrap()));
    let entries = Entries { connections: connections.into(), ..Entries::default() };
    let Assignments { values: lines, refused, .. } = env_file::render(&of_dialect(Dialect::Env), &entries);
    assert!(refused.is_empty());
    assert_eq!(lines["AIRFLOW_CONN_UP"], "///ello", "JSON would lose the empty type");
    assert_eq!(
        lines["AIRFLOW_CONN_DOWN"],
        r#"{"conn_type": "x", "password": "it\u0027s \u00245 \u0060x\u0060 \u0023\u0021\u005c", "port": "0"}"#,
        "nothing that any reader treats in a way of its own"
    );
}

/// What a file can't hold and a variable can: an extra that is no object, and a password that is false in Python.
#[test]
fn a_variable_holds_what_harms_a_file() {
    let secrets = [
        ("a", r#"{"conn_type": "x", "extra": "a=b"}"#),
        ("b", r#"{"conn_type": "x", "extra": [1], "password": ""}"#),
        ("c", "x://u:@h/db"),
        ("d", r#"{"conn_type": "x", "password": 0}"#),
        ("broken", r#"{"conn_type": "x", "extra": "a=b", "port": "canary"}"#),
    ];
    let mut fetched = Fetched::default();
    for (id, text) in secrets {
        let value = SecretValue::of(SecretString::from(text), None);
        let state = SecretState::Value(value);
        let winner = Winner { source: 0, state, shadowed: Vec::new(), ambiguous: false, of_team: false };
        fetched.kinds[Kind::Connection].entries.insert(id.to_owned(), winner);
    }
    let entries = Entries::of(fetched, &plan_of_connections(), &rules(AirflowTarget::V3), BTreeMap::new());
    assert_eq!(entries.connections.keys().collect::<Vec<_>>(), ["c", "d"]);
    let Assignments { values, refused, .. } = env_file::render(&of_dialect(Dialect::Env), &entries);
    assert!(refused.is_empty());
    let held: Vec<(&str, &str)> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        held,
        [
            ("AIRFLOW_CONN_A", r#"{"conn_type": "x", "extra": "a=b"}"#),
            ("AIRFLOW_CONN_B", r#"{"conn_type": "x", "extra": [1], "password": ""}"#),
            ("AIRFLOW_CONN_C", r#"{"conn_type": "x", "host": "h", "login": "u", "schema": "db", "password": ""}"#),
            ("AIRFLOW_CONN_D", r#"{"conn_type": "x", "password": 0}"#),
        ]
    );
}

#[test]
fn an_environment_that_no_program_can_be_started_with_is_reported_before() {
    let of = |count: usize, bytes: usize| {
        (0..count).map(|at| (format!("AIRFLOW_VAR_{at:03}"), "x".repeat(bytes))).collect::<BTreeMap<_, _>>()
    };
    assert!(
        env_file::too_large_soon(&of(1, 98_000)).is_empty() && env_file::too_large_soon(&of(16, 95_000)).is_empty()
    );
    let one = env_file::too_large_soon(&of(1, 100_000));
    assert_eq!(one.len(), 1);
    assert!(one[0].starts_with("AIRFLOW_VAR_000 takes 97 KiB: from 128 KiB on in one variable"), "{}", one[0]);
    let all = env_file::too_large_soon(&of(17, 95_000));
    assert_eq!(all.len(), 1);
    assert!(all[0].starts_with("the variables take 1577 KiB: from 2048 KiB on"), "{}", all[0]);
}

/// A variable belongs to the first account that has any id of its spelling, and to nobody if that account has two.
#[test]
fn an_environment_variable_is_never_that_of_another_account() {
    // Ids that were found, each with the place of its account and whether it has a value; what is skipped; what the file holds.
    type Case<'a> = (&'a str, &'a [(&'a str, usize, bool)], &'a [Skipped], Option<&'a str>, Option<&'a str>);
    let detail = |source| Detail { source, ..Detail::default() };
    let skipped = |id: &str, source, by| Skipped { id: id.to_owned(), source, by };
    let nothing: &[Skipped] = &[];
    let by_globs = [skipped("MY_DB", 0, SkippedBy::Globs)];
    let by_pattern = [skipped("MY_DB", 0, SkippedBy::Pattern)];
    let shared_skipped = [skipped("My_Db", 1, SkippedBy::Globs)];
    let itself = [skipped("my_db", 0, SkippedBy::Pattern)];
    let cases: &[Case<'_>] = &[
        (
            "own before shared",
            &[("MY_DB", 0, true), ("my_db", 1, true)],
            nothing,
            Some("MY_DB"),
            Some("MY_DB of the own account;"),
        ),
        (
            "own that can't be read",
            &[("MY_DB", 0, false), ("my_db", 1, true)],
            nothing,
            None,
            Some("MY_DB of the own account ("),
        ),
        ("own that a filter skips", &[("my_db", 1, true)], &by_globs, None, Some("MY_DB of the own account (")),
        ("own that a pattern skips", &[("my_db", 1, true)], &by_pattern, None, Some("MY_DB of the own account (")),
        ("the same id, skipped in the own account", &[("my_db", 1, true)], &itself, Some("my_db"), None),
        (
            "one that the same account skips",
            &[("my_db", 1, true)],
            &shared_skipped,
            None,
            Some("My_Db of a shared account ("),
        ),
        ("one that a later account skips", &[("my_db", 0, true)], &shared_skipped, Some("my_db"), None),
        (
            "two of one account, one unreadable",
            &[("MY_DB", 1, false), ("my_db", 1, true)],
            nothing,
            None,
            Some("MY_DB of a shared"),
        ),
        ("a later account can't be read", &[("my_db", 1, true), ("MY_DB", 2, false)], nothing, Some("my_db"), None),
    ];
    for (case, found, skipped, expected, reason) in cases {
        for kind in [Kind::Connection, Kind::Variable] {
            let mut entries = Entries::default();
            for (id, source, is_there) in *found {
                entries.details[kind].insert((*id).to_owned(), detail(*source));
                if !is_there {
                    continue;
                }
                if kind == Kind::Connection {
                    let connection = from_secret(&format!("x://{id}"), &rules(AirflowTarget::V3)).unwrap();
                    entries.connections.insert((*id).to_owned(), connection);
                } else {
                    entries.variables.insert((*id).to_owned(), SecretString::from(format!("x://{id}")));
                }
            }
            entries.skipped[kind] = skipped.to_vec();
            let Assignments { values: lines, refused, .. } = env_file::render(&of_dialect(Dialect::Env), &entries);
            let held = lines.values().next().map(|value| value.to_lowercase().contains("my_db"));
            let name = if kind == Kind::Connection { "AIRFLOW_CONN_MY_DB" } else { "AIRFLOW_VAR_MY_DB" };
            assert_eq!(lines.keys().collect::<Vec<_>>(), expected.iter().map(|_| name).collect::<Vec<_>>(), "{case}");
            assert_eq!(held, expected.map(|_| true), "{case}");
            if let (Some(expected), Kind::Variable) = (expected, kind) {
                assert_eq!(lines[name], format!("x://{expected}"), "{case}");
            }
            let reasons: Vec<&str> = refused.iter().map(|(_, _, reason)| reason.as_ref()).collect();
            assert_eq!(reasons.len(), usize::from(reason.is_some()), "{case}: {reasons:?}");
            if let Some(reason) = reason {
                let reason = format!("the same variable, {name}, as for {} {reason}", kind.noun());
                assert!(reasons[0].contains(&reason), "{case}: {reasons:?} has no {reason}");
            }
        }
    }
}
