//! What becomes of an entry, reading by reading: real precedence and conversion, on stores in memory, with a time of the test's own.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::time::Instant;

use super::journal::{Journal, Reading};
use super::last_good::{LastGood, Merged};
use super::schedule::Schedule;
use crate::airflow::versions::{AirflowTarget, Rules};
use crate::commands::diff;
use crate::config::refresh::Refresh;
use crate::config::settings::Selection;
use crate::convert::Entries;
use crate::convert::left_out::{LeftOut, Why};
use crate::error::{Exit, Failure};
use crate::fetch::tests::{TestStore, of_team, plan, run_until, until};
use crate::model::connection::Field;
use crate::model::kind::Kind;
use crate::model::policy::{Policies, Policy};
use crate::plan::{Access, AccountPlan, AddressedBy, Enumerate, Plan, Source, SourcePlan};
use crate::report::log::tests::logged;
use crate::store::error::ErrorKind;

const MINUTE: Duration = Duration::from_mins(1);

/// A process that reads again and again. The own secrets are under `o/`, the shared ones under `s/`.
struct House {
    plan: Plan,
    now: Instant,
    max_stale: Option<Duration>,
    last: LastGood,
    emptied: usize,
}

fn read(plan: &Plan, stores: &[TestStore], selection: &Selection) -> Result<Entries, Failure> {
    let rules = Rules { target: AirflowTarget::V3, extra_conn_words: IndexMap::new(), urlencoded: false };
    let fetched = run_until(plan, stores, selection, until(true))?;
    Ok(Entries::of(fetched, plan, &rules, std::collections::BTreeMap::new()))
}

impl House {
    /// After a first render of these.
    fn of(own: &[(&str, &str)], shared: &[(&str, &str)]) -> Self {
        Self::with(plan(Enumerate::Listing, Enumerate::Listing), own, shared)
    }

    fn with(plan: Plan, own: &[(&str, &str)], shared: &[(&str, &str)]) -> Self {
        let first = read(&plan, &[TestStore::with(own), TestStore::with(shared)], &Selection::default()).unwrap();
        let now = Instant::now();
        Self { plan, now, max_stale: None, last: LastGood::of(Arc::new(first), &[], now), emptied: 0 }
    }

    /// A reading so much later; gives what is in the file then.
    fn later(&mut self, wait: Duration, own: TestStore, shared: TestStore) -> Vec<String> {
        self.now += wait;
        let selection = Selection { known: self.last.known(&self.plan), ..Selection::default() };
        let read = read(&self.plan, &[own, shared], &selection);
        let result = match read.and_then(|read| self.last.of_same_account(read)) {
            Ok(read) => Some(self.last.merge(read, &self.plan, self.now, self.max_stale)),
            Err(failure) => self.last.without_stale(self.now, self.max_stale, &failure.to_string()),
        };
        if let Some((entries, merged)) = result {
            self.emptied = merged.emptied.len();
            self.last = LastGood::after(merged, Arc::new(entries), &[], self.now);
        }
        self.file()
    }

    /// What the last reading was merged to.
    fn merged(&self) -> Merged {
        Merged { doubts: self.last.doubts.clone(), ..Merged::default() }
    }

    /// `id=password of the file` of every connection.
    fn file(&self) -> Vec<String> {
        let entries = self.last.entries.connections.iter();
        entries.map(|(id, of)| format!("{id}={}", of.text(Field::Password).unwrap_or("-"))).collect()
    }

    /// `id: clause` of every entry that was not confirmed, with how many minutes ago it was.
    fn doubts(&self) -> Vec<String> {
        let age = |since: Instant| (self.now - since).as_secs() / 60;
        let doubts = self.last.doubts.iter().map(|((_, id), doubt)| {
            let dropped = if doubt.is_dropped { " (dropped)" } else { "" };
            format!("{id}{dropped}, {} min: {}", age(doubt.confirmed), doubt.clause)
        });
        doubts.collect()
    }
}

fn secrets(secrets: &[(&'static str, &'static str)]) -> TestStore {
    TestStore::with(secrets)
}

const A1: (&str, &str) = ("o/a", "http://u:a1@h");
const A2: (&str, &str) = ("o/a", "http://u:a2@h");
const B1: (&str, &str) = ("o/b", "http://u:b1@h");
const B2: (&str, &str) = ("o/b", "http://u:b2@h");
const SHARED_A: (&str, &str) = ("s/a", "http://u:shared@h");
const SHARED_C: (&str, &str) = ("s/c", "http://u:c1@h");

#[test]
fn what_can_be_read_is_what_is_there_and_new_ids_come_in() {
    let mut house = House::of(&[A1, B1], &[]);
    assert_eq!(house.later(MINUTE, secrets(&[A2, B1]), secrets(&[SHARED_C])), ["a=a2", "b=b1", "c=c1"]);
    assert!(house.doubts().is_empty());
}

