//! Whether the process goes on after the first render: how often it reads again, what it drops, where it says how it is doing.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::cli::RawSettings;
use crate::config::places::{NO_FILE, status_file};
use crate::config::values::SettingsReader;
use crate::text::parse_duration;

/// The shortest and the longest interval.
pub const INTERVALS: [Duration; 2] = [Duration::from_secs(30), Duration::from_hours(24)];
/// The longest that a value may stay unconfirmed before it is dropped, where it is dropped at all.
const LONGEST_STALE: Duration = Duration::from_hours(30 * 24);

/// Reading again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// From one reading to the next.
    pub interval: Duration,
    /// A value that could not be confirmed for so long is dropped; `None` keeps it for ever.
    pub max_stale: Option<Duration>,
    /// Where the status goes.
    pub status_file: PathBuf,
}

impl SettingsReader<'_> {
    /// Whether and how it is read again; `None` where it is read once.
    pub fn refresh(&mut self, raw: &RawSettings) -> Option<Refresh> {
        let [shortest, longest] = INTERVALS;
        let given = |text: &Option<String>, longest| text.as_deref().map(|text| parse_duration(text.trim(), longest));
        let interval = given(&raw.refresh, longest);
        let max_stale = given(&raw.refresh_max_stale, LONGEST_STALE);
        let Some(interval) = interval else {
            for (name, value) in [("REFRESH_MAX_STALE", &raw.refresh_max_stale), ("STATUS_FILE", &raw.status_file)] {
                if value.is_some() {
                    self.notices.push(format!(
                        "SECRETS_INIT_{name} has no effect: it is read once, because SECRETS_INIT_REFRESH is not set"
                    ));
                }
            }
            if max_stale == Some(None) {
                self.wrong("REFRESH_MAX_STALE", MAX_STALE_FORM);
            }
            return None;
        };
        let interval = interval.filter(|interval| *interval >= shortest);
        let interval = self.checked("REFRESH", interval.ok_or("must be a duration from 30s to 24h, such as 5m"));
        let is_long_enough = |stale: &Duration| interval.is_none_or(|interval| *stale >= interval * 2);
        if raw.status_file.as_deref().is_some_and(|path| [NO_FILE, "-"].contains(&path.trim())) {
            self.wrong("STATUS_FILE", "must be the path of a file: there is always a status, and it goes nowhere else");
        }
        if max_stale.is_some_and(|stale| !stale.as_ref().is_some_and(is_long_enough)) {
            self.wrong("REFRESH_MAX_STALE", MAX_STALE_FORM);
        }
        Some(Refresh { interval: interval?, max_stale: max_stale.flatten(), status_file: status_file(raw) })
    }
}

const MAX_STALE_FORM: &str =
    "must be a duration such as 1h, at most 720h, and at least twice SECRETS_INIT_REFRESH: one reading may fail";
