//! The program against real Airflow: what LocalFilesystemBackend reads from our file is what the live backend returns.
//!
//! Airflow comes from PyPI into environments below target/ (tests/airflow/venv.py). What is compared, and which
//! differences are explained, is in tests/airflow/; docs/COMPATIBILITY.md tells them to people.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::process::{Command, Stdio};

use fake_aws::{FakeAws, Scenario};

const PROGRAM: &str = env!("CARGO_BIN_EXE_airflow-secrets-init");

/// Runs a Python program with its output on the test's own: it is long, and the figures are wanted.
fn python(interpreter: &str, arguments: &[&str]) {
    let status = Command::new(interpreter)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .status()
        .expect("python3 runs: these tests need Python 3.11");
    assert!(status.success(), "{arguments:?} ended with {status}");
}

/// The interpreter of each environment, made if it is not there.
fn interpreters(names: &[&str]) -> Vec<String> {
    let made = common::python("tests/airflow/venv.py", names);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let printed = String::from_utf8(made.stdout).unwrap();
    let path = |line: &str| line.split_once(' ').expect("a name and a path").1.to_owned();
    printed.lines().map(path).collect()
}

/// Every case of the corpus, in every supported Airflow, in each format and each way of knowing the conn_ids.
#[test]
fn the_file_says_what_the_live_backend_says() {
    interpreters(&["2.8.1", "2.11.2", "3.1.8", "3.3.2"]);
    let aws = FakeAws::start(Scenario::new());
    python("python3", &["tests/airflow/parity.py", "--bin", PROGRAM, "--endpoint", &aws.endpoint()]);
}

/// Thousands of generated secrets, ours against Airflow's own code in one process. The seed is printed.
#[test]
fn random_secrets_are_read_as_the_live_backend_reads_them() {
    for (name, target) in [("2.8.1", "2"), ("3.3.2", "3")] {
        let interpreter = &interpreters(&[name])[0];
        let arguments = ["tests/airflow/fuzz.py", "--bin", PROGRAM, "--cases", "5000", "--airflow-target", target];
        python(interpreter, &arguments);
    }
}
