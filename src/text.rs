//! Small text rules that several stages share: showing foreign names safely, splitting lists, Python's `rstrip`.

use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// A foreign name made safe for a log line: anything but printable ASCII is escaped, and long names are cut.
///
/// A conn_id or an AWS message may come from another account. Escaped, it can't forge a log line, recolour a
/// terminal or reverse the text around it.
pub fn printable(name: &str) -> String {
    const LONGEST: usize = 600;
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if out.len() > LONGEST {
            out.push_str("...");
            break;
        }
        match c {
            ' '..='~' => out.push(c),
            _ => out.extend(c.escape_unicode()),
        }
    }
    out
}

/// The items of a comma or newline separated list, trimmed, empty ones dropped. A comma inside `{}` does not separate.
pub fn split_list(text: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let items = text.split(|c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '\n' || (c == ',' && depth == 0)
    });
    items.map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Python's `text.rstrip(set)`: the separator is a set of characters, so `-_` strips any trailing `-` or `_`.
pub fn rstrip<'a>(text: &'a str, set: &str) -> &'a str {
    text.trim_end_matches(|c| set.contains(c))
}

/// Each once, in the order in which they come first.
pub fn unique<'a>(ids: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    ids.into_iter().filter(|id| seen.insert(id.as_str())).cloned().collect()
}

/// What the operating system says of a failed call, without the number: `No such file or directory`.
pub fn os_error(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// The seconds since 1970 at a moment such as `2026-11-24T18:25:00Z`; `None` where the text is none.
pub fn seconds_at(moment: &str) -> Option<u64> {
    u64::try_from(DateTime::from_str(moment, Format::DateTime).ok()?.secs()).ok()
}

/// A time as AWS's tools write it: `2026-01-31T12:00:00Z` or `2026-01-31T12:00:00+00:00`; without a zone it is UTC.
pub fn parse_time(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let text = text.strip_suffix("UTC").map_or(text.to_owned(), |time| format!("{}Z", time.trim_end()));
    let read = |text: &str| DateTime::from_str(text, Format::DateTimeWithOffset).ok();
    let time = read(&text).or_else(|| read(&format!("{text}Z")))?;
    SystemTime::try_from(time).ok()
}

/// `3 days`, `1 hour`, `20 minutes`: the largest unit that there is one of.
pub fn duration_in_words(seconds: u64) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let (size, unit) = units.into_iter().find(|(size, _)| seconds >= *size).unwrap_or((1, "second"));
    count(usize::try_from(seconds / size).unwrap_or(usize::MAX), unit)
}

/// `1 connection`, `2 connections`.
pub fn count(n: usize, singular: &str) -> String {
    if n == 1 { format!("1 {singular}") } else { format!("{n} {singular}s") }
}

/// A path made safe for a log line.
pub fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

/// The known name that `name` most likely stands for, if any is near: a third of the characters at most is another one, apart
/// from the words that both begin with; or it is the start of the other name.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |candidate: &&'a str| {
        let (name, candidate_name) = (name.to_lowercase(), candidate.to_lowercase());
        let words = common_words(&name, &candidate_name);
        let (name, other) = (name.get(words..)?, candidate_name.get(words..)?);
        let most = (name.chars().count() / 3).max(1);
        let is_its_start = |rest: &str| rest.starts_with(['_', '-', '/', '.']) && !name.is_empty();
        let distance = if other.strip_prefix(name).is_some_and(is_its_start) {
            most
        } else {
            strsim::damerau_levenshtein(name, other)
        };
        Some((distance, *candidate)).filter(|(distance, _)| *distance <= most)
    };
    known.iter().filter_map(distance).min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// How many bytes both begin with, up to the last separator in them.
fn common_words(a: &str, b: &str) -> usize {
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let start = a.as_bytes().get(..same).unwrap_or_default();
    start.iter().rposition(|byte| matches!(byte, b'_' | b'-' | b'/' | b'.')).map_or(0, |at| at + 1)
}

