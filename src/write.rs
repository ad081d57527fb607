//! Puts finished bytes in place: all files or none, each whole at any instant.
//!
//! A file is written beside its target under a name of our own, with its mode set before the first byte, synced, and
//! renamed over the target; then the directory is synced. Dropping an unfinished [`Staged`] removes its temporary file.
//! The writer of a temporary file holds a lock on it, which separates the leftover of a killed run from a file that another run is
//! writing. docs/CRASH-SAFETY.md says what is on disk after anything.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::{getegid, geteuid};
use tempfile::{Builder, NamedTempFile};

use crate::config::files::{NO_LINK_NO_WAITING, TEMPORARY_PREFIX, directory_of};
use crate::error::{Exit, Failure};
use crate::text::shown;

/// Used where locks do not show whether the writer is alive: writing takes moments, so a file untouched for so long is a leftover.
const STALE: Duration = Duration::from_mins(2);

/// How often a temporary file is made anew that a cleaner took for a leftover before it was locked.
const ATTEMPTS: usize = 8;

/// A file that is written in full but not yet in place.
pub struct Staged {
    target: PathBuf,
    /// `None` when the target holds these very bytes with this very mode already.
    temporary: Option<NamedTempFile>,
}

impl Staged {
    /// The file that is to be put in place; `None` where it is there already.
    pub fn file(&self) -> Option<&fs::File> {
        self.temporary.as_ref().map(NamedTempFile::as_file)
    }
}

/// Whether a target was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// New content is in place, of one file at least.
    Written,
    /// The same content was there already; nothing was touched.
    Unchanged,
}

/// Whether files could be put in place here, as far as that can be seen without writing: `check` and `diff` end as a render
/// would, and a render reports every target that is wrong.
///
/// # Errors
/// [`Exit::CantCreate`], one line for each directory that is missing or not writable and each target that is no regular file;
/// [`Exit::Io`] where nothing is wrong but that a file is another user's and may not be replaced.
pub fn check_targets<'a>(targets: impl IntoIterator<Item = &'a Path>) -> Result<(), Failure> {
    let (mut lines, mut of_others) = (Vec::new(), Vec::new());
    let mut directories = BTreeSet::new();
    for target in targets {
        of_others.extend(may_not_be_replaced(target));
        lines.extend(existing(target).err().iter().flat_map(|failure| failure.lines().to_vec()));
        let directory = directory_of(target);
        if directories.insert(directory) {
            let may_write = || accessat(CWD, directory, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
            let error = must_be_directory(directory).and_then(|()| may_write().map_err(io::Error::from)).err();
            lines.extend(error.iter().flat_map(|error| cant_create(directory, error).lines().to_vec()));
        }
    }
    // A directory that is missing is reported by its own line, and every file in it by nothing else.
    lines.dedup();
    let exit = if lines.is_empty() { Exit::Io } else { Exit::CantCreate };
    lines.extend(of_others);
    if lines.is_empty() { Ok(()) } else { Err(Failure::with_lines(exit, lines)) }
}

/// Whether the target is another user's file in a sticky directory, which only that user, the directory's or one with CAP_FOWNER may
/// replace (Linux `fs/namei.c` `__check_sticky`): the reason and what to do.
fn may_not_be_replaced(target: &Path) -> Option<String> {
    const STICKY: u32 = 0o1000;
    let directory = fs::metadata(directory_of(target)).ok().filter(|found| found.mode() & STICKY != 0)?;
    let file = fs::symlink_metadata(target).ok().filter(fs::Metadata::is_file)?;
    let ours = geteuid().as_raw();
    if [file.uid(), directory.uid()].contains(&ours) || has_fowner() {
        return None;
    }
    Some(format!(
        "{}: can't be put in place: Operation not permitted: it is a file of user {}, this process is user {ours}, and in a sticky \
         directory, such as an emptyDir in memory, a file is replaced by its own user alone; run whatever writes it as one user \
         (runAsUser), or remove the file",
        shown(target),
        file.uid()
    ))
}

fn has_fowner() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::FOWNER))
}

