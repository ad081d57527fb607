//! The rules of precedence, on stores in memory.

use std::cell::RefCell;
use std::collections::BTreeSet;

use tokio::time::Instant;

use super::answers::*;
use super::enumerate::prefixes_of;
use super::reading::{WhenNotThere, report_not_there};
use super::resolve::{fetch, never_found};
use super::shared::{SharedPolicy, TOO_SLOW};
use crate::config::settings::Selection;
use crate::error::{Exit, Failure};
use crate::model::aws::SecretId;
use crate::model::cause::Cause;
use crate::model::kind::Kind;
use crate::model::team::Teams;
use crate::plan::{Access, AccountPlan, AddressedBy, Enumerate, Plan, Source, SourcePlan, Want};
use crate::report::log::tests::logged;
use crate::store::error::{ErrorKind, StoreError};
use crate::store::memory::MemoryStore;
use crate::store::secret_store::{Answer, Enumerated, Found, NotThere, SecretStore, Wanted};
use secrecy::{ExposeSecret, SecretString};

/// The cause of which no more is known than its kind.
impl From<ErrorKind> for Cause {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Denied => Self::Denied,
            ErrorKind::Kms => Self::KmsDenied,
            ErrorKind::Rejected => Self::Rejected,
            ErrorKind::Throttled => Self::Throttled,
            ErrorKind::Unavailable => Self::ServerFault,
            ErrorKind::Credentials => Self::Unaccepted,
            ErrorKind::TooMuch => Self::TooMuch,
        }
    }
}

/// A memory store that belongs to an account, fails for chosen secrets, hides some from its listing, and remembers
/// what was asked.
#[derive(Default)]
pub(crate) struct TestStore {
    memory: MemoryStore,
    account: Option<&'static str>,
    failing: Vec<(&'static str, ErrorKind)>,
    unlisted: Vec<&'static str>,
    list_fails: Option<ErrorKind>,
    binary: Option<&'static str>,
    /// Whether the answers come later than at once.
    slow: bool,
    /// Whether a listing is never answered.
    silent: bool,
    asked: RefCell<Vec<String>>,
    /// What each listing was told of what is wanted.
    everything: RefCell<Vec<bool>>,
}

impl TestStore {
    pub(crate) fn with(secrets: &[(&str, &str)]) -> Self {
        let secrets = secrets
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some(SecretString::from(*value))).to_owned())
            .collect();
        Self { memory: MemoryStore::new(secrets), ..Self::default() }
    }

    /// It can't read one secret.
    pub(crate) fn refusing(mut self, name: &'static str, kind: ErrorKind) -> Self {
        self.failing.push((name, kind));
        self
    }

    /// It lists one more, which has no value.
    pub(crate) fn without_value(mut self, name: &'static str) -> Self {
        self.memory.secrets.insert(name.to_owned(), None);
        self
    }

    /// Its listing lacks these.
    pub(crate) fn not_listing(mut self, names: &[&'static str]) -> Self {
        self.unlisted.extend(names);
        self
    }

    /// Its secrets' ARNs are of this account.
    pub(crate) fn of_account(mut self, account: &'static str) -> Self {
        self.account = Some(account);
        self
    }

    /// It can't be listed.
    pub(crate) fn away(mut self, kind: ErrorKind) -> Self {
        self.list_fails = Some(kind);
        self
    }

    /// What it was asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    fn fail(&self, id: &SecretId, answer: &mut Answer) {
        if self.binary == Some(id.as_str()) {
            *answer = Ok(Found::NotThere(NotThere::Binary));
        }
        if let Some((_, kind)) = self.failing.iter().find(|(name, _)| *name == id.as_str()) {
            *answer = Err(StoreError::new(*kind, "secretsmanager:GetSecretValue", "refused").about(id.as_str()));
        }
    }
}

impl SecretStore for TestStore {
    async fn prepare(&self) {}

    async fn enumerate(&self, prefixes: &[&str], wanted: &Wanted<'_>) -> Result<Enumerated, StoreError> {
        self.everything.borrow_mut().push(wanted.everything);
        if self.slow {
            tokio::task::yield_now().await;
        }
        if self.silent {
            std::future::pending::<()>().await;
        }
        if let Some(kind) = self.list_fails {
            return Err(StoreError::new(kind, "secretsmanager:ListSecrets", "refused"));
        }
        let takes = |name: &str| !self.unlisted.contains(&name) && (wanted.takes)(name);
        let mut found = self.memory.enumerate(prefixes, &Wanted { takes: &takes, ..*wanted }).await?;
        for (listed, answer) in &mut found.secrets {
            self.asked.borrow_mut().push(listed.name.clone());
            self.fail(&listed.id, answer);
        }
        found.account = self.account.map(str::to_owned).filter(|_| !found.secrets.is_empty());
        Ok(found)
    }

    async fn names_under(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.memory.names_under(prefix).await
    }

    async fn read(&self, ids: &[SecretId]) -> Vec<Answer> {
        self.asked.borrow_mut().extend(ids.iter().map(|id| id.as_str().to_owned()));
        if self.slow {
            tokio::task::yield_now().await;
        }
        let mut answers = self.memory.read(ids).await;
        ids.iter().zip(&mut answers).for_each(|(id, answer)| self.fail(id, answer));
        answers
    }

    async fn account(&self) -> Result<Option<String>, StoreError> {
        Ok(self.account.map(str::to_owned))
    }

    fn calls(&self) -> u64 {
        self.memory.calls()
    }

    fn trouble(&self) -> Option<StoreError> {
        None
    }
}

fn shared_source() -> Source {
    Source::shared("222222222222", "eu-central-1")
}

pub(crate) fn plan(own: Enumerate, shared: Enumerate) -> Plan {
    let access = if shared == Enumerate::ListingIfOwnAccount { Access::Own } else { Access::Pod };
    let mut plan = Plan::for_tests([(Source::Own, Access::Own), (shared_source(), access)]);
    want(&mut plan, Kind::Connection, own, shared, ["o/", "s/"]);
    plan
}

/// Wants a kind under these prefixes of the own and the shared account.
fn want(plan: &mut Plan, kind: Kind, own: Enumerate, shared: Enumerate, [own_prefix, shared_prefix]: [&str; 2]) {
    let sources = vec![
        SourcePlan::for_tests((kind, 0), Source::Own, own, AddressedBy::Name, own_prefix),
        SourcePlan::for_tests((kind, 1), shared_source(), shared, AddressedBy::Name, shared_prefix),
    ];
    plan.wants.push(Want { kind, exactly: None, chosen: Vec::new(), named: Vec::new(), required: Vec::new(), sources });
}

/// The same, read for a team.
pub(crate) fn of_team(mut plan: Plan) -> Plan {
    for want in &mut plan.wants {
        let teams = || Teams::Of("team_a".to_owned());
        want.sources = std::mem::take(&mut want.sources).into_iter().map(|source| source.with_teams(teams())).collect();
    }
    plan
}

