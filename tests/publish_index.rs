//! `publish-index` against the fake AWS: what it writes, when it writes nothing, and that a failure never empties an index.
//! tests/shared_account.rs has both sides together.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use common::accounts::{OWN, POD, POD_KEY, PREFIX, REGION, SHARED};
use common::{Ended, Run, wait_until};
use fake_aws::{FakeAws, Fault, Kms, Principal, Scenario, Secret, Statement, secret_arn};
use serde_json::{Value, json};

const INDEX: &str = "airflow/index";
const PUBLISHER: &str = "arn:aws:iam::222222222222:role/publisher";
const PUBLISHER_KEY: &str = "AKIAPUBLISHER";
const KEY: &str = "arn:aws:kms:eu-central-1:222222222222:key/the-key";
const ORGANIZATION: &str = "o-a1b2c3d4e5";

/// A publisher that may do everything but read a connection: reading one fails the test.
fn scenario() -> Scenario {
    let connections = format!("arn:aws:secretsmanager:{REGION}:{SHARED}:secret:{PREFIX}*");
    let publisher = Principal::new(PUBLISHER_KEY, PUBLISHER).can(Statement::allow(["*"]));
    let publisher = publisher.can(Statement::deny(["secretsmanager:GetSecretValue"]).on([connections]));
    Scenario::new().principal(publisher)
}

fn with(ids: &[&str]) -> Scenario {
    ids.iter().fold(scenario(), |scenario, id| scenario.secret(SHARED, REGION, &format!("{PREFIX}{id}"), "http://h"))
}

