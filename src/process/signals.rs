//! SIGTERM and SIGINT end a run in order: temporary files go, the old file stays.
//!
//! As process 1 of a container a program without a handler does not even end: the kernel drops the signal.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Exit, Failure};

/// Listens from its making on; a signal that came meanwhile is not lost.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// A file that would be larger than RLIMIT_FSIZE is then an error of its write; without a handler it ends the process.
    _file_size: Signal,
}

impl Signals {
    /// Starts to listen. Must be called inside the runtime.
    ///
    /// # Errors
    /// [`Exit::TempFail`] when the kernel refuses a handler.
    pub fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(Exit::TempFail, format!("no signal handler: {}", crate::text::os_error(&error)))
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            _file_size: listen(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// What `work` gives, unless a signal comes first.
    ///
    /// # Errors
    /// [`Exit::Terminated`] or [`Exit::Interrupted`]; `work` is dropped then.
    pub async fn or<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Err(ended(Exit::Terminated, "SIGTERM")),
            _ = self.interrupt.recv() => Err(ended(Exit::Interrupted, "SIGINT")),
            outcome = work => Ok(outcome),
        }
    }

    /// Whether a signal came while this thread was busy.
    ///
    /// # Errors
    /// As [`Signals::or`].
    pub async fn check(&mut self) -> Result<(), Failure> {
        // The runtime sees signals only when it is given the thread.
        tokio::task::yield_now().await;
        self.or(std::future::ready(())).await
    }
}

fn ended(exit: Exit, name: &str) -> Failure {
    Failure::new(exit, format!("{name} came before the file was in place"))
}
