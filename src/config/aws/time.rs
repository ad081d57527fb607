//! Times as AWS's tools write them.

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// Reads a time such as `2026-01-31T12:00:00Z` or `2026-01-31T12:00:00+00:00`; without a zone it is UTC.
pub fn parse(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let text = text.strip_suffix("UTC").map_or(text.to_owned(), |time| format!("{}Z", time.trim_end()));
    let read = |text: &str| DateTime::from_str(text, Format::DateTimeWithOffset).ok();
    let time = read(&text).or_else(|| read(&format!("{text}Z")))?;
    SystemTime::try_from(time).ok()
}
