//! A shared account that opens its secrets by resource policies and nothing else, end to end: the publisher of its index under the
//! policies that `iam` prints, a consumer with the kwargs of the Python backend and one key more (docs/SHARED-ACCOUNT.md has both),
//! and the live backend of Airflow 2.8.1 beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use common::accounts::{OWN, POD, POD_KEY, REGION};
use common::{Ended, Run};
use fake_aws::{FakeAws, Scenario};
use serde_json::{Map, Value, json};

const SHARED: &str = "258781458051";
const PUBLISHER: &str = "arn:aws:iam::258781458051:role/publisher";
const PUBLISHER_KEY: &str = "AKIAPUBLISHER";
const KEY: &str = "arn:aws:kms:eu-central-1:258781458051:key/the-key";
const INDEX_KEY: &str = "arn:aws:kms:eu-central-1:258781458051:key/index-key";
const ORGANIZATION: &str = "o-a1b2c3d4e5";
/// What the page's names come to with the variables below.
const OWN_PREFIX: &str = "aily/blue/prod/airflow/";
const SHARED_PREFIX: &str = "aily/core/prod/airflow/";
const INDEX: &str = "aily/core/prod/airflow-index";
const NAMES: [(&str, &str); 2] = [("tenant_name", "blue"), ("environment", "prod")];

// ---- the page --------------------------------------------------------------------------------------------------

/// The variables of a YAML fence of docs/SHARED-ACCOUNT.md, by its first line.
fn of_page(first_line: &str) -> BTreeMap<String, String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/SHARED-ACCOUNT.md")).unwrap();
    let mut fences = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let fence =
        fences.find(|fence| fence.trim_start().starts_with(first_line)).unwrap_or_else(|| panic!("no {first_line}"));
    serde_saphyr::from_str(fence).unwrap()
}

fn kwargs_of(variables: &BTreeMap<String, String>) -> Value {
    serde_json::from_str(&variables["AIRFLOW__SECRETS__BACKEND_KWARGS"]).unwrap()
}

/// The consumer's kwargs are the Python backend's and one key more.
#[test]
fn the_kwargs_of_the_page_are_those_of_the_python_backend_and_one_key_more() {
    let (before, mut after) = (kwargs_of(&of_page("# before")), kwargs_of(&of_page("# the init container")));
    assert_eq!(
        after.as_object_mut().unwrap().remove("shared_index").unwrap(),
        "aily/core/${environment}/airflow-index"
    );
    assert_eq!(before, after);
    assert!(before.to_string().contains("${tenant_name}"));
}

// ---- both sides ------------------------------------------------------------------------------------------------

fn publisher(readers: &str) -> Run {
    let run = of_page("# the publisher").into_iter().fold(Run::new(), |run, (name, value)| run.var(&name, &value));
    let run = NAMES.into_iter().fold(run, |run, (name, value)| run.var(name, value));
    run.var("SECRETS_INIT_INDEX_KMS_KEY", INDEX_KEY).var("SECRETS_INIT_INDEX_READERS", readers)
}

fn consumer() -> Run {
    let run = of_page("# the init container").into_iter().fold(Run::new(), |run, (name, value)| run.var(&name, &value));
    NAMES.into_iter().fold(run, |run, (name, value)| run.var(name, value)).var("AWS_REGION", REGION)
}

