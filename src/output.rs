//! Puts finished bytes in place: all files or none, each whole at any instant.
//!
//! A file is written beside its target under a name of our own, with its mode set before the first byte, synced, and
//! renamed over the target; then the directory is synced. Dropping an unfinished [`Staged`] removes its temporary file.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::{Builder, NamedTempFile};

use crate::exit::{Exit, Failure};
use crate::text::printable;

/// What a temporary file's name begins with. The rest is random; nothing of a secret is in it.
pub const TEMPORARY_PREFIX: &str = ".airflow-secrets-init-";

/// Writing takes moments: a temporary file that nobody has touched for so long belongs to a run that is no more.
const STALE: Duration = Duration::from_mins(2);

/// A file that is written in full but not yet in place.
pub struct Staged {
    target: PathBuf,
    /// `None` when the target holds these very bytes with this very mode already.
    temporary: Option<NamedTempFile>,
}

/// Whether a target was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// New content is in place, of one file at least.
    Written,
    /// The same content was there already; nothing was touched.
    Unchanged,
}

/// Writes the bytes beside the target and syncs them.
///
/// # Errors
/// [`Exit::CantCreate`] when the directory is missing or not writable, or the target is no regular file; [`Exit::Io`] when
/// a write or sync fails. The target is as it was.
pub fn stage(target: &Path, bytes: &[u8], mode: u32) -> Result<Staged, Failure> {
    if is_there_already(target, bytes, mode)? {
        return Ok(Staged { target: target.to_owned(), temporary: None });
    }
    let directory = directory_of(target);
    let cant_create = |error: &io::Error| failure(Exit::CantCreate, directory, "no file can be made there", error);
    remove_stale(directory);
    let mut temporary = Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory)
        .map_err(|error| cant_create(&error))?;
    // The umask may have taken bits away at creation. The file is empty still.
    let file: &File = temporary.as_file();
    file.set_permissions(Permissions::from_mode(mode)).map_err(|error| cant_create(&error))?;
    temporary
        .write_all(bytes)
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(|error| failure(Exit::Io, target, "can't be written", &error))?;
    Ok(Staged { target: target.to_owned(), temporary: Some(temporary) })
}

impl Staged {
    /// Renames the file over its target.
    ///
    /// # Errors
    /// [`Exit::Io`]; the target is as it was unless only the sync of the directory failed.
    pub fn commit(self) -> Result<Change, Failure> {
        let Some(temporary) = self.temporary else { return Ok(Change::Unchanged) };
        let target = &self.target;
        temporary.persist(target).map_err(|error| failure(Exit::Io, target, "can't be put in place", &error.error))?;
        let directory = directory_of(target);
        match File::open(directory).and_then(|directory| directory.sync_all()) {
            Ok(()) => {}
            // Some file systems have no sync for directories; the rename itself is done.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {}
            // A directory that may be written but not read can't be opened for its sync.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(failure(Exit::Io, directory, "can't be synced", &error)),
        }
        Ok(Change::Written)
    }
}

/// Renames each file over its target, in order, after all of them were written in full.
///
/// # Errors
/// [`Exit::Io`]; the files before the one that the error names are in place, that one and the rest are as they were.
pub fn commit_all(staged: Vec<Staged>) -> Result<Change, Failure> {
    let mut change = Change::Unchanged;
    for file in staged {
        if file.commit()? == Change::Written {
            change = Change::Written;
        }
    }
    Ok(change)
}

/// Removes what a killed run has left: SIGKILL lets nobody clean up, and restarts would fill a small volume with secrets.
///
/// Only regular files under our prefix that nobody has written to for longer than a run may take; what can't be
/// removed is not ours or does no harm.
fn remove_stale(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMPORARY_PREFIX));
        let stale = |metadata: fs::Metadata| {
            let age = metadata.modified().ok().and_then(|time| time.elapsed().ok());
            metadata.is_file() && age.is_some_and(|age| age > STALE)
        };
        if ours && entry.metadata().is_ok_and(stale) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

