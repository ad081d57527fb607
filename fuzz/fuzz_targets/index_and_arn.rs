//! The index of a shared account, and the ARNs in kwargs: what another account has written is not trusted.
//!
//! The first byte chooses how the account is reached (its bits: a role there, an index by ARN, a region of another partition). The
//! first line is a role's ARN, the rest is the index. What must hold:
//!
//! - nothing is asked for outside the account and region of the index, whatever it says, and nothing under a name that no secret
//!   can have;
//! - an index is taken as a whole or refused as a whole, in words that hold nothing of it; every id in it is read or refused;
//! - an ARN that is taken for a role's names the account that it says, and the policies that come of it are JSON.
#![no_main]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use airflow_secrets_init::config::kwargs_reader::parse;
use airflow_secrets_init::convert::{Entries, rules};
use airflow_secrets_init::error::Exit;
use airflow_secrets_init::fetch::answers::SecretState;
use airflow_secrets_init::fetch::resolve::fetch;
use airflow_secrets_init::fetch::shared::SharedPolicy;
use airflow_secrets_init::commands::iam::{self, build};
use airflow_secrets_init::model::kind::Kind;
use airflow_secrets_init::error::ConfigErrors;
use airflow_secrets_init::plan::{Plan};
use airflow_secrets_init::store::error::StoreError;
use airflow_secrets_init::store::secret_store::{Answer, Enumerated, Found, NotThere, SecretStore, SecretValue, Wanted};
use airflow_secrets_init::model::aws::{Arn, SecretId, is_id};
use airflow_secrets_init_fuzz::{accepted, at_once, check_failure, check_form, holds_a_piece, planted, settings};
use libfuzzer_sys::{Corpus, fuzz_target};
use secrecy::SecretString;
use serde_json::json;

const ACCOUNT: &str = "222222222222";
const INDEX: &str = "airflow/index";

/// Has every secret that it is asked for, and remembers what that was.
#[derive(Default)]
struct Remembering {
    index: String,
    asked: RefCell<Vec<SecretId>>,
}

impl SecretStore for Remembering {
    async fn prepare(&self) {}

    async fn enumerate(&self, _: &[&str], _: &Wanted<'_>) -> Result<Enumerated, StoreError> {
        Ok(Enumerated::default())
    }

    async fn read(&self, ids: &[SecretId]) -> Vec<Answer> {
        self.asked.borrow_mut().extend_from_slice(ids);
        let is_index = |id: &SecretId| match id {
            SecretId::Name(name) => name == INDEX,
            SecretId::Arn(arn) => arn.contains(&format!(":secret:{INDEX}")),
        };
        let text = |id: &SecretId| if is_index(id) { self.index.as_str() } else { "postgres://h" };
        let found = |id| match text(id) {
            "" => Found::NotThere(NotThere::NoSuchSecret),
            text => Found::Value(SecretValue::of(SecretString::from(text), None)),
        };
        ids.iter().map(|id| Ok(found(id))).collect()
    }

    async fn account(&self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn names_under(&self, _: &str) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    fn calls(&self) -> u64 {
        0
    }

    fn trouble(&self) -> Option<StoreError> {
        None
    }
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some((first, rest)) = bytes.split_first() else { return Corpus::Reject };
    let Ok(text) = std::str::from_utf8(rest) else { return Corpus::Reject };
    let (role, index) = text.split_once('\n').unwrap_or(("", text));
    if holds_a_piece(text) {
        return Corpus::Reject;
    }
    let region = if first & 4 == 0 { "eu-central-1" } else { "cn-north-1" };
    let is_by_arn = first & 2 != 0;
    let shared_index = if is_by_arn { format!("{}-AbCdEf", Arn::of_secret(&ACCOUNT.parse().unwrap(), &region.parse().unwrap(), INDEX)) } else { INDEX.to_owned() };
    let mut kwargs = json!({"shared_account": ACCOUNT, "aws_region": region, "shared_index": shared_index});
    if first & 1 != 0 {
        let role = planted(role);
        kwargs["shared_role_arn"] = json!(role);
        kwargs["role_arn"] = json!(role);
    }
    let mut mistakes = ConfigErrors::default();
    let parsed = parse("KWARGS", &kwargs.to_string(), (&[], &BTreeSet::new()), &mut mistakes);
    let Some(kwargs) = accepted(parsed, mistakes) else { return Corpus::Keep };
    for role in [kwargs.own.role.as_ref().map(|role| &role.arn), kwargs.shared[0].role.as_ref().map(|role| &role.arn)] {
        assert!(role.is_none_or(|arn| arn.account.as_str() == ACCOUNT), "a role of another account is taken");
    }
    let settings = settings(kwargs);
    let plan = Plan::of(&settings, &settings.needs());
    match build::policies(&settings, &plan, &Default::default()) {
        Ok(policies) => {
            let text = iam::json::text(&policies);
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "the policies are no JSON");
            assert!(!iam::hcl::text(&policies).is_empty());
        }
        Err(failure) => failure.lines().iter().for_each(|line| check_form(line)),
    }
    read_index(&planted(index), &settings, &plan, region);
    Corpus::Keep
});

