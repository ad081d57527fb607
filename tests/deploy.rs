//! The examples for compose, Kubernetes jobs and CI pipelines: what stands in them is run by the program. Images and Pods are
//! scripts/e2e-image's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::Run;
use fake_aws::{FakeAws, Principal, Role, Scenario, Statement, WebIdentityToken};
use serde_json::{Map, Value};

const REGION: &str = "eu-central-1";

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(path)
}

/// The documents of a YAML file.
fn documents(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(example(path)).unwrap();
    text.split("\n---\n")
        .map(|one| serde_saphyr::from_str(one).unwrap_or_else(|error| panic!("{path}: {error}")))
        .collect()
}

/// The text of a field, with `${NAME:-default}` as it is when NAME is not set.
fn text(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.split_once("${").and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        Some((before, (variable, after))) => {
            let default = variable.split_once(":-").map_or("", |(_, default)| default);
            format!("{before}{default}{after}")
        }
        None => text,
    }
}

/// The one-shot of compose, over these files as compose merges them: its environment.
fn one_shot(files: &[&str]) -> Map<String, Value> {
    let service = |file: &&str| documents(&format!("compose/{file}"))[0]["services"]["airflow-secrets-init"].clone();
    let environments = files.iter().map(service).map(|service| service["environment"].as_object().cloned());
    environments.flatten().flatten().filter(|(_, value)| !value.is_null()).collect()
}

/// The environment of a run, with its own places for what it writes.
fn run_with(environment: impl IntoIterator<Item = (String, String)>) -> Run {
    environment.into_iter().fold(Run::new(), |run, (name, value)| run.var(&name, &value))
}

#[test]
fn compose_with_the_file_store_renders_for_both_versions_of_airflow() {
    for (file, left_out) in [("airflow-2.yaml", 1), ("airflow-3.yaml", 1)] {
        let environment = one_shot(&[file, "file-store.yaml"]);
        assert_eq!(environment["SECRETS_INIT_STORE"], "file:/dev-secrets.yaml");
        let store = format!("file:{}", example("dev-secrets.yaml").display());
        let run = run_with(environment.iter().map(|(name, value)| (name.clone(), text(value))));
        let ended = run.var("SECRETS_INIT_STORE", &store).go().code(0);
        assert_eq!(ended.conn_ids(), ["my_db", "snowflake", "warehouse"]);
        assert_eq!(ended.summary()["invalid"], left_out);
    }
}

#[test]
fn compose_with_an_emulator_or_aws_renders_what_is_there() {
    // LocalStack's account, and one of AWS with the developer's own keys.
    for (store, account) in [("emulator.yaml", "000000000000"), ("aws.yaml", "111122223333")] {
        let scenario = Scenario::new().secret(account, REGION, "airflow/connections/db", "mysql://h");
        let aws = FakeAws::start(scenario.secret(account, REGION, "airflow/other/x", "mysql://h"));
        for file in ["airflow-2.yaml", "airflow-3.yaml"] {
            let mut environment = one_shot(&[file, store]);
            if store == "aws.yaml" {
                let mut keys = |name: &str, value: &str| environment.insert(name.to_owned(), value.into()).is_none();
                assert!(keys("AWS_ACCESS_KEY_ID", account) && keys("AWS_SECRET_ACCESS_KEY", "x"), "they are not in it");
            }
            let run = run_with(environment.iter().map(|(name, value)| (name.clone(), text(value))));
            let ended = run.var("AWS_ENDPOINT_URL", &aws.endpoint()).go().code(0);
            assert_eq!(ended.conn_ids(), ["db"], "{file} {store}");
            assert!(!ended.stderr.contains("WARN"), "{file} {store}: {}", ended.stderr);
        }
    }
}

/// Airflow's services get the reader's settings, the volume read-only, and wait; the one-shot is confined and runs once.
/// The same services wait, for the first file and not for an end; the service that goes on takes its settings.
#[test]
fn compose_with_refresh_waits_for_the_first_file() {
    for version in [2, 3] {
        let services = |file: &str| documents(&format!("compose/{file}-{version}.yaml"))[0]["services"].clone();
        let (whole, refresh) = (services("airflow"), services("refresh"));
        let names = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&whole), names(&refresh));
        for (name, service) in refresh.as_object().unwrap().iter().filter(|(name, _)| *name != "airflow-secrets-init") {
            assert_eq!(service["depends_on"]["airflow-secrets-init"]["condition"], "service_healthy", "{name}");
        }
        let ours = &refresh["airflow-secrets-init"];
        let test: Vec<&str> =
            ours["healthcheck"]["test"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(
            (&ours["restart"], test),
            (&"unless-stopped".into(), vec!["CMD", "/airflow-secrets-init", "status"])
        );
        let environment = ours["environment"].as_object().unwrap();
        let mut environment: Vec<_> = environment.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let store = format!("file:{}", example("dev-secrets.yaml").display());
        environment.extend([("SECRETS_INIT_STORE".to_owned(), store)]);
        run_with(environment).kwargs("{}").arg("check").arg("--offline").go().code(0);
    }
}

