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
        let now = Instant::now();
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
