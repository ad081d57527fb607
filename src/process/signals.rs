//! SIGTERM and SIGINT end a run in order: temporary files go, the old file stays.
//!
//! As process 1 of a container a program without a handler does not even end: the kernel drops the signal.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Exit, Failure};

/// Listens from its making on; a signal that came meanwhile is not lost.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Listened to by a process that reads again alone: another is ended by it, as the kernel has it.
    hangup: Option<Signal>,
    /// A file that would be larger than RLIMIT_FSIZE is then an error of its write; without a handler it ends the process.
    _file_size: Signal,
}

impl Signals {
    /// Starts to listen. Must be called inside the runtime.
    ///
    /// # Errors
    /// [`Exit::TempFail`] when the kernel refuses a handler.
    pub fn listen() -> Result<Self, Failure> {
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: None,
            _file_size: listen(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Listens to SIGHUP as well.
    pub fn listen_to_hangup(&mut self) -> Result<(), Failure> {
        self.hangup = Some(listen(SignalKind::hangup())?);
        Ok(())
    }

    /// Keeps SIGHUP from ending the process, which is to live on: before anything else that takes time. What comes before the first
    /// reading has no effect.
    ///
    /// # Errors
    /// [`Exit::TempFail`] when the kernel refuses a handler.
    pub fn outlive_hangup() -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            Failure::new(Exit::TempFail, format!("the runtime can't start: {}", crate::text::os_error(&error)))
        })?;
        // tokio leaves the handler in place when the last listener is gone.
        runtime.block_on(async { listen(SignalKind::hangup()) }).map(drop)
    }

    /// Waits so long, or until SIGHUP comes.
    pub async fn sleep(&mut self, wait: Duration) -> Result<(), Failure> {
        let mut hangup = self.hangup.take();
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => drop(hangup.recv().await),
                None => std::future::pending().await,
            }
        };
        let slept = async {
            tokio::select! {
                () = tokio::time::sleep(wait) => (),
                () = hung_up => (),
            }
        };
        let slept = self.or(slept).await;
        self.hangup = hangup;
        slept
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
    pub async fn check(&mut self) -> Result<(), Failure> {
        // The runtime sees signals only when it is given the thread.
        tokio::task::yield_now().await;
        self.or(std::future::ready(())).await
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind)
        .map_err(|error| Failure::new(Exit::TempFail, format!("no signal handler: {}", crate::text::os_error(&error))))
}

fn ended(exit: Exit, name: &str) -> Failure {
    Failure::new(exit, format!("{name} came before the file was in place"))
}
