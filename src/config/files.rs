//! Reading small files that the user names: kwargs, tokens, certificates, the file store.
//!
//! A FIFO or a device would hold the one thread for ever, past the deadline and past SIGTERM, so only regular files are
//! read, and never more than a limit.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// For opening: a FIFO is open at once, or an error; the open never waits for the other end. A regular file knows no difference.
pub const NO_WAITING: i32 = OFlags::NONBLOCK.bits().cast_signed();
/// The same, and a symbolic link is an error.
pub const NO_LINK_NO_WAITING: i32 = OFlags::NONBLOCK.union(OFlags::NOFOLLOW).bits().cast_signed();

/// What a temporary file's name begins with. The rest is random; nothing of a secret is in it.
pub const TEMPORARY_PREFIX: &str = ".airflow-secrets-init-";

/// Whether to read this could wait for another process for ever: a FIFO, a socket, a device but `/dev/null`.
pub fn may_wait(path: &Path) -> bool {
    let null = std::fs::metadata("/dev/null").map(|null| null.rdev()).ok();
    std::fs::metadata(path).is_ok_and(|found| {
        let is_null = found.file_type().is_char_device() && Some(found.rdev()) == null;
        !(found.is_file() || found.is_dir() || is_null)
    })
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// Those of the operating system; `InvalidInput` for what is no regular file, `FileTooLarge` beyond the limit.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let refuse = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    // To open a device can do something, so it is looked at first; and again, because it may have been replaced since.
    if !std::fs::metadata(path)?.is_file() {
        return Err(refuse());
    }
    let file = OpenOptions::new().read(true).custom_flags(NO_WAITING).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(refuse());
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let words = format!("larger than {} MiB", limit >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, words));
    }
    Ok(bytes)
}

/// As [`read`], for text in UTF-8.
///
/// # Errors
/// As [`read`], and `InvalidData` for what is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8 text"))
}

/// The directory in which a file is, or is to be.
pub fn directory_of(target: &Path) -> &Path {
    target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A mode as settings and front matter write it: octal, readable by its owner, and by no one outside its group.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn parse_mode(text: &str) -> Result<u32, &'static str> {
    let text = text.trim();
    let digits = text.strip_prefix("0o").unwrap_or(text);
    match u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o777) {
        None => Err("must be octal, such as 0440"),
        Some(mode) if mode & 0o400 == 0 => Err("must let the owner read, such as 0440"),
        Some(mode) if mode & 0o007 != 0 => {
            Err("would let everybody on the machine at the secrets; the last digit must be 0")
        }
        Some(mode) if mode & 0o111 != 0 => Err("would make the file executable; use 0440 or 0640"),
        Some(mode) => Ok(mode),
    }
}
