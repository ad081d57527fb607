//! What is in the files, and what becomes of it when an account is read again.
//!
//! Takes what stood in the files and what a reading came to; gives what is to stand there, and for each entry that is not as fresh as
//! the reading since when and why. Pure: the time is handed in. The rules, and an answer for each kind of reading, are the table of
//! docs/REFRESH.md.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::settings::KnownEntry;
use crate::convert::left_out::{LeftOut, Why};
use crate::convert::{Detail, Entries};
use crate::error::{Exit, Failure};
use crate::model::kind::{ByKind, Kind};
use crate::plan::{Enumerate, Plan, Source};
use crate::text::count;

/// An id is gone when two complete readings so far apart lack it: listings lag by minutes.
pub const GONE_AFTER: Duration = Duration::from_mins(5);

/// Which entry.
pub type EntryId = (Kind, String);

/// Which of the kind's sources an entry is from, and whether it is the run's own team's.
type Origin = (usize, bool);

/// What is in the files since the last reading that succeeded.
pub struct LastGood {
    /// All that was rendered.
    pub entries: Arc<Entries>,
    /// When it was read.
    pub read_at: Instant,
    /// Entries that could not be confirmed by that reading.
    pub doubts: BTreeMap<EntryId, Doubt>,
    /// Entries whose values one file could not hold, and keeps those of before.
    of_files: BTreeMap<(String, EntryId), Doubt>,
    /// How many names each of the kinds' sources had, when it was last read and not suddenly empty.
    listed: ByKind<Vec<Option<usize>>>,
    /// What some file can't hold.
    not_carried: BTreeSet<(Kind, String, String)>,
}

/// An entry that keeps the value of an earlier reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Which of the kind's sources it is from.
    pub source: usize,
    /// Whether it is the run's own team's.
    pub of_team: bool,
    /// When its value was last confirmed.
    pub confirmed: Instant,
    /// Since when complete readings lack it.
    pub absent_since: Option<Instant>,
    /// Its value is no longer kept: it was unconfirmed for too long.
    pub is_dropped: bool,
    /// Why, in a clause that is the same for all of the same kind. No values.
    pub clause: String,
    /// The same with all that is known. No values.
    pub detail: String,
}

/// What there is to know of what is to stand in the files.
#[derive(Default)]
pub struct Merged {
    /// What of it this reading could not confirm.
    pub doubts: BTreeMap<EntryId, Doubt>,
    /// By file, as log lines show it: what keeps there the value of before, which the file can hold.
    pub of_files: BTreeMap<(String, EntryId), Doubt>,
    /// Accounts whose listing or index suddenly names nothing, and how many it named before.
    pub emptied: Vec<(Source, Kind, usize)>,
    pub(super) listed: ByKind<Vec<Option<usize>>>,
}

/// What a reading says of an entry that was there.
enum Fate {
    /// It is read, from this source or one that comes before.
    Fresh,
    /// It can't be confirmed, and stays as it was.
    Kept { absent_since: Option<Instant>, clause: String, detail: String },
    /// It is gone: what this reading says of the id holds.
    Gone,
}

impl LastGood {
    /// After a reading all of which was written.
    #[must_use]
    pub fn of(entries: Arc<Entries>, not_carried: &[LeftOut], at: Instant) -> Self {
        let listed = entries.names.clone();
        let (doubts, of_files) = (BTreeMap::new(), BTreeMap::new());
        Self { entries, read_at: at, doubts, of_files, listed, not_carried: not_carried_of(not_carried) }
    }

    /// After a later reading was written.
    #[must_use]
    pub fn after(merged: Merged, entries: Arc<Entries>, not_carried: &[LeftOut], at: Instant) -> Self {
        let Merged { doubts, of_files, listed, .. } = merged;
        Self { entries, read_at: at, doubts, of_files, listed, not_carried: not_carried_of(not_carried) }
    }

    /// What this file holds, or held until it was unconfirmed for too long.
    #[must_use]
    pub fn held_in(&self, file: &str) -> BTreeSet<EntryId> {
        let of_kind = |kind: Kind| self.entries.ids(kind).into_iter().map(move |id| (kind, id.to_owned()));
        let alone = self.entries.for_variable_alone.keys().map(|id| (Kind::Connection, id.clone()));
        let dropped = self.doubts.iter().filter(|(_, doubt)| doubt.is_dropped).map(|(entry, _)| entry.clone());
        let all = Kind::ALL.into_iter().flat_map(of_kind).chain(alone).chain(dropped);
        all.filter(|(kind, id)| !self.not_carried.contains(&(*kind, id.clone(), file.to_owned()))).collect()
    }