fn must_be_directory(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() { Ok(()) } else { Err(rustix::io::Errno::NOTDIR.into()) }
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
    let cant_create = |error: io::Error| cant_create(directory, &error);
    let mut temporary = temporary_in(directory, mode).map_err(cant_create)?;
    // The umask may have taken bits away at creation. The file is empty still.
    let file: &File = temporary.as_file();
    file.set_permissions(Permissions::from_mode(mode)).map_err(cant_create)?;
    temporary
        .write_all(bytes)
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(|error| failure(Exit::Io, target, "can't be written", &error))?;
    Ok(Staged { target: target.to_owned(), temporary: Some(temporary) })
}

/// Makes a temporary file and locks it until it is closed, by whatever end.
///
/// Between the two, a run that cleans may have taken it for a leftover. It has no name then, or that run holds the lock.
fn temporary_in(directory: &Path, mode: u32) -> io::Result<NamedTempFile> {
    for _ in 0..ATTEMPTS {
        let temporary =
            Builder::new().prefix(TEMPORARY_PREFIX).permissions(Permissions::from_mode(mode)).tempfile_in(directory)?;
        match temporary.as_file().try_lock() {
            Err(TryLockError::WouldBlock) => continue,
            // Some file systems have no locks; there a leftover is recognised by its age.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        if temporary.as_file().metadata()?.nlink() > 0 {
            return Ok(temporary);
        }
    }
    Err(io::Error::other("something removes or locks every new file"))
}

/// Renames each file over its target, in order, after all of them were written in full; then syncs their directories.
///
/// # Errors
/// [`Exit::Io`]. After a rename that fails, the files before the one that the error names are in place, that one and the rest
/// are as they were. After a failed sync all are in place.
pub fn commit_all(staged: Vec<Staged>) -> Result<Change, Failure> {
    let mut directories = BTreeSet::new();
    for Staged { target, temporary } in staged {
        let Some(temporary) = temporary else { continue };
        temporary
            .persist(&target)
            .map_err(|error| failure(Exit::Io, &target, "can't be put in place", &error.error))?;
        directories.insert(directory_of(&target).to_owned());
    }
    let change = if directories.is_empty() { Change::Unchanged } else { Change::Written };
    directories.iter().try_for_each(|directory| sync(directory))?;
    Ok(change)
}

fn sync(directory: &Path) -> Result<(), Failure> {
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        Ok(()) => Ok(()),
        // Some file systems have no sync for directories; the rename itself is done.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        // A directory that may be written but not read can't be opened for its sync.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(failure(Exit::Io, directory, "can't be synced", &error)),
    }
}

/// Removes what killed runs have left beside these targets: after SIGKILL no one cleans up, and restarts would fill a small
/// volume with secrets. A file that a run is still writing is never touched. What can't be removed does no harm.
pub fn remove_leftovers<'a>(targets: impl IntoIterator<Item = &'a Path>) {
    let directories: BTreeSet<&Path> = targets.into_iter().map(directory_of).collect();
    for directory in directories {
        let Ok(entries) = fs::read_dir(directory) else { continue };
        for entry in entries.flatten() {
            let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMPORARY_PREFIX));
            if ours {
                remove_if_left(&entry.path());
            }
        }
    }
}

/// Removes a temporary file whose writer is gone: only a regular file, and only while this run holds its lock.
fn remove_if_left(path: &Path) {
    let Ok(named) = fs::symlink_metadata(path) else { return };
    let is_old = || named.modified().is_ok_and(|time| is_stale(time, SystemTime::now()));
    // A shared lock is what a file that is open for reading can have on every file system.
    let opened = OpenOptions::new().read(true).custom_flags(NO_LINK_NO_WAITING).open(path);
    let is_left = named.is_file()
        && match &opened {
            Ok(file) => match file.try_lock_shared() {
                // It may have been put in place meanwhile, and this be another's file of the same name.
                Ok(()) => file.metadata().is_ok_and(|opened| {
                    (opened.dev(), opened.ino(), opened.nlink() == 0) == (named.dev(), named.ino(), false)
                }),
                Err(TryLockError::WouldBlock) => false,
                Err(TryLockError::Error(_)) => is_old(),
            },
            // That of another user.
            Err(_) => is_old(),
        };
    if is_left {
        drop(fs::remove_file(path));
    }
}

/// Whether a file that was last touched then is a leftover.
fn is_stale(touched: SystemTime, now: SystemTime) -> bool {
    now.duration_since(touched).is_ok_and(|age| age > STALE)
}

