//! Whatever fails, nothing of a secret is said: settings, AWS, malformed secrets, files, signals. (Templates: templates.rs;
//! panics: panic.rs.)
//!
//! Each scenario plants a word in the place of every value and searches all that the program says for it: stdout, stderr at
//! the level trace, the termination message, the names of files, the process's arguments; as it is, in base64, percent and JSON
//! escapes, hexadecimal, with its cases swapped, and backwards.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::fs;

use airflow_secrets_init::config::cli::RawSettings;
use airflow_secrets_init::config::keys::KEYS;
use common::accounts::{OWN, POD, POD_KEY, REGION};
use common::canary::{assert_silent, canary, everything_said};
use common::{FAR, Run, signal, wait_until};
use fake_aws::{FakeAws, Fault, Kms, Principal, Scenario, Secret, Statement};

/// The forms searched for so far.
#[derive(Default)]
struct Search {
    scenarios: usize,
    forms: usize,
}

impl Search {
    /// Runs each command and searches what it says.
    fn run(&mut self, what: &str, canary: &str, make: impl Fn() -> Run) {
        for command in ["render", "check", "diff"] {
            for output in ["text", "json"] {
                let run = make().var("SECRETS_INIT_LOG", "trace").var("SECRETS_INIT_OUTPUT", output).arg(command);
                let ended = run.go();
                assert_ne!(ended.code, 70, "{what}: {}", ended.stderr);
                self.scenarios += 1;
                self.forms +=
                    assert_silent(&format!("{what}, {command} {output}"), &everything_said(&run, &ended), canary);
            }
        }
    }
}