/// What `iam` prints for these settings, with something in each placeholder's place.
fn documents(run: Run) -> Vec<Value> {
    let ended = run.arg("iam").go().code(0);
    let printed: Value = serde_json::from_str(&ended.stdout).expect("stdout is one JSON document");
    let mut text = printed["documents"].to_string();
    let mut names: Vec<&String> = printed["placeholders"].as_object().unwrap().keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for name in names {
        let value = match name.as_str() {
            // Of the publisher it is the shared one.
            "OWN_ACCOUNT" if text.contains("publisher_role") => SHARED,
            "OWN_ACCOUNT" | "POD_ACCOUNT" => OWN,
            "POD_ROLE" => "airflow",
            "PUBLISHER_ROLE" => "publisher",
            key if key.contains("KMS_KEY_ID") => "the-key",
            other => panic!("what is {other}?"),
        };
        text = text.replace(name, value);
    }
    // The statement has one key, and this account has two.
    let both = format!(r#""Resource":["{KEY}","{INDEX_KEY}"]"#);
    if !text.contains("publisher_role") {
        text = text.replace(&format!(r#""Resource":"{KEY}""#), &both);
    }
    serde_json::from_str(&text).unwrap()
}

/// The statements of the documents of this name, as one policy.
fn policy(documents: &[Value], name: &str) -> Value {
    let of_name = documents.iter().filter(|document| document["name"] == name);
    let statements = of_name.flat_map(|document| document["policy"]["Statement"].as_array().unwrap());
    json!({"Version": "2012-10-17", "Statement": statements.collect::<Vec<_>>()})
}

/// A shared secret, opened by the printed policies of the secrets and of their key.
fn shared_secret(printed: &[Value], text: &str) -> Value {
    let kms = json!({"key_arn": KEY, "allowed_principals": [SHARED], "policy": policy(printed, "secrets_kms_key")});
    json!({"string": text, "kms": kms, "policy": policy(printed, "secrets")})
}

/// Two accounts in which nothing is allowed but by these policies.
fn aws(of_publisher: &[Value], of_consumer: &[Value], shared: &[(&str, &str)]) -> FakeAws {
    let named = |(id, text): &(&str, &str)| (format!("{SHARED_PREFIX}{id}"), shared_secret(of_publisher, text));
    let mut secrets: Map<String, Value> = shared.iter().map(named).collect();
    // Somewhere the key of the index is in use already, with its policy.
    let kms =
        json!({"key_arn": INDEX_KEY, "allowed_principals": [SHARED], "policy": policy(of_publisher, "index_kms_key")});
    secrets.insert("somewhere/else".to_owned(), json!({"string": "x", "kms": kms}));
    let own = [("own_only", "http://own"), ("both", "mysql://u:own@own/db")];
    let own: Map<String, Value> = own.iter().map(|(id, text)| (format!("{OWN_PREFIX}{id}"), json!(text))).collect();
    let endpoints = [of_publisher, of_consumer].map(|documents| policy(documents, "vpc_endpoint_secretsmanager"));
    let endpoint: Vec<&Value> = endpoints.iter().flat_map(|policy| policy["Statement"].as_array().unwrap()).collect();
    let scenario = json!({
        "accounts": {
            OWN: {"regions": {REGION: {"secrets": own}}},
            SHARED: {"regions": {REGION: {"secrets": secrets}}},
        },
        "principals": [
            {"access_key": PUBLISHER_KEY, "arn": PUBLISHER, "policy": policy(of_publisher, "publisher_role")},
            {"access_key": POD_KEY, "arn": POD, "policy": policy(of_consumer, "pod_role")},
        ],
        "organizations": {ORGANIZATION: [OWN]},
        "settings": {"vpc_endpoint_policy": endpoint},
    });
    FakeAws::start(Scenario::from_json(scenario.to_string().as_bytes()).unwrap())
}

fn publish(aws: &FakeAws, readers: &str) -> Ended {
    let run = publisher(readers).arg("publish-index").arg("--create").var("AWS_ENDPOINT_URL", &aws.endpoint());
    run.var("AWS_ACCESS_KEY_ID", PUBLISHER_KEY).var("AWS_SECRET_ACCESS_KEY", "secret").go()
}

fn consume(aws: &FakeAws) -> Ended {
    let run = consumer().var("AWS_ENDPOINT_URL", &aws.endpoint());
    run.var("AWS_ACCESS_KEY_ID", POD_KEY).var("AWS_SECRET_ACCESS_KEY", "secret").go()
}

fn written(ended: &Ended) -> BTreeSet<String> {
    ended.file.as_ref().map(|_| ended.conn_ids().into_iter().collect()).unwrap_or_default()
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn denied(aws: &FakeAws) -> Vec<String> {
    let calls = aws.calls().into_iter().filter(|call| call.code.as_deref().is_some_and(|code| code.contains("Denied")));
    calls.map(|call| format!("{} {:?}", call.operation, call.ids)).collect()
}

const FIRST: [(&str, &str); 4] = [
    ("both", "mysql://u:shared@shared/db"),
    ("warehouse", "snowflake://svc:p%40ss@acc/db?warehouse=wh"),
    // A partial ARN never finds it.
    ("orders-backup", "postgres://u:p@orders/db"),
    ("json", r#"{"conn_type": "postgres", "host": "h", "login": "u", "password": "p", "port": 5432}"#),
];

// ---- the tests -------------------------------------------------------------------------------------------------

/// Published, read, changed, read before and after it is published again; nothing is denied, and the live backend says the same.
#[test]
fn a_shared_account_is_read_by_its_index_under_resource_policies_alone() {
    let mut transcript = String::new();
    for readers in [OWN, ORGANIZATION] {
        let (of_publisher, of_consumer) = (documents(publisher(readers)), documents(consumer()));
        let aws = aws(&of_publisher, &of_consumer, &FIRST);
        let mut step = |what: &str, ended: Ended, expected: &BTreeSet<String>| {
            let _ = write!(transcript, "\n$ {what}, readers {readers}\n{}{}", ended.stdout, ended.stderr);
            let ended = ended.code(0);
            assert!(expected.is_empty() || written(&ended) == *expected, "{transcript}");
            assert!(denied(&aws).is_empty(), "{what}: {:?}", denied(&aws));
            ended
        };
        let none = BTreeSet::new();
        step("publish", publish(&aws, readers), &none);
        let first = set(&["own_only", "both", "warehouse", "orders-backup", "json"]);
        let ended = step("consume", consume(&aws), &first);
        assert_eq!(ended.connections()["both"]["host"], "own");
        parity(&aws, &ended);

        // One is added, one removed, one renamed.
        let changed = json!({
            format!("{SHARED_PREFIX}new"): shared_secret(&of_publisher, "http://new"),
            format!("{SHARED_PREFIX}json"): null,
            format!("{SHARED_PREFIX}warehouse"): null,
            format!("{SHARED_PREFIX}warehouse_2"): shared_secret(&of_publisher, FIRST[1].1),
        });
        let changed = json!({"accounts": {SHARED: {"regions": {REGION: {"secrets": changed}}}}});
        aws.extend(Scenario::from_json(changed.to_string().as_bytes()).unwrap()).unwrap();
        // The index is older than that: what it names and is gone is left out and named, what it does not name is not there yet.
        let stale = step("consume, the index is stale", consume(&aws), &set(&["own_only", "both", "orders-backup"]));
        let stale = stale.says("conn_id json: named by the listing or index").says("conn_id warehouse: named by");
        parity(&aws, &stale);
        let ended = step("publish", publish(&aws, readers), &none);
        for line in ["+ conn_id new\n", "+ conn_id warehouse_2\n", "- conn_id json\n", "- conn_id warehouse\n"] {
            assert!(ended.stdout.contains(line), "{}", ended.stdout);
        }
        let last = set(&["own_only", "both", "warehouse_2", "orders-backup", "new"]);
        let ended = step("consume", consume(&aws), &last);
        parity(&aws, &ended);
        step("publish", publish(&aws, readers), &none);
        assert_eq!(aws.count("PutSecretValue"), 2, "the third one has nothing to write");
        // No value of a connection was read by the publisher.
        let read = aws.calls_of("GetSecretValue").into_iter().filter(|call| &*call.principal == PUBLISHER);
        assert!(read.flat_map(|call| call.ids).all(|id| id == INDEX));
    }
    println!("{transcript}");
}

/// What the file says of each conn_id, in real Airflow 2.8.1, is what the live backend with the kwargs of the page says; but for the
/// name that it can't find.
fn parity(aws: &FakeAws, ended: &Ended) {
    let made = common::python("tests/airflow/venv.py", &["2.8.1"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let printed = String::from_utf8(made.stdout).unwrap();
    let interpreter = printed.trim().split_once(' ').expect("a name and a path").1;
    let ask = |script: &str, job: &Value| -> Value {
        let mut child = Command::new(interpreter)
            .arg(format!("tests/airflow/{script}"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .envs(NAMES)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{job}").unwrap();
        let output = child.wait_with_output().unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        let answer = serde_json::from_str::<Value>(answer.trim());
        answer.unwrap_or_else(|_| panic!("{script}: {}", String::from_utf8_lossy(&output.stderr)))["connections"]
            .clone()
    };
    let ids = ["own_only", "both", "warehouse", "warehouse_2", "orders-backup", "json", "new", "nowhere"];
    let keys = json!({"AWS_ACCESS_KEY_ID": POD_KEY, "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": REGION,
        "tenant_name": "blue", "environment": "prod"});
    let live = ask(
        "live.py",
        &json!({"endpoint": aws.endpoint(), "class": "shared", "as": "server", "kwargs": kwargs_of(&of_page("# before")),
            "env": keys, "conn_ids": ids}),
    );
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("connections.json");
    std::fs::write(&file, ended.file.as_ref().unwrap()).unwrap();
    let ours = ask("read_file.py", &json!({"path": file, "conn_ids": ids}));
    let here = written(ended);
    let mut compared = 0;
    for id in ids {
        assert_eq!(ours[id]["found"], here.contains(id), "{id}: {ours}");
        match id {
            "orders-backup" => assert_eq!((&live[id]["found"], &ours[id]["found"]), (&json!(false), &json!(true))),
            // Live it is there at once, and in the file when the index has it.
            "new" | "warehouse_2" if ours[id]["found"] == false => {}
            _ if ours[id]["found"] == false => assert_eq!(live[id]["found"], false, "{id}: {live}"),
            _ => {
                assert_eq!(live[id], ours[id], "{id}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 2, "{live}\n{ours}");
}

/// By the version of the secret that holds it, whose date AWS gives: the index itself has none, so the same names are the same bytes.
#[test]
fn check_says_how_old_the_index_is() {
    let (of_publisher, of_consumer) = (documents(publisher(OWN)), documents(consumer()));
    let aws = aws(&of_publisher, &of_consumer, &FIRST);
    publish(&aws, OWN).code(0);
    let run = |form| {
        let run = consumer().arg("check").arg("--output").arg(form).var("AWS_ENDPOINT_URL", &aws.endpoint());
        run.var("AWS_ACCESS_KEY_ID", POD_KEY).var("AWS_SECRET_ACCESS_KEY", "secret").go().code(0)
    };
    let text = run("text").stdout;
    let line = text.lines().find(|line| line.starts_with("index ")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.starts_with(&format!("index {INDEX} of {SHARED} {REGION}: changed 2023-11-14T")), "{line}");
    assert!(line.ends_with(" days ago"), "{line}");
    let document: Value = serde_json::from_str(&run("json").stdout).unwrap();
    let index = &document["indices"][0];
    assert_eq!((&index["index"], &index["from"]["account"]), (&json!(INDEX), &json!(SHARED)));
    assert!(index["age_seconds"].as_u64().unwrap() > 86_400 * 1_000, "the fake's secrets are of 2023: {index}");
    // A file has no dates.
    let store = format!("shared: {{\"{SHARED}\": {{i: '[\"a\"]', airflow/connections/a: http://h}}}}\nown: {{}}");
    let kwargs = json!({"shared_account": SHARED, "shared_index": "i"}).to_string();
    let ended = Run::on_document(&store).kwargs(&kwargs).arg("check").go().code(0);
    assert!(ended.stdout.contains(": when it was changed is not known"), "{}", ended.stdout);
}

/// Without any one statement of the publisher's account, or of the consumer's, the run ends as the output says.
#[test]
fn each_statement_of_both_sides_is_needed() {
    let all = set(&["own_only", "both", "warehouse", "orders-backup", "json"]);
    let of_shared = set(&["warehouse", "orders-backup", "json"]);
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for readers in [OWN, ORGANIZATION] {
        let (of_publisher, of_consumer) = (documents(publisher(readers)), documents(consumer()));
        for (place, document) in of_publisher.iter().enumerate().filter(|(_, document)| document["form"] != "session") {
            for (number, about) in document["statements"].as_array().unwrap().iter().enumerate() {
                let mut without = of_publisher.clone();
                without[place]["policy"]["Statement"].as_array_mut().unwrap().remove(number);
                let (name, impact) = (document["name"].as_str().unwrap(), about["impact"].as_str().unwrap());
                let what = format!("{name} without {}, readers {readers}", about["sid"]);
                *seen.entry((name.to_owned(), impact.to_owned())).or_insert(0) += 1;
                let aws = aws(&without, &of_consumer, &FIRST);
                let published = publish(&aws, readers);
                if ["publisher_role", "vpc_endpoint_secretsmanager"].contains(&name) {
                    assert_eq!((published.code, impact), (77, "run_fails"), "{what}: {}", published.stderr);
                    assert_eq!(aws.text_of(SHARED, REGION, INDEX), None, "{what}");
                    continue;
                }
                let text =
                    published.code(0).file.is_none().then(|| aws.text_of(SHARED, REGION, INDEX).unwrap()).unwrap();
                if name == "index" {
                    let kms = json!({"key_arn": INDEX_KEY, "allowed_principals": [SHARED], "policy": policy(&without, "index_kms_key")});
                    let index = json!({INDEX: {"string": text, "kms": kms, "policy": policy(&without, "index")}});
                    let index = json!({"accounts": {SHARED: {"regions": {REGION: {"secrets": index}}}}});
                    aws.extend(Scenario::from_json(index.to_string().as_bytes()).unwrap()).unwrap();
                }
                ends_as_said(&what, impact, &consume(&aws), (&all, &of_shared));
            }
        }
        let pod = of_consumer.iter().position(|document| document["name"] == "pod_role").unwrap();
        for (number, about) in of_consumer[pod]["statements"].as_array().unwrap().iter().enumerate() {
            let sid = about["sid"].as_str().unwrap();
            if !sid.contains("Shared") {
                continue; // Of the own account: tests/iam.rs.
            }
            let mut without = of_consumer.clone();
            without[pod]["policy"]["Statement"].as_array_mut().unwrap().remove(number);
            let aws = aws(&of_publisher, &without, &FIRST);
            publish(&aws, readers).code(0);
            *seen.entry((sid.to_owned(), about["impact"].as_str().unwrap().to_owned())).or_insert(0) += 1;
            ends_as_said(sid, about["impact"].as_str().unwrap(), &consume(&aws), (&all, &of_shared));
        }
    }
    let names: BTreeMap<&str, usize> = seen.iter().map(|((name, _), count)| (name.as_str(), *count)).collect();
    let expected = [
        ("DecryptSharedSecrets", 2),
        ("GetSharedIndex", 2),
        ("GetSharedSecretValue", 2),
        ("index", 2),
        ("index_kms_key", 2),
        ("publisher_role", 14),
        ("secrets", 2),
        ("secrets_kms_key", 2),
        ("vpc_endpoint_secretsmanager", 10),
    ];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
}

fn ends_as_said(what: &str, impact: &str, ended: &Ended, (all, of_shared): (&BTreeSet<String>, &BTreeSet<String>)) {
    let rest: BTreeSet<String> = all.difference(of_shared).cloned().collect();
    match impact {
        "run_fails" => assert_eq!((ended.code, written(ended).len()), (77, 0), "{what}: {}", ended.stderr),
        "left_out" => assert_eq!((ended.code, written(ended)), (0, rest), "{what}: {}", ended.stderr),
        other => panic!("{what}: {other}"),
    }
}

/// The figures of docs/SHARED-ACCOUNT.md: what a pod costs in calls by the index, beside a role there.
#[test]
fn the_calls_of_a_consumer_are_those_that_the_page_says() {
    let ids: Vec<String> = (0..60).map(|number| format!("c{number:02}")).collect();
    let shared: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "http://h")).collect();
    let (of_publisher, of_consumer) = (documents(publisher(OWN)), documents(consumer()));
    let aws = aws(&of_publisher, &of_consumer, &shared);
    publish(&aws, OWN).code(0);
    aws.reset_calls();
    assert_eq!(consume(&aws).code(0).conn_ids().len(), 62);
    let counted = |of: &[&str]| of.iter().map(|operation| aws.count(operation)).collect::<Vec<_>>();
    // Own account: a listing beside a batch. Shared: the index, and each of the sixty.
    assert_eq!(counted(&["ListSecrets", "BatchGetSecretValue", "GetSecretValue", "AssumeRole"]), [1, 1, 61, 0]);

    let reader = format!("arn:aws:iam::{SHARED}:role/reader");
    let role = json!({"roles": [{"arn": reader, "policy": [{"effect": "Allow", "actions": ["*"]}],
        "trust": {"policy": [{"effect": "Allow", "principals": [POD], "actions": ["sts:AssumeRole"]}]}}],
        "principals": [{"access_key": POD_KEY, "arn": POD, "policy": [{"effect": "Allow", "actions": ["*"]}]}]});
    aws.extend(Scenario::from_json(role.to_string().as_bytes()).unwrap()).unwrap();
    aws.extend(Scenario::new().settings(|settings| {
        settings.vpc_endpoint_policy = Some(vec![fake_aws::Statement::allow(["*"]).to(["*"])]);
    }))
    .unwrap();
    aws.reset_calls();
    let mut kwargs = kwargs_of(&of_page("# before"));
    kwargs["shared_role_arn"] = json!(reader);
    let run = consumer().kwargs(&kwargs.to_string()).var("AWS_ENDPOINT_URL", &aws.endpoint());
    let ended = run.var("AWS_ACCESS_KEY_ID", POD_KEY).var("AWS_SECRET_ACCESS_KEY", "secret").go().code(0);
    assert_eq!(ended.conn_ids().len(), 62);
    // Shared: the role, a listing, and batches of twenty.
    assert_eq!(counted(&["ListSecrets", "BatchGetSecretValue", "GetSecretValue", "AssumeRole"]), [2, 4, 0, 1]);
}