/// What is there, if it is a regular file; `None` where nothing is.
fn existing(target: &Path) -> Result<Option<fs::Metadata>, Failure> {
    let metadata = match fs::symlink_metadata(target) {
        Ok(metadata) => metadata,
        // A directory that is missing is found by who makes a file in it.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(failure(Exit::CantCreate, target, "can't be looked at", &error)),
    };
    if !metadata.is_file() {
        let kind = if metadata.is_symlink() { "a symbolic link" } else { "no regular file" };
        let line = format!("{}: is {kind}; give the path of a file, or of one that does not exist yet", shown(target));
        return Err(Failure::new(Exit::CantCreate, line));
    }
    Ok(Some(metadata))
}

fn is_there_already(target: &Path, bytes: &[u8], mode: u32) -> Result<bool, Failure> {
    let Some(metadata) = existing(target)? else { return Ok(false) };
    // Another owner could take the rights back that its mode denies.
    let is_ours = metadata.uid() == geteuid().as_raw() && metadata.gid() == group_of_new_file(directory_of(target));
    let same_shape = metadata.mode() & 0o7777 == mode && metadata.len() == bytes.len() as u64 && is_ours;
    // A file that can't be read is simply replaced.
    Ok(same_shape && holds(target, bytes).unwrap_or(false))
}

/// The group that a file gets which is made there (Linux `inode_init_owner`): fsGroup sets the bit for it.
fn group_of_new_file(directory: &Path) -> u32 {
    const OF_DIRECTORY: u32 = 0o2000;
    let of_directory = fs::metadata(directory).ok().filter(|found| found.mode() & OF_DIRECTORY != 0);
    of_directory.map_or_else(|| getegid().as_raw(), |found| found.gid())
}

/// Whether a file is regular and has this content. It may have become a FIFO or a link since it was looked at.
fn holds(target: &Path, bytes: &[u8]) -> io::Result<bool> {
    let file = OpenOptions::new().read(true).custom_flags(NO_LINK_NO_WAITING).open(target)?;
    if !file.metadata()?.is_file() {
        return Ok(false);
    }
    let mut there = Vec::with_capacity(bytes.len());
    file.take(bytes.len() as u64 + 1).read_to_end(&mut there)?;
    Ok(there == bytes)
}

