//! A Python `str` and the string functions of Python that Airflow uses on secrets.
//!
//! Takes text, gives what `str.strip`, `int()`, `urllib.parse.unquote` and the quoting of
//! `json.dumps` give for it.
//! Rules: `CPython` 3.11 `Objects/unicodeobject.c`, `Objects/longobject.c`, `Lib/urllib/parse.py`
//! and `Modules/_json.c`. Nothing in here prints the text it holds in a `Debug` output.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Write as _};

/// The most digits that `int()` and `json.loads` read (`sys.int_info.default_max_str_digits`).
pub const MAX_INT_DIGITS: usize = 4300;

/// The code point of the digit zero of every range of decimal digits (category Nd) in Unicode 14;
/// each is followed by the digits one to nine.
const ZEROS: [u32; 66] = [
    0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6,
    0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0,
    0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50,
    0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950,
    0x1fbf0,
];

/// A Python `str`: text, or a sequence of code points that includes lone surrogates.
///
/// JSON can produce lone surrogates (`"\ud800"`), a Rust `String` cannot hold them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PyString(Repr);

/// `Wide` is used only when there is a lone surrogate, so that equal strings are equal values.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Text(String),
    Wide(Vec<u32>),
}

impl PyString {
    /// The string of these code points. Values that are no code point become U+FFFD.
    ///
    /// A high surrogate followed by a low one stays two code points, as in Python.
    #[must_use]
    pub fn from_code_points(points: Vec<u32>) -> Self {
        let text: Option<String> = points.iter().map(|&point| char::from_u32(point)).collect();
        match text {
            Some(text) => Self(Repr::Text(text)),
            None => Self(Repr::Wide(
                points.into_iter().map(|point| if point > 0x0010_ffff { 0xfffd } else { point }).collect(),
            )),
        }
    }

    /// The text, or `None` if it holds a lone surrogate.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.0 {
            Repr::Text(text) => Some(text),
            Repr::Wide(_) => None,
        }
    }

    /// Whether a lone surrogate is in it; Python cannot encode such a string as UTF-8.
    #[must_use]
    pub fn has_lone_surrogate(&self) -> bool {
        matches!(self.0, Repr::Wide(_))
    }

    /// Whether it is the empty string, which is false in Python.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Repr::Text(text) => text.is_empty(),
            Repr::Wide(points) => points.is_empty(),
        }
    }

    /// Its length in code points, as Python's `len`.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Text(text) => text.chars().count(),
            Repr::Wide(points) => points.len(),
        }
    }

    /// The code points, surrogates included.
    pub fn code_points(&self) -> impl Iterator<Item = u32> + '_ {
        let (text, points) = match &self.0 {
            Repr::Text(text) => (text.as_str(), [].as_slice()),
            Repr::Wide(points) => ("", points.as_slice()),
        };
        text.chars().map(u32::from).chain(points.iter().copied())
    }

    /// The string as a JSON string in ASCII, quotes included, as `json.dumps` writes it.
    #[must_use]
    pub fn json_quote(&self) -> String {
        let mut out = String::new();
        self.json_quote_into(&mut out);
        out
    }

    /// Appends what [`Self::json_quote`] gives.
    pub fn json_quote_into(&self, out: &mut String) {
        match &self.0 {
            Repr::Text(text) => quote_text_into(text, out),
            Repr::Wide(points) => {
                out.push('"');
                for &point in points {
                    match char::from_u32(point) {
                        Some(c) => escape_char_into(c, out),
                        None => escape_unit_into(point, out),
                    }
                }
                out.push('"');
            }
        }
    }
}

impl From<String> for PyString {
    fn from(text: String) -> Self {
        Self(Repr::Text(text))
    }
}

impl From<&str> for PyString {
    fn from(text: &str) -> Self {
        Self(Repr::Text(text.to_owned()))
    }
}

impl PartialEq<str> for PyString {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialOrd for PyString {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PyString {
    fn cmp(&self, other: &Self) -> Ordering {
        self.code_points().cmp(other.code_points())
    }
}

/// Prints the length only: the text is a secret or part of one.
impl fmt::Debug for PyString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PyString({} characters)", self.len())
    }
}

/// Appends `text` as a JSON string in ASCII, quotes included, as `json.dumps` writes it.
pub fn quote_text_into(text: &str, out: &mut String) {
    out.reserve(text.len().saturating_add(2));
    out.push('"');
    let mut plain = text;
    // Copies whole runs: nearly all text of secrets needs no escape.
    while let Some(at) = plain.find(|c: char| !is_plain(c)) {
        let (run, rest) = plain.split_at(at);
        out.push_str(run);
        let mut chars = rest.chars();
        if let Some(c) = chars.next() {
            escape_char_into(c, out);
        }
        plain = chars.as_str();
    }
    out.push_str(plain);
    out.push('"');
}

/// Whether `json.dumps` writes this character as itself.
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') && c != '"' && c != '\\'
}

fn escape_char_into(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{c}' => out.push_str("\\f"),
        '\u{8}' => out.push_str("\\b"),
        c if is_plain(c) => out.push(c),
        c => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escape_unit_into(u32::from(*unit), out);
            }
        }
    }
}

fn escape_unit_into(unit: u32, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\u{unit:04x}");
}

/// Whether `str.isspace` holds for this character: Unicode white space and U+001C to U+001F.
#[must_use]
pub fn is_py_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// Python's `str.strip()`.
#[must_use]
pub fn py_strip(text: &str) -> &str {
    text.trim_matches(is_py_space)
}

