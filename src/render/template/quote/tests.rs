//! Values and how they are written. That each reader gives the value back is what tests/formats.rs proves with the readers.

use super::*;
use crate::python::json::loads;

#[test]
fn an_escape_has_one_name_and_the_target_tells_which() {
    let all = [
        Escape::None,
        Escape::Json,
        Escape::Yaml,
        Escape::Toml,
        Escape::Xml,
        Escape::Env,
        Escape::Shell,
        Escape::Properties,
    ];
    assert_eq!(Escape::NAMES.map(|(name, _)| Escape::of_name(name)), all.map(Some));
    assert_eq!(Escape::of_name("JSON"), None);
    for (target, expected) in [
        ("a.json", Escape::Json),
        ("a.JSON", Escape::Json),
        ("a.yaml", Escape::Yaml),
        ("a.yml", Escape::Yaml),
        ("a.toml", Escape::Toml),
        ("a.xml", Escape::Xml),
        ("a.env", Escape::Env),
        ("/x/.env", Escape::Env),
        ("a.sh", Escape::Shell),
        ("a.properties", Escape::Properties),
        ("a.txt", Escape::None),
        ("env", Escape::None),
        ("json", Escape::None),
    ] {
        assert_eq!(Escape::of_target(Path::new(target)), expected, "{target}");
    }
}

