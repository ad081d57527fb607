//! `BatchGetSecretValue`.

use fake_aws::{FakeAws, ForeignBatch, Principal, Scenario, Secret, Statement, secret_arn};
use serde_json::{Value, json};

use crate::client::{APP, AwsError, Client, REGION, SHARED, errors, names};

fn batch(client: &Client, ids: &[&str]) -> Result<Value, AwsError> {
    client.call("BatchGetSecretValue", json!({ "SecretIdList": ids }))
}

fn thirty() -> Scenario {
    Scenario::new().secrets(APP, REGION, (10..40).map(|i| (format!("a/s{i}"), format!("v{i}"))))
}

#[test]
fn twenty_but_not_twenty_one() {
    let aws = FakeAws::start(thirty());
    let client = Client::new(&aws, APP);
    let ids: Vec<String> = (10..31).map(|i| format!("a/s{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let answer = batch(&client, &ids[..20]).unwrap();
    assert_eq!(answer["SecretValues"].as_array().unwrap().len(), 20);
    for wrong in [&ids[..], &[]] {
        let error = batch(&client, wrong).unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (400, "InvalidParameterException"));
    }
}

#[test]
fn order_is_not_that_of_the_ids() {
    let ids: Vec<String> = (10..30).map(|i| format!("a/s{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let order = |scenario: Scenario| {
        let aws = FakeAws::start(scenario);
        names(&batch(&Client::new(&aws, APP), &ids).unwrap(), "SecretValues")
    };
    let shuffled = order(thirty());
    assert_ne!(shuffled, ids);
    assert_eq!(shuffled, order(thirty()), "the same seed gives the same order");
    assert_ne!(shuffled, order(thirty().settings(|s| s.shuffle_seed = Some(7))));
    assert_eq!(order(thirty().settings(|s| s.shuffle_seed = Some(0))), ids);
}

#[test]
fn errors_are_per_id() {
    let aws = FakeAws::start(
        Scenario::new()
            .secret(APP, REGION, "ok/a", "v")
            .secret(APP, REGION, "ok/deleted", Secret::text("v").pending_deletion())
            .secret(APP, REGION, "ok/garbled", Secret::text("v").decryption_failure())
            .secret(APP, REGION, "ok/none", Secret::no_value())
            .secret(APP, REGION, "denied", "v")
            .principal(
                Principal::new("AKIAREADER", format!("arn:aws:iam::{APP}:role/reader"))
                    .can_all(Statement::secrets_reader(APP, REGION, "ok/")),
            ),
    );
    let client = Client::new(&aws, "AKIAREADER");
    let ids = ["ok/a", "ok/deleted", "ok/garbled", "ok/none", "ok/missing", "denied", "missing", "not a name"];
    let answer = batch(&client, &ids).unwrap();
    assert_eq!(names(&answer, "SecretValues"), ["ok/a"]);
    let expected = [
        ("denied", "AccessDeniedException"),
        ("missing", "AccessDeniedException"),
        ("not a name", "InvalidParameterException"),
        ("ok/deleted", "InvalidRequestException"),
        ("ok/garbled", "DecryptionFailure"),
        ("ok/missing", "ResourceNotFoundException"),
        ("ok/none", "ResourceNotFoundException"),
    ];
    assert_eq!(errors(&answer), expected.map(|(id, code)| (id.to_owned(), code.to_owned())));
}

#[test]
fn ids_xor_filters() {
    let aws = FakeAws::start(thirty());
    let client = Client::new(&aws, APP);
    let filters = json!([{ "Key": "name", "Values": ["a/"] }]);
    for bad in [
        json!({}),
        json!({ "SecretIdList": ["a/s10"], "Filters": filters }),
        json!({ "SecretIdList": ["a/s10"], "MaxResults": 5 }),
    ] {
        assert_eq!(client.call("BatchGetSecretValue", bad).unwrap_err().code, "InvalidParameterException");
    }
    let error = client.call("BatchGetSecretValue", json!({ "Filters": filters, "MaxResults": 21 })).unwrap_err();
    assert_eq!(error.code, "ValidationException");
}

#[test]
fn filters_page_by_twenty() {
    let aws = FakeAws::start(thirty().secret(APP, REGION, "a/x", Secret::text("v").decryption_failure()));
    let client = Client::new(&aws, APP);
    let filters = json!([{ "Key": "name", "Values": ["a/"] }]);
    let first = client.call("BatchGetSecretValue", json!({ "Filters": filters })).unwrap();
    assert_eq!(first["SecretValues"].as_array().unwrap().len(), 20);
    let rest = json!({ "Filters": filters, "NextToken": first["NextToken"] });
    let second = client.call("BatchGetSecretValue", rest).unwrap();
    assert_eq!(second["SecretValues"].as_array().unwrap().len(), 10);
    assert_eq!(errors(&second), [(secret_arn(APP, REGION, "a/x"), "DecryptionFailure".to_owned())]);
    assert!(second.get("NextToken").is_none());
    // A token of a list is not one of a batch.
    let listed = client.call("ListSecrets", json!({ "Filters": filters, "MaxResults": 2 })).unwrap();
    let mixed = json!({ "Filters": filters, "NextToken": listed["NextToken"] });
    assert_eq!(client.call("BatchGetSecretValue", mixed).unwrap_err().code, "InvalidNextTokenException");
}

#[test]
fn permissions_of_the_call_itself() {
    let arn = format!("arn:aws:iam::{APP}:role/x");
    let get_only = Statement::allow(["secretsmanager:GetSecretValue"]);
    let scoped = Statement::allow(["secretsmanager:BatchGetSecretValue"]).on(["arn:aws:secretsmanager:*:*:secret:a/*"]);
    let aws = FakeAws::start(
        thirty()
            .principal(Principal::new("AKIAGET", &arn).can(get_only.clone()))
            .principal(Principal::new("AKIASCOPED", &arn).can(get_only.clone()).can(scoped))
            .principal(
                Principal::new("AKIANOLIST", &arn)
                    .can(get_only)
                    .can(Statement::allow(["secretsmanager:BatchGetSecretValue"])),
            ),
    );
    // BatchGetSecretValue has no resource type: only "*" grants it.
    for key in ["AKIAGET", "AKIASCOPED"] {
        let error = batch(&Client::new(&aws, key), &["a/s10"]).unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (400, "AccessDeniedException"));
        assert!(error.message.contains("secretsmanager:BatchGetSecretValue"), "{}", error.message);
    }
    let client = Client::new(&aws, "AKIANOLIST");
    assert!(batch(&client, &["a/s10"]).is_ok());
    let by_filter = json!({ "Filters": [{ "Key": "name", "Values": ["a/"] }] });
    let error = client.call("BatchGetSecretValue", by_filter).unwrap_err();
    assert!(error.message.contains("secretsmanager:ListSecrets"));
}

#[test]
fn foreign_arns() {
    let theirs = secret_arn(SHARED, REGION, "theirs");
    let scenario = || {
        thirty().secret(
            SHARED,
            REGION,
            "theirs",
            Secret::text("v")
                .readable_by(APP)
                .kms(fake_aws::Kms::customer(format!("arn:aws:kms:{REGION}:{SHARED}:key/k")).admit(APP)),
        )
    };
    let ids = ["a/s10", theirs.as_str()];
    let with = |mode: ForeignBatch| {
        let aws = FakeAws::start(scenario().settings(|s| s.foreign_batch = Some(mode)));
        batch(&Client::new(&aws, APP), &ids)
    };
    let aws = FakeAws::start(scenario());
    let error = batch(&Client::new(&aws, APP), &ids).unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (400, "AccessDeniedException"));
    let code = |mode| errors(&with(mode).unwrap())[0].1.clone();
    assert_eq!(code(ForeignBatch::PerIdAccessDenied), "AccessDeniedException");
    assert_eq!(code(ForeignBatch::PerIdNotFound), "ResourceNotFoundException");
    let allowed = with(ForeignBatch::Allowed).unwrap();
    assert_eq!(allowed["SecretValues"].as_array().unwrap().len(), 2);
}

#[test]
fn endpoint_policy_sinks_the_batch() {
    let aws = FakeAws::start(thirty().settings(|s| s.vpc_endpoint_denies("arn:aws:secretsmanager:*:*:secret:a/s15-*")));
    let client = Client::new(&aws, APP);
    assert!(batch(&client, &["a/s10", "a/s11"]).is_ok());
    let error = batch(&client, &["a/s10", "a/s15"]).unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (400, "AccessDeniedException"));
    assert!(error.message.ends_with("with an explicit deny in a VPC endpoint policy"), "{}", error.message);
    let get = |id: &str| client.call("GetSecretValue", json!({ "SecretId": id }));
    assert!(get("a/s10").is_ok());
    assert_eq!(get("a/s15").unwrap_err().code, "AccessDeniedException");
}