/// `500ms`, `60s`, `1.5s`, `2m`, `1h`, or seconds without a unit; `None` for anything else, and for more than `longest`.
pub fn parse_duration(text: &str, longest: Duration) -> Option<Duration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value = number.parse::<f64>().ok().filter(|_| plain)? * seconds;
    (value <= longest.as_secs_f64()).then(|| Duration::from_secs_f64(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_names_cannot_forge_lines() {
        assert_eq!(printable("a\n2026 ERROR b\u{1b}[31m\u{202e}"), "a\\u{a}2026 ERROR b\\u{1b}[31m\\u{202e}");
        assert_eq!(printable(&"x".repeat(601)), "x".repeat(601));
        assert_eq!(printable(&"x".repeat(602)), format!("{}...", "x".repeat(601)));
    }

    #[test]
    fn each_once_in_its_first_place() {
        let all = ["b", "a", "b", "c", "a"].map(str::to_owned);
        assert_eq!(unique(&all), ["b", "a", "c"]);
    }

    #[test]
    fn an_error_of_the_system_has_no_number() {
        assert_eq!(os_error(&std::io::Error::from_raw_os_error(2)), "No such file or directory");
    }

    /// The seconds are those of `date -u -d MOMENT +%s`.
    #[test]
    fn moments_have_their_seconds_and_durations_their_words() {
        for (moment, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T23:59:59Z", Some(951_868_799)),
            ("2026-11-27T20:00:01Z", Some(1_795_809_601)),
            ("2100-03-01T00:00:00Z", Some(4_107_542_400)),
            ("2026-11-27T20:00:01", None),
            ("2026-13-27T20:00:01Z", None),
            ("yesterday", None),
        ] {
            assert_eq!(seconds_at(moment), seconds, "{moment}");
        }
        let words = [0, 59, 60, 7_199, 86_400 * 3 + 5].map(duration_in_words);
        assert_eq!(words, ["0 seconds", "59 seconds", "1 minute", "1 hour", "3 days"]);
    }

    #[test]
    fn what_is_far_is_not_suggested() {
        let settings = ["SECRETS_INIT_OUTPUT", "SECRETS_INIT_DEADLINE", "SECRETS_INIT_CONN_IDS", "SECRETS_INIT_LOG"];
        for (name, near) in [
            ("SECRETS_INIT_TIMEOUT", None),
            ("SECRETS_INIT_OUTPT", Some("SECRETS_INIT_OUTPUT")),
            ("SECRETS_INIT_CONN_ID", Some("SECRETS_INIT_CONN_IDS")),
            ("SECRETS_INT_LOG", Some("SECRETS_INIT_LOG")),
            ("SECRETS_INIT_CONNECTION_IDS", None),
            ("SECRETS_INIT_CONN", Some("SECRETS_INIT_CONN_IDS")),
            ("secrets_init_lgo", Some("SECRETS_INIT_LOG")),
        ] {
            assert_eq!(nearest(name, &settings), near, "{name}");
        }
        assert_eq!(nearest("onyl", &["on", "only", "b\u{e9}"]), Some("only"));
        assert_eq!((nearest("x", &[]), nearest("b\u{e8}", &["b\u{e9}"])), (None, Some("b\u{e9}")));
    }

    #[test]
    fn one_is_singular() {
        assert_eq!([0, 1, 2].map(|n| count(n, "secret")), ["0 secrets", "1 secret", "2 secrets"]);
    }

    #[test]
    fn lists_split_at_commas_and_newlines_but_not_in_braces() {
        assert_eq!(split_list(" a,b\n\n c ,{d,e}*, "), ["a", "b", "c", "{d,e}*"]);
    }

    #[test]
    fn rstrip_takes_a_set_of_characters() {
        assert_eq!(rstrip("airflow/connections///", "/"), "airflow/connections");
        assert_eq!(rstrip("a-b_-", "-_"), "a-b");
        assert_eq!(rstrip("a/", ""), "a/");
    }
}
