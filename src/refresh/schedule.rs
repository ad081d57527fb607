//! When the next reading begins.

use std::time::Duration;

/// The shortest pause after a reading that failed.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// The interval, and who waits: pods that start together read at times of their own.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    interval: Duration,
    /// Where in the interval the first reading after the first render is, from 0 to 1.
    place: f64,
}

impl Schedule {
    /// For a pod with this host name.
    #[must_use]
    pub fn of(interval: Duration, host_name: &str) -> Self {
        Self { interval, place: place_of(host_name) }
    }

    /// The wait after the first render.
    #[must_use]
    pub fn first(self) -> Duration {
        self.interval.mul_f64(self.place)
    }

    /// The wait after so many failures in a row, 0 for a success: the interval, or from 30 s doubled up to it; ±10 %. `spread` is any
    /// number from 0 to 1.
    #[must_use]
    pub fn next(self, failures: u32, spread: f64) -> Duration {
        let wait = match failures {
            0 => self.interval,
            failures => FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(20)).min(self.interval),
        };
        wait.mul_f64(0.9 + 0.2 * spread.clamp(0.0, 1.0))
    }
}

/// A number from 0 to 1 that is always the same for a name, and spread evenly over names (FNV-1a, with the finish of MurmurHash3).
fn place_of(host_name: &str) -> f64 {
    let hash = host_name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    f64::from(u32::try_from(hash >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES: Duration = Duration::from_mins(5);

    #[test]
    fn pods_read_at_times_of_their_own_and_a_pod_at_the_same_place() {
        let first = |number: u32| Schedule::of(MINUTES, &format!("airflow-worker-{number}")).first();
        assert_eq!(first(1), first(1));
        let of_tenth = |tenth: u32| {
            let tenth_of = MINUTES / 10;
            (0..1000).filter(|number| (tenth_of * tenth..tenth_of * (tenth + 1)).contains(&first(*number))).count()
        };
        let tenths: Vec<usize> = (0..10).map(of_tenth).collect();
        assert!(tenths.iter().all(|pods| (60..=140).contains(pods)), "of 1000 pods: {tenths:?}");
    }

    #[test]
    fn the_wait_is_the_interval_and_after_failures_30_s_doubled_up_to_it() {
        let schedule = Schedule::of(MINUTES, "host");
        let seconds = |failures| (schedule.next(failures, 0.5) + Duration::from_millis(1)).as_secs();
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 1000].map(seconds), [300, 30, 60, 120, 240, 300, 300, 300]);
        assert_eq!([0.0, 1.0].map(|spread| schedule.next(0, spread).as_secs()), [270, 330]);
        let short = Schedule::of(Duration::from_secs(30), "host");
        assert_eq!([0, 1, 9].map(|failures| short.next(failures, 0.5).as_secs()), [30, 30, 30]);
    }
}
