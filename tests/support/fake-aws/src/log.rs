//! The call log: who called what, when, and how it ended. Never a value.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde::Serialize;

use crate::sync::lock;

/// One call, in the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Position, from 0.
    pub number: u64,
    /// `ListSecrets`, `AssumeRole`, `ContainerCredentials`, `ImdsToken`, ...
    pub operation: String,
    /// The caller's account; empty when nobody was authenticated.
    pub account: String,
    /// The region of the request's credential scope.
    pub region: String,
    /// The caller's ARN.
    pub principal: Arc<str>,
    /// Secret ids (or the role's ARN) as the caller wrote them.
    pub ids: Vec<String>,
    /// For lists and filtered batches: 1, 2, ...
    pub page: Option<u64>,
    /// HTTP status; 0 while it runs and when no answer was sent.
    pub status: u16,
    /// AWS error code, when it failed; `-` when the connection was dropped.
    pub code: Option<String>,
    /// The fault that struck, by name.
    pub fault: Option<String>,
    /// Arrival, in milliseconds since the server started.
    pub at_ms: u64,
    /// End, in milliseconds since the server started.
    pub end_ms: Option<u64>,
    /// The connection it came on, from 1.
    pub connection: u64,
}

/// Totals since the start or the last reset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Calls that arrived.
    pub calls: u64,
    /// Calls by operation.
    pub by_operation: BTreeMap<String, u64>,
    /// Calls by error code; successes are under `OK`.
    pub by_code: BTreeMap<String, u64>,
    /// The same by operation.
    pub codes_by_operation: BTreeMap<String, BTreeMap<String, u64>>,
    /// Most calls in flight at once.
    pub max_in_flight: u64,
    /// The same by operation.
    pub max_in_flight_by_operation: BTreeMap<String, u64>,
    /// Connections accepted.
    pub connections_opened: u64,
    /// Times that a connection could not be accepted, for want of file descriptors.
    pub kept_waiting: u64,
    /// Requests for what is no endpoint.
    pub elsewhere: u64,
    /// Secret ids (and ARNs of roles to assume) that the calls named.
    pub ids_asked: u64,
    /// `User-Agent` of the last call.
    pub last_user_agent: Option<String>,
    /// Calls that the log no longer holds.
    pub dropped_from_log: u64,
}

#[derive(Debug, Default)]
struct Inner {
    calls: Vec<Call>,
    stats: Stats,
    by_account: HashMap<(String, String), u64>,
    in_flight: u64,
    in_flight_by_operation: BTreeMap<String, u64>,
    /// Tells calls from before a reset.
    generation: u64,
}

/// The log.
#[derive(Debug)]
pub struct Log {
    inner: Mutex<Inner>,
    connections: AtomicU64,
    start: Instant,
}

/// What is known of a call when it arrives.
#[derive(Debug, Default)]
pub struct Arrival<'a> {
    pub operation: &'a str,
    pub account: &'a str,
    pub region: &'a str,
    pub principal: Option<Arc<str>>,
    pub ids: Vec<String>,
    pub connection: u64,
    pub user_agent: Option<&'a str>,
    pub limit: usize,
}

/// A call that runs; closes its entry when it is dropped.
#[derive(Debug)]
pub struct Running {
    log: Arc<Log>,
    index: Option<usize>,
    generation: u64,
    operation: String,
    outcome: Option<(u16, Option<String>)>,
}

impl Log {
    pub fn new() -> Self {
        Self { inner: Mutex::default(), connections: AtomicU64::new(0), start: Instant::now() }
    }

