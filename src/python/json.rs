//! Python's `json.loads` and `json.dumps`.
//!
//! Takes the text of a JSON document, gives a tree that keeps number tokens as they were written,
//! or the place and kind of the first error that Python meets. Errors hold no content of the
//! input. Rules: `CPython` 3.11 `Modules/_json.c` and `Lib/json/{decoder,encoder}.py`, default
//! (strict) settings.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use super::dict::Dict;
use super::number::{MAX_INT_DIGITS, Number};
use super::plain::plain_words;

/// How deep arrays and objects may be nested.
///
/// Airflow raises `RecursionError` near 970, depending on where it is called from; 500 is on the
/// safe side everywhere.
pub const MAX_DEPTH: usize = 500;

/// The entries of a JSON object, in order.
pub type Object<'a> = Dict<'a, Value<'a>>;

/// A JSON document that owns its texts.
pub type Json = Value<'static>;

/// A JSON document as `json.loads` reads it: a secret or a part of one. Texts without an escape may be those of the document.
#[derive(Clone, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    /// A number, with `NaN`, `Infinity` and `-Infinity`.
    Number(Number),
    String(Cow<'a, str>),
    Array(Vec<Value<'a>>),
    Object(Object<'a>),
}

impl Value<'_> {
    /// The same with texts of its own.
    pub fn into_owned(self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Number(number) => Json::Number(number),
            Self::String(text) => Json::String(text.into_owned().into()),
            Self::Array(items) => Json::Array(items.into_iter().map(Value::into_owned).collect()),
            Self::Object(entries) => {
                let owned = entries.into_iter().map(|(key, value)| (key.into_owned().into(), value.into_owned()));
                Json::Object(owned.collect())
            }
        }
    }

    /// Whether it is true in Python: not null, false, zero, or empty.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(number) => !number.is_zero(),
            Self::String(text) => !text.is_empty(),
            Self::Array(items) => !items.is_empty(),
            Self::Object(entries) => !entries.is_empty(),
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// A string as it is, anything else as [`dumps`] writes it: how Airflow keeps an extra.
    pub fn to_text(&self) -> Cow<'_, str> {
        self.as_str().map_or_else(|| dumps(self).into(), Cow::from)
    }

    /// What kind of value it is, in the words of JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// Names the kind alone: the content is secret.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned().into())
    }
}

/// Why a document cannot be read, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct JsonError {
    pub kind: JsonErrorKind,
    /// Where, in bytes from the start of the text.
    pub offset: usize,
}

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonErrorKind {
    /// Not JSON; Python raises `JSONDecodeError`.
    #[error("{0}")]
    Syntax(&'static str),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("arrays and objects are nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// An integer of more than [`MAX_INT_DIGITS`] digits; Python raises `ValueError`.
    #[error("an integer has more than {MAX_INT_DIGITS} digits")]
    IntegerTooLong,
    /// A surrogate without its partner. Python reads it, but can't encode it as UTF-8.
    #[error("it holds a lone UTF-16 surrogate (an incomplete \\uD800 to \\uDFFF escape)")]
    LoneSurrogate,
}

/// Python's `json.loads(text)`. What it gives may borrow from the text.
///
/// # Errors
/// The first error that Python meets, nesting deeper than [`MAX_DEPTH`], or else a lone surrogate.
pub fn loads(text: &str) -> Result<Value<'_>, JsonError> {
    loads_within(text, MAX_DEPTH)
}

/// As [`loads`], with another limit of nesting.
///
/// # Errors
/// The first error that Python meets, nesting deeper than `max_depth`, or else a lone surrogate.
pub fn loads_within(text: &str, max_depth: usize) -> Result<Value<'_>, JsonError> {
    let mut scanner = Scanner { text, at: 0, max_depth, lone_surrogate: None };
    scanner.skip_space();
    let value = scanner.value(0)?;
    scanner.skip_space();
    if scanner.at < text.len() {
        return Err(scanner.syntax("text follows the end of the JSON document"));
    }
    match scanner.lone_surrogate {
        Some(offset) => Err(JsonError { kind: JsonErrorKind::LoneSurrogate, offset }),
        None => Ok(value),
    }
}

struct Scanner<'a> {
    text: &'a str,
    /// Bytes read so far; always on a character boundary.
    at: usize,
    max_depth: usize,
    /// Where the first one is. Text that is no JSON at all has that as its error.
    lone_surrogate: Option<usize>,
}

