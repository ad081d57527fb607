//! Tests of the conversion as a whole.

use proptest::prelude::*;

use super::test_rows::ROWS;
use super::uri_write::to_uri;
use crate::airflow::invalid::*;
use crate::airflow::secret::*;
use crate::airflow::versions::*;
use crate::model::connection::*;
use crate::python::json::{Json, JsonErrorKind, MAX_DEPTH, dumps, loads, raw_ascii};
use crate::python::number::{IntError, Number, py_int, py_int_of_float_token};
use crate::python::str::{py_strip, quote, quote_plus, unquote, unquote_plus};
use indexmap::IndexMap;

const TARGETS: [AirflowTarget; 3] = [AirflowTarget::V2, AirflowTarget::V3, AirflowTarget::V3QueryJson];

fn rules(target: AirflowTarget) -> Rules {
    Rules { target, extra_conn_words: IndexMap::new(), urlencoded: false }
}

fn convert(text: &str, target: AirflowTarget) -> Result<Connection, Invalid> {
    from_secret(text, &rules(target))
}

/// A connection in the notation of [`ROWS`]: the extra is the text that Airflow then holds.
fn show(connection: &Connection) -> String {
    let shown = |(field, value): (Field, &Json)| match field {
        Field::ConnType => format!("type={}", raw_ascii(value)),
        Field::Password => format!("pw={}", raw_ascii(value)),
        Field::Extra => format!("extra={}", raw_ascii(&Json::from(&*value.to_text()))),
        _ => format!("{field}={}", raw_ascii(value)),
    };
    // The rows have the port before the schema.
    let mut fields: Vec<(Field, &Json)> = connection.fields().collect();
    fields.sort_by_key(|(field, _)| *field == Field::Extra || *field == Field::Schema);
    fields.sort_by_key(|(field, _)| *field == Field::Extra);
    fields.into_iter().map(shown).collect::<Vec<_>>().join(" ")
}

fn shown(text: &str, target: AirflowTarget) -> String {
    convert(text, target).map_or_else(|_| "invalid".to_owned(), |connection| show(&connection))
}

#[test]
fn gives_what_airflow_gives() {
    for (name, secret, v2, v3, v3_query_json) in ROWS {
        for (target, expected) in TARGETS.into_iter().zip([v2, v3, v3_query_json]) {
            assert_eq!(&shown(secret, target), expected, "{name} for {target:?}");
        }
    }
}