    /// A new connection's number.
    pub fn connected(&self) -> u64 {
        lock(&self.inner).stats.connections_opened += 1;
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A connection had to wait.
    pub fn kept_waiting(&self) {
        lock(&self.inner).stats.kept_waiting += 1;
    }

    /// A request went to no endpoint.
    pub fn went_elsewhere(&self) {
        lock(&self.inner).stats.elsewhere += 1;
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Opens an entry.
    pub fn arrived(self: &Arc<Self>, arrival: Arrival<'_>) -> Running {
        let at_ms = self.now_ms();
        let mut inner = lock(&self.inner);
        let operation = arrival.operation.to_owned();
        let number = inner.stats.calls;
        inner.stats.calls += 1;
        bump(&mut inner.stats.by_operation, &operation);
        *inner.by_account.entry((operation.clone(), arrival.account.to_owned())).or_default() += 1;
        inner.stats.ids_asked += arrival.ids.len() as u64;
        if let Some(agent) = arrival.user_agent
            && inner.stats.last_user_agent.as_deref() != Some(agent)
        {
            inner.stats.last_user_agent = Some(agent.to_owned());
        }
        inner.in_flight += 1;
        inner.stats.max_in_flight = inner.stats.max_in_flight.max(inner.in_flight);
        let here = bump(&mut inner.in_flight_by_operation, &operation);
        let most = inner.stats.max_in_flight_by_operation.entry(operation.clone()).or_default();
        *most = here.max(*most);
        let index = if inner.calls.len() < arrival.limit {
            inner.calls.push(Call {
                number,
                operation: operation.clone(),
                account: arrival.account.to_owned(),
                region: arrival.region.to_owned(),
                principal: arrival.principal.unwrap_or_else(|| Arc::from("")),
                ids: arrival.ids,
                page: None,
                status: 0,
                code: None,
                fault: None,
                at_ms,
                end_ms: None,
                connection: arrival.connection,
            });
            Some(inner.calls.len() - 1)
        } else {
            inner.stats.dropped_from_log += 1;
            None
        };
        let generation = inner.generation;
        drop(inner);
        Running { log: Arc::clone(self), index, generation, operation, outcome: None }
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.inner).calls.clone()
    }

    /// The totals so far.
    pub fn stats(&self) -> Stats {
        lock(&self.inner).stats.clone()
    }

    /// The most calls of an operation that were in flight at once.
    pub fn most_at_once(&self, operation: &str) -> u64 {
        lock(&self.inner).stats.max_in_flight_by_operation.get(operation).copied().unwrap_or_default()
    }

    /// Calls of an operation, of one account or of all.
    pub fn count(&self, operation: &str, account: Option<&str>) -> u64 {
        lock(&self.inner)
            .by_account
            .iter()
            .filter(|((op, acc), _)| op == operation && account.is_none_or(|a| a == acc))
            .map(|(_, count)| count)
            .sum()
    }

    /// Calls by operation and account.
    pub fn counts(&self) -> BTreeMap<(String, String), u64> {
        lock(&self.inner).by_account.iter().map(|(key, count)| (key.clone(), *count)).collect()
    }

    /// Forgets everything but the connections' numbering. Calls that still run
    /// do not appear any more.
    pub fn reset(&self) {
        let mut inner = lock(&self.inner);
        let generation = inner.generation + 1;
        *inner = Inner { generation, ..Inner::default() };
    }
}

fn bump(counts: &mut BTreeMap<String, u64>, key: &str) -> u64 {
    if let Some(count) = counts.get_mut(key) {
        *count += 1;
        *count
    } else {
        counts.insert(key.to_owned(), 1);
        1
    }
}

impl Running {
    fn with(&self, change: impl FnOnce(&mut Call)) {
        let mut inner = lock(&self.log.inner);
        if inner.generation == self.generation
            && let Some(call) = self.index.and_then(|index| inner.calls.get_mut(index))
        {
            change(call);
        }
    }

    /// Notes the page that was asked for.
    pub fn page(&self, page: u64) {
        self.with(|call| call.page = Some(page));
    }

    /// Notes the fault.
    pub fn fault(&self, label: &str) {
        self.with(|call| call.fault = Some(label.to_owned()));
    }

    /// Ends the call with an answer.
    pub fn answered(mut self, status: u16, code: Option<&str>) {
        self.outcome = Some((status, code.map(str::to_owned)));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let end = self.log.now_ms();
        // Without an outcome the connection went away, or a fault cut it.
        let (status, code) = self.outcome.take().unwrap_or_else(|| (0, Some("-".to_owned())));
        let mut inner = lock(&self.log.inner);
        if inner.generation != self.generation {
            return;
        }
        inner.in_flight = inner.in_flight.saturating_sub(1);
        if let Some(count) = inner.in_flight_by_operation.get_mut(&self.operation) {
            *count = count.saturating_sub(1);
        }
        let told = code.as_deref().unwrap_or("OK");
        bump(&mut inner.stats.by_code, told);
        bump(inner.stats.codes_by_operation.entry(self.operation.clone()).or_default(), told);
        if let Some(call) = self.index.and_then(|index| inner.calls.get_mut(index)) {
            call.status = status;
            call.code = code;
            call.end_ms = Some(end);
        }
    }
}