#[test]
fn data_is_written_as_json() {
    let nested = r#"{"a": [1, 1E+2, {"b": "c"}], "d": [], "e": {}, "f": [[true, null]]}"#;
    for (value, indent, expected) in [
        (nested, None, Ok(r#"{"a": [1, 100.0, {"b": "c"}], "d": [], "e": {}, "f": [[true, null]]}"#)),
        (
            r#"{"a": [1, {"b": 2}], "c": [], "d": {}}"#,
            Some(2),
            Ok("{\n  \"a\": [\n    1,\n    {\n      \"b\": 2\n    }\n  ],\n  \"c\": [],\n  \"d\": {}\n}"),
        ),
        ("[1]", Some(0), Ok("[\n1\n]")),
        ("1e400", None, Err("JSON has no NaN and no infinity")),
        ("[NaN]", None, Err("JSON has no NaN and no infinity")),
        (
            "\"\\u0000\\n\\r\\t\\\"\\\\ ~\u{7f}\u{80}\u{9f}\u{a0}\u{2028}\u{2029}\u{feff}\u{e9}\u{1f600}\"",
            None,
            Ok("\"\\u0000\\n\\r\\t\\\"\\\\ ~\\u007f\\u0080\\u009f\u{a0}\\u2028\\u2029\\ufeff\u{e9}\u{1f600}\""),
        ),
    ] {
        let data = loads(value).unwrap();
        assert_eq!(json(&data, indent), expected.map(str::to_owned), "{value}");
    }
}

#[test]
fn data_is_written_as_yaml_and_toml() {
    let null = "TOML has no null; give a default(\"...\", true), or ask with `is none`";
    let long = "TOML has no integers beyond 64 bits";
    for (value, in_yaml, in_toml) in [
        ("null", Ok("null"), Err(null)),
        ("[null]", Ok("[null]"), Err(null)),
        ("[true, false]", Ok("[true, false]"), Ok("[true, false]")),
        (
            r#"{"a": {"b c": [1, 2]}, "d": ""}"#,
            Ok(r#"{"a": {"b c": [1, 2]}, "d": ""}"#),
            Ok(r#"{"a" = {"b c" = [1, 2]}, "d" = ""}"#),
        ),
        ("-0", Ok("-0"), Ok("0")),
        ("9223372036854775807", Ok("9223372036854775807"), Ok("9223372036854775807")),
        ("9223372036854775808", Ok("9223372036854775808"), Err(long)),
        ("1.50", Ok("1.5"), Ok("1.5")),
        ("1e30", Ok("1.0e+30"), Ok("1e+30")),
        ("1.5e30", Ok("1.5e+30"), Ok("1.5e+30")),
        ("1e400", Ok(".inf"), Ok("inf")),
        ("-1e400", Ok("-.inf"), Ok("-inf")),
        ("NaN", Ok(".nan"), Ok("nan")),
        (
            r#""\u0001\n\r\t\"\\ ~\u007f\u00ff\u0100\ud83d\ude00""#,
            Ok(r#""\x01\n\r\t\"\\ ~\x7f\xff\u0100\U0001f600""#),
            Ok(r#""\u0001\n\r\t\"\\ ~\u007f\u00ff\u0100\U0001f600""#),
        ),
    ] {
        let data = loads(value).unwrap();
        let ours = |written: Result<String, Cannot>| written.map_err(str::to_owned);
        let owned = |expected: Result<&str, &str>| expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(ours(yaml(&data)), owned(in_yaml), "{value}");
        assert_eq!(ours(toml(&data)), owned(in_toml), "{value}");
    }
}

/// `None` where the format can't carry the text.
fn rows(write: impl Fn(&str) -> Result<String, Cannot>, expected: &[(&str, Option<&str>)]) {
    for (text, expected) in expected {
        assert_eq!(write(text).ok().as_deref(), *expected, "{text:?}");
    }
}

#[test]
fn texts_are_written_for_xml_and_shells() {
    let edge = "\u{fffd}\u{10000}";
    rows(
        xml,
        &[
            ("a &<>\"'~\t\n\r\u{7f}\u{e9}", Some("a &amp;&lt;&gt;&quot;&#39;~&#9;&#10;&#13;&#127;&#233;")),
            (edge, Some("&#65533;&#65536;")),
            ("\0", None),
            ("\u{1f}", None),
            ("\u{fffe}", None),
            ("\u{ffff}", None),
        ],
    );
    rows(
        shell,
        &[
            ("aZ9_@%+=:,./-", Some("aZ9_@%+=:,./-")),
            ("", Some("''")),
            ("a b", Some("'a b'")),
            ("it's", Some("'it'\"'\"'s'")),
            ("\u{e9}", Some("'\u{e9}'")),
            ("a\0", None),
        ],
    );
}

#[test]
fn texts_are_written_for_files_of_passwords_and_of_settings() {
    rows(
        pgpass,
        &[
            ("a:b\\c", Some("a\\:b\\\\c")),
            ("*", Some("\\*")),
            ("**", Some("**")),
            ("#a", Some("\\#a")),
            ("a#", Some("a#")),
            ("", None),
            ("a\n", None),
            ("a\r", None),
            ("a\0", None),
        ],
    );
    rows(
        netrc,
        &[
            ("a#'", Some("a#'")),
            ("", Some("\"\"")),
            ("#a", Some("\"#a\"")),
            ("a b", Some("\"a b\"")),
            ("\t", Some("\"\t\"")),
            ("\u{b}", Some("\"\u{b}\"")),
            ("\u{c}", Some("\"\u{c}\"")),
            ("\"\\", Some("\"\\\"\\\\\"")),
            ("a\n", None),
            ("a\r", None),
            ("a\0", None),
        ],
    );
    let both = [
        ("a #b", None),
        ("a\t;b", None),
        ("a;b #", None),
        (" a", None),
        ("a ", None),
        ("a\n", None),
        ("b\rc", None),
        ("b\0c", None),
        ("a b#c;d", Some("a b#c;d")),
        ("#a", Some("#a")),
        ("", Some("")),
    ];
    rows(|text| ini(text, false), &both);
    rows(|text| ini(text, true), &both);
    assert_eq!((ini("5%", false), ini("5%", true)), (Ok("5%".to_owned()), Ok("5%%".to_owned())));
    for (text, expected) in [
        ("a b", "a b"),
        (" a ", "\\ a\\u0020"),
        (" ", "\\u0020"),
        ("  ", "\\ \\u0020"),
        ("\\\n\r\t\u{c}", "\\\\\\n\\r\\t\\f"),
        ("#!=:", "\\#\\!\\=\\:"),
        ("~\u{7f}\u{e9}\u{1f600}", "~\\u007f\\u00e9\\ud83d\\ude00"),
    ] {
        assert_eq!(properties(text), expected, "{text:?}");
    }
}

#[test]
fn texts_are_written_for_env_files() {
    let (fits, too_long) = ("x".repeat(LONGEST_VARIABLE), "x".repeat(LONGEST_VARIABLE + 1));
    rows(
        dotenv,
        &[
            ("aZ9_./:@%+,=-", Some("aZ9_./:@%+,=-")),
            ("", Some("")),
            ("a b", Some("'a b'")),
            ("$a `b` \\c \"", Some("'$a `b` \\c \"'")),
            ("it's", Some("\"it's\"")),
            ("it's \\ \"", Some("\"it's \\\\ \\\"\"")),
            ("a\\", Some("\"a\\\\\"")),
            ("\\\\a", Some("\"\\\\\\\\a\"")),
            ("${A}", Some("'${A}'")),
            ("${A} '", Some("\"\\${A} '\"")),
            ("'$", Some("\"'$\"")),
            ("'$.", Some("\"'$.\"")),
            ("'$a", Some("\"'\\$a\"")),
            ("a\rb", Some("'a\rb'")),
            ("a\r'", Some("\"a\r'\"")),
            ("a\r\\", Some("\"a\r\\\\\"")),
            ("a\r\\\\", Some("'a\r\\\\'")),
            ("`\\\\", Some("'`\\\\'")),
            ("'`", None),
            ("`\\", None),
            ("a\0", None),
            (&fits, Some(&fits)),
            (&too_long, None),
        ],
    );
    let (fits, too_long) = ("x".repeat(LONGEST_LINE), "x".repeat(LONGEST_LINE + 1));
    rows(
        env_list,
        &[
            ("a\r'\"$ #", Some("a\r'\"$ #")),
            ("a\r", None),
            ("a\nb", None),
            ("a\0", None),
            (&fits, Some(&fits)),
            (&too_long, None),
        ],
    );
    for (text, expected) in [
        ("${A}", true),
        ("x${A:-b}", true),
        ("some text ${A}", true),
        ("${}", true),
        ("${A:b}", false),
        ("${A:-b", false),
        ("${A", false),
        ("$A}", false),
        ("${A ${B}", true),
    ] {
        assert_eq!(is_expanded_by_python(text), expected, "{text}");
    }
    for (text, expected) in [("", false), ("\\", true), ("\\\\", false), ("a\\\\\\", true), ("\\a", false)] {
        assert_eq!(ends_in_odd_backslashes(text), expected, "{text}");
    }
}