#[test]
fn compose_gives_every_service_of_airflow_the_same_and_confines_the_one_shot() {
    let services = |file: &str| documents(&format!("compose/{file}"))[0]["services"].as_object().unwrap().clone();
    let of_airflow = |file: &str| {
        let names: BTreeSet<String> = services(file).into_iter().map(|(name, _)| name).collect();
        names.into_iter().filter(|name| name != "airflow-secrets-init").collect::<Vec<_>>()
    };
    let common = ["airflow-cli", "airflow-scheduler", "airflow-triggerer"];
    let named = |others: &[&'static str]| {
        let mut names = [&common, others].concat();
        names.sort_unstable();
        names
    };
    assert_eq!(of_airflow("airflow-2.yaml"), named(&["airflow-webserver", "airflow-worker"]));
    assert_eq!(of_airflow("airflow-3.yaml"), named(&["airflow-apiserver", "airflow-dag-processor", "airflow-worker"]));
    for file in ["airflow-2.yaml", "airflow-3.yaml"] {
        for (name, service) in services(file) {
            if name == "airflow-secrets-init" {
                assert_eq!((&service["restart"], &service["read_only"]), (&"no".into(), &true.into()));
                assert_eq!((text(&service["user"]), &service["cap_drop"][0]), ("50000:0".to_owned(), &"ALL".into()));
                assert_eq!(service["volumes"][0], "airflow-secrets:/opt/airflow/secrets");
                continue;
            }
            let kwargs: Value =
                serde_json::from_str(&text(&service["environment"]["AIRFLOW__SECRETS__BACKEND_KWARGS"])).unwrap();
            assert_eq!(
                kwargs,
                serde_json::json!({"connections_file_path": "/opt/airflow/secrets/connections.json"}),
                "{name}"
            );
            assert_eq!(service["volumes"][0], "airflow-secrets:/opt/airflow/secrets:ro", "{name}");
            let waits = &service["depends_on"]["airflow-secrets-init"]["condition"];
            assert_eq!(waits, "service_completed_successfully", "{name}");
        }
    }
}

/// The container of the program in a workload, with the spec of its pod and of its job.
fn of_kubernetes(path: &str) -> (Value, Value) {
    let workload =
        documents(path).into_iter().find(|one| ["Job", "CronJob"].iter().any(|kind| one["kind"] == *kind)).unwrap();
    let job = if workload["kind"] == "CronJob" { &workload["spec"]["jobTemplate"]["spec"] } else { &workload["spec"] };
    let pod = &job["template"]["spec"];
    let containers = [&pod["initContainers"], &pod["containers"]];
    let all = containers.into_iter().filter_map(Value::as_array).flatten();
    let container = all.into_iter().find(|container| container["name"] == "airflow-secrets-init").unwrap();
    (container.clone(), job.clone())
}

/// What the container renders against accounts as they may be: the names in its file, in order, how often it listed, and how long it
/// may wait at first.
fn rendered_by(container: &Value) -> (Vec<String>, u64, Option<String>) {
    let (key, pod) = ("AKIAPOD", "arn:aws:iam::111122223333:role/airflow");
    let (shared, reader) = ("258781458051", "arn:aws:iam::258781458051:role/airflow-reader");
    let scenario = Scenario::new()
        .principal(Principal::new(key, pod).can(Statement::allow(["*"])))
        .role(Role::new(reader).trust(pod).can_all(Statement::secrets_reader(shared, REGION, "airflow/connections/")))
        .secret(shared, REGION, "airflow/connections/theirs", "mysql://h");
    let aws = FakeAws::start(["warehouse", "reporting_db", "unasked"].iter().fold(scenario, |all, id| {
        all.secret("111122223333", REGION, &format!("airflow/connections/{id}"), "mysql://h")
    }));
    let environment = container["env"].as_array().unwrap();
    let of = |name: &str| environment.iter().find(|one| one["name"] == name).map(|one| text(&one["value"]));
    let mut run = run_with(environment.iter().map(|one| (text(&one["name"]), text(&one["value"]))));
    run = run.var("AWS_ENDPOINT_URL", &aws.endpoint()).var("AWS_ACCESS_KEY_ID", key).var("AWS_SECRET_ACCESS_KEY", "x");
    run = if of("SECRETS_INIT_JITTER").is_some() { run.var("SECRETS_INIT_JITTER", "1ms") } else { run };
    let names = if let Some(file) = of("SECRETS_INIT_AIRFLOW_ENV_FILE") {
        let name = Path::new(&file).file_name().unwrap().to_str().unwrap();
        run = run.var("SECRETS_INIT_AIRFLOW_ENV_FILE", name);
        run.go().code(0);
        let lines = fs::read_to_string(run.path(name)).unwrap();
        lines.lines().map(|line| line.split_once('=').unwrap().0.to_owned()).collect()
    } else {
        run.go().code(0).conn_ids()
    };
    (names, aws.count("ListSecrets"), of("SECRETS_INIT_JITTER"))
}

