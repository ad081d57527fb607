//! Decides which faults hit a call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use crate::arn;
use crate::rng::Rng;
use crate::scenario::{Fault, FaultEffect};
use crate::sync::{lock, read, write};
use crate::wildcard::matches;

#[derive(Debug)]
struct Armed {
    fault: Fault,
    seen: AtomicU64,
    rng: Mutex<Rng>,
}

/// The faults in force.
#[derive(Debug, Default)]
pub struct Faults(RwLock<Arc<Vec<Arc<Armed>>>>);

/// What a call is to suffer.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub latency: Duration,
    /// So many calls of the operation must have been in flight at once before it is answered.
    pub together: u64,
    /// The faults that must be removed before it is answered.
    held: Vec<Arc<Armed>>,
    pub effect: Option<FaultEffect>,
}

/// The parts of a call that faults choose by.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    pub operation: &'a str,
    pub account: &'a str,
    pub region: &'a str,
}

impl Faults {
    /// Adds faults after those in force.
    pub fn extend(&self, faults: Vec<Fault>, seed: u64) {
        let mut current = write(&self.0);
        let mut next = Vec::clone(&current);
        for fault in faults {
            let rng = Mutex::new(Rng::new(seed.wrapping_add(next.len() as u64)));
            next.push(Arc::new(Armed { fault, seen: AtomicU64::new(0), rng }));
        }
        *current = Arc::new(next);
    }

    /// Puts faults in the place of those in force.
    pub fn replace(&self, faults: Vec<Fault>, seed: u64) {
        *write(&self.0) = Arc::default();
        self.extend(faults, seed);
    }

    /// The latency and the effect for a call that names these secrets.
    pub fn plan(&self, target: Target<'_>, ids: &[String]) -> Plan {
        let faults = Arc::clone(&read(&self.0));
        let mut plan = Plan::default();
        for armed in faults.iter() {
            let fault = &armed.fault;
            if fault.effect.as_ref().is_some_and(FaultEffect::is_per_id) || !armed.concerns(target) {
                continue;
            }
            let named = fault.secret_id.as_ref().is_none_or(|pattern| ids.iter().any(|id| id_matches(pattern, id)));
            if named && armed.strikes() {
                plan.latency += armed.latency();
                plan.together = plan.together.max(fault.together.unwrap_or_default());
                if fault.held {
                    plan.held.push(Arc::clone(armed));
                }
                if plan.effect.is_none() {
                    plan.effect.clone_from(&fault.effect);
                }
            }
        }
        plan
    }

    /// Is a fault in force that holds the call?
    pub fn hold(&self, plan: &Plan) -> bool {
        let faults = Arc::clone(&read(&self.0));
        plan.held.iter().any(|held| faults.iter().any(|armed| Arc::ptr_eq(armed, held)))
    }

    /// The effect on one id of a batch.
    pub fn for_id(&self, target: Target<'_>, id: &str) -> Option<FaultEffect> {
        let faults = Arc::clone(&read(&self.0));
        for armed in faults.iter() {
            let Some(effect) = armed.fault.effect.as_ref().filter(|e| e.is_per_id()) else {
                continue;
            };
            let named = armed.fault.secret_id.as_ref().is_none_or(|pattern| id_matches(pattern, id));
            if named && armed.concerns(target) && armed.strikes() {
                return Some(effect.clone());
            }
        }
        None
    }
}

impl Armed {
    fn concerns(&self, target: Target<'_>) -> bool {
        matches(&self.fault.operation, target.operation)
            && self.fault.account.as_deref().is_none_or(|a| a == target.account)
            && self.fault.region.as_deref().is_none_or(|r| r == target.region)
    }

    /// Counts a matching call and tells whether it is hit.
    fn strikes(&self) -> bool {
        let number = self.seen.fetch_add(1, Ordering::Relaxed);
        let Some(number) = number.checked_sub(self.fault.skip) else { return false };
        self.fault.times.is_none_or(|times| number < times)
            && self.fault.every.is_none_or(|every| (number + 1).is_multiple_of(every))
            && self.fault.probability.is_none_or(|share| lock(&self.rng).chance(share))
    }

    fn latency(&self) -> Duration {
        let least = self.fault.latency_ms;
        let spread = self.fault.latency_max_ms.unwrap_or(least).saturating_sub(least);
        let extra = if spread == 0 { 0 } else { lock(&self.rng).below(spread + 1) };
        Duration::from_millis(least + extra)
    }
}

/// Does the pattern mean this `SecretId`? An ARN is also known by its name.
fn id_matches(pattern: &str, id: &str) -> bool {
    if matches(pattern, id) {
        return true;
    }
    arn::parse(id).is_some_and(|parts| {
        matches(pattern, parts.resource)
            || arn::split_suffix(parts.resource).is_some_and(|(name, _)| matches(pattern, name))
    })
}
