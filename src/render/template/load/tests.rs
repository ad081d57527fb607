//! What is read of a template before anything is rendered. What is rendered: tests/templates/.

use super::*;

fn parse(text: &str) -> Result<Template, Vec<String>> {
    let mut mistakes = ConfigErrors::default();
    let template = Template::parse(Path::new("t.j2"), Path::new("t.json"), text.to_owned(), &mut mistakes);
    template.ok_or_else(|| mistakes.into_failure().lines().to_vec())
}

fn named(ids: &[&str]) -> Ask {
    Ask::Named(ids.iter().map(|id| (*id).to_owned()).collect())
}

#[test]
fn front_matter_is_yaml_between_two_lines_at_the_very_start() {
    let template =
        parse("---\nconn_ids: [a, b/c]\nmode: \"0600\" # a comment\nescape: none\nenv: [HOME]\n---\nbody {{ 1 }}")
            .unwrap();
    assert_eq!((template.body(), template.mode, template.escape), ("body {{ 1 }}", Some(0o600), Escape::None));
    assert_eq!((&template.needs[Kind::Connection], template.env), (&named(&["a", "b/c"]), vec!["HOME".to_owned()]));
    for (text, body) in [
        ("---\n---\n---\nkind: x\n", "---\nkind: x\n"),
        ("---\r\nconfigs: []\r\n---\r\nx", "x"),
        // No end, so no front matter.
        ("---\nkind: Secret\n", "---\nkind: Secret\n"),
        ("----\n---\n", "----\n---\n"),
        (" ---\n---\n", " ---\n---\n"),
        ("", ""),
    ] {
        assert_eq!(parse(text).unwrap().body(), body, "{text:?}");
    }
    assert_eq!(parse("x").unwrap().escape, Escape::Json, "by the target");
}

#[test]
fn what_a_template_uses_is_what_its_tags_mention() {
    let needs = |text: &str| Kind::ALL.map(|kind| parse(text).unwrap().needs[kind].clone());
    let (nothing, everything) = (Ask::Nothing, Ask::Everything);
    let none = [nothing.clone(), nothing.clone(), nothing.clone()];
    assert_eq!(needs("connections and variables {# {{ configs }} #}"), none);
    assert_eq!(needs("{{ my_connections is defined }} {{ 1 }} connections"), none);
    // minijinja's own analysis does not see these.
    assert_eq!(needs("{{ connections.a.password[:4] }}")[0], everything);
    assert_eq!(needs("{% if x %}{% for v in variables %}{% endfor %}{% endif %}")[1], everything);
    assert_eq!(
        needs("---\nconn_ids: [a]\n---\n{{ connections.a.host }}{{ configs.x }}"),
        [named(&["a"]), nothing, everything]
    );
}

#[test]
fn places_are_those_of_the_whole_file() {
    let template = parse("---\nmode: \"0400\"\n---\nfirst\n  é{{ 1 }}").unwrap();
    let tag = template.body().find("{{").unwrap();
    assert_eq!((template.place_of(tag), template.place_of(0), template.lines_before_body()), ((5, 4), (4, 1), 3));
}

#[test]
fn an_unknown_filter_is_shown_with_its_tag() {
    let unknown = parse("{{ 1 | nosuch }}").unwrap();
    let failure = engine::render(&unknown, 0, |_| indexmap::IndexMap::new(), |_, _| None).unwrap_err();
    assert!(
        failure.to_string().contains("there is no such filter; docs/TEMPLATES.md has them all; in `1 | nosuch`"),
        "{failure}"
    );
}

#[test]
fn modes_are_octal_and_keep_others_out() {
    for (text, mode) in [("0440", 0o440), ("600", 0o600), (" 0o640 ", 0o640)] {
        assert_eq!(parse_mode(text), Ok(mode));
    }
    for text in ["0444", "0999", "0040", "0750", "rw", "01777", ""] {
        assert!(parse_mode(text).is_err(), "{text}");
    }
}
