//! `credential_process`: a program of the user's that prints credentials.
//!
//! It is run before the process gives up to run programs, with the environment as it is. Rules: botocore 1.44 `credentials.py`
//! (`ProcessProvider`).

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;

use super::keys::from_json;
use crate::config::aws::identity::{CredentialProcess, Identity};
use crate::error::Failure;
use crate::model::cause::Cause;
use crate::process::signals::Signals;
use crate::process::threads::block_on;
use crate::store::error::StoreError;
use crate::text::{os_error, printable};

/// The most bytes that are read of what it prints.
const LIMIT: u64 = 1 << 20;

/// What a process printed.
pub struct Printed(Result<Vec<u8>, StoreError>);

fn error(process: &CredentialProcess, problem: &str) -> StoreError {
    let words = format!("the credential_process of the profile {} {problem}", printable(&process.profile));
    StoreError::of_credentials(Cause::ProcessFails, words)
}

impl Printed {
    /// Runs the process that an identity rests on, if it rests on one, and waits for it until `deadline`.
    ///
    /// # Errors
    /// [`Exit::Terminated`](crate::error::Exit::Terminated) or [`Exit::Interrupted`](crate::error::Exit::Interrupted).
    pub fn of(identity: &Identity, deadline: Instant) -> Result<Option<Self>, Failure> {
        match identity {
            Identity::Process(process) => run(process, deadline).map(|printed| Some(Self(printed))),
            Identity::Role(role) => Self::of(&role.source, deadline),
            _ => Ok(None),
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

fn run(process: &CredentialProcess, deadline: Instant) -> Result<Result<Vec<u8>, StoreError>, Failure> {
    // A signal is listened to before anything starts: as process 1 of a container this program would not see it otherwise.
    let wait = || {
        block_on(async |signals| {
            Ok(printed_by(process, deadline, signals).await?.map_err(|problem| error(process, &problem)))
        })
    };
    // On a thread of its own: a later reading asks within a runtime already.
    std::thread::scope(|scope| match std::thread::Builder::new().spawn_scoped(scope, wait) {
        Ok(thread) => thread.join().unwrap_or_else(|_| Ok(Err(error(process, "can't be waited for")))),
        Err(problem) => {
            let problem = format!("can't be run: there can be no thread for it: {}", os_error(&problem));
            Ok(Err(error(process, &problem)))
        }
    })
}

async fn printed_by(
    process: &CredentialProcess,
    deadline: Instant,
    signals: &mut Signals,
) -> Result<Result<Vec<u8>, String>, Failure> {
    let Some((program, arguments)) = process.words.split_first() else { return Ok(Err("is empty".to_owned())) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(problem) => return Ok(Err(format!("can't be run: {}", os_error(&problem)))),
    };
    let (sender, printed) = std::sync::mpsc::channel();
    let stdout = child.stdout.take();
    let reader = std::thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.map(|stdout| stdout.take(LIMIT).read_to_end(&mut bytes));
        // The channel may be closed: no one waits for what comes after the deadline.
        drop(sender.send(read.and_then(Result::ok).map(|_| bytes)));
    });
    if let Err(problem) = reader {
        end(&mut child);
        return Ok(Err(format!("can't be read: there can be no thread: {}", os_error(&problem))));
    }
    let found = wait(&mut child, &printed, deadline, signals).await;
    match &found {
        Ok(Ok(_)) => {}
        Ok(Err(_)) => end(&mut child),
        // This process ends now, and does not wait until the kernel is done with the other one.
        Err(_) => drop(child.kill()),
    }
    Ok(found?.map_err(str::to_owned))
}

fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

/// What it has printed by its end, if both come before the deadline and any signal.
async fn wait(
    child: &mut Child,
    printed: &Receiver<Option<Vec<u8>>>,
    deadline: Instant,
    signals: &mut Signals,
) -> Result<Result<Vec<u8>, &'static str>, Failure> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            if !status.success() {
                return Ok(Err("ends with an error"));
            }
            match printed.try_recv() {
                Ok(Some(bytes)) => return Ok(Ok(bytes)),
                // What it has started holds its output open.
                Err(TryRecvError::Empty) => {}
                Ok(None) | Err(TryRecvError::Disconnected) => return Ok(Err("prints what can't be read")),
            }
        }
        if Instant::now() >= deadline {
            return Ok(Err("does not end in time"));
        }
        signals.or(tokio::time::sleep(pause)).await?;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