/// The connections that come of it.
fn run(plan: &Plan, stores: &[TestStore]) -> Result<Resolved, Failure> {
    run_with(plan, stores, &Selection::default())
}

fn run_with(plan: &Plan, stores: &[TestStore], selection: &Selection) -> Result<Resolved, Failure> {
    run_all(plan, stores, selection).map(|mut fetched| std::mem::take(&mut fetched.kinds[Kind::Connection]))
}

fn run_all(plan: &Plan, stores: &[TestStore], selection: &Selection) -> Result<Fetched, Failure> {
    run_until(plan, stores, selection, NEEDED)
}

pub(crate) fn run_until(
    plan: &Plan,
    stores: &[TestStore],
    selection: &Selection,
    shared: SharedPolicy,
) -> Result<Fetched, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(fetch(plan, stores, selection, shared, &|_| (), &RefCell::default()))
}

const NEEDED: SharedPolicy = SharedPolicy { until: None, may_be_invalid: false, was_read: false };

/// An hour from now, or an hour ago.
pub(crate) fn until(later: bool) -> SharedPolicy {
    let (now, hour) = (Instant::now(), std::time::Duration::from_hours(1));
    let until = if later { now + hour } else { now.checked_sub(hour).unwrap() };
    SharedPolicy { until: Some(until), may_be_invalid: true, was_read: false }
}

/// All but the conn_ids that this glob takes.
fn without(glob: &str) -> Selection {
    let mut exclude = globset::GlobSetBuilder::new();
    exclude.add(globset::Glob::new(glob).unwrap());
    Selection { exclude: Some(exclude.build().unwrap()), ..Selection::default() }
}

/// The ids that are missing.
fn missing(resolved: &Resolved) -> Vec<&str> {
    resolved.missing.iter().map(String::as_str).collect()
}

/// `id=source:value`, with `!` for unreadable and `+` for shadowed.
fn shown(fetched: &Resolved) -> Vec<String> {
    let show = |(id, entry): (&String, &Winner)| {
        let value = match &entry.state {
            SecretState::Value(value) => value.text.expose_secret().to_owned(),
            SecretState::Unreadable(error) => format!("!{:?}", error.kind()),
            SecretState::Refused(_) => "!refused".to_owned(),
        };
        format!("{id}={}:{value}{}", entry.source, "+".repeat(entry.shadowed.len()))
    };
    fetched.entries.iter().map(show).collect()
}

#[test]
fn own_beats_shared_and_the_collision_is_known() {
    let stores = [
        TestStore::with(&[("o/a", "1"), ("o/b", "2"), ("other/c", "x")]),
        TestStore::with(&[("s/b", "3"), ("s/c", "4")]),
    ];
    let fetched = run(&plan(Enumerate::Listing, Enumerate::Listing), &stores).unwrap();
    assert_eq!(shown(&fetched), ["a=0:1", "b=0:2+", "c=1:4"]);
}

#[test]
fn a_denied_own_secret_is_not_replaced_by_the_shared_one() {
    for kind in [ErrorKind::Denied, ErrorKind::Kms, ErrorKind::Rejected] {
        let own = TestStore { failing: vec![("o/a", kind)], ..TestStore::with(&[("o/a", "1")]) };
        let stores = [own, TestStore::with(&[("s/a", "2")])];
        let fetched = run(&plan(Enumerate::Listing, Enumerate::Listing), &stores).unwrap();
        assert_eq!(shown(&fetched), [format!("a=0:!{kind:?}+")]);
    }
}

#[test]
fn what_passes_for_one_secret_fails_the_run_when_it_is_the_service() {
    for (kind, exit) in [
        (ErrorKind::Throttled, Exit::TempFail),
        (ErrorKind::Unavailable, Exit::Unavailable),
        (ErrorKind::Credentials, Exit::Denied),
    ] {
        let own = TestStore { failing: vec![("o/a", kind)], ..TestStore::with(&[("o/a", "1"), ("o/b", "2")]) };
        let failure = run(&plan(Enumerate::Listing, Enumerate::Nothing), &[own, TestStore::default()]).err().unwrap();
        assert_eq!(failure.exit(), exit);
    }
}

#[test]
fn every_source_that_fails_is_named() {
    let failing = || TestStore { list_fails: Some(ErrorKind::Denied), ..TestStore::default() };
    let mut second = failing();
    second.list_fails = Some(ErrorKind::Unavailable);
    let failure = run(&plan(Enumerate::Listing, Enumerate::Listing), &[failing(), second]).err().unwrap();
    assert_eq!((failure.exit(), failure.lines().len()), (Exit::Denied, 2), "{failure}");
}

#[test]
fn exactly_these_are_asked_by_name_and_shared_only_for_what_own_lacks() {
    let mut plan = plan(Enumerate::Nothing, Enumerate::Nothing);
    plan.wants[0].chosen = vec!["a".into(), "b".into(), "none".into()];
    plan.wants[0].exactly = Some(plan.wants[0].chosen.clone());
    let stores = [TestStore::with(&[("o/a", "1"), ("o/z", "9")]), TestStore::with(&[("s/a", "2"), ("s/b", "3")])];
    let fetched = run(&plan, &stores).unwrap();
    assert_eq!(shown(&fetched), ["a=0:1", "b=1:3"]);
    assert_eq!(missing(&fetched), ["none"]);
    assert_eq!(*stores[0].asked.borrow(), ["o/a", "o/b", "o/none"]);
    assert_eq!(*stores[1].asked.borrow(), ["s/b", "s/none"]);
}

#[test]
fn a_required_id_is_found_though_the_listing_lags_and_own_still_wins() {
    let mut plan = plan(Enumerate::Listing, Enumerate::Listing);
    plan.wants[0].required = vec!["new".into(), "both".into(), "gone".into()];
    let own = TestStore { unlisted: vec!["o/both"], ..TestStore::with(&[("o/both", "own")]) };
    let shared = TestStore { unlisted: vec!["s/new"], ..TestStore::with(&[("s/new", "1"), ("s/both", "shared")]) };
    let fetched = run(&plan, &[own, shared]).unwrap();
    assert_eq!(shown(&fetched), ["both=0:own+", "new=1:1"]);
    assert_eq!(missing(&fetched), ["gone"]);
}

#[test]
fn ids_of_the_kwargs_that_nobody_has_are_missing_unless_filtered() {
    let ids = Enumerate::Ids(vec!["a".into(), "x".into(), "skipped".into()]);
    let stores = [TestStore::default(), TestStore::with(&[("s/a", "1")])];
    let selection = without("skip*");
    let fetched = run_with(&plan(Enumerate::Listing, ids), &stores, &selection).unwrap();
    assert_eq!((shown(&fetched), missing(&fetched)), (vec!["a=1:1".to_owned()], vec!["x"]));
    assert_eq!(*stores[1].asked.borrow(), ["s/a", "s/x"]);
}

