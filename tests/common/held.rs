//! Runs under a limit of memory that the kernel holds, with the most that was used.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::expect_used, clippy::panic, reason = "tests end by panics")]

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::{Ended, LONGEST, Run};

/// A run that has ended, or was ended.
pub struct Held {
    pub ended: Ended,
    pub took: Duration,
    /// The most memory that it had, in MiB (VmHWM), as far as it was seen.
    pub peak: u64,
}

/// Runs the program with at most so many MiB of data (RLIMIT_DATA: whatever it may write to, stacks and heap). An allocation
/// beyond that fails, and the process is aborted. A run that hangs is killed.
pub fn run(run: &Run, data: u64) -> Held {
    let of_program = run.command();
    let mut command = Command::new("sh");
    // The limit is of the process that the program then is.
    command.args(["-c", &format!("ulimit -d {}; exec \"$0\" \"$@\"", data << 10)]);
    command.arg(of_program.get_program()).args(of_program.get_args());
    command.env_clear().envs(run.environment()).current_dir(run.directory.path()).stdin(Stdio::null());
    // Files and not pipes, which would have to be emptied meanwhile.
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| run.path(name));
    command.stdout(File::create(&stdout).expect("a file")).stderr(File::create(&stderr).expect("a file"));
    let started = Instant::now();
    let mut child = command.spawn().expect("the program runs");
    let mut peak = 0;
    let status = loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(now.unwrap_or_default() >> 10);
        if let Some(status) = child.try_wait().expect("the program ends") {
            break status;
        }
        if started.elapsed() > LONGEST {
            child.kill().expect("the program is killed");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let took = started.elapsed();
    let read = |path| std::fs::read(path).expect("what it said");
    let output = Output {
        status: std::process::ExitStatus::from_raw(status.into_raw()),
        stdout: read(&stdout),
        stderr: read(&stderr),
    };
    Held { ended: run.ended(&output), took, peak }
}
