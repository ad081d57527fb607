//! How much later than meant the bytes were passed on: the relay's own error, told with every measurement.

use std::time::Duration;

/// Microseconds between when a piece was due and when it was handed to the kernel.
#[derive(Debug, Default)]
pub struct Lateness(Vec<u32>);

impl Lateness {
    pub fn note(&mut self, late: Duration) {
        self.0.push(u32::try_from(late.as_micros()).unwrap_or(u32::MAX));
    }

    /// Median, 99th percentile and maximum.
    pub fn summary(&mut self) -> [u32; 3] {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        [last / 2, last * 99 / 100, last].map(|at| self.0.get(at).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_of_what_was_noted() {
        let mut lateness = Lateness::default();
        assert_eq!(lateness.summary(), [0, 0, 0]);
        for micros in (0..=100).rev() {
            lateness.note(Duration::from_micros(micros));
        }
        assert_eq!(lateness.summary(), [50, 99, 100]);
    }
}