fn publisher(aws: &FakeAws, arguments: &[&str]) -> Run {
    let run = Run::on_aws(&aws.endpoint(), r#"{"connections_prefix": "airflow/connections"}"#)
        .var("AWS_ACCESS_KEY_ID", PUBLISHER_KEY)
        .var("AWS_SECRET_ACCESS_KEY", "secret")
        .var("SECRETS_INIT_INDEX", INDEX)
        .arg("publish-index");
    arguments.iter().fold(run, |run, argument| run.arg(argument))
}

fn creator(aws: &FakeAws) -> Run {
    publisher(aws, &["--create"]).var("SECRETS_INIT_INDEX_KMS_KEY", KEY).var("SECRETS_INIT_INDEX_READERS", OWN)
}

fn index(aws: &FakeAws) -> Option<String> {
    aws.text_of(SHARED, REGION, INDEX)
}

fn ids(aws: &FakeAws) -> Vec<String> {
    let document: Value = serde_json::from_str(&index(aws).expect("there is an index")).unwrap();
    serde_json::from_value(document["connections"]["ids"].clone()).unwrap()
}

fn operations(aws: &FakeAws) -> Vec<String> {
    aws.calls().into_iter().map(|call| call.operation).collect()
}

/// What the index is, whatever it was before.
fn holds(scenario: Scenario, text: &str) -> Scenario {
    scenario.secret(SHARED, REGION, INDEX, Secret::text(text).kms(Kms::customer(KEY).admit(SHARED)))
}

// ---- what is written -------------------------------------------------------------------------------------------

#[test]
fn names_are_written_once_and_again_only_when_they_change() {
    let aws = FakeAws::start(with(&["b", "a", "my-secret"]));
    let ended = creator(&aws).go().code(0);
    assert!(ended.stdout.contains("3 connections") && ended.stdout.contains("published"), "{}", ended.stdout);
    let arn = secret_arn(SHARED, REGION, &format!("{PREFIX}my-secret"));
    let suffix = arn.rsplit('-').next().unwrap();
    let expected =
        json!({"version": 1, "connections": {"prefix": PREFIX, "ids": ["a", "b"], "suffixes": {"my-secret": suffix}}});
    assert_eq!(index(&aws).unwrap(), expected.to_string());
    let mut made = operations(&aws);
    made[..2].sort();
    assert_eq!(made, ["GetSecretValue", "ListSecrets", "CreateSecret", "PutResourcePolicy", "PutSecretValue"]);
    assert_eq!(ended.summary()["outcome"], "published");
    assert_eq!((&ended.summary()["connections"], &ended.summary()["api_calls"]), (&json!(3), &json!(5)));
    assert!(ended.file.is_none() && ended.summary().get("file").is_none(), "{}", ended.stderr);

    // Nothing has changed: it is read, and not written. --create finds it there.
    for again in [creator(&aws), publisher(&aws, &[])] {
        aws.reset_calls();
        let ended = again.go().code(0);
        assert_eq!(ended.summary()["outcome"], "unchanged");
        assert_eq!(operations(&aws).len(), 2, "{:?}", operations(&aws));
    }
    // One goes, one comes.
    aws.extend(Scenario::new().secret(SHARED, REGION, &format!("{PREFIX}c"), "http://h").without_secret(
        SHARED,
        REGION,
        &format!("{PREFIX}a"),
    ))
    .unwrap();
    let ended = publisher(&aws, &[]).go().code(0);
    assert!(ended.stdout.contains("+ conn_id c\n- conn_id a\n"), "{}", ended.stdout);
    assert_eq!(ids(&aws), ["b", "c"]);
}

#[test]
fn variables_are_published_where_their_prefix_is_set_and_filters_narrow_connections() {
    let scenario = with(&["core_a", "core_b", "other"])
        .secret(SHARED, REGION, "airflow/variables/v", "1")
        .secret(SHARED, REGION, "airflow/config/c", "1")
        .secret(SHARED, REGION, "airflow/connections_old/x", "http://h");
    let aws = FakeAws::start(scenario);
    creator(&aws).var("SECRETS_INIT_INCLUDE", "core_*").var("SECRETS_INIT_EXCLUDE", "*_b").go().code(0);
    let document: Value = serde_json::from_str(&index(&aws).unwrap()).unwrap();
    assert_eq!(document, json!({"version": 1, "connections": {"prefix": PREFIX, "ids": ["core_a"]}}));
    // Another consumer, another index.
    let kwargs = r#"{"connections_prefix": "airflow/connections", "variables_prefix": "airflow/variables", "config_prefix": "airflow/config"}"#;
    creator(&aws).kwargs(kwargs).var("SECRETS_INIT_INDEX", "airflow/other").go().code(0);
    let document: Value = serde_json::from_str(&aws.text_of(SHARED, REGION, "airflow/other").unwrap()).unwrap();
    assert_eq!(document["variables"], json!({"prefix": "airflow/variables/", "ids": ["v"]}));
    assert_eq!(document["config"]["ids"], json!(["c"]));
    assert_eq!(document["connections"]["ids"], json!(["core_a", "core_b", "other"]));
}

/// Every consumer names the prefix of its index: a misspelt one would stop them all.
#[test]
fn an_index_is_not_replaced_by_names_of_another_prefix() {
    let aws = FakeAws::start(with(&["a"]).secret(SHARED, REGION, "airflow/other/x", "http://h"));
    creator(&aws).go().code(0);
    let before = index(&aws);
    let wrong = publisher(&aws, &[]).kwargs(r#"{"connections_prefix": "airflow/other"}"#);
    wrong.go().code(78).says("publish another index");
    assert_eq!(index(&aws), before);
}

/// An index under the prefix is no connection, by its name or by its ARN; ids of teams are ids like others.
#[test]
fn the_index_does_not_name_itself() {
    let name = format!("{PREFIX}index");
    let all = Principal::new(PUBLISHER_KEY, PUBLISHER).can(Statement::allow(["*"]));
    let aws = FakeAws::start(with(&["a", "team_a--x"]).principal(all.clone()));
    creator(&aws).var("SECRETS_INIT_INDEX", &name).go().code(0);
    let by_arn = secret_arn(SHARED, REGION, &name);
    aws.extend(with(&["b"]).principal(all)).unwrap();
    publisher(&aws, &[]).var("SECRETS_INIT_INDEX", &by_arn).var("SECRETS_INIT_TEAM", "team_a").go().code(0);
    let document: Value = serde_json::from_str(&aws.text_of(SHARED, REGION, &name).unwrap()).unwrap();
    assert_eq!(document["connections"]["ids"], json!(["a", "b", "team_a--x"]));
}

#[test]
fn a_dry_run_shows_the_difference_and_writes_nothing() {
    let aws = FakeAws::start(holds(with(&["a", "new"]), r#"["a", "old"]"#));
    let ended = publisher(&aws, &["--dry-run"]).go().code(1);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines[1..], ["+ conn_id new", "- conn_id old"]);
    assert!(
        lines[0].starts_with("index airflow/index: 2 connections; ") && lines[0].ends_with("; different"),
        "{lines:?}"
    );
    let ended = publisher(&aws, &["--dry-run", "--output", "json"]).go().code(1);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&document["command"], &document["outcome"]), (&json!("publish-index"), &json!("different")));
    let changes = json!({"names": 2, "added": ["new"], "removed": ["old"], "replaced": []});
    assert_eq!((&document["connections"], &document["variables"]), (&changes, &Value::Null));
    assert_eq!(index(&aws).unwrap(), r#"["a", "old"]"#);
    // What is not there yet would be made.
    let aws = FakeAws::start(with(&["a"]));
    let ended = creator(&aws).arg("--dry-run").go().code(1);
    assert!(ended.stdout.contains("+ conn_id a") && index(&aws).is_none(), "{}", ended.stdout);
    creator(&aws).go().code(0);
    let ended = publisher(&aws, &["--dry-run"]).go().code(0);
    assert!(ended.stdout.ends_with("same\n"), "{}", ended.stdout);
    // A secret that is made anew has another ARN.
    let name = format!("{PREFIX}my-secret");
    let made = |suffix: &str| Scenario::new().secret(SHARED, REGION, &name, Secret::text("x").suffix(suffix));
    aws.extend(made("AAAAAA")).unwrap();
    publisher(&aws, &[]).go().code(0);
    aws.extend(made("BBBBBB")).unwrap();
    assert!(publisher(&aws, &[]).go().code(0).stdout.ends_with("\n~ conn_id my-secret\n"));
}

/// Each writes a whole document, so one of the two is there in the end.
#[test]
fn two_publishers_at_once_end_in_one_of_the_two_whole_documents() {
    let aws = FakeAws::start(
        holds(with(&["a1", "a2", "b1", "b2", "b3"]), "[]").fault(Fault::on("PutSecretValue").together(2)),
    );
    let mut runs = ["a*", "b*"].map(|glob| {
        let run = publisher(&aws, &[]).var("SECRETS_INIT_INCLUDE", glob);
        (run.command().spawn().unwrap(), run)
    });
    wait_until("both write", || aws.count("PutSecretValue") == 2);
    for (child, _) in &mut runs {
        assert!(child.wait().unwrap().success());
    }
    let there = ids(&aws);
    assert!(there == ["a1", "a2"] || there == ["b1", "b2", "b3"], "{there:?}");
}

// ---- what is not -----------------------------------------------------------------------------------------------

#[test]
fn no_failure_and_no_empty_account_shrinks_an_index() {
    let before = r#"{"version":1,"connections":{"prefix":"airflow/connections/","ids":["a"]}}"#;
    let unharmed = |aws: &FakeAws, ended: Ended, code, words: &str| {
        ended.code(code).says(words);
        assert_eq!(index(aws).as_deref(), Some(before));
        assert_eq!(aws.count("PutSecretValue"), 0);
    };
    let many: Vec<String> = (0..250).map(|number| format!("c{number:03}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();

    let aws = FakeAws::start(holds(scenario(), before));
    unharmed(&aws, publisher(&aws, &[]).go(), 66, "the index is left as it is");
    // Filters that take nothing look the same.
    let aws = FakeAws::start(holds(with(&["a"]), before));
    unharmed(&aws, publisher(&aws, &[]).var("SECRETS_INIT_INCLUDE", "zz*").go(), 66, "that the filters take");
    // A listing that is cut short: the second page and all after it fail.
    for (fault, code, words) in [
        (Fault::on("ListSecrets").skip(1).error(400, "AccessDeniedException", "no"), 77, "secretsmanager:ListSecrets"),
        (
            Fault::on("ListSecrets").skip(1).error(400, "InvalidNextTokenException", "no"),
            78,
            "InvalidNextTokenException",
        ),
        (Fault::on("GetSecretValue").error(400, "AccessDeniedException", "no"), 77, "secretsmanager:GetSecretValue"),
    ] {
        let aws = FakeAws::start(holds(with(&many), before).fault(fault));
        unharmed(&aws, publisher(&aws, &[]).go(), code, words);
    }
    let aws = FakeAws::start(holds(with(&many), before).fault(Fault::on("ListSecrets").skip(2).throttled()));
    unharmed(&aws, publisher(&aws, &[]).var("SECRETS_INIT_DEADLINE", "2s").go(), 75, "before the index was published");
    // Where nothing is right, the operator says so; then what is written is an index of nothing.
    let aws = FakeAws::start(holds(scenario(), before));
    publisher(&aws, &[]).var("SECRETS_INIT_ON_EMPTY", "warn").go().code(0).says("has no connection under");
    assert!(ids(&aws).is_empty());
}

/// One of two kinds that had names and has none any more.
#[test]
fn a_kind_that_loses_all_its_names_is_an_error_too() {
    let kwargs = r#"{"connections_prefix": "airflow/connections", "variables_prefix": "airflow/variables"}"#;
    let aws = FakeAws::start(with(&["a"]).secret(SHARED, REGION, "airflow/variables/v", "1"));
    creator(&aws).kwargs(kwargs).go().code(0);
    aws.extend(Scenario::new().without_secret(SHARED, REGION, "airflow/variables/v")).unwrap();
    publisher(&aws, &[]).kwargs(kwargs).go().code(66).says("the account has no variable under");
    publisher(&aws, &[]).kwargs(kwargs).var("SECRETS_INIT_ON_EMPTY", "ignore").go().code(0);
    // That it has none is nothing new then, and a kind that is not published any more is the operator's choice.
    publisher(&aws, &[]).kwargs(kwargs).go().code(0);
    publisher(&aws, &[]).go().code(0);
}

/// A name that is meant to be the index and is another secret's.
#[test]
fn a_secret_that_is_no_index_is_left_as_it_is() {
    for (secret, code, words) in [
        (Secret::text("postgres://u:canary@h/db"), 65, "the secret is left as it is: it is not JSON"),
        (Secret::text(r#"{"password": "canary"}"#), 65, "the secret is left as it is: it must be"),
        (Secret::text(r#"{"version": 9}"#), 65, "of another version"),
        (Secret::binary("canary"), 65, "it is binary"),
        (Secret::text("[]").pending_deletion(), 66, "marked for deletion"),
    ] {
        let aws = FakeAws::start(with(&["a"]).secret(SHARED, REGION, INDEX, secret));
        let ended = creator(&aws).go().code(code).says(words);
        assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
        assert_eq!(operations(&aws).len(), 2, "{:?}", operations(&aws));
    }
    let aws = FakeAws::start(with(&["a"]));
    publisher(&aws, &[]).go().code(66).says("publish-index --create makes it");
}

/// Until it has its policy an index has no value, and a run that is cut off there is finished by the next one.
#[test]
fn what_creates_an_index_and_is_cut_off_is_finished_by_the_next_run() {
    let denied = |operation| Fault::on(operation).error(400, "AccessDeniedException", "no");
    let aws = FakeAws::start(with(&["a"]).fault(denied("PutResourcePolicy")));
    creator(&aws).go().code(77).says("secretsmanager:PutResourcePolicy");
    assert_eq!((index(&aws), aws.count("CreateSecret")), (None, 1));
    publisher(&aws, &[]).go().code(66).says("none with a current value");
    aws.clear_faults();
    aws.reset_calls();
    creator(&aws).go().code(0);
    assert_eq!((ids(&aws), aws.count("PutResourcePolicy")), (vec!["a".to_owned()], 1));
    // Others: what AWS does not take, and a policy that opens the secret to all.
    let aws = FakeAws::start(with(&["a"]).fault(denied("CreateSecret")));
    creator(&aws).go().code(77).says("secretsmanager:CreateSecret");
    let aws = FakeAws::start(holds(with(&["a"]), "[]").fault(denied("PutSecretValue")));
    creator(&aws).go().code(77).says("secretsmanager:PutSecretValue");
    assert_eq!(index(&aws).unwrap(), "[]");
}

/// An answer that is lost is no second version: AWS knows the token of the first.
#[test]
fn a_write_that_is_tried_again_is_the_same_write() {
    let aws = FakeAws::start(holds(with(&["a"]), "[]").fault(Fault::on("PutSecretValue").times(1).error(
        500,
        "InternalServiceError",
        "x",
    )));
    publisher(&aws, &[]).go().code(0);
    assert_eq!((ids(&aws), aws.count("PutSecretValue")), (vec!["a".to_owned()], 2));
}

#[test]
fn what_does_not_fit_is_an_error_that_says_how_to_split_and_the_parts_are_all() {
    let many: Vec<String> = (0..2_100).map(|number| format!("{number:030}")).collect();
    let aws = FakeAws::start(with(&many.iter().map(String::as_str).collect::<Vec<_>>()));
    creator(&aws).go().code(65).says("2100 connections do not fit into one secret").says("shared_index takes");
    assert_eq!((index(&aws), aws.count("CreateSecret")), (None, 0));
    let mut all = Vec::new();
    for (name, setting) in [("airflow/one", "SECRETS_INIT_INCLUDE"), ("airflow/two", "SECRETS_INIT_EXCLUDE")] {
        creator(&aws).var("SECRETS_INIT_INDEX", name).var(setting, "*1???").go().code(0);
        let document: Value = serde_json::from_str(&aws.text_of(SHARED, REGION, name).unwrap()).unwrap();
        all.extend(serde_json::from_value::<Vec<String>>(document["connections"]["ids"].clone()).unwrap());
    }
    all.sort();
    assert_eq!(all, many);
}

#[test]
fn every_mistake_in_the_settings_is_reported_in_one_run() {
    let run = || Run::new().var("AWS_REGION", REGION).arg("publish-index");
    let wrong = run().kwargs(r#"{"shared_account": "222222222222"}"#).var("SECRETS_INIT_CONN_IDS", "a");
    let ended = wrong.var("SECRETS_INIT_REFRESH", "5m").go().code(78).says("SECRETS_INIT_REFRESH: is of render alone");
    let ended = ended.says("SECRETS_INIT_INDEX: is not set").says("backend_kwargs: name a shared account");
    ended.says("SECRETS_INIT_CONN_IDS: reads by name");
    let ended = run().kwargs("{}").arg("--create").var("SECRETS_INIT_INDEX", "i").go().code(78);
    ended.says("SECRETS_INIT_INDEX_KMS_KEY: is not set").says("SECRETS_INIT_INDEX_READERS: is not set");
    let by_arn = run().kwargs("{}").arg("--create").var("SECRETS_INIT_INDEX", &secret_arn(SHARED, REGION, "i"));
    by_arn.go().code(78).says("is an ARN; --create needs the name");
    let wrong = run().kwargs("{}").var("SECRETS_INIT_INDEX", "a b").var("SECRETS_INIT_INDEX_KMS_KEY", "alias/x");
    let ended = wrong.var("SECRETS_INIT_INDEX_READERS", "111111111111,o-x,12").go().code(78);
    let ended =
        ended.says("neither a secret's name nor").says("is not a key's ARN").says("INDEX_READERS: item 2 is neither");
    ended.says("INDEX_READERS: item 3 is neither");
    run()
        .kwargs("{}")
        .var("SECRETS_INIT_INDEX_READERS", ",")
        .go()
        .code(78)
        .says("INDEX_READERS: is set but names nobody");
    let without = Run::new().var("AWS_REGION", REGION).kwargs("{}").var("SECRETS_INIT_INDEX_KMS_KEY", KEY);
    without.go().code(78).says("SECRETS_INIT_INDEX_KMS_KEY: needs SECRETS_INIT_INDEX beside it");
    // A file is no place for it, and the other commands have no use for it.
    let on_file = Run::on_document("own: {}").arg("publish-index").var("SECRETS_INIT_INDEX", "i");
    on_file.go().code(78).says("an index is a secret in AWS");
    for command in ["render", "check", "diff"] {
        let run = Run::on_document("own: {airflow/connections/a: http://h}").arg(command);
        run.var("SECRETS_INIT_INDEX", "i").go().code(78).says("shared_index");
    }
    let off = run().kwargs(r#"{"connections_prefix": null}"#).var("SECRETS_INIT_INDEX", "i");
    off.var("AWS_ACCESS_KEY_ID", "x").var("AWS_SECRET_ACCESS_KEY", "x").go().code(78).says("nothing is published");
}

// ---- who reads it ----------------------------------------------------------------------------------------------

/// The policy that --create puts in place opens the index to accounts and to an organisation, and to nobody else.
#[test]
fn the_policy_of_a_new_index_lets_its_readers_in_and_nobody_else() {
    for (readers, members, code) in [
        (OWN, None, 0),
        ("333333333333", None, 77),
        (ORGANIZATION, Some(OWN), 0),
        (ORGANIZATION, None, 77),
        ("333333333333,o-a1b2c3d4e5", Some(OWN), 0),
    ] {
        let pod = Principal::new(POD_KEY, POD).can(Statement::allow(["*"]));
        let connection =
            Secret::text("http://shared").readable_by(OWN).kms(Kms::customer(KEY).admit(OWN).admit(SHARED));
        let members: Vec<&str> = members.into_iter().collect();
        let scenario = scenario().principal(pod).organization(ORGANIZATION, members).secret(
            SHARED,
            REGION,
            &format!("{PREFIX}my-secret"),
            connection,
        );
        let aws = FakeAws::start(scenario);
        creator(&aws).var("SECRETS_INIT_INDEX_READERS", readers).go().code(0);
        let kwargs = json!({"shared_account": SHARED, "shared_index": INDEX});
        let run = Run::on_aws(&aws.endpoint(), &kwargs.to_string());
        let ended = run.var("AWS_ACCESS_KEY_ID", POD_KEY).var("AWS_SECRET_ACCESS_KEY", "secret").go().code(code);
        assert_eq!(ended.file.is_some(), code == 0, "{readers}");
    }
}