#[test]
fn an_entry_that_cannot_be_read_keeps_its_last_good_value_and_the_others_move() {
    let broken = ("o/a", "http://u:a2@h:port");
    let cases = [
        (secrets(&[A2, B2]).refusing("o/a", ErrorKind::Denied), "denied"),
        (secrets(&[A2, B2]).refusing("o/a", ErrorKind::Kms), "KMS"),
        (secrets(&[A2, B2]).refusing("o/a", ErrorKind::Rejected), "rejected"),
        (secrets(&[broken, B2]), "malformed"),
    ];
    for (own, case) in cases {
        let mut house = House::of(&[A1, B1], &[SHARED_A]);
        assert_eq!(house.later(MINUTE, own, secrets(&[SHARED_A])), ["a=a1", "b=b2"], "{case}");
        assert_eq!(house.doubts().len(), 1, "{case}");
        // Whether it lasts for ten readings or for a day, it is as old as it is.
        for _ in 0..10 {
            let own = secrets(&[A2, B2]).refusing("o/a", ErrorKind::Denied);
            assert_eq!(house.later(MINUTE, own, secrets(&[SHARED_A])), ["a=a1", "b=b2"], "{case}");
        }
        assert!(house.doubts()[0].starts_with("a, 11 min: "), "{case}: {:?}", house.doubts());
        assert_eq!(house.later(MINUTE, secrets(&[A2, B2]), secrets(&[SHARED_A])), ["a=a2", "b=b2"], "{case}");
        assert!(house.doubts().is_empty(), "{case}");
    }
}

#[test]
fn an_id_is_gone_after_two_complete_readings_five_minutes_apart() {
    let mut house = House::of(&[A1, B1], &[SHARED_A]);
    let without = || (secrets(&[B1]), secrets(&[SHARED_A]));
    for minutes in [1, 2, 2] {
        let (own, shared) = without();
        assert_eq!(house.later(MINUTE * minutes, own, shared), ["a=a1", "b=b1"]);
    }
    // The first of them was 5 minutes ago, and the shared secret takes over.
    let (own, shared) = without();
    assert_eq!(house.later(MINUTE, own, shared), ["a=shared", "b=b1"]);
    assert!(house.doubts().is_empty());
    // Of an id that nobody else has, nothing is left.
    assert_eq!(house.later(MINUTE, secrets(&[B1]), secrets(&[SHARED_C])), ["a=shared", "b=b1", "c=c1"]);
    assert_eq!(house.later(MINUTE * 5, secrets(&[B1]), secrets(&[SHARED_C])), ["b=b1", "c=c1"]);
}

#[test]
fn a_secret_that_is_made_anew_is_there_at_once_and_its_absence_forgotten() {
    let mut house = House::of(&[A1, B1], &[SHARED_A]);
    assert_eq!(house.later(MINUTE, secrets(&[B1]), secrets(&[SHARED_A])), ["a=a1", "b=b1"]);
    assert_eq!(house.later(MINUTE * 4, secrets(&[A2, B1]), secrets(&[SHARED_A])), ["a=a2", "b=b1"]);
    assert_eq!(house.later(MINUTE * 4, secrets(&[B1]), secrets(&[SHARED_A])), ["a=a2", "b=b1"], "it counts anew");
    // Denied is there.
    let denied = secrets(&[A2, B1]).refusing("o/a", ErrorKind::Denied);
    assert_eq!(house.later(MINUTE * 4, denied, secrets(&[SHARED_A])), ["a=a2", "b=b1"]);
    assert_eq!(house.later(MINUTE * 4, secrets(&[B1]), secrets(&[SHARED_A])), ["a=a2", "b=b1"], "it counts anew");
}

/// What comes after is not known, so the reading is not complete.
#[test]
fn what_its_account_no_longer_has_stays_while_what_comes_after_cannot_be_read() {
    let mut house = House::of(&[A1, B1], &[SHARED_A, SHARED_C]);
    let all = || secrets(&[SHARED_A, SHARED_C]);
    assert_eq!(house.later(MINUTE, secrets(&[B1]), all()), ["a=a1", "b=b1", "c=c1"]);
    for shared in [
        secrets(&[]).away(ErrorKind::Unavailable),
        secrets(&[]),
        all().refusing("s/a", ErrorKind::Kms),
        secrets(&[("s/a", "http://u:x@h:port"), SHARED_C]),
    ] {
        assert_eq!(house.later(MINUTE * 10, secrets(&[B1]), shared), ["a=a1", "b=b1", "c=c1"]);
        assert!(house.doubts().iter().any(|doubt| doubt.starts_with("a, ")), "{:?}", house.doubts());
    }
    assert_eq!(house.later(MINUTE, secrets(&[B1]), all()), ["a=shared", "b=b1", "c=c1"]);
    // Where it was never seen to be absent before, the first complete reading is the first of two.
    let mut house = House::of(&[A1, B1], &[SHARED_C]);
    let away = || secrets(&[]).away(ErrorKind::Unavailable);
    for _ in 0..2 {
        assert_eq!(house.later(MINUTE * 10, secrets(&[B1]), away()), ["a=a1", "b=b1", "c=c1"]);
    }
    assert_eq!(house.later(MINUTE, secrets(&[B1]), secrets(&[SHARED_C])), ["a=a1", "b=b1", "c=c1"]);
    assert_eq!(house.later(MINUTE * 5, secrets(&[B1]), secrets(&[SHARED_C])), ["b=b1", "c=c1"]);
}

