//! The program against the fake AWS: every way to the own and the shared account, who wins, what is denied, and how many
//! calls it takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::time::Duration;

use common::accounts::{OWN, POD, POD_KEY, PREFIX, READER, REGION, SHARED, WITH_ROLE};
use common::{Ended, FAR, Run, wait_until};
use fake_aws::{
    ContainerCredentials, CrossAccountMissing, FakeAws, Fault, FaultEffect, Imds, Kms, Principal, Role, Scenario,
    Secret, Statement, WebIdentityToken,
};

/// A run whose endpoint is the fake, as the pod's identity.
fn run(aws: &FakeAws, kwargs: &str) -> Run {
    run_without_keys(aws, kwargs).var("AWS_ACCESS_KEY_ID", POD_KEY).var("AWS_SECRET_ACCESS_KEY", "secret")
}

fn run_without_keys(aws: &FakeAws, kwargs: &str) -> Run {
    Run::on_aws(&aws.endpoint(), kwargs)
}

/// The pod may list and read its own connections and take the reader's role.
fn pod() -> Principal {
    Principal::new(POD_KEY, POD)
        .can_all(Statement::secrets_reader(OWN, REGION, PREFIX))
        .can(Statement::allow(["sts:AssumeRole"]))
}

/// The role in the shared account, trusted by the pod.
fn reader() -> Role {
    Role::new(READER).trust(POD).can_all(Statement::secrets_reader(SHARED, REGION, PREFIX))
}

fn scenario() -> Scenario {
    Scenario::new().principal(pod()).role(reader())
}

fn uri(host: &str) -> String {
    format!("mysql://u:p@{host}/db")
}

trait More {
    fn own(self, conn_id: &str, secret: impl Into<Secret>) -> Self;
    fn shared(self, conn_id: &str, secret: impl Into<Secret>) -> Self;
    fn owns(self, count: usize) -> Self;
}

impl More for Scenario {
    fn own(self, conn_id: &str, secret: impl Into<Secret>) -> Self {
        self.secret(OWN, REGION, &format!("{PREFIX}{conn_id}"), secret)
    }

    fn shared(self, conn_id: &str, secret: impl Into<Secret>) -> Self {
        self.secret(SHARED, REGION, &format!("{PREFIX}{conn_id}"), secret)
    }

    /// `n000`, `n001`, ...
    fn owns(self, count: usize) -> Self {
        (0..count).fold(self, |all, i| all.own(&format!("n{i:03}"), uri(&format!("h{i}"))))
    }
}

/// `conn_id=host` of everything in the file.
fn hosts(ended: &Ended) -> Vec<String> {
    ended.connections().iter().map(|(id, c)| format!("{id}={}", c["host"].as_str().unwrap_or("-"))).collect()
}

// ---- the own account -------------------------------------------------------------------------------------------

#[test]
fn the_own_account_is_listed_and_read_in_twenties() {
    let scenario = scenario().owns(45);
    let scenario = scenario.secret(OWN, REGION, "airflow/connections_old/x", uri("old")).secret(
        OWN,
        REGION,
        "airflow/connections",
        uri("bare"),
    );
    let aws = FakeAws::start(scenario);
    let ended = run(&aws, "{}").go().code(0);
    assert_eq!(ended.conn_ids().len(), 45);
    assert_eq!((aws.count("ListSecrets"), aws.count("BatchGetSecretValue"), aws.count("GetSecretValue")), (1, 3, 0));
    assert_eq!(ended.summary()["api_calls"], 4);
    assert!(aws.calls_of("BatchGetSecretValue").iter().all(|call| call.ids.iter().all(|id| id.starts_with("arn:"))));
}

#[test]
fn pages_may_be_short_empty_and_repeat_themselves() {
    let scenario = scenario().owns(57).settings(|settings| {
        settings.list_page_cap = Some(10);
        settings.empty_page_every = Some(2);
        settings.repeat_across_pages = Some(true);
        settings.trailing_empty_page = Some(true);
    });
    let aws = FakeAws::start(scenario);
    let ended = run(&aws, "{}").go().code(0);
    assert_eq!(ended.conn_ids().len(), 57);
    assert_eq!(aws.count("BatchGetSecretValue"), 3, "every secret is asked for once");
}

#[test]
fn single_reads_stay_within_the_concurrency() {
    let scenario = scenario().owns(30).fault(Fault::on("GetSecretValue").together(4));
    let aws = FakeAws::start(scenario);
    let ended = run(&aws, "{}").var("SECRETS_INIT_FETCH", "single").var("SECRETS_INIT_CONCURRENCY", "4").go().code(0);
    assert_eq!(ended.conn_ids().len(), 30);
    assert_eq!((aws.count("BatchGetSecretValue"), aws.count("GetSecretValue")), (0, 30));
    assert_eq!(aws.stats().max_in_flight_by_operation["GetSecretValue"], 4);
}

