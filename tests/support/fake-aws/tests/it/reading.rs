//! `GetSecretValue` and `DescribeSecret` in the own account.

use fake_aws::{FakeAws, Scenario, Secret, partial_secret_arn, secret_arn};
use serde_json::{Value, json};

use crate::client::{APP, AwsError, Client, REGION};

fn get(client: &Client, id: &str) -> Result<Value, AwsError> {
    client.call("GetSecretValue", json!({ "SecretId": id }))
}

#[test]
fn by_name_arn_and_partial_arn() {
    let aws = FakeAws::start(Scenario::new().secret(APP, REGION, "a/b", "value"));
    let client = Client::new(&aws, APP);
    let arn = secret_arn(APP, REGION, "a/b");
    for id in ["a/b", &arn, &partial_secret_arn(APP, REGION, "a/b")] {
        let answer = get(&client, id).unwrap();
        assert_eq!(answer["SecretString"], "value");
        assert_eq!((&answer["ARN"], &answer["Name"]), (&json!(arn), &json!("a/b")));
        assert_eq!(answer["VersionStages"], json!(["AWSCURRENT"]));
    }
    let wrong_suffix = format!("{}-AAAAAA", partial_secret_arn(APP, REGION, "a/b"));
    assert_eq!(get(&client, &wrong_suffix).unwrap_err().code, "ResourceNotFoundException");
}

#[test]
fn hyphen_and_six_characters_look_complete() {
    let aws = FakeAws::start(Scenario::new().secret(APP, REGION, "my-secret", "value"));
    let client = Client::new(&aws, APP);
    assert!(get(&client, "my-secret").is_ok());
    assert!(get(&client, &secret_arn(APP, REGION, "my-secret")).is_ok());
    let error = get(&client, &partial_secret_arn(APP, REGION, "my-secret")).unwrap_err();
    assert_eq!(
        error,
        AwsError {
            status: 400,
            code: "ResourceNotFoundException".into(),
            message: "Secrets Manager can't find the specified secret.".into()
        }
    );
}

#[test]
fn binary_is_base64() {
    let aws = FakeAws::start(Scenario::new().secret(APP, REGION, "b", Secret::binary(*b"\x00\xffhello")));
    let answer = get(&Client::new(&aws, APP), "b").unwrap();
    assert_eq!(answer["SecretBinary"], "AP9oZWxsbw==");
    assert!(answer.get("SecretString").is_none());
}

#[test]
fn states_that_cannot_be_read() {
    let aws = FakeAws::start(
        Scenario::new()
            .secret(APP, REGION, "none", Secret::no_value())
            .secret(APP, REGION, "deleted", Secret::text("v").pending_deletion())
            .secret(APP, REGION, "garbled", Secret::text("v").decryption_failure()),
    );
    let client = Client::new(&aws, APP);
    let error = |id: &str| {
        let error = get(&client, id).unwrap_err();
        assert_eq!(error.status, 400);
        (error.code, error.message)
    };
    let (code, message) = error("none");
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(message, "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT");
    let (code, message) = error("deleted");
    assert_eq!(code, "InvalidRequestException");
    assert!(message.ends_with("because it was marked for deletion."));
    assert_eq!(error("garbled").0, "DecryptionFailure");
    assert_eq!(error("missing").0, "ResourceNotFoundException");
    assert_eq!(error("bad name!?").0, "ValidationException");
    assert_eq!(error("").0, "ValidationException");
    assert_eq!(error(&"x".repeat(2049)).0, "ValidationException");
}

#[test]
fn versions() {
    let aws = FakeAws::start(Scenario::new().secret(APP, REGION, "a", Secret::text("v").version_id("v-1")));
    let client = Client::new(&aws, APP);
    let with = |key: &str, value: &str| client.call("GetSecretValue", json!({ "SecretId": "a", key: value }));
    assert!(with("VersionId", "v-1").is_ok());
    assert!(with("VersionStage", "AWSCURRENT").is_ok());
    assert_eq!(with("VersionId", "v-2").unwrap_err().code, "ResourceNotFoundException");
    let error = with("VersionStage", "AWSPREVIOUS").unwrap_err();
    assert!(error.message.ends_with("staging label: AWSPREVIOUS"));
}

#[test]
fn another_region() {
    let aws = FakeAws::start(Scenario::new().secret(APP, "us-east-1", "a", "v"));
    let arn = secret_arn(APP, "us-east-1", "a");
    assert!(get(&Client::new(&aws, APP).region("us-east-1"), &arn).is_ok());
    assert_eq!(get(&Client::new(&aws, APP), &arn).unwrap_err().code, "ResourceNotFoundException");
}

#[test]
fn describe() {
    let aws = FakeAws::start(Scenario::new().secret(
        APP,
        REGION,
        "a",
        Secret::text("v").description("text").pending_deletion(),
    ));
    let answer = Client::new(&aws, APP).call("DescribeSecret", json!({ "SecretId": "a" })).unwrap();
    assert_eq!(answer["Description"], "text");
    assert!(answer["DeletedDate"].is_number());
    assert!(answer["VersionIdsToStages"].is_object());
}

#[test]
fn malformed_requests() {
    let aws = FakeAws::start(Scenario::new());
    let client = Client::new(&aws, APP);
    assert_eq!(client.call("DeleteSecret", json!({})).unwrap_err().code, "UnknownOperationException");
    assert_eq!(client.call("GetSecretValue", json!({ "SecretId": 7 })).unwrap_err().code, "SerializationException");
    let huge = json!({ "SecretId": "x".repeat(2 << 20) });
    assert_eq!(client.try_call("GetSecretValue", &huge).unwrap().status, 413);
}
