//! Files and what the check says of them; render/tests.rs has all that the renderers write pass it.

use std::path::Path;

use super::*;

fn connection(secret: &str, target: AirflowTarget) -> Connection {
    from_secret(secret, &Rules { target, extra_conn_words: IndexMap::new(), urlencoded: false }).unwrap()
}

/// What is wrong with a file; empty when nothing is.
fn problem(bytes: &[u8], meant: Expected<'_>, target: AirflowTarget) -> String {
    let file = Rendered { path: Path::new("a\nb"), bytes: bytes.to_vec(), mode: 0o440, expected: meant };
    let Err(failure) = check(&file, target) else { return String::new() };
    assert_eq!((failure.exit(), failure.lines().len()), (Exit::Bug, 1));
    let line = failure.to_string();
    let problem = line.strip_prefix("a\\u{a}b: the rendered file would not be read as it was meant (");
    problem.unwrap().strip_suffix("); nothing was written; please report this as a bug").unwrap().to_owned()
}

/// Of a file with one connection, `a`.
fn problem_of(text: &str, format: Format, secret: &str) -> String {
    let meant = connection(secret, AirflowTarget::V3);
    problem(text.as_bytes(), Expected::Connections(format, BTreeMap::from([("a", &meant)])), AirflowTarget::V3)
}

const SECRET: &str = "mysql://u:p@h:1/db?x=y";
const FIELDS: &str = r#""conn_type": "mysql", "host": "h", "login": "u", "password": "p", "schema": "db", "port": 1"#;
const EXTRA: &str = r#""extra": "{\"x\": \"y\"}""#;