#[test]
fn prefix_separator_and_pattern_decide_what_is_a_connection() {
    let scenario = Scenario::new()
        .secret(OWN, REGION, "team-conns-db_a", uri("a"))
        .secret(OWN, REGION, "team-conns-other", uri("b"))
        .secret(OWN, REGION, "team-connsx", uri("c"));
    let aws = FakeAws::start(scenario);
    let kwargs = r#"{"connections_prefix": "team-conns-", "sep": "-", "connections_lookup_pattern": "DB_"}"#;
    let ended = run(&aws, kwargs).var("AWS_ACCESS_KEY_ID", OWN).go().code(0);
    assert_eq!(hosts(&ended), ["db_a=a"]);
    assert_eq!(aws.calls_of("BatchGetSecretValue").len() + aws.calls_of("GetSecretValue").len(), 1);
    let everything = run(&aws, r#"{"connections_prefix": ""}"#).var("AWS_ACCESS_KEY_ID", OWN).go().code(0);
    assert_eq!(everything.conn_ids(), ["team-conns-db_a", "team-conns-other", "team-connsx"]);
}

#[test]
fn what_is_not_there_is_told_from_what_may_not_be_read() {
    let scenario = scenario()
        .own("ok", uri("ok"))
        .own("binary", Secret::binary(*b"mysql://u:p@binary/db"))
        .own("no_value", Secret::no_value())
        .own("gone", Secret::text(uri("x")).listed_but_gone())
        .own("deleted", Secret::text(uri("x")).pending_deletion().still_listed())
        .own("broken_key", Secret::text(uri("x")).decryption_failure())
        .own("own_key", Secret::text(uri("x")).kms(Kms::customer("arn:aws:kms:eu-central-1:111111111111:key/k")))
        .own("denied", Secret::text(uri("x")).policy(Statement::deny(["secretsmanager:GetSecretValue"]).to([POD])));
    // All but `ok` stand in the shared account too: only what is not there may come from it.
    let scenario = ["binary", "no_value", "gone", "deleted", "broken_key", "own_key", "denied"]
        .iter()
        .fold(scenario, |all, id| all.shared(id, uri("shared")));
    let aws = FakeAws::start(scenario);
    for fetch in ["batch", "single"] {
        let ended = run(&aws, WITH_ROLE).var("SECRETS_INIT_FETCH", fetch).go().code(0);
        let expected = ["binary=shared", "deleted=shared", "gone=shared", "no_value=shared", "ok=ok"];
        assert_eq!(hosts(&ended), expected, "{fetch}: {}", ended.stderr);
        assert_eq!(ended.summary()["denied"], 3);
        for (conn_id, words) in [
            ("broken_key", "DecryptionFailure"),
            ("own_key", "Access to KMS is not allowed"),
            ("denied", "is not authorized to perform: secretsmanager:GetSecretValue"),
        ] {
            let line = ended
                .stderr
                .lines()
                .find(|line| line.contains(&format!("conn_id {conn_id} (own account) can't be read")));
            assert!(line.is_some_and(|line| line.contains(words)), "{conn_id}: {}", ended.stderr);
        }
        run(&aws, WITH_ROLE).var("SECRETS_INIT_FETCH", fetch).var("SECRETS_INIT_ON_DENIED", "error").go().code(77);
    }
}

/// May list and read, but not in batches.
fn single_only() -> Principal {
    Principal::new(POD_KEY, POD)
        .can(Statement::allow(["secretsmanager:ListSecrets"]))
        .can(Statement::allow(["secretsmanager:GetSecretValue"]))
}

#[test]
fn a_batch_that_may_not_be_made_is_read_one_by_one() {
    let aws = FakeAws::start(Scenario::new().principal(single_only()).owns(50));
    aws.add_fault(Fault::on("GetSecretValue").together(2));
    let ended = run(&aws, "{}").var("SECRETS_INIT_CONCURRENCY", "2").go().code(0);
    assert_eq!(ended.conn_ids().len(), 50);
    assert!(aws.count("BatchGetSecretValue") <= 2, "once it is known, no further batch is tried");
    assert_eq!(
        (aws.count("GetSecretValue"), aws.stats().max_in_flight),
        (50, 2),
        "batches and single reads share the limit"
    );
}

#[test]
fn a_vpc_endpoint_that_denies_one_secret_costs_that_one_alone() {
    let scenario = scenario().owns(25).settings(|settings| settings.vpc_endpoint_denies("*n007-*"));
    let aws = FakeAws::start(scenario);
    let ended = run(&aws, "{}").go().code(0).says("conn_id n007");
    assert_eq!((ended.conn_ids().len(), ended.summary()["denied"].as_u64()), (24, Some(1)));
}

#[test]
fn what_a_batch_leaves_open_is_asked_for_again() {
    let scenario = scenario()
        .owns(20)
        .fault(Fault::on("BatchGetSecretValue").secret("*n003-*").id_missing())
        .fault(Fault::on("BatchGetSecretValue").secret("*n004-*").id_error("ThrottlingException", "Rate exceeded"))
        .fault(Fault::on("BatchGetSecretValue").secret("*n005-*").id_error("InternalServiceError", "x"));
    let aws = FakeAws::start(scenario);
    assert_eq!(run(&aws, "{}").go().code(0).conn_ids().len(), 20);
    assert_eq!(aws.count("GetSecretValue"), 3);
}

// ---- how many calls, and what stands in for a call that is refused ---------------------------------------------

fn calls(aws: &FakeAws) -> (u64, u64, u64) {
    (aws.count("ListSecrets"), aws.count("BatchGetSecretValue"), aws.count("GetSecretValue"))
}

#[test]
fn no_call_is_made_that_is_not_needed() {
    // 1,000 counted names take twelve list calls side by side instead of ten one after another.
    for (count, lists, batches, singles) in
        [(0, 1, 1, 0), (10, 1, 1, 0), (20, 1, 1, 0), (21, 1, 1, 1), (22, 1, 2, 0), (100, 1, 5, 0), (1000, 12, 50, 0)]
    {
        let aws = FakeAws::start(scenario().owns(count));
        let ended = run(&aws, "{}").var("SECRETS_INIT_ON_EMPTY", "ignore").go().code(0);
        assert_eq!((ended.conn_ids().len(), calls(&aws)), (count, (lists, batches, singles)), "{count} secrets");
        assert_eq!(ended.summary()["api_calls"], lists + batches + singles, "{count} secrets");
        assert_eq!(aws.stats().calls, lists + batches + singles, "nothing else is asked of AWS");
    }
}

#[test]
fn what_is_not_wanted_is_not_read() {
    let aws = FakeAws::start(scenario().owns(30));
    let ended = run(&aws, "{}").var("SECRETS_INIT_INCLUDE", "n00*").go().code(0);
    assert_eq!((ended.conn_ids().len(), calls(&aws)), (10, (1, 1, 0)));
    let asked: Vec<String> = aws.calls_of("BatchGetSecretValue").into_iter().flat_map(|call| call.ids).collect();
    assert!(asked.len() == 10 && asked.iter().all(|id| id.contains("/n00")), "{asked:?}");
}

#[test]
fn a_throttled_batch_goes_out_as_single_reads_and_batches_are_left_alone() {
    let aws = FakeAws::start(scenario().owns(100).fault(Fault::on("BatchGetSecretValue").throttled()));
    let ended = run(&aws, "{}").go().code(0);
    assert_eq!((ended.conn_ids().len(), calls(&aws)), (100, (1, 1, 100)));
    let patient = FakeAws::start(scenario().owns(40).fault(Fault::on("BatchGetSecretValue").times(2).throttled()));
    run(&patient, "{}").var("SECRETS_INIT_FETCH", "batch").go().code(0);
    assert_eq!(calls(&patient), (1, 4, 0), "`batch` waits for batches");
}

#[test]
fn a_permission_that_would_make_it_faster_is_named_in_one_line() {
    let aws = FakeAws::start(Scenario::new().principal(single_only()).owns(100));
    let ended = run(&aws, "{}").go().code(0).says("allow secretsmanager:BatchGetSecretValue on resource *");
    assert_eq!((ended.stderr.lines().count(), calls(&aws)), (2, (1, 1, 100)));
}

/// Twenty of many are no answer, and none is no account that is empty.
#[test]
fn a_listing_that_lacks_what_a_batch_has_found_is_an_error() {
    let lists = |body: &str| Fault::on("ListSecrets").times(1).body(200, "application/x-amz-json-1.1", body);
    for body in [r#"{"SecretList": []}"#, r#"{"SecretList": [{}]}"#] {
        let aws = FakeAws::start(scenario().owns(50).fault(lists(body)));
        let ended =
            run(&aws, "{}").go().code(69).says("the listing names fewer secrets than a batch of the same prefix");
        assert_eq!(ended.file, None);
    }
    // With room for all in the batch, that is all that there is: a listing lags by minutes.
    let aws = FakeAws::start(scenario().owns(10).fault(lists(r#"{"SecretList": []}"#)));
    assert_eq!(run(&aws, "{}").go().code(0).conn_ids().len(), 10);
}

#[test]
fn explicit_ids_need_no_listing() {
    let no_list = Principal::new(POD_KEY, POD)
        .can(Statement::allow(["secretsmanager:BatchGetSecretValue"]))
        .can(Statement::allow(["secretsmanager:GetSecretValue"]));
    let aws = FakeAws::start(Scenario::new().principal(no_list).owns(100));
    let ids: Vec<String> = (0..100).map(|number| format!("n{number:03}")).collect();
    let ended = run(&aws, "{}").var("SECRETS_INIT_CONN_IDS", &ids.join(",")).go().code(0);
    assert_eq!((ended.conn_ids().len(), calls(&aws)), (100, (0, 5, 0)));
}

#[test]
fn a_vpc_endpoint_or_one_denied_secret_costs_its_own_batch_alone() {
    let scenario_of = |count| scenario().owns(count);
    let aws = FakeAws::start(scenario_of(300).settings(|settings| settings.vpc_endpoint_denies("*n007-*")));
    let ended = run(&aws, "{}").go().code(0);
    assert_eq!((ended.conn_ids().len(), ended.summary()["denied"].as_u64()), (299, Some(1)));
    assert!(aws.count("GetSecretValue") <= 20, "{} single reads", aws.count("GetSecretValue"));
    let denied = Secret::text(uri("x")).policy(Statement::deny(["secretsmanager:GetSecretValue"]).to([POD]));
    let aws =
        FakeAws::start(scenario_of(300).own("n007", denied).own("n008", Secret::text(uri("x")).decryption_failure()));
    let ended = run(&aws, "{}").go().code(0);
    assert_eq!((ended.conn_ids().len(), ended.summary()["denied"].as_u64()), (298, Some(2)));
    assert_eq!(
        (aws.count("BatchGetSecretValue"), aws.count("GetSecretValue")),
        (15, 0),
        "its errors stand in the batch"
    );
}

#[test]
fn a_stalled_connection_costs_seconds_and_not_the_run() {
    let aws = FakeAws::start(scenario().owns(45).fault(Fault::on("BatchGetSecretValue").times(1).hang()));
    let ended = run(&aws, "{}").go().code(0);
    assert_eq!(ended.conn_ids().len(), 45);
}

#[test]
fn a_first_batch_that_is_slow_is_left_and_gives_its_turn_back() {
    for limit in ["1", "2", "40"] {
        let slow = Fault::on("BatchGetSecretValue").times(1).latency(Duration::from_secs(3));
        let aws = FakeAws::start(scenario().owns(45).fault(slow));
        let run = run(&aws, "{}").var("SECRETS_INIT_CONCURRENCY", limit);
        assert_eq!(run.go().code(0).conn_ids().len(), 45, "{limit}");
    }
}

#[test]
fn values_are_read_while_others_are_waited_for() {
    let slow = Fault::on("BatchGetSecretValue").secret("*n050*").times(1).latency(Duration::from_secs(3));
    let other = r#"{"conn_type": "x", "benutzer": "a%20b"}"#;
    let aws = FakeAws::start(scenario().owns(99).own("other", other).fault(slow));
    let kwargs = r#"{"extra_conn_words": {"login": ["benutzer"]}, "are_secret_values_urlencoded": true}"#;
    let run = run(&aws, kwargs).var("SECRETS_INIT_AIRFLOW_VERSION", "2");
    let ended = run.var("SECRETS_INIT_LOG", "debug").go().code(0);
    assert_eq!((ended.conn_ids().len(), &ended.connections()["other"]["login"]), (100, &"a b".into()));
    let line = ended.stderr.lines().find(|line| line.contains("enumerated")).unwrap();
    let ahead = line.split_once("\"read_ahead\":").unwrap().1.split(',').next().unwrap();
    assert!((20..100).contains(&ahead.parse::<usize>().unwrap()), "{line}");
}

#[test]
fn connections_are_opened_ahead_and_never_more_than_allowed() {
    for limit in ["1", "3", "40"] {
        let aws = FakeAws::start(scenario().owns(300));
        let ended = run(&aws, "{}").var("SECRETS_INIT_CONCURRENCY", limit).go().code(0);
        assert_eq!(ended.conn_ids().len(), 300);
        let opened = aws.stats().connections_opened;
        assert!(opened <= limit.parse().unwrap(), "{opened} connections of {limit}");
    }
}

#[test]
fn what_opens_a_connection_is_not_sent_where_one_stands_idle() {
    // Few are wanted, so that connections stand idle when the list turns out to be long.
    let aws = FakeAws::start(scenario().owns(300));
    let ended = run(&aws, "{}").var("SECRETS_INIT_INCLUDE", "*7").go().code(0);
    assert_eq!((ended.conn_ids().len(), aws.stats().elsewhere), (30, 0));
}

#[test]
fn connections_stand_before_the_credentials_are_there() {
    let scenario = scenario()
        .role(
            Role::new(POD)
                .can_all(Statement::secrets_reader(OWN, REGION, PREFIX))
                .can(Statement::allow(["sts:AssumeRole"])),
        )
        .container_credentials(ContainerCredentials::for_role("/creds/pod", POD))
        .own("a", uri("own"))
        .shared("b", uri("shared"))
        .fault(Fault::on("ContainerCredentials").held());
    let aws = FakeAws::start(scenario);
    // Another host name, so that STS is an endpoint of its own, as at AWS.
    let sts = aws.endpoint().replace("127.0.0.1", "localhost");
    let run = run_without_keys(&aws, WITH_ROLE)
        .var("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/creds/pod", aws.endpoint()))
        .var("AWS_ENDPOINT_URL_STS", &sts);
    let child = run.command().spawn().unwrap();
    // One for the credentials, four to Secrets Manager, one to STS; asked for is nothing but the credentials.
    wait_until("six connections", || aws.stats().connections_opened >= 6);
    assert_eq!(calls(&aws), (0, 0, 0), "they were opened while the credentials were waited for");
    aws.clear_faults();
    let ended = run.ended(&child.wait_with_output().unwrap()).code(0);
    assert_eq!((hosts(&ended), aws.count("GetCallerIdentity")), (vec!["a=own".to_owned(), "b=shared".to_owned()], 0));
}

#[test]
fn pages_quirks_and_faults_of_every_kind_give_the_same_set() {
    for seed in 0_u64..24 {
        let count = [7, 20, 45, 100, 150, 260, 1005][usize::try_from(seed).unwrap() % 7];
        let scenario = scenario().owns(count).settings(|settings| {
            settings.seed = Some(seed);
            settings.shuffle_seed = Some(seed + 1);
            settings.list_page_cap =
                [None, Some(13), Some(100), Some(1)][usize::try_from(seed).unwrap() % 4].filter(|_| count < 200);
            settings.batch_page_cap = [None, Some(3)][usize::try_from(seed).unwrap() % 2];
            settings.empty_page_every = (seed % 3 == 0).then_some(2);
            settings.repeat_across_pages = Some(seed % 5 == 0);
            settings.trailing_empty_page = Some(seed % 2 == 1);
        });
        let scenario =
            ["ListSecrets", "BatchGetSecretValue", "GetSecretValue"].into_iter().fold(scenario, |all, operation| {
                let throttled = Fault::on(operation).probability(0.15).throttled();
                let broken = Fault::on(operation).probability(0.05).reset();
                let cut = Fault::on(operation).probability(0.05).effect(FaultEffect::TruncateBody);
                all.fault(throttled).fault(broken).fault(cut)
            });
        let aws = FakeAws::start(scenario);
        let ended = run(&aws, "{}").go();
        assert_eq!((ended.code, ended.conn_ids().len()), (0, count), "seed {seed}: {}", ended.stderr);
    }
}

// ---- the shared account ----------------------------------------------------------------------------------------

#[test]
fn own_wins_over_shared_through_a_role_side_by_side() {
    let scenario = scenario()
        .own("a", uri("own"))
        .own("both", uri("own"))
        .shared("both", uri("shared"))
        .shared("c", uri("shared"))
        .fault(Fault::on("ListSecrets").together(2));
    let aws = FakeAws::start(scenario);
    let ended = run(&aws, WITH_ROLE).go().code(0);
    assert_eq!(hosts(&ended), ["a=own", "both=own", "c=shared"]);
    let summary = ended.summary();
    assert_eq!((&summary["own"], &summary["shared"], &summary["shadowed"]), (&2.into(), &1.into(), &1.into()));
    assert_eq!(aws.stats().max_in_flight_by_operation["ListSecrets"], 2, "both accounts are listed at once");
    assert_eq!(aws.count("AssumeRole"), 1);
}

#[test]
fn the_external_id_and_the_trust_of_the_role_are_needed() {
    let trusting = Role::new(READER)
        .trust(POD)
        .external_id("s3cr3t-id")
        .can_all(Statement::secrets_reader(SHARED, REGION, PREFIX));
    let aws =
        FakeAws::start(Scenario::new().principal(pod()).role(trusting).own("a", uri("own")).shared("b", uri("shared")));
    let refused = run(&aws, WITH_ROLE)
        .go()
        .code(77)
        .says("sts:AssumeRole of arn:aws:iam::222222222222:role/reader: AccessDenied");
    assert_eq!(refused.file, None);
    let kwargs = WITH_ROLE.replace('}', ", \"shared_external_id\": \"s3cr3t-id\"}");
    assert_eq!(hosts(&run(&aws, &kwargs).go().code(0)), ["a=own", "b=shared"]);
}

#[test]
fn a_web_identity_goes_straight_into_the_shared_role() {
    let subject = "system:serviceaccount:airflow:airflow-worker";
    let scenario = Scenario::new()
        .role(Role::new(POD).trust_web_identity(subject).can_all(Statement::secrets_reader(OWN, REGION, PREFIX)))
        .role(Role::new(READER).trust_web_identity(subject).can_all(Statement::secrets_reader(SHARED, REGION, PREFIX)))
        .web_identity_token(WebIdentityToken::new("the-token", subject))
        .own("a", uri("own"))
        .shared("b", uri("shared"));
    let aws = FakeAws::start(scenario);
    let kwargs = WITH_ROLE.replace('}', ", \"shared_role_via\": \"web_identity\"}");
    let run = run_without_keys(&aws, &kwargs);
    std::fs::write(run.path("token"), "the-token").unwrap();
    let token = run.path("token");
    let run = run.var("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()).var("AWS_ROLE_ARN", POD);
    assert_eq!(hosts(&run.go().code(0)), ["a=own", "b=shared"]);
    assert_eq!((aws.count("AssumeRoleWithWebIdentity"), aws.count("AssumeRole")), (2, 0));
    let without =
        run.without("AWS_WEB_IDENTITY_TOKEN_FILE").var("AWS_ACCESS_KEY_ID", OWN).var("AWS_SECRET_ACCESS_KEY", "x");
    without.go().code(78).says("annotate the service account for IRSA");
}

/// Secrets that the pod's own role may read across accounts, under a customer managed key.
fn readable(host: &str) -> Secret {
    let key = Kms::customer("arn:aws:kms:eu-central-1:222222222222:key/k").admit(POD);
    Secret::text(uri(host)).readable_by(POD).kms(key)
}

/// A pod that may read the shared account's secrets by their resource policies.
fn pod_across() -> Principal {
    pod().can_all(Statement::secrets_reader(SHARED, REGION, "")).can(Statement::allow(["kms:Decrypt"]))
}

#[test]
fn explicit_ids_are_read_by_arn_under_resource_policies() {
    let scenario = Scenario::new()
        .principal(pod_across())
        .own("both", uri("own"))
        .shared("both", readable("shared"))
        .shared("wh", readable("shared"))
        .shared("unlisted", readable("shared"))
        .shared("default_key", Secret::text(uri("x")).readable_by(POD))
        .shared("no_policy", uri("x"));
    let aws = FakeAws::start(scenario);
    let kwargs =
        r#"{"shared_account": "222222222222", "shared_connections": ["both", "wh", "default_key", "no_policy"]}"#;
    let ended = run(&aws, kwargs).go().code(0).says("default KMS service key").says("no resource-based policy allows");
    assert_eq!(hosts(&ended), ["both=own", "wh=shared"]);
    assert_eq!(ended.summary()["denied"], 2);
    assert_eq!(aws.count_in("BatchGetSecretValue", OWN) + aws.count_in("GetSecretValue", OWN), 1 + 4);
    let ids: Vec<String> = aws.calls_of("GetSecretValue").into_iter().flat_map(|call| call.ids).collect();
    assert!(ids.contains(&format!("arn:aws:secretsmanager:{REGION}:{SHARED}:secret:{PREFIX}wh")), "{ids:?}");
    let kwargs = r#"{"shared_account": "222222222222", "shared_connections": ["wh", "nope"]}"#;
    run(&aws, kwargs).go().code(66).says("conn_id nope is missing");
}

#[test]
fn an_index_secret_names_the_shared_connections() {
    let arn = fake_aws::secret_arn(SHARED, REGION, "airflow/connections/my-abcdef");
    let index_of_arns = format!(r#"{{"my-abcdef": "{arn}"}}"#);
    let scenario = Scenario::new()
        .principal(pod_across())
        .own("a", uri("own"))
        .shared("wh", readable("shared"))
        .shared("my-abcdef", readable("hyphen-six"))
        .secret(SHARED, REGION, "airflow/index", readable_text(r#"["wh", "vanished"]"#))
        .secret(SHARED, REGION, "airflow/arns", readable_text(&index_of_arns));
    let aws = FakeAws::start(scenario);
    let of = |index: &str| format!(r#"{{"shared_account": "222222222222", "shared_index": "{index}"}}"#);
    assert_eq!(hosts(&run(&aws, &of("airflow/index")).go().code(0)), ["a=own", "wh=shared"]);
    assert_eq!(hosts(&run(&aws, &of("airflow/arns")).go().code(0)), ["a=own", "my-abcdef=hyphen-six"]);
    let by_arn = of(&fake_aws::secret_arn(SHARED, REGION, "airflow/index"));
    assert_eq!(hosts(&run(&aws, &by_arn).go().code(0)), ["a=own", "wh=shared"]);
    run(&aws, &of("airflow/none")).go().code(66).says("there is no such secret");
}

fn readable_text(text: &str) -> Secret {
    let key = Kms::customer("arn:aws:kms:eu-central-1:222222222222:key/k").admit(POD);
    Secret::text(text).readable_by(POD).kms(key)
}

#[test]
fn conn_ids_are_looked_up_as_the_live_backend_does() {
    let scenario = Scenario::new()
        .principal(pod_across())
        .own("own_only", uri("own"))
        .own("both", uri("own"))
        .shared("both", readable("shared"))
        .shared("shared_only", readable("shared"))
        // A partial ARN that ends in a hyphen and six characters is taken for a whole one: not found, as live.
        .shared("db-backup", readable("x"));
    let aws = FakeAws::start(scenario);
    let run = run(&aws, r#"{"shared_account": "222222222222"}"#)
        .var("SECRETS_INIT_CONN_IDS", "own_only,both,shared_only,db-backup")
        .var("SECRETS_INIT_ON_MISSING", "warn");
    let ended = run.go().code(0).says("conn_id db-backup is missing");
    assert_eq!(hosts(&ended), ["both=own", "own_only=own", "shared_only=shared"]);
    assert_eq!(aws.count("ListSecrets"), 0);
    let foreign: Vec<String> =
        aws.calls_of("GetSecretValue").into_iter().flat_map(|call| call.ids).filter(|id| id.contains(SHARED)).collect();
    assert_eq!(foreign.len(), 2, "shared is asked only for what own lacks: {foreign:?}");
}

#[test]
fn a_shared_secret_that_is_missing_may_look_denied() {
    let scenario = Scenario::new()
        .principal(pod_across())
        .own("a", uri("own"))
        .settings(|settings| settings.cross_account_missing = Some(CrossAccountMissing::AccessDenied));
    let aws = FakeAws::start(scenario);
    let run = run(&aws, r#"{"shared_account": "222222222222"}"#).var("SECRETS_INIT_CONN_IDS", "a,b");
    let ended = run.go().code(0).says("conn_id b (shared account 222222222222 in eu-central-1) can't be read");
    assert_eq!(hosts(&ended), ["a=own"]);
}

#[test]
fn the_own_account_may_be_the_shared_one_in_another_region_too() {
    let everywhere = Principal::new(POD_KEY, POD).can(Statement::allow(["*"]));
    let scenario = Scenario::new().principal(everywhere).own("a", uri("own")).secret(
        OWN,
        "us-east-1",
        "airflow/core/b",
        uri("shared"),
    );
    let aws = FakeAws::start(scenario);
    let kwargs = r#"{"shared_account": "111111111111", "connections_prefix_shared": "airflow/core/", "aws_region": "us-east-1"}"#;
    assert_eq!(hosts(&run(&aws, kwargs).go().code(0)), ["a=own", "b=shared"]);
    assert_eq!(aws.count("GetCallerIdentity"), 0, "the listing's ARNs tell the account");
    // With nothing under the own prefix there is no ARN to tell it: STS does.
    let kwargs = kwargs.replace('{', r#"{"connections_prefix": "nothing/here", "#);
    assert_eq!(hosts(&run(&aws, &kwargs).go().code(0)), ["b=shared"]);
    assert_eq!(aws.count("GetCallerIdentity"), 1);
}

#[test]
fn a_listing_ends_with_a_list_of_awss_and_with_nothing_else() {
    for (status, body) in [(200, "{}"), (200, ""), (204, ""), (200, r#"{"status": "ok"}"#)] {
        let mut aws = scenario().settings(|settings| settings.list_page_cap = Some(10)).shared("n035", uri("shared"));
        for n in 0..40 {
            aws = aws.own(&format!("n{n:03}"), uri("own"));
        }
        let aws = FakeAws::start(aws);
        let body = Fault::on("ListSecrets").account(OWN).body(status, "application/x-amz-json-1.1", body);
        aws.add_fault(body.skip(1));
        let ended = run(&aws, WITH_ROLE).go().code(69).says("ASI-507");
        assert_eq!(ended.file, None);
    }
}

#[test]
fn the_policy_of_shared_accounts_holds_for_one_that_is_listed_as_the_own_account() {
    let everywhere = Principal::new(POD_KEY, POD).can(Statement::allow(["*"]));
    let denied = Fault::on("ListSecrets").region("us-east-1").error(400, "AccessDeniedException", "no");
    let scenario = Scenario::new().principal(everywhere).own("a", uri("own")).fault(denied);
    let aws = FakeAws::start(scenario);
    let kwargs = r#"{"shared_account": "111111111111", "connections_prefix_shared": "airflow/core/", "aws_region": "us-east-1"}"#;
    let with = |policy: &str| run(&aws, kwargs).var("SECRETS_INIT_ON_SHARED", policy).go();
    with("error").code(77);
    assert_eq!(hosts(&with("warn").code(0).says("us-east-1")), ["a=own"]);
}

#[test]
fn a_shared_account_without_a_way_is_a_mistake_that_names_the_ways() {
    let aws = FakeAws::start(scenario().own("a", uri("own")));
    let ended = run(&aws, r#"{"shared_account": "222222222222"}"#).go().code(78);
    for words in ["shared_role_arn", "shared_connections", "shared_index", "SECRETS_INIT_CONN_IDS"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    assert_eq!(ended.file, None);
}

#[test]
fn several_shared_accounts_stand_in_order() {
    let (third, region) = ("333333333333", "us-east-1");
    let third_reader = "arn:aws:iam::333333333333:role/reader";
    let scenario = scenario()
        .role(Role::new(third_reader).trust(POD).can_all(Statement::secrets_reader(third, region, "core/")))
        .own("a", uri("own"))
        .shared("a", uri("second"))
        .shared("b", uri("second"))
        .secret(third, region, "core/b", uri("third"))
        .secret(third, region, "core/c", uri("third"));
    let aws = FakeAws::start(scenario);
    let further = format!(
        r#", "shared": [{{"account": "{third}", "region": "{region}", "connections_prefix": "core", "role_arn": "{third_reader}"}}]}}"#
    );
    let kwargs = WITH_ROLE.replace('}', &further);
    let ended = run(&aws, &kwargs).go().code(0);
    assert_eq!(hosts(&ended), ["a=own", "b=second", "c=third"]);
    assert_eq!(ended.summary()["shadowed"], 2);
}

/// What comes after an account that is left aside would be another database's, for all that anybody knows.
#[test]
fn a_shared_account_that_fails_is_left_aside_with_all_after_it_where_the_policy_says_so() {
    let (third, third_reader) = ("333333333333", "arn:aws:iam::333333333333:role/reader");
    let scenario = scenario()
        .role(Role::new(third_reader).trust(POD).can_all(Statement::secrets_reader(third, REGION, PREFIX)))
        .own("a", uri("own"))
        .shared("b", uri("second"))
        .secret(third, REGION, "airflow/connections/b", uri("third"))
        .secret(third, REGION, "airflow/connections/c", uri("third"))
        .fault(Fault::on("AssumeRole").secret("arn:aws:iam::222222222222:*").error(403, "AccessDenied", "no"));
    let aws = FakeAws::start(scenario);
    let further =
        format!(r#", "shared": [{{"account": "{third}", "region": "{REGION}", "role_arn": "{third_reader}"}}]}}"#);
    let run = || run(&aws, &WITH_ROLE.replace('}', &further)).var("SECRETS_INIT_ON_SHARED", "warn");
    run().var("SECRETS_INIT_ON_SHARED", "error").go().code(77).says("ASI-108");
    run().var("SECRETS_INIT_STRICT", "true").go().code(77).says("ASI-108");
    let ended = run().go().code(0);
    assert_eq!(hosts(&ended), ["a=own"]);
    assert_eq!(ended.summary()["left_aside"], 2);
    ended
        .says("shared account 222222222222 in eu-central-1 is left out as a whole: ASI-108 sts:AssumeRole")
        .says("shared account 333333333333 in eu-central-1 is left out as a whole: it comes after one that is");
    let quiet = run().var("SECRETS_INIT_ON_SHARED", "ignore").go().code(0);
    assert!(!quiet.stderr.contains("left out as a whole"), "{}", quiet.stderr);
    // Who asks by name is told, and what is required is.
    let named = run().var("SECRETS_INIT_CONN_IDS", "a,b").go().code(0).says("conn_id b is not known: no account");
    assert_eq!((hosts(&named), named.summary()["missing"].clone()), (vec!["a=own".to_owned()], 1.into()));
    run().var("SECRETS_INIT_REQUIRED", "b").go().code(77).says("conn_id b is not known");
    run().var("SECRETS_INIT_REQUIRED", "a").go().code(0);
    let checked = run().arg("check").var("SECRETS_INIT_OUTPUT", "json").go().code(0);
    let document: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!(document["left_aside"].as_array().map(Vec::len), Some(2));
    // A mistake in the settings is not the account's.
    let unsaid = r#"{"shared_account": "222222222222"}"#;
    run().kwargs(unsaid).go().code(78).says("nothing says which connections it holds");
}

/// A shared account that does not answer costs nine tenths of the deadline, and then its own connections alone.
#[test]
fn a_shared_account_that_hangs_does_not_hold_up_the_own_one() {
    let scenario = scenario().own("a", uri("own")).shared("b", uri("shared"));
    let aws = FakeAws::start(scenario.fault(Fault::on("AssumeRole").hang()));
    // The own account needs some of it.
    let run = || run(&aws, WITH_ROLE).var("SECRETS_INIT_DEADLINE", "10s").var("SECRETS_INIT_ON_SHARED", "warn");
    let ended = run().go().code(0).says("it was not read within nine tenths of SECRETS_INIT_DEADLINE");
    assert_eq!(hosts(&ended), ["a=own"]);
    run().var("SECRETS_INIT_CONN_IDS", "a,b").go().code(0).says("conn_id b is not known");
    run().var("SECRETS_INIT_DEADLINE", "3s").var("SECRETS_INIT_REQUIRED", "b").go().code(75);
}

#[test]
fn what_is_required_is_found_before_a_listing_shows_it() {
    let scenario = scenario()
        .own("listed", uri("own"))
        .own("fresh", Secret::text(uri("own")).hidden_from_list())
        .shared("fresh", uri("shared"));
    let aws = FakeAws::start(scenario);
    let run = run(&aws, WITH_ROLE).var("SECRETS_INIT_REQUIRED", "fresh");
    assert_eq!(
        hosts(&run.go().code(0)),
        ["fresh=own", "listed=own"],
        "the own one, though only the shared one is listed"
    );
}

#[test]
fn regions_of_own_and_shared_are_independent() {
    let scenario = Scenario::new()
        .principal(Principal::new(POD_KEY, POD).can(Statement::allow(["*"])))
        .role(Role::new(READER).trust(POD).can(Statement::allow(["*"])))
        .secret(OWN, "us-east-1", "airflow/connections/a", uri("own"))
        .secret(SHARED, REGION, "airflow/connections/b", uri("shared"));
    let aws = FakeAws::start(scenario);
    let kwargs = WITH_ROLE.replace('}', r#", "region_name": "us-east-1", "aws_region": "eu-central-1"}"#);
    let run = run(&aws, &kwargs).var("AWS_REGION", "ap-south-1");
    assert_eq!(hosts(&run.go().code(0)), ["a=own", "b=shared"]);
}

// ---- who we are ------------------------------------------------------------------------------------------------

#[test]
fn credentials_come_from_where_the_sdk_finds_them() {
    let scenario = scenario()
        .role(Role::new(POD).can_all(Statement::secrets_reader(OWN, REGION, PREFIX)))
        .container_credentials(ContainerCredentials::for_role("/creds/pod", POD).authorization("pod-token"))
        .imds(Imds::for_role(POD))
        .own("a", uri("own"));
    let aws = FakeAws::start(scenario);
    // EKS Pod Identity and ECS.
    let run = run_without_keys(&aws, "{}");
    std::fs::write(run.path("token"), "pod-token").unwrap();
    let token = run.path("token");
    let run = run
        .var("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/creds/pod", aws.endpoint()))
        .var("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap());
    assert_eq!(hosts(&run.go().code(0)), ["a=own"]);
    assert_eq!(aws.count("ContainerCredentials"), 1);
    // The node's role.
    let run = run_without_keys(&aws, "{}")
        .without("AWS_EC2_METADATA_DISABLED")
        .var("AWS_EC2_METADATA_SERVICE_ENDPOINT", &aws.endpoint());
    assert_eq!(hosts(&run.go().code(0)), ["a=own"]);
    // A profile, by the kwargs and by the variable.
    for (kwargs, variable) in [(r#"{"profile_name": "dev"}"#, "other"), ("{}", "dev")] {
        let run = run_without_keys(&aws, kwargs);
        let file = run.path("credentials");
        std::fs::write(&file, format!("[dev]\naws_access_key_id = {POD_KEY}\naws_secret_access_key = x\n")).unwrap();
        let run = run.var("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()).var("AWS_PROFILE", variable);
        assert_eq!(hosts(&run.go().code(0)), ["a=own"]);
    }
    // Static keys of the kwargs.
    let kwargs = format!(r#"{{"aws_access_key_id": "{POD_KEY}", "aws_secret_access_key": "x"}}"#);
    assert_eq!(hosts(&run_without_keys(&aws, &kwargs).go().code(0)), ["a=own"]);
}

#[test]
fn role_arn_is_of_the_own_account_alone_as_in_the_python_backend() {
    let own_reader = "arn:aws:iam::111111111111:role/own-reader";
    let scenario = Scenario::new()
        .principal(Principal::new(POD_KEY, POD).can(Statement::allow(["sts:AssumeRole"])))
        .role(Role::new(own_reader).trust(POD).external_id("x").can_all(Statement::secrets_reader(OWN, REGION, PREFIX)))
        .role(reader())
        .own("a", uri("own"))
        .shared("b", uri("shared"));
    let aws = FakeAws::start(scenario);
    let kwargs = WITH_ROLE
        .replace('}', &format!(r#", "role_arn": "{own_reader}", "assume_role_kwargs": {{"ExternalId": "x"}}}}"#));
    assert_eq!(hosts(&run(&aws, &kwargs).go().code(0)), ["a=own", "b=shared"]);
    let assumed: Vec<String> = aws.calls_of("AssumeRole").into_iter().map(|call| call.principal.to_string()).collect();
    assert_eq!(assumed, [POD, POD], "the shared role is taken by the pod, not by the own role");
}

#[test]
fn no_credentials_and_bad_credentials_end_with_77() {
    let expired = Principal::new("ASIAEXPIRED", POD).session_token("t");
    let aws = FakeAws::start(scenario().principal(expired).own("a", uri("own")));
    let none = run_without_keys(&aws, "{}").go().code(77).says("credentials: none found");
    assert!(!none.stderr.contains("airflow/connections"), "{}", none.stderr);
    run(&aws, "{}").var("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN").go().code(77).says("UnrecognizedClientException");
    let denied = Principal::new("AKIANOTHING", "arn:aws:iam::111111111111:user/nobody");
    aws.extend(Scenario::new().principal(denied)).unwrap();
    run(&aws, "{}").var("AWS_ACCESS_KEY_ID", "AKIANOTHING").go().code(77).says(
        "secretsmanager:ListSecrets of airflow/connections/* in 111111111111/eu-central-1: AccessDeniedException",
    );
}

#[test]
fn endpoint_url_is_of_the_own_account_alone_and_aws_variables_are_of_all() {
    let own = FakeAws::start(Scenario::new().secret(OWN, REGION, "airflow/connections/a", uri("own")));
    let shared = FakeAws::start(scenario().shared("b", uri("shared")));
    let kwargs = WITH_ROLE.replace(
        '}',
        &format!(
            r#", "endpoint_url": "{}", "aws_access_key_id": "{OWN}", "aws_secret_access_key": "x"}}"#,
            own.endpoint()
        ),
    );
    let run = run(&shared, &kwargs)
        .without("AWS_ENDPOINT_URL")
        .var("AWS_ENDPOINT_URL_SECRETS_MANAGER", &shared.endpoint())
        .var("AWS_ENDPOINT_URL_STS", &shared.endpoint());
    assert_eq!(hosts(&run.go().code(0)), ["a=own", "b=shared"]);
    assert_eq!((own.count("ListSecrets"), shared.count("ListSecrets")), (1, 1));
}

// ---- the network -----------------------------------------------------------------------------------------------

#[test]
fn tls_trusts_the_bundle_that_is_named_and_no_other() {
    let aws = FakeAws::builder().tls().start(scenario().own("a", uri("own"))).unwrap();
    let with_bundle = |name: &str| {
        let run = run(&aws, "{}");
        let file = run.path("ca.pem");
        std::fs::write(&file, fake_aws::certificates::CA).unwrap();
        run.var(name, file.to_str().unwrap())
    };
    for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
        assert_eq!(hosts(&with_bundle(name).go().code(0)), ["a=own"], "{name}");
    }
    let run = with_bundle("AWS_CA_BUNDLE");
    let verify = format!(r#"{{"verify": "{}"}}"#, run.path("ca.pem").display());
    assert_eq!(
        hosts(&run.without("AWS_CA_BUNDLE").kwargs(&verify).var("SSL_CERT_FILE", "/etc/hostname").go().code(0)),
        ["a=own"]
    );
}

#[test]
fn an_endpoint_on_tls_is_trusted_beside_one_on_plain_http() {
    let aws = FakeAws::builder().tls().start(scenario().own("a", uri("own"))).unwrap();
    let plain = FakeAws::start(Scenario::new());
    let run = run(&plain, "{}").var("AWS_ENDPOINT_URL_SECRETS_MANAGER", &aws.endpoint());
    let file = run.path("ca.pem");
    std::fs::write(&file, fake_aws::certificates::CA).unwrap();
    let run = run.var("SSL_CERT_FILE", file.to_str().unwrap());
    assert_eq!(hosts(&run.go().code(0)), ["a=own"]);
    // The system's own certificates do not vouch for the fake.
    let run = run.without("SSL_CERT_FILE");
    let ended = run.go();
    assert!(matches!(ended.code, 69 | 78), "{}", ended.stderr);
}

#[test]
fn a_bundle_that_is_not_one_is_a_mistake_found_at_once() {
    let aws = FakeAws::builder().tls().start(scenario().own("a", uri("own"))).unwrap();
    run(&aws, "{}")
        .var("AWS_CA_BUNDLE", "/nonexistent.pem")
        .go()
        .code(78)
        .says("CA bundle /nonexistent.pem: can't be read");
    let empty = run(&aws, "{}");
    let file = empty.path("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    let name = file.to_str().unwrap().to_owned();
    empty.var("AWS_CA_BUNDLE", &name).go().code(78).says("holds no certificate");
    let broken = run(&aws, "{}");
    let file = broken.path("ca.pem");
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let name = file.to_str().unwrap().to_owned();
    broken.var("AWS_CA_BUNDLE", &name).go().code(78).says("certificate 1 is not a CA certificate");
    let none = run(&aws, "{}");
    let dir = none.path("empty");
    std::fs::create_dir(&dir).unwrap();
    let name = dir.to_str().unwrap().to_owned();
    none.var("SSL_CERT_DIR", &name).go().code(78).says("no CA certificates found");
}

#[test]
fn what_passes_is_tried_again() {
    for fault in [
        Fault::on("ListSecrets").times(2).throttled(),
        Fault::on("BatchGetSecretValue").times(2).error(500, "InternalServiceError", "x"),
        Fault::on("BatchGetSecretValue").times(1).error(400, "InternalServiceError", "x"),
        Fault::on("AssumeRole").times(2).error(503, "ServiceUnavailable", "x"),
        Fault::on("ListSecrets").times(1).reset(),
        Fault::on("BatchGetSecretValue").times(1).effect(FaultEffect::TruncateBody),
    ] {
        let aws = FakeAws::start(
            scenario().own("a", uri("own")).own("c", uri("own")).shared("b", uri("shared")).shared("d", uri("shared")),
        );
        aws.add_fault(fault.clone());
        let ended = run(&aws, WITH_ROLE).go();
        assert_eq!(ended.code, 0, "{fault:?}: {}", ended.stderr);
        assert_eq!(ended.conn_ids(), ["a", "b", "c", "d"]);
    }
}

#[test]
fn what_does_not_pass_ends_with_its_code_and_no_file() {
    let unreachable = FakeAws::start(Scenario::new());
    let nowhere = unreachable.endpoint();
    drop(unreachable);
    let aws = FakeAws::start(scenario().own("a", uri("own")));
    run(&aws, "{}").var("AWS_ENDPOINT_URL", &nowhere).go().code(69).says("can't connect");
    let single = |run: Run| run.var("SECRETS_INIT_FETCH", "single");
    for (fault, code, words) in [
        (Fault::on("ListSecrets").error(503, "ServiceUnavailable", "x"), 69, "ServiceUnavailable"),
        (Fault::on("ListSecrets").throttled(), 75, "ThrottlingException"),
        (Fault::on("*").hang(), 75, "the deadline of 8s passed"),
        (Fault::on("GetSecretValue").throttled(), 75, "ThrottlingException"),
    ] {
        aws.clear_faults();
        aws.add_fault(fault);
        // Long enough for a first answer, which the message names.
        let deadline = if code == 75 { "8s" } else { FAR };
        let ended = single(run(&aws, "{}")).var("SECRETS_INIT_DEADLINE", deadline).go().code(code).says(words);
        assert_eq!(ended.file, None);
    }
}

#[test]
fn one_secret_that_is_throttled_forever_fails_the_run_rather_than_going_missing() {
    let scenario = scenario()
        .owns(3)
        .fault(Fault::on("BatchGetSecretValue").secret("*n001-*").id_error("ThrottlingException", "Rate exceeded"))
        .fault(Fault::on("GetSecretValue").secret("*n001-*").throttled());
    let aws = FakeAws::start(scenario);
    let ended = run(&aws, "{}")
        .var("SECRETS_INIT_DEADLINE", "8s")
        .go()
        .code(75)
        .says("what the own account met last")
        .says("ThrottlingException");
    assert_eq!(ended.file, None);
}

#[test]
fn sigterm_ends_a_run_that_waits_for_aws() {
    for operation in ["ListSecrets", "BatchGetSecretValue", "AssumeRole"] {
        let scenario = scenario().own("a", uri("own")).own("b", uri("own")).fault(Fault::on(operation).hang());
        let aws = FakeAws::start(scenario);
        let run = run(&aws, WITH_ROLE);
        let child = run.command().spawn().unwrap();
        wait_until(operation, || aws.count(operation) > 0);
        common::signal("TERM", &child);
        let ended = run.ended(&child.wait_with_output().unwrap()).code(143).says("SIGTERM came");
        assert_eq!((ended.file, common::names(run.directory.path())), (None, vec!["termination-log".to_owned()]));
    }
}

#[test]
fn a_named_profile_is_that_profile_and_nothing_else() {
    let scenario = Scenario::new().secret("333333333333", REGION, "airflow/connections/a", uri("profile")).secret(
        OWN,
        REGION,
        "airflow/connections/a",
        uri("environment"),
    );
    let aws = FakeAws::start(scenario);
    // boto3 looks at no AWS_* keys when it is given a profile.
    let run = run_without_keys(&aws, r#"{"profile_name": "dev"}"#)
        .var("AWS_ACCESS_KEY_ID", OWN)
        .var("AWS_SECRET_ACCESS_KEY", "x");
    let file = run.path("credentials");
    std::fs::write(&file, "[dev]\naws_access_key_id = 333333333333\naws_secret_access_key = x\n").unwrap();
    let run = run.var("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap());
    assert_eq!(hosts(&run.go().code(0)), ["a=profile"]);
    run.kwargs(r#"{"profile_name": "misspelt"}"#).go().code(77).says("the profile misspelt that profile_name names");
}

#[test]
fn a_server_fault_by_any_name_is_no_trouble_of_one_secret() {
    for (status, code, exit) in [
        (500, "InternalError", 69),
        (503, "ServiceUnavailableError", 69),
        (500, "AccessDeniedException", 69),
        (400, "SomethingNewException", 69),
    ] {
        let scenario = scenario().owns(3).fault(Fault::on("GetSecretValue").secret("*n001*").error(status, code, "x"));
        let aws = FakeAws::start(scenario);
        let ended = run(&aws, "{}").var("SECRETS_INIT_FETCH", "single").go();
        assert_eq!((ended.code, ended.file), (exit, None), "{status} {code}: {}", ended.stderr);
    }
    let scenario =
        scenario().owns(3).fault(Fault::on("BatchGetSecretValue").secret("*n001*").id_error("InternalError", "x"));
    assert_eq!(run(&FakeAws::start(scenario), "{}").go().code(0).conn_ids().len(), 3, "asked for once more");
}

#[test]
fn throttling_by_any_name_is_waited_out() {
    for (status, code) in [(429, "Unheard"), (400, "LimitExceededException"), (400, "ThrottlingException")] {
        for operation in ["ListSecrets", "GetSecretValue"] {
            let aws = FakeAws::start(scenario().owns(3));
            aws.add_fault(Fault::on(operation).times(9).error(status, code, "x"));
            let ended = run(&aws, "{}").var("SECRETS_INIT_FETCH", "single").go().code(0);
            assert_eq!(ended.conn_ids().len(), 3, "{operation} {status} {code}: {}", ended.stderr);
        }
    }
}

/// AWS explains a wrong signature by quoting the request, headers and session token included.
#[test]
fn what_aws_quotes_of_a_request_is_not_repeated() {
    let quoted =
        "The Canonical String for this request should have been 'POST\n/\n\nhost:x\nx-amz-security-token:c4nary\n'";
    for operation in ["ListSecrets", "BatchGetSecretValue", "AssumeRole"] {
        for code in ["InvalidSignatureException", "SignatureDoesNotMatch", "AccessDeniedException", "Unheard"] {
            let scenario =
                scenario().owns(2).shared("b", uri("shared")).fault(Fault::on(operation).error(403, code, quoted));
            let aws = FakeAws::start(scenario);
            let run = run(&aws, WITH_ROLE).var("SECRETS_INIT_LOG", "trace");
            let ended = run.go();
            let termination = std::fs::read_to_string(run.path("termination-log")).unwrap_or_default();
            assert!(
                !ended.stderr.contains("c4nary") && !termination.contains("c4nary"),
                "{operation} {code}: {}",
                ended.stderr
            );
        }
    }
}

#[test]
fn an_index_may_name_a_secret_twice_and_a_bad_entry_harms_no_other() {
    let arn = fake_aws::secret_arn(SHARED, REGION, "airflow/connections/wh");
    let elsewhere = fake_aws::secret_arn(OWN, REGION, "airflow/connections/a");
    let aliases = format!(r#"{{"first": "{arn}", "second": "{arn}", "stolen": "{elsewhere}", "b ad": "{arn}"}}"#);
    let scenario = scenario()
        .role(Role::new(READER).trust(POD).can_all(Statement::secrets_reader(SHARED, REGION, "")))
        .own("a", uri("own"))
        .shared("wh", uri("shared"))
        .secret(SHARED, REGION, "aliases", aliases.as_str());
    let aws = FakeAws::start(scenario);
    let kwargs = WITH_ROLE.replace('}', r#", "shared_index": "aliases"}"#);
    let ended = run(&aws, &kwargs).go().code(0).says("conn_id stolen").says("conn_id (1 item)");
    assert_eq!(hosts(&ended), ["a=own", "first=shared", "second=shared"]);
    assert_eq!(ended.summary()["invalid"], 2);
    run(&aws, &kwargs).var("SECRETS_INIT_ON_INVALID", "error").go().code(65);
}

#[test]
fn credentials_that_may_come_are_waited_for() {
    let scenario = scenario()
        .role(Role::new(POD).can_all(Statement::secrets_reader(OWN, REGION, PREFIX)))
        .container_credentials(ContainerCredentials::for_role("/creds/pod", POD))
        .own("a", uri("own"));
    let aws = FakeAws::start(scenario);
    let from_container = || {
        run_without_keys(&aws, "{}").var("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/creds/pod", aws.endpoint()))
    };
    // EKS Auth throttles with 429, which the SDK takes for final.
    for status in [429, 503] {
        aws.clear_faults();
        aws.add_fault(Fault::on("ContainerCredentials").times(2).error(status, "x", "x"));
        assert_eq!(hosts(&from_container().go().code(0)), ["a=own"], "{status}");
    }
    // AWS's SDK waits between its own attempts at a 503.
    for (status, code, deadline) in [(429, 75, "8s"), (503, 69, FAR), (403, 77, FAR)] {
        aws.clear_faults();
        aws.add_fault(Fault::on("ContainerCredentials").error(status, "x", "x"));
        from_container()
            .var("SECRETS_INIT_DEADLINE", deadline)
            .go()
            .code(code)
            .says(&format!("the endpoint that AWS_CONTAINER_CREDENTIALS_FULL_URI names answers HTTP {status}"));
    }
    let nobody = from_container().var("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/creds");
    nobody.go().code(69).says("credentials");
}

// ---- variables and config values -------------------------------------------------------------------------------

/// May list, and read all that begins with `airflow/`, there and through the reader's role.
fn everything() -> Scenario {
    let pod = Principal::new(POD_KEY, POD)
        .can_all(Statement::secrets_reader(OWN, REGION, "airflow/"))
        .can(Statement::allow(["sts:AssumeRole"]));
    let reader = Role::new(READER).trust(POD).can_all(Statement::secrets_reader(SHARED, REGION, "airflow/"));
    Scenario::new().principal(pod).role(reader)
}

fn with_files(run: Run) -> Run {
    run.var("SECRETS_INIT_VARIABLES_FILE", "variables.json").var("SECRETS_INIT_CONFIGS_FILE", "configs.json")
}

/// `key=value` of a file of variables.
fn texts(run: &Run, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(run.path(name)).unwrap();
    let object: std::collections::BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
    object.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

#[test]
fn every_kind_is_listed_and_read_in_the_same_calls() {
    let of = |scenario: Scenario, kind: &str, count: usize| {
        (0..count)
            .fold(scenario, |all, i| all.secret(OWN, REGION, &format!("airflow/{kind}/k{i:03}"), uri(&format!("h{i}"))))
    };
    // With connections alone nothing else is read, nor asked for.
    for (connections, variables, configs, lists, batches) in
        [(5, 5, 5, 1, 1), (30, 20, 10, 1, 3), (60, 30, 10, 1, 5), (90, 30, 10, 4, 7)]
    {
        let scenario = of(of(of(everything(), "connections", connections), "variables", variables), "config", configs);
        let aws = FakeAws::start(scenario.secret(OWN, REGION, "airflow/variables_old/x", "no"));
        let run = with_files(run(&aws, "{}"));
        let ended = run.go().code(0);
        assert_eq!(ended.conn_ids().len(), connections);
        assert_eq!((texts(&run, "variables.json").len(), texts(&run, "configs.json").len()), (variables, configs));
        assert_eq!((aws.count("ListSecrets"), aws.count("BatchGetSecretValue")), (lists, batches), "{connections}");
        assert!(aws.count("GetSecretValue") <= 1);
    }
    let aws = FakeAws::start(of(of(everything(), "connections", 5), "variables", 5));
    run(&aws, "{}").go().code(0);
    assert!(aws.calls_of("BatchGetSecretValue").iter().all(|call| !format!("{call:?}").contains("variables")));
}

#[test]
fn own_variables_win_over_shared_ones_and_each_kind_has_its_own_winners() {
    let scenario = everything()
        .secret(OWN, REGION, "airflow/connections/a", uri("own"))
        .secret(OWN, REGION, "airflow/variables/x", "own")
        .secret(SHARED, REGION, "airflow/connections/a", uri("shared"))
        .secret(SHARED, REGION, "airflow/variables/x", "shared")
        .secret(SHARED, REGION, "airflow/variables/a", "shared")
        .secret(SHARED, REGION, "airflow/config/c", "shared");
    let aws = FakeAws::start(scenario);
    let kwargs = r#"{"shared_account": "222222222222", "shared_role_arn": "arn:aws:iam::222222222222:role/reader",
        "variables_prefix_shared": "airflow/variables", "config_prefix_shared": "airflow/config"}"#;
    let run = with_files(run(&aws, kwargs));
    let ended = run.go().code(0);
    assert_eq!((hosts(&ended), ended.summary()["shadowed"].as_u64()), (vec!["a=own".to_owned()], Some(2)));
    assert_eq!(texts(&run, "variables.json"), ["a=shared", "x=own"]);
    assert_eq!(texts(&run, "configs.json"), ["c=shared"]);
    // One more list than accounts: the own one has no config value, and a page above its prefix shows where names are.
    assert_eq!((aws.count("ListSecrets"), aws.count("BatchGetSecretValue"), aws.count("AssumeRole")), (3, 2, 1));
    ended.says("own account in eu-central-1 has no config value under").says("has 1 name");
    // Without a shared prefix a kind is the own account's alone.
    let alone = with_files(self::run(&aws, WITH_ROLE)).var("SECRETS_INIT_ON_EMPTY", "warn");
    alone.go().code(0).says("no config value was found in own account under");
    assert_eq!((texts(&alone, "variables.json"), texts(&alone, "configs.json").len()), (vec!["x=own".to_owned()], 0));
}

#[test]
fn shared_variables_are_read_by_arn_with_the_connections() {
    let scenario = Scenario::new()
        .principal(pod_across())
        .own("a", uri("own"))
        .shared("b", readable("shared"))
        .secret(SHARED, REGION, "airflow/variables/v", readable_text("shared variable"))
        .secret(OWN, REGION, "airflow/variables/own", "x");
    let aws = FakeAws::start(scenario);
    let kwargs = r#"{"shared_account": "222222222222", "shared_connections": ["b"], "shared_variables": ["v", "gone"],
        "variables_prefix_shared": "airflow/variables"}"#;
    let run = run(&aws, kwargs).var("SECRETS_INIT_VARIABLES_FILE", "variables.json");
    run.go().code(66).says("variable gone is missing");
    let run = run.var("SECRETS_INIT_ON_MISSING", "warn");
    let ended = run.go().code(0);
    assert_eq!(hosts(&ended), ["a=own", "b=shared"]);
    assert!(texts(&run, "variables.json").contains(&"v=shared variable".to_owned()));
}

#[test]
fn a_kind_that_nobody_can_list_is_a_mistake_that_names_its_own_ways() {
    let aws = FakeAws::start(everything().secret(OWN, REGION, "airflow/connections/a", uri("own")));
    let kwargs = r#"{"shared_account": "222222222222", "shared_connections": ["b"], "variables_prefix_shared": "v",
        "config_prefix_shared": "c"}"#;
    // As long as no output wants variables, nothing is missing.
    run(&aws, kwargs).var("SECRETS_INIT_ON_MISSING", "warn").go().code(0);
    let ended = with_files(run(&aws, kwargs)).var("SECRETS_INIT_ON_MISSING", "warn").go().code(78);
    for words in [
        "which variables it holds",
        "SECRETS_INIT_VARIABLE_KEYS",
        "shared_variables",
        "which config values it holds",
        "SECRETS_INIT_CONFIG_KEYS",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("which connections it holds"));
    let named = with_files(run(&aws, kwargs))
        .var("SECRETS_INIT_ON_MISSING", "warn")
        .var("SECRETS_INIT_VARIABLE_KEYS", "x")
        .var("SECRETS_INIT_CONFIG_KEYS", "y");
    named.go().code(0).says("variable x");
}

#[test]
fn a_denied_variable_is_left_out_and_no_list_is_needed_for_names() {
    let denied = Secret::text("x").policy(Statement::deny(["secretsmanager:GetSecretValue"]).to([POD]));
    let scenario = everything()
        .secret(OWN, REGION, "airflow/connections/a", uri("own"))
        .secret(OWN, REGION, "airflow/variables/ok", "fine")
        .secret(OWN, REGION, "airflow/variables/denied", denied);
    let aws = FakeAws::start(scenario);
    let run = run(&aws, "{}").var("SECRETS_INIT_VARIABLES_FILE", "variables.json");
    run.go()
        .code(0)
        .says("left out: variable denied (own account) can't be read")
        .says("1 variable not in the file: denied");
    assert_eq!(texts(&run, "variables.json"), ["ok=fine"]);
    let lists = aws.count("ListSecrets");
    let named = run.var("SECRETS_INIT_CONN_IDS", "a").var("SECRETS_INIT_VARIABLE_KEYS", "ok");
    let ended = named.go().code(0);
    assert_eq!(
        (hosts(&ended), texts(&named, "variables.json")),
        (vec!["a=own".to_owned()], vec!["ok=fine".to_owned()])
    );
    assert_eq!(aws.count("ListSecrets"), lists);
}

/// Names of every kind go into one batch.
#[test]
fn a_template_costs_no_more_than_what_it_names() {
    let scenario = (0..30).fold(everything(), |all, i| {
        all.secret(OWN, REGION, &format!("airflow/connections/c{i}"), uri("h")).secret(
            OWN,
            REGION,
            &format!("airflow/variables/v{i}"),
            "x",
        )
    });
    let aws = FakeAws::start(scenario);
    let run = run(&aws, "{}").var("SECRETS_INIT_CONNECTIONS_FILE", "none").var("SECRETS_INIT_TEMPLATES", "t.j2=t.txt");
    let template = "---\nconn_ids: [c1, c2]\nvariables: [v3]\n---\n{{ connections.c1.host }}{{ variables.v3 }}";
    std::fs::write(run.path("t.j2"), template).unwrap();
    run.go().code(0);
    assert_eq!((calls(&aws), aws.stats().calls), ((0, 1, 0), 1));
    assert_eq!(std::fs::read_to_string(run.path("t.txt")).unwrap(), "hx");
    // A mistake in a template is told before any call.
    std::fs::write(run.path("t.j2"), "{{ connections.c1.host ").unwrap();
    run.go().code(78);
    assert_eq!(aws.stats().calls, 1);
}

/// A line that says how long it lasts is for a terminal alone, and goes away.
#[test]
fn a_long_wait_is_told_on_a_terminal_and_never_in_a_log() {
    let aws = FakeAws::start(scenario().owns(3).fault(Fault::on("ListSecrets").latency(Duration::from_secs(3))));
    let words = "reading secrets: ";
    let piped = run(&aws, "{}").go().code(0);
    assert!(!piped.stderr.contains(words), "{}", piped.stderr);
    let terminal = |format: &str| {
        let run = run(&aws, "{}")
            .var("SECRETS_INIT_LOG_FORMAT", format)
            .var("TERM", "xterm")
            .var("PATH", "/usr/bin:/bin:/usr/local/bin");
        let mut command = std::process::Command::new("python3");
        command.args([
            "-c",
            "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)",
            env!("CARGO_BIN_EXE_airflow-secrets-init"),
        ]);
        // The interpreter is where this test found it; the program's environment is its own.
        command.envs(run.environment()).stdin(std::process::Stdio::null());
        let output = command.output().expect("python3 runs");
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let shown = terminal("text");
    // What clears a line is the last thing before the log goes on.
    let after = shown.rsplit("\u{1b}[2K").next().unwrap();
    assert!(shown.contains(words) && after.contains("done") && !after.contains(words), "{shown}");
    assert!(!terminal("json").contains(words));
}
