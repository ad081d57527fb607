//! How many requests may be in flight at once, and which goes next: a page of a listing before values, because the values of
//! other pages wait for it.

use std::cell::Cell;

use tokio::sync::{Semaphore, SemaphorePermit};

/// One for each request that may be in flight, whatever it is.
pub struct Turns {
    permits: Semaphore,
    /// Pages that wait.
    pages: Cell<usize>,
}

impl Turns {
    pub fn new(concurrency: usize) -> Self {
        Self { permits: Semaphore::new(concurrency), pages: Cell::new(0) }
    }

    /// Waits until one more request may be in flight and no page waits. Hold what it gives until the answer is there.
    pub async fn of_value(&self) -> Option<SemaphorePermit<'_>> {
        loop {
            let turn = self.permits.acquire().await.ok();
            if turn.is_none() || self.pages.get() == 0 {
                return turn;
            }
            // Back to the end of the queue, in which the page is.
            drop(turn);
        }
    }

    /// The same for a page of a listing.
    pub async fn of_page(&self) -> Option<SemaphorePermit<'_>> {
        self.pages.set(self.pages.get() + 1);
        let _leaves = Leaves(&self.pages);
        self.permits.acquire().await.ok()
    }
}

/// A page that waits no longer, also where its caller has gone away.
struct Leaves<'a>(&'a Cell<usize>);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
