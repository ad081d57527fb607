//! Files of every format, read by the programs that they are for.
//!
//! The readers come from PyPI into an environment below target/ (tests/formats/environment.py): libpq, boto3, pip, dbt, the
//! Snowflake connector, unixODBC's library, podman-compose and others. Shells are the machine's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_airflow-secrets-init");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a program of tests/formats in the environment of the readers, with its output on the test's own.
fn read(program: &str, arguments: &[&str]) {
    let made = common::python("tests/formats/environment.py", &[]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let interpreter = String::from_utf8(made.stdout).unwrap();
    let status = Command::new(interpreter.trim())
        .arg(format!("{ROOT}/tests/formats/{program}"))
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{program} {arguments:?} ended with {status}");
}

/// The examples as a user takes them, from their own document of secrets.
#[test]
fn every_example_is_read_by_the_program_that_it_is_for() {
    let place = tempfile::tempdir().unwrap();
    let examples = Path::new(ROOT).join("examples/templates");
    let mut command = Command::new(PROGRAM);
    command.env_clear().args(["--store", &format!("file:{}/secrets.yaml", examples.display())]);
    command.args(["--backend-kwargs", "{}", "--connections-file", "none"]);
    let mut names = Vec::new();
    for entry in fs::read_dir(&examples).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "j2") {
            let name = entry.file_stem().unwrap().to_str().unwrap().to_owned();
            let target = place.path().join(&name);
            command.arg("--template").arg(format!("{}={}", entry.display(), target.display()));
            names.push(name);
        }
    }
    assert!(names.len() >= 10, "{names:?}");
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    // libpq ignores a password file that anybody else may read.
    assert_eq!(fs::metadata(place.path().join("pgpass")).unwrap().mode() & 0o777, 0o400);
    read("examples.py", &[place.path().to_str().unwrap()]);
}

/// Thousands of texts as nobody would like to get them, in every format. The seed is printed.
#[test]
fn any_secret_survives_every_format() {
    read("survive.py", &["--bin", PROGRAM, "--cases", "2000"]);
}
