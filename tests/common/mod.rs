//! Runs the program as a user would: a process with an environment of its own.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::expect_used, clippy::panic, clippy::must_use_candidate, reason = "tests end by panics")]

pub mod accounts;
pub mod canary;
pub mod held;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A deadline that no run reaches, however slow the machine is.
pub const FAR: &str = "15m";
/// How long a test waits for what never comes. No verdict but "it hangs" depends on it.
pub const LONGEST: Duration = Duration::from_mins(20);

/// One run: an empty environment but for what is set, and a directory of its own.
pub struct Run {
    pub directory: tempfile::TempDir,
    variables: BTreeMap<String, String>,
    arguments: Vec<String>,
}

/// What came of it.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// The file's content, if there is one.
    pub file: Option<String>,
    pub path: PathBuf,
}

impl Run {
    /// A run that writes `connections.json` into its own directory.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let run = Self { directory, variables: BTreeMap::new(), arguments: Vec::new() };
        let path = run.path("connections.json");
        let termination = run.path("termination-log");
        // IMDS is not there in a test; without this the SDK's chain would wait for it.
        run.var("SECRETS_INIT_CONNECTIONS_FILE", path.to_str().expect("UTF-8"))
            .var("SECRETS_INIT_TERMINATION_LOG", termination.to_str().expect("UTF-8"))
            .var("AWS_EC2_METADATA_DISABLED", "true")
            .var("AWS_CONFIG_FILE", "/nonexistent/config")
            .var("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    }

    /// A run on a file store with this document.
    pub fn on_document(document: &str) -> Self {
        let run = Self::new().kwargs("{}");
        let path = run.path("secrets.yaml");
        std::fs::write(&path, document).expect("the document is written");
        let store = format!("file:{}", path.display());
        run.var("SECRETS_INIT_STORE", &store)
    }

    /// A run whose AWS, in eu-central-1, is at this endpoint. A test of the deadline sets another one.
    pub fn on_aws(endpoint: &str, kwargs: &str) -> Self {
        let run = Self::new().kwargs(kwargs).var("AWS_ENDPOINT_URL", endpoint).var("AWS_REGION", "eu-central-1");
        run.var("SECRETS_INIT_DEADLINE", FAR)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    pub fn kwargs(self, json: &str) -> Self {
        self.var("AIRFLOW__SECRETS__BACKEND_KWARGS", json)
    }

    /// Another file, by name, in the run's directory.
    pub fn file(self, name: &str) -> Self {
        let path = self.path(name);
        self.var("SECRETS_INIT_CONNECTIONS_FILE", path.to_str().expect("UTF-8"))
    }

    /// The module with the lazy backend, by name, in the run's directory.
    pub fn module(self, name: &str) -> Self {
        let path = self.path(name);
        self.var("SECRETS_INIT_BACKEND_MODULE_FILE", path.to_str().expect("UTF-8"))
    }

    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// What the program sees of the environment.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_airflow-secrets-init"));
        command.env_clear().envs(&self.variables).args(&self.arguments).current_dir(self.directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn go(&self) -> Ended {
        self.ended(&self.command().output().expect("the program runs"))
    }

    pub fn ended(&self, output: &Output) -> Ended {
        use std::os::unix::process::ExitStatusExt;
        let path = PathBuf::from(&self.variables["SECRETS_INIT_CONNECTIONS_FILE"]);
        let code = output.status.code().unwrap_or_else(|| -output.status.signal().expect("code or signal"));
        Ended {
            code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            // A pipe would be waited for without end.
            file: path.is_file().then(|| std::fs::read_to_string(&path).ok()).flatten(),
            path,
        }
    }
}

impl Ended {
    /// Asserts the exit code, showing the log when it is another.
    #[track_caller]
    pub fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, expected, "exit code; the log:\n{}", self.stderr);
        self
    }

    /// Asserts that the exit code is one of these.
    #[track_caller]
    pub fn code_in(self, expected: &[i32]) -> Self {
        assert!(
            expected.contains(&self.code),
            "exit code {}, not one of {expected:?}; the log:\n{}",
            self.code,
            self.stderr
        );
        self
    }

    /// Asserts that the log holds these words.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "the log lacks {words:?}:\n{}", self.stderr);
        self
    }

    /// The connections of the JSON file.
    #[track_caller]
    pub fn connections(&self) -> serde_json::Map<String, serde_json::Value> {
        let text = self.file.as_deref().unwrap_or_else(|| panic!("no file; the log:\n{}", self.stderr));
        serde_json::from_str(text).expect("the file is JSON")
    }

    /// The conn_ids of the JSON file, in order.
    #[track_caller]
    pub fn conn_ids(&self) -> Vec<String> {
        self.connections().keys().cloned().collect()
    }

    /// The last line of the log as JSON.
    #[track_caller]
    pub fn summary(&self) -> serde_json::Value {
        let last = self.stderr.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|_| panic!("the last line is no JSON:\n{}", self.stderr))
    }
}

/// Waits for an event in another process: a call that has come, a thread that is there.
#[track_caller]
pub fn wait_until(what: &str, mut has_come: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !has_come() {
        assert!(begun.elapsed() < LONGEST, "this never came: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal to a process of ours.
pub fn signal(name: &str, child: &std::process::Child) {
    let kill = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", child.id())).status();
    assert!(kill.is_ok_and(|status| status.success()), "the signal is sent");
}

/// The names in a directory, in order.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Runs one of the project's Python programs with the machine's Python, from the project's root.
pub fn python(program: &str, arguments: &[&str]) -> Output {
    Command::new("python3")
        .arg(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .expect("python3 runs: these tests need Python 3.11")
}