#[test]
fn a_teams_own_secret_is_not_replaced_by_one_without_a_team_because_it_is_missing() {
    let (of_team_1, of_team_2) = (("o/team_a--a", "http://u:team1@h"), ("o/team_a--a", "http://u:team2@h"));
    let all = |team| secrets(&[team, A1, B1]);
    let without = || secrets(&[A1, B1]);
    let mut house = House::with(of_team(plan(Enumerate::Listing, Enumerate::Listing)), &[of_team_1, A1, B1], &[]);
    assert_eq!(house.file(), ["a=team1", "b=b1"]);
    let unlisted = all(of_team_2).not_listing(&["o/team_a--a"]);
    assert_eq!(house.later(MINUTE, unlisted, secrets(&[])), ["a=team2", "b=b1"]);
    assert_eq!(house.doubts(), Vec::<String>::new());
    let denied = all(of_team_1).refusing("o/team_a--a", ErrorKind::Denied);
    assert_eq!(house.later(MINUTE, denied, secrets(&[])), ["a=team2", "b=b1"]);
    // It is gone by the same rule as any other.
    assert_eq!(house.later(MINUTE, without(), secrets(&[])), ["a=team2", "b=b1"]);
    assert_eq!(house.later(MINUTE * 4, without(), secrets(&[])), ["a=team2", "b=b1"]);
    assert_eq!(house.later(MINUTE, without(), secrets(&[])), ["a=a1", "b=b1"]);
    assert_eq!(house.later(MINUTE, all(of_team_1), secrets(&[])), ["a=team1", "b=b1"]);
    // What is dropped stays dropped, too.
    house.max_stale = Some(MINUTE * 2);
    assert_eq!(house.later(MINUTE * 3, without(), secrets(&[])), ["b=b1"]);
}

#[test]
fn the_secrets_of_another_own_account_are_not_taken() {
    let of = |account: &'static str| secrets(&[A2, B2]).of_account(account);
    let mut house = House::of(&[A1, B1], &[]);
    assert_eq!(house.later(MINUTE, of("111111111111"), secrets(&[])), ["a=a2", "b=b2"]);
    assert_eq!(house.later(MINUTE, secrets(&[A1, B1]).of_account("999999999999"), secrets(&[])), ["a=a2", "b=b2"]);
    // A listing that names nothing tells no account, and the one that is known stays.
    assert_eq!(house.later(MINUTE, secrets(&[]), secrets(&[])), ["a=a2", "b=b2"]);
    assert_eq!(house.later(MINUTE, secrets(&[A1, B1]).of_account("999999999999"), secrets(&[])), ["a=a2", "b=b2"]);
    assert_eq!(house.later(MINUTE, secrets(&[A1, B1]).of_account("111111111111"), secrets(&[])), ["a=a1", "b=b1"]);
}

#[test]
fn an_account_that_is_suddenly_empty_is_a_failure_of_that_account() {
    let mut house = House::of(&[A1, B1], &[SHARED_A, SHARED_C]);
    let c2 = ("s/c", "http://u:c2@h");
    for _ in 0..100 {
        assert_eq!(house.later(MINUTE * 10, secrets(&[]), secrets(&[SHARED_A, c2])), ["a=a1", "b=b1", "c=c2"]);
        assert_eq!(house.emptied, 1);
    }
    assert_eq!(
        house.later(MINUTE, secrets(&[A2]), secrets(&[SHARED_A, c2])),
        ["a=a2", "b=b1", "c=c2"],
        "as after any other failure"
    );
    assert_eq!(house.doubts().len(), 1, "now b is absent from a listing that names something");
}