    /// Every id that is in the files or was dropped from them, with the account's place in the plan.
    #[must_use]
    pub fn known(&self, plan: &Plan) -> ByKind<BTreeMap<String, KnownEntry>> {
        ByKind::from_fn(|kind| {
            let sources = plan.want_of(kind).map_or(&[][..], |want| &want.sources);
            let entry = |(id, (source, of_team)): (&str, Origin)| {
                Some((id.to_owned(), KnownEntry { account: sources.get(source)?.account, of_team }))
            };
            self.marks(kind).into_iter().filter_map(entry).collect()
        })
    }

    /// The ids of a kind and where they are from: what has a value, and what was dropped.
    fn marks(&self, kind: Kind) -> BTreeMap<&str, Origin> {
        let alone = (kind == Kind::Connection).then(|| self.entries.for_variable_alone.keys().map(String::as_str));
        let ids = self.entries.ids(kind).into_iter().chain(alone.into_iter().flatten());
        let mut marks: BTreeMap<&str, Origin> = ids.map(|id| (id, self.entries.origin_of(kind, id))).collect();
        let dropped = self.doubts.iter().filter(|((of, _), doubt)| *of == kind && doubt.is_dropped);
        marks.extend(dropped.map(|((_, id), doubt)| (id.as_str(), (doubt.source, doubt.of_team))));
        marks
    }

    /// What was read, unless it is another own account's: then the credentials are not those that were meant.
    ///
    /// # Errors
    /// [`Exit::Denied`] for another account.
    pub fn of_same_account(&self, read: Entries) -> Result<Entries, Failure> {
        match (&self.entries.own_account, &read.own_account) {
            (Some(before), Some(now)) if before != now => {
                let line = format!(
                    "the credentials are of account {now}, and what is in the files is of account {before}: a file, a profile or a \
                     variable that named others is gone; put it back, or restart the container where that is meant"
                );
                Err(Failure::new(Exit::Denied, line))
            }
            _ => Ok(read),
        }
    }

    fn confirmed(&self, entry: &EntryId) -> Instant {
        self.doubts.get(entry).map_or(self.read_at, |doubt| doubt.confirmed)
    }

    /// What is to stand in the files after this reading. What is unconfirmed for `max_stale` is dropped.
    #[must_use]
    pub fn merge(&self, read: Entries, plan: &Plan, at: Instant, max_stale: Option<Duration>) -> (Entries, Merged) {
        let mut entries = read;
        let mut merged = Merged::of(BTreeMap::new(), self.listed.clone());
        // Accounts are skipped from the first that failed on.
        let first_skipped = plan.accounts.len().saturating_sub(entries.skipped_accounts.len());
        for want in &plan.wants {
            let kind = want.kind;
            let mut away: BTreeMap<usize, String> = BTreeMap::new();
            for (place, source) in want.sources.iter().enumerate() {
                let names = |listed: &ByKind<Vec<Option<usize>>>| listed[kind].get(place).copied().flatten();
                let before = names(&self.listed).unwrap_or_default();
                if source.account >= first_skipped {
                    away.insert(place, format!("the {} could not be read", source.source));
                } else if before > 0 && names(&entries.names) == Some(0) {
                    away.insert(place, format!("the {} suddenly names nothing", source.source));
                    merged.emptied.push((source.source.clone(), kind, before));
                } else if let Some(listed) = merged.listed[kind].get_mut(place) {
                    *listed = entries.names[kind].get(place).copied().flatten();
                }
            }
            for (id, origin) in self.marks(kind) {
                let entry = (kind, id.to_owned());
                let (source, of_team) = origin;
                let enumerate = want.sources.get(source).map(|source| &source.enumerate);
                let absent = match enumerate {
                    Some(Enumerate::Index(_)) => "its index no longer names it",
                    _ => "its account no longer has it",
                };
                match self.fate(&entry, (origin, absent), &away, &entries, at) {
                    Fate::Fresh | Fate::Gone => {}
                    Fate::Kept { absent_since, clause, detail } => {
                        let confirmed = self.confirmed(&entry);
                        let is_dropped = max_stale.is_some_and(|longest| at - confirmed >= longest);
                        let doubt = Doubt { source, of_team, confirmed, absent_since, is_dropped, clause, detail };
                        self.keep((&mut entries, &mut merged), entry, doubt);
                    }
                }
            }
        }
        entries.own_account = entries.own_account.take().or_else(|| self.entries.own_account.clone());
        for (kind, id, source, reason) in std::mem::take(&mut entries.without_value) {
            let is_known = entries.details[kind].contains_key(&id) || merged.doubts.contains_key(&(kind, id.clone()));
            let source = plan.want_of(kind).and_then(|want| want.sources.get(source));
            let source = source.map(|source| source.source.clone());
            let why = Why::NoValue(reason);
            let left = LeftOut { kind, id, source, why, required: false, near: None, asked: None };
            entries.left_out.extend((!is_known).then_some(left));
        }
        entries.left_out.iter_mut().for_each(|left| left.required = false);
        entries.count_by_source();
        (entries, merged)
    }

