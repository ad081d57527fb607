//! A panic on any thread is the end of the process.
//!
//! Nothing is unwound, so that the release build can do without (`panic = "abort"`), which makes it a fifth smaller. A
//! temporary file that is there is left to a later run.

use std::sync::{Mutex, OnceLock};

use crate::error::{Exit, Failure};
use crate::report::channels::Channels;
use crate::report::stderr;
use crate::report::summary::Summary;

/// Where this process speaks: nothing can be handed to the hook of a panic.
static CHANNELS: Mutex<Option<Channels>> = Mutex::new(None);

impl Channels {
    /// Speaks here if the process panics.
    pub fn remember(&self) {
        if let Ok(mut channels) = CHANNELS.lock() {
            *channels = Some(self.clone());
        }
    }
}

/// How this process ends, where it is one of ours.
static END: OnceLock<fn(Exit) -> !> = OnceLock::new();

/// Says why the run failed and ends the process, from whatever thread; does nothing in a process that is not ours.
pub fn end_process(failure: &Failure) {
    let Some(end) = END.get() else { return };
    let channels = CHANNELS.try_lock().ok().and_then(|channels| channels.clone()).unwrap_or_default();
    end(channels.failed(failure, &Summary::start()));
}

/// From now on a panic says where it happened and nothing else (a payload may hold what was being worked on), then why the
/// run failed, as any other failure, and calls `end` with [`Exit::Bug`].
pub fn end_on_panic(end: fn(Exit) -> !) {
    // Set once: a second hook would be the same.
    let _ = END.set(end);
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        let line = format!("airflow-secrets-init: a bug at {place}; please report it\n");
        stderr::urgently(|| stderr::line(line.as_bytes()));
        end_process(&Failure::new(Exit::Bug, "a bug stopped the program; please report the line above"));
    }));
}
