//! Access keys, and reading across accounts by resource policy.

use fake_aws::{CrossAccountMissing, FakeAws, Kms, Principal, Scenario, Secret, Statement, secret_arn};
use serde_json::{Value, json};

use crate::client::{APP, AwsError, Client, REGION, SHARED};

const CONSUMER: &str = "arn:aws:iam::111111111111:role/consumer";
const KEY: &str = "arn:aws:kms:eu-central-1:222222222222:key/k";

fn get(client: &Client, id: &str) -> Result<Value, AwsError> {
    client.call("GetSecretValue", json!({ "SecretId": id }))
}

fn consumer() -> Principal {
    Principal::new("AKIACONSUMER", CONSUMER)
}

/// The identity policy of a consumer that may read all of the shared account.
fn reader() -> Principal {
    consumer()
        .can(Statement::allow(["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]))
        .can(Statement::allow(["kms:Decrypt"]).on([KEY]))
}

#[test]
fn unknown_and_expired_keys() {
    let aws = FakeAws::start(
        Scenario::new()
            .principal(consumer().expired())
            .principal(Principal::new("ASIATEMP", CONSUMER).session_token("t")),
    );
    let code = |client: Client| {
        let error = client.call("ListSecrets", json!({})).unwrap_err();
        (error.status, error.code, error.message)
    };
    let invalid = "The security token included in the request is invalid.";
    assert_eq!(code(Client::new(&aws, "AKIANOBODY")), (400, "UnrecognizedClientException".into(), invalid.into()));
    assert_eq!(code(Client::new(&aws, "AKIACONSUMER")).1, "ExpiredTokenException");
    assert_eq!(code(Client::new(&aws, "ASIATEMP")).1, "UnrecognizedClientException");
    assert_eq!(code(Client::new(&aws, "ASIATEMP").token("t")).1, "AccessDeniedException");
    // Signed for another service.
    let misdirected = Client::new(&aws, APP);
    let head =
        format!("x-amz-target: secretsmanager.ListSecrets\r\nauthorization: Credential={APP}/1/{REGION}/sts/x\r\n");
    assert!(misdirected.send("POST", "/", &head, b"{}").unwrap().body.contains("InvalidSignatureException"));
    let unsigned =
        Client::new(&aws, "").send("POST", "/", "x-amz-target: secretsmanager.ListSecrets\r\n", b"{}").unwrap();
    assert!(unsigned.body.contains("MissingAuthenticationTokenException"));
}

#[test]
fn denials_name_the_user_and_the_action() {
    let aws = FakeAws::start(Scenario::new().secret(APP, REGION, "a", "v").principal(consumer()));
    let client = Client::new(&aws, "AKIACONSUMER");
    let expected = format!(
        "User: {CONSUMER} is not authorized to perform: secretsmanager:GetSecretValue on resource: a because no \
         identity-based policy allows the secretsmanager:GetSecretValue action"
    );
    // A secret that does not exist is denied in the same way.
    for id in ["a", "b"] {
        let error = get(&client, id).unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (400, "AccessDeniedException"));
        assert_eq!(error.message, expected.replace(" a ", &format!(" {id} ")));
    }
    let error = client.call("ListSecrets", json!({})).unwrap_err();
    assert_eq!(
        error.message,
        format!(
            "User: {CONSUMER} is not authorized to perform: secretsmanager:ListSecrets because no identity-based \
             policy allows the secretsmanager:ListSecrets action"
        )
    );
}

#[test]
fn own_account_needs_either_side_and_no_deny() {
    let aws = FakeAws::start(
        Scenario::new()
            .secret(APP, REGION, "by-resource", Secret::text("v").readable_by(CONSUMER))
            .secret(APP, REGION, "by-account", Secret::text("v").readable_by(APP))
            .secret(APP, REGION, "by-identity", "v")
            .secret(
                APP,
                REGION,
                "denied",
                Secret::text("v").policy(Statement::deny(["secretsmanager:*"]).to([CONSUMER])),
            )
            .secret(APP, REGION, "forbidden", "v")
            .principal(
                consumer()
                    .can(Statement::allow(["secretsmanager:GetSecretValue"]).on([
                        "arn:aws:secretsmanager:*:*:secret:by-identity-??????",
                        "arn:aws:secretsmanager:*:*:secret:denied*",
                        "arn:aws:secretsmanager:*:*:secret:forbidden*",
                    ]))
                    .can(Statement::deny(["secretsmanager:Get*"]).on(["*:secret:forbidden*"])),
            ),
    );
    let client = Client::new(&aws, "AKIACONSUMER");
    assert!(get(&client, "by-resource").is_ok());
    assert!(get(&client, "by-identity").is_ok());
    // Naming the account leaves the decision to its identity policies.
    assert_eq!(get(&client, "by-account").unwrap_err().code, "AccessDeniedException");
    assert!(get(&client, "denied").unwrap_err().message.ends_with("explicit deny in a resource-based policy"));
    assert!(get(&client, "forbidden").unwrap_err().message.ends_with("explicit deny in an identity-based policy"));
}

#[test]
fn across_accounts_both_sides_must_allow() {
    let shared = |secret: Secret| secret.kms(Kms::customer(KEY).admit(CONSUMER));
    let scenario = Scenario::new()
        .secret(SHARED, REGION, "closed", shared(Secret::text("v")))
        .secret(SHARED, REGION, "open", shared(Secret::text("v").readable_by(CONSUMER)))
        .secret(SHARED, REGION, "open-to-account", shared(Secret::text("v").readable_by(APP)));
    let arn = |name: &str| secret_arn(SHARED, REGION, name);

    let aws = FakeAws::start(scenario.clone().principal(reader()));
    let client = Client::new(&aws, "AKIACONSUMER");
    assert!(get(&client, &arn("open")).is_ok());
    assert!(get(&client, &arn("open-to-account")).is_ok());
    let error = get(&client, &arn("closed")).unwrap_err();
    assert!(error.message.contains("because no resource-based policy allows"), "{}", error.message);
    assert_eq!(error.status, 400);
    // A name means a secret of the own account.
    assert_eq!(get(&client, "open").unwrap_err().code, "ResourceNotFoundException");

    let aws = FakeAws::start(scenario.principal(consumer()));
    let error = get(&Client::new(&aws, "AKIACONSUMER"), &arn("open")).unwrap_err();
    assert!(error.message.contains("because no identity-based policy allows"), "{}", error.message);
}

#[test]
fn default_key_stays_in_its_account() {
    let aws = FakeAws::start(Scenario::new().principal(reader()).secret(
        SHARED,
        REGION,
        "a",
        Secret::text("v").policy(Statement::allow(["secretsmanager:*"]).to([CONSUMER])),
    ));
    let client = Client::new(&aws, "AKIACONSUMER");
    let arn = secret_arn(SHARED, REGION, "a");
    let error = get(&client, &arn).unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (400, "InvalidRequestException"));
    assert_eq!(
        error.message,
        "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS \
         service key."
    );
    assert!(client.call("DescribeSecret", json!({ "SecretId": arn })).is_ok());
}

#[test]
fn missing_in_the_other_account() {
    let arn = secret_arn(SHARED, REGION, "missing");
    let code = |scenario: Scenario| {
        let aws = FakeAws::start(scenario);
        get(&Client::new(&aws, "AKIACONSUMER"), &arn).unwrap_err().code
    };
    assert_eq!(code(Scenario::new().principal(reader())), "ResourceNotFoundException");
    assert_eq!(code(Scenario::new().principal(consumer())), "AccessDeniedException");
    let strict = Scenario::new()
        .principal(reader())
        .settings(|s| s.cross_account_missing = Some(CrossAccountMissing::AccessDenied));
    assert_eq!(code(strict), "AccessDeniedException");
}
