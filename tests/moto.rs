//! The program against moto, a server that we did not write: listing, paging, batches, an assumed role.
//!
//! moto comes from PyPI into an environment below target/ (tests/airflow/venv.py).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use common::{Run, python, wait_until};

struct Moto {
    server: Child,
    url: String,
}

impl Moto {
    fn start() -> Self {
        let bin = environment();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Command::new(bin.join("moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto_server starts");
        let moto = Self { server, url: format!("http://127.0.0.1:{port}") };
        wait_until("moto_server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let seed = Command::new(bin.join("python")).arg("tests/moto/seed.py").arg(&moto.url).output().unwrap();
        assert!(seed.status.success(), "{}", String::from_utf8_lossy(&seed.stderr));
        moto
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// The `bin` directory of the environment that holds moto.
fn environment() -> PathBuf {
    let made = python("tests/airflow/venv.py", &["moto"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // It prints the name and the path of the interpreter.
    let printed = String::from_utf8(made.stdout).unwrap();
    let interpreter = PathBuf::from(printed.trim().strip_prefix("moto ").expect("the interpreter's path"));
    interpreter.parent().expect("a bin directory").to_owned()
}

#[test]
fn own_and_shared_are_resolved_from_a_server_that_we_did_not_write() {
    let moto = Moto::start();
    let kwargs = r#"{"shared_account": "222222222222", "connections_prefix_shared": "airflow/core/",
                     "shared_role_arn": "arn:aws:iam::222222222222:role/reader"}"#;
    let run = || {
        Run::new()
            .kwargs(kwargs)
            .var("AWS_ENDPOINT_URL", &moto.url)
            .var("AWS_REGION", "eu-central-1")
            .var("AWS_ACCESS_KEY_ID", "test")
            .var("AWS_SECRET_ACCESS_KEY", "test")
    };
    for fetch in ["auto", "single"] {
        let ended = run().var("SECRETS_INIT_FETCH", fetch).go().code(0);
        let connections = ended.connections();
        let host = |conn_id: &str| connections[conn_id]["host"].as_str().unwrap_or("-").to_owned();
        assert_eq!(connections.len(), 250 + 4, "{}", ended.stderr);
        assert_eq!((host("n000").as_str(), host("n249").as_str()), ("own0", "own249"));
        // Not there in the own account, in the sense in which the shared one may be asked.
        assert_eq!([host("shared_only"), host("binary"), host("deleted")], ["shared", "shared", "shared"]);
        assert_eq!(connections["json"]["port"], 80);
        assert!(ended.file.as_ref().unwrap().contains(r#""extra": {"b": 1.50, "a": 1}"#));
        let summary = ended.summary();
        assert_eq!((&summary["own"], &summary["shared"], &summary["shadowed"]), (&251.into(), &3.into(), &1.into()));
    }
    // Every kind in the same listing, which has more than a page here.
    let all = run()
        .kwargs(
            &kwargs
                .replace("\"shared_role_arn\"", "\"variables_prefix_shared\": \"airflow/shared\", \"shared_role_arn\""),
        )
        .var("SECRETS_INIT_VARIABLES_FILE", "variables.json")
        .var("SECRETS_INIT_CONFIGS_FILE", "configs.json");
    assert_eq!(all.go().code(0).connections().len(), 250 + 4);
    let read = |name: &str| -> std::collections::BTreeMap<String, String> {
        serde_json::from_str(&std::fs::read_to_string(all.path(name)).unwrap()).unwrap()
    };
    let variables = read("variables.json");
    assert_eq!((variables.len(), variables["v00"].as_str(), variables["v29"].as_str()), (31, "own 0", "own 29"));
    assert_eq!((variables["shared_only"].as_str(), read("configs.json")["sql"].as_str()), ("shared", "postgres://own"));
    let ended = run().var("SECRETS_INIT_CONN_IDS", "n007,shared_only,json").go().code(0);
    assert_eq!(ended.conn_ids(), ["json", "n007", "shared_only"]);
}
