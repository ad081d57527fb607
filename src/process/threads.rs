//! The thread that asks, and the one that renders beside it.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Exit, Failure};
use crate::process::harden::Process;
use crate::process::memory;
use crate::process::signals::Signals;
use crate::text;

/// Runs on the one thread that asks, with handlers for signals.
///
/// # Errors
/// That of the work; [`Exit::TempFail`] where it can't begin.
pub fn block_on<T>(work: impl AsyncFnOnce(&mut Signals) -> Result<T, Failure>) -> Result<T, Failure> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().map_err(|error| {
        Failure::new(Exit::TempFail, format!("the runtime can't start: {}", text::os_error(&error)))
    })?;
    let outcome = runtime.block_on(async { work(&mut Signals::listen()?).await });
    // A name that is still being resolved holds a thread for as long as the resolver takes; the run does not wait for it.
    runtime.shutdown_background();
    outcome
}

/// What the rendering thread sees as well: a thread that does not end can't be waited for. A process of ours ends moments
/// later, and does not take the time to free it.
pub fn shared_with_rendering<T>(value: T, process: Process) -> Arc<T> {
    let value = Arc::new(value);
    if process == Process::Ours {
        std::mem::forget(Arc::clone(&value));
    }
    value
}

/// Works on a thread of its own, so that no template holds up a signal, or the run for ever: not all that minijinja does
/// takes fuel. It has as long as reading had: a thousand connections take some 20 ms.
///
/// # Errors
/// [`Exit::InvalidData`] when it takes longer; [`Exit::TempFail`] when there can be no thread; [`Exit::Terminated`] or
/// [`Exit::Interrupted`].
pub async fn on_thread<T: Send + 'static>(
    signals: &mut Signals,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let log = tracing::dispatcher::get_default(Clone::clone);
    let (done, when_done) = tokio::sync::oneshot::channel();
    // Not tokio's own threads: where there can be none, those panic.
    let thread = std::thread::Builder::new().stack_size(memory::STACK);
    let started = thread.spawn(move || drop(done.send(tracing::dispatcher::with_default(&log, work))));
    if let Err(error) = started {
        let error = text::os_error(&error);
        let line = format!("there can be no thread for rendering: {error}; raise the limit of memory or of processes");
        return Err(Failure::new(Exit::TempFail, line));
    }
    match signals.or(tokio::time::timeout(limit, when_done)).await? {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(Failure::new(Exit::Bug, "rendering was cut off; please report this as a bug")),
        Err(_) => Err(Failure::new(
            Exit::InvalidData,
            format!(
                "rendering took longer than {limit:?}; look for a template that makes a list of itself many times over, give the container more CPU, or set a longer SECRETS_INIT_DEADLINE"
            ),
        )),
    }
}