#[test]
fn an_index_that_is_suddenly_empty_is_a_failure_of_that_account() {
    let index = |names: &'static str| secrets(&[("index", names), SHARED_A, SHARED_C]);
    let plan = plan(Enumerate::Listing, Enumerate::Index(vec!["index".to_owned()]));
    let mut house = House::with(plan, &[B1], &[("index", "[\"a\", \"c\"]"), SHARED_A, SHARED_C]);
    assert_eq!(house.file(), ["a=shared", "b=b1", "c=c1"]);
    // By name they are there.
    assert_eq!(house.later(MINUTE * 10, secrets(&[B2]), index("[]")), ["a=shared", "b=b2", "c=c1"]);
    for _ in 0..3 {
        let gone = secrets(&[("index", "[]")]);
        assert_eq!(house.later(MINUTE * 10, secrets(&[B2]), gone), ["a=shared", "b=b2", "c=c1"]);
    }
    assert_eq!(house.later(MINUTE, secrets(&[B2]), index("[\"a\"]")), ["a=shared", "b=b2", "c=c1"]);
    // One that is none is a failure too.
    assert_eq!(house.later(MINUTE * 10, secrets(&[B1]), index("{")), ["a=shared", "b=b1", "c=c1"]);
}

#[test]
fn what_an_index_refuses_keeps_its_last_good_value() {
    let plan = plan(Enumerate::Listing, Enumerate::Index(vec!["index".to_owned()]));
    let mut house = House::with(plan, &[B1], &[("index", "[\"a\", \"c\"]"), SHARED_A, SHARED_C]);
    let of_another_account = "{\"a\": \"arn:aws:secretsmanager:eu-central-1:999999999999:secret:x-AbCdEf\"}";
    let shared = secrets(&[("index", of_another_account), ("s/a", "http://u:new@h"), SHARED_C]);
    assert_eq!(house.later(MINUTE, secrets(&[B2]), shared), ["a=shared", "b=b2", "c=c1"]);
    assert!(house.doubts()[0].starts_with("a, 1 min: ") && house.doubts()[0].contains("index"), "{:?}", house.doubts());
    assert!(house.doubts()[1].starts_with("c, 1 min: its index no longer names it"), "{:?}", house.doubts());
}

#[test]
fn what_a_listing_lacks_is_asked_for_by_name_in_its_own_account() {
    let mut house = House::of(&[A1, B1], &[SHARED_A, SHARED_C]);
    for _ in 0..3 {
        let own = secrets(&[A2, B2]).not_listing(&["o/a"]);
        assert_eq!(house.later(MINUTE * 10, own, secrets(&[SHARED_A, SHARED_C])), ["a=a2", "b=b2", "c=c1"]);
        assert!(house.doubts().is_empty());
    }
    // Nothing is asked by name where nothing is lacking.
    let (own, shared) = (secrets(&[A1, B1]), secrets(&[SHARED_A, SHARED_C]));
    let selection = Selection { known: house.last.known(&house.plan), ..Selection::default() };
    let stores = [own, shared];
    read(&house.plan, &stores, &selection).unwrap();
    let asked: Vec<Vec<String>> = stores.iter().map(TestStore::asked).collect();
    assert_eq!(asked, [["o/a", "o/b"], ["s/a", "s/c"]]);
}

#[test]
fn a_shared_account_that_fails_keeps_its_entries_and_the_own_ones_move() {
    for kind in [ErrorKind::Throttled, ErrorKind::Unavailable, ErrorKind::Credentials, ErrorKind::Denied] {
        let mut house = House::of(&[B1], &[SHARED_A, SHARED_C]);
        for _ in 0..10 {
            let shared = secrets(&[SHARED_A]).away(kind);
            assert_eq!(house.later(MINUTE * 10, secrets(&[B2]), shared), ["a=shared", "b=b2", "c=c1"], "{kind:?}");
        }
        assert!(house.doubts()[0].starts_with("a, 100 min: the shared account"), "{:?}", house.doubts());
        // One own secret of a name moves it: it comes before.
        let shared = secrets(&[]).away(kind);
        assert_eq!(house.later(MINUTE, secrets(&[A1, B2]), shared), ["a=a1", "b=b2", "c=c1"], "{kind:?}");
    }
}

/// What comes after an account that is away may be that account's: it is not known.
#[test]
fn the_accounts_after_one_that_fails_stay_as_they_are() {
    let other = || Source::shared("333333333333", "eu-central-1");
    let mut plan = plan(Enumerate::Listing, Enumerate::Listing);
    plan.accounts.push(AccountPlan { source: other(), access: Access::Pod });
    let (kind, by) = (Kind::Connection, Enumerate::Listing);
    plan.wants[0].sources.push(SourcePlan::for_tests((kind, 2), other(), by, AddressedBy::Name, "t/"));
    let stores = |password: &str, shared: TestStore| {
        let text = |user: &str| format!("http://{user}:{password}@h");
        let (b, d) = (text("b"), text("d"));
        [TestStore::with(&[("o/b", &b)]), shared, TestStore::with(&[("t/d", &d)])]
    };
    let first = read(&plan, &stores("1", secrets(&[SHARED_C])), &Selection::default()).unwrap();
    let now = Instant::now();
    let last = LastGood::of(Arc::new(first), &[], now);
    let away = stores("2", secrets(&[]).away(ErrorKind::Throttled));
    let selection = Selection { known: last.known(&plan), ..Selection::default() };
    let (entries, merged) = last.merge(read(&plan, &away, &selection).unwrap(), &plan, now + MINUTE, None);
    let password = |id: &str| entries.connections[id].text(Field::Password).unwrap();
    assert_eq!(["b", "c", "d"].map(password), ["2", "c1", "1"]);
    assert_eq!(merged.doubts.len(), 2);
}

