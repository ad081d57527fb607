//! Every cause of trouble with AWS, made on purpose: its code, its line as docs/TROUBLESHOOTING.md shows it, and no value in
//! anything that is said.
//!
//! `BLESS=1 cargo test --test errors` writes the lines into the document anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]
#![allow(clippy::disallowed_methods, reason = "BLESS is of this test, not of the program")]

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Mutex, MutexGuard, PoisonError};

use airflow_secrets_init::model::cause::{Cause, Notice};
use common::accounts::{OWN, POD, POD_KEY, PREFIX, READER, REGION, SHARED, WITH_ROLE};
use common::{Ended, Run};
use fake_aws::{
    ContainerCredentials, FakeAws, Fault, Imds, Kms, Principal, Role, Scenario, Secret, Statement, WebIdentityToken,
};
use fancy_regex::Regex;

const SUBJECT: &str = "system:serviceaccount:airflow:airflow-worker";
/// In every value, key and token: must be in nothing that is said.
const CANARY: &str = "c4nary";
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/TROUBLESHOOTING.md");

// ---- the document ------------------------------------------------------------------------------------------------

/// The document, which one test at a time may write.
fn page() -> (MutexGuard<'static, ()>, String) {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    (alone, std::fs::read_to_string(PAGE).unwrap())
}

/// Asserts that the run said the code with the line that the document has under it, and no value.
#[track_caller]
fn row(code: &str, run: &Run, ended: &Ended) -> String {
    says_no_value(run, ended);
    let line = ended.stderr.lines().find(|line| line.contains(&format!("{code} ")));
    let line = line.unwrap_or_else(|| panic!("no {code}; the log:\n{}", ended.stderr));
    let line = line.split_once(' ').unwrap().1.trim_start();
    let line = line.replace(run.directory.path().to_str().unwrap(), "DIRECTORY");
    let line = [
        (r"\(request [-0-9a-f]+\)", "(request 00000000-0000-4000-8000-000000000001)"),
        (r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:PORT"),
        (r"\d{8}T\d{6}Z", "TIME"),
        // Resolvers differ in what they say.
        (r"(failed to lookup address information): [A-Z][a-z ]+", "$1: Name or service not known"),
    ]
    .into_iter()
    .fold(line, |line, (pattern, with)| Regex::new(pattern).unwrap().replace_all(&line, with).into_owned());
    let (_alone, page) = page();
    let (before, rest) =
        page.split_once(&format!("```text {code}\n")).unwrap_or_else(|| panic!("no line of {code}: {line}"));
    let (documented, after) = rest.split_once("```").unwrap();
    if documented != format!("{line}\n") && std::env::var_os("BLESS").is_some() {
        std::fs::write(PAGE, format!("{before}```text {code}\n{line}\n```{after}")).unwrap();
    } else {
        assert_eq!(documented, format!("{line}\n"));
    }
    line
}

#[track_caller]
fn says_no_value(run: &Run, ended: &Ended) {
    let termination = std::fs::read_to_string(run.path("termination-log")).unwrap_or_default();
    for said in [&ended.stderr, &ended.stdout, &termination] {
        assert!(!said.contains(CANARY), "a value is told:\n{said}");
    }
}

/// Runs, asserts the exit code and the documented line.
#[track_caller]
fn expect(code: &str, exit: i32, run: &Run) -> String {
    row(code, run, &run.go().code(exit))
}

/// Every code has its section with a line, what it means and what to do, and every section a code.
#[test]
fn the_page_has_every_code_and_its_remedy() {
    let (_alone, page) = page();
    let causes = Cause::ALL.iter().map(|cause| (cause.code(), cause.remedy()));
    let known: Vec<_> = causes.chain(Notice::ALL.iter().map(|notice| (notice.code(), notice.remedy()))).collect();
    let sections: Vec<&str> = page.split("\n### ").skip(1).collect();
    let documented: BTreeSet<&str> = sections.iter().map(|section| section.lines().next().unwrap()).collect();
    assert_eq!(documented, known.iter().map(|(code, _)| *code).collect::<BTreeSet<_>>());
    assert!(documented.iter().is_sorted() && documented.len() == sections.len());
    for (code, remedy) in known {
        let section = sections.iter().find(|section| section.starts_with(code)).unwrap();
        assert!(section.contains(&format!("```text {code}\n")), "{code} has no line");
        assert!(section.contains(remedy), "the line of {code} lacks its remedy");
        for part in ["\nCause: ", "\nWhat to do: "] {
            assert!(section.contains(part), "{code} lacks {part}");
        }
    }
    let sources = include_str!("errors.rs");
    for code in documented {
        assert!(sources.contains(&format!("(\"{code}\"")), "no test makes {code}");
    }
}

// ---- runs --------------------------------------------------------------------------------------------------------

fn run_without_keys(aws: &FakeAws, kwargs: &str) -> Run {
    Run::on_aws(&aws.endpoint(), kwargs).var("SECRETS_INIT_LOG_FORMAT", "text")
}

/// As the pod, by keys of its own.
fn run(aws: &FakeAws, kwargs: &str) -> Run {
    with_keys(run_without_keys(aws, kwargs))
}

fn with_keys(run: Run) -> Run {
    run.var("AWS_ACCESS_KEY_ID", POD_KEY).var("AWS_SECRET_ACCESS_KEY", CANARY)
}

/// In a pod whose only credentials are those of its node.
fn on_node(aws: &FakeAws) -> Run {
    run_without_keys(aws, "{}")
        .without("AWS_EC2_METADATA_DISABLED")
        .var("AWS_EC2_METADATA_SERVICE_ENDPOINT", &aws.endpoint())
        .var("KUBERNETES_SERVICE_HOST", "10.0.0.1")
}

/// In a pod with IRSA.
fn with_web_identity(aws: &FakeAws) -> Run {
    let run = run_without_keys(aws, "{}");
    let file = run.path("token");
    std::fs::write(&file, format!("{CANARY}-token")).unwrap();
    run.var("AWS_ROLE_ARN", POD).var("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap())
}

fn pod() -> Principal {
    Principal::new(POD_KEY, POD)
        .can_all(Statement::secrets_reader(OWN, REGION, PREFIX))
        .can(Statement::allow(["sts:AssumeRole"]))
}

fn role(arn: &str, account: &str) -> Role {
    Role::new(arn).can_all(Statement::secrets_reader(account, REGION, PREFIX))
}

fn text() -> Secret {
    Secret::text(format!("mysql://u:{CANARY}@host/db"))
}

fn own(scenario: Scenario, conn_id: &str, secret: Secret) -> Scenario {
    scenario.secret(OWN, REGION, &format!("{PREFIX}{conn_id}"), secret)
}

fn shared(scenario: Scenario, conn_id: &str, secret: Secret) -> Scenario {
    scenario.secret(SHARED, REGION, &format!("{PREFIX}{conn_id}"), secret)
}

/// The pod's own connection and whatever goes wrong.
fn with(fault: Fault) -> FakeAws {
    let scenario = Scenario::new().principal(pod()).role(role(READER, SHARED).trust(POD)).fault(fault);
    FakeAws::start(shared(own(scenario, "my_db", text()), "warehouse", text()))
}

fn nothing() -> FakeAws {
    FakeAws::start(Scenario::new())
}

/// A port that nobody listens on.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("127.0.0.1:{}", listener.local_addr().unwrap().port())
}

/// A server that gives everybody this answer.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            drop(stream.read(&mut [0; 16_000]));
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    address
}