    fn fate(
        &self,
        entry: &EntryId,
        ((source, of_team), absent): (Origin, &str),
        away: &BTreeMap<usize, String>,
        read: &Entries,
        at: Instant,
    ) -> Fate {
        let (kind, id) = entry;
        let winner = read.details[*kind].get(id).map(|detail| detail.source);
        // What the env file alone can hold is as good as before where it was so before.
        let was_alone = *kind == Kind::Connection && self.entries.for_variable_alone.contains_key(id);
        let is_good = read.has(*kind, id) || (was_alone && read.for_variable_alone.contains_key(id));
        let before = self.doubts.get(entry).and_then(|doubt| doubt.absent_since);
        // The team's own secret is not replaced by one without a team because it is missing.
        let read_of_team = read.details[*kind].get(id).is_some_and(|detail| detail.of_team);
        let is_its_own =
            winner.is_some_and(|winner| winner < source || (winner == source && (read_of_team || !of_team)));
        if is_good && is_its_own {
            return Fate::Fresh;
        }
        if let Some(clause) = away.get(&source) {
            return Fate::Kept { absent_since: before, clause: clause.clone(), detail: clause.clone() };
        }
        let left = read.left_out.iter().find(|left| left.kind == *kind && left.id == *id);
        if is_its_own {
            let (clause, detail) = left.map(|left| (left.clause(), left.to_string())).unwrap_or_default();
            return Fate::Kept { absent_since: None, clause, detail };
        }
        // Such a reading is not complete: what comes after may have the id, and can't say so.
        let after = away.range(source + 1..).next().map(|(_, clause)| clause.clone());
        let unread = after.or_else(|| left.filter(|_| winner.is_some()).map(LeftOut::clause));
        if let Some(unread) = unread {
            let clause = format!("{absent}, and an account that comes after may have it: {unread}");
            return Fate::Kept { absent_since: before, detail: clause.clone(), clause };
        }
        let since = before.unwrap_or(at);
        if before.is_some() && at - since >= GONE_AFTER {
            return Fate::Gone;
        }
        let clause = format!("{absent}; it is removed after two complete readings at least 5 minutes apart");
        Fate::Kept { absent_since: Some(since), detail: clause.clone(), clause }
    }

    /// Puts the earlier value in the place of what this reading says, or nothing where it was unconfirmed for too long.
    fn keep(&self, (entries, merged): (&mut Entries, &mut Merged), (kind, id): EntryId, doubt: Doubt) {
        entries.left_out.retain(|left| left.kind != kind || left.id != id);
        entries.remove(kind, &id);
        if doubt.is_dropped {
            // It keeps its variable in the env file: no other secret is to be found under its id.
            let Doubt { source, of_team, .. } = doubt;
            entries.details[kind].insert(id.clone(), Detail { source, of_team, ..Detail::default() });
        } else {
            entries.copy(kind, &id, &self.entries);
        }
        merged.doubts.insert((kind, id), doubt);
    }

