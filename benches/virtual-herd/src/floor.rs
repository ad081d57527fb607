//! What the quotas allow: no herd can be faster, whatever its pods do.

use crate::quotas::Quotas;

/// The most names of a page, and the most values of a batch (API model).
const PAGE: usize = 100;
const BATCH: f64 = 20.0;

/// The narrowest quota of a herd.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    pub seconds: f64,
    pub by: &'static str,
}

/// What so many runs need that read so many connections each of the own and of the shared account, whose names are given or must
/// be listed. Each account has quotas of its own, but both calls of STS are the own account's.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn of(runs: f64, (own, shared): (usize, usize), named: bool, cold: bool, quotas: &Quotas) -> Floor {
    let largest = own.max(shared);
    let pages = if named { 0.0 } else { largest.div_ceil(PAGE).max(1) as f64 };
    let tokens = f64::from(u8::from(cold)) + f64::from(u8::from(shared > 0));
    // Batches and single reads side by side.
    let ((batch_rate, batch_burst), (get_rate, get_burst)) =
        (quotas.of("BatchGetSecretValue"), quotas.of("GetSecretValue"));
    let values = runs * largest as f64;
    let reading = (values - BATCH * batch_burst - get_burst) / (BATCH * batch_rate + get_rate);
    let floors = [
        Floor { seconds: quotas.least_s("ListSecrets", runs * pages), by: "ListSecrets" },
        Floor { seconds: reading.max(0.0), by: "values" },
        Floor { seconds: quotas.least_s("AssumeRole", runs * tokens), by: "STS" },
    ];
    floors.into_iter().max_by(|a, b| a.seconds.total_cmp(&b.seconds)).unwrap_or(floors[0])
}
