//! Whether the process has what any run needs of open files, looked at before it begins: what runs out in the middle ends in
//! as many ways as there are places.

use rustix::io::dup;
use rustix::process::{Resource, getrlimit};

use crate::error::{Exit, Failure};
use crate::text::os_error;

/// Files that a small run has open at once: the runtime's, the signals', a connection to AWS and one to STS, a name lookup's,
/// a target, its directory.
const FILES: usize = 20;

/// Opens as many files as a run needs, and closes them.
///
/// # Errors
/// [`Exit::TempFail`] where there are not so many to be had.
pub fn check_open_files() -> Result<(), Failure> {
    let opened: Result<Vec<_>, _> = (0..FILES).map(|_| dup(std::io::stderr())).collect();
    let Err(error) = opened else { return Ok(()) };
    let limit = getrlimit(Resource::Nofile).current.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    let error = os_error(&error.into());
    let line =
        format!("a run needs {FILES} open files: {error}; raise the limit of open files (RLIMIT_NOFILE is {limit})");
    Err(Failure::new(Exit::TempFail, line))
}

/// Starts a thread and waits for its end: names are looked up on one.
///
/// # Errors
/// [`Exit::TempFail`] where there can be none.
pub fn check_threads() -> Result<(), Failure> {
    // An empty thread does not panic.
    let ended = std::thread::Builder::new().spawn(|| {}).map(|thread| drop(thread.join()));
    ended.map_err(|error| {
        let error = os_error(&error);
        let line = format!("a run needs a thread beside its first: {error}; raise the limit of processes or of memory");
        Failure::new(Exit::TempFail, line)
    })
}
