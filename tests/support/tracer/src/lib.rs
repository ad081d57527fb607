//! Runs a program by ptrace and shows every system call of every thread before it is made and after, so that a test can kill
//! the program at exactly that point, or have the call fail in any way that an operating system knows.
//!
//! Nothing is faked but what the test asks for: the program is the one that users run, on the real kernel and the real file
//! system. One thing is: a program that makes itself unreadable for others (`PR_SET_DUMPABLE` 0) would be so for the tracer too
//! where that is no root, so the call is answered and not made, unless [`Traced::untouched`] says otherwise.
//!
//! Takes glibc's Linux on x86-64 and aarch64: registers are the one thing that differs.

mod calls;
mod registers;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

pub use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal;
pub use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
pub use nix::unistd::Pid;

use registers::Registers;

/// No run of a test takes as long: a program that hangs is killed, and the test sees that.
const LONGEST: Duration = Duration::from_mins(20);

/// On which side of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nothing has happened yet.
    Before,
    /// The kernel has done it.
    After,
}

/// One system call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its name, or its number where no test has asked for its name so far.
    pub name: String,
    /// Its arguments as they are.
    pub args: [u64; 6],
    /// The files that it names, by path or by descriptor.
    pub files: Vec<PathBuf>,
    /// What it gave, once it is done: negative is an errno.
    pub result: Option<i64>,
}

impl Call {
    /// Whether it names something in this directory, or the directory itself.
    #[must_use]
    pub fn touches(&self, directory: &Path) -> bool {
        self.files.iter().any(|file| file.starts_with(directory))
    }

    /// Whether it opens a file that is not there yet.
    #[must_use]
    pub fn makes_a_file(&self) -> bool {
        let flags = match self.name.as_str() {
            "open" => self.args[1],
            "openat" => self.args[2],
            _ => return false,
        };
        flags & u64::from(libc::O_CREAT.unsigned_abs()) != 0
    }
}

/// What the test wants at a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Go on.
    Go,
    /// Send this signal to the process, and go on.
    Send(Signal),
    /// Before a call: do not make it, and say that it failed like this.
    Fail(Errno),
    /// Before a call: do not make it, and say that it gave this.
    Answer(i64),
    /// Before a write: at most so many bytes.
    AtMost(u64),
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code, or the signal that ended it, negative.
    pub code: i32,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
    /// How many threads it has started.
    pub threads: usize,
    /// How many processes it has started, and programs it has become.
    pub children: usize,
    /// How many system calls it has made.
    pub calls: usize,
}

/// A process that stands still at a system call.
pub struct Process {
    /// The process.
    pub pid: Pid,
    memory: File,
}

impl Process {
    /// A file of `/proc/PID`.
    pub fn proc(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(format!("/proc/{}/{name}", self.pid))
    }

    /// The directory of `/proc/PID`.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.pid))
    }

    /// How often a text is in the memory that the process can write: its heap, its stacks, its variables.
    pub fn count_in_memory(&self, text: &str) -> io::Result<usize> {
        let mut found = 0;
        for line in self.proc("maps")?.lines() {
            let mut columns = line.split_whitespace();
            let (Some(range), Some(rights)) = (columns.next(), columns.next()) else { continue };
            let Some((start, end)) = range.split_once('-') else { continue };
            let (Ok(start), Ok(end)) = (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16)) else { continue };
            if !rights.starts_with("rw") {
                continue;
            }
            let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
            if self.memory.read_exact_at(&mut bytes, start).is_ok() {
                found += bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count();
            }
        }
        Ok(found)
    }

    fn text_at(&self, address: u64) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        let mut text = Vec::new();
        // Byte by byte would be a call each; a page border may follow.
        while text.len() < 4096 {
            let here = address + text.len() as u64;
            let left_in_page = 4096 - usize::try_from(here % 4096).ok()?;
            let mut part = vec![0; left_in_page.min(256)];
            self.memory.read_exact_at(&mut part, here).ok()?;
            if let Some(end) = part.iter().position(|byte| *byte == 0) {
                text.extend(&part[..end]);
                return Some(PathBuf::from(std::ffi::OsString::from_vec(text)));
            }
            text.extend(part);
        }
        None
    }

    fn file_of(&self, descriptor: u64) -> Option<PathBuf> {
        let number = i32::try_from(descriptor.cast_signed()).ok().filter(|number| *number >= 0)?;
        let path = fs::read_link(format!("/proc/{}/fd/{number}", self.pid)).ok()?;
        // What is unlinked already is still a file of that directory.
        let text = path.to_str()?;
        Some(PathBuf::from(text.strip_suffix(" (deleted)").unwrap_or(text)))
    }

    fn call(&self, registers: &Registers) -> Call {
        let args = registers.arguments();
        let known = calls::known(registers.number());
        let mut files = Vec::new();
        for position in known.map_or(&[][..], |call| call.paths) {
            let Some(path) = self.text_at(args[*position]) else { continue };
            // A path of a call is relative to the working directory: no call here has one relative to a descriptor.
            let base = || fs::read_link(self.directory().join("cwd")).unwrap_or_default();
            files.push(if path.is_absolute() { path } else { base().join(path) });
        }
        if known.is_some_and(|call| call.descriptor) {
            files.extend(self.file_of(args[0]));
        }
        let name = known.map_or_else(|| format!("#{}", registers.number()), |call| call.name.to_owned());
        Call { name, args, files, result: None }
    }
}

