//! How the refresh is doing: a small document beside the files, and the command that reads it for probes. No values.
//!
//! docs/REFRESH.md has the document's form.

use std::fmt::Write as _;
use std::fs::Metadata;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::{Deserialize, Serialize};
use tracing::error;

use crate::commands::print;
use crate::config::files;
use crate::config::settings::{OUTPUT_FORMS, OutputForm};
use crate::error::{Exit, Failure};
use crate::report::log::known;
use crate::text::{count, os_error, printable, shown};
use crate::write;

/// The form of the document.
const VERSION: u32 = 1;
/// A larger document is none of ours: 5,000 ids with their reasons are 2 MiB.
const LARGEST: u64 = 64 << 20;

/// How the refresh is doing. Times are UTC, to the second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// `VERSION`.
    pub version: u32,
    /// `SECRETS_INIT_REFRESH`.
    pub interval_seconds: u64,
    /// When the first render was in place.
    pub started: String,
    /// When the last reading ended, whatever came of it.
    pub last_attempt: String,
    /// When the last reading that succeeded ended.
    pub last_success: String,
    /// When a file was last written.
    pub last_change: String,
    /// Readings so far, the first render included.
    pub attempts: u64,
    /// How many failed since the last success.
    pub failures_in_a_row: u32,
    /// Why the last reading failed as a whole, if it did.
    pub failure: Option<StatusFailure>,
    /// How many are in the files.
    pub connections: usize,
    /// The same.
    pub variables: usize,
    /// The same.
    pub configs: usize,
    /// Accounts that the last reading that succeeded went on without.
    pub accounts: Vec<AccountStatus>,
    /// Entries that keep the value of an earlier reading, or were dropped because they kept it too long.
    pub stale: Vec<StaleEntry>,
    /// Entries that are not in the files.
    pub left_out: Vec<AbsentEntry>,
}

/// Why a reading failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusFailure {
    /// The code that a run would have ended with.
    pub exit_code: u8,
    /// Its lines.
    pub reasons: Vec<String>,
}

/// An account that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountStatus {
    /// Which.
    pub account: String,
    /// Why.
    pub reason: String,
}

/// An entry that is older than the last reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleEntry {
    /// A connection, a variable or a config value.
    pub kind: String,
    /// Which.
    pub id: String,
    /// Whose.
    pub account: String,
    /// In which file, where the others have its new value.
    #[serde(default)]
    pub file: Option<String>,
    /// When its value was last confirmed.
    pub last_confirmed: String,
    /// Whether it is no longer in the files (`SECRETS_INIT_REFRESH_MAX_STALE`).
    pub dropped: bool,
    /// Why.
    pub reason: String,
}

/// An entry that was found or asked for and is not in the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentEntry {
    /// A connection, a variable or a config value.
    pub kind: String,
    /// Which.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// A time as the document has it.
#[must_use]
pub fn at(time: SystemTime) -> String {
    DateTime::from_secs(DateTime::from(time).secs()).fmt(Format::DateTime).unwrap_or_default()
}

impl Status {
    /// Of a process that has just put its first render in place.
    #[must_use]
    pub fn start(interval: Duration, now: SystemTime) -> Self {
        let now = at(now);
        Self {
            version: VERSION,
            interval_seconds: interval.as_secs(),
            started: now.clone(),
            last_attempt: now.clone(),
            last_success: now.clone(),
            last_change: now,
            attempts: 1,
            ..Self::default()
        }
    }

    /// Puts the document in place, and gives which file it is.
    ///
    /// # Errors
    /// As those of the files.
    pub fn write(&self, path: &Path, mode: u32) -> Result<Option<WhichFile>, Failure> {
        let staged = write::stage(path, print::document(self).as_bytes(), mode)?;
        // Before it is in place: after that another process may replace it at any moment.
        let file = staged.file().and_then(|file| file.metadata().ok()).map(|found| which(&found));
        write::commit_all(vec![staged])?;
        Ok(file)
    }
}

/// Which file is there: its inode, which may be used again once a file is removed, and when it was written.
pub type WhichFile = (u64, i64, i64);

/// Which file is there.
#[must_use]
pub fn which_file(path: &Path) -> Option<WhichFile> {
    std::fs::symlink_metadata(path).ok().map(|found| which(&found))
}

fn which(found: &Metadata) -> WhichFile {
    (found.ino(), found.mtime(), found.mtime_nsec())
}

