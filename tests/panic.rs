//! A panic ends with 70 and says where it happened, never what with.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "the test is about panics and exits")]

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::Command;

use airflow_secrets_init::config::env::Env;
use airflow_secrets_init::process::harden::Process;

/// Fails the way a bug would: with what it was working on in its message.
struct Faulty;

impl Write for Faulty {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("c4nary of a secret")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const CHILD: &str = "PANIC_TEST_CHILD";

/// The process that panics: this same test, run by itself.
#[test]
fn a_panic_ends_with_70_and_without_its_payload() {
    if std::env::var_os(CHILD).is_some() {
        airflow_secrets_init::report::panic::end_on_panic(|exit| std::process::exit(i32::from(exit.code())));
        let message = std::env::var_os(CHILD).unwrap();
        let args = ["airflow-secrets-init", "check", "--offline", "--store", "file:none", "--termination-log"];
        let args = args.map(OsString::from).into_iter().chain([message]);
        airflow_secrets_init::run(args, &Env::default(), &mut Faulty, Process::Shared);
        unreachable!("the hook ends the process");
    }
    let directory = tempfile::tempdir().unwrap();
    let message = directory.path().join("message");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_panic_ends_with_70_and_without_its_payload", "--nocapture"])
        .env(CHILD, &message)
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert_eq!(child.status.code(), Some(70), "{said}");
    assert!(
        said.contains("a bug at tests/panic.rs:") && said.contains(r#""outcome":"failed","exit_code":70"#),
        "{said}"
    );
    let message = std::fs::read_to_string(message).unwrap();
    assert!(message.starts_with("airflow-secrets-init failed with 70: a bug stopped the program"), "{message}");
    assert!(![said, message].concat().contains("c4nary"));
}
