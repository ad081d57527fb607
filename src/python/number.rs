//! Python's numbers: the tokens of `json.loads`, `float.__repr__` and `int()`.
//!
//! Rules: `CPython` 3.11 `Objects/longobject.c`, `Objects/floatobject.c` and `Python/dtoa.c`.

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

/// A number of a JSON document, as it was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Number {
    token: String,
    is_float: bool,
}

impl Number {
    /// The number as it was written.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether Python reads it as a float; otherwise it is an int.
    pub fn is_float(&self) -> bool {
        self.is_float
    }

    /// Whether Python reads it as zero.
    pub fn is_zero(&self) -> bool {
        if self.is_float { self.as_f64() == 0.0 } else { matches!(self.token.as_str(), "0" | "-0") }
    }

    /// An integer, of the digits that Python prints.
    pub fn of_integer(digits: String) -> Self {
        Self { token: digits, is_float: false }
    }

    pub fn of_float(value: f64) -> Self {
        Self { token: float_repr(value), is_float: true }
    }

    /// The nearest float.
    pub fn as_f64(&self) -> f64 {
        match self.token.as_str() {
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            // The tokens of the scanner are valid for Rust, which rounds as Python does.
            token => token.parse().unwrap_or(f64::NAN),
        }
    }

    /// The number as `json.dumps` writes it after `json.loads` has read it.
    pub(super) fn dump_into(&self, out: &mut String) {
        if self.is_float {
            out.push_str(&float_repr(self.as_f64()));
        } else {
            out.push_str(if self.token == "-0" { "0" } else { &self.token });
        }
    }

    /// A number of a document.
    pub(super) fn of_token(token: &str, is_float: bool) -> Self {
        Self { token: token.to_owned(), is_float }
    }
}

/// `float.__repr__`, with the names of `json.dumps` for the values that are not finite.
fn float_repr(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    // Rust's Debug and Python find the same number of digits and change to an exponent at the same sizes, but only Python
    // rounds a tie to the even digit (2**-25 ends in 2, not 3). Rust does so too when the number of digits is given.
    let shortest = format!("{value:?}");
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let decimals = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let rounded = if shortest.contains('e') { format!("{value:.decimals$e}") } else { format!("{value:.decimals$}") };
    let text = if rounded.parse() == Ok(value) { rounded } else { shortest };
    match text.split_once('e') {
        None => text,
        Some((mantissa, exponent)) => match exponent.strip_prefix('-') {
            Some(digits) => format!("{mantissa}e-{digits:0>2}"),
            None => format!("{mantissa}e+{exponent:0>2}"),
        },
    }
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
pub fn py_int(text: &str) -> Result<String, IntError> {
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
