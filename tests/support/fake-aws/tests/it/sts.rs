//! STS.

use fake_aws::{FakeAws, Principal, Role, Scenario, Statement, WebIdentityToken};
use serde_json::{Value, json};

use crate::client::{APP, Client, REGION, SHARED, names, tag};

const CONSUMER: &str = "arn:aws:iam::111111111111:role/consumer";
const READER: &str = "arn:aws:iam::222222222222:role/shared-reader";

fn scenario(role: Role) -> Scenario {
    Scenario::new()
        .secret(SHARED, REGION, "shared/a", "v")
        .role(role.can_all(Statement::secrets_reader(SHARED, REGION, "shared/")))
        .principal(Principal::new("AKIACONSUMER", CONSUMER).can(Statement::allow(["sts:AssumeRole"]).on([READER])))
        .principal(Principal::new("AKIAOTHER", "arn:aws:iam::111111111111:role/other"))
}

#[test]
fn a_session_acts_in_the_roles_account() {
    let aws = FakeAws::start(scenario(Role::new(READER).trust(CONSUMER)));
    let session = Client::new(&aws, "AKIACONSUMER").assume(&aws, READER, None).unwrap();
    let listed = session.call("ListSecrets", json!({})).unwrap();
    assert_eq!(names(&listed, "SecretList"), ["shared/a"]);
    assert!(session.call("GetSecretValue", json!({ "SecretId": "shared/a" })).is_ok());
    let identity = session.sts("GetCallerIdentity", &[]).unwrap();
    assert_eq!(tag(&identity, "Arn"), "arn:aws:sts::222222222222:assumed-role/shared-reader/test");
    assert_eq!(tag(&identity, "Account"), SHARED);
    let error = session.call("GetSecretValue", json!({ "SecretId": "other" })).unwrap_err();
    assert!(error.message.starts_with("User: arn:aws:sts::222222222222:assumed-role/shared-reader/test is not"));
    assert_eq!(aws.count_in("ListSecrets", SHARED), 1);
    assert_eq!(aws.count_in("AssumeRole", APP), 1);
}

#[test]
fn both_sides_must_allow() {
    let denied = |role: Role, key: &str| {
        let aws = FakeAws::start(scenario(role));
        let error = Client::new(&aws, key).assume(&aws, READER, None).err().expect("a denial");
        assert_eq!((error.status, error.code.as_str()), (403, "AccessDenied"));
        error.message
    };
    let expected =
        |who: &str| format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {READER}");
    assert_eq!(denied(Role::new(READER), "AKIACONSUMER"), expected(CONSUMER));
    let other = "arn:aws:iam::111111111111:role/other";
    assert_eq!(denied(Role::new(READER).trust(APP), "AKIAOTHER"), expected(other));
    let aws = FakeAws::start(scenario(Role::new(READER).trust(APP)));
    let client = Client::new(&aws, "AKIACONSUMER");
    assert!(client.assume(&aws, READER, None).is_ok());
    assert!(client.assume(&aws, "arn:aws:iam::222222222222:role/missing", None).is_err());
}

#[test]
fn external_id() {
    let aws = FakeAws::start(scenario(Role::new(READER).trust(CONSUMER).external_id("secret-id")));
    let client = Client::new(&aws, "AKIACONSUMER");
    assert!(client.assume(&aws, READER, Some("secret-id")).is_ok());
    for wrong in [None, Some("other")] {
        let error = client.assume(&aws, READER, wrong).err().expect("a denial");
        assert_eq!((error.status, error.code.as_str()), (403, "AccessDenied"));
    }
}

#[test]
fn parameters() {
    let aws = FakeAws::start(scenario(Role::new(READER).trust(CONSUMER).max_session_seconds(7200)));
    let client = Client::new(&aws, "AKIACONSUMER");
    let code = |name: &str, seconds: &str| {
        let form = [("RoleArn", READER), ("RoleSessionName", name), ("DurationSeconds", seconds)];
        client.sts("AssumeRole", &form).map_or_else(|error| error.code, |_| "OK".to_owned())
    };
    assert_eq!(code("good.name_1", "900"), "OK");
    assert_eq!(code("good", "7200"), "OK");
    assert_eq!(code("good", "7201"), "ValidationError");
    assert_eq!(code("good", "899"), "ValidationError");
    assert_eq!(code("x", "900"), "ValidationError");
    assert_eq!(code("a name", "900"), "ValidationError");
    assert_eq!(code(&"n".repeat(65), "900"), "ValidationError");
    assert_eq!(client.sts("AssumeRole", &[("RoleArn", READER)]).unwrap_err().code, "ValidationError");
    assert_eq!(client.sts("GetSessionToken", &[]).unwrap_err().code, "InvalidAction");
    let nobody = Client::new(&aws, "AKIANOBODY").sts("GetCallerIdentity", &[]).unwrap_err();
    assert_eq!((nobody.status, nobody.code.as_str()), (403, "InvalidClientTokenId"));
}