#[test]
fn settings_that_are_wrong() {
    let mut search = Search::default();
    for (number, name) in (0..).zip(RawSettings::NAMES) {
        // Paths, names and globs are no secrets; what should not be there is.
        let canary = canary(number);
        if !matches!(
            *name,
            "log"
                | "output"
                | "termination_log"
                | "connections_file"
                | "conn_ids"
                | "variable_keys"
                | "config_keys"
                | "required"
                | "templates"
                | "store"
        ) {
            let variable = format!("SECRETS_INIT_{}", name.to_uppercase());
            search.run(name, &canary, || Run::on_document("own: {}").var(&variable, &canary));
        }
    }
    let of_kwargs = canary(99);
    search.run("keys among the kwargs", &of_kwargs, || {
        Run::on_document("own: {}")
            .var("SECRETS_INIT_DEADLINE", "soon")
            .kwargs(&format!(r#"{{"aws_secret_access_key": "{of_kwargs}", "aws_access_key_id": "{of_kwargs}"}}"#))
    });
    for (number, key) in (100..).zip(KEYS.iter().map(|key| key.name)) {
        let canary = canary(number);
        for value in
            [format!("\"{canary}\""), format!("[\"{canary}\"]"), format!("{{\"a\": \"{canary}\"}}"), canary.clone()]
        {
            // Parts of names, as prefixes and ids are, may be said.
            let is_name = key.contains("prefix")
                || ["sep", "shared_connections", "shared_variables", "shared_index"].contains(&key);
            if !is_name && !value.starts_with('{') {
                search.run(key, &canary, || Run::on_document("own: {}").kwargs(&format!(r#"{{"{key}": {value}}}"#)));
            }
        }
    }
    println!("settings: {} scenarios, {} forms searched for", search.scenarios, search.forms);
}

/// What a process that reads again says of changes and of what it keeps, in its log, its status file and by `status`.
#[test]
fn a_process_that_reads_again() {
    let canary = canary(7);
    let documents: [String; 6] = [
        format!(
            "own: {{airflow/connections/a: 'http://u:{canary}1@h', airflow/connections/b: 'http://u:{canary}2@h'}}"
        ),
        format!(
            "own: {{airflow/connections/a: 'http://u:{canary}3@h', airflow/connections/b: 'http://u:{canary}[@h'}}"
        ),
        format!("own: {{airflow/connections/a: '{{\"port\": \"{canary}\"}}', airflow/connections/c: '{{\"{canary}'}}"),
        "own: {}".to_owned(),
        format!("own: {{airflow/connections/a: {canary}: {canary}"),
        format!("own: {{airflow/connections/a: 'http://u:{canary}4@h'}}"),
    ];
    let run = Run::on_document(&documents[0]).var("SECRETS_INIT_REFRESH", "24h").var("SECRETS_INIT_LOG", "trace");
    let status = run.path("refresh-status.json");
    let log = run.path("log");
    let child = run.command().stdout(std::process::Stdio::null()).stderr(fs::File::create(&log).unwrap()).spawn();
    let mut child = child.unwrap();
    let mut said = String::new();
    for (reading, document) in (1..).zip(&documents) {
        if reading > 1 {
            fs::write(run.path("secrets.yaml"), document).unwrap();
            signal("HUP", &child);
        }
        let attempts = || {
            let status: serde_json::Value = serde_json::from_str(&fs::read_to_string(&status).ok()?).ok()?;
            status["attempts"].as_u64()
        };
        wait_until("the reading has ended", || attempts() == Some(reading));
        said += &fs::read_to_string(&status).unwrap();
        for output in ["text", "json"] {
            let shown = run.command().args(["status", "--output", output]).output().unwrap();
            said += &String::from_utf8_lossy(&[shown.stdout, shown.stderr].concat());
        }
    }
    signal("TERM", &child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = fs::read_to_string(log).unwrap();
    assert!(
        log.contains("changed") && log.contains("kept with the last good value") && log.contains("reading failed"),
        "{log}"
    );
    let forms = assert_silent("a process that reads again", &format!("{said}\n{log}"), &canary);
    println!("refresh: {} readings, {forms} forms searched for", documents.len());
}

#[test]
fn secrets_that_are_malformed_or_that_no_file_can_carry() {
    let mut search = Search::default();
    let of = |canary: &str| {
        [
            format!("postgres://{canary}-user:{canary}-pass@{canary}-host:5432/{canary}-db?x={canary}-extra"),
            format!("postgres://{canary}-user:{canary}/pass@h:5432/db"),
            format!("http://u:p@h/db?u=https://{canary}"),
            format!("mysql://u:{canary}[@h/db"),
            format!("{{\"port\": \"{canary}\"}}"),
            format!("{{\"extra\": \"{canary}\"}}"),
            format!("{{\"extra\": [\"{canary}\"]}}"),
            format!("{{\"login\": {{\"{canary}\": 1}}}}"),
            format!("{{\"password\": \"{canary}\" {canary}"),
            format!("{{\"{canary}-key\": \"\\ud800\", \"host\": \"\\ud800{canary}\"}}"),
            format!("{{\"password\": \"{canary}`'\"}}"),
            canary.to_owned(),
            format!("{canary}\n`'{canary}"),
        ]
    };
    for number in 0..of("").len() {
        for (format, env) in [("c.json", "a.env"), ("c.yaml", "a.list"), ("c.env", "a.env")] {
            for strict in ["true", "false"] {
                let canary = canary(u32::try_from(number).unwrap());
                let text = serde_json::to_string(&of(&canary)[number]).unwrap();
                let document = format!(
                    "own:\n  airflow/connections/n: {text}\n  airflow/variables/v: {text}\n  airflow/config/c: {text}\n"
                );
                search.run(&format!("secret {number}"), &canary, || {
                    Run::on_document(&document)
                        .file(format)
                        .var("SECRETS_INIT_STRICT", strict)
                        .var("SECRETS_INIT_VARIABLES_FILE", &format!("v{}", format.trim_start_matches('c')))
                        .var("SECRETS_INIT_CONFIGS_FILE", "configs.json")
                        .var("SECRETS_INIT_AIRFLOW_ENV_FILE", env)
                        .var("AIRFLOW__CORE__FERNET_KEY_SECRET", "c")
                });
            }
        }
    }
    let canary = canary(99);
    for document in [
        format!("own: {canary}"),
        format!("own:\n  a: [{canary}"),
        format!("{{\"own\": {{\"a\": {canary}"),
        format!("own: {{a: \"{canary}\", a: {canary}}}"),
    ] {
        search.run("a file store", &canary, || Run::on_document(&document));
    }
    println!("secrets: {} scenarios, {} forms searched for", search.scenarios, search.forms);
}

/// A run against a fake that holds the canary in every secret.
fn aws_run(aws: &FakeAws, canary: &str) -> Run {
    Run::on_aws(&aws.endpoint(), "{}")
        .var("AWS_ACCESS_KEY_ID", POD_KEY)
        .var("AWS_SECRET_ACCESS_KEY", canary)
        .var("SECRETS_INIT_DEADLINE", "1s")
        .var("SECRETS_INIT_VARIABLES_FILE", "variables.json")
}

fn scenario(canary: &str) -> Scenario {
    let text = || Secret::text(format!("mysql://u:{canary}@h/db"));
    let denied = text().policy(Statement::deny(["secretsmanager:GetSecretValue"]).to([POD]));
    let pod = Principal::new(POD_KEY, POD).can_all(Statement::secrets_reader(OWN, REGION, "airflow/"));
    Scenario::new()
        .principal(pod)
        .secret(OWN, REGION, "airflow/connections/ok", text())
        .secret(OWN, REGION, "airflow/variables/v", text())
        .secret(OWN, REGION, "airflow/connections/denied", denied)
        .secret(
            OWN,
            REGION,
            "airflow/connections/key",
            text().kms(Kms::customer("arn:aws:kms:eu-central-1:111111111111:key/k")),
        )
        .secret(OWN, REGION, "airflow/connections/broken", text().decryption_failure())
}

#[test]
fn aws_in_every_bad_mood() {
    let mut search = Search::default();
    let faults: Vec<(&str, Option<Fault>)> = vec![
        ("denied secrets", None),
        ("throttled lists", Some(Fault::on("ListSecrets").throttled())),
        ("throttled reads", Some(Fault::on("GetSecretValue").throttled())),
        ("hanging", Some(Fault::on("BatchGetSecretValue").hang())),
        ("an id error", Some(Fault::on("BatchGetSecretValue").secret("*ok-*").id_error("InternalServiceError", "x"))),
    ];
    for (number, (what, fault)) in (0..).zip(faults) {
        let canary = canary(number);
        let scenario = scenario(&canary);
        let aws = FakeAws::start(match fault {
            Some(fault) => scenario.fault(fault),
            None => scenario,
        });
        for strict in ["true", "false"] {
            search.run(what, &canary, || aws_run(&aws, &canary).var("SECRETS_INIT_STRICT", strict));
        }
        search.run("keys that AWS does not know", &canary, || {
            aws_run(&aws, &canary).var("AWS_ACCESS_KEY_ID", "AKIANOBODY").var("AWS_SESSION_TOKEN", &canary)
        });
    }
    println!("AWS: {} scenarios, {} forms searched for", search.scenarios, search.forms);
}

#[test]
fn places_that_cannot_be_written() {
    let mut search = Search::default();
    let canary = canary(1);
    let document = format!("own:\n  airflow/connections/a: mysql://u:{canary}@h/db\n");
    search.run("a missing directory", &canary, || Run::on_document(&document).file("none/c.json"));
    search.run("a directory in the way", &canary, || {
        let run = Run::on_document(&document);
        fs::create_dir(run.path("connections.json")).unwrap();
        run
    });
    search.run("a termination message for a device that is full", &canary, || {
        Run::on_document(&document)
            .var("SECRETS_INIT_REQUIRED", "none")
            .var("SECRETS_INIT_TERMINATION_LOG", "/dev/full")
    });
    for command in ["check", "diff"] {
        let run = Run::on_document(&document).var("SECRETS_INIT_LOG", "trace").arg(command);
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = run.ended(&run.command().stdout(full).output().unwrap()).code(74);
        search.scenarios += 1;
        search.forms += assert_silent("a full device", &everything_said(&run, &ended), &canary);
    }
    search.run("somebody else's file", &canary, || {
        let run = Run::on_document(&document);
        fs::write(
            run.path("connections.json"),
            format!("{{\"a\": \"mysql://u:{canary}-old@h/db\", \"b\": [\"{canary}\"]}}"),
        )
        .unwrap();
        run
    });
    println!("files: {} scenarios, {} forms searched for", search.scenarios, search.forms);
}

#[test]
fn a_run_that_is_ended_by_a_signal() {
    for name in ["TERM", "INT"] {
        let canary = canary(2);
        // Some secrets are read, the rest does not come.
        let aws = FakeAws::start(scenario(&canary).fault(Fault::on("GetSecretValue").hang()));
        let run = aws_run(&aws, &canary)
            .var("SECRETS_INIT_LOG", "trace")
            .var("SECRETS_INIT_FETCH", "single")
            .var("SECRETS_INIT_DEADLINE", FAR);
        let child = run.command().spawn().unwrap();
        wait_until("a read", || aws.count("GetSecretValue") > 0);
        let arguments = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
        assert_silent("the arguments", &String::from_utf8_lossy(&arguments), &canary);
        signal(name, &child);
        let ended = run.ended(&child.wait_with_output().unwrap());
        assert!([130, 143].contains(&ended.code), "{}", ended.stderr);
        assert_silent(name, &everything_said(&run, &ended), &canary);
    }
}

/// The search can fail: a word that the program does say is found, on each way out.
#[test]
fn a_leak_that_is_planted_is_found() {
    let leak = |run: Run, canary: &str| {
        let ended = run.go();
        std::panic::catch_unwind(|| assert_silent("planted", &everything_said(&run, &ended), canary)).is_err()
    };
    std::panic::set_hook(Box::new(|_| ()));
    // stderr and the termination message name a conn_id, stdout a table of them, the directory a file.
    let id = canary(3);
    assert!(leak(Run::on_document("own: {}").var("SECRETS_INIT_CONN_IDS", &id), &id), "stderr");
    let document = format!("own:\n  airflow/connections/{id}: mysql://h\n");
    assert!(leak(Run::on_document(&document).arg("check").var("SECRETS_INIT_LOG", "error"), &id), "stdout");
    assert!(
        leak(Run::on_document("own: {airflow/connections/a: 'http://h'}").file(&format!("{id}.json")), &id),
        "a file's name"
    );
    drop(std::panic::take_hook());
}
