//! The rules of precedence, on stores in memory.

use std::cell::RefCell;

use super::*;
use crate::plan::{AccountPlan, AddressedBy, Want};
use crate::store::memory::MemoryStore;
use crate::store::{Enumerated, ErrorKind};
use secrecy::{ExposeSecret, SecretString};

/// A memory store that belongs to an account, fails for chosen secrets, hides some from its listing, and remembers
/// what was asked.
#[derive(Default)]
struct TestStore {
    memory: MemoryStore,
    account: Option<&'static str>,
    failing: Vec<(&'static str, ErrorKind)>,
    unlisted: Vec<&'static str>,
    list_fails: Option<ErrorKind>,
    asked: RefCell<Vec<String>>,
}

impl TestStore {
    fn with(secrets: &[(&str, &str)]) -> Self {
        let secrets = secrets
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some(SecretString::from(*value))).to_owned())
            .collect();
        Self { memory: MemoryStore::new(secrets), ..Self::default() }
    }

    fn fail(&self, id: &SecretId, answer: &mut Answer) {
        if let Some((_, kind)) = self.failing.iter().find(|(name, _)| *name == id.as_str()) {
            *answer = Err(StoreError::new(*kind, "secretsmanager:GetSecretValue", "refused").about(id.as_str()));
        }
    }
}

impl SecretStore for TestStore {
    async fn prepare(&self) {}

    async fn enumerate(&self, prefixes: &[&str], wanted: &Wanted<'_>) -> Result<Enumerated, StoreError> {
        if let Some(kind) = self.list_fails {
            return Err(StoreError::new(kind, "secretsmanager:ListSecrets", "refused"));
        }
        let takes = |name: &str| !self.unlisted.contains(&name) && (wanted.takes)(name);
        let mut found = self.memory.enumerate(prefixes, &Wanted { takes: &takes, everything: false }).await?;
        for (listed, answer) in &mut found.secrets {
            self.asked.borrow_mut().push(listed.name.clone());
            self.fail(&listed.id, answer);
        }
        Ok(found)
    }

    async fn read(&self, ids: &[SecretId]) -> Vec<Answer> {
        self.asked.borrow_mut().extend(ids.iter().map(|id| id.as_str().to_owned()));
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
    Source::Shared { account: "222222222222".to_owned(), region: "eu-central-1".to_owned() }
}

fn plan(own: Enumerate, shared: Enumerate) -> Plan {
    let only_if_own = shared == Enumerate::ListingIfOwnAccount;
    let account = |source, shared| AccountPlan { source, shared, addressed_by: AddressedBy::Name, only_if_own };
    let accounts = vec![account(Source::Own, None), account(shared_source(), Some(0))];
    let mut plan = Plan { accounts, wants: Vec::new() };
    want(&mut plan, Kind::Connection, own, shared, ["o/", "s/"]);
    plan
}

/// Wants a kind under these prefixes of the own and the shared account.
fn want(plan: &mut Plan, kind: Kind, own: Enumerate, shared: Enumerate, [own_prefix, shared_prefix]: [&str; 2]) {
    let sources = vec![
        SourcePlan::for_tests((kind, 0), Source::Own, own, AddressedBy::Name, own_prefix),
        SourcePlan::for_tests((kind, 1), shared_source(), shared, AddressedBy::Name, shared_prefix),
    ];
    plan.wants.push(Want { kind, exactly: None, named: Vec::new(), required: Vec::new(), sources });
}

/// The connections that come of it.
fn run(plan: &Plan, stores: &[TestStore]) -> Result<Resolved, Failure> {
    run_with(plan, stores, &Selection::default())
}

fn run_with(plan: &Plan, stores: &[TestStore], selection: &Selection) -> Result<Resolved, Failure> {
    run_all(plan, stores, selection).map(|mut fetched| std::mem::take(&mut fetched.kinds[Kind::Connection]))
}

fn run_all(plan: &Plan, stores: &[TestStore], selection: &Selection) -> Result<Fetched, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(fetch(plan, stores, selection, Shared::Needed))
}

