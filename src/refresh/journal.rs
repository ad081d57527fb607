//! What is said of the readings: each change, each trouble once and then at growing distances, an hour of quiet; and the status. The
//! time is handed in; the status has the time of the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tracing::{Level, error, info, warn};

use crate::commands::diff::DiffReport;
use crate::config::refresh::Refresh;
use crate::convert::Entries;
use crate::convert::left_out::{LeftOut, Why};
use crate::error::{Exit, Failure};
use crate::fetch::answers::SkippedAccount;
use crate::model::kind::Kind;
use crate::model::policy::{Policies, Policy};
use crate::plan::{Plan, Source};
use crate::refresh::last_good::{Doubt, EntryId, Merged, emptied_line};
use crate::refresh::status::{
    AbsentEntry, AccountStatus, StaleEntry, Status, StatusFailure, WhichFile, at, which_file,
};
use crate::report::left_out::first_of;
use crate::text::{count, printable, shown};

/// How long nothing is said where there is nothing to say.
const QUIET: Duration = Duration::from_hours(1);
/// From one line about the same trouble to the next: the first and the longest distance.
const DISTANCES: [Duration; 2] = [Duration::from_mins(10), Duration::from_hours(24)];

/// A file, where it is about one alone, an entry, and what is doubtful about it.
type DoubtOf<'a> = (Option<&'a str>, &'a EntryId, &'a Doubt);
/// What the entries of one line have in common: the file, the kind, whether they are dropped, the source, and the clause that says why.
type InCommon<'a> = (Option<&'a str>, Kind, bool, usize, &'a str);

/// What can be wrong for longer than one reading.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    /// A reading that counts as failed, by the code that says how: another is another trouble.
    Reading(Exit),
    StatusFile,
    /// Another process writes the status too.
    StatusOfOther,
    /// An account, as lines name it.
    Account(String),
    /// An entry, in all files or in one, as lines name it.
    Entry {
        id: EntryId,
        file: Option<String>,
    },
}

impl Trouble {
    fn of(left: &LeftOut) -> Self {
        let file = if let Why::NotForFile { file, .. } = &left.why { Some(file.clone()) } else { None };
        Self::Entry { id: (left.kind, left.id.clone()), file }
    }
}

/// What two reasons have in common that are the same: the words without their numbers, up to the code of the cause where they have one.
fn gist(reason: &str) -> String {
    let without_numbers = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    match reason.split_once("ASI-") {
        Some((before, code)) => without_numbers(before) + &code.chars().take(3).collect::<String>(),
        None => without_numbers(reason),
    }
}

/// When the same trouble is said again.
#[derive(Default)]
struct Repeats {
    open: BTreeMap<Trouble, Repeat>,
}

struct Repeat {
    since: Instant,
    reason: String,
    next: Instant,
    distance: Duration,
}

impl Repeats {
    /// Whether this trouble is to be said now: when it is new, or has another reason than before, and at distances that double.
    fn is_due(&mut self, trouble: &Trouble, reason: &str, now: Instant) -> bool {
        let [first, longest] = DISTANCES;
        let reason = gist(reason);
        match self.open.get_mut(trouble) {
            None => {
                self.open.insert(trouble.clone(), Repeat { since: now, reason, next: now + first, distance: first });
                true
            }
            Some(repeat) if repeat.reason != reason => {
                *repeat = Repeat { since: repeat.since, reason, next: now + first, distance: first };
                true
            }
            Some(repeat) if now >= repeat.next => {
                repeat.distance = (repeat.distance * 2).min(longest);
                repeat.next = now + repeat.distance;
                true
            }
            Some(_) => false,
        }
    }

    /// Forgets the troubles that are over, and gives them with how long they lasted.
    fn over(&mut self, is_over: impl Fn(&Trouble) -> bool, now: Instant) -> Vec<(Trouble, Duration)> {
        let over = self.open.extract_if(.., |trouble, _| is_over(trouble));
        over.map(|(trouble, repeat)| (trouble, now - repeat.since)).collect()
    }
}

/// What a reading came to that was written.
pub struct Reading<'a> {
    /// Whether the accounts were read; else it is what there was, without what was unconfirmed for too long.
    pub is_read: bool,
    /// What is in the files now.
    pub entries: &'a Entries,
    /// What a file can't hold.
    pub not_carried: &'a [LeftOut],
    /// What of it was not confirmed; `None` after the first render.
    pub merged: Option<&'a Merged>,
}

/// The status, and what was said so far.
pub struct Journal {
    path: PathBuf,
    mode: u32,
    policies: Policies,
    status: Status,
    repeats: Repeats,
    /// When a change, or the quiet, was last said.
    said: Instant,
    /// Readings and failures since then.
    readings: (usize, usize),
    /// The file of the status that was last put in place.
    last_file: Option<WhichFile>,
    /// When a reading was last in the files.
    written: Instant,
}

