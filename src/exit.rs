//! How a run ends: the documented exit codes and the one error type that carries them.
//!
//! The numbers are those of sysexits.h where it has one, so that a Pod's `exitCode` tells a human and a
//! retry loop whether trying again can help. `docs/EXIT-CODES.md` is the table; a test holds both together.

use std::fmt;

/// A documented exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Everything was written (left-out entries, where policy allows them, are counted in the summary).
    Ok = 0,
    /// `diff` alone: a render would change something.
    Different = 1,
    /// A flag or command is wrong.
    Usage = 64,
    /// A secret is not a valid connection and policy says error.
    InvalidData = 65,
    /// Something that was asked for is not there, or nothing was found at all.
    NotFound = 66,
    /// AWS can't be reached or answers 5xx. A retry can help.
    Unavailable = 69,
    /// A bug in this program.
    Bug = 70,
    /// The target directory or file can't be written.
    CantCreate = 73,
    /// Write, fsync or rename failed. A retry may help.
    Io = 74,
    /// The deadline passed, or AWS still throttles. A retry can help.
    TempFail = 75,
    /// No credentials, access denied or KMS denied.
    Denied = 77,
    /// Settings, `backend_kwargs` or the CA bundle are wrong.
    Config = 78,
    /// SIGINT came; nothing was changed.
    Interrupted = 130,
    /// SIGTERM came; nothing was changed and temporary files are removed.
    Terminated = 143,
}

impl Exit {
    /// Every code, in order: for the documentation test.
    pub const ALL: [Self; 14] = [
        Self::Ok,
        Self::Different,
        Self::Usage,
        Self::InvalidData,
        Self::NotFound,
        Self::Unavailable,
        Self::Bug,
        Self::CantCreate,
        Self::Io,
        Self::TempFail,
        Self::Denied,
        Self::Config,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number that the process exits with.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// A run that ends without writing: an exit code and one or more lines for a human.
///
/// Lines say what happened, where, and what to do next. They never hold any part of a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    exit: Exit,
    lines: Vec<String>,
}

impl Failure {
    /// A failure with one line.
    #[must_use]
    pub fn new(exit: Exit, line: impl Into<String>) -> Self {
        Self { exit, lines: vec![line.into()] }
    }

    /// A failure with several lines, one for each mistake. An empty list is a bug and says so.
    #[must_use]
    pub fn with_lines(exit: Exit, lines: Vec<String>) -> Self {
        if lines.is_empty() {
            return Self::new(Exit::Bug, "a failure without a reason; please report this as a bug");
        }
        Self { exit, lines }
    }

    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// Each line, in order.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("; "))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({}: {self})", self.exit.code())
    }
}

impl std::error::Error for Failure {}
