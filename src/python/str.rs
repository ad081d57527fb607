//! What Airflow does to text with the functions of Python's `str` and `urllib.parse`.
//!
//! Rules: `CPython` 3.11 `Objects/unicodeobject.c` and `Lib/urllib/parse.py`.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What `urllib.parse.quote` with `safe=""` escapes.
pub const QUOTED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether `str.isspace` holds for this character: Unicode white space and U+001C to U+001F.
pub fn is_py_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// Python's `str.strip()`.
pub fn py_strip(text: &str) -> &str {
    text.trim_matches(is_py_space)
}

/// Python's `quote(text, safe="")`.
pub fn quote(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, &QUOTED).into()
}

/// Python's `quote(text)`, which leaves slashes as they are.
pub fn quote_path(text: &str) -> Cow<'_, str> {
    const QUOTED_PATH: &AsciiSet = &QUOTED.remove(b'/');
    utf8_percent_encode(text, QUOTED_PATH).into()
}

/// Python's `quote_plus(text)`.
pub fn quote_plus(text: &str) -> String {
    // A percent sign of the text is written `%25`, so each `%20` is a space.
    quote(text).replace("%20", "+")
}

/// Python's `unquote`: percent-decodes UTF-8, with U+FFFD for invalid sequences.
pub fn unquote(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// Python's `unquote_plus`, as `parse_qsl` decodes names and values.
pub fn unquote_plus(text: &str) -> Cow<'_, str> {
    if !text.contains('+') {
        return unquote(text);
    }
    let text = text.replace('+', " ");
    match unquote(&text) {
        Cow::Owned(unquoted) => unquoted.into(),
        Cow::Borrowed(_) => text.into(),
    }
}