#[test]
fn keeps_numbers_of_extras_as_written() {
    let secret = r#"{"extra": {"a": 1.0, "b": 1e5, "c": 1E400, "f": 0.10, "h": -0}}"#;
    let extra = |secret, target| raw_ascii(convert(secret, target).unwrap().get(Field::Extra).unwrap());
    assert_eq!(extra(secret, AirflowTarget::V3), r#"{"a": 1.0, "b": 1e5, "c": 1E400, "f": 0.10, "h": -0}"#);
    let query = "x://h?a=1e5&b=%220%22&c=no";
    assert_eq!(extra(query, AirflowTarget::V3QueryJson), r#"{"a": 1e5, "b": "0", "c": "no"}"#);
}

#[test]
fn an_empty_query_object_is_text() {
    for target in TARGETS {
        assert_eq!(convert("x://h?&", target).unwrap().text(Field::Extra), Some("{}"));
    }
}

#[test]
fn more_words_extend_the_fields() {
    let mut rules = rules(AirflowTarget::V3);
    rules.extra_conn_words.insert(Field::Host, vec!["url".to_owned(), "login".to_owned()]);
    let connection = from_secret(r#"{"login": "both", "url": "x", "host": "y"}"#, &rules).unwrap();
    assert_eq!(show(&connection), r#"host="both" login="both""#);
    let connection = from_secret(r#"{"other": "x", "url": "y"}"#, &rules).unwrap();
    assert_eq!(show(&connection), r#"host="y""#);
}

/// Expected values: `urlsplit` of CPython 3.11.7.
#[test]
fn brackets_hold_an_address_or_a_later_ip_version() {
    const TAKEN: &str = "v1.a:b vFf.x :: ::1 1:: 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 1::3:4:5:6:7:8 ::ffff:1.2.3.4 \
                         1:2:3:4:5:6:1.2.3.4 fe80::1%eth0 ::%0 0:0:0:0:0:0:0:0";
    const REFUSED: &str = "v1. v.a vG.a v1 1.a 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 1:2:3:4::6:7:8:9 ::1:2:3:4:5:6:7:8 1::2::3 ::: :1::2 \
                           1::2: :1 1: 1:2 : 12345:: g:: 1:2:3:4:5:6:7:1.2.3.4 ::1.2.3 ::1.2.3.4.5 ::1.2.3.256 ::01.2.3.4 ::1.2.3. \
                           1.2.3.4 ::1.2.3.4:5 fe80::1% fe80::1%a%b %eth0 :1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:8: 1:2:3:4:5:6:7: \
                           :2:3:4:5:6:7:8 1:2:3:4:5:6:7:8:9:a ::1.2.3.00 ::.1.2.3 1::2:3:4:5:6:7:8";
    for (hosts, is_taken) in [(TAKEN, true), (REFUSED, false)] {
        for host in hosts.split_whitespace() {
            let read = convert(&format!("http://[{host}]/"), AirflowTarget::V3);
            assert_eq!(read.is_ok(), is_taken, "{host}");
            assert!(is_taken || matches!(read.unwrap_err().reason, Reason::NotIpv6 { in_host: true }), "{host}");
        }
    }
}

#[test]
fn hosts_beyond_ascii_may_have_a_user_and_a_port() {
    assert_eq!(
        shown("x://u:p@h\u{e9}:80/", AirflowTarget::V2),
        r#"type="x" host="h\u00e9" login="u" pw="p" port=80 schema="""#
    );
    for separator in ['\u{2100}', '\u{ff0f}', '\u{ff1a}', '\u{ff20}', '\u{ff03}', '\u{ff1f}'] {
        let invalid = convert(&format!("x://h{separator}/"), AirflowTarget::V2).unwrap_err();
        assert_eq!(invalid.reason, Reason::HostCharacters);
    }
}

#[test]
fn ports_are_whole_numbers_of_up_to_4300_digits() {
    let (most, more) = ("0".repeat(4300), "0".repeat(4301));
    let port = |text: &str| convert(text, AirflowTarget::V2).map(|connection| connection.port().map(str::to_owned));
    assert_eq!(port(&format!("x://h:{most}/")), Ok(Some("0".to_owned())));
    assert_eq!(port(&format!("x://h:{more}/")), Err(Invalid::field(Field::Port, Reason::Port(IntError::TooLong))));
    // Beyond what a float holds.
    assert_eq!(port(r#"{"port": 9007199254740993}"#), Ok(Some("9007199254740993".to_owned())));
    assert_eq!(port(r#"{"port": 9007199254740993.0}"#), Ok(Some("9007199254740992".to_owned())));
}

#[test]
fn decodes_percent_escapes_when_told_to() {
    let mut rules = rules(AirflowTarget::V2);
    rules.urlencoded = true;
    let found = |text: &str| from_secret(text, &rules).map_or("invalid".to_owned(), |connection| show(&connection));
    assert_eq!(found(r#"{"password": "a%20b+c%zz%ff", "port": "54%33%32"}"#), r#"pw="a b+c%zz\ufffd" port=5432"#);
    assert_eq!(found(r#"{"extra": {"a": "%20"}}"#), r#"extra="{\"a\": \"%20\"}""#);
    assert_eq!(found(r#"{"extra": "%7B%7D"}"#), r#"extra="{}""#);
    assert_eq!(found(r#"{"host": null, "login": "%5"}"#), r#"login="%5""#);
    assert_eq!(found(r#"{"port": 5432}"#), "invalid");
    assert_eq!(found(r#"{"extra": [1]}"#), "invalid");
    assert_eq!(found(r#"{"host": {}}"#), "invalid");
}

/// Airflow finds some of these connections, docs/COMPATIBILITY.md says which.
#[test]
fn json_with_a_lone_surrogate_is_invalid() {
    let lone = Reason::Json(JsonErrorKind::LoneSurrogate);
    for target in TARGETS {
        for (text, place) in [
            (r#"{"login": "\ud800"}"#, InvalidPlace::Byte(11)),
            (r#"{"host": "h", "comment": "a\udc00"}"#, InvalidPlace::Byte(27)),
            (r#"{"\ud83d\ud83d\ude00": 1, "b": "\ud800"}"#, InvalidPlace::Byte(2)),
            (r#"{"extra": {"a": [{"\ud800": 1}]}}"#, InvalidPlace::Byte(19)),
            (r#"{"extra": "{\"a\": \"\\ud800\"}"}"#, InvalidPlace::FieldByte(Field::Extra, 7)),
            ("x://?__extra__=%22%5Cud800%22", InvalidPlace::FieldByte(Field::Extra, 1)),
        ] {
            assert_eq!(convert(text, target), Err(Invalid { reason: lone, place }), "{text}");
        }
        // What is no JSON at all is that first.
        let broken = convert(r#"{"login": "\ud800", oops"#, target).unwrap_err();
        assert!(matches!(broken.reason, Reason::Json(JsonErrorKind::Syntax(_))), "{broken}");
    }
    let query = convert("x://h?a=1&b=%22%5Cud800%22", AirflowTarget::V3QueryJson);
    assert_eq!(query, Err(Invalid { reason: lone, place: InvalidPlace::QueryValue(2, 1) }));
    assert_eq!(shown(r#"{"extra": "{\"\\ud800\", oops"}"#, AirflowTarget::V2), r#"extra="{\"\\ud800\", oops""#);
}

#[test]
fn refuses_what_poisons_the_file() {
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let long = "9".repeat(4301);
    for target in TARGETS {
        for text in [
            format!(r#"{{"extra": {{"a": {}}}}}"#, deep(499)),
            format!(r#"{{"extra": "{{\"a\": {}}}"}}"#, deep(500)),
            format!("x://?__extra__=%7B%22a%22:{}%7D", deep(500)),
            format!(r#"{{"extra": {{"a": {long}}}}}"#),
            format!(r#"{{"unknown": {long}}}"#),
            format!("x://h:{long}"),
        ] {
            assert_eq!(shown(&text, target), "invalid");
        }
        assert_ne!(shown(&format!(r#"{{"extra": {{"a": {}}}}}"#, deep(498)), target), "invalid");
    }
    assert_ne!(shown(&format!("x://?n={long}"), AirflowTarget::V3), "invalid");
    assert_eq!(shown(&format!("x://?n={long}"), AirflowTarget::V3QueryJson), "invalid");
    assert_eq!(shown(&format!("x://?n={}", deep(501)), AirflowTarget::V3QueryJson), "invalid");
}

#[test]
fn messages_name_the_place_and_no_content() {
    for (text, expected) in [
        (
            "{\"password\": hunter2}",
            "secret, byte 13: the JSON cannot be read: a value is expected; \
             correct the JSON of the secret",
        ),
        (
            "mysql://u:hunter2/x@h/db",
            "field `port`: the value is not a valid port: it is not an integer; correct the port; \
             in a URI, percent-encode `/`, `#`, `?`, `[` and `]` in the user and password",
        ),
        (
            "{\"login\": 12345}",
            "field `login`: the value is a number, but Airflow needs a string; put the value in double quotes",
        ),
        (
            " \n",
            "secret: the secret is blank; \
             put a connection URI or a JSON object into the secret, or delete it",
        ),
    ] {
        assert_eq!(convert(text, AirflowTarget::V3).unwrap_err().to_string(), expected);
    }
    let digits = format!("x://h?a=1&b=+{}", "9".repeat(4301));
    let invalid = convert(&digits, AirflowTarget::V3QueryJson).unwrap_err();
    assert!(invalid.to_string().starts_with("value 2 of the URI query, byte 1: "), "{invalid}");
}

#[test]
fn debug_output_holds_no_content() {
    let json = r#"{"host": "hunter2", "login": "hunter2", "password": "hunter2", "conn_type": "hunter2",
        "schema": "hunter2", "port": 54321, "extra": {"hunter2": ["hunter2", 54321]}}"#;
    for text in [json, "hunter2://hunter2:hunter2@hunter2:54321/hunter2?hunter2=hunter2"] {
        let debug = format!("{:?}", convert(text, AirflowTarget::V3).unwrap());
        assert!(!debug.contains("hunter2") && !debug.contains("54321"), "{debug}");
        assert!(debug.starts_with("Connection { form: ") && debug.contains("(Password, a string)"), "{debug}");
    }
    for (text, expected) in [
        (json, "an object"),
        ("[\"hunter2\", 1]", "an array"),
        ("54321", "a number"),
        ("\"hunter2\"", "a string"),
        ("true", "a boolean"),
    ] {
        assert_eq!(format!("{:?}", loads(text).unwrap()), expected);
    }
}

#[test]
fn json_is_that_of_python() {
    for (text, expected) in [
        ("1e16", "1e+16"),
        ("123456789012345.6", "123456789012345.6"),
        ("1e15", "1000000000000000.0"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("1e-7", "1e-07"),
        ("1E400", "Infinity"),
        ("-1e400", "-Infinity"),
        ("NaN", "NaN"),
        ("-0.0", "-0.0"),
        ("-0", "0"),
        ("1e-400", "0.0"),
        // A tie between two shortest forms.
        ("2.98023223876953125e-08", "2.9802322387695312e-08"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        (r#""\ud83d\ude00\u00e9\/""#, r#""\ud83d\ude00\u00e9/""#),
        ("\"\u{7f}\u{1f600}\"", r#""\u007f\ud83d\ude00""#),
        (r#"{"a":1,"b":[],"a":{}}"#, r#"{"a": {}, "b": []}"#),
        (" [ 1 , 2 ] ", "[1, 2]"),
    ] {
        assert_eq!(dumps(&loads(text).unwrap()), expected, "{text}");
    }
    for (text, offset) in [
        ("", 0),
        ("01", 1),
        ("1.", 1),
        ("1e", 1),
        ("[1e+]", 2),
        ("-", 0),
        ("+1", 0),
        ("[1,]", 3),
        ("{\"a\":1,}", 7),
        ("{'a':1}", 1),
        ("\"a\nb\"", 2),
        ("\"\\x\"", 1),
        ("\"abc", 0),
        ("{} x", 3),
        ("\u{feff}{}", 0),
        ("\u{a0}1", 0),
        ("nul", 0),
        ("[\"\u{e9}\" 1]", 6),
    ] {
        let error = loads(text).unwrap_err();
        assert!(matches!(error.kind, JsonErrorKind::Syntax(_)), "{text}");
        assert_eq!(error.offset, offset, "{text}");
    }
    let digits = "9".repeat(4301);
    let kind = |text: &str| loads(text).unwrap_err().kind;
    assert_eq!(kind(&format!("[{digits}, oops")), JsonErrorKind::IntegerTooLong);
    assert!(matches!(kind(&format!("[oops, {digits}")), JsonErrorKind::Syntax(_)));
    assert!(loads(&format!("{digits}.0")).is_ok());
    assert!(loads(&format!("-{}", "9".repeat(4300))).is_ok());
    assert_eq!(kind(&"[".repeat(MAX_DEPTH + 1)), JsonErrorKind::TooDeep);
}

#[test]
fn strings_are_those_of_python() {
    assert_eq!(py_strip("\u{1c}\u{3000} a\u{feff}\u{85}"), "a\u{feff}");
    for (text, expected) in [
        (" 5_4 ", Ok("54")),
        ("\u{0665}\u{ff19}", Ok("59")),
        ("-007", Ok("-7")),
        ("-0", Ok("0")),
        ("\u{2003}1", Ok("1")),
        ("1__0", Err(IntError::NotAnInteger)),
        ("_1", Err(IntError::NotAnInteger)),
        ("1_", Err(IntError::NotAnInteger)),
        ("- 1", Err(IntError::NotAnInteger)),
        ("\u{1f}1", Err(IntError::NotAnInteger)),
        ("\u{b2}", Err(IntError::NotAnInteger)),
        ("", Err(IntError::NotAnInteger)),
        (&"0".repeat(4301), Err(IntError::TooLong)),
        (&"0".repeat(4300), Ok("0")),
    ] {
        let found = py_int(text);
        assert_eq!(found.as_deref().map_err(|error| *error), expected, "{text}");
    }
    assert_eq!(py_int_of_float_token("-5432.7").as_deref(), Ok("-5432"));
    assert_eq!(py_int_of_float_token("-0.5").as_deref(), Ok("0"));
    assert_eq!(py_int_of_float_token("1e30").as_deref(), Ok("1000000000000000019884624838656"));
    assert!(py_int_of_float_token("NaN").is_err() && py_int_of_float_token("1e999").is_err());
    assert_eq!(unquote("%E4%B8%AD%e4%b8\u{e9}%ad%+%4"), "\u{4e2d}\u{fffd}\u{e9}\u{fffd}%+%4");
    assert_eq!(unquote("%41\u{e9}%c3%%41%ed%a0%80"), "A\u{e9}\u{fffd}%A\u{fffd}\u{fffd}\u{fffd}");
    assert_eq!(unquote_plus("a+b%2B"), "a b+");
    assert_eq!(quote("aZ0-._~ /%+\u{e9}"), "aZ0-._~%20%2F%25%2B%C3%A9");
    assert_eq!(quote_plus("a %20+"), "a+%2520%2B");
}

#[test]
fn uris_come_back() {
    for (secret, expected) in [
        ("postgresql://u:p%40@Host:5432/Db", "postgres://u:p%40@host:5432/Db"),
        ("Google-Cloud-Platform://", "google-cloud-platform://"),
        (r#"{"host": "H/x", "port": 1}"#, "//%48%2Fx:1"),
        (r#"{"conn_type": "http", "host": "http://Api"}"#, "http://http%3A%2F%2F%41pi"),
        (r#"{"conn_type": "aws", "extra": {"a": 1e5}}"#, "aws:///?__extra__=%7B%22a%22%3A%20100000.0%7D"),
        ("{}", "//"),
    ] {
        let connection = convert(secret, AirflowTarget::V2).unwrap();
        assert_eq!(to_uri(&connection).as_deref(), Some(expected), "{secret}");
    }
    for secret in [
        r#"{"password": "p"}"#,
        r#"{"port": 70000}"#,
        r#"{"conn_type": "My Type"}"#,
        r#"{"conn_type": "Postgres"}"#,
        r#"{"host": 0}"#,
    ] {
        assert_eq!(to_uri(&convert(secret, AirflowTarget::V2).unwrap()), None, "{secret}");
    }
}

/// Text made of the pieces that decide something in a URI.
fn uri_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "://",
            "/",
            "?",
            "#",
            "@",
            ":",
            "[",
            "]",
            "%2F",
            "%ff",
            "&",
            "=",
            "mysql",
            "http",
            "::1",
            "80",
            "__extra__",
            "{\"a\":1e5}",
            "\t",
            "\u{e9}",
            "\u{2100}",
            "+",
            "User",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,3}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// JSON text, as a tree that is written by hand so that escapes and number forms vary.
fn json_like() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "false",
            "0",
            "-0",
            "1.50",
            "1e5",
            "1E400",
            "NaN",
            "-Infinity",
            "\"\"",
            "\"\\ud83d\\ude00\"",
            "\"5432\"",
            "5432",
        ])
        .prop_map(str::to_owned),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(|x| format!("{x:e}")),
        any::<String>().prop_map(|text| raw_ascii(&Json::String(text.into()))),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = prop::sample::select(vec!["login", "password", "host", "port", "schema", "conn_type", "extra", "a"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::vec((key, inner), 0..5).prop_map(|entries| {
                let entries: Vec<String> = entries.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

fn some_secret() -> impl Strategy<Value = String> {
    prop_oneof![uri_like(), json_like(), any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn never_panics(text in some_secret(), urlencoded: bool) {
        for target in TARGETS {
            let mut rules = rules(target);
            rules.urlencoded = urlencoded;
            let _ = from_secret(&text, &rules).map_err(|error| error.to_string());
        }
    }

    #[test]
    fn json_stays_the_same(text in json_like()) {
        let value = loads(&text).unwrap();
        let dumped = dumps(&value);
        prop_assert!(dumped.is_ascii());
        prop_assert_eq!(&dumps(&loads(&dumped).unwrap()), &dumped);
        let raw = raw_ascii(&value);
        prop_assert!(raw.is_ascii());
        prop_assert!(loads(&raw).unwrap() == value);
    }

    #[test]
    fn written_uris_read_the_same(text in some_secret()) {
        let Ok(connection) = convert(&text, AirflowTarget::V2) else { return Ok(()) };
        let Some(uri) = to_uri(&connection) else { return Ok(()) };
        prop_assert!(uri.bytes().all(|byte| (0x21..0x7f).contains(&byte)));
        let again = convert(&uri, AirflowTarget::V2).unwrap();
        prop_assert_eq!(to_uri(&again), Some(uri));
        for field in [Field::Login, Field::Password, Field::Port] {
            prop_assert_eq!(again.get(field), connection.get(field));
        }
    }

    #[test]
    fn connections_of_uris_can_be_written(
        login in any::<String>(), password in "\\PC{1,9}", host in "[a-z0-9.]{0,9}",
        schema in any::<String>(), extra in any::<String>(), port: Option<u16>,
    ) {
        let connection = Connection::new(SecretForm::Uri, [
            (Field::ConnType, Some(Json::from("my_sql"))),
            (Field::Host, Some(Json::String(host.into()))),
            (Field::Login, Some(Json::String(login.into()))),
            (Field::Password, Some(Json::String(password.into()))),
            (Field::Schema, Some(Json::String(schema.into()))),
            (Field::Port, port.map(|port| Json::Number(Number::of_integer(port.to_string())))),
            (Field::Extra, Some(Json::String(extra.into()))),
        ]);
        let uri = to_uri(&connection);
        prop_assert!(uri.is_some());
        prop_assert!(convert(&uri.unwrap_or_default(), AirflowTarget::V2) == Ok(connection));
    }

    #[test]
    fn a_false_json_value_is_never_an_extra(text in json_like()) {
        if let Ok(connection) = convert(&format!("{{\"extra\": {text}}}"), AirflowTarget::V2) {
            prop_assert!(connection.get(Field::Extra).is_none_or(Json::is_truthy));
        }
    }
}
