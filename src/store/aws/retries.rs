//! What is tried again, for how long: one rule set for every call.
//!
//! The SDK's own retries are off. They give up after a few attempts, which lets most of a herd fail (500 pods that start
//! together meet quotas of 100 lists a second), and they share one bucket of tokens, which parallel calls empty for
//! each other.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::time::{Instant, sleep, timeout};

use crate::model::cause::Cause;
use crate::store::error::{ErrorKind, StoreError};

tokio::task_local! {
    /// How often the call that is being made was made before.
    pub static RETRIES: u32;
}

/// How long one attempt may take: a stalled connection costs seconds, not the run.
const ATTEMPT: Duration = Duration::from_secs(5);
/// What is several calls in a row, such as the SDK's chain of credentials: IMDS alone is two.
pub const SLOW_ATTEMPT: Duration = Duration::from_secs(15);
/// Later attempts have longer: a slow line is not a stalled one.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(15);
/// How often a call may meet a fault of the network or the service. Throttling and time-outs are not counted: they pass, or
/// the deadline does.
const MOST_FAULTS: u32 = 7;

/// How often the instance metadata service may be silent. Where there is no such service, as mostly, that does not change.
const MOST_SILENCES: u32 = 3;

/// The longest wait after the first fault, and after any: the bound doubles with each.
const FIRST_FAULT: Duration = Duration::from_millis(100);
const LONGEST_AFTER_FAULT: Duration = Duration::from_secs(3);

/// Full jitter: anything from nothing to the bound.
fn wait_after_fault(faults: u32) -> Duration {
    let bound = FIRST_FAULT.saturating_mul(1_u32 << (faults - 1).min(10)).min(LONGEST_AFTER_FAULT);
    bound.mul_f64(fastrand::f64())
}

/// The shortest and the longest bound of a wait after throttling, and how much of the time it is that the call was throttled.
const LEAST_THROTTLED: Duration = Duration::from_millis(250);
const LONGEST_THROTTLED: Duration = Duration::from_secs(4);
const OF_THROTTLED: f64 = 0.3;

/// Anything in the upper half of a bound that grows with the time for which the call was throttled. While many pods come back
/// each second, the quota is used up, and a longer wait loses nothing. Once few are left, part of the quota is unused while they
/// wait: so no wait is long beside the time that the herd has taken already (`benches/virtual-herd` measures it).
fn wait_after_throttling(throttled_for: Duration) -> Duration {
    let bound = throttled_for.mul_f64(OF_THROTTLED).clamp(LEAST_THROTTLED, LONGEST_THROTTLED);
    bound.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// No retries by the SDK.
pub fn config() -> RetryConfig {
    RetryConfig::disabled()
}

/// Connecting has a limit of its own; the attempt as a whole has one in [`Retries::persist`].
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(Duration::from_secs(3)).build()
}

/// Tries calls again, and remembers what it met last, for the case that the deadline ends the trying.
#[derive(Clone, Debug, Default)]
pub struct Retries {
    met: Arc<Mutex<Met>>,
}

#[derive(Debug, Default)]
struct Met {
    last: Option<StoreError>,
    throttled: u64,
}

impl Retries {
    /// Makes attempts until one succeeds, fails for good, or has met too many faults. Throttling and time-outs alone
    /// never end it: the deadline of the run does.
    pub async fn persist<T, F>(&self, action: &'static str, attempt: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.persist_for(ATTEMPT, action, attempt).await
    }

    /// The same with another limit for the first attempt.
    pub async fn persist_for<T, F>(
        &self,
        mut patience: Duration,
        action: &'static str,
        attempt: impl Fn() -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let (mut faults, mut timeouts, mut throttles, mut silences) = (0, 0, 0, 0);
        let mut throttled_since = None;
        loop {
            let made = faults + throttles + silences;
            let error = match timeout(patience, RETRIES.scope(made, attempt())).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => error,
                Err(_) => {
                    patience = (patience * 2).min(LONGEST_ATTEMPT);
                    StoreError::new(Cause::NoAnswer, action, "no answer in time")
                }
            };
            let wait = match error.kind() {
                // Who is not trusted now is not trusted in a second.
                _ if error.cause == Cause::Tls => return Err(error),
                ErrorKind::Throttled => {
                    throttles += 1;
                    wait_after_throttling(throttled_since.get_or_insert_with(Instant::now).elapsed())
                }
                ErrorKind::Unavailable => {
                    faults += 1;
                    // A call that was not answered has waited long enough to be no hammering: where everything is slow, as
                    // when a thousand pods start on few nodes, it is only a matter of time.
                    timeouts += u32::from(error.cause == Cause::NoAnswer);
                    if faults - timeouts == MOST_FAULTS {
                        return Err(error);
                    }
                    wait_after_fault(faults)
                }
                _ if error.cause == Cause::ImdsSilent && silences + 1 < MOST_SILENCES => {
                    silences += 1;
                    wait_after_fault(silences)
                }
                _ => return Err(error),
            };
            tracing::debug!(%error, wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX), "trying again");
            self.note(error);
            sleep(wait).await;
        }
    }

    /// Remembers trouble that another way led around.
    pub fn note(&self, error: StoreError) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.throttled += u64::from(error.cause == Cause::Throttled);
        met.last = Some(error);
    }

    /// The last trouble that was met.
    pub fn last(&self) -> Option<StoreError> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).last.clone()
    }

    /// How many calls AWS throttled.
    pub fn throttled(&self) -> u64 {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).throttled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttled_call_waits_a_part_of_what_it_has_waited() {
        for (throttled_for, least, most) in [(0, 125, 250), (500, 125, 250), (2_000, 300, 600), (60_000, 2_000, 4_000)]
        {
            let waits = || wait_after_throttling(Duration::from_millis(throttled_for)).as_millis();
            let waits: Vec<u128> = (0..100).map(|_| waits()).collect();
            assert!(waits.iter().all(|wait| (least..=most).contains(wait)), "{throttled_for}: {waits:?}");
            // Pods that were throttled together do not come back together.
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
        }
    }

    #[test]
    fn the_bound_after_faults_doubles_up_to_three_seconds() {
        for (faults, most) in [(1, 100), (2, 200), (4, 800), (6, 3_000), (40, 3_000)] {
            assert!((0..100).all(|_| wait_after_fault(faults).as_millis() <= most), "{faults}");
        }
    }
}
