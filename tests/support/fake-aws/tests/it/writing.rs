//! What is written: by whom, under which key, and how often.

use fake_aws::{FakeAws, Kms, Principal, Scenario, Secret, Statement};
use serde_json::json;

use crate::client::{APP, Client, REGION, SHARED};

const KEY: &str = "arn:aws:kms:eu-central-1:222222222222:key/k";
const WRITER: &str = "arn:aws:iam::222222222222:role/writer";
const TOKEN: &str = "00000000-0000-0000-0000-000000000001";

fn aws(actions: &[&str]) -> FakeAws {
    let writer = Principal::new("AKIAWRITER", WRITER).can(Statement::allow(actions.iter().copied()));
    FakeAws::start(Scenario::new().principal(writer))
}

#[test]
fn a_secret_is_made_opened_and_written() {
    let aws = aws(&["*"]);
    let writer = Client::new(&aws, "AKIAWRITER");
    writer.call("CreateSecret", json!({"Name": "i", "KmsKeyId": KEY})).unwrap();
    assert_eq!(aws.text_of(SHARED, REGION, "i"), None);
    let again = writer.call("CreateSecret", json!({"Name": "i", "KmsKeyId": KEY})).unwrap_err();
    assert_eq!(again.code, "ResourceExistsException");
    let put = |text: &str| {
        writer.call("PutSecretValue", json!({"SecretId": "i", "SecretString": text, "ClientRequestToken": TOKEN}))
    };
    put("one").unwrap();
    // The same token: the same version, or an error.
    put("one").unwrap();
    assert_eq!(put("two").unwrap_err().code, "ResourceExistsException");
    assert_eq!(aws.text_of(SHARED, REGION, "i").as_deref(), Some("one"));
    let policy = |principal: &str| {
        let statement = json!({"Effect": "Allow", "Principal": principal, "Action": "secretsmanager:GetSecretValue"});
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        json!({"SecretId": "i", "ResourcePolicy": policy, "BlockPublicPolicy": true})
    };
    assert_eq!(writer.call("PutResourcePolicy", policy("*")).unwrap_err().code, "PublicPolicyException");
    assert_eq!(
        writer.call("PutResourcePolicy", json!({"SecretId": "i", "ResourcePolicy": "{"})).unwrap_err().code,
        "MalformedPolicyDocumentException"
    );
    writer.call("PutResourcePolicy", policy(APP)).unwrap();
    assert_eq!(aws.text_of(SHARED, REGION, "i").as_deref(), Some("one"));
    // The policy opens it, the key does not.
    let id = fake_aws::secret_arn(SHARED, REGION, "i");
    let denied = Client::new(&aws, APP).call("GetSecretValue", json!({"SecretId": id})).unwrap_err();
    assert_eq!(denied.message, "Access to KMS is not allowed");
    assert_eq!(writer.call("GetSecretValue", json!({"SecretId": "i"})).unwrap()["VersionId"], TOKEN);
}

#[test]
fn each_call_needs_its_permission_and_both_of_the_key() {
    let put = json!({"SecretId": "i", "SecretString": "x", "ClientRequestToken": TOKEN});
    let (all, decrypt, generate) = ("secretsmanager:*", "kms:Decrypt", "kms:GenerateDataKey");
    for (actions, code) in [
        (&[all, decrypt, generate][..], None),
        (&[all, decrypt], Some("Access to KMS is not allowed")),
        (&[all, generate], Some("Access to KMS is not allowed")),
        (&[decrypt, generate], Some("PutSecretValue")),
    ] {
        let aws = aws(actions);
        let secret = Secret::no_value().kms(Kms::customer(KEY).admit(SHARED));
        aws.extend(Scenario::new().secret(SHARED, REGION, "i", secret)).unwrap();
        let ended = Client::new(&aws, "AKIAWRITER").call("PutSecretValue", put.clone());
        assert_eq!(ended.is_ok(), code.is_none());
        assert!(code.is_none_or(|words| ended.unwrap_err().message.contains(words)), "{actions:?}");
    }
    let aws = aws(&["secretsmanager:PutSecretValue"]);
    let writer = Client::new(&aws, "AKIAWRITER");
    for (operation, body) in [
        ("CreateSecret", json!({"Name": "i"})),
        ("PutResourcePolicy", json!({"SecretId": "i", "ResourcePolicy": "{}"})),
    ] {
        assert_eq!(writer.call(operation, body).unwrap_err().code, "AccessDeniedException", "{operation}");
    }
    assert_eq!(writer.call("PutSecretValue", put).unwrap_err().code, "ResourceNotFoundException");
}

/// An organisation's accounts, and a session that is narrowed.
#[test]
fn conditions_on_the_organisation_and_session_policies_hold() {
    let readable = Statement::allow(["secretsmanager:GetSecretValue"]).to(["*"]);
    let readable = readable.when("StringEquals", "aws:PrincipalOrgID", "o-abc");
    let kms = Kms::customer(KEY).admit(APP);
    let scenario = Scenario::new().secret(SHARED, REGION, "a", Secret::text("v").policy(readable).kms(kms));
    let aws = FakeAws::start(scenario);
    let get = || {
        Client::new(&aws, APP).call("GetSecretValue", json!({"SecretId": fake_aws::secret_arn(SHARED, REGION, "a")}))
    };
    assert_eq!(get().unwrap_err().code, "AccessDeniedException");
    aws.extend(Scenario::new().organization("o-abc", [APP])).unwrap();
    assert!(get().is_ok());

    let role = "arn:aws:iam::111111111111:role/pod";
    let endpoint = |more: serde_json::Value| {
        let mut endpoint = json!({"path": "/creds", "role": role});
        endpoint.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let scenario = json!({"accounts": {APP: {"regions": {REGION: {"secrets": {"a": "1", "b": "2"}}}}},
            "roles": [{"arn": role, "policy": [{"effect": "Allow", "actions": ["*"]}], "trust": {"policy": []}}],
            "container_credentials": [endpoint]});
        FakeAws::builder().start(Scenario::from_json(scenario.to_string().as_bytes()).unwrap())
    };
    let arn = fake_aws::secret_arn(APP, REGION, "a");
    let narrowed = json!([{"effect": "Allow", "actions": ["secretsmanager:GetSecretValue"], "resources": [arn]}]);
    assert!(endpoint(json!({"session_policy": narrowed, "session_tags": true})).is_err());
    let aws = endpoint(json!({"session_policy": narrowed})).unwrap();
    let answer = Client::new(&aws, APP).get("/creds", "");
    let keys: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let pod = Client::new(&aws, keys["AccessKeyId"].as_str().unwrap()).token(keys["Token"].as_str().unwrap());
    assert!(pod.call("GetSecretValue", json!({"SecretId": "a"})).is_ok());
    assert_eq!(pod.call("GetSecretValue", json!({"SecretId": "b"})).unwrap_err().code, "AccessDeniedException");
}
