//! AWS in this process: who asks, whether the quota has a token for it, the answer, and the count.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use bytes::Bytes;
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
    /// Bodies by account, operation and request: pods ask the same, so each is made once.
    bodies: HashMap<(&'static str, &'static str, Bytes), Bytes>,
    calls: BTreeMap<(&'static str, &'static str), Count>,
}

/// Calls of one operation to one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub answered: u64,
    pub throttled: u64,
}

const OPERATIONS: [&str; 5] =
    ["ListSecrets", "BatchGetSecretValue", "GetSecretValue", "AssumeRole", "AssumeRoleWithWebIdentity"];

impl Aws {
    #[must_use]
    pub fn new(own: usize, shared: usize, quotas: Quotas) -> Self {
        Self {
            own: Secrets::new(OWN, own, 0),
            shared: Secrets::new(SHARED, shared, 50_000),
            state: Mutex::new(State { quotas, bodies: HashMap::new(), calls: BTreeMap::new() }),
        }
    }

    /// The calls so far, by account and operation.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<(&'static str, &'static str), Count> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).calls.clone()
    }

    /// Status and body. A request that is not modelled is refused.
    #[must_use]
    pub fn answer(&self, request: &HttpRequest, now: Instant) -> (u16, Bytes) {
        let body = request.body().bytes().unwrap_or_default();
        let target = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
        let is_sts = target.is_none();
        let Some(operation) = known(target.or_else(|| action(body)).unwrap_or_default()) else { return refused() };
        let signed_by = request.headers().get("authorization").and_then(answers::account_of);
        // Who shows a web identity signs nothing; the quota is that of the role's account.
        let account = if signed_by == Some(SHARED) { SHARED } else { OWN };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let granted = state.quotas.take(account, operation, now);
        let count = state.calls.entry((account, operation)).or_default();
        if !granted {
            count.throttled += 1;
            let body = if is_sts { answers::THROTTLED_STS } else { answers::THROTTLED };
            return (400, Bytes::from_static(body.as_bytes()));
        }
        count.answered += 1;
        let key = (account, operation, Bytes::copy_from_slice(body));
        if let Some(known) = state.bodies.get(&key) {
            return (200, known.clone());
        }
        let Some(made) = self.make(account, operation, body) else { return refused() };
        state.bodies.insert(key, made.clone());
        (200, made)
    }

    fn make(&self, account: &str, operation: &str, body: &[u8]) -> Option<Bytes> {
        match operation {
            "AssumeRole" => return Some(answers::session(operation, SHARED).into()),
            "AssumeRoleWithWebIdentity" => return Some(answers::session(operation, OWN).into()),
            _ => {}
        }
        let secrets = if account == SHARED { &self.shared } else { &self.own };
        let answer = secrets.answer(operation, &serde_json::from_slice(body).ok()?)?;
        Some(serde_json::to_vec(&answer).ok()?.into())
    }
}

fn known(operation: &str) -> Option<&'static str> {
    OPERATIONS.into_iter().find(|known| *known == operation)
}

/// The operation in the form of a call of STS.
fn action(form: &[u8]) -> Option<&str> {
    std::str::from_utf8(form).ok()?.split('&').find_map(|field| field.strip_prefix("Action="))
}

fn refused() -> (u16, Bytes) {
    (400, Bytes::from_static(br#"{"__type":"InvalidRequestException","message":"not modelled"}"#))
}
