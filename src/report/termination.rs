//! The termination message of a container: why a run failed, where `kubectl describe pod` shows it.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use tracing::{debug, warn};

use crate::config::files::NO_LINK_NO_WAITING;
use crate::config::places::{DEFAULT_TERMINATION_LOG as DEFAULT, NamedFiles, Place};
use crate::error::Failure;
use crate::text::printable;

/// Kubernetes keeps this much of it.
const LONGEST: usize = 4096;

/// Writes the reason where `kubectl describe pod` shows it: one line first, 4 KiB at most.
///
/// The default file is written only where Kubernetes made it; one that the user names is made if it is missing. None of
/// the run's own files is ever touched, whatever the settings say.
pub fn write(chosen: Option<&str>, failure: &Failure, files: &NamedFiles) {
    let mut text =
        format!("airflow-secrets-init failed with {}: {}\n", failure.exit().code(), failure.lines().join("\n"));
    text.truncate(text.floor_char_boundary(LONGEST));
    let path = chosen.unwrap_or(DEFAULT);
    let written = open(Path::new(path), chosen.is_some(), files).and_then(|mut file| {
        file.set_len(0)?;
        file.write_all(text.as_bytes())
    });
    match written {
        Ok(()) => {}
        Err(problem) if chosen.is_some() => {
            warn!(
                "the termination message can't be written to {}: {}",
                printable(path),
                crate::text::os_error(&problem)
            );
        }
        Err(_) => debug!("no termination message: {DEFAULT} is not there, or no file for it"),
    }
}

/// Opens the file and changes nothing in it: it may be anything.
fn open(path: &Path, is_made: bool, files: &NamedFiles) -> io::Result<File> {
    let refuse = |words: &str| Err(io::Error::new(ErrorKind::InvalidInput, words));
    let place = Place::of_target(path);
    if files.all().any(|(_, other)| place.is(&Place::of_target(other)) || place.is(&Place::of_source(other))) {
        return refuse("it is a file that the run reads or writes");
    }
    if path.is_symlink() {
        return refuse("it is a symbolic link");
    }
    let mut options = OpenOptions::new();
    options.write(true).create(is_made).custom_flags(NO_LINK_NO_WAITING);
    let file = options.open(path)?;
    let opened = file.metadata()?;
    if !opened.is_file() {
        return refuse("it is no regular file");
    }
    // Another name of a file may be anybody's.
    if opened.nlink() > 1 {
        return refuse("the file has another name as well (a hard link)");
    }
    // The same file, mounted twice.
    let is_it =
        |other: &Path| other.metadata().is_ok_and(|other| (other.dev(), other.ino()) == (opened.dev(), opened.ino()));
    if files.all().any(|(_, other)| is_it(other)) {
        return refuse("it is a file that the run reads or writes");
    }
    Ok(file)
}
