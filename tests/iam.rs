//! What `iam` prints is enough, and each statement of it is needed: the fake AWS, which judges every call by policies, gets
//! the printed ones as they are. With all of them a run reads everything and is denied nothing; without any one it ends as the
//! output says of that statement. And the policies are policies by the checkers of others (tests/iam/check.py).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};

use common::{Ended, Run};
use fake_aws::{FakeAws, Scenario, secret_arn};
use serde_json::{Map, Value, json};

const OWN: &str = "111111111111";
const SHARED: &str = "222222222222";
const THIRD: &str = "333333333333";
/// Of a role that stands for the own account.
const OTHER: &str = "444444444444";
const REGION: &str = "eu-central-1";
const ELSEWHERE: &str = "eu-west-1";
const POD: &str = "arn:aws:iam::111111111111:role/airflow";
const USER: &str = "arn:aws:iam::111111111111:user/ci";
const OIDC: &str = "oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF";

// ---- cases -----------------------------------------------------------------------------------------------------

/// Where the pod's credentials come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Irsa,
    PodIdentity,
    /// Pod Identity with a policy on the association.
    Session,
    Keys,
}

/// Settings, and the secrets that are there.
#[derive(Clone)]
struct Case {
    name: &'static str,
    way: Way,
    kwargs: Value,
    variables: Vec<(&'static str, String)>,
    secrets: Vec<Secret>,
    /// What a run with every permission writes: ids of connections, then keys of variables and config values.
    expected: Vec<String>,
    /// By name, and nowhere.
    missing: u64,
}

#[derive(Clone)]
struct Secret {
    account: &'static str,
    region: &'static str,
    name: String,
    value: String,
}

impl Secret {
    fn arn(&self) -> String {
        secret_arn(self.account, self.region, &self.name)
    }

    fn id(&self) -> &str {
        self.name.rsplit('/').next().unwrap()
    }
}

impl Case {
    fn new(name: &'static str, way: Way, kwargs: Value) -> Self {
        let (variables, secrets, expected) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, way, kwargs, variables, secrets, expected, missing: 0 }
    }

