//! Container credentials and instance metadata.

use fake_aws::{ContainerCredentials, FakeAws, Fault, Imds, Role, Scenario, Statement};
use serde_json::{Value, json};

use crate::client::{APP, Client};

const ROLE: &str = "arn:aws:iam::111111111111:role/pod";

fn start(change: impl FnOnce(Scenario) -> Scenario) -> FakeAws {
    let role = Role::new(ROLE).can(Statement::allow(["secretsmanager:ListSecrets"]));
    FakeAws::start(change(Scenario::new().role(role)))
}

#[test]
fn pod_identity() {
    let aws = start(|s| {
        s.container_credentials(ContainerCredentials::for_role("/v1/credentials", ROLE).authorization("token"))
    });
    let http = Client::new(&aws, "");
    assert_eq!(http.get("/v1/credentials", "").status, 400);
    assert_eq!(http.get("/v1/credentials", "authorization: wrong\r\n").status, 403);
    let answer = http.get("/v1/credentials", "authorization: token\r\n");
    let keys: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(keys["AccountId"], APP);
    assert!(keys["Expiration"].as_str().unwrap().ends_with('Z'));
    let session = Client::new(&aws, keys["AccessKeyId"].as_str().unwrap()).token(keys["Token"].as_str().unwrap());
    assert!(session.call("ListSecrets", json!({})).is_ok());
    assert_eq!(http.get("/creds/elsewhere", "").status, 404);
    assert_eq!(aws.count("ContainerCredentials"), 3);
}

#[test]
fn keys_of_a_principal() {
    let aws = start(|s| s.container_credentials(ContainerCredentials::for_access_key("/creds/app", APP)));
    let keys: Value = serde_json::from_str(&Client::new(&aws, "").get("/creds/app", "").body).unwrap();
    assert_eq!(keys["AccessKeyId"], APP);
}

#[test]
fn throttled_agents_answer_429() {
    let aws = start(|s| {
        s.container_credentials(ContainerCredentials::for_role("/creds/pod", ROLE))
            .fault(Fault::on("ContainerCredentials").times(1).error(429, "ThrottlingException", "slow down"))
    });
    let http = Client::new(&aws, "");
    assert_eq!(http.get("/creds/pod", "").status, 429);
    assert_eq!(http.get("/creds/pod", "").status, 200);
}

#[test]
fn imds_needs_a_token() {
    let aws = start(|s| s.imds(Imds::for_role(ROLE).region("eu-central-1")));
    let http = Client::new(&aws, "");
    let roles = "/latest/meta-data/iam/security-credentials/";
    assert_eq!(http.get(roles, "").status, 401);
    assert_eq!(http.send("PUT", "/latest/api/token", "", b"").unwrap().status, 400);
    let ttl = "x-aws-ec2-metadata-token-ttl-seconds: 60\r\n";
    let token = http.send("PUT", "/latest/api/token", ttl, b"").unwrap();
    let header = format!("x-aws-ec2-metadata-token: {}\r\n", token.body);
    assert_eq!(http.get(roles, &header).body, "pod");
    let keys: Value = serde_json::from_str(&http.get(&format!("{roles}pod"), &header).body).unwrap();
    assert_eq!(keys["Code"], "Success");
    assert_eq!(http.get(&format!("{roles}other"), &header).status, 404);
    assert_eq!(http.get("/latest/meta-data/placement/region", &header).body, "eu-central-1");
    assert_eq!(http.get("/latest/meta-data/iam/security-credentials-extended/", &header).status, 404);
    let none = FakeAws::start(Scenario::new());
    assert_eq!(Client::new(&none, "").send("PUT", "/latest/api/token", ttl, b"").unwrap().status, 404);
}