#[test]
fn jobs_render_what_they_say_and_retry_what_a_retry_helps() {
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/EXIT-CODES.md")).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |"));
    let hopeless: Vec<u64> = rows
        .filter(|(_, rest)| rest.trim_end_matches('|').trim_end().rsplit('|').next().unwrap().trim().starts_with("no"))
        .map(|(code, _)| code.parse().unwrap())
        .collect();
    assert!(hopeless.contains(&78) && !hopeless.contains(&75), "{hopeless:?}");
    for path in ["kubernetes/job.yaml", "kubernetes/cronjob.yaml", "shared-account/cronjob.yaml"] {
        let (container, job) = of_kubernetes(path);
        let rule = &job["podFailurePolicy"]["rules"][0];
        assert_eq!((&rule["action"], &rule["onExitCodes"]["operator"]), (&"FailJob".into(), &"In".into()), "{path}");
        let codes: Vec<u64> =
            rule["onExitCodes"]["values"].as_array().unwrap().iter().map(|one| one.as_u64().unwrap()).collect();
        assert_eq!(codes, hopeless, "{path}: the codes of docs/EXIT-CODES.md that a retry does not help");
        if path == "shared-account/cronjob.yaml" {
            continue;
        }
        let (names, lists, jitter) = rendered_by(&container);
        let expected: (&[&str], _, _) = match path {
            "kubernetes/job.yaml" => (&["AIRFLOW_CONN_REPORTING_DB", "AIRFLOW_CONN_WAREHOUSE"], 0, None),
            _ => (&["reporting_db", "theirs", "unasked", "warehouse"], 2, Some("20s")),
        };
        assert_eq!(
            (names.iter().map(String::as_str).collect::<Vec<_>>(), lists, jitter.as_deref()),
            (expected.0.to_vec(), expected.1, expected.2)
        );
    }
}