fn cant_create(directory: &Path, error: &io::Error) -> Failure {
    failure(Exit::CantCreate, directory, "no file can be made there", error)
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

    fn put(target: &Path, bytes: &[u8]) -> Change {
        commit_all(vec![stage(target, bytes, 0o440).unwrap()]).unwrap()
    }

    #[test]
    fn a_file_gets_its_mode_and_content_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("connections.json");
        assert_eq!(put(&target, b"{}\n"), Change::Written);
        let metadata = fs::metadata(&target).unwrap();
        assert_eq!((metadata.mode() & 0o7777, fs::read(&target).unwrap().as_slice()), (0o440, b"{}\n".as_slice()));
        assert_eq!(names(directory.path()), ["connections.json"]);
    }

    #[test]
    fn the_same_content_leaves_the_file_alone_but_a_wrong_mode_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("connections.json");
        put(&target, b"{}\n");
        let inode = fs::metadata(&target).unwrap().ino();
        assert_eq!(put(&target, b"{}\n"), Change::Unchanged);
        assert_eq!(fs::metadata(&target).unwrap().ino(), inode);
        fs::set_permissions(&target, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(put(&target, b"{}\n"), Change::Written);
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
    fn what_a_killed_run_left_is_removed_at_once_and_what_is_being_written_never() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let target = path("c.json");
        let alive = stage(&path("other.json"), b"{}", 0o440).unwrap();
        File::open(alive.temporary.as_ref().unwrap()).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        for name in [".airflow-secrets-init-left", "somebody-elses"] {
            fs::write(path(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("somebody-elses", path(".airflow-secrets-init-link")).unwrap();
        fs::create_dir(path(".airflow-secrets-init-directory")).unwrap();
        remove_leftovers([target.as_path()]);
        assert_eq!(commit_all(vec![alive]).unwrap(), Change::Written);
        assert_eq!(
            names(directory.path()),
            [".airflow-secrets-init-directory", ".airflow-secrets-init-link", "other.json", "somebody-elses"]
        );
    }

    /// Where a file can't be opened or locked, which root and the file systems of most tests never see.
    #[test]
    fn where_nothing_else_tells_a_leftover_is_one_that_nobody_has_touched_for_long() {
        let touched = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        assert!(is_stale(touched, touched + STALE + Duration::from_nanos(1)));
        assert!(!is_stale(touched, touched + STALE));
        assert!(!is_stale(touched, touched - Duration::from_hours(1)), "a clock that was set back");
    }

    #[test]
    fn a_fifo_under_the_name_of_a_temporary_file_holds_nobody_up() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join(".airflow-secrets-init-fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let (ended, wait) = std::sync::mpsc::channel();
        let target = directory.path().join("c.json");
        std::thread::spawn(move || {
            remove_leftovers([target.as_path()]);
            ended.send(()).unwrap();
        });
        wait.recv_timeout(Duration::from_mins(20)).unwrap();
        assert_eq!(names(directory.path()), [".airflow-secrets-init-fifo"]);
    }

    #[test]
    fn a_directory_that_cant_be_synced_is_an_error_unless_its_file_system_has_no_sync() {
        let directory = tempfile::tempdir().unwrap();
        let none = directory.path().join("none");
        let failure = sync(&none).unwrap_err();
        assert_eq!(failure.exit(), Exit::Io);
        let line = "can't be synced: No such file or directory; make the directory first, or mount a volume there";
        assert_eq!(failure.lines(), [format!("{}: {line}", none.display())]);
        // The kernel refuses to sync this one; only root can open the other.
        sync(Path::new("/proc")).unwrap();
        let closed = directory.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o300)).unwrap();
        sync(&closed).unwrap();
    }

    #[test]
    fn a_failure_says_what_to_do() {
        for (kind, hint) in [
            (io::ErrorKind::NotFound, "; make the directory first, or mount a volume there"),
            (io::ErrorKind::PermissionDenied, "; run as a user or group that may write there (fsGroup, runAsUser)"),
            (io::ErrorKind::ReadOnlyFilesystem, "; mount a writable volume there (an emptyDir)"),
            (io::ErrorKind::StorageFull, "; make the volume larger (sizeLimit of the emptyDir)"),
            (io::ErrorKind::QuotaExceeded, "; make the volume larger (sizeLimit of the emptyDir)"),
            (io::ErrorKind::Other, ""),
        ] {
            let failure = failure(Exit::Io, Path::new("a\nb"), "what", &io::Error::new(kind, "why"));
            assert_eq!(
                (failure.exit(), failure.lines()),
                (Exit::Io, [format!("a\\u{{a}}b: what: why{hint}")].as_slice())
            );
        }
    }

    /// A cleaner that comes between the making of a file and its lock: the file is made anew, under another name.
    #[test]
    fn a_temporary_file_that_is_taken_for_a_leftover_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("c.json");
        let ended = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                        remove_leftovers([target.as_path()]);
                    }
                });
            }
            let written = std::panic::catch_unwind(|| {
                for number in 0..200 {
                    put(&target, format!("{number}").as_bytes());
                }
            });
            // First the cleaners are told, or a failure would never come to light.
            ended.store(true, std::sync::atomic::Ordering::Relaxed);
            written.unwrap();
        });
        assert_eq!(names(directory.path()), ["c.json"]);
        assert_eq!(fs::read(&target).unwrap(), b"199");
    }

    #[test]
    fn a_missing_directory_a_link_and_a_directory_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::os::unix::fs::symlink(path("elsewhere"), path("link.json")).unwrap();
        fs::write(path("file"), "").unwrap();
        for (target, words) in [
            (path("none/c.json"), "none: no file can be made there: No such file"),
            (path("link.json"), "link.json: is a symbolic link; give"),
            (path(""), "is no regular file; give"),
            (path("file/c.json"), "file: no file can be made there: Not a directory"),
        ] {
            let failure = stage(&target, b"{}", 0o440).err().expect("refused");
            assert_eq!(failure.exit(), Exit::CantCreate, "{failure}");
            assert!(failure.to_string().contains(words), "{failure}");
        }
    }

    /// What is there may have become something else since it was looked at.
    #[test]
    fn only_a_regular_file_with_all_of_the_content_and_no_more_holds_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("file"), "abc").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        for (bytes, expected) in [("abc", true), ("ab", false), ("abcd", false), ("abd", false), ("", false)] {
            assert_eq!(holds(&path("file"), bytes.as_bytes()).unwrap(), expected, "{bytes}");
        }
        assert!(holds(&path("link"), b"abc").is_err());
        assert!(!holds(directory.path(), b"").unwrap());
    }
}