/// A program to be run.
pub struct Traced {
    command: Command,
    untouched: bool,
}

/// A call between its two stops.
struct Open {
    call: Call,
    registers: Registers,
    answer: Option<i64>,
    changed: bool,
}

impl Traced {
    /// This command. Its stdout and stderr are kept.
    #[must_use]
    pub fn new(command: Command) -> Self {
        Self { command, untouched: false }
    }

    /// Lets the program make itself unreadable.
    #[must_use]
    pub fn untouched(mut self) -> Self {
        self.untouched = true;
        self
    }

    /// Runs it to its end. `at` is asked before each call and after it.
    ///
    /// A thread of the kernel's sense is the tracer, and waits for its own children alone: tests may run side by side.
    pub fn run(mut self, mut at: impl FnMut(&Process, &Call, Side) -> Act) -> io::Result<Ended> {
        let (mut out, mut err) = (temporary()?, temporary()?);
        self.command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(err.try_clone()?);
        let child = be_traced(&mut self.command).spawn()?;
        let pid = Pid::from_raw(child.id().cast_signed());
        let (done, watch) = mpsc::channel::<()>();
        let guard = std::thread::spawn(move || {
            if watch.recv_timeout(LONGEST) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = signal::kill(pid, Signal::SIGKILL);
            }
        });
        let outcome = self.follow(pid, &mut at);
        if outcome.is_err() {
            let _ = signal::kill(pid, Signal::SIGKILL);
            while waitpid(Pid::from_raw(-1), Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)).is_ok() {}
        }
        drop(done);
        drop(guard.join());
        let mut ended = outcome?;
        for (file, text) in [(&mut out, &mut ended.stdout), (&mut err, &mut ended.stderr)] {
            file.seek(SeekFrom::Start(0))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        Ok(ended)
    }

    fn follow(&self, pid: Pid, at: &mut dyn FnMut(&Process, &Call, Side) -> Act) -> io::Result<Ended> {
        let mut ended =
            Ended { code: 0, stdout: String::new(), stderr: String::new(), threads: 0, children: 0, calls: 0 };
        let mut open: BTreeMap<Pid, Open> = BTreeMap::new();
        let mut process: Option<Process> = None;
        loop {
            let status = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD))?;
            match status {
                WaitStatus::Exited(who, code) if who == pid => {
                    ended.code = code;
                    return Ok(ended);
                }
                WaitStatus::Signaled(who, signal, _) if who == pid => {
                    ended.code = -(signal as i32);
                    return Ok(ended);
                }
                WaitStatus::Stopped(who, Signal::SIGTRAP) if process.is_none() => {
                    // It has just become the program.
                    let options = Options::PTRACE_O_TRACESYSGOOD
                        | Options::PTRACE_O_EXITKILL
                        | Options::PTRACE_O_TRACECLONE
                        | Options::PTRACE_O_TRACEFORK
                        | Options::PTRACE_O_TRACEVFORK
                        | Options::PTRACE_O_TRACEEXEC;
                    ptrace::setoptions(who, options)?;
                    process = Some(Process { pid, memory: File::open(format!("/proc/{pid}/mem"))? });
                    go_on(who, None);
                }
                WaitStatus::PtraceSyscall(who) => {
                    let Some(process) = &process else { continue };
                    let signal = match open.remove(&who) {
                        None => self.before(process, who, &mut open, &mut ended, at),
                        Some(opened) => after(process, who, opened, at),
                    };
                    if let Ok(Some(signal)) = signal {
                        signal::kill(pid, signal)?;
                    }
                    go_on(who, None);
                }
                WaitStatus::PtraceEvent(who, _, event) => {
                    let new = ptrace::getevent(who).unwrap_or_default();
                    let is_thread =
                        event == libc::PTRACE_EVENT_CLONE && Path::new(&format!("/proc/{pid}/task/{new}")).exists();
                    *(if is_thread { &mut ended.threads } else { &mut ended.children }) += 1;
                    go_on(who, None);
                }
                // A new thread begins with this one, which nobody has sent.
                WaitStatus::Stopped(who, Signal::SIGSTOP) => go_on(who, None),
                WaitStatus::Stopped(who, signal) => go_on(who, Some(signal)),
                _ => {}
            }
        }
    }

    fn before(
        &self,
        process: &Process,
        who: Pid,
        open: &mut BTreeMap<Pid, Open>,
        ended: &mut Ended,
        at: &mut dyn FnMut(&Process, &Call, Side) -> Act,
    ) -> nix::Result<Option<Signal>> {
        let mut registers = Registers::of(who)?;
        let saved = registers;
        let call = process.call(&registers);
        ended.calls += 1;
        let hides = call.name == "prctl" && call.args[..2] == [u64::from(libc::PR_SET_DUMPABLE.unsigned_abs()), 0];
        let act = match at(process, &call, Side::Before) {
            Act::Go if hides && !self.untouched => Act::Answer(0),
            act => act,
        };
        let mut opened = Open { call, registers: saved, answer: None, changed: true };
        let mut signal = None;
        match act {
            Act::Go => opened.changed = false,
            Act::Send(sent) => {
                opened.changed = false;
                signal = Some(sent);
            }
            Act::Fail(errno) => opened.answer = Some(-i64::from(errno as i32)),
            Act::Answer(value) => opened.answer = Some(value),
            Act::AtMost(bytes) => {
                registers.set_argument(2, opened.call.args[2].min(bytes));
                registers.write(who)?;
            }
        }
        if opened.answer.is_some() {
            // No descriptor, no address: the kernel does nothing. This is the same on every processor.
            (0..6).for_each(|position| registers.set_argument(position, u64::MAX));
            registers.write(who)?;
        }
        open.insert(who, opened);
        Ok(signal)
    }
}