#[test]
fn an_index_names_what_is_read() {
    let stores = [TestStore::default(), TestStore::with(&[("index", r#"["a", "vanished"]"#), ("s/a", "1")])];
    let fetched = run(&plan(Enumerate::Listing, Enumerate::Index(vec!["index".into()])), &stores).unwrap();
    assert_eq!((shown(&fetched), fetched.missing.len()), (vec!["a=1:1".to_owned()], 0));
    let partly = [TestStore::default(), TestStore::with(&[("index", r#"["a", "b c"]"#), ("s/a", "1")])];
    let fetched = run(&plan(Enumerate::Listing, Enumerate::Index(vec!["index".into()])), &partly).unwrap();
    assert_eq!(shown(&fetched), ["(1 item)=1:!refused", "a=1:1"]);
    let selection = without("a*");
    let plan_of_index = plan(Enumerate::Listing, Enumerate::Index(vec!["index".into()]));
    assert_eq!(shown(&run_with(&plan_of_index, &partly, &selection).unwrap()), ["(1 item)=1:!refused"]);
    let broken = [TestStore::default(), TestStore::with(&[("index", "canary")])];
    let failure = run(&plan(Enumerate::Listing, Enumerate::Index(vec!["index".into()])), &broken).err().unwrap();
    assert_eq!(failure.exit(), Exit::InvalidData);
    assert!(!failure.to_string().contains("canary"), "{failure}");
    let none = [TestStore::default(), TestStore::default()];
    let failure = run(&plan(Enumerate::Listing, Enumerate::Index(vec!["index".into()])), &none).err().unwrap();
    assert_eq!(failure.exit(), Exit::NotFound);
}

#[test]
fn several_indices_are_read_once_for_all_kinds_and_name_what_is_read_together() {
    let published =
        r#"{"version": 1, "connections": {"prefix": "s/", "ids": ["b"]}, "variables": {"prefix": "v/", "ids": ["x"]}}"#;
    let names = || Enumerate::Index(vec!["one".into(), "two".into()]);
    let mut plan = plan(Enumerate::Listing, names());
    want(&mut plan, Kind::Variable, Enumerate::Nothing, names(), ["v/", "v/"]);
    let shared = [("one", r#"["a"]"#), ("two", published), ("s/a", "1"), ("s/b", "2"), ("v/x", "3")];
    let stores = [TestStore::default(), TestStore::with(&shared)];
    let fetched = run_until(&plan, &stores, &Selection::default(), NEEDED).unwrap();
    assert_eq!(shown(&fetched.kinds[Kind::Connection]), ["a=1:1", "b=1:2"]);
    assert_eq!(shown(&fetched.kinds[Kind::Variable]), ["x=1:3"]);
    assert_eq!(fetched.indices.iter().map(|index| index.name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(stores[1].asked.borrow().iter().filter(|asked| asked.as_str() == "one").count(), 1);
    // One of them that is not there fails the account: what it would have named is not known.
    let partly = [TestStore::default(), TestStore::with(&shared[..1])];
    let failure = run_until(&plan, &partly, &Selection::default(), NEEDED).err().unwrap();
    assert!(failure.to_string().contains("shared_index two"), "{failure}");
}

#[test]
fn an_index_of_more_ids_than_are_read_is_refused_and_a_repeated_one_counts_once() {
    let of = |ids: usize| {
        let ids: Vec<String> = (0..ids).map(|id| id.to_string()).collect();
        let text = serde_json::to_string(&ids.iter().chain(&ids[..1]).collect::<Vec<_>>()).unwrap();
        run(
            &plan(Enumerate::Listing, Enumerate::Index(vec!["index".into()])),
            &[TestStore::with(&[("o/own", "1")]), TestStore::with(&[("index", &text)])],
        )
    };
    assert!(of(5_000).is_ok());
    let failure = of(5_001).err().unwrap();
    assert_eq!(failure.exit(), Exit::InvalidData);
    assert!(failure.to_string().contains("more conn_ids and keys than are read, 5000"), "{failure}");
}

#[test]
fn the_own_account_as_the_shared_one_is_listed_and_any_other_is_a_mistake_with_three_ways_out() {
    let stores = |account| {
        let own = TestStore { account: Some(account), ..TestStore::with(&[("o/a", "1")]) };
        [own, TestStore::with(&[("s/b", "2")])]
    };
    let plan = plan(Enumerate::Listing, Enumerate::ListingIfOwnAccount);
    assert_eq!(shown(&run(&plan, &stores("222222222222")).unwrap()), ["a=0:1", "b=1:2"]);
    let failure = run(&plan, &stores("111111111111")).err().unwrap();
    assert_eq!(failure.exit(), Exit::Config);
    for key in ["shared_role_arn", "shared_connections", "shared_index", "SECRETS_INIT_CONN_IDS"] {
        assert!(failure.to_string().contains(key), "{failure}");
    }
    // Nothing under the own prefix, and the store does not know whose it is.
    let unknown = [TestStore::with(&[("o/a", "1")]), TestStore::with(&[("s/b", "2")])];
    assert_eq!(run(&plan, &unknown).err().unwrap().exit(), Exit::Config);
}

#[test]
fn it_is_the_own_listing_that_tells_the_own_account() {
    let of = |account, secrets: &[(&str, &str)]| TestStore { account: Some(account), ..TestStore::with(secrets) };
    let last = || of("333333333333", &[("t/c", "3")]);
    let plan = third(plan(Enumerate::Listing, Enumerate::ListingIfOwnAccount));
    for own in [&[("o/a", "1")][..], &[]] {
        let stores = [of("222222222222", own), TestStore::with(&[("s/b", "2")]), last()];
        assert_eq!(run(&plan, &stores).unwrap().entries.len(), own.len() + 2);
        let stores = [of("444444444444", own), TestStore::with(&[("s/b", "2")]), last()];
        assert_eq!(run(&plan, &stores).err().unwrap().exit(), Exit::Config);
    }
}

#[test]
fn the_ways_out_are_those_of_the_kind() {
    for (kind, ways) in [(Kind::Variable, 4), (Kind::Config, 3)] {
        let mut plan = plan(Enumerate::Listing, Enumerate::Nothing);
        want(&mut plan, kind, Enumerate::Listing, Enumerate::ListingIfOwnAccount, ["o/", "s/"]);
        plan.accounts[1].access = Access::Own;
        let own = TestStore { account: Some("111111111111"), ..TestStore::default() };
        let failure = run(&plan, &[own, TestStore::default()]).err().unwrap();
        assert_eq!(failure.lines().len(), ways, "{failure}");
        assert!(failure.to_string().contains(kind.names_setting()), "{failure}");
    }
}

/// One listing and one round of reads serve every kind, and each kind has its own winners.
#[test]
fn kinds_are_told_apart_by_their_prefixes_in_one_listing() {
    let mut plan = plan(Enumerate::Listing, Enumerate::Listing);
    want(&mut plan, Kind::Variable, Enumerate::Listing, Enumerate::Listing, ["v/", "sv/"]);
    let stores = [
        TestStore::with(&[("o/a", "1"), ("v/a", "2"), ("v/x/y", "3"), ("other/z", "no")]),
        TestStore::with(&[("s/a", "4"), ("sv/a", "5"), ("sv/b", "6")]),
    ];
    let fetched = run_all(&plan, &stores, &Selection::default()).unwrap();
    assert_eq!(shown(&fetched.kinds[Kind::Connection]), ["a=0:1+"]);
    assert_eq!(shown(&fetched.kinds[Kind::Variable]), ["a=0:2+", "b=1:6", "x/y=0:3"]);
    assert_eq!(shown(&fetched.kinds[Kind::Config]), [""; 0]);
    assert!(fetched.kinds.iter().all(|(_, of_kind)| of_kind.entries.values().all(|entry| !entry.ambiguous)));
    // One call to list and one to read, for both kinds.
    assert_eq!(stores.iter().map(|store| store.memory.calls()).collect::<Vec<_>>(), [2, 2]);
}

/// As with the Python backend, which looks variables up under the prefix of the connections.
#[test]
fn a_secret_under_the_prefix_of_two_kinds_is_both_and_known_to_be() {
    let mut plan = plan(Enumerate::Listing, Enumerate::Nothing);
    want(&mut plan, Kind::Variable, Enumerate::Listing, Enumerate::Nothing, ["o/", "s/"]);
    want(&mut plan, Kind::Config, Enumerate::Listing, Enumerate::Nothing, ["o/config/", "s/"]);
    let stores = [TestStore::with(&[("o/a", "1"), ("o/config/k", "2")]), TestStore::default()];
    let fetched = run_all(&plan, &stores, &Selection::default()).unwrap();
    assert_eq!(shown(&fetched.kinds[Kind::Connection]), ["a=0:1", "config/k=0:2"]);
    assert_eq!(shown(&fetched.kinds[Kind::Variable]), ["a=0:1", "config/k=0:2"]);
    assert_eq!(shown(&fetched.kinds[Kind::Config]), ["k=0:2"]);
    assert!(fetched.kinds.iter().all(|(_, of_kind)| of_kind.entries.values().all(|entry| entry.ambiguous)));
    assert_eq!(*stores[0].asked.borrow(), ["o/a", "o/config/k"], "each is read once");
}

#[test]
fn names_of_every_kind_are_looked_up_together() {
    let mut plan = plan(Enumerate::Nothing, Enumerate::Nothing);
    want(&mut plan, Kind::Variable, Enumerate::Nothing, Enumerate::Nothing, ["v/", "sv/"]);
    plan.wants[0].chosen = vec!["a".into(), "b".into()];
    plan.wants[0].exactly = Some(plan.wants[0].chosen.clone());
    plan.wants[1].chosen = vec!["a".into(), "gone".into()];
    plan.wants[1].exactly = Some(plan.wants[1].chosen.clone());
    let stores = [TestStore::with(&[("o/a", "1"), ("v/a", "2")]), TestStore::with(&[("s/b", "3")])];
    let fetched = run_all(&plan, &stores, &Selection::default()).unwrap();
    assert_eq!(shown(&fetched.kinds[Kind::Connection]), ["a=0:1", "b=1:3"]);
    assert_eq!(
        (shown(&fetched.kinds[Kind::Variable]), missing(&fetched.kinds[Kind::Variable])),
        (vec!["a=0:2".to_owned()], vec!["gone"])
    );
    assert_eq!(stores.iter().map(|store| store.memory.calls()).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(*stores[1].asked.borrow(), ["s/b", "sv/gone"]);
}

/// A second shared account, the last in order.
fn third(mut plan: Plan) -> Plan {
    let source = Source::shared("333333333333", "eu-central-1");
    plan.accounts.push(AccountPlan { source: source.clone(), access: Access::Pod });
    let kind = Kind::Connection;
    plan.wants[0].sources.push(SourcePlan::for_tests((kind, 2), source, Enumerate::Listing, AddressedBy::Name, "t/"));
    plan
}

#[test]
fn a_run_that_can_do_without_goes_on_up_to_the_first_shared_account_that_fails() {
    let mut plan = third(plan(Enumerate::Listing, Enumerate::Listing));
    plan.wants[0].required = vec!["a".into(), "s".into(), "t".into()];
    let stores = |kind| {
        let failing = TestStore { list_fails: Some(kind), ..TestStore::with(&[("s/s", "2")]) };
        [TestStore::with(&[("o/a", "1")]), failing, TestStore::with(&[("t/t", "3")])]
    };
    let run = |kind, shared| run_until(&plan, &stores(kind), &Selection::default(), shared);
    let fetched = run(ErrorKind::Denied, until(true)).unwrap();
    let connections = &fetched.kinds[Kind::Connection];
    assert_eq!((shown(connections), &connections.missing), (vec!["a=0:1".to_owned()], &Vec::new()));
    assert_eq!(connections.unknown, ["s", "t"]);
    let lines: Vec<String> = fetched.skipped_accounts.iter().flat_map(SkippedAccount::lines).collect();
    let why = StoreError::new(ErrorKind::Denied, "secretsmanager:ListSecrets", "refused");
    assert_eq!(
        lines,
        [
            format!("shared account 222222222222 in eu-central-1 is left out as a whole: {why}"),
            "shared account 333333333333 in eu-central-1 is left out as a whole: it comes after one that is".to_owned(),
        ]
    );
    // A mistake in the settings is one whatever the run can do without, and so is any failure where it can't.
    assert_eq!(run(ErrorKind::Rejected, until(true)).err().unwrap().exit(), Exit::Config);
    assert_eq!(run(ErrorKind::Denied, NEEDED).err().unwrap().exit(), Exit::Denied);
    let [mut own, ..] = stores(ErrorKind::Denied);
    own.list_fails = Some(ErrorKind::Denied);
    let stores = [own, TestStore::default(), TestStore::default()];
    let failure = run_until(&plan, &stores, &Selection::default(), until(true)).err().unwrap();
    assert_eq!(failure.exit(), Exit::Denied);
}

#[test]
fn only_a_shared_account_that_can_be_done_without_is_waited_for_no_longer() {
    let plan = plan(Enumerate::Listing, Enumerate::Listing);
    let slow = |secrets: &[(&str, &str)]| TestStore { slow: true, ..TestStore::with(secrets) };
    let run = |stores: &[TestStore], shared| run_until(&plan, stores, &Selection::default(), shared).unwrap();
    let lines = |fetched: &Fetched| fetched.skipped_accounts.iter().flat_map(SkippedAccount::lines).collect::<Vec<_>>();
    let stores = [slow(&[("o/a", "1")]), TestStore::with(&[("s/b", "2")])];
    let fetched = run(&stores, until(false));
    assert_eq!(
        (shown(&fetched.kinds[Kind::Connection]), lines(&fetched).len()),
        (vec!["a=0:1".into(), "b=1:2".into()], 0)
    );
    let stores = [TestStore::with(&[("o/a", "1")]), slow(&[("s/b", "2")])];
    let fetched = run(&stores, until(false));
    assert_eq!(shown(&fetched.kinds[Kind::Connection]), ["a=0:1"]);
    assert_eq!(
        lines(&fetched),
        [format!("shared account 222222222222 in eu-central-1 is left out as a whole: {TOO_SLOW}")]
    );
    assert_eq!(shown(&run(&stores, NEEDED).kinds[Kind::Connection]), ["a=0:1", "b=1:2"]);
}

/// Who writes in a shared account has no say in whether the own connections are there; who takes it away has, by default.
#[test]
fn what_a_shared_account_holds_is_no_reason_to_fail_unless_invalid_content_is() {
    let tolerant = SharedPolicy { may_be_invalid: true, ..NEEDED };
    let with_index = plan(Enumerate::Listing, Enumerate::Index(vec!["index".into()]));
    let own = || TestStore::with(&[("o/a", "1")]);
    let binary = TestStore { binary: Some("index"), ..TestStore::default() };
    for shared in [TestStore::with(&[("index", "canary")]), binary] {
        let stores = [own(), shared];
        let run = |shared| run_until(&with_index, &stores, &Selection::default(), shared);
        assert_eq!(run(NEEDED).err().unwrap().exit(), Exit::InvalidData);
        let fetched = run(tolerant).unwrap();
        assert_eq!(shown(&fetched.kinds[Kind::Connection]), ["a=0:1"]);
        let lines: Vec<String> = fetched.skipped_accounts.iter().flat_map(SkippedAccount::lines).collect();
        assert!(
            lines.iter().all(|line| line.contains("must be a JSON array") || line.contains("it must be")),
            "{lines:?}"
        );
    }
    let run = |plan: &Plan, stores: &[TestStore], shared| {
        run_until(plan, stores, &Selection::default(), shared).map(|fetched| fetched.skipped_accounts.len())
    };
    let exit =
        |plan: &Plan, stores: &[TestStore], shared| run(plan, stores, shared).err().map(|failure| failure.exit());
    // There is no index: that may be a mistake in its name.
    assert_eq!(exit(&with_index, &[own(), TestStore::default()], tolerant), Some(Exit::NotFound));
    let listings = plan(Enumerate::Listing, Enumerate::Listing);
    let failing = |kind| TestStore { list_fails: Some(kind), ..TestStore::with(&[("s/b", "2")]) };
    assert_eq!(run(&listings, &[own(), failing(ErrorKind::TooMuch)], tolerant).unwrap(), 1);
    assert_eq!(run(&listings, &[own(), failing(ErrorKind::TooMuch)], until(true)).unwrap(), 1);
    assert_eq!(exit(&listings, &[own(), failing(ErrorKind::TooMuch)], NEEDED), Some(Exit::InvalidData));
    assert_eq!(exit(&listings, &[own(), failing(ErrorKind::Denied)], tolerant), Some(Exit::Denied));
    assert_eq!(exit(&listings, &[own(), failing(ErrorKind::Throttled)], tolerant), Some(Exit::TempFail));
    // The own account's content is ours to correct.
    assert_eq!(exit(&listings, &[failing(ErrorKind::TooMuch), own()], tolerant), Some(Exit::InvalidData));
    // What can be done without does not hide what can't.
    let mut both = plan(Enumerate::Listing, Enumerate::Listing);
    want(&mut both, Kind::Variable, Enumerate::Nothing, Enumerate::Index(vec!["index".into()]), ["v", "v"]);
    let broken = TestStore { list_fails: Some(ErrorKind::Denied), ..TestStore::with(&[("index", "canary")]) };
    assert_eq!(exit(&both, &[own(), broken], tolerant), Some(Exit::Denied));
}

/// What is found out by name: those after the one that fails are not asked.
#[test]
fn a_lookup_by_name_ends_at_the_first_shared_account_that_fails() {
    let mut plan = third(plan(Enumerate::Nothing, Enumerate::Nothing));
    plan.wants[0].sources[2].enumerate = Enumerate::Nothing;
    plan.wants[0].chosen = vec!["a".into(), "s".into(), "t".into()];
    plan.wants[0].exactly = Some(plan.wants[0].chosen.clone());
    let failing = TestStore { failing: vec![("s/s", ErrorKind::Throttled)], ..TestStore::default() };
    let stores = [TestStore::with(&[("o/a", "1")]), failing, TestStore::with(&[("t/t", "3")])];
    let fetched = run_until(&plan, &stores, &Selection::default(), until(true)).unwrap();
    assert_eq!(fetched.skipped_accounts.len(), 2);
    assert_eq!(fetched.kinds[Kind::Connection].unknown, ["s", "t"]);
    assert_eq!([1, 2].map(|store: usize| stores[store].asked.borrow().len()), [2, 0]);
    let failure = run_until(&plan, &stores, &Selection::default(), NEEDED).err().unwrap();
    assert_eq!(failure.exit(), Exit::TempFail);
    // And nobody is asked once all is found.
    let stores =
        [TestStore::with(&[("o/a", "1"), ("o/s", "2"), ("o/t", "3")]), TestStore::default(), TestStore::default()];
    assert_eq!(run(&plan, &stores).unwrap().entries.len(), 3);
    assert_eq!([1, 2].map(|store: usize| stores[store].memory.calls()), [0, 0]);
}

#[test]
fn an_account_that_fails_by_name_is_left_out_with_what_its_listing_had() {
    let mut plan = plan(Enumerate::Listing, Enumerate::Listing);
    plan.wants[0].required = vec!["new".into()];
    let failing = vec![("s/new", ErrorKind::Throttled)];
    let shared = TestStore { failing, ..TestStore::with(&[("s/b", "2")]) };
    let stores = [TestStore::with(&[("o/a", "1")]), shared];
    let fetched = run_until(&plan, &stores, &Selection::default(), until(true)).unwrap();
    assert_eq!(
        (shown(&fetched.kinds[Kind::Connection]), fetched.skipped_accounts.len()),
        (vec!["a=0:1".to_owned()], 1)
    );
}

/// A plan as settings make it, for what no source of a test's own making has.
fn plan_of(kwargs: &str, variables: &[(&str, &str)]) -> Plan {
    let pairs = [("AIRFLOW__SECRETS__BACKEND_KWARGS", kwargs), ("AWS_REGION", "eu-central-1")];
    let env = pairs.iter().chain(variables).copied().collect();
    let settings = crate::config::settings::Settings::load(&env, crate::config::cli::RawSettings::default()).unwrap();
    Plan::of(&settings, &settings.needs())
}

#[test]
fn what_the_pattern_leaves_out_is_not_read_and_told_from_what_the_globs_leave_out() {
    let stores = || [TestStore::with(&[("o/a", "1"), ("o/ab", "2"), ("o/b", "3")])];
    let plan = plan_of(r#"{"connections_prefix": "o", "connections_lookup_pattern": "a"}"#, &[]);
    let selection = without("ab");
    let skipped = |id: &str, by| Skipped { id: id.to_owned(), source: 0, by };
    let (globs, pattern) = (skipped("ab", SkippedBy::Globs), skipped("b", SkippedBy::Pattern));
    let everything = |stores: &[TestStore]| stores[0].everything.borrow().clone();
    let asked = stores();
    let resolved = run_with(&plan, &asked, &selection).unwrap();
    assert_eq!((shown(&resolved), resolved.skipped), (vec!["a=0:1".to_owned()], vec![globs.clone(), pattern.clone()]));
    assert_eq!((asked[0].asked.borrow().as_slice(), everything(&asked)), (["o/a".to_owned()].as_slice(), vec![false]));
    let asked = stores();
    assert_eq!(run(&plan, &asked).unwrap().skipped, [pattern]);
    assert_eq!(everything(&asked), [false]);
    let asked = stores();
    let no_pattern = plan_of(r#"{"connections_prefix": "o"}"#, &[]);
    assert_eq!(run_with(&no_pattern, &asked, &selection).unwrap().skipped, [globs]);
    assert_eq!(everything(&asked), [false]);
    let asked = stores();
    assert_eq!(run(&no_pattern, &asked).unwrap().skipped, []);
    assert_eq!(everything(&asked), [true]);
    // By name as well.
    let by_name = [("SECRETS_INIT_CONN_IDS", "a,b")];
    let plan = plan_of(r#"{"connections_prefix": "o", "connections_lookup_pattern": "a"}"#, &by_name);
    let resolved = run(&plan, &stores()).unwrap();
    assert_eq!((shown(&resolved), missing(&resolved)), (vec!["a=0:1".to_owned()], vec!["b"]));
}

#[test]
fn a_pattern_that_takes_too_long_fails_the_run_and_names_the_id() {
    let id = "a".repeat(60);
    for (kind, noun, key, variable) in [
        ("connections", "conn_id", "SECRETS_INIT_CONN_IDS", ("SECRETS_INIT_CONNECTIONS_FILE", "/x/a.json")),
        ("variables", "variable", "SECRETS_INIT_VARIABLE_KEYS", ("SECRETS_INIT_VARIABLES_FILE", "/x/v.json")),
        ("config", "config key", "SECRETS_INIT_CONFIG_KEYS", ("SECRETS_INIT_CONFIGS_FILE", "/x/c.json")),
    ] {
        // The look-ahead keeps the engine from doing it in one go.
        let kwargs = format!(r#"{{"{kind}_prefix": "o", "{kind}_lookup_pattern": "(?:(?=a)a|a)*(?!.)b"}}"#);
        let line = format!("{kind}_lookup_pattern on {noun} {id}: matching takes too many steps");
        for variables in [&[variable][..], &[variable, (key, id.as_str())]] {
            let stores = [TestStore::with(&[(&format!("o/{id}"), "1"), ("o/b", "2")])];
            let failure = run_all(&plan_of(&kwargs, variables), &stores, &Selection::default()).err().unwrap();
            assert_eq!((failure.exit(), failure.lines()), (Exit::Config, [line.clone()].as_slice()));
        }
    }
}

#[test]
fn a_prefix_that_another_one_covers_is_not_listed_again() {
    let source = |prefix: &str| {
        SourcePlan::for_tests((Kind::Connection, 0), Source::Own, Enumerate::Listing, AddressedBy::Name, prefix)
    };
    let sources = ["b/", "a/b/", "a/", "a/", "ab/"].map(source);
    assert_eq!(prefixes_of(&sources.iter().collect::<Vec<_>>()), ["a/", "ab/", "b/"]);
}

#[test]
fn secrets_that_fail_with_the_service_are_counted_behind_the_first() {
    let error =
        |name: &str| StoreError::new(ErrorKind::Throttled, "secretsmanager:GetSecretValue", "refused").about(name);
    for (failing, more) in [
        (&["o/a"][..], None),
        (&["o/a", "o/b"], Some("1 secret more failed in the same way or a like one")),
        (&["o/a", "o/b", "o/c"], Some("2 secrets more failed in the same way or a like one")),
    ] {
        let lines: Vec<String> = std::iter::once(error("o/a").to_string()).chain(more.map(str::to_owned)).collect();
        let own = TestStore {
            failing: failing.iter().map(|name| (*name, ErrorKind::Throttled)).collect(),
            ..TestStore::with(&[("o/a", "1"), ("o/b", "2"), ("o/c", "3")])
        };
        let plan = plan(Enumerate::Listing, Enumerate::Nothing);
        assert_eq!(run(&plan, &[own, TestStore::default()]).err().unwrap().lines(), lines);
    }
}

#[test]
fn what_is_not_there_is_told_by_its_reason() {
    let name = || SecretId::Name("o/a-AbCdEf".to_owned());
    let arn = |id: &str| SecretId::Arn(format!("arn:aws:secretsmanager:eu-central-1:222222222222:secret:s/{id}"));
    let (none, expected, vanished) = (NotThere::NoSuchSecret, WhenNotThere::Expected, WhenNotThere::Vanished);
    for (id, secret, reason, when, words) in [
        ("a", name(), none, expected, "DEBUG conn_id a: not there"),
        ("a", name(), none, vanished, " WARN conn_id a: named by the listing or index, but there is no such secret"),
        ("a", name(), NotThere::MarkedForDeletion, vanished, "DEBUG conn_id a: marked for deletion, so not there"),
        ("a", name(), NotThere::Binary, expected, " WARN conn_id a: the secret is binary"),
        ("a-AbCdEf", arn("a-AbCdEf"), none, expected, " WARN conn_id a-AbCdEf: not found by its ARN"),
        ("a-AbCdEf", arn("a-AbCdEf"), NotThere::Binary, expected, " WARN conn_id a-AbCdEf: the secret is binary"),
        // A name is no ARN; a full ARN has a suffix of its own; six characters after a hyphen make a suffix.
        ("a-AbCdEf", name(), none, expected, "DEBUG conn_id a-AbCdEf: not there"),
        ("a-AbCdEf", arn("a-AbCdEf-Gh1Jk2"), none, expected, "DEBUG conn_id a-AbCdEf: not there"),
        ("a-AbCdE", arn("a-AbCdE"), none, expected, "DEBUG conn_id a-AbCdE: not there"),
        ("aaAbCdEf", arn("aaAbCdEf"), none, expected, "DEBUG conn_id aaAbCdEf: not there"),
        ("a-Ab_dEf", arn("a-Ab_dEf"), none, expected, "DEBUG conn_id a-Ab_dEf: not there"),
    ] {
        let log = logged(|| report_not_there(Kind::Connection, id, &secret, reason, when));
        assert!(log.starts_with(words) && log.lines().count() == 1, "{words}: {log}");
    }
}

proptest::proptest! {
    /// Whatever stands where: the first source that has an id wins, nothing is lost and nothing is invented.
    #[test]
    fn the_first_source_that_has_it_wins(own in proptest::collection::btree_set("[a-e]{1,2}", 0..12),
                                         shared in proptest::collection::btree_set("[a-e]{1,2}", 0..12)) {
        let secrets = |ids: &BTreeSet<String>, prefix: &str| -> Vec<(String, String)> {
            ids.iter().map(|id| (format!("{prefix}{id}"), prefix.to_owned())).collect()
        };
        let (o, s) = (secrets(&own, "o/"), secrets(&shared, "s/"));
        let pairs = |list: &[(String, String)]| TestStore::with(&list.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>());
        let fetched = run(&plan(Enumerate::Listing, Enumerate::Listing), &[pairs(&o), pairs(&s)]).unwrap();
        let union: BTreeSet<String> = own.union(&shared).cloned().collect();
        proptest::prop_assert_eq!(fetched.entries.keys().cloned().collect::<BTreeSet<_>>(), union);
        for (id, entry) in &fetched.entries {
            proptest::prop_assert_eq!(entry.source, usize::from(!own.contains(id)));
            proptest::prop_assert_eq!(entry.shadowed.len(), usize::from(own.contains(id) && shared.contains(id)));
        }
    }
}

/// A shared account that never answers can't help a run whose own account has failed.
#[test]
fn the_first_error_of_the_own_account_ends_the_run() {
    let own = TestStore { list_fails: Some(ErrorKind::Denied), ..TestStore::default() };
    let silent = TestStore { silent: true, ..TestStore::default() };
    let failure = run(&plan(Enumerate::Listing, Enumerate::Listing), &[own, silent]).err().unwrap();
    assert_eq!((failure.exit(), failure.lines().len()), (Exit::Denied, 1), "{failure}");
}

/// What has failed is known to whoever ends the run by its deadline.
#[test]
fn a_shared_account_that_failed_is_known_while_the_own_one_is_waited_for() {
    let silent = TestStore { silent: true, ..TestStore::default() };
    let denied = TestStore { list_fails: Some(ErrorKind::Denied), ..TestStore::default() };
    let (plan, stores, failed) = (plan(Enumerate::Listing, Enumerate::Listing), [silent, denied], RefCell::default());
    let selection = Selection::default();
    let mut asking = Box::pin(fetch(&plan, &stores, &selection, NEEDED, &|_| (), &failed));
    assert!(futures_util::FutureExt::now_or_never(&mut asking).is_none());
    assert_eq!(failed.borrow().iter().map(Failure::exit).collect::<Vec<_>>(), [Exit::Denied]);
}

/// As a listing under a role does.
#[test]
fn a_shared_account_that_is_the_own_one_is_skipped_by_the_same_policy() {
    let own = TestStore { account: Some("222222222222"), ..TestStore::with(&[("o/a", "1")]) };
    let stores = [own, TestStore { list_fails: Some(ErrorKind::Unavailable), ..TestStore::default() }];
    let plan = plan(Enumerate::Listing, Enumerate::ListingIfOwnAccount);
    assert_eq!(run(&plan, &stores).err().unwrap().exit(), Exit::Unavailable);
    let fetched = run_until(&plan, &stores, &Selection::default(), until(true)).unwrap();
    assert_eq!(shown(&fetched.kinds[Kind::Connection]), ["a=0:1"]);
    assert_eq!(fetched.skipped_accounts.len(), 1);
}

#[test]
fn an_account_without_names_is_reported_only_beside_one_that_has_some() {
    let both = plan(Enumerate::Listing, Enumerate::Listing);
    let empty =
        |plan: &Plan, stores: &[TestStore], selection: &Selection| run_all(plan, stores, selection).unwrap().empty;
    let some = || TestStore::with(&[("s/a", "1"), ("s/b", "2")]);
    let misspelt = TestStore::with(&[("own/a", "1"), ("own/b", "2"), ("x", "3")]);
    let found = empty(&both, &[misspelt, some()], &Selection::default());
    assert_eq!(
        found,
        [EmptyAccount {
            kind: Kind::Connection,
            source: Source::Own,
            region: "the profile's region".to_owned(),
            under: Under::Prefix("o/".to_owned()),
            near: Some(("own/".to_owned(), 2)),
        }]
    );
    let line = found[0].to_string();
    assert!(line.starts_with("own account in the profile's region has no connection under \"o/\""), "{line}");
    assert!(line.contains("\"own/\" has 2 names"), "{line}");
    // Neither has any: SECRETS_INIT_ON_EMPTY is about that.
    assert_eq!(empty(&both, &[TestStore::default(), TestStore::default()], &Selection::default()), []);
    // What a filter leaves out is there.
    let excluded = TestStore::with(&[("o/a", "1")]);
    assert_eq!(empty(&both, &[excluded, some()], &without("a")), []);
    // By name alone nobody knows what an account has.
    assert_eq!(
        empty(&plan(Enumerate::Nothing, Enumerate::Listing), &[TestStore::default(), some()], &Selection::default()),
        []
    );
    // An index that names nothing.
    let index = plan(Enumerate::Listing, Enumerate::Index(vec!["i".to_owned()]));
    let of_index =
        empty(&index, &[TestStore::with(&[("o/a", "1")]), TestStore::with(&[("i", "[]")])], &Selection::default());
    assert_eq!(of_index.len(), 1);
    assert!(of_index[0].to_string().contains("its index i names no connection"), "{}", of_index[0]);
}

/// Who asked for an id that gives nothing, and what each account answered: of what is not there, and of what is denied.
#[test]
fn an_id_that_gives_nothing_can_be_traced() {
    let traced = |fetched: &Resolved, id: &str| {
        let asked = &fetched.asked[id];
        let lookups: Vec<String> = asked.lookups.iter().map(ToString::to_string).collect();
        (asked.by.join(" "), lookups.join("; "))
    };
    let mut plan = plan(Enumerate::Listing, Enumerate::Ids(vec!["a".to_owned(), "b".to_owned()]));
    plan.wants[0].required = vec!["a".to_owned(), "d".to_owned(), "there".to_owned()];
    let own =
        TestStore { failing: vec![("o/d", ErrorKind::Denied)], ..TestStore::with(&[("o/d", "1"), ("o/there", "1")]) };
    let stores = [own, TestStore { binary: Some("s/a"), ..TestStore::with(&[("s/a", "1")]) }];
    let fetched = run(&plan, &stores).unwrap();
    assert_eq!(fetched.asked.keys().collect::<Vec<_>>(), ["a", "b", "d"]);
    let (own, shared) = ("own account in the profile's region", "shared account 222222222222 in eu-central-1");
    let no_such = "no such secret, or none with a current value";
    let expected = format!("{own}, o/a: {no_such}; {shared}, s/a: a binary secret, which Airflow does not read");
    assert_eq!(traced(&fetched, "a"), ("SECRETS_INIT_REQUIRED shared_connections".to_owned(), expected));
    let not_named = "not asked, because its listing, index or list of ids does not name it";
    assert_eq!(traced(&fetched, "b").1, format!("{own}, o/b: {not_named}; {shared}, s/b: {no_such}"));
    let after = "not asked, because an account before it has the id";
    assert_eq!(traced(&fetched, "d").1, format!("{own}, o/d: there, but can't be read; {shared}, s/d: {after}"));
    // The names of a team, as they are asked for.
    let plan = of_team(plan);
    let fetched = run(&plan, &[TestStore::default(), TestStore::default()]).unwrap();
    let expected = format!("{own}, o/team_a--d, then o/d: {no_such}; {shared}, s/team_a--d, then s/d: {no_such}");
    assert_eq!(traced(&fetched, "d").1, expected);
}

/// What was asked for by name in vain is no name that an account has.
#[test]
fn a_question_by_name_hides_no_empty_account() {
    let mut plan = plan(Enumerate::Listing, Enumerate::Listing);
    plan.wants[0].required = vec!["gone".to_owned()];
    let stores = [TestStore::default(), TestStore::with(&[("s/a", "1")])];
    let fetched = run_all(&plan, &stores, &Selection::default()).unwrap();
    assert_eq!((fetched.empty.len(), &fetched.kinds[Kind::Connection].names), (1, &vec![Some(0), Some(1)]));
    // What a listing lacks and a question finds is one.
    let lagging = TestStore { unlisted: vec!["o/gone"], ..TestStore::with(&[("o/gone", "1")]) };
    let fetched = run_all(&plan, &[lagging, TestStore::with(&[("s/a", "1")])], &Selection::default()).unwrap();
    assert_eq!((fetched.empty.len(), &fetched.kinds[Kind::Connection].names), (0, &vec![Some(1), Some(1)]));
}

/// What the settings ask for and keep from being asked is known before anybody is.
#[test]
fn what_no_account_is_asked_for_is_known_beforehand() {
    let mut plan = plan(Enumerate::Listing, Enumerate::Listing);
    plan.wants[0].required = vec!["team_b--x".to_owned(), "y".to_owned()];
    let plan = of_team(plan);
    let never = never_found(&plan, &Selection::default());
    assert_eq!(missing(&never.kinds[Kind::Connection]), ["team_b--x"]);
    let outcomes = never.kinds[Kind::Connection].asked["team_b--x"].lookups.iter().map(|lookup| lookup.outcome);
    assert_eq!(outcomes.collect::<Vec<_>>(), [Outcome::Team, Outcome::Team]);
    assert_eq!(missing(&run(&plan, &[TestStore::default(), TestStore::default()]).unwrap()), ["team_b--x", "y"]);
}

/// The team's secret beats the one without a team, in its own account; other teams' are no ids at all.
#[test]
fn a_team_has_its_own_secrets_first_and_nobody_elses() {
    let secrets = |prefix: &str, values: [&str; 4]| {
        let names = ["x", "team_a--x", "team_b--x", "team_b--y"].map(|name| format!("{prefix}{name}"));
        let pairs: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(values).collect();
        TestStore::with(&pairs)
    };
    let stores = || [secrets("o/", ["1", "2", "3", "4"]), secrets("s/", ["5", "6", "7", "8"])];
    let listed = of_team(plan(Enumerate::Listing, Enumerate::Listing));
    let asked = stores();
    let resolved = run(&listed, &asked).unwrap();
    assert_eq!(shown(&resolved), ["x=0:2+"]);
    let skipped = |id: &str, source| Skipped { id: id.to_owned(), source, by: SkippedBy::Team };
    let of_others = [("team_b--x", 0), ("team_b--y", 0), ("team_b--x", 1), ("team_b--y", 1)];
    assert_eq!(resolved.skipped, of_others.map(|(id, source)| skipped(id, source)));
    let read = asked[0].asked.borrow();
    assert!(!read.iter().any(|name| name.contains("team_b")), "another team's secret is not read: {read:?}");
    assert_eq!(*asked[0].everything.borrow(), [false], "and not by a batch for all names either");
    // By name, by the kwargs, by an index.
    let mut named = of_team(plan(Enumerate::Nothing, Enumerate::Nothing));
    named.wants[0].chosen = vec!["x".to_owned()];
    assert_eq!(shown(&run(&named, &stores()).unwrap()), ["x=0:2"]);
    let ids = of_team(plan(Enumerate::Nothing, Enumerate::Ids(vec!["x".into(), "team_b--y".into()])));
    let resolved = run(&ids, &stores()).unwrap();
    assert_eq!((shown(&resolved), missing(&resolved)), (vec!["x=1:6".to_owned()], vec!["team_b--y"]));
    let indexed = of_team(plan(Enumerate::Nothing, Enumerate::Index(vec!["index".into()])));
    for (index, found) in [(r#"["x"]"#, 1), (r#"["x", "team_a--x", "team_b--x"]"#, 1), (r#"["team_a--x", "x"]"#, 1)] {
        let mut all = vec![("index", index)];
        all.extend([("s/x", "5"), ("s/team_a--x", "6"), ("s/team_b--x", "7")]);
        let resolved = run(&indexed, &[TestStore::default(), TestStore::with(&all)]).unwrap();
        assert_eq!((shown(&resolved), resolved.entries.len()), (vec!["x=1:6".to_owned()], found), "{index}");
    }
    // What the team may not read is not replaced; what is not there is.
    let denied = TestStore { failing: vec![("o/team_a--x", ErrorKind::Denied)], ..secrets("o/", ["1", "2", "3", "4"]) };
    assert_eq!(shown(&run(&listed, &[denied, TestStore::default()]).unwrap()), ["x=0:!Denied"]);
    let binary = TestStore { binary: Some("o/team_a--x"), ..secrets("o/", ["1", "2", "3", "4"]) };
    assert_eq!(shown(&run(&named, &[binary, TestStore::default()]).unwrap()), ["x=0:1"]);
    // A listing that lags shows the plain one alone; what is required is asked for by name.
    let lagging = TestStore { unlisted: vec!["o/team_a--x"], ..secrets("o/", ["1", "2", "3", "4"]) };
    let mut required = of_team(plan(Enumerate::Listing, Enumerate::Nothing));
    required.wants[0].required = vec!["x".to_owned()];
    assert_eq!(shown(&run(&required, &[lagging, TestStore::default()]).unwrap()), ["x=0:2"]);
}
