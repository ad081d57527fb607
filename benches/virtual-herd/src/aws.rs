//! AWS in this process: who asks, whether the quota has a token for it, the answer, and the count.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use airflow_secrets_init::model::aws::SecretId;
use airflow_secrets_init::store::aws::reads::{BatchIds, Query};
use aws_sdk_secretsmanager::operation::batch_get_secret_value::BatchGetSecretValueOutput;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_secretsmanager::operation::list_secrets::ListSecretsOutput;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::answers::{self, OWN, SHARED, Secrets};
use crate::quotas::Quotas;

/// Both accounts, in one region.
pub struct Aws {
    own: Secrets,
    shared: Secrets,
    state: Mutex<State>,
}

struct State {
    quotas: Quotas,
    calls: BTreeMap<(&'static str, &'static str), Count>,
    bodies: Known<(&'static str, Bytes), Bytes>,
    lists: Known<Query, ListSecretsOutput>,
    batches: Known<BatchIds, BatchGetSecretValueOutput>,
    values: Known<SecretId, Option<GetSecretValueOutput>>,
}

/// Answers by account and request: pods ask the same, so each is made once.
type Known<K, T> = HashMap<&'static str, HashMap<K, T>>;

/// Calls of one operation to one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub answered: u64,
    pub throttled: u64,
}

/// The quota has no token left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled;

const OPERATIONS: [&str; 5] =
    ["ListSecrets", "BatchGetSecretValue", "GetSecretValue", "AssumeRole", "AssumeRoleWithWebIdentity"];

impl Aws {
    #[must_use]
    pub fn new(own: usize, shared: usize, quotas: Quotas) -> Self {
        let (bodies, lists, batches, values) = Default::default();
        let state = State { quotas, calls: BTreeMap::new(), bodies, lists, batches, values };
        let (own, shared) = (Secrets::new(OWN, own, 0), Secrets::new(SHARED, shared, 50_000));
        Self { own, shared, state: Mutex::new(state) }
    }

    /// The calls so far, by account and operation.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<(&'static str, &'static str), Count> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).calls.clone()
    }

    /// Counts a call, and whether the quota has a token for it.
    fn enter(
        &self,
        account: &'static str,
        operation: &'static str,
        now: Instant,
    ) -> Result<MutexGuard<'_, State>, Throttled> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let granted = state.quotas.take(account, operation, now);
        let count = state.calls.entry((account, operation)).or_default();
        if !granted {
            count.throttled += 1;
            return Err(Throttled);
        }
        count.answered += 1;
        Ok(state)
    }

    fn secrets(&self, account: &str) -> &Secrets {
        if account == SHARED { &self.shared } else { &self.own }
    }

    // ---- in the SDK's types -------------------------------------------------------------------------------------

    /// One page of a listing.
    ///
    /// # Errors
    /// When it is throttled.
    pub fn list(&self, account: &'static str, query: &Query, now: Instant) -> Result<ListSecretsOutput, Throttled> {
        let mut state = self.enter(account, "ListSecrets", now)?;
        Ok(known(&mut state.lists, account, query, || {
            let order = if query.descending { "desc" } else { "asc" };
            let filters: Vec<Value> = query.filters.iter().map(|values| json!({ "Values": values })).collect();
            let request = json!({"Filters": filters, "SortOrder": order, "NextToken": query.token});
            answers::to_list(&self.secrets(account).list(&request))
        }))
    }

    /// Up to twenty values.
    ///
    /// # Errors
    /// When it is throttled.
    pub fn batch(
        &self,
        account: &'static str,
        ids: &BatchIds,
        now: Instant,
    ) -> Result<BatchGetSecretValueOutput, Throttled> {
        let mut state = self.enter(account, "BatchGetSecretValue", now)?;
        Ok(known(&mut state.batches, account, ids, || {
            let request = match ids {
                BatchIds::Named(ids) => json!({ "SecretIdList": ids }),
                BatchIds::Under(prefixes) => json!({"Filters": [{ "Values": prefixes }]}),
            };
            answers::to_batch(&self.secrets(account).batch(&request))
        }))
    }

    /// One value; `None` for a secret that is not there, which no herd asks for.
    ///
    /// # Errors
    /// When it is throttled.
    pub fn get(
        &self,
        account: &'static str,
        id: &SecretId,
        now: Instant,
    ) -> Result<Option<GetSecretValueOutput>, Throttled> {
        let mut state = self.enter(account, "GetSecretValue", now)?;
        let make = || self.secrets(account).get(id.as_str()).map(|value| answers::to_value(&value));
        Ok(known(&mut state.values, account, id, make))
    }

    // ---- over HTTP ----------------------------------------------------------------------------------------------

    /// Status and body. A request that is not modelled is refused.
    #[must_use]
    pub fn answer(&self, request: &HttpRequest, now: Instant) -> (u16, Bytes) {
        let body = request.body().bytes().unwrap_or_default();
        let target = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
        let is_sts = target.is_none();
        let Some(operation) = operation(target.or_else(|| action(body)).unwrap_or_default()) else { return refused() };
        let signed_by = request.headers().get("authorization").and_then(answers::account_of);
        // Who shows a web identity signs nothing; the quota is that of the role's account.
        let account = if signed_by == Some(SHARED) { SHARED } else { OWN };
        let Ok(mut state) = self.enter(account, operation, now) else {
            let body = if is_sts { answers::THROTTLED_STS } else { answers::THROTTLED };
            return (400, Bytes::from_static(body.as_bytes()));
        };
        if is_sts {
            let role = if operation == "AssumeRole" { SHARED } else { OWN };
            return (200, answers::session(operation, role).into());
        }
        let key = (operation, Bytes::copy_from_slice(body));
        let body = known(&mut state.bodies, account, &key, || {
            let request = serde_json::from_slice(body).unwrap_or_default();
            let answer = self.secrets(account).answer(operation, &request);
            answer.map(|answer| answer.to_string().into()).unwrap_or_default()
        });
        if body.is_empty() { refused() } else { (200, body) }
    }
}

/// The answer to a request, which is made once.
fn known<K, T>(answers: &mut Known<K, T>, account: &'static str, key: &K, make: impl FnOnce() -> T) -> T
where
    K: Clone + Eq + Hash,
    T: Clone,
{
    let answers = answers.entry(account).or_default();
    if let Some(answer) = answers.get(key) {
        return answer.clone();
    }
    answers.entry(key.clone()).or_insert_with(make).clone()
}

fn operation(name: &str) -> Option<&'static str> {
    OPERATIONS.into_iter().find(|known| *known == name)
}

/// The operation in the form of a call of STS.
fn action(form: &[u8]) -> Option<&str> {
    std::str::from_utf8(form).ok()?.split('&').find_map(|field| field.strip_prefix("Action="))
}

fn refused() -> (u16, Bytes) {
    (400, Bytes::from_static(br#"{"__type":"InvalidRequestException","message":"not modelled"}"#))
}