#[test]
fn json_of_connections_is_what_was_meant() {
    let with = |fields: &str, extra: &str| format!(r#"{{"a": {{{fields}, {extra}}}}}"#);
    let but = |from: &str, to: &str| {
        assert!(FIELDS.contains(from), "{from}");
        with(&FIELDS.replace(from, to), EXTRA)
    };
    for (text, expected) in [
        (with(FIELDS, EXTRA), ""),
        (with(EXTRA, FIELDS), ""),
        (but("\"h\"", "\"\u{e9}\""), "it is not ASCII"),
        (with(FIELDS, EXTRA) + "x", "JSON at byte 127"),
        ("[]".to_owned(), "the top is not an object"),
        (r#"{"a": 1}"#.to_owned(), "entry 1 is not an object"),
        (r#"{"a": {}, "b": []}"#.to_owned(), "entry 2 is not an object"),
        ("{}".to_owned(), "the number of entries differs"),
        (r#"{"b": {}}"#.to_owned(), "entry 1 has another conn_id"),
        (r#"{"a\ud800": {}}"#.to_owned(), "JSON at byte 3"),
        (but("\"host\"", "\"hostname\""), "entry 1, a key that Airflow does not know"),
        (but("\"p\"", "5"), "entry 1, password"),
        (but("1", "\"1\""), "entry 1, port"),
        (but("1", "1.0"), "entry 1, port"),
        (but("1", "2"), "entry 1, field port"),
        (but(", \"port\": 1", ""), "entry 1, field port"),
        (but("\"mysql\"", "\"x\""), "entry 1, field conn_type"),
        (but("\"h\"", "\"x\""), "entry 1, field host"),
        (but("\"h\"", "null"), "entry 1, field host"),
        (but("\"u\"", "\"x\""), "entry 1, field login"),
        (but("\"p\"", "\"x\""), "entry 1, field password"),
        (but("\"db\"", "\"x\""), "entry 1, field schema"),
        (but("\"conn_type\": \"mysql\", ", ""), "entry 1, field conn_type"),
        (with(FIELDS, r#""extra": "{}""#), "entry 1, field extra"),
        (with(FIELDS, r#""extra": {"x": "y"}"#), "entry 1, field extra"),
        (with(FIELDS, r#""extra": "x""#), "entry 1, extra"),
    ] {
        assert_eq!(problem_of(&text, Format::Json, SECRET), expected, "{text}");
    }
    let falsy = r#"{"host": 0, "extra": {"n": 1.50}}"#;
    for (text, expected) in [
        (r#"{"a": {"host": 0, "extra": {"n": 1.50}}}"#, ""),
        (r#"{"a": {"host": -0, "extra": {"n": 1.5}}}"#, ""),
        (r#"{"a": {"host": false, "extra": {"n": 1.5}}}"#, "entry 1, field host"),
        (r#"{"a": {"host": "0", "extra": {"n": 1.5}}}"#, "entry 1, field host"),
        (r#"{"a": {"host": 0, "extra": {"n": 1.6}}}"#, "entry 1, field extra"),
        (r#"{"a": {"host": 0, "extra": {"n": 1.5}, "port": 1}}"#, "entry 1, field port"),
        (r#"{"a": {"extra": {"n": 1.5}}}"#, "entry 1, field host"),
    ] {
        assert_eq!(problem_of(text, Format::Json, falsy), expected, "{text}");
    }
    let (a, b) = (connection("{}", AirflowTarget::V3), connection(SECRET, AirflowTarget::V3));
    let both = || Expected::Connections(Format::Json, BTreeMap::from([("a", &a), ("b", &b)]));
    let second = format!(r#"{{"a": {{}}, "b": {{{}, {EXTRA}}}}}"#, FIELDS.replace("\"h\"", "\"x\""));
    assert_eq!(problem(second.as_bytes(), both(), AirflowTarget::V3), "entry 2, field host");
    assert_eq!(problem(br#"{"a": {}, "c": {}}"#, both(), AirflowTarget::V3), "entry 2 has another conn_id");
    assert_eq!(
        problem(br#"{"a": {}, "b": {"x": 1}}"#, both(), AirflowTarget::V3),
        "entry 2, a key that Airflow does not know"
    );
    assert_eq!(problem(b"anything", Expected::Anything, AirflowTarget::V3), "");
}

/// Which entries the loader takes, for Airflow 2 and for 3.
#[test]
fn an_entry_has_the_keys_and_values_that_a_connection_takes() {
    for (fields, expected) in [
        (r#""password": "x""#, [None; 2]),
        (r#""password": null"#, [Some("password"); 2]),
        (r#""conn_type": null"#, [Some("conn_type"); 2]),
        (r#""login": 0"#, [Some("login"); 2]),
        (r#""host": null, "schema": 0"#, [None; 2]),
        (r#""host": 1"#, [Some("host"); 2]),
        (r#""schema": [0]"#, [Some("schema"); 2]),
        (r#""port": 1"#, [None; 2]),
        (r#""port": 1.0"#, [Some("port"); 2]),
        (r#""port": "1""#, [Some("port"); 2]),
        (r#""extra": """#, [None; 2]),
        (r#""extra": "{}""#, [None; 2]),
        (r#""extra": "[]""#, [None, Some("extra")]),
        (r#""extra": "x""#, [None, Some("extra")]),
        (r#""extra": {"a": 1}"#, [None; 2]),
        (r#""extra": {}"#, [Some("extra"); 2]),
        (r#""extra": [1]"#, [None, Some("extra")]),
        (r#""extra": []"#, [Some("extra"); 2]),
        (r#""Host": "x""#, [Some("a key that Airflow does not know"); 2]),
    ] {
        let text = format!(r#"{{"a": {{{fields}}}}}"#);
        let entries = json(text.as_bytes()).unwrap();
        let taken = |target| loadable(&entries[0].1, target).err();
        assert_eq!([AirflowTarget::V2, AirflowTarget::V3].map(taken), expected, "{fields}");
    }
}

#[test]
fn yaml_of_connections_is_what_was_meant() {
    let good = "\"a\":\n  conn_type: \"mysql\"\n  host: \"h\"\n  login: \"u\"\n  password: \"p\"\n  schema: \"db\"\n  port: 1\n  extra: \"{\\\"x\\\": \\\"y\\\"}\"\n";
    for (from, to, expected) in [
        ("\"h\"", "\"h\"", ""),
        ("\"h\"", "\"\u{e9}\"", "it is not ASCII"),
        ("\"h\"", "\"x\"", "entry 1, field host"),
        ("\"h\"", "h", "YAML at line 3"),
        ("\"h\"", "\"h", "YAML at line 3"),
        ("host: ", "host:", "YAML at line 3"),
        ("  host", " host", "YAML at line 3"),
        ("\"h\"", "\"h\"\n  host: \"h\"", "YAML at line 4"),
        ("\"a\":\n", "", "YAML at line 1"),
        ("\"a\":", "a:", "YAML at line 1"),
        ("\"a\":", "\"a\"", "YAML at line 1"),
        ("\"a\":", "\"a\": {}\n\"a\":", "YAML at line 2"),
        ("\"a\":", "\"b\": {}\n\"a\":", "the number of entries differs"),
        ("port: 1", "port: 2", "entry 1, field port"),
    ] {
        assert!(good.contains(from), "{from}");
        assert_eq!(problem_of(&good.replacen(from, to, 1), Format::Yaml, SECRET), expected, "{from} -> {to}");
    }
    let object = "\"a\":\n  extra: \"{\\\"n\\\": 1.5}\"\n";
    assert_eq!(problem_of(object, Format::Yaml, r#"{"extra": {"n": 1.50}}"#), "", "an object is a text in YAML");
    assert_eq!(problem_of("\"a\": {}\n", Format::Yaml, "{}"), "");
    assert_eq!(problem_of("{}\n", Format::Yaml, "{}"), "the number of entries differs");
    let none = || Expected::Connections(Format::Yaml, BTreeMap::new());
    assert_eq!(problem(b"{}\n", none(), AirflowTarget::V3), "");
    assert_eq!(problem(b"{}", none(), AirflowTarget::V3), "YAML at line 1");
}

#[test]
fn quotes_of_yaml_are_read_by_the_escapes_that_are_written() {
    for (quoted, expected) in [
        (r#""""#, Some("")),
        (r#""a b""#, Some("a b")),
        (r#""\n\r\t\"\\\x41\u0042\U00000043""#, Some("\n\r\t\"\\ABC")),
        (r#""\x412""#, Some("A2")),
        (r#"""#, None),
        (r#""a"#, None),
        (r#"a""#, None),
        (r#""a"b""#, None),
        (r#""\""#, None),
        (r#""\q""#, None),
        (r#""\x4""#, None),
        (r#""\x4g""#, None),
        (r#""\x+4""#, None),
        (r#""\u123""#, None),
        (r#""\ud800""#, None),
        (r#""\U00110000""#, None),
    ] {
        assert_eq!(unquote_yaml(quoted).as_deref(), expected, "{quoted}");
    }
    for (line, expected) in [
        (r#""a": "b""#, Some(("a", "b"))),
        (r#""a\": \"": "b""#, Some(("a\": \"", "b"))),
        (r#""a\\": "b""#, Some(("a\\", "b"))),
        (r#""": "b""#, Some(("", "b"))),
        (r#""a":"b""#, None),
        (r#""a": b"#, None),
        (r#""a"#, None),
        (r#"a": "b""#, None),
        ("", None),
    ] {
        let halves = yaml_halves(line);
        assert_eq!(halves.as_ref().map(|(key, value)| (&**key, &**value)), expected, "{line}");
    }
}

#[test]
fn texts_are_what_was_meant() {
    for (format, text, expected) in [
        (Format::Json, r#"{"a": "x", "b": "y"}"#, ""),
        (Format::Json, "{\"a\": \"\u{e9}\"}", "it is not ASCII"),
        (Format::Json, r#"{"a": "#, "JSON at byte 6"),
        (Format::Json, "[]", "the top is not an object"),
        (Format::Json, r#"{"a": "x", "b": 1}"#, "entry 2 is not text"),
        (Format::Json, r#"{"a": "x", "b": "\ud800"}"#, "JSON at byte 17"),
        (Format::Json, r#"{"\ud800": "x", "b": "y"}"#, "JSON at byte 2"),
        (Format::Json, r#"{"a": "x"}"#, "the number of entries differs"),
        (Format::Json, r#"{"a": "x", "b": "z"}"#, "entry 2 is another"),
        (Format::Json, r#"{"c": "x", "b": "y"}"#, "entry 1 is another"),
        (Format::Yaml, "\"a\": \"x\"\n\"b\": \"y\"\n", ""),
        (Format::Yaml, "\"a\": \"x\"\n\"b\": y\n", "YAML at line 2"),
        (Format::Yaml, "{}\n", "the number of entries differs"),
        (Format::Yaml, "{}", "YAML at line 1"),
        (Format::Env, "a=x\nb=y\n", ""),
        (Format::Env, "a=x\nb\n", ".env at line 2"),
        (Format::Env, "a=x\n=y\n", ".env at line 2"),
    ] {
        let meant = || BTreeMap::from([("a", "x"), ("b", "y")]);
        assert_eq!(problem(text.as_bytes(), Expected::Texts(format, meant()), AirflowTarget::V3), expected, "{text}");
    }
    assert_eq!(
        problem(b"a=x=y\n", Expected::Texts(Format::Env, BTreeMap::from([("a", "x=y")])), AirflowTarget::V3),
        ""
    );
    assert_eq!(problem(b"{}\n", Expected::Texts(Format::Yaml, BTreeMap::new()), AirflowTarget::V3), "");
}

#[test]
fn environment_variables_are_what_was_meant() {
    for (dialect, text, expected) in [
        (Dialect::List, "A=\u{e9} '\"\n", Ok(vec![("A", "\u{e9} '\"")])),
        (Dialect::List, "A\n", Err("line at line 1")),
        (Dialect::Env, "", Ok(vec![])),
        (Dialect::Env, "A=\nB=\u{e9}b\n", Ok(vec![("A", ""), ("B", "\u{e9}b")])),
        (Dialect::Env, "A='x \"$`\\\n'y\"z\"\n", Ok(vec![("A", "x \"$`\\\nyz")])),
        (Dialect::Env, r#"A="\"\\\$\`\q""#, Err("a line is not an assignment")),
        (Dialect::Env, "A=\"\\\"\\\\\\$\\`\\q'\"\n", Ok(vec![("A", "\"\\$`\\q'")])),
        (Dialect::Env, "A=\"$ $.$\"\n", Ok(vec![("A", "$ $.$")])),
        (Dialect::Env, "A=\"$x\"\n", Err("a line is not an assignment")),
        (Dialect::Env, "A=\"`\"\n", Err("a line is not an assignment")),
        (Dialect::Env, "A='x\n", Err("a line is not an assignment")),
        (Dialect::Env, "A=\"x\n", Err("a line is not an assignment")),
        (Dialect::Env, "A=x\nB\n", Err("a line is not an assignment")),
    ] {
        let pairs = |pairs: Vec<(&'static str, &'static str)>| -> Texts<'static> {
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
        };
        assert_eq!(variables(text.as_bytes(), dialect), expected.map(pairs).map_err(str::to_owned), "{text}");
    }
    for sign in " \t\\$`#&;()<>|".chars() {
        assert_eq!(words(&format!("A=x{sign}y\n")), None, "{sign:?}");
    }
    assert_eq!(variables(b"A=\xff\n", Dialect::List), Err("it is not UTF-8".to_owned()));
    let meant = || Expected::Lines(Dialect::Env, BTreeMap::from([("A".to_owned(), "x".to_owned())]));
    assert_eq!(problem(b"A=x\n", meant(), AirflowTarget::V3), "");
    assert_eq!(problem(b"A=y\n", meant(), AirflowTarget::V3), "entry 1 is another");
}

#[test]
fn uris_are_what_was_meant() {
    let good = format!("a={SECRET}\n");
    let bare = r#"{"conn_type": "x"}"#;
    for (text, secret, expected) in [
        (good.as_str(), SECRET, ""),
        ("a=\u{e9}\n", SECRET, "it is not ASCII"),
        ("", SECRET, "entries are missing"),
        (&good.repeat(2), SECRET, ".env at line 2"),
        ("b=mysql://u:p@h:1/db?x=y\n", SECRET, ".env at line 1"),
        ("a\n", SECRET, ".env at line 1"),
        ("a=\n", SECRET, ".env at line 1"),
        ("=x\n", SECRET, ".env at line 1"),
        ("a=postgres://u:p@h:1/db?x=y\n", SECRET, ".env at line 1"),
        ("a=mysql://v:p@h:1/db?x=y\n", SECRET, ".env at line 1"),
        ("a=mysql://u:q@h:1/db?x=y\n", SECRET, ".env at line 1"),
        ("a=mysql://u:p@i:1/db?x=y\n", SECRET, ".env at line 1"),
        ("a=mysql://u:p@h:2/db?x=y\n", SECRET, ".env at line 1"),
        ("a=mysql://u:p@h/db?x=y\n", SECRET, ".env at line 1"),
        ("a=mysql://u:p@h:1/dc?x=y\n", SECRET, ".env at line 1"),
        ("a=mysql://u:p@h:1/db?x=z\n", SECRET, ".env at line 1"),
        ("a=mysql://u:p@h:1/db\n", SECRET, ".env at line 1"),
        ("a={\"conn_type\": \"x\"}\n", bare, ".env at line 1"),
        // A URI has no way to say that there is none.
        ("a=x://\n", bare, ""),
        ("a=x://\n", r#"{"conn_type": "x", "host": "", "schema": ""}"#, ""),
        ("a=x://\n", r#"{"conn_type": "x", "host": 0}"#, ".env at line 1"),
        ("a=x://\n", r#"{"conn_type": "x", "schema": 0}"#, ".env at line 1"),
        ("a=x://?n=1\n", r#"{"conn_type": "x", "extra": {"n": "1"}}"#, ""),
    ] {
        assert_eq!(problem_of(text, Format::Env, secret), expected, "{text}");
    }
}

/// For a comparison, all forms of a connection have the same fields.
#[test]
fn entries_are_read_again_from_every_form() {
    let read = |bytes: &[u8], meant: Expected<'_>| entries_of(bytes, &meant);
    let connections = |format| Expected::Connections(format, BTreeMap::new());
    let fields = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let expected = Some(BTreeMap::from([("a".to_owned(), fields(&[("conn_type", "\"x\""), ("host", "\"h\"")]))]));
    assert_eq!(read(br#"{"a": {"conn_type": "x", "host": "h"}}"#, connections(Format::Json)), expected);
    assert_eq!(read(b"\"a\":\n  conn_type: \"x\"\n  host: \"h\"\n", connections(Format::Yaml)), expected);
    let mut of_uri = read(b"a=x://h\n", connections(Format::Env)).unwrap();
    of_uri.get_mut("a").unwrap().retain(|name, _| name != "schema");
    assert_eq!(Some(of_uri), expected);
    let texts = Some(BTreeMap::from([("a".to_owned(), fields(&[("", "x")]))]));
    assert_eq!(read(b"{\"a\": \"x\"}", Expected::Texts(Format::Json, BTreeMap::new())), texts);
    assert_eq!(read(b"a='x'\n", Expected::Lines(Dialect::Env, BTreeMap::new())), texts);
    assert_eq!(read(b"a=x\n", Expected::Anything), None);
    for format in [Format::Json, Format::Yaml, Format::Env] {
        assert_eq!(read(b"x", connections(format)), None);
        assert_eq!(read(b"x", Expected::Texts(format, BTreeMap::new())), None);
    }
}
