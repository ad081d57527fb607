//! stderr, which never holds a run up: a reader that does not read costs log lines, not the run.
//!
//! A full pipe would block the thread that listens for the deadline and for signals. So nothing is written
//! that would have to wait, and what waits for room has a budget; what finds none is dropped and counted. Half of a pipe is
//! kept for the last lines, so that they are there whenever the reader comes.

use std::io::{self, IoSlice, Stderr};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, Timespec, fstat};
use rustix::io::{Errno, ReadWriteFlags, ioctl_fionread, pwritev2};
use tracing::warn;

use crate::text::count;

/// How long lines wait for a reader: those of a run together, and the last ones.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a look at a full pipe is apart from the next.
const PAUSE: Duration = Duration::from_millis(1);
/// What a pipe takes at once, where it takes anything (Linux `pipe(7)`, `PIPE_BUF`).
const AT_ONCE: usize = 4096;
/// What a pipe of the usual 64 KiB may hold unread before ordinary lines wait.
const MOST_UNREAD: u64 = 32 << 10;

static STATE: Mutex<LogState> = Mutex::new(LogState { patience: PATIENCE, urgent: false, is_cut: false, dropped: 0 });

struct LogState {
    /// What is left of it.
    patience: Duration,
    /// Whether the last lines are being written.
    urgent: bool,
    /// Whether a line has begun that has no end.
    is_cut: bool,
    dropped: usize,
}

fn state() -> MutexGuard<'static, LogState> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes one log line, or drops and counts it. A reader that has gone away is no error.
pub fn line(bytes: &[u8]) {
    let mut state = state();
    let stderr = io::stderr();
    let kind = fstat(&stderr).map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode));
    if state.is_cut && !bytes.is_empty() {
        match state.write(&stderr, kind, b"\n") {
            0 => {
                state.dropped += 1;
                return;
            }
            _ => state.is_cut = false,
        }
    }
    let written = state.write(&stderr, kind, bytes);
    if written < bytes.len() {
        state.dropped += 1;
        state.is_cut = written > 0;
    }
}

/// Says one of the last lines: it may fill the pipe, and has patience of its own.
pub fn urgently(say: impl FnOnce()) {
    let set = |urgent| {
        let mut state = state();
        (state.urgent, state.patience) = (urgent, PATIENCE);
    };
    set(true);
    say();
    set(false);
}

/// Reports how many lines were dropped since this was last asked, if any were.
pub fn report_dropped() {
    let dropped = std::mem::take(&mut state().dropped);
    if dropped > 0 {
        warn!("{} dropped: nobody read stderr", count(dropped, "log line"));
    }
}

impl LogState {
    /// Gives how many bytes are written.
    fn write(&mut self, stderr: &Stderr, kind: FileType, bytes: &[u8]) -> usize {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            if !self.wait_for_room(stderr, kind) {
                break;
            }
            let part = rest.get(..AT_ONCE).unwrap_or(rest);
            match write_at_once(stderr, kind, part) {
                // Another writer was faster, or a signal came.
                Err(Errno::AGAIN | Errno::INTR) => self.pause(),
                Ok(0) | Err(_) => return bytes.len(),
                Ok(more) => written += more,
            }
        }
        written
    }

    fn pause(&mut self) {
        let begun = Instant::now();
        sleep(PAUSE);
        self.patience = self.patience.saturating_sub(begun.elapsed());
    }

    /// Whether there is room before patience ends.
    fn wait_for_room(&mut self, stderr: &Stderr, kind: FileType) -> bool {
        loop {
            let is_half_full = || {
                !self.urgent
                    && kind == FileType::Fifo
                    && ioctl_fionread(stderr).is_ok_and(|unread| unread > MOST_UNREAD)
            };
            if takes_more(stderr) && !is_half_full() {
                return true;
            }
            if self.patience.is_zero() {
                return false;
            }
            self.pause();
        }
    }
}

fn takes_more(stderr: &Stderr) -> bool {
    let mut asked = [PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::OUT)];
    // What can't be asked is written: the write says what is wrong.
    poll(&mut asked, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
}

/// Writes without waiting, also where another process fills the pipe meanwhile: that takes Linux 6.4, before which there
/// is no such write.
fn write_at_once(stderr: &Stderr, kind: FileType, part: &[u8]) -> rustix::io::Result<usize> {
    let unsupported = [Errno::OPNOTSUPP, Errno::NOSYS, Errno::INVAL, Errno::SPIPE, Errno::PERM];
    if matches!(kind, FileType::Fifo | FileType::Socket) {
        match pwritev2(stderr, &[IoSlice::new(part)], u64::MAX, ReadWriteFlags::NOWAIT) {
            Err(error) if unsupported.contains(&error) => {}
            outcome => return outcome,
        }
    }
    rustix::io::write(stderr, part)
}