#[test]
fn an_own_account_that_fails_changes_nothing() {
    let mut house = House::of(&[A1, B1], &[SHARED_A, SHARED_C]);
    for _ in 0..6 {
        let own = secrets(&[]).away(ErrorKind::Unavailable);
        assert_eq!(house.later(MINUTE * 10, own, secrets(&[("s/c", "http://u:c2@h")])), ["a=a1", "b=b1", "c=c1"]);
    }
}

#[test]
fn a_secret_that_comes_before_and_cannot_be_read_moves_nothing() {
    let mut house = House::of(&[B1], &[SHARED_A]);
    let own = || secrets(&[A1, B1]).refusing("o/a", ErrorKind::Denied);
    for _ in 0..3 {
        assert_eq!(house.later(MINUTE * 10, own(), secrets(&[SHARED_A])), ["a=shared", "b=b1"]);
    }
    assert_eq!(house.later(MINUTE, secrets(&[A1, B1]), secrets(&[SHARED_A])), ["a=a1", "b=b1"]);
}

#[test]
fn what_is_unconfirmed_for_too_long_is_dropped_and_no_other_account_takes_its_place() {
    let mut house = House { max_stale: Some(MINUTE * 60), ..House::of(&[A1, B1], &[SHARED_A]) };
    let denied = || secrets(&[A1, B1]).refusing("o/a", ErrorKind::Denied);
    assert_eq!(house.later(MINUTE * 59, denied(), secrets(&[SHARED_A])), ["a=a1", "b=b1"]);
    for _ in 0..3 {
        assert_eq!(house.later(MINUTE, denied(), secrets(&[SHARED_A])), ["b=b1"]);
        assert!(house.doubts()[0].starts_with("a (dropped)"), "{:?}", house.doubts());
    }
    assert_eq!(house.later(MINUTE, secrets(&[A2, B1]), secrets(&[SHARED_A])), ["a=a2", "b=b1"]);
    // The own account away for so long: all of it goes, and no shared secret comes in its place.
    let away = || secrets(&[]).away(ErrorKind::Unavailable);
    assert_eq!(house.later(MINUTE * 59, away(), secrets(&[SHARED_A])), ["a=a2", "b=b1"]);
    assert!(house.later(MINUTE, away(), secrets(&[SHARED_A])).is_empty());
    // An account that is emptied leaves the same marks.
    assert!(house.later(MINUTE, secrets(&[]), secrets(&[SHARED_A])).is_empty());
    assert_eq!(house.later(MINUTE, secrets(&[A1, B1]), secrets(&[SHARED_A])), ["a=a1", "b=b1"]);
}

#[test]
fn a_new_value_that_a_file_cannot_hold_leaves_the_last_one_in_place() {
    let house = House::of(&[A1, B1], &[]);
    let own = secrets(&[A2, B2, ("o/new", "http://u:p@h:port")]);
    let away = secrets(&[]).away(ErrorKind::Unavailable);
    let read = read(&house.plan, &[own, away], &Selection::default()).unwrap();
    let (entries, mut merged) = house.last.merge(read, &house.plan, house.now + MINUTE, None);
    let refused = |id: &str| LeftOut {
        kind: Kind::Connection,
        id: id.to_owned(),
        source: None,
        why: Why::NotForFile { file: "c.env".to_owned(), reason: Cow::Borrowed("no quotes") },
        required: false,
        near: None,
        asked: None,
    };
    let longest = Some(MINUTE * 10);
    let back = house.last.put_back((&entries, &mut merged), &[refused("a")], house.now + MINUTE, longest).unwrap();
    let password = |entries: &Entries, file: &str, id: &str| {
        let of = entries.of_file(file, Kind::Connection, id);
        of.connections[id].text(Field::Password).unwrap().to_owned()
    };
    let in_files = |entries: &Entries, id: &str| ["c.env", "c.json"].map(|file| password(entries, file, id));
    assert_eq!(
        (in_files(&back, "a"), in_files(&back, "b")),
        (["a1", "a2"].map(Into::into), ["b2", "b2"].map(Into::into))
    );
    assert_eq!((merged.doubts.len(), merged.of_files.len()), (0, 1));
    // Of the others it is known what it was.
    assert_eq!((back.left_out.len(), back.skipped_accounts.len()), (1, 1));
    // So it stays, reading by reading, as old as it is there, and no longer than what may be unconfirmed.
    let mut last = LastGood::after(merged, Arc::new(back), &[], house.now + MINUTE);
    for minute in 2..10 {
        let now = house.now + MINUTE * minute;
        let (entries, mut merged) = last.merge(entries.clone(), &house.plan, now, longest);
        let back = last.put_back((&entries, &mut merged), &[refused("a")], now, longest).unwrap();
        assert_eq!(in_files(&back, "a"), ["a1", "a2"], "minute {minute}");
        last = LastGood::after(merged, Arc::new(back), &[], now);
    }
    // AWS away for so long: the one file alone has it from before.
    let now = house.now + MINUTE * 10;
    let (without, mut merged) = last.without_stale(now, longest, "AWS is away").unwrap();
    assert!(last.put_back((&without, &mut merged), &[refused("a")], now, longest).is_none());
    assert_eq!((without.connections.len(), merged.doubts.len()), (2, 0));
    let (read_now, mut merged) = last.merge(entries.clone(), &house.plan, now, longest);
    assert!(last.put_back((&read_now, &mut merged), &[refused("a")], now, longest).is_none());
    assert_eq!(
        (in_files(&read_now, "a"), merged.doubts.len()),
        (["a2", "a2"].map(Into::into), 0),
        "the others have it"
    );
    // What could not be held before either is left out as in any run.
    let last = LastGood::of(house.last.entries.clone(), &[refused("a")], house.now);
    let (entries, mut merged) = last.merge(entries, &house.plan, house.now + MINUTE, None);
    assert!(last.put_back((&entries, &mut merged), &[refused("a")], house.now + MINUTE, None).is_none());
    assert_eq!(last.held_in("c.env"), [(Kind::Connection, "b".to_owned())].into());
    assert_eq!(last.held_in("c.json").len(), 2);
}

