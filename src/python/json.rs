//! Python's `json.loads` and `json.dumps`.
//!
//! Takes the text of a JSON document, gives a tree that keeps number tokens as they were written,
//! or the place and kind of the first error that Python meets. Errors hold no content of the
//! input. Rules: `CPython` 3.11 `Modules/_json.c` and `Lib/json/{decoder,encoder}.py`, default
//! (strict) settings.

use std::fmt::{self, Write as _};

use indexmap::IndexMap;

use super::str::{MAX_INT_DIGITS, PyString, hex_digit};

/// How deep arrays and objects may be nested.
///
/// Airflow raises `RecursionError` near 970, depending on where it is called from; 500 is on the
/// safe side everywhere.
pub const MAX_DEPTH: usize = 500;

/// A JSON document as `json.loads` reads it.
#[derive(Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, with `NaN`, `Infinity` and `-Infinity`.
    Number(Number),
    /// A string.
    String(PyString),
    /// An array.
    Array(Vec<Json>),
    /// An object: of equal keys the last value counts, at the place of the first.
    Object(IndexMap<PyString, Json>),
}

impl Json {
    /// Whether it is true in Python: not null, false, zero, or empty.
    #[must_use]
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

    /// What kind of value it is, in the words of JSON.
    #[must_use]
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

/// Prints the kind and the size only: the content is a secret or part of one.
impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool(_) => f.write_str("Bool"),
            Self::Number(number) => number.fmt(f),
            Self::String(text) => text.fmt(f),
            Self::Array(items) => write!(f, "Array({} items)", items.len()),
            Self::Object(entries) => write!(f, "Object({} keys)", entries.len()),
        }
    }
}

/// A number of a JSON document, as it was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Number {
    token: String,
    is_float: bool,
}

impl Number {
    /// The number as it was written.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether Python reads it as a float; otherwise it is an int.
    #[must_use]
    pub fn is_float(&self) -> bool {
        self.is_float
    }

    /// Whether Python reads it as zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        if self.is_float { self.as_f64() == 0.0 } else { matches!(self.token.as_str(), "0" | "-0") }
    }

    /// An integer, of the digits that Python prints.
    #[must_use]
    pub fn of_integer(digits: String) -> Self {
        Self { token: digits, is_float: false }
    }

    /// A float.
    #[must_use]
    pub fn of_float(value: f64) -> Self {
        let mut token = String::new();
        float_repr_into(value, &mut token);
        Self { token, is_float: true }
    }

    /// The nearest float.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        match self.token.as_str() {
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            // The tokens of the scanner are valid for Rust, which rounds as Python does.
            token => token.parse().unwrap_or(f64::NAN),
        }
    }

    /// The number as `json.dumps` writes it after `json.loads` has read it.
    fn dump_into(&self, out: &mut String) {
        if self.is_float {
            float_repr_into(self.as_f64(), out);
        } else if self.token == "-0" {
            out.push('0');
        } else {
            out.push_str(&self.token);
        }
    }
}

/// Prints the length only: the number is part of a secret.
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({} characters)", self.token.len())
    }
}

/// `float.__repr__`, with the names of `json.dumps` for the values that are not finite.
fn float_repr_into(value: f64, out: &mut String) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    if value.is_infinite() {
        return out.push_str("Infinity");
    }
    let value = value.abs();
    let shortest = format!("{value:e}");
    // Rust and Python find the same number of digits, but only Python rounds a tie to the even
    // digit (2**-25 ends in 2, not 3). Rust does so too when the number of digits is given.
    let digits = shortest.split('e').next().map_or(0, |mantissa| mantissa.len().saturating_sub(2));
    let rounded = format!("{value:.digits$e}");
    let scientific = if rounded.parse() == Ok(value) { rounded } else { shortest };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let digits: String = mantissa.chars().filter(|&c| c != '.').collect();
        let point = usize::try_from(exponent.saturating_add(1)).unwrap_or(0);
        if point == 0 {
            out.push_str("0.");
            out.extend((exponent..-1).map(|_| '0'));
            out.push_str(&digits);
        } else {
            match digits.split_at_checked(point) {
                Some((whole, "")) => {
                    out.push_str(whole);
                    out.push_str(".0");
                }
                Some((whole, fraction)) => {
                    out.push_str(whole);
                    out.push('.');
                    out.push_str(fraction);
                }
                None => {
                    out.push_str(&digits);
                    out.extend((digits.len()..point).map(|_| '0'));
                    out.push_str(".0");
                }
            }
        }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        out.push_str(mantissa);
        out.push('e');
        out.push(sign);
        // Writing to a String cannot fail.
        let _ = write!(out, "{:02}", exponent.unsigned_abs());
    }
}

/// Why a document cannot be read, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct JsonError {
    /// What is wrong.
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
}

/// Python's `json.loads(text)`.
///
/// # Errors
/// The first error that Python meets, or nesting deeper than [`MAX_DEPTH`].
pub fn loads(text: &str) -> Result<Json, JsonError> {
    loads_within(text, MAX_DEPTH)
}

/// As [`loads`], with another limit of nesting.
///
/// # Errors
/// The first error that Python meets, or nesting deeper than `max_depth`.
pub fn loads_within(text: &str, max_depth: usize) -> Result<Json, JsonError> {
    let mut scanner = Scanner { text, at: 0, max_depth };
    scanner.skip_space();
    let value = scanner.value(0)?;
    scanner.skip_space();
    if scanner.at < text.len() {
        return Err(scanner.syntax("text follows the end of the JSON document"));
    }
    Ok(value)
}

