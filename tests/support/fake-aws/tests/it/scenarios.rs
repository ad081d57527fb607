//! Loading state.

use fake_aws::{FakeAws, Scenario, Secret};
use serde_json::{Value, json};

use crate::client::{APP, Client, REGION};

fn get(aws: &FakeAws, id: &str) -> Result<Value, String> {
    Client::new(aws, APP).call("GetSecretValue", json!({ "SecretId": id })).map_err(|e| e.code)
}

#[test]
fn the_example_loads() {
    let example = include_bytes!("../../example-scenario.json");
    let aws = FakeAws::start(Scenario::from_json(example).unwrap());
    assert_eq!(get(&aws, "airflow/connections/db").unwrap()["SecretString"], "postgres://user:pw@db:5432/app");
}

#[test]
fn extend_and_replace() {
    let aws = FakeAws::start(Scenario::new().secrets(APP, REGION, [("a", "1"), ("b", "1")]));
    let before = get(&aws, "a").unwrap();
    let change = Scenario::new().secret(APP, REGION, "a", "2").without_secret(APP, REGION, "b");
    aws.extend(change).unwrap();
    let after = get(&aws, "a").unwrap();
    assert_eq!(after["SecretString"], "2");
    assert_ne!(before["VersionId"], after["VersionId"]);
    assert!(after["CreatedDate"].as_i64() > before["CreatedDate"].as_i64());
    assert_eq!(get(&aws, "b").unwrap_err(), "ResourceNotFoundException");
    aws.replace(Scenario::new().secret(APP, REGION, "c", "3")).unwrap();
    assert_eq!(get(&aws, "a").unwrap_err(), "ResourceNotFoundException");
    assert!(get(&aws, "c").is_ok());
}

#[test]
fn what_aws_could_not_hold_is_refused() {
    let aws = FakeAws::start(Scenario::new().secret(APP, REGION, "kept", "v"));
    let refuse = |scenario: Scenario| aws.extend(scenario).unwrap_err().to_string();
    let secret = |name: &str, value: Secret| Scenario::new().secret(APP, REGION, name, value);
    assert!(refuse(secret("a", Secret::text("x".repeat(65_537)))).contains("65536"));
    assert!(aws.extend(secret("a", Secret::text("x".repeat(65_536)))).is_ok());
    assert!(refuse(secret("a", Secret::text(""))).contains("bytes"));
    assert!(refuse(secret("no spaces", Secret::text("x"))).contains("not a valid name"));
    assert!(refuse(secret("a", Secret::text("x").suffix("abc"))).contains("suffix"));
    assert!(refuse(Scenario::new().secret("123", REGION, "a", "v")).contains("twelve digits"));
    assert!(refuse(Scenario::new().settings(|s| s.empty_page_every = Some(1))).contains("never"));
    assert!(get(&aws, "kept").is_ok());
    for bad in [
        json!({ "acounts": {} }),
        json!({ "accounts": { APP: { "regions": { REGION: { "secrets": { "a": { "strnig": "x" } } } } } } }),
        json!({ "accounts": { APP: { "regions": { REGION: { "secrets": { "a": {} } } } } } }),
    ] {
        assert!(Scenario::from_json(bad.to_string().as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn debug_output_hides_values() {
    let scenario = Scenario::new().secret(APP, REGION, "a", "the-value");
    assert!(!format!("{scenario:?}").contains("the-value"));
}

#[test]
fn starts_and_stops_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let aws = FakeAws::start(Scenario::new().secret(APP, REGION, "a", "v"));
        assert!(get(&aws, "a").is_ok());
        let taken = FakeAws::builder().listen("192.0.2.1:1".parse().unwrap()).start(Scenario::new());
        assert!(taken.is_err(), "not an address of this machine");
    });
}