    /// What is to stand in the files after a reading that failed as a whole: what there was, without what is now unconfirmed for too
    /// long. `None` where that is nothing new.
    #[must_use]
    pub fn without_stale(&self, at: Instant, max_stale: Option<Duration>, reason: &str) -> Option<(Entries, Merged)> {
        let longest = max_stale?;
        let all =
            Kind::ALL.into_iter().flat_map(|kind| self.marks(kind).into_iter().map(move |(id, of)| (kind, id, of)));
        let mut entries = Entries::clone(&self.entries);
        // Put back where it is to be.
        entries.kept.clear();
        let mut merged = Merged::of(self.doubts.clone(), self.listed.clone());
        let mut is_new = self.of_files.values().any(|doubt| at - doubt.confirmed >= longest);
        for (kind, id, (source, of_team)) in all {
            let entry = (kind, id.to_owned());
            let confirmed = self.confirmed(&entry);
            if at - confirmed < longest || self.doubts.get(&entry).is_some_and(|doubt| doubt.is_dropped) {
                continue;
            }
            is_new = true;
            let (clause, detail) = (reason.to_owned(), reason.to_owned());
            let absent_since = self.doubts.get(&entry).and_then(|doubt| doubt.absent_since);
            let doubt = Doubt { source, of_team, confirmed, absent_since, is_dropped: true, clause, detail };
            self.keep((&mut entries, &mut merged), entry, doubt);
        }
        entries.count_by_source();
        is_new.then_some((entries, merged))
    }

    /// The entries with their earlier values in the files that can't hold the new ones and could hold those, unless they are unconfirmed
    /// for too long. `None` where there are none.
    #[must_use]
    pub fn put_back(
        &self,
        (read, merged): (&Entries, &mut Merged),
        not_carried: &[LeftOut],
        at: Instant,
        max_stale: Option<Duration>,
    ) -> Option<Entries> {
        let mut entries = None;
        for left in not_carried {
            let Why::NotForFile { file, .. } = &left.why else { continue };
            let (kind, id) = (left.kind, left.id.as_str());
            let entry = (kind, id.to_owned());
            let key = (file.clone(), entry.clone());
            let was_carried = !self.not_carried.contains(&(kind, id.to_owned(), file.clone()));
            let before = self.entries.of_file(file, kind, id);
            let is_alone = before.is_there(kind, id) && !read.has(kind, id) && read.is_there(kind, id);
            let confirmed = self.of_files.get(&key).map_or_else(|| self.confirmed(&entry), |doubt| doubt.confirmed);
            let is_stale = max_stale.is_some_and(|longest| at - confirmed >= longest);
            if merged.of_files.contains_key(&key) || !was_carried || is_stale || !(before.has(kind, id) || is_alone) {
                continue;
            }
            let (source, of_team) = self.entries.origin_of(kind, id);
            let (clause, detail) = (left.clause(), left.to_string());
            let doubt = Doubt { source, of_team, confirmed, absent_since: None, is_dropped: false, clause, detail };
            entries.get_or_insert_with(|| read.clone()).kept.entry(file.clone()).or_default().copy(kind, id, before);
            merged.of_files.insert(key, doubt);
        }
        entries
    }

    /// Whether something that is in the files must not stay in them, even if nothing is left then.
    #[must_use]
    pub fn must_go(&self, merged: &Merged, at: Instant, max_stale: Option<Duration>) -> bool {
        let is_stale = max_stale.is_some_and(|longest| at - self.read_at >= longest);
        is_stale || merged.doubts.values().any(|doubt| doubt.is_dropped)
    }
}

fn not_carried_of(all: &[LeftOut]) -> BTreeSet<(Kind, String, String)> {
    let of = |left: &LeftOut| match &left.why {
        Why::NotForFile { file, .. } => Some((left.kind, left.id.clone(), file.clone())),
        _ => None,
    };
    all.iter().filter_map(of).collect()
}

impl Merged {
    fn of(doubts: BTreeMap<EntryId, Doubt>, listed: ByKind<Vec<Option<usize>>>) -> Self {
        Self { doubts, listed, ..Self::default() }
    }

    /// The own account suddenly names nothing: a failure of that account, whatever else was read.
    ///
    /// # Errors
    /// [`Exit::NotFound`], with one line for each kind.
    pub fn own_account(&self) -> Result<(), Failure> {
        let own: Vec<String> =
            self.emptied.iter().filter(|emptied| emptied.0 == Source::Own).map(emptied_line).collect();
        if own.is_empty() { Ok(()) } else { Err(Failure::with_lines(Exit::NotFound, own)) }
    }
}

/// What is said of an account that is suddenly empty.
#[must_use]
pub fn emptied_line((source, kind, before): &(Source, Kind, usize)) -> String {
    let named = count(*before, kind.thing());
    format!(
        "{source} names no {} any more, and named {named}: taken for a failure, and all are kept; where it is meant, restart the container",
        kind.thing()
    )
}