/// Both examples that publish an index, under a role that may do no more than that of examples/shared-account/main.tf.
#[test]
fn the_examples_of_a_shared_account_publish_its_index() {
    let (container, _) = of_kubernetes("shared-account/cronjob.yaml");
    let variables = container["env"].as_array().unwrap().iter().map(|one| (text(&one["name"]), text(&one["value"])));
    let of_cronjob: Vec<(String, String)> = variables.collect();
    assert_eq!(container["args"], serde_json::json!(["publish-index"]));
    let step = text(&documents("shared-account/github-actions.yml")[0]["jobs"]["publish"]["steps"][0]["run"]);
    let command = step.split("docker run").nth(1).unwrap().split('\n').take_while(|line| !line.starts_with("rm "));
    let command = command.map(|line| line.trim_end_matches('\\').trim()).collect::<Vec<_>>().join(" ");
    assert!(command.ends_with(" publish-index"), "{command}");
    let given = command.split("--env ").skip(1).map(|rest| rest.split_once('=').unwrap());
    let value = |rest: &str| match rest.strip_prefix('\'') {
        Some(quoted) => quoted.split('\'').next().unwrap().to_owned(),
        None => rest.split(' ').next().unwrap().to_owned(),
    };
    let of_pipeline: Vec<(String, String)> = given.map(|(name, rest)| (name.to_owned(), value(rest))).collect();

    let (account, subject) = ("258781458051", "repo:platform/secrets:ref:refs/heads/main");
    let role = Role::new(format!("arn:aws:iam::{account}:role/airflow-index-publisher")).trust_web_identity(subject);
    let index = format!("arn:aws:secretsmanager:{REGION}:{account}:secret:airflow/index-??????");
    let role = role.can(Statement::allow(["secretsmanager:ListSecrets"]));
    let role =
        role.can(Statement::allow(["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]).on([index]));
    for variables in [of_cronjob, of_pipeline] {
        let aws = FakeAws::start(
            Scenario::new()
                .role(role.clone())
                .web_identity_token(WebIdentityToken::new("the-token", subject))
                .secret(account, REGION, "airflow/index", "[]")
                .secret(account, REGION, "airflow/connections/warehouse", "postgres://u:p@h/db"),
        );
        let run = run_with(variables).arg("publish-index").var("AWS_ENDPOINT_URL", &aws.endpoint());
        let token = run.path("token");
        fs::write(&token, "the-token").unwrap();
        let run = run.var("AWS_ROLE_ARN", &format!("arn:aws:iam::{account}:role/airflow-index-publisher"));
        let ended = run.var("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()).go().code(0);
        assert!(ended.stdout.contains("+ conn_id warehouse"), "{}", ended.stdout);
        let text = aws.text_of(account, REGION, "airflow/index").unwrap();
        assert!(text.contains(r#""ids":["warehouse"]"#), "{text}");
    }
}

/// The step of the pipeline as it stands, by a shell, with two programs in the way: `curl` gives a token as the forge does, and
/// `docker` runs this program with the environment that it was given.
#[test]
fn the_pipeline_turns_its_token_into_an_env_file() {
    let (account, role) = ("111122223333", "arn:aws:iam::111122223333:role/dags-ci");
    let subject = "repo:team/dags:ref:refs/heads/main";
    let aws = FakeAws::start(
        Scenario::new()
            .role(Role::new(role).trust_web_identity(subject).can_all(Statement::secrets_reader(
                account,
                "eu-central-1",
                "airflow/connections/",
            )))
            .web_identity_token(WebIdentityToken::new("the-token", subject))
            .secret(account, "eu-central-1", "airflow/connections/warehouse", "postgres://u:p@h/db")
            .secret(account, "eu-central-1", "airflow/connections/reporting_db", "mysql://u:p@h/db"),
    );
    let pipeline = &documents("ci/github-actions.yml")[0]["jobs"]["test"]["steps"];
    let step = |name: &str| {
        let steps = pipeline.as_array().unwrap();
        text(&steps.iter().find(|step| step["name"] == name).unwrap()["run"])
    };
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let bin = place("bin");
    fs::create_dir(&bin).unwrap();
    let program = env!("CARGO_BIN_EXE_airflow-secrets-init");
    let docker = format!(
        "#!/bin/bash\nvariables=()\nwhile [ $# -gt 0 ]; do\n  if [ \"$1\" = --env ]; then variables+=(\"${{2//\\/secrets\\//{}/}}\"); fi\n  shift\ndone\n\
         exec env -i \"${{variables[@]}}\" AWS_ENDPOINT_URL={} AWS_EC2_METADATA_DISABLED=true {program}\n",
        place("secrets").replace('/', "\\/"),
        aws.endpoint(),
    );
    let curl = "#!/bin/sh\ncase \"$*\" in *'Bearer request-token'*'http://token?x&audience=sts.amazonaws.com'*) echo '{\"value\": \"the-token\"}';; *) exit 22;; esac\n";
    let jq = "#!/bin/sh\ncase $1 in *j*) end=;; *) end='\\n';; esac\nprintf \"%s$end\" \"$(sed 's/.*: \"\\(.*\\)\".*/\\1/')\"\n";
    for (name, script) in [("docker", docker.as_str()), ("curl", curl), ("jq", jq)] {
        let path = format!("{bin}/{name}");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let shell = |script: &str| {
        let script = script.replace("/dev/shm/secrets", &place("secrets"));
        let path = format!("{bin}:{}", "/usr/local/bin:/usr/bin:/bin");
        let mut command = Command::new("bash");
        command.args(["-e", "-c", &script]).env("PATH", path).current_dir(directory.path());
        command
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-token")
            .env("ACTIONS_ID_TOKEN_REQUEST_URL", "http://token?x");
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    shell(&step("Render connections"));
    assert_eq!(common::names(&directory.path().join("secrets")), ["airflow.env"]);
    let (reading, _) =
        step("Test").split_once("python").map(|(before, after)| (before.to_owned(), after.to_owned())).unwrap();
    let said = shell(&format!("{reading}env | grep ^AIRFLOW_CONN_ | sort"));
    let names: Vec<&str> = said.lines().map(|line| line.split_once('=').unwrap().0).collect();
    assert_eq!(names, ["AIRFLOW_CONN_REPORTING_DB", "AIRFLOW_CONN_WAREHOUSE"]);
    assert_eq!(aws.count("AssumeRoleWithWebIdentity"), 1);
}