impl Journal {
    /// Begins after the first render, which has said what is left out.
    #[must_use]
    pub fn start(
        refresh: &Refresh,
        (mode, policies): (u32, Policies),
        plan: &Plan,
        first: &Reading<'_>,
        now: Instant,
    ) -> Self {
        let mut journal = Self {
            path: refresh.status_file.clone(),
            mode,
            policies,
            status: Status::start(refresh.interval, SystemTime::now()),
            repeats: Repeats::default(),
            said: now,
            readings: (0, 0),
            last_file: None,
            written: now,
        };
        for left in first.entries.left_out.iter().chain(first.not_carried) {
            journal.repeats.is_due(&Trouble::of(left), &left.clause(), now);
        }
        for account in &first.entries.skipped_accounts {
            let line = account.lines().join("; ");
            journal.repeats.is_due(&Trouble::Account(account.source.to_string()), &line, now);
        }
        journal.take(plan, first, now);
        journal.write(now);
        journal
    }

    /// How many readings failed since the last success.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.status.failures_in_a_row
    }

    /// A reading whose entries are in the files.
    pub fn succeeded(&mut self, plan: &Plan, reading: &Reading<'_>, changes: &DiffReport, now: Instant) {
        self.attempted(false);
        self.status.last_success.clone_from(&self.status.last_attempt);
        self.status.failures_in_a_row = 0;
        self.status.failure = None;
        self.written = now;
        let failures = self.repeats.over(|trouble| matches!(trouble, Trouble::Reading(_)), now);
        if let Some(lasted) = failures.into_iter().map(|(_, lasted)| lasted).max() {
            info!("read again, after {} without success", age(lasted));
        }
        self.say_changes(changes, now);
        self.say_troubles(plan, reading, now);
        self.take(plan, reading, now);
        self.end(now);
    }

    /// A reading that counts as failed: `written` is what was written all the same, and what it changed.
    pub fn failed(
        &mut self,
        plan: &Plan,
        failure: &Failure,
        written: Option<(Reading<'_>, &DiffReport)>,
        now: Instant,
    ) {
        self.attempted(true);
        self.status.failures_in_a_row += 1;
        let reasons = failure.lines().to_vec();
        let files = match &written {
            None => format!("the files stay as they were {} ago", age(now - self.written)),
            Some((Reading { is_read: false, .. }, _)) => {
                "what was unconfirmed for SECRETS_INIT_REFRESH_MAX_STALE is out of every file that can do without it"
                    .to_owned()
            }
            Some((Reading { is_read: true, .. }, _)) => "what could be read and rendered is in the files".to_owned(),
        };
        let first = failure.lines().first().map_or("", String::as_str);
        // With something dropped it is news again.
        let has_dropped = written.as_ref().is_some_and(|(reading, _)| !reading.is_read);
        if self.repeats.is_due(&Trouble::Reading(failure.exit()), first, now) || has_dropped {
            let line = format!("reading failed ({} in a row); {files}: {failure}", self.status.failures_in_a_row);
            let exit_code = failure.exit().code();
            match failure.exit() {
                // What time may heal.
                Exit::Unavailable | Exit::TempFail => warn!(exit_code, "{line}"),
                _ => error!(exit_code, "{line}"),
            }
        }
        self.status.failure = Some(StatusFailure { exit_code: failure.exit().code(), reasons });
        if let Some((reading, changes)) = written {
            self.written = now;
            self.say_changes(changes, now);
            self.say_troubles(plan, &reading, now);
            self.take(plan, &reading, now);
        }
        self.end(now);
    }

    fn attempted(&mut self, has_failed: bool) {
        self.status.last_attempt = at(SystemTime::now());
        self.status.attempts += 1;
        self.readings.0 += 1;
        self.readings.1 += usize::from(has_failed);
    }

    fn end(&mut self, now: Instant) {
        if now - self.said >= QUIET {
            let (readings, failed) = std::mem::take(&mut self.readings);
            let Status { connections, variables, configs, stale, .. } = &self.status;
            let stale = stale.len();
            info!(
                readings,
                failed,
                connections,
                variables,
                configs,
                stale,
                "nothing changed for {}",
                age(now - self.said)
            );
            self.said = now;
        }
        self.write(now);
    }

    fn write(&mut self, now: Instant) {
        let found = which_file(&self.path);
        if self.last_file.is_some()
            && found.is_some()
            && found != self.last_file
            && self.repeats.is_due(&Trouble::StatusOfOther, "", now)
        {
            warn!(
                "another process has written the status in {}: give each process a SECRETS_INIT_STATUS_FILE of its own",
                shown(&self.path)
            );
        }
        let written = self.status.write(&self.path, self.mode);
        match written {
            Ok(file) => {
                self.last_file = file;
                self.repeats.over(|trouble| *trouble == Trouble::StatusFile, now);
            }
            Err(failure) if self.repeats.is_due(&Trouble::StatusFile, &failure.to_string(), now) => {
                warn!("the status can't be written, and probes will find the last one too old: {failure}");
            }
            Err(_) => {}
        }
    }

    // ---- what is said ---------------------------------------------------------------------------------------------

    fn say_changes(&mut self, changes: &DiffReport, now: Instant) {
        for change in changes.changes() {
            let list = |ids: &[String]| Some(first_of(ids)).filter(|list| !list.is_empty());
            info!(
                file = change.path,
                added = list(&change.added),
                changed = list(&change.changed),
                removed = list(&change.removed),
                "changed"
            );
            self.said = now;
            self.readings = (0, 0);
            self.status.last_change.clone_from(&self.status.last_attempt);
        }
    }

    fn say_troubles(&mut self, plan: &Plan, reading: &Reading<'_>, now: Instant) {
        let Reading { entries, not_carried, merged, .. } = reading;
        let mut present = BTreeSet::new();
        self.say_doubts(plan, doubts_of(*merged), now, &mut present);
        for left in entries.left_out.iter().chain(*not_carried) {
            let level = match left.policy(&self.policies) {
                Policy::Ignore => continue,
                Policy::Warn => Level::WARN,
                Policy::Error => Level::ERROR,
            };
            let trouble = Trouble::of(left);
            if self.repeats.is_due(&trouble, &left.clause(), now) {
                say(level, &format!("left out: {left}"));
            }
            present.insert(trouble);
        }
        let is_over = |trouble: &Trouble| matches!(trouble, Trouble::Entry { .. }) && !present.contains(trouble);
        for (trouble, lasted) in self.repeats.over(is_over, now) {
            // What was dropped or is gone is no longer in the files: other lines say that.
            if let Trouble::Entry { id: (kind, id), file } = trouble
                && entries.is_there(kind, &id)
            {
                let file = file.map(|file| format!(" in {file}")).unwrap_or_default();
                // It may be from another account than before.
                let source = plan.want_of(kind).and_then(|want| want.sources.get(entries.source_of(kind, &id)));
                let source = source.map(|source| format!(" ({})", source.source)).unwrap_or_default();
                let id = printable(&id);
                info!("{} {id}{source} is as it should be again{file}, after {}", kind.noun(), age(lasted));
            }
        }
        let skipped = entries.skipped_accounts.iter().filter(|account| account.failure.is_some());
        let skipped = skipped.map(|account| (Trouble::Account(account.source.to_string()), account.lines().join("; ")));
        // Of the own account it is why the reading counts as failed.
        let emptied = merged.iter().flat_map(|merged| &merged.emptied).filter(|(source, ..)| *source != Source::Own);
        let emptied = emptied.map(|emptied| (Trouble::Account(emptied.0.to_string()), emptied_line(emptied)));
        let mut accounts = BTreeSet::new();
        for (trouble, line) in skipped.chain(emptied) {
            if self.repeats.is_due(&trouble, &line, now) {
                warn!("{line}; its entries keep their last good values");
            }
            accounts.insert(trouble);
        }
        let is_over = |trouble: &Trouble| matches!(trouble, Trouble::Account(_)) && !accounts.contains(trouble);
        for (trouble, lasted) in self.repeats.over(is_over, now) {
            if let Trouble::Account(account) = trouble {
                info!("{account} is read again, after {}", age(lasted));
            }
        }
    }

    /// One line for each reason, however many entries it is about.
    fn say_doubts<'a>(
        &mut self,
        plan: &Plan,
        doubts: impl Iterator<Item = DoubtOf<'a>>,
        now: Instant,
        present: &mut BTreeSet<Trouble>,
    ) {
        let mut due: BTreeMap<InCommon<'_>, Vec<DoubtOf<'_>>> = BTreeMap::new();
        for (file, entry, doubt) in doubts {
            let trouble = Trouble::Entry { id: entry.clone(), file: file.map(str::to_owned) };
            let what = if doubt.is_dropped { "dropped" } else { "kept" };
            if self.repeats.is_due(&trouble, &format!("{what}{}", doubt.clause), now) {
                let reason = (file, entry.0, doubt.is_dropped, doubt.source, doubt.clause.as_str());
                due.entry(reason).or_default().push((file, entry, doubt));
            }
            present.insert(trouble);
        }
        for ((file, kind, is_dropped, source, clause), entries) in due {
            let oldest = entries.iter().map(|(.., doubt)| now - doubt.confirmed).max().unwrap_or_default();
            let ids: Vec<String> = entries.iter().map(|(_, (_, id), _)| printable(id)).collect();
            let what = if is_dropped { "dropped" } else { "kept with the last good value" };
            let file = file.map(|file| format!(" in {file}")).unwrap_or_default();
            let source = source_of(plan, kind, source).unwrap_or_default();
            let number = count(ids.len(), kind.noun());
            // What is known of one names it, its account and its reason.
            let detail = entries.first().map(|(.., doubt)| doubt.detail.as_str()).filter(|detail| *detail != clause);
            let whose = match (detail, ids.len()) {
                (Some(detail), 1) => format!(": {detail}"),
                (Some(detail), _) => format!(" ({source}): {}; {detail}", first_of(&ids)),
                (None, _) => format!(" ({source}): {}: {clause}", first_of(&ids)),
            };
            warn!("{number} {what}{file}, last confirmed {} ago{whose}", age(oldest));
        }
    }

    // ---- the status -----------------------------------------------------------------------------------------------

    fn take(&mut self, plan: &Plan, reading: &Reading<'_>, now: Instant) {
        let Reading { entries, not_carried, merged, .. } = reading;
        let clock = SystemTime::now();
        let status = &mut self.status;
        (status.connections, status.variables, status.configs) =
            (entries.connections.len(), entries.variables.len(), entries.configs.len());
        let skipped = entries.skipped_accounts.iter().map(|account: &SkippedAccount| AccountStatus {
            account: account.source.to_string(),
            reason: account.lines().join("; "),
        });
        let emptied = merged.iter().flat_map(|merged| &merged.emptied);
        let emptied =
            emptied.map(|emptied| AccountStatus { account: emptied.0.to_string(), reason: emptied_line(emptied) });
        status.accounts = skipped.chain(emptied).collect();
        let stale = doubts_of(*merged).map(|(file, (kind, id), doubt)| StaleEntry {
            kind: kind.noun().to_owned(),
            id: id.clone(),
            account: source_of(plan, *kind, doubt.source).unwrap_or_default(),
            file: file.map(str::to_owned),
            last_confirmed: at(clock - (now - doubt.confirmed)),
            dropped: doubt.is_dropped,
            reason: doubt.detail.clone(),
        });
        status.stale = stale.collect();
        let left_out = entries.left_out.iter().chain(*not_carried);
        let left_out = left_out.filter(|left| left.policy(&self.policies) != Policy::Ignore);
        let absent =
            |left: &LeftOut| AbsentEntry { kind: left.kind.noun().into(), id: left.id.clone(), reason: left.clause() };
        status.left_out = left_out.map(absent).collect();
    }
}