fn directory_of(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_there_already(target: &Path, bytes: &[u8], mode: u32) -> Result<bool, Failure> {
    let metadata = match fs::symlink_metadata(target) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failure(Exit::CantCreate, target, "can't be looked at", &error)),
    };
    if !metadata.is_file() {
        let kind = if metadata.is_symlink() { "a symbolic link" } else { "no regular file" };
        let line = format!("{}: is {kind}; give the path of a file, or of one that does not exist yet", shown(target));
        return Err(Failure::new(Exit::CantCreate, line));
    }
    let same_shape = metadata.mode() & 0o7777 == mode && metadata.len() == bytes.len() as u64;
    // A file that can't be read is simply replaced.
    Ok(same_shape && fs::read(target).is_ok_and(|there| there == bytes))
}

/// A path made safe for a log line.
#[must_use]
pub fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}

fn failure(exit: Exit, place: &Path, what: &str, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "; make the directory first, or mount a volume there",
        io::ErrorKind::PermissionDenied => "; run as a user or group that may write there (fsGroup, runAsUser)",
        io::ErrorKind::ReadOnlyFilesystem => "; mount a writable volume there (an emptyDir)",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make the volume larger (sizeLimit of the emptyDir)"
        }
        _ => "",
    };
    Failure::new(exit, format!("{}: {what}: {}{hint}", shown(place), crate::text::os_error(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_gets_its_mode_and_content_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("connections.json");
        assert_eq!(stage(&target, b"{}\n", 0o440).unwrap().commit().unwrap(), Change::Written);
        let metadata = fs::metadata(&target).unwrap();
        assert_eq!((metadata.mode() & 0o7777, fs::read(&target).unwrap().as_slice()), (0o440, b"{}\n".as_slice()));
        assert_eq!(names(directory.path()), ["connections.json"]);
    }

    #[test]
    fn the_same_content_leaves_the_file_alone_but_a_wrong_mode_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("connections.json");
        stage(&target, b"{}\n", 0o440).unwrap().commit().unwrap();
        let inode = fs::metadata(&target).unwrap().ino();
        assert_eq!(stage(&target, b"{}\n", 0o440).unwrap().commit().unwrap(), Change::Unchanged);
        assert_eq!(fs::metadata(&target).unwrap().ino(), inode);
        fs::set_permissions(&target, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(stage(&target, b"{}\n", 0o440).unwrap().commit().unwrap(), Change::Written);
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, 0o440);
    }

    #[test]
    fn what_is_staged_and_dropped_leaves_the_old_file_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("connections.json");
        fs::write(&target, "old").unwrap();
        let staged = stage(&target, b"new", 0o440).unwrap();
        let beside = names(directory.path());
        assert!(beside.iter().any(|name| name.starts_with(TEMPORARY_PREFIX)), "{beside:?}");
        drop(staged);
        assert_eq!(names(directory.path()), ["connections.json"]);
        assert_eq!(fs::read(&target).unwrap(), b"old");
    }

    /// Between two renames nothing can be undone; what is left must be whole files and no others.
    #[test]
    fn files_are_put_in_place_in_order_up_to_the_first_that_fails() {
        let directory = tempfile::tempdir().unwrap();
        let paths = ["first.py", "second.json", "third"].map(|name| directory.path().join(name));
        let staged = paths.iter().map(|path| stage(path, b"new", 0o440).unwrap()).collect();
        fs::create_dir(&paths[1]).unwrap();
        let failure = commit_all(staged).unwrap_err();
        assert_eq!(failure.exit(), Exit::Io);
        assert!(failure.to_string().contains("second.json: can't be put in place"), "{failure}");
        assert_eq!(names(directory.path()), ["first.py", "second.json"]);
        assert_eq!(fs::read(&paths[0]).unwrap(), b"new");
    }

    #[test]
    fn what_a_killed_run_left_is_removed_once_it_is_old() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, age: Duration| {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(std::time::SystemTime::now() - age).unwrap();
        };
        file(".airflow-secrets-init-old", Duration::from_mins(5));
        file(".airflow-secrets-init-new", Duration::from_secs(1));
        file("somebody-elses", Duration::from_hours(5));
        stage(&directory.path().join("c.json"), b"{}", 0o440).unwrap().commit().unwrap();
        assert_eq!(names(directory.path()), [".airflow-secrets-init-new", "c.json", "somebody-elses"]);
    }

    #[test]
    fn a_missing_directory_a_link_and_a_directory_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link.json");
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), &link).unwrap();
        for target in [directory.path().join("none/c.json"), link, directory.path().to_owned()] {
            let failure = stage(&target, b"{}", 0o440).err().expect("refused");
            assert_eq!(failure.exit(), Exit::CantCreate, "{failure}");
        }
    }
}
