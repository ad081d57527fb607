//! YAML of the file store, read node by node: what readers of YAML disagree on is refused where it stands.
//!
//! Takes a document's text, gives its values: number tokens and the order of keys stay. A plain value is text, null, `true`, `false`, a whole number or a decimal fraction of at most
//! 15 digits. What else YAML 1.1 (PyYAML, which Airflow uses) or YAML 1.2 takes for something than text is an error: `0755`,
//! `1_000`, `1e5`, `12:30:45`, `yes`, `2024-01-31`. Anchors, aliases and tags are not read, keys stand once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::{Map, Number, Value};

/// A document nested deeper than this is not a dev stack's.
const MOST_LEVELS: usize = 100;
/// More digits are rounded by readers that keep floats.
const MOST_DIGITS: usize = 15;
/// The most mistakes that are worth reading at once.
const MOST_ERRORS: usize = 20;

/// Where something stands, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    line: usize,
    column: usize,
}

impl Position {
    fn of(span: &Span) -> Self {
        Self { line: span.start.line(), column: span.start.col() + 1 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} column {}", self.line, self.column)
    }
}

/// Reads a document.
///
/// # Errors
/// A line for each mistake: its place and what to do, never a value.
pub fn read(text: &str) -> Result<Value, Vec<String>> {
    let mut reader = YamlReader::default();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => reader.take(event, Position::of(&span)),
            Err(error) => {
                reader.errors.push(describe(text, &error));
                break;
            }
        }
        if reader.errors.len() >= MOST_ERRORS {
            break;
        }
    }
    if reader.errors.is_empty() { Ok(reader.root.unwrap_or_default()) } else { Err(reader.errors) }
}

/// A collection that has begun and not ended.
enum Open {
    List(Vec<Value>),
    Mapping { entries: Map<String, Value>, key: Option<String>, lines: BTreeMap<String, usize> },
}

#[derive(Default)]
struct YamlReader {
    open: Vec<Open>,
    root: Option<Value>,
    errors: Vec<String>,
}

impl YamlReader {
    fn take(&mut self, event: Event<'_>, at: Position) {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_properties(anchor, tag.is_some(), at);
                if let Some(Open::Mapping { key: key @ None, lines, .. }) = self.open.last_mut() {
                    match lines.entry(text.to_string()) {
                        Entry::Occupied(first) => self.errors.push(format!(
                            "{at}: this key stands in line {} of the mapping already: keep one",
                            first.get()
                        )),
                        Entry::Vacant(place) => drop(place.insert(at.line)),
                    }
                    *key = Some(text.into_owned());
                    return;
                }
                let node = if style == ScalarStyle::Plain { plain(&text) } else { Ok(text.into_owned().into()) };
                let node = node.unwrap_or_else(|problem| {
                    self.errors.push(format!("{at}: {problem}"));
                    Value::Null
                });
                self.add(node, at);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_properties(anchor, tag.is_some(), at);
                self.start(Open::List(Vec::new()), at);
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_properties(anchor, tag.is_some(), at);
                self.start(Open::Mapping { entries: Map::new(), key: None, lines: BTreeMap::new() }, at);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let node = match self.open.pop() {
                    Some(Open::List(items)) => Value::Array(items),
                    Some(Open::Mapping { entries, .. }) => Value::Object(entries),
                    None => return,
                };
                self.add(node, at);
            }
            Event::Alias(_) => {
                self.errors.push(format!("{at}: {ALIAS}"));
                self.add(Value::Null, at);
            }
            _ => {}
        }
    }

    fn start(&mut self, collection: Open, at: Position) {
        if let Some(Open::Mapping { key: None, .. }) = self.open.last() {
            self.errors.push(format!("{at}: a key must be text"));
        }
        if self.open.len() == MOST_LEVELS {
            self.errors.push(format!("{at}: nested more than {MOST_LEVELS} levels deep"));
        }
        self.open.push(collection);
    }

    fn add(&mut self, node: Value, at: Position) {
        match self.open.last_mut() {
            None if self.root.is_some() => self.errors.push(format!("{at}: a second document; keep one")),
            None => self.root = Some(node),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Mapping { entries, key, .. }) => match key.take() {
                Some(key) => drop(entries.insert(key, node)),
                // A key that is no text, which is an error already.
                None => *key = Some(String::new()),
            },
        }
    }

    fn refuse_properties(&mut self, anchor: usize, has_tag: bool, at: Position) {
        if anchor != 0 {
            self.errors.push(format!(
                "{at}: & makes an anchor, which is not read here; put a text that begins with & in quotes"
            ));
        }
        if has_tag {
            self.errors
                .push(format!("{at}: ! makes a tag, which is not read here; put a text that begins with ! in quotes"));
        }
    }
}

const ALIAS: &str =
    "* is an alias, which is not read here; put a text that begins with * in quotes, or write the value out";

/// What a plain value is.
fn plain(text: &str) -> Result<Value, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_whole = are_digits(whole) && (whole == "0" || !whole.starts_with('0'));
    if is_whole && fraction.is_none_or(are_digits) && whole.len() + fraction.map_or(0, str::len) <= MOST_DIGITS {
        return Ok(Value::Number(Number::from_string_unchecked(text.to_owned())));
    }
    if ["yes", "no", "on", "off"].iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Err(
            "true or false for some readers of YAML (Airflow's too), text for others: put it in quotes, or write true or false",
        );
    }
    if is_date(text) {
        return Err("a date for some readers of YAML (Airflow's too), text for others: put it in quotes");
    }
    if is_like_a_number(text) {
        return Err(
            "a number that readers of YAML disagree on (a zero at the start, octal, hexadecimal, _, :, an exponent, more than 15 \
             digits): put it in quotes",
        );
    }
    Ok(text.into())
}

