//! Policies in IAM's own notation.

use fake_aws::{FakeAws, Scenario};
use serde_json::{Value, json};

use crate::client::{APP, Client, REGION};

fn load(policy: &Value) -> Result<Scenario, String> {
    let scenario = json!({
        "accounts": { APP: { "regions": { REGION: { "secrets": { "a/x": "v", "b/x": "v" } } } } },
        "principals": [{ "access_key": "AKIAX", "arn": format!("arn:aws:iam::{APP}:user/x"), "policy": policy }],
    });
    Scenario::from_json(scenario.to_string().as_bytes()).map_err(|e| e.to_string())
}

#[test]
fn documents_are_taken_as_they_are() {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "Read",
            "Effect": "Allow",
            "Action": "secretsmanager:getsecretvalue",
            "Resource": ["arn:aws:secretsmanager:*:111111111111:secret:a/*"]
        }]
    });
    let aws = FakeAws::start(load(&policy).unwrap());
    let get = |id: &str| Client::new(&aws, "AKIAX").call("GetSecretValue", json!({ "SecretId": id }));
    assert!(get("a/x").is_ok());
    assert_eq!(get("b/x").unwrap_err().code, "AccessDeniedException");
}

#[test]
fn what_is_not_modelled_is_refused() {
    let statement = |key: &str, value: Value| {
        let mut statement = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        statement[key] = value;
        json!([statement])
    };
    assert!(load(&statement("NotAction", json!("x"))).is_err());
    assert!(load(&statement("Effect", json!("Perhaps"))).is_err());
    let start = |policy: &Value| FakeAws::builder().start(load(policy).unwrap()).map(drop).map_err(|e| e.to_string());
    assert!(start(&statement("Principal", json!("*"))).unwrap_err().contains("no principals"));
    let condition = json!({ "StringEquals": { "aws:SourceVpc": "vpc-1" } });
    assert!(start(&statement("Condition", condition)).unwrap_err().contains("aws:SourceVpc"));
    let condition = json!({ "IpAddress": { "kms:ViaService": "x" } });
    assert!(start(&statement("Condition", condition)).unwrap_err().contains("IpAddress"));
}