#[test]
fn chained_sessions_last_an_hour() {
    let second = "arn:aws:iam::333333333333:role/second";
    let aws = FakeAws::start(
        scenario(Role::new(READER).trust(CONSUMER).can(Statement::allow(["sts:AssumeRole"])))
            .role(Role::new(second).trust(READER).max_session_seconds(43_200)),
    );
    let session = Client::new(&aws, "AKIACONSUMER").assume(&aws, READER, None).unwrap();
    let assume = |seconds: &str| {
        session.sts("AssumeRole", &[("RoleArn", second), ("RoleSessionName", "xx"), ("DurationSeconds", seconds)])
    };
    assert!(assume("3600").is_ok());
    assert!(assume("3601").unwrap_err().message.contains("role chaining"));
}

#[test]
fn sessions_expire_and_need_their_token() {
    let aws = FakeAws::start(scenario(Role::new(READER).trust(CONSUMER).session_seconds(-1)));
    let session = Client::new(&aws, "AKIACONSUMER").assume(&aws, READER, None).unwrap();
    let error = session.call("ListSecrets", json!({})).unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (400, "ExpiredTokenException"));
    let error = session.sts("GetCallerIdentity", &[]).unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (403, "ExpiredToken"));
    let error = session.token("stolen").call("ListSecrets", json!({})).unwrap_err();
    assert_eq!(error.code, "UnrecognizedClientException");
}

#[test]
fn web_identity() {
    let role = Role::new(READER).trust_web_identity("system:serviceaccount:airflow:*");
    let aws = FakeAws::start(
        scenario(role)
            .web_identity_token(WebIdentityToken::new("good-token", "system:serviceaccount:airflow:worker"))
            .web_identity_token(WebIdentityToken::new("other-token", "system:serviceaccount:default:x"))
            .web_identity_token(WebIdentityToken::new("old-token", "system:serviceaccount:airflow:worker").expired()),
    );
    // The call is not signed.
    let client = Client::new(&aws, "");
    let call = |token: &str| {
        client.sts(
            "AssumeRoleWithWebIdentity",
            &[("RoleArn", READER), ("RoleSessionName", "pod"), ("WebIdentityToken", token)],
        )
    };
    let xml = call("good-token").unwrap();
    assert_eq!(tag(&xml, "SubjectFromWebIdentityToken"), "system:serviceaccount:airflow:worker");
    let session = Client::new(&aws, &tag(&xml, "AccessKeyId")).token(&tag(&xml, "SessionToken"));
    assert!(session.call("ListSecrets", json!({})).is_ok());
    let code = |token: &str| {
        let error = call(token).unwrap_err();
        (error.status, error.code)
    };
    assert_eq!(code("unknown-token"), (400, "InvalidIdentityToken".into()));
    assert_eq!(code("old-token"), (400, "ExpiredTokenException".into()));
    assert_eq!(code("other-token"), (403, "AccessDenied".into()));
    assert_eq!(aws.count_in("AssumeRoleWithWebIdentity", SHARED), 4);
}

/// Elsewhere the identity policy would do within an account.
#[test]
fn a_trust_policy_must_allow_even_in_the_own_account() {
    let target = "arn:aws:iam::111111111111:role/other";
    let may = Principal::new("AKIACONSUMER", CONSUMER).can(Statement::allow(["sts:AssumeRole"]));
    let attempt = |role: Role, principal: Principal| {
        let aws = FakeAws::start(Scenario::new().role(role).principal(principal));
        Client::new(&aws, "AKIACONSUMER").assume(&aws, target, None).is_ok()
    };
    assert!(!attempt(Role::new(target), may.clone()));
    assert!(attempt(Role::new(target).trust(APP), may));
    assert!(attempt(Role::new(target).trust(CONSUMER), Principal::new("AKIACONSUMER", CONSUMER)), "named directly");
}

