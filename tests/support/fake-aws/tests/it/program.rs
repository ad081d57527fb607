//! The binary and its admin API.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};

use fake_aws::{FakeAws, Scenario};
use serde_json::{Value, json};

use crate::client::{APP, Client};

struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    address: SocketAddr,
}

fn start() -> Program {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/example-scenario.json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_fake-aws"))
        .args(["--until-stdin-closes", "--threads", "2", "--scenario", example])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening http://").unwrap().parse().unwrap();
    Program { stdin: child.stdin.take(), child, address }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn serves_until_stdin_closes() {
    let mut program = start();
    assert!(std::net::TcpStream::connect(program.address).is_ok());
    drop(program.stdin.take());
    assert!(program.child.wait().unwrap().success());
    let bad = Command::new(env!("CARGO_BIN_EXE_fake-aws")).arg("--nonsense").output().unwrap();
    assert!(!bad.status.success());
    assert!(String::from_utf8_lossy(&bad.stderr).contains("--nonsense"));
}

#[test]
fn admin_api() {
    let aws = FakeAws::start(Scenario::new());
    let http = Client::new(&aws, APP);
    let post = |path: &str, body: &Value| http.send("POST", path, "", body.to_string().as_bytes()).unwrap().status;
    let code = || http.call("GetSecretValue", json!({ "SecretId": "a" })).map_err(|e| e.code);

    let secrets =
        |name: &str| json!({ "accounts": { APP: { "regions": { "eu-central-1": { "secrets": { name: "v" } } } } } });
    assert_eq!(post("/_fake/scenario", &secrets("a")), 200);
    assert!(code().is_ok());
    assert_eq!(post("/_fake/scenario", &json!({ "nonsense": 1 })), 400);

    let fault = json!({
        "operation": "GetSecretValue",
        "effect": { "error": { "status": 500, "code": "InternalServiceError", "headers": { "x-extra": "1" } } }
    });
    assert_eq!(post("/_fake/faults", &json!([fault])), 200);
    assert_eq!(code().unwrap_err(), "InternalServiceError");
    let spoilt = http.try_call("GetSecretValue", &json!({ "SecretId": "a" })).unwrap();
    assert!(spoilt.head.contains("x-extra: 1"));
    assert_eq!(http.send("DELETE", "/_fake/faults", "", b"").unwrap().status, 200);
    assert_eq!(post("/_fake/faults", &fault), 200);
    assert_eq!(code().unwrap_err(), "InternalServiceError");

    let log: Value = serde_json::from_str(&http.get("/_fake/calls", "").body).unwrap();
    assert_eq!(log["counts"], json!([{ "operation": "GetSecretValue", "account": APP, "count": 4 }]));
    assert_eq!(log["calls"][0]["status"], 200);
    assert_eq!(log["stats"]["by_code"]["InternalServiceError"], 3);
    assert_eq!(post("/_fake/reset-calls", &json!({})), 200);
    let stats: Value = serde_json::from_str(&http.get("/_fake/stats", "").body).unwrap();
    assert_eq!(stats["calls"], 0);

    assert_eq!(post("/_fake/scenario?mode=replace", &secrets("b")), 200);
    assert_eq!(code().unwrap_err(), "ResourceNotFoundException");
    assert_eq!(http.get("/_fake/nowhere", "").status, 404);
}