const EXPECTED_VALUE: &str = "a value is expected";
const UNTERMINATED: &str = "a string is not terminated";
const BAD_UNICODE_ESCAPE: &str = "\\u needs four hex digits";

/// The bytes that end a run of plain characters in a string.
const ENDS_RUN: [bool; 256] = {
    let mut ends = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        ends[byte] = true;
        byte += 1;
    }
    ends[b'"' as usize] = true;
    ends[b'\\' as usize] = true;
    ends
};

/// Room for the fields of a connection, so that one seldom grows. Not for every object: many small ones would take three times the
/// memory that is counted for them (`store/aws/budget.rs`).
const FIELDS: usize = 7;

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn syntax(&self, message: &'static str) -> JsonError {
        JsonError { kind: JsonErrorKind::Syntax(message), offset: self.at }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Reads `word` if it is next.
    fn eat(&mut self, word: &str) -> bool {
        let rest = self.text.as_bytes().get(self.at..);
        let found = rest.is_some_and(|rest| rest.starts_with(word.as_bytes()));
        if found {
            self.at += word.len();
        }
        found
    }

    /// Reads a byte of ASCII if it is next.
    fn eat_byte(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// One value; `depth` is the number of arrays and objects around it.
    fn value(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'n') if self.eat("null") => Ok(Value::Null),
            Some(b't') if self.eat("true") => Ok(Value::Bool(true)),
            Some(b'f') if self.eat("false") => Ok(Value::Bool(false)),
            Some(b'N') => self.constant("NaN"),
            Some(b'I') => self.constant("Infinity"),
            Some(b'-') if self.rest().starts_with("-I") => self.constant("-Infinity"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.syntax(EXPECTED_VALUE)),
        }
    }

    fn constant(&mut self, word: &str) -> Result<Value<'a>, JsonError> {
        if self.eat(word) { Ok(Value::Number(Number::of_token(word, true))) } else { Err(self.syntax(EXPECTED_VALUE)) }
    }

    /// `_match_number_unicode`: a fraction or exponent without digits is not part of the number.
    fn number(&mut self) -> Result<Value<'a>, JsonError> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let digits_from = |from: usize| -> usize {
            bytes.get(from..).map_or(0, |rest| rest.iter().take_while(|b| b.is_ascii_digit()).count())
        };
        let whole_start = start + usize::from(bytes.get(start) == Some(&b'-'));
        let whole = if bytes.get(whole_start) == Some(&b'0') { 1 } else { digits_from(whole_start) };
        if whole == 0 {
            return Err(self.syntax(EXPECTED_VALUE));
        }
        let mut end = whole_start + whole;
        let mut is_float = false;
        if bytes.get(end) == Some(&b'.') {
            let fraction = digits_from(end + 1);
            if fraction > 0 {
                end += 1 + fraction;
                is_float = true;
            }
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits_from(end + 1 + sign);
            if exponent > 0 {
                end += 1 + sign + exponent;
                is_float = true;
            }
        }
        if !is_float && whole > MAX_INT_DIGITS {
            return Err(JsonError { kind: JsonErrorKind::IntegerTooLong, offset: start });
        }
        self.at = end;
        Ok(Value::Number(Number::of_token(self.text.get(start..end).unwrap_or_default(), is_float)))
    }

    fn enter(&self, depth: usize) -> Result<usize, JsonError> {
        if depth >= self.max_depth {
            return Err(JsonError { kind: JsonErrorKind::TooDeep, offset: self.at });
        }
        Ok(depth + 1)
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        let depth = self.enter(depth)?;
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.eat_byte(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.eat_byte(b']') {
                return Ok(Value::Array(items));
            }
            if !self.eat_byte(b',') {
                return Err(self.syntax("`,` or `]` is expected"));
            }
            self.skip_space();
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        let room = if depth == 0 { FIELDS } else { 0 };
        let depth = self.enter(depth)?;
        self.at += 1;
        let mut entries = Vec::with_capacity(room);
        self.skip_space();
        if self.eat_byte(b'}') {
            return Ok(Value::Object(Object::of(entries)));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.syntax("a key in double quotes is expected"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.eat_byte(b':') {
                return Err(self.syntax("`:` is expected"));
            }
            self.skip_space();
            let value = self.value(depth)?;
            entries.push((key, value));
            self.skip_space();
            if self.eat_byte(b'}') {
                return Ok(Value::Object(Object::of(entries)));
            }
            if !self.eat_byte(b',') {
                return Err(self.syntax("`,` or `}` is expected"));
            }
            self.skip_space();
        }
    }

    /// A string; the next byte is its opening quote.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let start = self.at;
        self.at += 1;
        let mut text = Cow::Borrowed(self.plain_run());
        loop {
            match self.peek() {
                None => return Err(JsonError { kind: JsonErrorKind::Syntax(UNTERMINATED), offset: start }),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    let at = self.at;
                    match char::from_u32(self.escape(start)?) {
                        Some(c) => text.to_mut().push(c),
                        None => drop(self.lone_surrogate.get_or_insert(at)),
                    }
                }
                _ => return Err(self.syntax("a control character in a string is not escaped")),
            }
            text += self.plain_run();
        }
    }

    /// What comes before the next quote, backslash or control character, or before the end.
    fn plain_run(&mut self) -> &'a str {
        let start = self.at;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let (plain, rest) = rest.split_at(plain_words(rest));
        let more = rest.iter().position(|byte| ENDS_RUN[usize::from(*byte)]).unwrap_or(rest.len());
        self.at += plain.len() + more;
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// The code point of an escape; the next byte is its backslash.
    fn escape(&mut self, string_start: usize) -> Result<u32, JsonError> {
        let letter = self.text.as_bytes().get(self.at + 1).copied();
        let c = match letter {
            None => {
                let kind = JsonErrorKind::Syntax(UNTERMINATED);
                return Err(JsonError { kind, offset: string_start });
            }
            Some(b'u') => return self.unicode_escape(),
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(_) => return Err(self.syntax("an escape in a string is not valid")),
        };
        self.at += 2;
        Ok(u32::from(c))
    }

    /// `\uXXXX`, and the second half of a surrogate pair if it follows.
    fn unicode_escape(&mut self) -> Result<u32, JsonError> {
        let first = self.four_hex(self.at + 2).ok_or_else(|| self.syntax(BAD_UNICODE_ESCAPE))?;
        self.at += 6;
        if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
            let second = self.four_hex(self.at + 2).ok_or_else(|| self.syntax(BAD_UNICODE_ESCAPE))?;
            if (0xdc00..0xe000).contains(&second) {
                self.at += 6;
                return Ok(0x10000 + ((first - 0xd800) << 10 | (second - 0xdc00)));
            }
        }
        Ok(first)
    }

    fn four_hex(&self, from: usize) -> Option<u32> {
        let digits = self.text.as_bytes().get(from..from.checked_add(4)?)?;
        digits.iter().try_fold(0, |value, &byte| Some(value << 4 | char::from(byte).to_digit(16)?))
    }
}