struct Scanner<'a> {
    text: &'a str,
    /// Bytes read so far; always on a character boundary.
    at: usize,
    max_depth: usize,
}

const EXPECTED_VALUE: &str = "a value is expected";
const UNTERMINATED: &str = "a string is not terminated";
const BAD_UNICODE_ESCAPE: &str = "\\u needs four hex digits";

impl Scanner<'_> {
    fn rest(&self) -> &str {
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
        let found = self.rest().starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    /// One value; `depth` is the number of arrays and objects around it.
    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(Json::String),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'n') if self.eat("null") => Ok(Json::Null),
            Some(b't') if self.eat("true") => Ok(Json::Bool(true)),
            Some(b'f') if self.eat("false") => Ok(Json::Bool(false)),
            Some(b'N') => self.constant("NaN"),
            Some(b'I') => self.constant("Infinity"),
            Some(b'-') if self.rest().starts_with("-I") => self.constant("-Infinity"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.syntax(EXPECTED_VALUE)),
        }
    }

    fn constant(&mut self, word: &str) -> Result<Json, JsonError> {
        if self.eat(word) {
            Ok(Json::Number(Number { token: word.to_owned(), is_float: true }))
        } else {
            Err(self.syntax(EXPECTED_VALUE))
        }
    }

    /// `_match_number_unicode`: a fraction or exponent without digits is not part of the number.
    fn number(&mut self) -> Result<Json, JsonError> {
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
        let token = self.text.get(start..end).unwrap_or_default().to_owned();
        Ok(Json::Number(Number { token, is_float }))
    }

    fn enter(&self, depth: usize) -> Result<usize, JsonError> {
        if depth >= self.max_depth {
            return Err(JsonError { kind: JsonErrorKind::TooDeep, offset: self.at });
        }
        Ok(depth + 1)
    }

    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        let depth = self.enter(depth)?;
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.eat("]") {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.eat("]") {
                return Ok(Json::Array(items));
            }
            if !self.eat(",") {
                return Err(self.syntax("`,` or `]` is expected"));
            }
            self.skip_space();
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        let depth = self.enter(depth)?;
        self.at += 1;
        let mut entries = IndexMap::new();
        self.skip_space();
        if self.eat("}") {
            return Ok(Json::Object(entries));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.syntax("a key in double quotes is expected"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.eat(":") {
                return Err(self.syntax("`:` is expected"));
            }
            self.skip_space();
            let value = self.value(depth)?;
            // Keeps the place of an earlier equal key, as a Python dict does.
            entries.insert(key, value);
            self.skip_space();
            if self.eat("}") {
                return Ok(Json::Object(entries));
            }
            if !self.eat(",") {
                return Err(self.syntax("`,` or `}` is expected"));
            }
            self.skip_space();
        }
    }

    /// A string; the next byte is its opening quote.
    fn string(&mut self) -> Result<PyString, JsonError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        // Takes over from `text` when a lone surrogate is met.
        let mut wide: Option<Vec<u32>> = None;
        loop {
            let run = self.rest();
            let end = run
                .bytes()
                .position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\')
                .ok_or(JsonError { kind: JsonErrorKind::Syntax(UNTERMINATED), offset: start })?;
            let plain = run.get(..end).unwrap_or_default();
            match &mut wide {
                Some(points) => points.extend(plain.chars().map(u32::from)),
                None => text.push_str(plain),
            }
            self.at += end;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(match wide {
                        Some(points) => PyString::from_code_points(points),
                        None => PyString::from(text),
                    });
                }
                Some(b'\\') => {
                    let point = self.escape(start)?;
                    match (&mut wide, char::from_u32(point)) {
                        (Some(points), _) => points.push(point),
                        (None, Some(c)) => text.push(c),
                        (None, None) => {
                            let mut points: Vec<u32> = text.chars().map(u32::from).collect();
                            points.push(point);
                            wide = Some(points);
                        }
                    }
                }
                _ => return Err(self.syntax("a control character in a string is not escaped")),
            }
        }
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
        digits.iter().try_fold(0, |value, &byte| Some(value << 4 | u32::from(hex_digit(byte)?)))
    }
}

/// Python's `json.dumps(value)` with its default settings: ASCII only, `", "` and `": "`.
#[must_use]
pub fn dumps(value: &Json) -> String {
    let mut out = String::new();
    write_into(value, false, &mut out);
    out
}

/// The layout of [`dumps`], with number tokens as they were written.
///
/// `json.loads` reads the same value from both.
#[must_use]
pub fn raw_ascii(value: &Json) -> String {
    let mut out = String::new();
    write_into(value, true, &mut out);
    out
}

fn write_into(value: &Json, raw_numbers: bool, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(number) if raw_numbers => out.push_str(number.token()),
        Json::Number(number) => number.dump_into(out),
        Json::String(text) => text.json_quote_into(out),
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_into(item, raw_numbers, out);
            }
            out.push(']');
        }
        Json::Object(entries) => {
            out.push('{');
            for (i, (key, item)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                key.json_quote_into(out);
                out.push_str(": ");
                write_into(item, raw_numbers, out);
            }
            out.push('}');
        }
    }
}