fn after(
    process: &Process,
    who: Pid,
    opened: Open,
    at: &mut dyn FnMut(&Process, &Call, Side) -> Act,
) -> nix::Result<Option<Signal>> {
    let Open { mut call, registers: saved, answer, changed } = opened;
    let mut registers = Registers::of(who)?;
    if changed {
        // A program takes it that the kernel leaves these alone.
        registers.take_arguments(&saved);
        if let Some(answer) = answer {
            registers.set_result(answer);
        }
        registers.write(who)?;
    }
    call.result = Some(registers.result());
    match at(process, &call, Side::After) {
        Act::Send(signal) => Ok(Some(signal)),
        _ => Ok(None),
    }
}

/// Who is killed meanwhile can't go on, and says so at the next wait.
fn go_on(who: Pid, signal: Option<Signal>) {
    let _ = ptrace::syscall(who, signal);
}

/// Sends a signal to a process of the test's own. One that has ended meanwhile gets none.
pub fn send(process: u32, signal: Signal) {
    let _ = signal::kill(Pid::from_raw(process.cast_signed()), signal);
}

#[expect(unsafe_code, reason = "what runs between fork and exec is one system call, which allocates nothing")]
fn be_traced(command: &mut Command) -> &mut Command {
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(io::Error::from)) }
}

/// A file without a name.
fn temporary() -> io::Result<File> {
    tempfile::tempfile()
}