/// `id=source:value`, with `!` for unreadable and `+` for shadowed.
fn shown(fetched: &Resolved) -> Vec<String> {
    let show = |(id, entry): (&String, &Entry)| {
        let value = match &entry.state {
            State::Value(value) => value.text.expose_secret().to_owned(),
            State::Unreadable(error) => format!("!{:?}", error.kind()),
            State::Refused(_) => "!refused".to_owned(),
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
    plan.wants[0].exactly = Some(vec!["a".into(), "b".into(), "none".into()]);
    let stores = [TestStore::with(&[("o/a", "1"), ("o/z", "9")]), TestStore::with(&[("s/a", "2"), ("s/b", "3")])];
    let fetched = run(&plan, &stores).unwrap();
    assert_eq!(shown(&fetched), ["a=0:1", "b=1:3"]);
    assert_eq!(fetched.missing, ["none"]);
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
    assert_eq!(fetched.missing, ["gone"]);
}

#[test]
fn ids_of_the_kwargs_that_nobody_has_are_missing_unless_filtered() {
    let ids = Enumerate::Ids(vec!["a".into(), "x".into(), "skipped".into()]);
    let stores = [TestStore::default(), TestStore::with(&[("s/a", "1")])];
    let mut exclude = globset::GlobSetBuilder::new();
    exclude.add(globset::Glob::new("skip*").unwrap());
    let selection = Selection { exclude: Some(exclude.build().unwrap()), ..Selection::default() };
    let fetched = run_with(&plan(Enumerate::Listing, ids), &stores, &selection).unwrap();
    assert_eq!((shown(&fetched), fetched.missing), (vec!["a=1:1".to_owned()], vec!["x".to_owned()]));
    assert_eq!(*stores[1].asked.borrow(), ["s/a", "s/x"]);
}

#[test]
fn an_index_names_what_is_read() {
    let stores = [TestStore::default(), TestStore::with(&[("index", r#"["a", "vanished"]"#), ("s/a", "1")])];
    let fetched = run(&plan(Enumerate::Listing, Enumerate::Index("index".into())), &stores).unwrap();
    assert_eq!((shown(&fetched), fetched.missing.len()), (vec!["a=1:1".to_owned()], 0));
    let partly = [TestStore::default(), TestStore::with(&[("index", r#"["a", "b c"]"#), ("s/a", "1")])];
    let fetched = run(&plan(Enumerate::Listing, Enumerate::Index("index".into())), &partly).unwrap();
    assert_eq!(shown(&fetched), ["a=1:1", "b c=1:!refused"]);
    let broken = [TestStore::default(), TestStore::with(&[("index", "canary")])];
    let failure = run(&plan(Enumerate::Listing, Enumerate::Index("index".into())), &broken).err().unwrap();
    assert_eq!(failure.exit(), Exit::InvalidData);
    assert!(!failure.to_string().contains("canary"), "{failure}");
    let none = [TestStore::default(), TestStore::default()];
    let failure = run(&plan(Enumerate::Listing, Enumerate::Index("index".into())), &none).err().unwrap();
    assert_eq!(failure.exit(), Exit::NotFound);
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
    plan.wants[0].exactly = Some(vec!["a".into(), "b".into()]);
    plan.wants[1].exactly = Some(vec!["a".into(), "gone".into()]);
    let stores = [TestStore::with(&[("o/a", "1"), ("v/a", "2")]), TestStore::with(&[("s/b", "3")])];
    let fetched = run_all(&plan, &stores, &Selection::default()).unwrap();
    assert_eq!(shown(&fetched.kinds[Kind::Connection]), ["a=0:1", "b=1:3"]);
    assert_eq!(
        (shown(&fetched.kinds[Kind::Variable]), &fetched.kinds[Kind::Variable].missing),
        (vec!["a=0:2".to_owned()], &vec!["gone".to_owned()])
    );
    assert_eq!(stores.iter().map(|store| store.memory.calls()).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(*stores[1].asked.borrow(), ["s/b", "sv/gone"]);
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