/// All that was there is gone, and what is new can't be read: such a reading is not written, and no reason to keep what is revoked.
#[test]
fn what_must_not_stay_goes_even_if_nothing_is_left() {
    let longest = Some(MINUTE * 60);
    let mut house = House { max_stale: longest, ..House::of(&[A1], &[]) };
    let own = || secrets(&[A1, ("o/new", "http://u:p@h:port")]);
    let without = || secrets(&[("o/new", "http://u:p@h:port")]);
    house.later(MINUTE, without(), secrets(&[]));
    for (minutes, must_go) in [(6, false), (59, false), (61, true)] {
        let now = house.now + MINUTE * minutes;
        let selection = Selection { known: house.last.known(&house.plan), ..Selection::default() };
        let read = read(&house.plan, &[without(), secrets(&[])], &selection).unwrap();
        let (entries, merged) = house.last.merge(read, &house.plan, now, longest);
        assert!(entries.connections.is_empty());
        assert_eq!(house.last.must_go(&merged, now, longest), must_go, "{minutes}");
        assert!(!house.last.must_go(&merged, now, None));
    }
    // So it is where it is dropped.
    house.later(MINUTE, own(), secrets(&[]));
    house.later(MINUTE * 60, secrets(&[]).away(ErrorKind::Unavailable), secrets(&[]));
    assert!(house.last.must_go(&house.merged(), house.last.read_at, longest));
}

/// Another id that Airflow would look for under the same variable must not be found there because of a failure.
#[test]
fn what_is_dropped_keeps_its_variable() {
    let mut house = House { max_stale: Some(MINUTE * 60), ..House::of(&[A1, B1], &[]) };
    for _ in 0..3 {
        let denied = secrets(&[A1, ("o/A", "http://u:other@h"), B1]).refusing("o/a", ErrorKind::Denied);
        house.later(MINUTE * 60, denied, secrets(&[]));
        assert_eq!(house.file(), ["A=other", "b=b1"]);
        assert!(house.last.entries.details[Kind::Connection].contains_key("a"));
        assert!(house.last.held_in("the env file").contains(&(Kind::Connection, "a".to_owned())));
    }
}

/// An index is written as a whole; its names are not asked for beside it.
#[test]
fn what_an_index_no_longer_names_is_gone_after_two_readings_five_minutes_apart() {
    let index = |names: &'static str| secrets(&[("index", names), SHARED_A, SHARED_C]);
    let plan = plan(Enumerate::Listing, Enumerate::Index(vec!["index".to_owned()]));
    let mut house = House::with(plan, &[B1], &[("index", "[\"a\", \"c\"]"), SHARED_A, SHARED_C]);
    for minutes in [1, 4] {
        assert_eq!(house.later(MINUTE * minutes, secrets(&[B1]), index("[\"c\"]")), ["a=shared", "b=b1", "c=c1"]);
        assert!(house.doubts()[0].contains("its index no longer names it"), "{:?}", house.doubts());
    }
    assert_eq!(house.later(MINUTE, secrets(&[B1]), index("[\"c\"]")), ["b=b1", "c=c1"]);
    assert_eq!(house.later(MINUTE, secrets(&[B1]), index("[\"a\", \"c\"]")), ["a=shared", "b=b1", "c=c1"]);
}

