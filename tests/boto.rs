//! The program beside boto3: for each source of identity, region and endpoint that botocore knows, the same calls, or a
//! refusal that names the source.
//!
//! boto3 comes from PyPI into an environment below target/ (tests/boto/environment.py). What is compared, and which
//! differences are explained, is in tests/boto/; docs/COMPATIBILITY.md tells them to people.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::process::{Command, Stdio};

#[test]
fn aws_is_asked_as_boto3_would() {
    let made = common::python("tests/boto/environment.py", &[]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let interpreter = String::from_utf8(made.stdout).unwrap();
    let status = Command::new(interpreter.trim())
        .args(["tests/boto/differential.py", "--bin", env!("CARGO_BIN_EXE_airflow-secrets-init")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "differential.py ended with {status}");
}