/// Removes what an earlier process has left: there is no status before the first render is in place.
pub fn remove(path: &Path) {
    if path.is_file() && !path.is_symlink() {
        // What can't be removed can't be replaced either, which is said then.
        drop(std::fs::remove_file(path));
    }
}

/// How a status is judged.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    /// The oldest that is well; `None` is three intervals.
    pub max_age: Option<Duration>,
    /// By the last attempt, not by the last success.
    pub by_attempt: bool,
}

/// What `status --output json` prints.
#[derive(Serialize)]
struct StatusReport<'a> {
    healthy: bool,
    judged_by: &'static str,
    /// Below zero where the status is dated in the future.
    age_seconds: i64,
    max_age_seconds: u64,
    #[serde(flatten)]
    status: &'a Status,
}

/// The command `status`: prints the document and judges it. Ends with [`Exit::Different`] where it is too old.
///
/// # Errors
/// [`Exit::NotFound`] where there is no file yet, [`Exit::InvalidData`] for one that is not of this form, [`Exit::Io`] where it can't
/// be read or printed.
pub fn show(
    path: &Path,
    judgement: Judgement,
    form: OutputForm,
    now: SystemTime,
    stdout: &mut dyn Write,
) -> Result<Exit, Failure> {
    let text = files::read_text(path, LARGEST).map_err(|problem| match problem.kind() {
        ErrorKind::NotFound => {
            let words = "no status file yet: the first render is not in place, or the process runs without SECRETS_INIT_REFRESH";
            Failure::new(Exit::NotFound, format!("{}: {words}", shown(path)))
        }
        _ => Failure::new(Exit::Io, format!("{}: can't be read: {}", shown(path), os_error(&problem))),
    })?;
    let foreign = |what: &str| Failure::new(Exit::InvalidData, format!("{}: {what}", shown(path)));
    let status: Status = serde_json::from_str(&text).map_err(|_| foreign("is no status of this program's"))?;
    if status.version != VERSION {
        return Err(foreign("is the status of another version of this program"));
    }
    let (judged_by, time) =
        if judgement.by_attempt { ("attempt", &status.last_attempt) } else { ("success", &status.last_success) };
    let then = DateTime::from_str(time, Format::DateTime).ok().and_then(|time| SystemTime::try_from(time).ok());
    let then = then.ok_or_else(|| foreign("has a time that is none"))?;
    let max_age = judgement.max_age.unwrap_or_else(|| Duration::from_secs(status.interval_seconds.saturating_mul(3)));
    // Dated in the future: the clock was set back since. A process that still reads dates it anew before it would be too old.
    let (distance, is_ahead) =
        now.duration_since(then).map_or_else(|ahead| (ahead.duration(), true), |age| (age, false));
    let healthy = distance <= max_age;
    let seconds = i64::try_from(distance.as_secs()).unwrap_or(i64::MAX);
    let age_seconds = if is_ahead { -seconds } else { seconds };
    let report = StatusReport { healthy, judged_by, age_seconds, max_age_seconds: max_age.as_secs(), status: &status };
    print::in_form(form, &report, || report.text(), stdout)?;
    Ok(if healthy { Exit::Ok } else { Exit::Different })
}

/// The same in the form that `SECRETS_INIT_OUTPUT` names, text where it names none. What goes wrong is said on stderr alone: the
/// termination message is that of the process that refreshes.
pub fn run(path: &Path, judgement: Judgement, form: Option<&str>, stdout: &mut dyn Write) -> Exit {
    let form = match form {
        None => Ok(OutputForm::Text),
        Some(word) => known(word, &OUTPUT_FORMS[..2]).ok_or_else(|| {
            Failure::new(Exit::Config, "SECRETS_INIT_OUTPUT: text and json are the forms of what status prints")
        }),
    };
    form.and_then(|form| show(path, judgement, form, SystemTime::now(), stdout)).unwrap_or_else(|failure| {
        failure.lines().iter().for_each(|line| error!("{line}"));
        failure.exit()
    })
}

