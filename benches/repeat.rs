//! The whole program again and again inside one process, for benches/soak.py: memory, descriptors and threads as it goes on.
//!
//! Takes how often, and the program's own settings from the environment. Prints a line for each tenth: runs, resident KiB,
//! descriptors, threads. The file is removed before each run, so that each has to write.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark ends by panics and prints")]

use std::ffi::OsString;
use std::fs;

use airflow_secrets_init::config::env::Env;
use airflow_secrets_init::error::Exit;
use airflow_secrets_init::process::harden::Process;

fn main() {
    let count: usize = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(1000);
    let env = Env::of_this_process();
    let file = env.get("SECRETS_INIT_CONNECTIONS_FILE").unwrap().unwrap().to_owned();
    for number in 1..=count {
        drop(fs::remove_file(&file));
        let args = ["airflow-secrets-init"].map(OsString::from);
        let exit = airflow_secrets_init::run(args, &env, &mut std::io::sink(), Process::Shared);
        assert_eq!(exit, Exit::Ok);
        if number == count / 100 || number % (count / 10).max(1) == 0 {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let figure = |name: &str| {
                let line = status.lines().find(|line| line.starts_with(name)).unwrap();
                line.split_whitespace().nth(1).unwrap().to_owned()
            };
            let descriptors = fs::read_dir("/proc/self/fd").unwrap().count();
            println!("{number} {} {descriptors} {}", figure("VmRSS:"), figure("Threads:"));
        }
    }
}