fn say(level: Level, line: &str) {
    if level == Level::ERROR {
        error!("{line}");
    } else {
        warn!("{line}");
    }
}

/// What is doubtful in all files, and then in one.
fn doubts_of(merged: Option<&Merged>) -> impl Iterator<Item = DoubtOf<'_>> {
    let of_all = merged.into_iter().flat_map(|merged| &merged.doubts).map(|(entry, doubt)| (None, entry, doubt));
    let of_files = merged.into_iter().flat_map(|merged| &merged.of_files);
    of_all.chain(of_files.map(|((file, entry), doubt)| (Some(file.as_str()), entry, doubt)))
}

fn source_of(plan: &Plan, kind: Kind, place: usize) -> Option<String> {
    Some(plan.want_of(kind)?.sources.get(place)?.source.to_string())
}

/// A duration for people: its largest two units.
fn age(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86400, seconds % 86400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_said_once_and_then_at_distances_that_double_up_to_a_day() {
        let mut repeats = Repeats::default();
        let start = Instant::now();
        let minutes: Vec<u64> = (0..7 * 24 * 60)
            .filter(|minute| {
                repeats.is_due(&Trouble::Reading(Exit::TempFail), "", start + Duration::from_mins(*minute))
            })
            .collect();
        assert_eq!(minutes[..6], [0, 10, 30, 70, 150, 310]);
        let days = minutes.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert_eq!(days, 24 * 60);
    }

    #[test]
    fn what_is_over_is_told_once_and_begins_anew() {
        let mut repeats = Repeats::default();
        let start = Instant::now();
        let [a, b] = ["a", "b"].map(|id| Trouble::Entry { id: (Kind::Connection, id.to_owned()), file: None });
        let other = Trouble::Reading(Exit::Unavailable);
        assert!([&a, &b, &other].iter().all(|trouble| repeats.is_due(trouble, "", start)));
        let later = start + Duration::from_secs(90);
        let over = repeats.over(|trouble| *trouble == a, later);
        assert_eq!(over, [(a.clone(), Duration::from_secs(90))]);
        assert_eq!([&a, &b, &other].map(|trouble| repeats.is_due(trouble, "", later)), [true, false, false]);
    }

    #[test]
    fn ages_are_short() {
        let of = |seconds| age(Duration::from_secs(seconds));
        assert_eq!([59, 61, 3660, 90_000].map(of), ["59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