fn read_index(index: &str, settings: &airflow_secrets_init::config::settings::Settings, plan: &Plan, region: &str) {
    let store = |index: &str| Remembering { index: index.to_owned(), asked: RefCell::default() };
    let stores: Vec<Remembering> = plan.accounts.iter().map(|_| store(index)).collect();
    let fetched = at_once(fetch(plan, &stores, &settings.selection, SharedPolicy { until: None, may_be_invalid: false, was_read: false }, &|_| (), &RefCell::default()));
    let (account, region) = (ACCOUNT.parse().unwrap(), region.parse().unwrap());
    let [own, shared] = stores.as_slice() else { panic!("there are two accounts") };
    assert!(own.asked.borrow().is_empty(), "an index makes the own account be asked");
    for id in shared.asked.borrow().iter() {
        match id {
            SecretId::Name(name) => assert!(is_id(name), "a secret is asked for by a name that none can have"),
            SecretId::Arn(full) => {
                assert!(full.starts_with(&Arn::of_secret(&account, &region, "").to_string()), "a secret is asked for elsewhere")
            }
        }
    }
    let says = ids_of(index);
    let fetched = match fetched {
        Ok(fetched) => fetched,
        Err(failure) => {
            check_failure(&failure);
            let is_missing = failure.exit() == Exit::NotFound && index.is_empty();
            // What is published may be of another prefix, or say nothing of connections.
            let is_elsewhere = failure.exit() == Exit::Config && published(index).is_some();
            assert!(
                is_missing || is_elsewhere || failure.exit() == Exit::InvalidData && says.is_none(),
                "an index is refused that is one"
            );
            return;
        }
    };
    let entries = &fetched.kinds[Kind::Connection].entries;
    let ids: BTreeSet<String> = entries.keys().cloned().collect();
    assert!(Some(&ids) == says.as_ref(), "other ids come of the index than stand in it");
    for (id, entry) in entries {
        assert!(is_id(id) || matches!(entry.state, SecretState::Refused(_)), "an id is taken that no secret can have");
    }
    let entries = Entries::of(fetched, plan, &rules(&settings.kwargs, settings.target), BTreeMap::new());
    entries.left_out.iter().for_each(|left| check_form(&left.to_string()));
}

/// What an index says, by other code: a list of conn_ids, or an object of conn_ids to ARNs; what can be no conn_id is only counted.
fn ids_of(index: &str) -> Option<BTreeSet<String>> {
    let all: BTreeSet<String> = if let Some(connections) = published(index) {
        let names = |key: &str| -> Vec<String> {
            let of_key = &connections[key];
            let ids = of_key.as_array().into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned));
            ids.chain(of_key.as_object().into_iter().flat_map(|object| object.keys().cloned())).collect()
        };
        names("ids").into_iter().chain(names("suffixes")).collect()
    } else if let Ok(ids) = serde_json::from_str::<Vec<String>>(index) {
        ids.into_iter().collect()
    } else {
        let entries = serde_json::from_str::<BTreeMap<String, String>>(index).ok()?;
        if !entries.values().all(|arn| arn.parse::<Arn>().is_ok()) {
            return None;
        }
        entries.into_keys().collect()
    };
    let (mut ids, others): (BTreeSet<String>, BTreeSet<String>) = all.into_iter().partition(|id| is_id(id));
    match (ids.is_empty(), others.len()) {
        (_, 0) => {}
        (true, _) => return None,
        (false, 1) => drop(ids.insert("(1 item)".to_owned())),
        (false, others) => drop(ids.insert(format!("({others} items)"))),
    }
    Some(ids)
}

/// The connections of an index that `publish-index` could have written.
fn published(index: &str) -> Option<serde_json::Value> {
    let document: serde_json::Value = serde_json::from_str(index).ok()?;
    (document.is_object() && document["version"] == 1).then(|| document["connections"].clone())
}
