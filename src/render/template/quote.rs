//! How a value is written in each format, so that a reader of that format gives back the very value.
//!
//! Takes text or data, gives the characters of the file, or says why the format can't carry the value. Pure. Each rule is
//! proved by its real reader in `tests/formats/`.

use std::fmt::Write as _;
use std::path::Path;

use crate::python::json::{Json, dumps};
use crate::python::number::Number;
use crate::python::str::py_strip;

/// Why a format can't carry a value, as a sentence without the value.
pub type Cannot = &'static str;

/// How `{{ }}` writes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// As it is.
    None,
    Json,
    Yaml,
    Toml,
    Xml,
    /// As a value of a `.env` file.
    Env,
    /// As one word of a shell.
    Shell,
    /// As a value of a Java properties file.
    Properties,
}

impl Escape {
    /// What the front matter calls them.
    pub const NAMES: [(&str, Self); 8] = [
        ("none", Self::None),
        ("json", Self::Json),
        ("yaml", Self::Yaml),
        ("toml", Self::Toml),
        ("xml", Self::Xml),
        ("env", Self::Env),
        ("shell", Self::Shell),
        ("properties", Self::Properties),
    ];

    /// By the name that the front matter uses.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, escape)| *escape)
    }

    /// By the extension of the target.
    pub fn of_target(target: &Path) -> Self {
        let extension = target.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_lowercase().as_str() {
            "yml" => Self::Yaml,
            "sh" => Self::Shell,
            _ if target.file_name().is_some_and(|name| name == ".env") => Self::Env,
            // A shell's script ends in .sh.
            other => Self::of_name(other).filter(|escape| *escape != Self::Shell).unwrap_or(Self::None),
        }
    }
}

// ---- whole documents -------------------------------------------------------------------------------------------

/// JSON in UTF-8; with an indent, one item a line.
///
/// # Errors
/// For `NaN` and infinities, which JSON does not have.
pub fn json(value: &Json, indent: Option<usize>) -> Result<String, Cannot> {
    let mut out = String::new();
    json_into(value, indent, 0, &mut out)?;
    Ok(out)
}

fn json_into(value: &Json, indent: Option<usize>, depth: usize, out: &mut String) -> Result<(), Cannot> {
    let new_line = |out: &mut String, depth: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    let between = if indent.is_some() { "," } else { ", " };
    match value {
        Json::Number(number) if number.is_float() && !number.as_f64().is_finite() => {
            return Err("JSON has no NaN and no infinity");
        }
        Json::Array(items) if !items.is_empty() => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                out.push_str(if position > 0 { between } else { "" });
                new_line(out, depth + 1);
                json_into(item, indent, depth + 1, out)?;
            }
            new_line(out, depth);
            out.push(']');
        }
        Json::Object(entries) if !entries.is_empty() => {
            out.push('{');
            for (position, (key, item)) in entries.iter().enumerate() {
                out.push_str(if position > 0 { between } else { "" });
                new_line(out, depth + 1);
                json_text_into(key, out);
                out.push_str(": ");
                json_into(item, indent, depth + 1, out)?;
            }
            new_line(out, depth);
            out.push('}');
        }
        Json::String(text) => json_text_into(text, out),
        scalar => out.push_str(&dumps(scalar)),
    }
    Ok(())
}

/// A text in double quotes. What is above ASCII stands as it is: as a pair of escapes, a reader that takes JSON for another
/// language's literal (dbt's Jinja) would make two characters of it.
fn json_text_into(text: &str, out: &mut String) {
    quoted_into(text, out, |c, out| match c {
        // What can't be seen, and what some readers take for the end of a line.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => escape_into(c, out),
        c => out.push(c),
    });
}

/// A text in double quotes with the escapes that JSON, YAML and TOML have in common; `other` writes what is neither one of
/// them nor printable ASCII.
fn quoted_into(text: &str, out: &mut String, other: impl Fn(char, &mut String)) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c => other(c, out),
        }
    }
    out.push('"');
}

