//! Token buckets.

use fake_aws::{FakeAws, Quota, Scenario};
use serde_json::json;

use crate::client::{APP, Client, REGION, SHARED};

/// Error codes of `count` lists.
fn lists(client: &Client, count: usize) -> Vec<String> {
    (0..count)
        .map(|_| client.call("ListSecrets", json!({})).map_or_else(|error| error.code, |_| "OK".to_owned()))
        .collect()
}

#[test]
fn a_bucket_per_account_and_region() {
    let aws = FakeAws::start(Scenario::new().secret(APP, REGION, "a", "v").quota("ListSecrets", 0.001, 2.0));
    let client = Client::new(&aws, APP);
    assert_eq!(lists(&client, 3), ["OK", "OK", "ThrottlingException"]);
    let error = client.call("ListSecrets", json!({})).unwrap_err();
    assert_eq!((error.status, error.message.as_str()), (400, "Rate exceeded"));
    // Other accounts, regions and operations have their own.
    assert_eq!(lists(&Client::new(&aws, SHARED), 1), ["OK"]);
    assert_eq!(lists(&Client::new(&aws, APP).region("us-east-1"), 1), ["OK"]);
    assert!(client.call("GetSecretValue", json!({ "SecretId": "a" })).is_ok());
    assert!(aws.stats().by_code["ThrottlingException"] >= 2);
}

#[test]
fn shared_buckets_and_sts() {
    let quota = Quota { operations: vec!["GetCallerIdentity".into(), "AssumeRole".into()], rate: 0.1, burst: 1.0 };
    let aws = FakeAws::start(Scenario::new().settings(|s| s.quotas = Some(vec![quota])));
    let client = Client::new(&aws, APP);
    assert!(client.sts("GetCallerIdentity", &[]).is_ok());
    let error = client.sts("AssumeRole", &[]).unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (400, "Throttling"));
}

#[test]
fn published_numbers() {
    let aws = FakeAws::start(Scenario::new().aws_quotas());
    let codes = lists(&Client::new(&aws, APP), 100);
    assert!(codes.iter().all(|code| code == "OK"));
}
