//! The program against real Airflow: what LocalFilesystemBackend reads from our file is what the live backend returns.
//!
//! Airflow comes from PyPI into environments below target/ (tests/airflow/venv.py). What is compared, and which
//! differences are explained, is in tests/airflow/; docs/COMPATIBILITY.md tells them to people.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use airflow_secrets_init::airflow::lazy_backend;
use fake_aws::{FakeAws, Scenario};

/// Every Airflow of the matrix, the last a pre-release of the next. The tests that take longest, or look at what does not
/// change from one release to the next, run on some of them.
const ALL: [&str; 5] = ["2.8.1", "2.11.2", "3.1.8", "3.3.2", "3.4.0b2"];

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

/// The rows by which the unit tests judge our lookup patterns.
#[test]
fn lookup_patterns_mean_what_python_says() {
    python("python3", &["tests/airflow/patterns.py"]);
}

/// Every case of the corpus, in every supported Airflow, in each format and each way of knowing the conn_ids.
#[test]
fn the_file_says_what_the_live_backend_says() {
    interpreters(&ALL);
    let aws = FakeAws::start(Scenario::new());
    python("python3", &["tests/airflow/parity.py", "--bin", PROGRAM, "--endpoint", &aws.endpoint()]);
}

/// The files of each team, and of none, against the provider's own backend with `[core] multi_team`.
#[test]
fn the_file_of_a_team_says_what_the_live_backend_says_to_that_team() {
    for interpreter in interpreters(&["3.3.2", "3.4.0b2"]) {
        python(&interpreter, &["tests/airflow/teams.py", "--bin", PROGRAM]);
    }
}

/// LazyLocalFilesystemBackend against Airflow's own class, on files that our program would never write, and what it
/// keeps of a file.
#[test]
fn the_lazy_backend_finds_and_raises_what_the_stock_one_does() {
    let interpreters = interpreters(&ALL);
    // Two at a time, for two cores.
    std::thread::scope(|scope| {
        for half in interpreters.chunks(2) {
            scope.spawn(move || half.iter().for_each(|interpreter| python(interpreter, &["tests/airflow/lazy.py"])));
        }
    });
}

/// The WARN about a slow first lookup counts the patterns that the log masker of each Airflow learns.
#[test]
fn the_log_masker_learns_what_the_program_counts() {
    for interpreter in interpreters(&ALL) {
        python(&interpreter, &["tests/airflow/masker.py", "--bin", PROGRAM]);
    }
}