#[test]
fn a_new_secret_without_a_value_is_named() {
    let mut house = House::of(&[B1], &[]);
    let own = TestStore::with(&[B1]).without_value("o/new");
    house.later(MINUTE, own, secrets(&[]));
    let left: Vec<String> = house.last.entries.left_out.iter().map(ToString::to_string).collect();
    assert_eq!(left.len(), 1);
    assert!(
        left[0].starts_with("conn_id new (own account) is named by the listing or index, and has no value: "),
        "{left:?}"
    );
    // One that is in the files is doubtful, and named as that.
    let own = TestStore::with(&[]).without_value("o/b").without_value("o/new");
    assert_eq!(house.later(MINUTE, own, secrets(&[])), ["b=b1"]);
    assert_eq!((house.last.entries.left_out.len(), house.doubts().len()), (1, 1));
}

/// An extra that is no object is refused by a file, and a password that is false in Python has no place in one.
#[test]
fn what_the_env_file_alone_can_hold_keeps_its_last_good_value_too() {
    let alone =
        |login: &str| format!("{{\"conn_type\": \"http\", \"login\": \"{login}\", \"password\": 0, \"extra\": \"x\"}}");
    let (one, two) = (alone("one"), alone("two"));
    let zero = ("o/zero", "{\"conn_type\": \"http\", \"password\": 0}");
    let login = |house: &House| {
        let entries = &house.last.entries;
        let login = entries.for_variable_alone.get("a").and_then(|of| of.text(Field::Login)).map(str::to_owned);
        (login, entries.false_passwords.keys().cloned().collect::<Vec<_>>().join(" "))
    };
    let logged_in = |login: &str| (Some(login.to_owned()), "a zero".to_owned());
    let mut house = House::of(&[("o/a", &one), zero, B1], &[]);
    assert_eq!(login(&house), logged_in("one"));
    for kind in [ErrorKind::Denied, ErrorKind::Kms] {
        let own = TestStore::with(&[("o/a", two.as_str()), zero, B1]).refusing("o/a", kind).refusing("o/zero", kind);
        house.later(MINUTE, own, secrets(&[]));
        assert_eq!((login(&house), house.doubts().len()), (logged_in("one"), 2));
    }
    house.later(MINUTE, TestStore::with(&[("o/a", two.as_str()), zero, B1]), secrets(&[]));
    assert_eq!((login(&house), house.doubts().len()), (logged_in("two"), 0));
    // A good value of before is not given up for one that only the env file can hold.
    house.later(MINUTE, secrets(&[A1, zero, B1]), secrets(&[]));
    assert_eq!(house.file(), ["a=a1", "b=b1", "zero=-"]);
    house.later(MINUTE, TestStore::with(&[("o/a", two.as_str()), zero, B1]), secrets(&[]));
    assert_eq!((house.file(), house.doubts().len()), (vec!["a=a1".to_owned(), "b=b1".into(), "zero=-".into()], 1));
    assert_eq!(login(&house), (None, "zero".to_owned()));
}

#[test]
fn a_new_secret_that_is_malformed_is_left_out_and_fails_nothing() {
    let mut house = House::of(&[B1], &[]);
    let own = secrets(&[("o/new", "http://u:p@h:port"), B2]);
    assert_eq!(house.later(MINUTE, own, secrets(&[])), ["b=b2"]);
    assert_eq!(house.last.entries.left_out.len(), 1);
}

const POLICIES: Policies = Policies {
    invalid: Policy::Warn,
    denied: Policy::Warn,
    missing: Policy::Error,
    empty: Policy::Error,
    empty_account: Policy::Warn,
    shared: Policy::Error,
};

fn refresh(place: &std::path::Path) -> Refresh {
    Refresh { interval: MINUTE * 5, max_stale: Some(MINUTE * 60), status_file: place.join("status.json") }
}