/// Python's `str.lower()` of a host name, as of Unicode 14 (`CPython` 3.11).
///
/// Characters that got a lower-case form in a later Unicode version stay as they are.
#[must_use]
pub fn py_lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    if text.chars().any(is_newly_cased) {
        // The new characters would also count as letters in the rule of the final sigma, which
        // does not matter in a host name: such a name exists nowhere.
        return text
            .split_inclusive(is_newly_cased)
            .flat_map(|part| match part.chars().next_back() {
                Some(last) if is_newly_cased(last) => {
                    let head = part.get(..part.len() - last.len_utf8()).unwrap_or_default();
                    [head.to_lowercase(), last.to_string()]
                }
                _ => [part.to_lowercase(), String::new()],
            })
            .collect();
    }
    text.to_lowercase()
}

/// Upper-case letters that Unicode 14 does not know.
fn is_newly_cased(c: char) -> bool {
    matches!(c, '\u{1c89}' | '\u{a7cb}' | '\u{a7cc}' | '\u{a7ce}' | '\u{a7d2}' | '\u{a7d4}'
        | '\u{a7da}' | '\u{a7dc}' | '\u{10d50}'..='\u{10d65}' | '\u{16ea0}'..='\u{16eb8}')
}

/// Why Python's `int()` raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntError {
    /// Not the text of an integer, or a number that is not finite.
    #[error("it is not an integer")]
    NotAnInteger,
    /// More digits than [`MAX_INT_DIGITS`].
    #[error("it has more than {MAX_INT_DIGITS} digits")]
    TooLong,
}

/// Python's `int(text)`, as decimal digits without leading zeros and with `-` if negative.
///
/// # Errors
/// When Python raises `ValueError`.
pub fn py_int(text: &PyString) -> Result<String, IntError> {
    let text = text.as_str().ok_or(IntError::NotAnInteger)?;
    // Not str.strip: int() accepts the white space of C (without U+001C to U+001F) and, beyond
    // ASCII, the white space of Unicode.
    let text = text.trim_matches(|c: char| c.is_whitespace() && !matches!(c, '\u{1c}'..='\u{1f}'));
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut digits = String::with_capacity(text.len());
    let mut after_digit = false;
    for c in text.chars() {
        if c == '_' && after_digit {
            after_digit = false;
        } else {
            digits.push(decimal_digit(c).ok_or(IntError::NotAnInteger)?);
            after_digit = true;
        }
    }
    if !after_digit {
        return Err(IntError::NotAnInteger);
    }
    if digits.len() > MAX_INT_DIGITS {
        return Err(IntError::TooLong);
    }
    Ok(canonical(negative, &digits))
}

/// The ASCII digit for a decimal digit of any script.
fn decimal_digit(c: char) -> Option<char> {
    let point = u32::from(c);
    let after = ZEROS.partition_point(|&zero| zero <= point);
    let zero = ZEROS.get(after.checked_sub(1)?)?;
    char::from_digit(point - zero, 10)
}

/// Decimal digits in the form in which Python prints them.
fn canonical(negative: bool, digits: &str) -> String {
    let digits = digits.trim_start_matches('0');
    match (digits, negative) {
        ("", _) => "0".to_owned(),
        (digits, true) => format!("-{digits}"),
        (digits, false) => digits.to_owned(),
    }
}

/// Python's `int(float(token))`: cut off at the point, every digit exact.
///
/// # Errors
/// When the number is infinite or not a number.
pub fn py_int_of_float_token(token: &str) -> Result<String, IntError> {
    let value: f64 = token.parse().map_err(|_| IntError::NotAnInteger)?;
    if !value.is_finite() {
        return Err(IntError::NotAnInteger);
    }
    // With a precision Rust prints the exact digits, not the shortest ones.
    Ok(canonical(value < 0.0, &format!("{:.0}", value.trunc().abs())))
}

/// Python's `urllib.parse.unquote`: percent-decodes UTF-8, with U+FFFD for invalid sequences.
///
/// Decodes each run of ASCII for itself, so an escape never joins with a character beside it.
#[must_use]
pub fn unquote(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let ascii = rest.find(|c: char| !c.is_ascii()).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(ascii);
        out.push_str(&String::from_utf8_lossy(&unquote_to_bytes(run)));
        let other = tail.find(|c: char| c.is_ascii()).unwrap_or(tail.len());
        let (run, tail) = tail.split_at(other);
        out.push_str(run);
        rest = tail;
    }
    Cow::Owned(out)
}

/// [`unquote`] of a Python string; lone surrogates stay.
#[must_use]
pub fn unquote_py(text: &PyString) -> PyString {
    match &text.0 {
        Repr::Text(text) => PyString::from(unquote(text).into_owned()),
        Repr::Wide(points) => {
            let mut out = Vec::with_capacity(points.len());
            for run in points.chunk_by(|a, b| (*a < 0x80) == (*b < 0x80)) {
                let ascii: Option<String> = run.iter().map(|&p| char::from_u32(p).filter(char::is_ascii)).collect();
                match ascii {
                    Some(ascii) => out.extend(unquote(&ascii).chars().map(u32::from)),
                    None => out.extend_from_slice(run),
                }
            }
            PyString::from_code_points(out)
        }
    }
}

/// Python's `unquote_plus`, as `parse_qsl` decodes names and values.
#[must_use]
pub fn unquote_plus(text: &str) -> String {
    unquote(&text.replace('+', " ")).into_owned()
}

/// `urllib.parse.unquote_to_bytes`: an escape that is not two hex digits stays.
fn unquote_to_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first == b'%'
            && let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            bytes.push(high << 4 | low);
            rest = after;
        } else {
            bytes.push(first);
        }
    }
    bytes
}

/// The value of an ASCII hex digit.
#[must_use]
pub fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