    fn var(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Connections under the prefix, all of which are read.
    fn has(self, account: &'static str, ids: &[&str]) -> Self {
        self.has_in(account, REGION, "airflow/connections/", ids)
    }

    fn has_in(mut self, account: &'static str, region: &'static str, prefix: &str, ids: &[&str]) -> Self {
        for id in ids {
            self = self.there(account, region, &format!("{prefix}{id}"), &format!("http://{id}.example"));
            self.expected.push((*id).to_owned());
        }
        self
    }

    fn there(mut self, account: &'static str, region: &'static str, name: &str, value: &str) -> Self {
        self.secrets.push(Secret { account, region, name: name.to_owned(), value: value.to_owned() });
        self
    }

    fn run(&self) -> Run {
        let run = Run::new().kwargs(&self.kwargs.to_string()).var("AWS_REGION", REGION);
        let run = run.var("SECRETS_INIT_ON_EMPTY", "ignore").var("SECRETS_INIT_ON_MISSING", "warn");
        let run = self.variables.iter().fold(run, |run, (name, value)| run.var(name, value));
        if self.variables.iter().any(|(name, _)| *name == "WITH_VARIABLES") {
            let (variables, configs) = (run.path("variables.json"), run.path("configs.json"));
            let run = run.var("SECRETS_INIT_VARIABLES_FILE", variables.to_str().unwrap());
            return run.var("SECRETS_INIT_CONFIGS_FILE", configs.to_str().unwrap());
        }
        run
    }
}

fn with_role(more: &Value) -> Value {
    let mut kwargs = json!({"shared_account": SHARED, "shared_role_arn": format!("arn:aws:iam::{SHARED}:role/reader")});
    kwargs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    kwargs
}

fn own_role(account: &str, more: &Value) -> Value {
    let mut kwargs = json!({"role_arn": format!("arn:aws:iam::{account}:role/own-reader")});
    kwargs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    kwargs
}

fn cases() -> Vec<Case> {
    let many: Vec<String> = (0..120).map(|number| format!("a_rather_long_name_{number:03}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut named = Case::new("by name", Way::Irsa, json!({}))
        .var("SECRETS_INIT_CONN_IDS", "a,b,nowhere")
        .has(OWN, &["a", "b"])
        .there(OWN, REGION, "airflow/connections/not_asked_for", "http://h");
    named.missing = 1;
    let mut cases = vec![
        Case::new("own account", Way::Irsa, json!({})).has(OWN, &["a", "b", "c"]),
        Case::new("own account, one by one", Way::PodIdentity, json!({}))
            .var("SECRETS_INIT_FETCH", "single")
            .has(OWN, &["a", "b"]),
        named,
        Case::new("one by name", Way::PodIdentity, json!({})).var("SECRETS_INIT_CONN_IDS", "a").has(OWN, &["a"]),
        Case::new("many by name", Way::Irsa, json!({})).var("SECRETS_INIT_CONN_IDS", many.join(",")).has(OWN, &many),
        Case::new("every kind", Way::Irsa, json!({"variables_prefix": "team/variables"}))
            .var("WITH_VARIABLES", "yes")
            .has(OWN, &["a"])
            .has_in(OWN, REGION, "team/variables/", &["v", "w"])
            .has_in(OWN, REGION, "airflow/config/", &["smtp"]),
        Case::new("shared role", Way::PodIdentity, with_role(&json!({"shared_external_id": "the-id"})))
            .has(OWN, &["a"])
            .has(SHARED, &["s", "t"]),
        Case::new("shared role, IRSA", Way::Irsa, with_role(&json!({"variables_prefix_shared": "airflow/variables"})))
            .var("WITH_VARIABLES", "yes")
            .has(OWN, &["a"])
            .has(SHARED, &["s"])
            .has_in(SHARED, REGION, "airflow/variables/", &["v"]),
        Case::new("web identity", Way::Irsa, with_role(&json!({"shared_role_via": "web_identity"})))
            .has(OWN, &["a"])
            .has(SHARED, &["s", "t"]),
        Case::new("a role and ids", Way::Irsa, with_role(&json!({"shared_connections": ["s", "t"]})))
            .has(OWN, &["a"])
            .has(SHARED, &["s", "t"]),
        Case::new("a role and an index", Way::Irsa, with_role(&json!({"shared_index": "airflow/index"})))
            .has(OWN, &["a"])
            .has(SHARED, &["s", "t"])
            .there(SHARED, REGION, "airflow/index", r#"["s", "t"]"#),
        Case::new("resource policies", Way::Irsa, json!({"shared_account": SHARED, "shared_connections": "s,t"}))
            .has(OWN, &["a", "b"])
            .has(SHARED, &["s", "t"]),
        Case::new("an index", Way::PodIdentity, json!({"shared_account": SHARED, "shared_index": "airflow/index"}))
            .has(OWN, &["a"])
            .has(SHARED, &["s", "t"])
            .there(SHARED, REGION, "airflow/index", r#"["s", "t"]"#),
        // A secret that only the shared account has is asked of the own one first.
        Case::new("by name in two accounts", Way::Irsa, json!({"shared_account": SHARED}))
            .var("SECRETS_INIT_CONN_IDS", "a,s")
            .has(OWN, &["a"])
            .has(SHARED, &["s"]),
        Case::new("several shared accounts", Way::PodIdentity, {
            let third =
                json!({"account": THIRD, "region": ELSEWHERE, "connections": ["x"], "connections_prefix": "vendor"});
            with_role(&json!({"shared": [third]}))
        })
        .has(OWN, &["a"])
        .has(SHARED, &["s", "t"])
        .has_in(THIRD, ELSEWHERE, "vendor/", &["x"]),
        Case::new("own role", Way::PodIdentity, {
            own_role(OTHER, &json!({"external_id": "own-id", "shared_account": SHARED, "shared_connections": ["s"]}))
        })
        .has(OTHER, &["a", "b"])
        .has(SHARED, &["s"]),
        Case::new(
            "own role by web identity",
            Way::Irsa,
            own_role(OWN, &json!({"assume_role_method": "assume_role_with_web_identity"})),
        )
        .has(OWN, &["a", "b"]),
        Case::new(
            "keys",
            Way::Keys,
            own_role(OWN, &json!({"aws_access_key_id": "AKIAKEYS", "aws_secret_access_key": "secret"})),
        )
        .has(OWN, &["a", "b"]),
        // Nothing but the account's number says that it may be listed.
        Case::new(
            "the shared account is the own one",
            Way::Irsa,
            json!({"connections_prefix": "mine", "shared_account": OWN}),
        )
        .has(OWN, &["a", "b"]),
    ];
    let of_pods: Vec<Case> = cases.iter().filter(|case| case.way == Way::PodIdentity).cloned().collect();
    cases.extend(of_pods.into_iter().map(|case| Case { way: Way::Session, ..case }));
    cases
}

/// Whether a document is one that an AWS of this case is given: the policy of a session in the place of the role's, or not at all.
fn is_given(case: &Case, document: &Value) -> bool {
    match document["form"].as_str().unwrap() {
        "session" => case.way == Way::Session,
        "identity" => case.way != Way::Session || document["attach_to"] != POD,
        _ => true,
    }
}

// ---- the printed policies, and an AWS that judges by them ----------------------------------------------------

/// The account that publishes an index; tests/shared_account.rs judges its policies.
fn publisher(readers: &str) -> Case {
    let key = format!("arn:aws:kms:{REGION}:{OWN}:key/01234567-89ab-cdef-0123-456789abcdef");
    Case::new("a publisher", Way::Irsa, json!({"variables_prefix": "airflow/variables"}))
        .var("SECRETS_INIT_INDEX", "airflow/index")
        .var("SECRETS_INIT_INDEX_KMS_KEY", key)
        .var("SECRETS_INIT_INDEX_READERS", readers)
}

/// The printed documents, with something in each placeholder's place.
fn documents(case: &Case) -> Vec<Value> {
    let ended = case.run().arg("iam").go().code(0);
    let printed: Value = serde_json::from_str(&ended.stdout).expect("stdout is one JSON document");
    let mut text = printed["documents"].to_string();
    let names: BTreeSet<&String> = printed["placeholders"].as_object().unwrap().keys().collect();
    for name in names.into_iter().rev() {
        let value = match name.as_str() {
            "OWN_ACCOUNT" | "POD_ACCOUNT" => OWN,
            "POD_ROLE" | "PUBLISHER_ROLE" | "NAMESPACE" => "airflow",
            "OWN_IDENTITY_ARN" => USER,
            "OIDC_ISSUER" => OIDC,
            "SERVICE_ACCOUNT" => "airflow-*",
            key if key.contains("KMS_KEY_ID") => "the-key",
            other => panic!("{}: what is {other}?", case.name),
        };
        text = text.replace(name, value);
    }
    serde_json::from_str(&text).unwrap()
}

/// The policy of every document of this form that is attached to this, as one.
fn policy(documents: &[Value], form: &str, attached: impl Fn(&str) -> bool) -> Value {
    let attached = documents
        .iter()
        .filter(|document| document["form"] == form)
        .filter(|document| attached(document["attach_to"].as_str().unwrap()));
    let statements: Vec<Value> = attached.flat_map(statements).cloned().collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn statements(document: &Value) -> &Vec<Value> {
    document["policy"]["Statement"].as_array().unwrap()
}

/// An AWS in which nothing is allowed but by these policies.
fn aws(case: &Case, documents: &[Value]) -> FakeAws {
    let policy = |form: &str, of: &str| policy(documents, form, |attached| attached == of);
    let arns: BTreeSet<&str> = documents
        .iter()
        .filter(|document| ["identity", "trust"].contains(&document["form"].as_str().unwrap()))
        .map(|document| document["attach_to"].as_str().unwrap())
        .chain([POD, USER])
        .collect();
    let roles = arns.iter().filter(|arn| arn.contains(":role/")).map(|arn| {
        let mut trust = policy("trust", arn);
        if *arn == POD {
            // What EKS has of IRSA; no secret depends on it.
            trust = json!([{"effect": "Allow", "principals": [format!("arn:aws:iam::{OWN}:oidc-provider/{OIDC}")],
                "actions": ["sts:AssumeRoleWithWebIdentity"]}]);
        }
        let mut of_role = policy("identity", arn);
        if *arn == POD && case.way == Way::Session {
            of_role = json!([{"effect": "Allow", "actions": ["*"]}]);
        }
        json!({"arn": arn, "policy": of_role, "trust": {"policy": trust}})
    });
    let mut accounts = Map::new();
    for secret in &case.secrets {
        let key = format!("arn:aws:kms:{}:{}:key/the-key", secret.region, secret.account);
        let stands_in = |document: &Value| {
            let to = document["attach_to"].as_str().unwrap();
            let index = to.starts_with("the index");
            to.contains(secret.account) && document["form"] == "resource" && index == (secret.id() == "index")
        };
        let resource: Vec<Value> =
            documents.iter().filter(|document| stands_in(document)).flat_map(statements).cloned().collect();
        // The account's own identities need kms:Decrypt, as with the key policy that AWS makes by default.
        let kms = json!({"key_arn": key, "allowed_principals": [secret.account], "policy": policy("key", &key)});
        accounts.entry(secret.account).or_insert_with(|| json!({"regions": {}}))["regions"][secret.region]["secrets"]
            [secret.name.as_str()] = json!({"string": secret.value, "kms": kms, "policy": resource});
    }
    let endpoint = |service: &str| {
        let start = format!("the VPC endpoint of {service}");
        self::policy(documents, "endpoint", |attached| attached.starts_with(&start))
    };
    let user = json!({"access_key": "AKIAKEYS", "arn": USER, "policy": policy("identity", USER)});
    let mut credentials = json!({"path": "/creds/pod", "role": POD, "session_tags": case.way != Way::Session});
    if case.way == Way::Session {
        credentials["session_policy"] = self::policy(documents, "session", |_| true);
    }
    let scenario = json!({
        "accounts": accounts,
        "principals": [user],
        "roles": roles.collect::<Vec<_>>(),
        "web_identity_tokens": [{"token": "t", "subject": "system:serviceaccount:airflow:airflow-worker", "issuer": OIDC}],
        "container_credentials": [credentials],
        "settings": {"vpc_endpoint_policy": endpoint("Secrets Manager"), "sts_endpoint_policy": endpoint("STS")},
    });
    FakeAws::start(
        Scenario::from_json(scenario.to_string().as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", case.name)),
    )
}

/// What came of a run.
struct Outcome {
    ended: Ended,
    /// Ids of all kinds that are in the files.
    written: BTreeSet<String>,
}

impl Outcome {
    fn denied(&self) -> u64 {
        self.ended.summary()["denied"].as_u64().unwrap()
    }
}

fn go(case: &Case, aws: &FakeAws) -> Outcome {
    let run = case.run();
    let run = run.var("AWS_ENDPOINT_URL", &aws.endpoint());
    let run = match case.way {
        Way::Irsa => {
            let token = run.path("token");
            fs::write(&token, "t").unwrap();
            run.var("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()).var("AWS_ROLE_ARN", POD)
        }
        Way::PodIdentity | Way::Session => {
            run.var("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/creds/pod", aws.endpoint()))
        }
        // Those of the kwargs.
        Way::Keys => run,
    };
    let ended = run.go();
    let mut written = BTreeSet::new();
    for file in ["connections.json", "variables.json", "configs.json"] {
        let text = fs::read_to_string(run.path(file)).unwrap_or_else(|_| "{}".to_owned());
        written.extend(serde_json::from_str::<BTreeMap<String, Value>>(&text).unwrap().into_keys());
    }
    Outcome { ended, written }
}

// ---- the tests -------------------------------------------------------------------------------------------------

/// Nothing more than these policies is needed: no call is refused.
#[test]
fn with_the_printed_policies_everything_is_read_and_nothing_is_denied() {
    for case in cases() {
        let aws = aws(&case, &documents(&case));
        let outcome = go(&case, &aws);
        assert_eq!(outcome.ended.code, 0, "{}: {}", case.name, outcome.ended.stderr);
        assert_eq!(outcome.written, case.expected.iter().cloned().collect(), "{}: {}", case.name, outcome.ended.stderr);
        let summary = outcome.ended.summary();
        assert_eq!((outcome.denied(), summary["missing"].as_u64().unwrap()), (0, case.missing), "{}", case.name);
        let refused: Vec<_> =
            aws.calls().into_iter().filter(|call| call.code.as_deref().is_some_and(|c| c.contains("Denied"))).collect();
        assert!(refused.is_empty(), "{}: {refused:?}", case.name);
    }
}

/// Without any one statement the run ends as the output says of it.
#[test]
fn without_any_one_statement_the_run_ends_as_the_output_says() {
    let mut seen = BTreeMap::new();
    for case in cases() {
        let documents = documents(&case);
        let whole = batches(&case, &aws(&case, &documents));
        for (place, document) in documents.iter().enumerate().filter(|(_, document)| is_given(&case, document)) {
            for (number, about) in document["statements"].as_array().unwrap().iter().enumerate() {
                let mut without = documents.clone();
                let dropped = without[place]["policy"]["Statement"].as_array_mut().unwrap().remove(number);
                let what = format!("{}, {} without {}", case.name, document["name"], about["sid"]);
                let aws = aws(&case, &without);
                let outcome = go(&case, &aws);
                let all: BTreeSet<String> = case.expected.iter().cloned().collect();
                let log = &outcome.ended.stderr;
                let holds = |only: &Value| match only.as_str().unwrap() {
                    "irsa" => case.way == Way::Irsa,
                    "pod_identity" => case.way == Way::PodIdentity,
                    "customer_managed_key" => true,
                    "role_of_another_account" => !dropped["Resource"].to_string().contains(OWN),
                    other => panic!("{what}: {other}"),
                };
                let needed = about["only_with"].as_array().is_none_or(|only| only.iter().all(holds));
                let impact = if needed { about["impact"].as_str().unwrap() } else { "nothing" };
                *seen.entry((document["form"].as_str().unwrap().to_owned(), impact.to_owned())).or_insert(0) += 1;
                match impact {
                    "nothing" => assert_eq!((outcome.ended.code, &outcome.written), (0, &all), "{what}: {log}"),
                    "run_fails" => {
                        assert_eq!((outcome.ended.code, outcome.written.len()), (77, 0), "{what}: {log}");
                        assert!(about["without_it"].as_str().unwrap().starts_with("the run ends with 77"), "{what}");
                    }
                    "left_out" => {
                        let affected = affected(&case, document, &dropped);
                        let rest: BTreeSet<String> = all.difference(&affected).cloned().collect();
                        assert!(!affected.is_empty(), "{what}: about nothing");
                        assert_eq!((outcome.ended.code, &outcome.written), (0, &rest), "{what}: {log}");
                        // What is nowhere can't be seen to be nowhere.
                        let missing = outcome.ended.summary()["missing"].as_u64().unwrap();
                        assert_eq!(outcome.denied() + missing, affected.len() as u64 + case.missing, "{what}: {log}");
                    }
                    "one_by_one" => {
                        assert_eq!((outcome.ended.code, &outcome.written), (0, &all), "{what}: {log}");
                        assert!(batches(&case, &aws) < whole, "{what}: as many batches as before");
                    }
                    other => panic!("{what}: {other}"),
                }
            }
        }
    }
    // Each form of policy was there, with each impact that it can have.
    let expected = [
        ("endpoint", "left_out"),
        ("endpoint", "nothing"),
        ("endpoint", "one_by_one"),
        ("endpoint", "run_fails"),
        ("identity", "left_out"),
        ("identity", "nothing"),
        ("identity", "one_by_one"),
        ("identity", "run_fails"),
        ("key", "left_out"),
        ("key", "run_fails"),
        ("resource", "left_out"),
        ("resource", "run_fails"),
        ("session", "left_out"),
        ("session", "one_by_one"),
        ("session", "run_fails"),
        ("trust", "nothing"),
        ("trust", "run_fails"),
    ];
    let seen_at_all: Vec<(&str, &str)> = seen.keys().map(|(form, impact)| (form.as_str(), impact.as_str())).collect();
    assert_eq!(seen_at_all, expected, "{seen:?}");
}

/// How many batches AWS answers in a run.
fn batches(case: &Case, aws: &FakeAws) -> usize {
    aws.reset_calls();
    go(case, aws);
    aws.calls_of("BatchGetSecretValue").iter().filter(|call| call.code.is_none()).count()
}

/// The ids that can't be read without a statement: by the ARNs of their secrets, or those that would be asked for first.
fn affected(case: &Case, document: &Value, dropped: &Value) -> BTreeSet<String> {
    let resources = match &dropped["Resource"] {
        Value::String(one) => vec![one.clone()],
        many => serde_json::from_value(many.clone()).unwrap(),
    };
    let attached = document["attach_to"].as_str().unwrap();
    let is_about = |secret: &Secret| {
        if document["form"] == "resource" {
            return attached.contains(secret.account);
        }
        let key = format!("arn:aws:kms:{}:{}:key/the-key", secret.region, secret.account);
        if document["form"] == "key" {
            return attached == key;
        }
        let own = format!("arn:aws:secretsmanager:{REGION}:{OWN}:secret:{}", secret.name);
        let asked_first = |resource: &String| *resource == own && secret.account != OWN;
        resources.iter().any(|resource| *resource == key || asked_first(resource) || glob(resource, &secret.arn()))
    };
    let affected = case.secrets.iter().filter(|secret| case.expected.iter().any(|id| id == secret.id()));
    affected.filter(|secret| is_about(secret)).map(|secret| secret.id().to_owned()).collect()
}

/// Policies and Terraform as others read them; both forms say the same.
#[test]
fn the_printed_policies_are_policies_by_the_checkers_of_others() {
    let place = tempfile::tempdir().unwrap();
    let mut more = vec![
        Case::new("nothing is known", Way::Irsa, json!({})).var("AWS_REGION", ""),
        Case::new(
            "China",
            Way::Irsa,
            with_role(&json!({"shared_role_arn": "arn:aws-cn:iam::222222222222:role/reader"})),
        )
        .var("AWS_REGION", "cn-north-1"),
        Case::new("an odd name", Way::Irsa, json!({"shared_account": SHARED, "shared_index": "a\"${b}*?\\c"}))
            .var("SECRETS_INIT_EXPAND_ENV", "false"),
        Case::new("no prefix", Way::Irsa, json!({"connections_prefix": "", "sep": ""})),
        Case::new("two regions", Way::Irsa, {
            let of = |region: &str| json!({"account": SHARED, "region": region, "connections": ["a"]});
            json!({"shared": [of(REGION), of(ELSEWHERE)], "profile_name": "other"})
        }),
    ];
    more.push(publisher("333333333333,444444444444,o-a1b2c3d4e5,o-b1b2c3d4e5"));
    more.push(
        Case::new("a publisher without readers", Way::Irsa, json!({})).var("SECRETS_INIT_INDEX", "airflow/index"),
    );
    more.extend(cases());
    for (number, case) in more.iter().enumerate() {
        for (form, extension) in [("json", "json"), ("terraform", "tf")] {
            let ended = case.run().arg("iam").arg("--output").arg(form).go().code(0);
            fs::write(place.path().join(format!("{number:02}.{extension}")), ended.stdout).unwrap();
        }
    }
    let made = common::python("tests/iam/environment.py", &[]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let interpreter = String::from_utf8(made.stdout).unwrap();
    let checked = Command::new(interpreter.trim())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/iam/check.py"))
        .arg(place.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.ends_with(&format!("of {} cases\n", more.len())), "{said}");
}

/// Every statement is a row of docs/IAM.md, and every row a statement.
#[test]
fn every_statement_is_documented() {
    let mut printed = BTreeSet::new();
    for document in cases().iter().chain([&publisher("333333333333,o-a1b2c3d4e5")]).flat_map(documents) {
        let sids = statements(&document).iter().map(|statement| statement["Sid"].as_str().unwrap().to_owned());
        printed.extend(sids.map(|sid| sid.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()));
    }
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/IAM.md")).unwrap();
    let section = page.split("## What each statement is for").nth(1).unwrap().split("\n## ").next().unwrap();
    let firsts = section.lines().filter(|line| line.starts_with("| `")).map(|line| line.split('|').nth(1).unwrap());
    let documented: BTreeSet<String> =
        firsts.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    assert_eq!(printed, documented);
}

/// stdout carries the policies alone; nothing is asked and nothing written.
#[test]
fn nobody_is_asked_and_nothing_is_written() {
    let run = Run::new()
        .kwargs(r#"{"shared_account": "222222222222"}"#)
        .arg("iam")
        .var("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let ended = run.go().code(0).says("only if it is the own account");
    assert!(ended.stdout.starts_with("{\n  \"version\": 1,\n"), "{}", ended.stdout);
    assert!(common::names(run.directory.path()).is_empty());
    let ended = Run::on_document("own: {}").arg("iam").go().code(78).says("a file needs no policies");
    assert_eq!(ended.stdout, "");
    // The other commands have no such form.
    for command in ["render", "check", "diff"] {
        let run =
            Run::on_document("own: {airflow/connections/a: http://h}").arg(command).arg("--output").arg("terraform");
        let ended = run.go().code(78).says("terraform is a form of what iam prints");
        assert!(ended.file.is_none() && ended.stdout.is_empty(), "{command}");
    }
}

/// The conditions hold: another external id, another service account and another way to the key are refused.
#[test]
fn the_conditions_of_the_policies_are_needed_to_be_met() {
    let mut met = 0;
    for mut case in cases() {
        let documents = documents(&case);
        let mut change = |from: &str, to: &str| {
            let changed = Value::from(documents.clone()).to_string().replace(from, to);
            let changed: Vec<Value> = serde_json::from_str(&changed).unwrap();
            if changed == documents {
                return;
            }
            met += 1;
            let outcome = go(&case, &aws(&case, &changed));
            let some_missing = outcome.written.len() < case.expected.len();
            assert!(outcome.ended.code == 77 || some_missing, "{} with {to}: {}", case.name, outcome.ended.stderr);
        };
        change("secretsmanager.eu-central-1.amazonaws.com", "s3.eu-central-1.amazonaws.com");
        change("system:serviceaccount:airflow:airflow-*", "system:serviceaccount:airflow:other");
        change("sts.amazonaws.com", "other.example");
        let external_id = ["external_id", "shared_external_id"].iter().find(|key| case.kwargs.get(**key).is_some());
        if let Some(key) = external_id {
            met += 1;
            case.kwargs[*key] = json!("another");
            assert_eq!(go(&case, &aws(&case, &documents)).ended.code, 77, "{}: {key}", case.name);
        }
    }
    assert!(met > cases().len() + 4, "{met}");
}

/// `*` and `?`, as IAM has them.
fn glob(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => glob(&pattern[1..], text) || !text.is_empty() && glob(pattern, &text[1..]),
        (Some(wanted), Some(there)) if wanted == '?' || wanted == there => glob(&pattern[1..], &text[1..]),
        _ => false,
    }
}

/// Policies that are made for some secrets do not open others.
#[test]
fn what_the_settings_do_not_name_stays_closed() {
    let other = [(OWN, "airflow/other/x"), (OWN, "airflow/connections_old/x"), (SHARED, "airflow/other/x")];
    for mut case in cases() {
        let documents = documents(&case);
        for (account, name) in other {
            case = case.there(account, REGION, name, "http://h");
        }
        let aws = aws(&case, &documents);
        case.kwargs["connections_prefix"] = json!("airflow/other");
        case.kwargs["connections_prefix_shared"] = json!("airflow/other");
        if case.kwargs.get("shared_account").is_none() {
            case.kwargs.as_object_mut().unwrap().remove("connections_prefix_shared");
        }
        case.variables.retain(|(name, _)| *name != "WITH_VARIABLES");
        case.variables.push(("SECRETS_INIT_CONN_IDS", "x".to_owned()));
        let outcome = go(&case, &aws);
        assert!(outcome.written.is_empty(), "{}: {:?}", case.name, outcome.written);
        assert!(outcome.ended.stderr.contains("not authorized to perform"), "{}: {}", case.name, outcome.ended.stderr);
    }
}
