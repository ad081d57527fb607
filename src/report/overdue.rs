//! Ends a process whose first thread no longer listens.
//!
//! One thread asks AWS, and it is the one that sees the deadline and signals. A library that goes on without a pause on it
//! (hyper 1.x reads informational answers for as long as they come) would hold both up for ever, and so would a reader of stdout
//! that no longer reads. So another thread waits for them as well, gives the first a moment to end in order, and ends the process
//! where it does not.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::error::{Exit, Failure};
use crate::process::harden::Process;
use crate::process::signals::Signals;
use crate::report::panic::end_process;

/// How long the first thread has to end by itself. It is counted in steps: where the whole process was stopped (SIGSTOP, a paused node),
/// the time that has passed meanwhile was nobody's, and the first thread has its moment after it.
const GRACE: Duration = Duration::from_secs(3);
const STEPS: u32 = 30;
/// The thread does little.
const STACK: usize = 256 << 10;

/// The watch over a run. Dropped, it ends.
pub struct Overdue {
    /// When the step that runs now should have ended; `None` once nothing is watched.
    end: Option<watch::Sender<Option<Instant>>>,
}

impl Overdue {
    /// Watches over a process of ours. Where there can be no thread for it, a run does without.
    pub fn watch(process: Process) -> Self {
        let (end, ends) = watch::channel(None);
        if process == Process::Ours {
            drop(std::thread::Builder::new().stack_size(STACK).spawn(move || wait(ends)));
        }
        Self { end: Some(end) }
    }

    fn expect(&self, end: Option<Instant>) {
        if let Some(sender) = &self.end {
            sender.send_replace(end);
        }
    }

    /// From now on the run has so long.
    pub fn expect_within(&self, limit: Duration) {
        self.expect(Some(Instant::now() + limit));
    }

    /// From now on there is no deadline: only signals end the run.
    pub fn expect_no_end(&self) {
        self.expect(None);
    }

    /// Watches no longer: what is written now is to be written in order.
    pub fn stand_down(&mut self) {
        self.end = None;
    }
}

/// Waits until the run is late or has ended.
fn wait(ends: watch::Receiver<Option<Instant>>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    if let Some(failure) = runtime.block_on(late(ends)) {
        end_process(&failure);
    }
}

/// What comes first.
enum Next {
    /// The run has ended.
    Ended,
    /// It has another end to keep.
    Another,
    /// So much time has passed.
    Passed,
}

/// Why the process must be ended; `None` once there is nothing to watch.
async fn late(mut ends: watch::Receiver<Option<Instant>>) -> Option<Failure> {
    let mut signals = Signals::listen().ok()?;
    loop {
        let end = *ends.borrow_and_update();
        let deadline = async {
            match end {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        let mut next = signals.or(first_of(&mut ends, deadline)).await;
        let mut steps = 0;
        while matches!(next, Ok(Next::Passed)) && steps < STEPS {
            next = signals.or(first_of(&mut ends, sleep(GRACE / STEPS))).await;
            steps += 1;
        }
        match next {
            Ok(Next::Ended) => return None,
            Ok(Next::Another) => {}
            Ok(Next::Passed) => {
                let line = "the deadline passed, and the run did not end by itself: what answers in the place of AWS may send without end; check the endpoint and what is in front of it";
                return Some(Failure::new(Exit::TempFail, line));
            }
            Err(failure) => {
                // The first thread sees the signal too. Whoever has ended meanwhile has closed the channel.
                let ended = async { while ends.changed().await.is_ok() {} };
                tokio::select! {
                    biased;
                    () = ended => return None,
                    () = sleep(GRACE) => return Some(failure),
                }
            }
        }
    }
}

async fn first_of(ends: &mut watch::Receiver<Option<Instant>>, passed: impl Future<Output = ()>) -> Next {
    tokio::select! {
        biased;
        changed = ends.changed() => if changed.is_ok() { Next::Another } else { Next::Ended },
        () = passed => Next::Passed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late_with(end: Option<Instant>, is_dropped: bool) -> Option<Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (sender, ends) = watch::channel(end);
            let overdue = (!is_dropped).then_some(sender);
            let late = late(ends).await;
            drop(overdue);
            late
        })
    }

    #[test]
    fn a_run_is_late_after_its_deadline_and_not_once_it_has_ended() {
        assert_eq!(late_with(Some(Instant::now()), false).unwrap().exit(), Exit::TempFail);
        assert!(late_with(Some(Instant::now() + Duration::from_hours(1)), true).is_none());
        assert!(late_with(None, true).is_none());
    }

    /// After a pause of the whole process the deadline is long over, and the first thread sees that now.
    #[test]
    fn a_run_that_ends_or_goes_on_once_its_deadline_is_over_has_a_moment_for_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for goes_on in [false, true] {
            let (sender, ends) = watch::channel(Some(Instant::now()));
            let first_thread = async {
                tokio::task::yield_now().await;
                if goes_on {
                    sender.send_replace(Some(Instant::now() + Duration::from_hours(1)));
                    tokio::task::yield_now().await;
                }
                drop(sender);
            };
            let (late, ()) = runtime.block_on(async { tokio::join!(late(ends), first_thread) });
            assert!(late.is_none(), "goes on: {goes_on}");
        }
    }
}
