//! KMS keys.

use fake_aws::{FakeAws, Kms, Principal, Scenario, Secret, Statement, secret_arn};
use serde_json::json;

use crate::client::{APP, AwsError, Client, REGION, SHARED};

const ROLE: &str = "arn:aws:iam::111111111111:role/consumer";
const KEY: &str = "arn:aws:kms:eu-central-1:222222222222:key/k";

/// Reads a secret of the other account under the key, with that key policy and
/// those KMS permissions.
fn read(kms: Kms, permission: Option<Statement>) -> Result<(), AwsError> {
    let reader =
        Principal::new("AKIAREADER", ROLE).can(Statement::allow(["secretsmanager:GetSecretValue"])).can_all(permission);
    let secret = Secret::text("v").readable_by(ROLE).kms(kms);
    let aws = FakeAws::start(Scenario::new().secret(SHARED, REGION, "a", secret).principal(reader));
    let id = secret_arn(SHARED, REGION, "a");
    Client::new(&aws, "AKIAREADER").call("GetSecretValue", json!({ "SecretId": id })).map(drop)
}

fn decrypt() -> Statement {
    Statement::allow(["kms:Decrypt"]).on([KEY])
}

#[test]
fn across_accounts_the_key_and_the_caller_must_agree() {
    let via = decrypt().when("StringEquals", "kms:ViaService", "secretsmanager.eu-central-1.amazonaws.com");
    let elsewhere = decrypt().when("StringEquals", "kms:ViaService", "secretsmanager.us-east-1.amazonaws.com");
    let admitting = || Kms::customer(KEY).admit(ROLE);
    assert!(read(admitting(), Some(decrypt())).is_ok());
    assert!(read(admitting(), Some(via)).is_ok());
    assert!(read(Kms::customer(KEY).admit(APP), Some(decrypt())).is_ok());
    for denied in [
        read(admitting(), None),
        read(admitting(), Some(elsewhere)),
        read(Kms::customer(KEY), Some(decrypt())),
        read(Kms::customer(KEY).admit("arn:aws:iam::111111111111:role/other"), Some(decrypt())),
    ] {
        let error = denied.unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (400, "AccessDeniedException"));
        assert_eq!(error.message, "Access to KMS is not allowed");
    }
}

#[test]
fn in_the_own_account_the_key_policy_suffices() {
    let key = format!("arn:aws:kms:{REGION}:{APP}:key/k");
    let secret = |kms: Kms| Secret::text("v").kms(kms);
    let aws = FakeAws::start(
        Scenario::new()
            .secret(APP, REGION, "named", secret(Kms::customer(&key).admit(ROLE)))
            .secret(APP, REGION, "account", secret(Kms::customer(&key).admit(APP)))
            .secret(APP, REGION, "nobody", secret(Kms::customer(&key)))
            .principal(Principal::new("AKIAREADER", ROLE).can(Statement::allow(["secretsmanager:GetSecretValue"]))),
    );
    let get = |key: &str, id: &str| Client::new(&aws, key).call("GetSecretValue", json!({ "SecretId": id })).is_ok();
    assert!(get("AKIAREADER", "named"));
    assert!(!get("AKIAREADER", "account"), "the account is named, so kms:Decrypt is needed");
    assert!(get(APP, "account"));
    assert!(!get(APP, "nobody"));
}

#[test]
fn a_key_policy_may_be_given_as_it_is() {
    let statement = |service: &str| decrypt().to([ROLE]).when("StringEquals", "kms:ViaService", service);
    let key = |statement: Statement| Kms { policy: vec![statement], ..Kms::customer(KEY) };
    assert!(read(key(statement("secretsmanager.eu-central-1.amazonaws.com")), Some(decrypt())).is_ok());
    assert!(read(key(statement("s3.eu-central-1.amazonaws.com")), Some(decrypt())).is_err());
    let denying = Statement::deny(["kms:Decrypt"]).to([ROLE]);
    assert!(read(key(denying).admit(ROLE), Some(decrypt())).is_err());
}