/// `\uXXXX`, or `\UXXXXXXXX` beyond the first plane.
fn escape_into(c: char, out: &mut String) {
    let code = u32::from(c);
    // Writing to a String can't fail.
    let _ = if code <= 0xffff { write!(out, "\\u{code:04x}") } else { write!(out, "\\U{code:08x}") };
}

/// How a format writes data on one line: its texts, its scalars, and what stands between a key and its value.
struct OneLine {
    text: fn(&str, &mut String),
    scalar: fn(&Json) -> Result<String, Cannot>,
    after_key: &'static str,
}

impl OneLine {
    fn written(&self, value: &Json) -> Result<String, Cannot> {
        let mut out = String::new();
        self.write(value, &mut out)?;
        Ok(out)
    }

    fn write(&self, value: &Json, out: &mut String) -> Result<(), Cannot> {
        match value {
            Json::String(text) => (self.text)(text, out),
            Json::Array(items) => {
                out.push('[');
                for (position, item) in items.iter().enumerate() {
                    out.push_str(if position > 0 { ", " } else { "" });
                    self.write(item, out)?;
                }
                out.push(']');
            }
            Json::Object(entries) => {
                out.push('{');
                for (position, (key, item)) in entries.iter().enumerate() {
                    out.push_str(if position > 0 { ", " } else { "" });
                    (self.text)(key, out);
                    out.push_str(self.after_key);
                    self.write(item, out)?;
                }
                out.push('}');
            }
            scalar => out.push_str(&(self.scalar)(scalar)?),
        }
        Ok(())
    }
}

/// YAML on one line, in ASCII: every text in double quotes, so that no reader takes it for a number, a date or a boolean.
/// It can carry whatever there is.
pub fn yaml(value: &Json) -> Result<String, Cannot> {
    let scalar = |scalar: &Json| match scalar {
        Json::Number(number) => Ok(yaml_number(number)),
        other => Ok(dumps(other)),
    };
    OneLine { text: yaml_text_into, scalar, after_key: ": " }.written(value)
}

/// YAML 1.1 takes a float only with a point in it (PyYAML 6, `resolver.py`), and has words of its own for what is no number.
fn yaml_number(number: &Number) -> String {
    let value = number.as_f64();
    match number.token() {
        token if !number.is_float() => token.to_owned(),
        _ if value.is_nan() => ".nan".to_owned(),
        _ if value.is_infinite() => if value > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        _ => {
            let mut text = dumps(&Json::Number(Number::of_float(value)));
            if let (false, Some(exponent)) = (text.contains('.'), text.find('e')) {
                text.insert_str(exponent, ".0");
            }
            text
        }
    }
}

/// Writes a double-quoted YAML 1.1 scalar in ASCII.
pub fn yaml_text_into(text: &str, out: &mut String) {
    quoted_into(text, out, |c, out| match u32::from(c) {
        // Writing to a String can't fail.
        code @ ..=0xff => drop(write!(out, "\\x{code:02x}").ok()),
        _ => escape_into(c, out),
    });
}

/// TOML 1.0 in ASCII; a mapping becomes an inline table.
///
/// # Errors
/// For null, which TOML does not have, and for integers beyond 64 bits.
pub fn toml(value: &Json) -> Result<String, Cannot> {
    OneLine { text: toml_text_into, scalar: toml_scalar, after_key: " = " }.written(value)
}

fn toml_text_into(text: &str, out: &mut String) {
    quoted_into(text, out, escape_into);
}

fn toml_scalar(scalar: &Json) -> Result<String, Cannot> {
    let Json::Number(number) = scalar else {
        let null = "TOML has no null; give a default(\"...\", true), or ask with `is none`";
        return if *scalar == Json::Null { Err(null) } else { Ok(dumps(scalar)) };
    };
    if !number.is_float() {
        let integer: i64 = number.token().parse().map_err(|_| "TOML has no integers beyond 64 bits")?;
        return Ok(integer.to_string());
    }
    let value = number.as_f64();
    Ok(match value.is_finite() {
        true => dumps(&Json::Number(Number::of_float(value))),
        false if value.is_nan() => "nan".to_owned(),
        false => if value > 0.0 { "inf" } else { "-inf" }.to_owned(),
    })
}

