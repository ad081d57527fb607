//! The termination message of a container: why a run failed, where `kubectl describe pod` shows it.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use tracing::{debug, warn};

use crate::config::files::NO_WAITING;
use crate::error::Failure;
use crate::text::printable;

/// Where Kubernetes looks for the reason of a failure, unless the Pod says otherwise.
pub const DEFAULT: &str = "/dev/termination-log";
/// Kubernetes keeps this much of it.
const LONGEST: usize = 4096;

/// Writes the reason where `kubectl describe pod` shows it: one line first, 4 KiB at most.
///
/// The default file is written only where Kubernetes made it; one that the user names is made if it is missing.
pub fn write(chosen: Option<&str>, failure: &Failure) {
    let mut text =
        format!("airflow-secrets-init failed with {}: {}\n", failure.exit().code(), failure.lines().join("\n"));
    if text.len() > LONGEST {
        let mut end = LONGEST;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    let mut options = OpenOptions::new();
    options.write(true).truncate(true).create(chosen.is_some()).custom_flags(NO_WAITING);
    let path = chosen.unwrap_or(DEFAULT);
    match options.open(path).and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => {}
        Err(problem) if chosen.is_some() => {
            warn!(
                "the termination message can't be written to {}: {}",
                printable(path),
                crate::text::os_error(&problem)
            );
        }
        Err(_) => debug!("no termination message: {DEFAULT} is not there"),
    }
}