/// A role with this trust policy and this identity policy, and whatever else the scenario holds.
fn by_documents(trust: &Value, permissions: &Value, more: &Value) -> FakeAws {
    let mut scenario = json!({
        "principals": [{"access_key": "AKIACONSUMER", "arn": CONSUMER, "policy": permissions}],
        "roles": [
            {"arn": CONSUMER, "policy": permissions},
            {"arn": READER, "trust": {"policy": trust}, "policy": []},
        ],
        "web_identity_tokens": [{"token": "t", "subject": "system:serviceaccount:ns:sa", "issuer": "oidc.example/id/1"}],
        "container_credentials": [{"path": "/creds/pod", "role": CONSUMER, "session_tags": true}],
    });
    for (key, value) in more.as_object().unwrap() {
        scenario[key] = value.clone();
    }
    FakeAws::start(Scenario::from_json(scenario.to_string().as_bytes()).unwrap())
}

fn document(statements: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

#[test]
fn incoming_transitive_tags_need_a_permission_of_their_own() {
    let trust = |action: &str| json!({"Effect": "Allow", "Principal": {"AWS": CONSUMER}, "Action": action});
    let may = |action: &str| json!({"Effect": "Allow", "Action": action, "Resource": READER});
    let (assume, tag_session) = ("sts:AssumeRole", "sts:TagSession");
    let attempt = |trusts: &[&str], permits: &[&str]| {
        let all = |make: &dyn Fn(&str) -> Value, actions: &[&str]| document(&actions.iter().map(|a| make(a)).collect());
        let aws = by_documents(&all(&trust, trusts), &all(&may, permits), &json!({}));
        let keys: Value = serde_json::from_str(&Client::new(&aws, "").get("/creds/pod", "").body).unwrap();
        let tagged = Client::new(&aws, keys["AccessKeyId"].as_str().unwrap()).token(keys["Token"].as_str().unwrap());
        let untagged = Client::new(&aws, "AKIACONSUMER").assume(&aws, READER, None).is_ok();
        (untagged, tagged.assume(&aws, READER, None).map(drop).map_err(|error| error.message))
    };
    assert_eq!(attempt(&[assume, tag_session], &[assume, tag_session]), (true, Ok(())));
    for (trusts, permits) in [(&[assume][..], &[assume, tag_session][..]), (&[assume, tag_session], &[assume])] {
        let (untagged, tagged) = attempt(trusts, permits);
        assert!(untagged);
        assert!(tagged.unwrap_err().contains("is not authorized to perform: sts:TagSession on resource: arn:"));
    }
}

#[test]
fn a_trust_policy_judges_the_claims_of_a_token() {
    let attempt = |provider: &str, audience: &str, subject: &str, more: Value| {
        let trust = document(&json!([{
            "Effect": "Allow",
            "Principal": {"Federated": provider},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {"oidc.example/id/1:aud": audience},
                "StringLike": {"oidc.example/id/1:sub": subject},
            },
        }]));
        let aws = by_documents(&trust, &document(&json!([])), &more);
        let form = [("RoleArn", READER), ("RoleSessionName", "pod"), ("WebIdentityToken", "t")];
        Client::new(&aws, "").sts("AssumeRoleWithWebIdentity", &form).is_ok()
    };
    let provider = "arn:aws:iam::222222222222:oidc-provider/oidc.example/id/1";
    let (sts, subject) = ("sts.amazonaws.com", "system:serviceaccount:ns:*");
    assert!(attempt(provider, sts, subject, json!({})));
    assert!(!attempt(provider, "other", subject, json!({})));
    assert!(!attempt(provider, sts, "system:serviceaccount:other:*", json!({})));
    assert!(!attempt("arn:aws:iam::111111111111:oidc-provider/oidc.example/id/1", sts, subject, json!({})));
    let endpoint = |principal: Value| {
        let statement = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity"});
        json!({"settings": {"sts_endpoint_policy": document(&json!([statement]))}})
    };
    assert!(attempt(provider, sts, subject, endpoint(json!("*"))));
    assert!(!attempt(provider, sts, subject, endpoint(json!({"AWS": CONSUMER}))), "nobody has signed the call");
}

#[test]
fn an_endpoint_lets_through_what_its_policy_names() {
    let trust = document(&json!([{"Effect": "Allow", "Principal": {"AWS": CONSUMER}, "Action": "sts:AssumeRole"}]));
    let may = document(&json!([{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]));
    for (action, expected) in [("sts:AssumeRole", (true, false)), ("sts:GetCallerIdentity", (false, true))] {
        let endpoint = document(&json!([{"Effect": "Allow", "Principal": {"AWS": CONSUMER}, "Action": action}]));
        let aws = by_documents(&trust, &may, &json!({"settings": {"sts_endpoint_policy": endpoint}}));
        let client = Client::new(&aws, "AKIACONSUMER");
        let got = (client.assume(&aws, READER, None).is_ok(), client.sts("GetCallerIdentity", &[]).is_ok());
        assert_eq!(got, expected, "{action}");
    }
}