/// The whole way as a deployment has it: the example is rendered, Airflow is configured by its own variables, and a lookup
/// goes through Airflow's chain of backends. With the class of Airflow, and with ours from the module.
#[test]
fn airflow_finds_the_connections_of_the_example_by_its_own_configuration() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("connections.json");
    let root = env!("CARGO_MANIFEST_DIR");
    let rendered = Command::new(PROGRAM)
        .env_clear()
        .args(["--store", &format!("file:{root}/examples/dev-secrets.yaml")])
        .args(["--backend-kwargs", r#"{"shared_account": "258781458051"}"#])
        .args(["--connections-file", file.to_str().unwrap()])
        .args(["--backend-module-file", home.path().join("secrets_init_backend.py").to_str().unwrap()])
        .output()
        .unwrap();
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let lookup = "import sys
from airflow.configuration import ensure_secrets_loaded
from airflow.models.connection import Connection
try:
    from airflow.sdk.bases.hook import BaseHook
except ImportError:
    from airflow.hooks.base import BaseHook
for conn_id in sys.argv[1:]:
    c, of_hook = Connection.get_connection_from_secrets(conn_id), BaseHook.get_connection(conn_id)
    assert c.get_uri() == of_hook.get_uri()
    print(conn_id, c.conn_type, c.login, c.password, c.host, c.port, c.schema, c.extra)
print(type(ensure_secrets_loaded()[0]).__name__)";
    let backends = [
        ("airflow.secrets.local_filesystem.LocalFilesystemBackend", "LocalFilesystemBackend"),
        ("secrets_init_backend.LazyLocalFilesystemBackend", "LazyLocalFilesystemBackend"),
    ];
    for (interpreter, (backend, class)) in
        interpreters(&["2.8.1", "3.3.2"]).iter().flat_map(|interpreter| backends.map(|backend| (interpreter, backend)))
    {
        let found = Command::new(interpreter)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("AIRFLOW_HOME", home.path())
            .env("PYTHONPATH", home.path())
            .env("AIRFLOW__SECRETS__BACKEND", backend)
            .env("AIRFLOW__SECRETS__BACKEND_KWARGS", format!(r#"{{"connections_file_path": "{}"}}"#, file.display()))
            .args(["-c", lookup, "my_db", "warehouse", "snowflake"])
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&found.stdout);
        let lines: Vec<&str> = printed.lines().filter(|line| !line.starts_with('[')).collect();
        let expected = [
            r#"my_db postgres app s3cret/pw db.internal 5432 app {"sslmode": "require"}"#,
            "warehouse postgres team own-wins warehouse.team.internal 5439 None None",
            r#"snowflake snowflake svc_airflow shared-secret None None ANALYTICS {"account": "ab12345", "region": "eu-central-1", "warehouse": "COMPUTE_WH"}"#,
            class,
        ];
        assert!(
            lines.ends_with(&expected),
            "{interpreter}, {backend}: {printed}\n{}",
            String::from_utf8_lossy(&found.stderr)
        );
    }
}

/// A process of Airflow that keeps looking up, while the program refreshes the file: the new password at the next lookup, never an error,
/// never a mixture. docs/REFRESH.md has the figures of a thousand rotations.
#[test]
fn a_rotated_password_is_found_at_the_next_lookup_and_no_lookup_ever_fails() {
    for interpreter in interpreters(&["2.8.1", "3.3.2", "3.4.0b2"]) {
        python(&interpreter, &["tests/airflow/rotation.py", "--bin", PROGRAM, "--rotations", "100"]);
    }
}

/// Without the module Airflow does not even start: docs/LARGE-SETS.md says which containers must not be told of it.
#[test]
fn airflow_does_not_start_without_the_module_that_it_is_told_of() {
    for interpreter in interpreters(&["2.8.1", "3.3.2"]) {
        let home = tempfile::tempdir().unwrap();
        let ended = Command::new(&interpreter)
            .env_clear()
            .env("AIRFLOW_HOME", home.path())
            .env("AIRFLOW__SECRETS__BACKEND", "secrets_init_backend.LazyLocalFilesystemBackend")
            .args(["-c", "import airflow.models"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains("The object could not be loaded"), "{interpreter}: {said}");
    }
}

/// Airflow makes its backends while it imports its configuration, and puts its own folders on Python's path after that: the module is
/// found among the installed packages, where the wheel puts it, or on PYTHONPATH. docs/LARGE-SETS.md says so.
#[test]
fn the_class_of_the_wheel_needs_no_pythonpath_and_no_folder_of_airflows_serves_instead() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = "from airflow.configuration import ensure_secrets_loaded
from airflow.models.connection import Connection
print('host', Connection.get_connection_from_secrets('a').host, type(ensure_secrets_loaded()[0]).__name__)";
    for interpreter in interpreters(&["2.8.1", "2.11.2", "3.3.2", "3.4.0b2"]) {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("connections.json");
        std::fs::write(&file, r#"{"a": "http://found.example"}"#).unwrap();
        let look_up = |python: &Path, class: &str| {
            let mut command = Command::new(python);
            command.env_clear().env("AIRFLOW_HOME", home.path()).env("AIRFLOW__SECRETS__BACKEND", class);
            command.env(
                "AIRFLOW__SECRETS__BACKEND_KWARGS",
                format!(r#"{{"connections_file_path": "{}"}}"#, file.display()),
            );
            let ended = command.args(["-c", script]).current_dir("/").output().unwrap();
            (ended.status.success(), [ended.stdout, ended.stderr].map(|text| String::from_utf8(text).unwrap()).concat())
        };
        for folder in ["config", "plugins", "dags"] {
            std::fs::create_dir(home.path().join(folder)).unwrap();
            std::fs::write(home.path().join(folder).join("secrets_init_backend.py"), lazy_backend::SOURCE).unwrap();
        }
        let (found, said) = look_up(Path::new(&interpreter), "secrets_init_backend.LazyLocalFilesystemBackend");
        assert!(!found && said.contains("The object could not be loaded"), "{interpreter}: {said}");

        // An environment of its own that has the package, as pip installs it, and the Airflow of the shared one.
        let own = home.path().join("own");
        let site = own.join("lib/python3.11/site-packages");
        assert!(Command::new(&interpreter).args(["-m", "venv", "--without-pip"]).arg(&own).status().unwrap().success());
        let package = site.join("airflow_secrets_init");
        std::fs::create_dir(&package).unwrap();
        for name in ["__init__.py", "secrets_init_backend.py"] {
            std::fs::copy(root.join("python/airflow_secrets_init").join(name), package.join(name)).unwrap();
        }
        let of_airflow = Path::new(&interpreter).ancestors().nth(2).unwrap().join("lib/python3.11/site-packages");
        std::fs::write(site.join("airflow.pth"), of_airflow.to_str().unwrap()).unwrap();
        let (found, said) = look_up(&own.join("bin/python"), "airflow_secrets_init.LazyLocalFilesystemBackend");
        assert!(found && said.contains("host found.example LazyLocalFilesystemBackend"), "{interpreter}: {said}");
    }
}

/// `PYTHONPATH` is searched first, so a module called like one of Python's own would be imported in its place.
#[test]
fn no_name_that_python_needs_is_taken_for_the_module() {
    let names = "import keyword, sys; print(*keyword.kwlist, *sys.stdlib_module_names, sep='\\n')";
    let printed = Command::new("python3").args(["-c", names]).output().expect("python3 runs").stdout;
    let printed = String::from_utf8(printed).unwrap();
    assert!(printed.lines().count() > 250, "{printed}");
    for name in printed.lines() {
        let path = format!("/opt/airflow/secrets/{name}.py");
        assert!(lazy_backend::check_path(Path::new(&path)).is_err(), "{path} is taken");
    }
}

/// What people store: live, from the file and from the environment; docs/SHAPES.md shows it.
#[test]
fn what_people_store_reads_as_the_page_says() {
    for interpreter in interpreters(&["2.8.1", "3.3.2"]) {
        python(&interpreter, &["tests/airflow/shapes.py", "--bin", PROGRAM]);
    }
}

/// Variables, config values, the env file and the URIs of templates. The seed is printed.
#[test]
fn every_other_output_gives_airflow_what_the_live_backend_gives() {
    for interpreter in interpreters(&ALL) {
        python(&interpreter, &["tests/airflow/outputs.py", "--bin", PROGRAM, "--cases", "2000"]);
    }
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