/// What the log says is what the files hold: a reason that changes is said at once, what is dropped is not said to stay.
#[test]
fn another_reason_is_said_at_once_and_what_is_dropped_is_not_said_to_stay() {
    let place = tempfile::tempdir().unwrap();
    let refresh = refresh(place.path());
    let mut house = House { max_stale: refresh.max_stale, ..House::of(&[A1, B1], &[]) };
    let entries = house.last.entries.clone();
    let log = logged(|| {
        let first = Reading { is_read: true, entries: &entries, not_carried: &[], merged: None };
        let mut journal = Journal::start(&refresh, (0o440, POLICIES), &house.plan, &first, house.now);
        let malformed = ("o/a", "http://u:a2@h:port");
        let denied = || secrets(&[A1, B1]).refusing("o/a", ErrorKind::Denied);
        for own in [denied(), denied(), secrets(&[malformed, B1]), secrets(&[malformed, B1]), denied()] {
            house.later(MINUTE, own, secrets(&[]));
            let merged = house.merged();
            let reading =
                Reading { is_read: true, entries: &house.last.entries, not_carried: &[], merged: Some(&merged) };
            journal.succeeded(&house.plan, &reading, &diff::report(&[]), house.now);
        }
        house.later(MINUTE * 60, secrets(&[]).away(ErrorKind::Unavailable), secrets(&[]));
        let failure = Failure::new(Exit::Unavailable, "AWS is away");
        let merged = house.merged();
        let reading = Reading { is_read: false, entries: &house.last.entries, not_carried: &[], merged: Some(&merged) };
        journal.failed(&house.plan, &failure, Some((reading, &diff::report(&[]))), house.now);
        for _ in 0..11 {
            house.later(MINUTE, secrets(&[]).away(ErrorKind::Unavailable), secrets(&[]));
            journal.failed(&house.plan, &failure, None, house.now);
        }
        house.later(MINUTE, secrets(&[A2, B2]), secrets(&[]));
        let merged = house.merged();
        let reading = Reading { is_read: true, entries: &house.last.entries, not_carried: &[], merged: Some(&merged) };
        journal.succeeded(&house.plan, &reading, &diff::report(&[]), house.now);
    });
    let lines: Vec<&str> =
        log.lines().filter(|line| line.contains("conn_id") || line.contains("reading failed")).collect();
    let expected = [
        "WARN 1 conn_id kept with the last good value, last confirmed 1 min 0 s ago: conn_id a (own account) can't be read",
        "WARN 1 conn_id kept with the last good value, last confirmed 3 min 0 s ago: conn_id a (own account) is invalid",
        "WARN 1 conn_id kept with the last good value, last confirmed 5 min 0 s ago: conn_id a (own account) can't be read",
        "WARN reading failed (1 in a row); what was unconfirmed for SECRETS_INIT_REFRESH_MAX_STALE is out of every file that can do without it",
        "WARN 2 conn_ids dropped, last confirmed 1 h 5 min ago (own account): a, b",
        "WARN reading failed (11 in a row); the files stay as they were 10 min 0 s ago",
        "INFO conn_id a (own account) is as it should be again, after 1 h 16 min",
        "INFO conn_id b (own account) is as it should be again, after 12 min 0 s",
    ];
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.contains(expected), "{line}\nand not\n{expected}");
    }
    assert_eq!(lines.len(), expected.len(), "{log}");
}

/// An hour without AWS, with the waits of the schedule: said three times with the age, then once that it is over; and two hours of quiet.
#[test]
fn aws_away_for_an_hour_is_said_at_growing_distances_and_its_end_once() {
    let place = tempfile::tempdir().unwrap();
    let refresh = refresh(place.path());
    let interval = refresh.interval;
    let house = House::of(&[A1], &[]);
    let entries = house.last.entries.clone();
    let schedule = Schedule::of(interval, "host");
    let failure = Failure::new(Exit::Unavailable, "AWS is away");
    let other = Failure::new(Exit::CantCreate, "a directory is gone");
    let mut waits = Vec::new();
    let log = logged(|| {
        let first = Reading { is_read: true, entries: &entries, not_carried: &[], merged: None };
        let mut now = house.now;
        let mut journal = Journal::start(&refresh, (0o440, POLICIES), &house.plan, &first, now);
        while now - house.now < MINUTE * 60 {
            waits.push(schedule.next(journal.failures(), 0.5));
            now += waits[waits.len() - 1];
            journal.failed(&house.plan, &failure, None, now);
        }
        // Another reason is said at once, and once.
        journal.failed(&house.plan, &other, None, now);
        journal.failed(&house.plan, &other, None, now);
        let quiet_from = now;
        while now - quiet_from < MINUTE * 120 {
            let read = read(&house.plan, &[secrets(&[A1]), secrets(&[])], &Selection::default()).unwrap();
            let (entries, merged) = house.last.merge(read, &house.plan, now, None);
            let reading = Reading { is_read: true, entries: &entries, not_carried: &[], merged: Some(&merged) };
            journal.succeeded(&house.plan, &reading, &diff::report(&[]), now);
            now += schedule.next(journal.failures(), 0.5);
        }
    });
    let seconds: Vec<u64> = waits.iter().map(|wait| (*wait + Duration::from_millis(1)).as_secs()).collect();
    assert_eq!(seconds[..7], [300, 30, 60, 120, 240, 300, 300]);
    let said = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!((said("WARN reading failed"), said("read again, after 57 min")), (3, 1), "{log}");
    assert_eq!((said("ERROR reading failed"), said("read again, after")), (1, 1), "{log}");
    assert_eq!(said("nothing changed for 1 h"), 2, "{log}");
    assert!(log.contains("the files stay as they were 5 min 0 s ago: AWS is away"), "{log}");
}
