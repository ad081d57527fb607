//! Token buckets per operation, account and region.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

use crate::scenario::Quota;
use crate::sync::lock;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// The fill of every bucket: index of the quota, account, region.
#[derive(Debug, Default)]
pub struct Buckets(Mutex<HashMap<(usize, String, String), Bucket>>);

impl Buckets {
    /// Fills all buckets.
    pub fn reset(&self) {
        lock(&self.0).clear();
    }

    /// Takes a token; false means throttled. A throttled call costs nothing.
    pub fn take(&self, quotas: &[Quota], operation: &str, account: &str, region: &str) -> bool {
        let found = quotas.iter().enumerate().find(|(_, q)| q.operations.iter().any(|o| o == operation));
        let Some((index, quota)) = found else { return true };
        self.take_at(Instant::now(), index, quota, account, region)
    }

    fn take_at(&self, now: Instant, index: usize, quota: &Quota, account: &str, region: &str) -> bool {
        let mut buckets = lock(&self.0);
        let bucket = buckets
            .entry((index, account.to_owned(), region.to_owned()))
            .or_insert(Bucket { tokens: quota.burst, at: now });
        let gained = now.duration_since(bucket.at).as_secs_f64() * quota.rate;
        bucket.tokens = (bucket.tokens + gained).min(quota.burst);
        bucket.at = now;
        let granted = bucket.tokens >= 1.0;
        if granted {
            bucket.tokens -= 1.0;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_is_filled_again_by_its_rate_and_not_beyond_its_burst() {
        let quota = Quota { operations: vec!["ListSecrets".into()], rate: 20.0, burst: 2.0 };
        let (buckets, start) = (Buckets::default(), Instant::now());
        let granted = |ms: &[u64]| -> Vec<bool> {
            let at = |ms: &u64| buckets.take_at(start + Duration::from_millis(*ms), 0, &quota, "1", "r");
            ms.iter().map(at).collect()
        };
        assert_eq!(granted(&[0, 0, 0, 49, 50, 50]), [true, true, false, false, true, false]);
        assert_eq!(granted(&[5000, 5000, 5000]), [true, true, false]);
    }
}
