//! `credential_process`: a program of the user's that prints credentials.
//!
//! It is run before the process gives up to run programs, with the environment as it is. Rules: botocore 1.44 `credentials.py`
//! (`ProcessProvider`).

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;

use super::keys::from_json;
use crate::config::aws::identity::{CredentialProcess, Identity};
use crate::model::cause::Cause;
use crate::store::error::{CREDENTIALS, StoreError};
use crate::text::{os_error, printable};

/// The most bytes that are read of what it prints.
const LIMIT: u64 = 1 << 20;

/// What a process printed.
pub struct Printed(Result<Vec<u8>, StoreError>);

fn error(process: &CredentialProcess, problem: &str) -> StoreError {
    let words = format!("the credential_process of the profile {} {problem}", printable(&process.profile));
    StoreError::new(Cause::ProcessFails, CREDENTIALS, words)
}

impl Printed {
    /// Runs the process that an identity rests on, if it rests on one, and waits for it until `deadline`.
    pub fn of(identity: &Identity, deadline: Instant) -> Option<Self> {
        match identity {
            Identity::Process(process) => Some(Self(run(process, deadline))),
            Identity::Role(role) => Self::of(&role.source, deadline),
            _ => None,
        }
    }

    /// The credentials in it.
    pub fn credentials(&self, process: &CredentialProcess) -> Result<Credentials, StoreError> {
        let printed = self.0.as_ref().map_err(Clone::clone)?;
        let json: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(printed).map_err(|_| error(process, "prints something else than a JSON object"))?;
        if json.get("Version").and_then(serde_json::Value::as_u64) != Some(1) {
            return Err(error(process, "prints another Version than 1"));
        }
        let place = format!("the credential_process of the profile {}", printable(&process.profile));
        let found = from_json(&json, ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"], &place);
        let found = found.map_err(|problem| match problem.cause {
            Cause::NotAws => StoreError { cause: Cause::ProcessFails, ..problem },
            _ => problem,
        })?;
        if found.expiry().is_some_and(|expiry| expiry <= SystemTime::now()) {
            return Err(error(process, "prints credentials that have expired"));
        }
        Ok(found)
    }
}

fn run(process: &CredentialProcess, deadline: Instant) -> Result<Vec<u8>, StoreError> {
    let Some((program, arguments)) = process.words.split_first() else { return Err(error(process, "is empty")) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child =
        command.spawn().map_err(|problem| error(process, &format!("can't be run: {}", os_error(&problem))))?;
    let (sender, printed) = std::sync::mpsc::channel();
    let stdout = child.stdout.take();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.map(|stdout| stdout.take(LIMIT).read_to_end(&mut bytes));
        // Nobody waits for what comes too late.
        drop(sender.send(read.and_then(Result::ok).map(|_| bytes)));
    });
    let status = wait(&mut child, deadline);
    if status.is_none() {
        drop(child.kill());
        drop(child.wait());
        return Err(error(process, "does not end in time"));
    }
    if !status.is_some_and(|status| status.success()) {
        return Err(error(process, "ends with an error"));
    }
    // What it has started may hold its output open.
    let rest = deadline.saturating_duration_since(Instant::now());
    printed.recv_timeout(rest).ok().flatten().ok_or_else(|| error(process, "prints what can't be read"))
}

/// Its end, if it comes before the deadline.
fn wait(child: &mut Child, deadline: Instant) -> Option<std::process::ExitStatus> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