// ---- single values ---------------------------------------------------------------------------------------------

/// Text in XML, between tags or in an attribute.
///
/// # Errors
/// For the control characters that XML 1.0 can't hold.
pub fn xml(text: &str) -> Result<String, Cannot> {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // A reader would make spaces or newlines of them.
            '\t' | '\n' | '\r' => drop(write!(out, "&#{};", u32::from(c))),
            ' '..='~' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                return Err("XML 1.0 can't hold control characters other than tab, newline and carriage return");
            }
            c => drop(write!(out, "&#{};", u32::from(c))),
        }
    }
    Ok(out)
}

/// One word of a POSIX shell.
///
/// # Errors
/// For NUL, which no shell can hold.
pub fn shell(text: &str) -> Result<String, Cannot> {
    if text.contains('\0') {
        return Err("a shell can't hold a NUL character");
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Ok(text.to_owned());
    }
    Ok(format!("'{}'", text.replace('\'', "'\"'\"'")))
}

/// A field of libpq's password file. Source: PostgreSQL documentation, "The Password File"; proved with libpq 18.
///
/// # Errors
/// For what ends the line, and for an empty field, which matches nothing and is no password.
pub fn pgpass(text: &str) -> Result<String, Cannot> {
    if text.contains(['\n', '\r', '\0']) {
        return Err("a field of a password file can't hold a newline, a carriage return or NUL");
    }
    if text.is_empty() {
        return Err("a field of a password file can't be empty; write * for any");
    }
    let escaped = text.replace('\\', "\\\\").replace(':', "\\:");
    // Alone, a star stands for anything; at the start, a # makes the line a comment.
    Ok(if text == "*" || text.starts_with('#') { format!("\\{escaped}") } else { escaped })
}

/// The text itself, where files of `key = value` lines without quotes give it back: Python's configparser (so boto3 and pip),
/// unixODBC and libpq's service file.
///
/// # Errors
/// For line breaks, for blanks at the ends, which are stripped, and for a blank before `#` or `;`, after which AWS's SDKs
/// take the rest for a comment.
pub fn ini(text: &str, interpolation: bool) -> Result<String, Cannot> {
    if text.contains(['\n', '\r', '\0']) {
        return Err("a value of this format can't hold a newline, a carriage return or NUL");
    }
    if py_strip(text) != text {
        return Err("a value of this format can't begin or end with a blank");
    }
    let mut after_blank = text.chars().zip(text.chars().skip(1));
    if after_blank.any(|(c, next)| matches!(c, ' ' | '\t') && matches!(next, '#' | ';')) {
        return Err("a value of this format can't hold a blank before # or ;, which begins a comment for some readers");
    }
    Ok(if interpolation { text.replace('%', "%%") } else { text.to_owned() })
}

