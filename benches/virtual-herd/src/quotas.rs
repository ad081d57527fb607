//! AWS's quotas in virtual time.

use std::collections::BTreeMap;

use fake_aws::Quota;
use tokio::time::Instant;

/// The quotas of every account in one region.
pub struct Quotas {
    published: Vec<Quota>,
    /// By account and place of the quota.
    buckets: BTreeMap<(String, usize), Bucket>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Quotas {
    /// What AWS publishes, times `share`: of a tenth of a herd, or what another program leaves.
    #[must_use]
    pub fn published(share: f64) -> Self {
        let scaled = |quota: Quota| Quota { rate: quota.rate * share, burst: (quota.burst * share).max(1.0), ..quota };
        Self { published: Quota::published_by_aws().into_iter().map(scaled).collect(), buckets: BTreeMap::new() }
    }

    /// Takes a token; `false` is a throttled call, which costs nothing.
    pub fn take(&mut self, account: &str, operation: &str, now: Instant) -> bool {
        let Some((place, quota)) = self.find(operation) else { return true };
        let (rate, burst) = (quota.rate, quota.burst);
        let bucket = self.buckets.entry((account.to_owned(), place)).or_insert(Bucket { tokens: burst, at: now });
        let gained = now.duration_since(bucket.at).as_secs_f64() * rate;
        bucket.tokens = (bucket.tokens + gained).min(burst);
        bucket.at = now;
        let granted = bucket.tokens >= 1.0;
        bucket.tokens -= if granted { 1.0 } else { 0.0 };
        granted
    }

    /// How long so many calls of an operation take at least, in seconds.
    #[must_use]
    pub fn least_s(&self, operation: &str, calls: f64) -> f64 {
        self.find(operation).map_or(0.0, |(_, quota)| ((calls - quota.burst) / quota.rate).max(0.0))
    }

    /// Rate and burst of an operation.
    #[must_use]
    pub fn of(&self, operation: &str) -> (f64, f64) {
        self.find(operation).map_or((f64::INFINITY, f64::INFINITY), |(_, quota)| (quota.rate, quota.burst))
    }

    fn find(&self, operation: &str) -> Option<(usize, &Quota)> {
        self.published.iter().enumerate().find(|(_, quota)| quota.operations.iter().any(|name| name == operation))
    }
}
