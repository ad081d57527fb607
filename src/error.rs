//! How a run ends: the documented exit codes and the one error type that carries them.
//!
//! The numbers are those of sysexits.h where it has one, so that a Pod's `exitCode` tells a human and a
//! retry loop whether trying again can help. `docs/EXIT-CODES.md` is the table; a test holds both together.

use std::fmt;

use crate::text::nearest;

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

    /// Which of several codes a run ends with: the one of the greatest gravity. What a retry can't help with outweighs what it can.
    pub const fn gravity(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Different => 1,
            Self::NotFound => 2,
            Self::InvalidData => 3,
            Self::TempFail => 4,
            Self::Unavailable => 5,
            Self::Denied => 6,
            Self::Config => 7,
            Self::Usage => 8,
            Self::CantCreate => 9,
            Self::Io => 10,
            Self::Bug => 11,
            Self::Interrupted => 12,
            Self::Terminated => 13,
        }
    }

    /// The number that the process exits with.
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
    pub fn new(exit: Exit, line: impl Into<String>) -> Self {
        Self { exit, lines: vec![line.into()] }
    }

    /// A failure with several lines, one for each mistake. An empty list is a bug and says so.
    pub fn with_lines(exit: Exit, lines: Vec<String>) -> Self {
        if lines.is_empty() {
            return Self::new(Exit::Bug, "a failure without a reason; please report this as a bug");
        }
        // A failure must never look like success.
        let exit = if exit == Exit::Ok { Exit::Bug } else { exit };
        Self { exit, lines }
    }

    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether a signal ended the run.
    pub const fn is_signal(&self) -> bool {
        matches!(self.exit, Exit::Terminated | Exit::Interrupted)
    }

    /// Each line, in order.
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

/// Everything wrong that was met so far. Each line names the setting, the problem and what to do, never a secret.
#[derive(Debug, Default)]
pub struct ConfigErrors {
    lines: Vec<String>,
    /// How many of them are about a file that is not there.
    not_found: usize,
}

impl ConfigErrors {
    /// Notes one mistake: `place` is a setting's name as the user wrote it.
    pub fn add(&mut self, place: &str, problem: impl AsRef<str>) {
        self.lines.push(format!("{place}: {}", problem.as_ref()));
    }

    /// Notes a file that was asked for and is not there.
    pub fn add_not_found(&mut self, place: &str, problem: impl AsRef<str>) {
        self.add(place, problem);
        self.not_found += 1;
    }

    /// Notes a mistake whose line names its place already.
    pub fn add_line(&mut self, line: String) {
        self.lines.push(line);
    }

    /// Notes a name that is not known, with the nearest one that is.
    pub fn add_unknown(&mut self, what: &str, name: &str, known: &[&str]) {
        let name_shown = crate::text::printable(name);
        match nearest(name, known) {
            Some(near) => self.add(&name_shown, format!("unknown {what}; did you mean {near}?")),
            None => self.add(&name_shown, format!("unknown {what}; see docs/CONFIGURATION.md")),
        }
    }

    /// True while nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// `value` when nothing is wrong, else every mistake as one failure. With neither, the failure says that it has no reason, which is a bug.
    ///
    /// # Errors
    /// When at least one mistake was noted.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Failure> {
        value.filter(|_| self.is_empty()).ok_or_else(|| self.into_failure())
    }

    /// Every mistake as one failure: [`Exit::NotFound`] when nothing but files is missing, else [`Exit::Config`]. With none,
    /// the failure says that it has no reason, which is a bug.
    pub fn into_failure(self) -> Failure {
        let only_missing = self.not_found == self.lines.len();
        Failure::with_lines(if only_missing { Exit::NotFound } else { Exit::Config }, self.lines)
    }
}