/// Python's `json.dumps(value)` with its default settings: ASCII only, `", "` and `": "`.
pub fn dumps(value: &Value<'_>) -> String {
    let mut out = String::new();
    write_into(value, false, &mut out);
    out
}

/// The layout of [`dumps`], with number tokens as they were written.
///
/// `json.loads` reads the same value from both.
pub fn raw_ascii(value: &Value<'_>) -> String {
    let mut out = String::new();
    raw_ascii_into(value, &mut out);
    out
}

/// Appends the same.
pub fn raw_ascii_into(value: &Value<'_>, out: &mut String) {
    write_into(value, true, out);
}

fn write_into(value: &Value<'_>, raw_numbers: bool, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) if raw_numbers => out.push_str(number.token()),
        Value::Number(number) => number.dump_into(out),
        Value::String(text) => quote_into(text, out),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_into(item, raw_numbers, out);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (i, (key, item)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                quote_into(key, out);
                out.push_str(": ");
                write_into(item, raw_numbers, out);
            }
            out.push('}');
        }
    }
}

/// Appends `text` as `json.dumps` writes it: a JSON string in ASCII, quotes included.
pub fn quote_into(text: &str, out: &mut String) {
    out.reserve(text.len().saturating_add(2));
    out.push('"');
    let mut plain = text;
    let escaped = |byte: u8| !matches!(byte, b' '..=b'~') || byte == b'"' || byte == b'\\';
    // Copies whole runs: nearly all text of secrets needs no escape.
    loop {
        let (words, rest) = plain.as_bytes().split_at(plain_words(plain.as_bytes()));
        let Some(at) = rest.iter().position(|byte| escaped(*byte)) else { break };
        let (run, rest) = plain.split_at(words.len() + at);
        out.push_str(run);
        let mut chars = rest.chars();
        match chars.next().unwrap_or_default() {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            '\u{8}' => out.push_str("\\b"),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
        plain = chars.as_str();
    }
    out.push_str(plain);
    out.push('"');
}