/// A key or value of a Java properties file, in ASCII. Source: Java 17, `java.util.Properties.load`.
pub fn properties(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (position, c) in text.chars().enumerate() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            // An editor or a person may take a blank at the end away.
            ' ' if position == last => out.push_str("\\u0020"),
            ' ' if position == 0 => out.push_str("\\ "),
            '#' | '!' | '=' | ':' => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    // Writing to a String can't fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

/// A token of a netrc file. Proved with Python 3.11's `netrc` and with curl, which knows quotes from 7.84 on; so there are
/// none where none are needed.
///
/// # Errors
/// For line breaks, which its readers read in different ways.
pub fn netrc(text: &str) -> Result<String, Cannot> {
    if text.contains(['\n', '\r', '\0']) {
        return Err("a token of a netrc file can't hold a newline, a carriage return or NUL");
    }
    let needs_quotes = |c: char| matches!(c, '\t' | '\u{b}' | '\u{c}' | ' ' | '"' | '\\');
    if !text.is_empty() && !text.starts_with('#') && !text.contains(needs_quotes) {
        return Ok(text.to_owned());
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// A value of a `.env` file: the same for docker compose's `env_file`, for `set -a; . file` in a shell, and as far as that
/// is possible for podman-compose, which reads with python-dotenv. What needs no quotes is the same for `--env-file` too.
///
/// # Errors
/// For NUL, for what compose and shells read in different ways, and for what no process can be given.
// Found by running: compose-go 2.1.3 and 2.16.2, podman-compose 1.6.0 with python-dotenv 1.2.4, bash 5.2, dash 0.5.12. A reader
// of compose takes `\'` for a quote within single quotes, python-dotenv `\\\\` for one backslash; within double quotes a shell
// needs a backslash before each backtick, which compose keeps; python-dotenv expands `${NAME}` within any quotes and takes a
// carriage return for the end of a line. Each step below is for what the one before can't carry.
pub fn dotenv(text: &str) -> Result<String, Cannot> {
    if text.contains('\0') {
        return Err("an environment variable can't hold a NUL character");
    }
    if text.len() > LONGEST_VARIABLE {
        return Err("an environment variable can't hold more than 128 KiB");
    }
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,=-".contains(c);
    if text.chars().all(is_bare) {
        return Ok(text.to_owned());
    }
    let single = || Ok(format!("'{text}'"));
    let double = |escaped: &[char]| {
        let mut out = String::from("\"");
        for c in text.chars() {
            if escaped.contains(&c) {
                out.push('\\');
            }
            out.push(c);
        }
        out.push('"');
        Ok(out)
    };
    let (quote, backtick) = (text.contains('\''), text.contains('`'));
    if !text.contains('\r') {
        if !quote && !text.contains("\\\\") && !text.ends_with('\\') && !is_expanded_by_python(text) {
            return single();
        }
        if !backtick && dollars_are_literal(text) {
            return double(&['\\', '"']);
        }
    }
    // podman-compose is left behind here.
    if !quote && !ends_in_odd_backslashes(text) {
        return single();
    }
    if !backtick {
        return double(&['\\', '"', '$']);
    }
    Err(
        "docker compose and a shell read a backtick beside a single quote, or beside a backslash at the end, in different ways",
    )
}

/// The longest `NAME=VALUE` that Linux gives to a process is 131,071 bytes (`MAX_ARG_STRLEN`); a name here has at most 525.
const LONGEST_VARIABLE: usize = 130_000;
/// Readers of `--env-file` refuse a whole file for a line of more than 65,535 bytes (Go's `bufio.Scanner`).
const LONGEST_LINE: usize = 64_900;

/// Whether a `$` before this character is an ordinary one for a shell and for compose, within double quotes.
pub fn ends_dollar(next: char) -> bool {
    " \t\n%&')+,./:;<=>]^|}~\"\\".contains(next)
}

fn dollars_are_literal(text: &str) -> bool {
    let after_each = text.match_indices('$').map(|(at, _)| text.get(at + 1..).and_then(|rest| rest.chars().next()));
    after_each.into_iter().all(|next| next.is_none_or(ends_dollar))
}

/// `${NAME}` or `${NAME:-default}`, as python-dotenv 1.2.4 `variables.py` finds it.
fn is_expanded_by_python(text: &str) -> bool {
    text.match_indices("${").any(|(at, _)| {
        let rest = text.get(at + 2..).unwrap_or_default();
        let name_end = rest.find(['}', ':']).unwrap_or(rest.len());
        let after = rest.get(name_end..).unwrap_or_default();
        after.starts_with('}') || after.strip_prefix(":-").is_some_and(|default| default.contains('}'))
    })
}

fn ends_in_odd_backslashes(text: &str) -> bool {
    text.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

/// A value of a file for `--env-file` of docker and podman, and for `env_file` of compose with `format: raw`: a line as it is.
///
/// # Errors
/// For what ends a line, for a carriage return at the end, which these readers drop, and for a line that they refuse.
// Found by running: docker/cli 29.9.3 `kvfile`, podman 4.3.1.
pub fn env_list(text: &str) -> Result<String, Cannot> {
    if text.contains(['\n', '\0']) {
        return Err("a line for --env-file can't hold a newline or NUL; write a .env file");
    }
    if text.ends_with('\r') {
        return Err("a line for --env-file can't end in a carriage return; write a .env file");
    }
    if text.len() > LONGEST_LINE {
        return Err("a line for --env-file can't be longer than 64 KiB; write a .env file");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