/// What AWS says of a denied read, with this reason (IAM user guide, "Troubleshoot access denied error messages").
fn denied(reason: &str) -> FakeAws {
    let user = "User: arn:aws:sts::111111111111:assumed-role/airflow/session is not authorized to perform: \
                secretsmanager:GetSecretValue on resource: \
                arn:aws:secretsmanager:eu-central-1:111111111111:secret:airflow/connections/my_db-AbCdEf";
    with(Fault::on("GetSecretValue").error(400, "AccessDeniedException", &format!("{user} {reason}")))
}

// ---- who we are --------------------------------------------------------------------------------------------------

#[test]
fn no_credentials() {
    expect("ASI-101", 77, &run_without_keys(&nothing(), "{}"));
}

/// The token of a projected volume belongs to root; `fsGroup` lets the container's user read it.
#[test]
fn a_token_that_may_not_be_read() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    let aws = nothing();
    let run = with_web_identity(&aws);
    std::fs::set_permissions(run.directory.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let mode = if is_root { 0o600 } else { 0 };
    let as_another = |run: &Run| {
        // A copy where everybody can reach it: the build directory may lie below a private home.
        let program = run.path("program");
        std::fs::copy(env!("CARGO_BIN_EXE_airflow-secrets-init"), &program).unwrap();
        let mut command = std::process::Command::new(program);
        command.env_clear().envs(run.environment());
        if is_root {
            command.uid(65_534).gid(65_534);
        }
        run.ended(&command.output().unwrap()).code(77)
    };
    std::fs::set_permissions(run.path("token"), PermissionsExt::from_mode(mode)).unwrap();
    row("ASI-102", &run, &as_another(&run));
    // The token for a role that is taken by ourselves, and that of Pod Identity.
    let kwargs = WITH_ROLE.replace('}', ", \"shared_role_via\": \"web_identity\"}");
    let own_keys = with_keys(run).kwargs(&kwargs);
    let says = format!("ASI-102 credentials: AWS_WEB_IDENTITY_TOKEN_FILE names {}", own_keys.path("token").display());
    as_another(&own_keys).says(&says).says("Permission denied");
    let agent = own_keys
        .kwargs("{}")
        .without("AWS_ACCESS_KEY_ID")
        .without("AWS_WEB_IDENTITY_TOKEN_FILE")
        .without("AWS_ROLE_ARN")
        .var("AWS_CONTAINER_CREDENTIALS_FULL_URI", &aws.endpoint());
    let token = agent.path("token").to_str().unwrap().to_owned();
    let agent = agent.var("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token);
    as_another(&agent).says("ASI-102").says("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names ");
    // A file that is not there is the same mistake.
    std::fs::remove_file(agent.path("token")).unwrap();
    agent.go().code(77).says("ASI-102").says("No such file or directory");
}

#[test]
fn credentials_that_have_expired() {
    let expired = Principal::new(POD_KEY, POD).session_token(CANARY).expired();
    let aws = FakeAws::start(Scenario::new().principal(expired));
    expect("ASI-103", 77, &run(&aws, "{}").var("AWS_SESSION_TOKEN", CANARY));
    let token = WebIdentityToken::new(format!("{CANARY}-token"), SUBJECT).expired();
    let aws =
        FakeAws::start(Scenario::new().role(role(POD, OWN).trust_web_identity(SUBJECT)).web_identity_token(token));
    let run = with_web_identity(&aws);
    let ended = run.go().code(77).says(&format!("ASI-103 sts:AssumeRoleWithWebIdentity of {POD}"));
    says_no_value(&run, &ended.says("the web identity token has expired"));
}

#[test]
fn a_clock_that_is_off() {
    for ahead in [3600, -3600] {
        let scenario = Scenario::new().principal(pod()).role(role(READER, SHARED).trust(POD));
        let scenario = scenario.settings(|settings| settings.clock_ahead_seconds = Some(ahead));
        let aws = FakeAws::start(scenario);
        expect("ASI-104", 77, &run(&aws, "{}"));
        let of_role = format!(r#"{{"role_arn": "{READER}"}}"#);
        let ended = run(&aws, &of_role).go().code(77);
        ended.says(&format!("ASI-104 sts:AssumeRole of {READER}: SignatureDoesNotMatch"));
    }
}

#[test]
fn a_signature_that_does_not_match() {
    let quoting = format!(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and \
         signing method. The Canonical String for this request should have been 'POST\n/\n\nx-amz-security-token:{CANARY}'"
    );
    let aws = with(Fault::on("ListSecrets").error(400, "InvalidSignatureException", &quoting));
    expect("ASI-105", 77, &run(&aws, "{}"));
}

#[test]
fn keys_that_aws_does_not_know() {
    expect("ASI-106", 77, &run(&nothing(), "{}"));
}

#[test]
fn a_web_identity_that_sts_refuses() {
    let aws = FakeAws::start(Scenario::new().role(role(POD, OWN).trust_web_identity(SUBJECT)));
    expect("ASI-107", 77, &with_web_identity(&aws));
}

#[test]
fn a_role_that_may_not_be_taken() {
    let scenario = Scenario::new().principal(pod()).role(role(READER, SHARED).trust(POD).external_id("x"));
    let aws = FakeAws::start(own(scenario, "my_db", text()));
    expect("ASI-108", 77, &run(&aws, WITH_ROLE));
}

#[test]
fn a_role_that_does_not_trust_the_service_account() {
    let token = WebIdentityToken::new(format!("{CANARY}-token"), "system:serviceaccount:airflow:default");
    let aws =
        FakeAws::start(Scenario::new().role(role(POD, OWN).trust_web_identity(SUBJECT)).web_identity_token(token));
    expect("ASI-109", 77, &with_web_identity(&aws));
}

#[test]
fn a_pod_identity_agent_that_is_not_there() {
    let run = run_without_keys(&nothing(), "{}")
        .var("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("http://{}/v1/credentials", nowhere()));
    expect("ASI-110", 69, &run);
}

#[test]
fn a_pod_identity_agent_that_refuses() {
    let endpoint = ContainerCredentials::for_role("/v1/credentials", POD).authorization("another");
    let aws = FakeAws::start(Scenario::new().role(role(POD, OWN)).container_credentials(endpoint));
    let run = run_without_keys(&aws, "{}")
        .var("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/v1/credentials", aws.endpoint()))
        .var("AWS_CONTAINER_AUTHORIZATION_TOKEN", CANARY);
    expect("ASI-111", 77, &run);
}

/// Beyond the hop limit the answer to the token's PUT never arrives, although the connection stands.
#[test]
fn metadata_beyond_the_hop_limit() {
    let scenario = Scenario::new().role(role(POD, OWN)).imds(Imds::for_role(POD));
    let aws = FakeAws::start(scenario.fault(Fault::on("ImdsToken").hang()));
    expect("ASI-112", 77, &on_node(&aws));
    let no_way = on_node(&aws).var("AWS_EC2_METADATA_SERVICE_ENDPOINT", &format!("http://{}", nowhere()));
    no_way.go().code(77).says("ASI-112").says("Connection refused");
}

#[test]
fn a_configuration_of_credentials_that_is_not_whole() {
    // Half of IRSA is an error, as in boto3: the next source would be somebody else.
    expect("ASI-113", 77, &with_web_identity(&nothing()).without("AWS_ROLE_ARN"));
}

/// With this configuration file, of which a canary is a part.
fn with_profile(config: &str) -> Run {
    let run = run_without_keys(&nothing(), "{}");
    let file = run.path("config");
    std::fs::write(&file, config).unwrap();
    let home = run.directory.path().to_str().unwrap().to_owned();
    run.var("AWS_CONFIG_FILE", file.to_str().unwrap()).var("HOME", &home)
}

#[test]
fn profiles_and_variables_that_lead_to_no_credentials() {
    let malformed = format!("[default]\naws_access_key_id = {CANARY}\n{CANARY}\n");
    expect("ASI-122", 77, &with_profile(&malformed));
    expect("ASI-123", 77, &with_profile("[default]\n").var("AWS_PROFILE", "team"));
    let half = run_without_keys(&nothing(), "{}").var("AWS_ACCESS_KEY_ID", CANARY);
    expect("ASI-124", 77, &half);
    let loops = "[default]\nrole_arn = a\nsource_profile = b\n[profile b]\nrole_arn = b\nsource_profile = default\n";
    expect("ASI-125", 77, &with_profile(loops));
    let newline = half.var("AWS_SECRET_ACCESS_KEY", &format!("{CANARY}\n"));
    expect("ASI-126", 77, &newline);
    // Loopback, ECS and EKS addresses alone are asked for credentials.
    let elsewhere =
        run_without_keys(&nothing(), "{}").var("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/creds");
    elsewhere.go().code(77).says("ASI-126").says("leads to another host");
    let empty = run_without_keys(&nothing(), "{}").var("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "");
    expect("ASI-127", 77, &empty);
    expect("ASI-128", 77, &with_profile(&format!("[default]\ncredential_process = /bin/false {CANARY}\n")));
    let sso = "[default]\nsso_account_id = 1\nsso_role_name = r\nsso_start_url = https://u\nsso_region = eu-west-1\n";
    expect("ASI-129", 77, &with_profile(sso));
    expect("ASI-130", 77, &with_profile("[default]\nlogin_session = me\n"));
}

#[test]
fn the_role_of_the_node_by_accident() {
    let node = "arn:aws:iam::111111111111:role/node";
    let aws = FakeAws::start(own(Scenario::new().role(Role::new(node)).imds(Imds::for_role(node)), "my_db", text()));
    let run = on_node(&aws);
    let ended = run.go().code(77);
    row("ASI-114", &run, &ended);
    row("ASI-120", &run, &ended);
    // Outside of a cluster an instance's role is what it should be.
    run.without("KUBERNETES_SERVICE_HOST").go().code(77).says("ASI-202");
    // And one that may read does so, but not without a word.
    let aws = FakeAws::start(own(Scenario::new().role(role(node, OWN)).imds(Imds::for_role(node)), "my_db", text()));
    let run = on_node(&aws);
    run.go().code(0).says("ASI-120").says("neither a web identity");
    let half = run.var("AWS_ROLE_ARN", POD);
    half.go().code(0).says("ASI-120").says("AWS_ROLE_ARN is set, but AWS_WEB_IDENTITY_TOKEN_FILE is not");
}

#[test]
fn a_role_that_sts_does_not_take() {
    let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
    let aws = with(Fault::on("AssumeRole").error(400, "ValidationError", message));
    expect("ASI-115", 77, &run(&aws, WITH_ROLE));
}

#[test]
fn credentials_that_are_refused_in_another_way() {
    let message = "Missing Authentication Token";
    let aws = with(Fault::on("ListSecrets").error(400, "MissingAuthenticationTokenException", message));
    expect("ASI-119", 77, &run(&aws, "{}"));
}

#[test]
fn a_web_identity_that_is_there_and_not_used() {
    let aws = FakeAws::start(own(Scenario::new().principal(pod()), "my_db", text()));
    let run = with_keys(with_web_identity(&aws));
    expect("ASI-121", 0, &run);
    let half = run.without("AWS_WEB_IDENTITY_TOKEN_FILE");
    half.go().code(0).says("ASI-121 credentials: AWS_ROLE_ARN is set, but AWS_WEB_IDENTITY_TOKEN_FILE is not");
    // With the identity in use there is nothing to say.
    let token = WebIdentityToken::new(format!("{CANARY}-token"), SUBJECT);
    let scenario = Scenario::new().role(role(POD, OWN).trust_web_identity(SUBJECT)).web_identity_token(token);
    let aws = FakeAws::start(own(scenario, "my_db", text()));
    let ended = with_web_identity(&aws).go().code(0);
    assert!(!ended.stderr.contains("ASI-"), "{}", ended.stderr);
}

// ---- what we may do ----------------------------------------------------------------------------------------------

/// May list, and read `my_db` in no way.
fn lister() -> Principal {
    let all = ["secretsmanager:ListSecrets", "secretsmanager:BatchGetSecretValue"];
    Principal::new(POD_KEY, POD).can(Statement::allow(all))
}

#[test]
fn no_policy_of_the_role_allows_it() {
    let aws = FakeAws::start(own(Scenario::new().principal(lister()), "my_db", text()));
    let run = run(&aws, "{}").var("SECRETS_INIT_ON_DENIED", "error");
    expect("ASI-201", 77, &run);
    assert_eq!(aws.count("GetCallerIdentity"), 0, "AWS has named the caller");
    assert!(run.var("SECRETS_INIT_ON_DENIED", "ignore").go().code(77).stderr.contains("ASI-201"));
}

#[test]
fn a_listing_that_is_denied() {
    let aws = FakeAws::start(Scenario::new().principal(Principal::new(POD_KEY, POD)));
    expect("ASI-202", 77, &run(&aws, "{}"));
}

#[test]
fn no_policy_of_the_secret_allows_it() {
    let across = pod().can_all(Statement::secrets_reader(SHARED, REGION, ""));
    let scenario = Scenario::new().principal(across);
    let aws = FakeAws::start(shared(own(scenario, "my_db", text()), "warehouse", text()));
    let kwargs = r#"{"shared_account": "222222222222", "shared_connections": ["warehouse"]}"#;
    expect("ASI-203", 0, &run(&aws, kwargs));
}

#[test]
fn an_explicit_deny_of_the_role_or_the_secret() {
    let read = ["secretsmanager:GetSecretValue"];
    let aws = FakeAws::start(own(Scenario::new().principal(pod().can(Statement::deny(read))), "my_db", text()));
    expect("ASI-204", 77, &run(&aws, "{}"));
    let secret = text().policy(Statement::deny(read).to([POD]));
    let aws = FakeAws::start(own(own(Scenario::new().principal(pod()), "my_db", secret), "ok", text()));
    expect("ASI-205", 0, &run(&aws, "{}"));
}

#[test]
fn a_vpc_endpoint_that_denies_one_secret() {
    let scenario = Scenario::new().principal(pod()).settings(|settings| settings.vpc_endpoint_denies("*my_db-*"));
    let aws = FakeAws::start(own(own(scenario, "my_db", text()), "ok", text()));
    expect("ASI-206", 0, &run(&aws, "{}"));
}

#[test]
fn policies_above_the_account_and_around_the_role() {
    let single = |aws: &FakeAws| run(aws, "{}").var("SECRETS_INIT_FETCH", "single");
    let aws = denied("with an explicit deny in a service control policy");
    expect("ASI-207", 77, &single(&aws));
    for reason in [
        "because no service control policy allows the secretsmanager:GetSecretValue action",
        "with an explicit deny in a resource control policy",
    ] {
        single(&denied(reason)).go().code(77).says("ASI-207");
    }
    let aws = denied("because no permissions boundary allows the secretsmanager:GetSecretValue action");
    expect("ASI-208", 77, &single(&aws));
    single(&denied("because no session policy allows the secretsmanager:GetSecretValue action")).go().says("ASI-208");
}

/// Without a reason and without a name: STS says who it was, if it will.
#[test]
fn a_denial_without_a_reason() {
    let aws = with(Fault::on("GetSecretValue").error(400, "AccessDeniedException", "Access denied"));
    let run = run(&aws, "{}").var("SECRETS_INIT_FETCH", "single");
    let line = expect("ASI-209", 77, &run);
    assert!(line.contains(&format!("as {POD}")), "{line}");
    assert_eq!(aws.count("GetCallerIdentity"), 1);
    let ended = run.go().code(77);
    assert!(ended.stderr.contains("api_calls=3"), "list, read, who: {}", ended.stderr);
    // The name is not worth waiting for: a run that did would go on to its deadline and end with 75.
    for fault in [Fault::on("GetCallerIdentity").error(403, "AccessDenied", "x"), Fault::on("GetCallerIdentity").hang()]
    {
        let aws = with(Fault::on("GetSecretValue").error(400, "AccessDeniedException", "Access denied"));
        aws.add_fault(fault);
        let run = self::run(&aws, "{}").var("SECRETS_INIT_FETCH", "single").var("SECRETS_INIT_DEADLINE", "2m");
        let ended = run.go().code(77).says("ASI-209");
        assert!(!ended.stderr.contains(POD) && !ended.stderr.contains("sts:"), "{}", ended.stderr);
        assert_eq!(aws.count("GetCallerIdentity"), 1);
    }
}

#[test]
fn batches_that_are_denied() {
    let single = ["secretsmanager:ListSecrets", "secretsmanager:GetSecretValue"];
    let scenario = Scenario::new().principal(Principal::new(POD_KEY, POD).can(Statement::allow(single)));
    let aws = FakeAws::start(own(own(scenario, "my_db", text()), "ok", text()));
    expect("ASI-210", 0, &run(&aws, "{}"));
}

// ---- keys --------------------------------------------------------------------------------------------------------

#[test]
fn a_key_that_does_not_admit_the_caller() {
    let secret = text().kms(Kms::customer("arn:aws:kms:eu-central-1:111111111111:key/k"));
    let aws = FakeAws::start(own(own(Scenario::new().principal(pod()), "my_db", secret.clone()), "other", secret));
    let line = expect("ASI-301", 77, &run(&aws, "{}"));
    assert!(line.contains(&format!("as {POD}")), "{line}");
    assert_eq!(aws.count("GetCallerIdentity"), 1, "once, however many secrets it is about");
}

/// What is known from taking the role or from the environment is not asked for.
#[test]
fn a_caller_that_is_known_is_not_asked_for() {
    let locked = || text().kms(Kms::customer("arn:aws:kms:eu-central-1:222222222222:key/k"));
    let scenario = Scenario::new().principal(pod()).role(role(READER, SHARED).trust(POD));
    let aws = FakeAws::start(shared(own(scenario, "my_db", text()), "warehouse", locked()));
    let ended = run(&aws, WITH_ROLE).go().code(0);
    ended.says("as arn:aws:sts::222222222222:assumed-role/reader/airflow-secrets-init");
    assert_eq!(aws.count("GetCallerIdentity"), 0);
    let token = WebIdentityToken::new(format!("{CANARY}-token"), SUBJECT);
    let scenario = Scenario::new().role(role(POD, OWN).trust_web_identity(SUBJECT)).web_identity_token(token);
    let aws = FakeAws::start(own(scenario, "my_db", locked()));
    let session = format!("as arn:aws:sts::{OWN}:assumed-role/airflow/airflow-secrets-init");
    with_web_identity(&aws).go().code(77).says(&session);
    assert_eq!(aws.count("GetCallerIdentity"), 0);
}

#[test]
fn the_default_key_across_accounts() {
    let across = pod().can_all(Statement::secrets_reader(SHARED, REGION, ""));
    let scenario = Scenario::new().principal(across);
    let aws = FakeAws::start(shared(own(scenario, "my_db", text()), "warehouse", text().readable_by(POD)));
    let kwargs = r#"{"shared_account": "222222222222", "shared_connections": ["warehouse"]}"#;
    expect("ASI-302", 0, &run(&aws, kwargs));
}

#[test]
fn a_key_that_nobody_can_use() {
    let aws = FakeAws::start(own(Scenario::new().principal(pod()), "my_db", text().decryption_failure()));
    expect("ASI-303", 77, &run(&aws, "{}"));
}

// ---- region and request ------------------------------------------------------------------------------------------

#[test]
fn an_endpoint_of_another_region() {
    let message = "Credential should be scoped to a valid region.";
    let aws = with(Fault::on("ListSecrets").error(400, "InvalidSignatureException", message));
    expect("ASI-401", 77, &run(&aws, "{}"));
}

#[test]
fn a_region_that_the_account_has_not_enabled() {
    let message = "STS is not activated in this region for account:222222222222.";
    let aws = with(Fault::on("AssumeRole").error(403, "RegionDisabledException", message));
    expect("ASI-402", 77, &run(&aws, WITH_ROLE));
}

#[test]
fn a_request_that_aws_does_not_take() {
    let message =
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";
    let aws = with(Fault::on("GetSecretValue").error(400, "ValidationException", message));
    expect("ASI-403", 77, &run(&aws, "{}").var("SECRETS_INIT_CONN_IDS", "my_db"));
}

#[test]
fn no_region() {
    let aws = FakeAws::start(own(Scenario::new().principal(pod()), "my_db", text()));
    expect("ASI-404", 0, &run(&aws, "{}").without("AWS_REGION"));
    run(&aws, WITH_ROLE).without("AWS_REGION").go().says("ASI-404 neither aws_region");
}

#[test]
fn more_secrets_than_a_run_takes() {
    let entries: Vec<String> = (0..1000).map(|i| format!(r#"{{"Name": "{PREFIX}n{{request_id}}-{i}"}}"#)).collect();
    let page = format!(r#"{{"SecretList": [{}], "NextToken": "{{request_id}}"}}"#, entries.join(", "));
    let aws = with(Fault::on("ListSecrets").body(200, "application/x-amz-json-1.1", page));
    expect("ASI-405", 65, &run(&aws, "{}"));
}

// ---- network and service -----------------------------------------------------------------------------------------

#[test]
fn a_name_that_is_not_in_the_dns() {
    let run = run(&nothing(), "{}").var("AWS_ENDPOINT_URL", "http://secretsmanager.eu-central-1.invalid");
    expect("ASI-501", 69, &run);
}

#[test]
fn nobody_at_the_endpoint() {
    expect("ASI-502", 69, &run(&nothing(), "{}").var("AWS_ENDPOINT_URL", &format!("http://{}", nowhere())));
}

/// `https` with a bundle that does not vouch for the fake.
fn untrusting(aws: &FakeAws) -> Run {
    let run = run(aws, "{}");
    let file = run.path("ca.pem");
    std::fs::write(&file, fake_aws::certificates::SERVER).unwrap();
    run.var("AWS_CA_BUNDLE", file.to_str().unwrap())
}

#[test]
fn a_certificate_that_is_not_trusted() {
    let aws = FakeAws::builder().tls().start(Scenario::new()).unwrap();
    expect("ASI-503", 69, &untrusting(&aws));
    // For the STS that the SDK itself asks as well.
    let web = with_web_identity(&aws);
    let file = web.path("ca.pem");
    std::fs::write(&file, fake_aws::certificates::SERVER).unwrap();
    let web = web.var("AWS_CA_BUNDLE", file.to_str().unwrap());
    web.go().code(69).says(&format!("ASI-503 sts:AssumeRoleWithWebIdentity of {POD}: TLS with https://"));
}

#[test]
fn no_certificate_at_all() {
    let aws = FakeAws::builder().tls().start(Scenario::new()).unwrap();
    let run = run(&aws, "{}");
    std::fs::create_dir(run.path("empty")).unwrap();
    let empty = run.path("empty").to_str().unwrap().to_owned();
    expect("ASI-504", 78, &run.var("SSL_CERT_DIR", &empty));
}

#[test]
fn a_proxy_that_refuses_or_is_not_there() {
    let aws = FakeAws::builder().tls().start(Scenario::new()).unwrap();
    let refusing = answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    let run = untrusting(&aws).var("HTTPS_PROXY", &format!("http://user:{CANARY}@{refusing}"));
    expect("ASI-505", 69, &run);
    let absent = run.var("HTTPS_PROXY", &format!("http://user:{CANARY}@{}", nowhere()));
    let ended = absent.go().code(69).says("ASI-505").says("Connection refused").says("(HTTPS_PROXY is set)");
    says_no_value(&absent, &ended);
}

#[test]
fn no_answer() {
    let aws = with(Fault::on("*").hang());
    expect("ASI-506", 75, &run(&aws, "{}").var("SECRETS_INIT_DEADLINE", "15s").var("SECRETS_INIT_FETCH", "single"));
}

#[test]
fn an_answer_that_is_not_of_aws() {
    let gateway = answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 20\r\n\r\n<html>c4nary</html>\n");
    expect("ASI-507", 69, &run(&nothing(), "{}").var("AWS_ENDPOINT_URL", &format!("http://{gateway}")));
}

#[test]
fn a_fault_of_aws() {
    let aws = with(Fault::on("ListSecrets").error(503, "ServiceUnavailable", "The service is unavailable."));
    expect("ASI-508", 69, &run(&aws, "{}"));
}

#[test]
fn throttling_to_the_end() {
    let aws = with(Fault::on("ListSecrets").throttled());
    expect("ASI-509", 75, &run(&aws, "{}").var("SECRETS_INIT_DEADLINE", "8s"));
}

#[test]
fn an_answer_that_is_too_large() {
    expect("ASI-511", 69, &run(&with(Fault::on("ListSecrets").huge_body(64 << 20)), "{}"));
}

#[test]
fn a_request_that_can_not_be_made() {
    // A host that no address can carry.
    expect("ASI-510", 69, &run(&nothing(), r#"{"endpoint_url": "http://\u00fc:1"}"#));
}

// ---- every call --------------------------------------------------------------------------------------------------

/// `--log debug` has a line for each request, with how long it took, how much came and how often it was tried, and no value.
#[test]
fn debug_shows_every_call_and_no_value() {
    let token = WebIdentityToken::new(format!("{CANARY}-token"), SUBJECT);
    let scenario = Scenario::new()
        .role(role(POD, OWN).trust_web_identity(SUBJECT).can(Statement::allow(["sts:AssumeRole"])))
        .role(role(READER, SHARED).trust(POD))
        .web_identity_token(token)
        .fault(Fault::on("ListSecrets").times(2).throttled())
        .fault(Fault::on("AssumeRole").times(1).reset());
    let aws = FakeAws::start(shared(own(scenario, "my_db", text()), "warehouse", text()));
    for level in ["debug", "trace"] {
        aws.reset_calls();
        let run = with_web_identity(&aws)
            .kwargs(WITH_ROLE)
            .var("SECRETS_INIT_LOG", level)
            .var("SECRETS_INIT_LOG_FORMAT", "json");
        let ended = run.go().code(0);
        says_no_value(&run, &ended);
        let lines = ended.stderr.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let calls: Vec<serde_json::Value> = lines.filter(|line| line["message"] == "call").collect();
        assert_eq!(u64::try_from(calls.len()).unwrap(), aws.stats().calls, "{}", ended.stderr);
        for call in &calls {
            assert_eq!(call["endpoint"], aws.endpoint());
            assert!(call["elapsed_ms"].is_u64() && call["retries"].is_u64() && call["sent"].is_u64(), "{call}");
            if call["error"].is_null() {
                assert!(call["status"].is_u64() && call["received"].is_u64(), "{call}");
                assert!(call["request_id"].as_str().is_some_and(|id| id.len() == 36), "{call}");
            }
        }
        if level == "debug" {
            let of = |action: &str| calls.iter().filter(|call| call["action"] == action).collect::<Vec<_>>();
            assert_eq!(of("sts:AssumeRoleWithWebIdentity").len(), 1);
            assert_eq!(of("sts:AssumeRole").len(), 2);
            assert_eq!(of("secretsmanager:BatchGetSecretValue").len(), 2);
            assert!(of("sts:AssumeRole").iter().any(|call| call["error"].is_string()));
            let retried = of("secretsmanager:ListSecrets").iter().map(|call| call["retries"].as_u64().unwrap()).max();
            assert!(retried >= Some(1), "{}", ended.stderr);
        }
    }
    // Container and instance credentials too; the path of the former is a secret.
    let scenario = Scenario::new()
        .role(role(POD, OWN))
        .imds(Imds::for_role(POD))
        .container_credentials(ContainerCredentials::for_role("/v2/credentials/c4nary", POD));
    let aws = FakeAws::start(own(scenario, "my_db", text()));
    let run = run_without_keys(&aws, "{}")
        .var("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/v2/credentials/c4nary", aws.endpoint()))
        .var("SECRETS_INIT_LOG", "debug");
    says_no_value(&run, &run.go().code(0).says("action=\"credentials:Get\""));
    on_node(&aws).var("SECRETS_INIT_LOG", "debug").go().code(0).says("action=\"imds:Get\"");
}