/// `2024-01-31`, with a time or without (yaml.org/type/timestamp.html).
fn is_date(text: &str) -> bool {
    let date = text.split(['T', 't', ' ', '\t']).next().unwrap_or_default();
    let parts: Vec<&str> = date.split('-').collect();
    let is_number =
        |part: &&str, lengths: &[usize]| lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    matches!(parts.as_slice(), [year, month, day] if is_number(year, &[4]) && is_number(month, &[1, 2]) && is_number(day, &[1, 2]))
}

/// What YAML 1.1 or 1.2 takes for a number (yaml.org/type/int.html, float.html; YAML 1.2.2, 10.3.2).
fn is_like_a_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if [".inf", ".nan"].iter().any(|word| word.eq_ignore_ascii_case(unsigned)) {
        return true;
    }
    let of = |prefix: &str, is_digit: fn(&u8) -> bool| {
        unsigned
            .strip_prefix(prefix)
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b == b'_' || is_digit(&b)))
    };
    if of("0x", u8::is_ascii_hexdigit) || of("0o", u8::is_ascii_digit) || of("0b", u8::is_ascii_digit) {
        return true;
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let is_exponent = |text: &str| {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    };
    let starts = mantissa.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    starts
        && mantissa.bytes().any(|b| b.is_ascii_digit())
        && mantissa.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'_' | b':' | b'.'))
        && mantissa.matches('.').count() <= 1
        && exponent.is_none_or(is_exponent)
}

/// What stops the reader, without the words of the parser: they could hold a value.
fn describe(text: &str, error: &ScanError) -> String {
    let marker = error.marker();
    let at = Position { line: marker.line(), column: marker.col() + 1 };
    let problem = match text.chars().nth(marker.index()) {
        Some('@' | '`' | '%') => "no text begins with @, ` or % in YAML: put it in quotes",
        Some('*') => ALIAS,
        Some('\t') => "a tab stands where YAML wants spaces",
        _ => "not YAML; a text with `: ` or ` #` in it, or one that begins with a sign, needs quotes",
    };
    format!("{at}: {problem}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Result<String, Vec<String>> {
        read(text).map(|node| node.to_string())
    }

    #[test]
    fn what_every_reader_reads_alike_is_read() {
        for (text, expected) in [
            ("", "null"),
            (
                "a: 1\nb: -0.50\nc: text\nd: '012'\ne: \"0755\"\nf:\n",
                r#"{"a":1,"b":-0.50,"c":"text","d":"012","e":"0755","f":null}"#,
            ),
            ("z: 1\na: [true, ~, {b: c}]", r#"{"z":1,"a":[true,null,{"b":"c"}]}"#),
            ("a: 123456789012345", r#"{"a":123456789012345}"#),
            (
                "a: postgres://h:5432/db\nb: 10.0.0.1\nc: v1e5\nd: 1-2\ne: 3rd\nh: e5",
                r#"{"a":"postgres://h:5432/db","b":"10.0.0.1","c":"v1e5","d":"1-2","e":"3rd","h":"e5"}"#,
            ),
            ("a: |\n  -----BEGIN\n  x\n", r#"{"a":"-----BEGIN\nx\n"}"#),
            ("123: x\nyes: y", r#"{"123":"x","yes":"y"}"#),
        ] {
            assert_eq!(json(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_readers_disagree_on_is_refused_at_its_place() {
        for number in [
            "012345678901",
            "0755",
            "0o17",
            "0x1F",
            "0b11",
            "1_000",
            "12:30:45",
            "1e5",
            "1.5E-3",
            "1234567890123456",
            "+1",
            "1.",
            ".5",
            ".inf",
            "-.INF",
            ".nan",
            "00",
        ] {
            let errors = json(&format!("a:\n  b: {number}\n")).unwrap_err();
            assert!(
                errors.len() == 1
                    && errors[0].starts_with("line 2 column 6: a number that readers of YAML disagree on"),
                "{errors:?}"
            );
        }
        for (text, words) in [
            ("a: yes", "line 1 column 4: true or false for some"),
            ("a: OFF", "true or false for some"),
            ("a: 2024-01-31", "a date for some"),
            ("a: 2024-1-31 10:00:00", "a date for some"),
            ("a: 1\nb: 2\na: canary", "line 3 column 1: this key stands in line 1"),
            ("a: {b: 1, b: canary}", "this key stands in line 1"),
            ("a: @canary", "no text begins with @"),
            ("a: %canary", "no text begins with @, ` or %"),
            ("a: `canary", "no text begins with @"),
            ("a: &canary x", "& makes an anchor"),
            ("a: &x 1\nb: *x", "& makes an anchor"),
            ("a: !canary x", "! makes a tag"),
            ("a: *canary", "* is an alias"),
            ("? [canary]\n: x", "a key must be text"),
            ("a: b: canary", "needs quotes"),
            ("a: \"canary", "line "),
            ("a: 1\n---\nb: canary", "a second document"),
        ] {
            let errors = json(text).unwrap_err();
            assert!(errors.iter().any(|error| error.contains(words)), "{text}: {errors:?}");
            assert!(errors.iter().all(|error| error.starts_with("line ") && !error.contains("canary")), "{errors:?}");
        }
        // All at once.
        assert_eq!(json("a: yes\nb: 0755\nc: 1\nc: 2\n").unwrap_err().len(), 3);
        assert!(json(&format!("a: {}{}", "[".repeat(200), "]".repeat(200))).is_err());
    }
}
