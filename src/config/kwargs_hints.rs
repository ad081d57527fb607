//! What a text most likely is that should be the JSON of `backend_kwargs` and is not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::python::json::{Value, loads};

/// What the text is and what to do, in a clause; `None` where it is nothing that is known. `offset` is the byte at which it
/// stops being JSON. No part of the text is in it.
pub fn hint(text: &str, offset: usize) -> Option<&'static str> {
    let trimmed = text.trim();
    if trimmed.starts_with("map[") {
        return Some("a YAML map was given where the chart wants a quoted JSON string");
    }
    if trimmed.starts_with('@') {
        return Some(
            "@FILE is for SECRETS_INIT_BACKEND_KWARGS alone; give the JSON itself, or the path in that variable",
        );
    }
    if trimmed.contains(['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}']) {
        return Some("it has typographic quotes; type them anew as \"");
    }
    let decoded = STANDARD.decode(trimmed.replace(['\n', ' '], "")).ok();
    if decoded.is_some_and(|bytes| bytes.trim_ascii_start().starts_with(b"{")) {
        return Some("it is base64: decode it, or use stringData where a Secret is written by hand");
    }
    if is_quoted(trimmed) {
        return Some("there are quotes around the object, which the shell would have taken away: leave them out here");
    }
    if trimmed.starts_with("{\\\"") || trimmed.contains("\\\":") {
        return Some(
            "its quotes have backslashes before them, as for a quoted text in a text: leave the backslashes out",
        );
    }
    let (before, rest) = text.split_at_checked(offset)?;
    if before.trim_end().ends_with(',') && rest.trim_start().starts_with(['}', ']']) {
        return Some("there is a comma after the last entry: take it away");
    }
    if rest.starts_with('\'') {
        return Some("it has single quotes, as Python prints a dict: JSON needs double quotes");
    }
    if ["True", "False", "None"].iter().any(|word| rest.starts_with(word)) {
        return Some("True, False and None are Python's: write true, false and null");
    }
    let first_line = trimmed.lines().next().unwrap_or_default();
    let is_key =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if first_line.split_once(':').is_some_and(|(key, _)| is_key(key.trim())) {
        return Some("it is YAML: write one JSON object, {\"key\": \"value\"}");
    }
    if first_line.split_once('=').is_some_and(|(key, _)| is_key(key.trim())) {
        return Some("it is key=value: write one JSON object, {\"key\": \"value\"}");
    }
    None
}

fn is_quoted(text: &str) -> bool {
    let inner = ['\'', '"', '`'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.is_some_and(|inner| loads(inner).is_ok_and(|json| matches!(json, Value::Object(_))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What people have put there, and what it is called.
    #[test]
    fn each_mistake_has_its_name() {
        let base64 = STANDARD.encode(r#"{"connections_prefix": "a"}"#);
        for (text, words) in [
            ("map[connections_prefix:canary]", "a YAML map was given"),
            ("@/etc/canary.json", "@FILE is for SECRETS_INIT_BACKEND_KWARGS alone"),
            ("{\u{201c}connections_prefix\u{201d}: \u{201c}canary\u{201d}}", "typographic quotes"),
            (base64.as_str(), "it is base64"),
            (r#"'{"connections_prefix": "canary"}'"#, "there are quotes around the object"),
            (r#""{"connections_prefix": "canary"}""#, "there are quotes around the object"),
            (r#"{\"connections_prefix\": \"canary\"}"#, "its quotes have backslashes"),
            (r#"{"connections_prefix": "canary",}"#, "a comma after the last entry"),
            (r#"{"shared": [{"account": "canary"}, ]}"#, "a comma after the last entry"),
            ("{'connections_prefix': 'canary'}", "single quotes, as Python prints a dict"),
            (r#"{"connections_prefix": 'canary'}"#, "single quotes"),
            (r#"{"verify": False, "a": "canary"}"#, "True, False and None are Python's"),
            (r#"{"config_prefix": None}"#, "True, False and None are Python's"),
            ("connections_prefix: canary\nsep: /\n", "it is YAML"),
            ("connections_prefix=canary", "it is key=value"),
        ] {
            let offset = loads(text).unwrap_err().offset;
            let hint = hint(text, offset).unwrap_or_else(|| panic!("{text}"));
            assert!(hint.contains(words) && !hint.contains("canary"), "{text}: {hint}");
        }
        for text in ["{\"a\": \"b\"", "{\"a\" \"b\"}", "canary", ""] {
            assert_eq!(hint(text, loads(text).unwrap_err().offset), None, "{text}");
        }
    }
}