impl StatusReport<'_> {
    fn text(&self) -> String {
        let Self { status, .. } = self;
        let (judged, when) = match (self.healthy, self.age_seconds) {
            (true, 0..) => ("healthy", "s ago"),
            (false, 0..) => ("too old", "s ago"),
            (true, _) => ("healthy", "s from now, because the clock was set back"),
            (false, _) => ("of unknown age", "s from now, because the clock was set back"),
        };
        let mut out = format!(
            "{judged}: the last {} was {} {when}, and {} s are allowed\nlast success {}, last attempt {}, last change {}; {}, {} failed in a row\nconnections {}, variables {}, config values {}\n",
            self.judged_by,
            self.age_seconds.unsigned_abs(),
            self.max_age_seconds,
            status.last_success,
            status.last_attempt,
            status.last_change,
            count(usize::try_from(status.attempts).unwrap_or(usize::MAX), "reading"),
            status.failures_in_a_row,
            status.connections,
            status.variables,
            status.configs,
        );
        for reason in status.failure.iter().flat_map(|failure| &failure.reasons) {
            let _ = writeln!(out, "failed: {}", printable(reason));
        }
        for AccountStatus { account, reason } in &status.accounts {
            let _ = writeln!(out, "not read: {}: {}", printable(account), printable(reason));
        }
        for entry in &status.stale {
            let word = if entry.dropped { "dropped" } else { "kept" };
            let StaleEntry { kind, id, account, file, last_confirmed, reason, .. } = entry;
            let (id, reason) = (printable(id), printable(reason));
            let file = file.as_ref().map(|file| format!(" in {file}")).unwrap_or_default();
            let _ = writeln!(out, "{word}{file}: {kind} {id} ({account}), last confirmed {last_confirmed}: {reason}");
        }
        for AbsentEntry { kind, id, reason } in &status.left_out {
            let _ = writeln!(out, "left out: {kind} {}: {}", printable(id), printable(reason));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: &Status, judgement: Judgement, later: u64) -> Exit {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.json");
        status.write(&path, 0o440).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + later);
        show(&path, judgement, OutputForm::Json, now, &mut std::io::sink()).unwrap()
    }

    fn status() -> Status {
        Status::start(Duration::from_mins(5), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000))
    }

    #[test]
    fn a_status_is_well_for_three_intervals_or_for_as_long_as_is_asked() {
        let usual = Judgement { max_age: None, by_attempt: false };
        assert_eq!(judged(&status(), usual, 900), Exit::Ok);
        assert_eq!(judged(&status(), usual, 901), Exit::Different);
        let hour = Judgement { max_age: Some(Duration::from_hours(1)), ..usual };
        assert_eq!((judged(&status(), hour, 3600), judged(&status(), hour, 3601)), (Exit::Ok, Exit::Different));
    }

    /// AWS may be away for long without the process being ill.
    #[test]
    fn alive_is_judged_by_the_attempts() {
        let turning = Status { last_attempt: at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_010_000)), ..status() };
        let by = |by_attempt| judged(&turning, Judgement { max_age: None, by_attempt }, 10_000);
        assert_eq!((by(true), by(false)), (Exit::Ok, Exit::Different));
    }

    /// A process that reads on dates its status anew within an interval; one that hangs must not be well until the clock has caught up.
    #[test]
    fn a_status_of_the_future_is_well_for_as_long_as_one_of_the_past_and_says_that_the_clock_was_set_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.json");
        status().write(&path, 0o440).unwrap();
        let judgement = Judgement { max_age: None, by_attempt: false };
        let shown = |before: u64| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - before);
            let mut text = Vec::new();
            let exit = show(&path, judgement, OutputForm::Text, now, &mut text).unwrap();
            (exit, String::from_utf8(text).unwrap().lines().next().unwrap().to_owned())
        };
        let line = |judged: &str, seconds: u64| {
            format!(
                "{judged}: the last success was {seconds} s from now, because the clock was set back, and 900 s are allowed"
            )
        };
        assert_eq!(shown(900), (Exit::Ok, line("healthy", 900)));
        assert_eq!(shown(901), (Exit::Different, line("of unknown age", 901)));
        assert_eq!(shown(1_000_000).0, Exit::Different);
    }

    #[test]
    fn no_file_another_file_and_an_unreadable_one_are_three_things() {
        let directory = tempfile::tempdir().unwrap();
        let of = |name: &str| {
            let judgement = Judgement { max_age: None, by_attempt: false };
            let path = directory.path().join(name);
            show(&path, judgement, OutputForm::Text, SystemTime::now(), &mut std::io::sink()).unwrap_err().exit()
        };
        std::fs::write(directory.path().join("other"), "{\"canary\": 1}").unwrap();
        let newer = Status { version: 2, ..status() };
        newer.write(&directory.path().join("newer"), 0o440).unwrap();
        std::fs::create_dir(directory.path().join("directory")).unwrap();
        let codes = ["none", "other", "newer", "directory"].map(of);
        assert_eq!(codes, [Exit::NotFound, Exit::InvalidData, Exit::InvalidData, Exit::Io]);
    }
}
