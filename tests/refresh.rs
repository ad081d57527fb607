//! The program as a process that reads again and again, against the fake AWS: readings are asked for by SIGHUP and counted in the
//! status file, so no verdict waits for a clock. What depends on time is in src/refresh/tests.rs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::accounts::{OWN, POD, POD_KEY, PREFIX, READER, REGION, SHARED, WITH_ROLE};
use common::{Run, signal, wait_until};
use fake_aws::{FakeAws, Fault, Principal, Role, Scenario, Secret, Statement, WebIdentityToken};
use serde_json::Value;

// ---- a process ---------------------------------------------------------------------------------------------------

/// A process that reads again. Its log is the file `log` of its directory.
struct Refreshing {
    run: Run,
    child: Child,
    readings: u64,
}

impl Refreshing {
    /// Starts it and waits for its first render.
    fn start(run: Run) -> Self {
        Self::start_every(run, "24h")
    }

    fn start_every(run: Run, interval: &str) -> Self {
        let run = run.var("SECRETS_INIT_LOG_FORMAT", "json").var("SECRETS_INIT_REFRESH", interval);
        let log = fs::File::create(run.path("log")).unwrap();
        let child = run.command().stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut refreshing = Self { run, child, readings: 0 };
        refreshing.wait_for_reading();
        refreshing
    }

    /// Starts it under a limit of `ulimit`, without waiting for anything.
    fn within(limit: &str, run: Run) -> Self {
        let run = run.var("SECRETS_INIT_REFRESH", "24h").var("SECRETS_INIT_LOG_FORMAT", "json");
        let log = fs::File::create(run.path("log")).unwrap();
        let mut command = std::process::Command::new("sh");
        let program = env!("CARGO_BIN_EXE_airflow-secrets-init");
        command.args(["-c", &format!("ulimit {limit}; exec \"$0\""), program]);
        command.env_clear().envs(run.environment()).current_dir(run.directory.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { run, child, readings: 0 }
    }

    fn on_aws(aws: &FakeAws, kwargs: &str) -> Self {
        Self::start(on_aws(aws, kwargs))
    }

    fn wait_for_reading(&mut self) {
        let wanted = self.readings + 1;
        wait_until("a reading that has ended", || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?}; the log:\n{}", self.log());
            self.status_if_any().is_some_and(|status| status["attempts"].as_u64() >= Some(wanted))
        });
        self.readings = self.status()["attempts"].as_u64().unwrap();
    }

    /// One more reading.
    fn read_again(&mut self) {
        signal("HUP", &self.child);
        self.wait_for_reading();
    }

    fn status_if_any(&self) -> Option<Value> {
        serde_json::from_str(&fs::read_to_string(self.run.path("refresh-status.json")).ok()?).ok()
    }

    fn status(&self) -> Value {
        self.status_if_any().expect("a status file")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.run.path("log")).unwrap()
    }

    /// How many lines of the log hold these words.
    fn said(&self, words: &str) -> usize {
        self.log().lines().filter(|line| line.contains(words)).count()
    }

    /// `conn_id=password` of everything in the file.
    fn passwords(&self) -> Vec<String> {
        let text = fs::read_to_string(self.run.path("connections.json")).unwrap();
        let file: serde_json::Map<String, Value> = serde_json::from_str(&text).expect("the file is whole");
        file.iter().map(|(id, of)| format!("{id}={}", of["password"].as_str().unwrap_or("-"))).collect()
    }

    /// `id: reason` of what is stale in the status.
    fn stale(&self) -> Vec<String> {
        let stale = self.status()["stale"].as_array().unwrap().clone();
        stale
            .iter()
            .map(|one| format!("{}: {}", one["id"].as_str().unwrap(), one["reason"].as_str().unwrap()))
            .collect()
    }

    /// Ends it with a signal; gives its code and how long that took.
    fn end(&mut self, name: &str) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        signal(name, &self.child);
        let code = self.child.wait().unwrap().code();
        (code, begun.elapsed())
    }
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

// ---- AWS -----------------------------------------------------------------------------------------------------------

fn on_aws(aws: &FakeAws, kwargs: &str) -> Run {
    let keys = [("AWS_ACCESS_KEY_ID", POD_KEY), ("AWS_SECRET_ACCESS_KEY", "secret")];
    keys.into_iter().fold(Run::on_aws(&aws.endpoint(), kwargs), |run, (name, value)| run.var(name, value))
}

/// A run whose credentials a program prints, after these commands of a shell.
fn on_credential_process(aws: &FakeAws, commands: &str) -> Run {
    let run = Run::on_aws(&aws.endpoint(), "{}").var("SECRETS_INIT_SANDBOX", "off").var("AWS_PROFILE", "p");
    let program = format!(
        "#!/bin/sh\n{commands}\necho '{{\"Version\": 1, \"AccessKeyId\": \"{POD_KEY}\", \"SecretAccessKey\": \"secret\"}}'\n"
    );
    fs::write(run.path("program"), program).unwrap();
    fs::write(run.path("config"), "[profile p]\ncredential_process = sh program\n").unwrap();
    let config = run.path("config").to_str().unwrap().to_owned();
    run.var("AWS_CONFIG_FILE", &config).var("PATH", "/usr/bin:/bin")
}

/// The pod, the role that it takes in the shared account, and these secrets: `own` and `shared` as (conn_id, password).
fn scenario(own: &[(&str, &str)], shared: &[(&str, &str)]) -> Scenario {
    let pod = Principal::new(POD_KEY, POD)
        .can_all(Statement::secrets_reader(OWN, REGION, PREFIX))
        .can(Statement::allow(["sts:AssumeRole"]));
    let reader = Role::new(READER).trust(POD).can_all(Statement::secrets_reader(SHARED, REGION, PREFIX));
    let scenario = Scenario::new().principal(pod).role(reader);
    let scenario = own.iter().fold(scenario, |all, (id, password)| all.secret(OWN, REGION, &name(id), uri(password)));
    shared.iter().fold(scenario, |all, (id, password)| all.secret(SHARED, REGION, &name(id), uri(password)))
}

fn name(conn_id: &str) -> String {
    format!("{PREFIX}{conn_id}")
}

fn uri(password: &str) -> String {
    format!("mysql://u:{password}@h/db")
}

// ---- rotation ------------------------------------------------------------------------------------------------------

#[test]
fn a_rotated_password_is_in_the_file_and_said_by_field() {
    let aws = FakeAws::start(scenario(&[("a", "canary1"), ("b", "b1")], &[("c", "c1")]));
    let mut refreshing = Refreshing::on_aws(&aws, WITH_ROLE);
    assert_eq!(refreshing.passwords(), ["a=canary1", "b=b1", "c=c1"]);
    aws.replace(scenario(&[("a", "canary2"), ("b", "b1"), ("d", "d1")], &[("c", "c2")])).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.passwords(), ["a=canary2", "b=b1", "c=c2", "d=d1"]);
    let log = refreshing.log();
    let line: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(
        (line["level"].as_str(), line["added"].as_str(), line["changed"].as_str(), line["removed"].as_str()),
        (Some("INFO"), Some("d"), Some("a (password), c (password)"), None),
        "{log}"
    );
    // What did not change is not written and not said.
    let before = fs::metadata(refreshing.run.path("connections.json")).unwrap();
    refreshing.read_again();
    let after = fs::metadata(refreshing.run.path("connections.json")).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
    assert_eq!(refreshing.log(), log);
    assert!(!log.contains("canary") && !refreshing.status().to_string().contains("canary"));
}

#[test]
fn what_can_no_longer_be_read_keeps_its_last_good_value_until_it_can() {
    let good = || scenario(&[("a", "a1"), ("b", "b1")], &[("a", "shared")]);
    let aws = FakeAws::start(good());
    let mut refreshing = Refreshing::on_aws(&aws, WITH_ROLE);
    let denied = Secret::text(uri("a2")).policy(Statement::deny(["secretsmanager:GetSecretValue"]).to([POD]));
    let revoked = scenario(&[("b", "b2")], &[("a", "shared")]).secret(OWN, REGION, &name("a"), denied);
    aws.replace(revoked).unwrap();
    for _ in 0..3 {
        refreshing.read_again();
        assert_eq!(refreshing.passwords(), ["a=a1", "b=b2"]);
    }
    assert_eq!(refreshing.said("kept with the last good value"), 1, "{}", refreshing.log());
    assert!(refreshing.stale()[0].starts_with("a: ") && refreshing.stale().len() == 1, "{:?}", refreshing.stale());
    let broken = Secret::text(uri("a2")).decryption_failure();
    aws.replace(scenario(&[("b", "b3")], &[("a", "shared")]).secret(OWN, REGION, &name("a"), broken)).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.passwords(), ["a=a1", "b=b3"]);
    let malformed = Secret::text("mysql://u:p@h:port");
    aws.replace(scenario(&[("b", "b4")], &[("a", "shared")]).secret(OWN, REGION, &name("a"), malformed)).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.passwords(), ["a=a1", "b=b4"]);
    aws.replace(good()).unwrap();
    refreshing.read_again();
    assert_eq!((refreshing.passwords(), refreshing.stale()), (vec!["a=a1".into(), "b=b1".into()], vec![]));
    assert_eq!(refreshing.said("is as it should be again"), 1, "{}", refreshing.log());
}

#[test]
fn what_is_deleted_stays_for_now_and_what_is_made_anew_is_there_at_once() {
    let aws = FakeAws::start(scenario(&[("a", "a1"), ("b", "b1")], &[("a", "shared")]));
    let mut refreshing = Refreshing::on_aws(&aws, WITH_ROLE);
    aws.replace(scenario(&[("b", "b2")], &[("a", "shared")])).unwrap();
    for _ in 0..3 {
        refreshing.read_again();
        assert_eq!(refreshing.passwords(), ["a=a1", "b=b2"]);
    }
    assert!(refreshing.stale()[0].contains("no longer has it"), "{:?}", refreshing.stale());
    let deleted = Secret::text(uri("a2")).pending_deletion();
    aws.replace(scenario(&[("b", "b2")], &[("a", "shared")]).secret(OWN, REGION, &name("a"), deleted)).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.passwords(), ["a=a1", "b=b2"]);
    aws.replace(scenario(&[("a", "a3"), ("b", "b2")], &[("a", "shared")])).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.passwords(), ["a=a3", "b=b2"]);
    assert!(refreshing.stale().is_empty());
}

#[test]
fn an_account_that_is_emptied_and_a_listing_that_lags_take_nothing_away() {
    let aws = FakeAws::start(scenario(&[("a", "a1"), ("b", "b1")], &[("c", "c1")]));
    let mut refreshing = Refreshing::on_aws(&aws, WITH_ROLE);
    aws.replace(scenario(&[], &[("a", "shared"), ("c", "c2")])).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.passwords(), ["a=a1", "b=b1", "c=c2"]);
    let status = refreshing.status();
    let accounts = status["accounts"].to_string();
    assert!(accounts.contains("own account") && accounts.contains("taken for a failure"), "{accounts}");
    assert_eq!((&status["failures_in_a_row"], &status["failure"]["exit_code"]), (&1.into(), &66.into()), "{status}");
    assert!(status["failure"]["reasons"].to_string().contains("restart the container"), "{status}");
    // A listing that lacks what is there: it is asked for by name.
    let unlisted = Secret::text(uri("a2")).hidden_from_list();
    aws.replace(scenario(&[("b", "b2")], &[("c", "c2")]).secret(OWN, REGION, &name("a"), unlisted)).unwrap();
    refreshing.read_again();
    assert_eq!(
        (refreshing.passwords(), refreshing.stale().len()),
        (vec!["a=a2".into(), "b=b2".into(), "c=c2".into()], 0)
    );
    assert_eq!(refreshing.status()["failures_in_a_row"], 0);
}

// ---- one entry and the others --------------------------------------------------------------------------------------

/// A process on a file store, with more files than the connections file.
fn on_document(document: &str, files: &[(&str, &str)]) -> Run {
    let run = Run::on_document(document).kwargs("{\"variables_prefix\": \"airflow/variables\"}");
    let named = |run: &Run, name: &str| run.path(name).to_str().unwrap().to_owned();
    files.iter().fold(run, |run, (setting, name)| {
        let path = named(&run, name);
        run.var(setting, &path)
    })
}

fn document(entries: &[(&str, &str)]) -> String {
    let lines =
        entries.iter().map(|(name, value)| format!("  airflow/{name}: {}\n", serde_json::to_string(value).unwrap()));
    format!("own:\n{}", lines.collect::<String>())
}

#[test]
fn a_value_that_one_file_cannot_hold_stays_as_it_was_in_that_file_alone() {
    let entries =
        |password: &str, variable: &str| document(&[("connections/a", &uri(password)), ("variables/v", variable)]);
    let files = [("SECRETS_INIT_VARIABLES_FILE", "v.env"), ("SECRETS_INIT_AIRFLOW_ENV_FILE", "all.env")];
    let run = on_document(&entries("a1", "one"), &files);
    fs::write(run.path("t.j2"), "{{ variables.v }}").unwrap();
    let template = format!("{}={}", run.path("t.j2").display(), run.path("t.out").display());
    let mut refreshing = Refreshing::start(run.var("SECRETS_INIT_TEMPLATES", &template));
    let directory = refreshing.run.directory.path().to_owned();
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!((read("v.env").as_str(), read("t.out").as_str()), ("v=one\n", "one"));
    for number in 2..5 {
        let text = format!("line {number}\nline");
        fs::write(directory.join("secrets.yaml"), entries(&format!("a{number}"), &text)).unwrap();
        refreshing.read_again();
        // Nothing else is in the file, and it is not emptied.
        assert_eq!((read("v.env").as_str(), read("t.out")), ("v=one\n", text), "{}", refreshing.log());
        assert_eq!(refreshing.passwords(), [format!("a=a{number}")]);
        let status = refreshing.status();
        assert_eq!((&status["failure"], &status["failures_in_a_row"]), (&Value::Null, &0.into()));
        let stale = &status["stale"][0];
        assert!(stale["file"].as_str().unwrap().ends_with("v.env") && stale["id"] == "v", "{status}");
    }
    let kept = "1 variable kept with the last good value in ";
    assert_eq!(refreshing.said(kept), 1, "{}", refreshing.log());
    fs::write(directory.join("secrets.yaml"), entries("a5", "two")).unwrap();
    refreshing.read_again();
    assert_eq!((read("v.env").as_str(), read("t.out").as_str()), ("v=two\n", "two"));
    assert_eq!((refreshing.stale().len(), refreshing.said("is as it should be again in ")), (0, 1));
}

/// What is required must be there at the start; later it is an entry as any other.
#[test]
fn one_that_is_required_and_cannot_be_held_harms_no_other() {
    let entries = |a: &str, b: &str| document(&[("connections/a", a), ("connections/b", &uri(b))]);
    let run = Run::on_document(&entries(&uri("a1"), "b1")).file("connections.env").var("SECRETS_INIT_REQUIRED", "a");
    let mut refreshing = Refreshing::start(run);
    let directory = refreshing.run.directory.path().to_owned();
    // No URI says that there is a password and no user.
    let no_uri = "{\"conn_type\": \"mysql\", \"password\": \"a2\"}";
    fs::write(directory.join("secrets.yaml"), entries(no_uri, "b2")).unwrap();
    refreshing.read_again();
    let file = fs::read_to_string(directory.join("connections.env")).unwrap();
    assert!(file.contains(":a1@") && file.contains(":b2@"), "{file}{}", refreshing.status());
    assert_eq!((refreshing.stale().len(), &refreshing.status()["failures_in_a_row"]), (1, &0.into()));
}

#[test]
fn a_newcomer_takes_no_variable_from_one_that_is_there() {
    let run =
        on_document(&document(&[("connections/my_db", &uri("d1"))]), &[("SECRETS_INIT_AIRFLOW_ENV_FILE", "all.env")]);
    let mut refreshing = Refreshing::start(run);
    let directory = refreshing.run.directory.path().to_owned();
    let read = || fs::read_to_string(directory.join("all.env")).unwrap();
    for password in ["d2", "d3"] {
        let entries = document(&[("connections/my_db", &uri(password)), ("connections/MY_DB", &uri("other"))]);
        fs::write(directory.join("secrets.yaml"), entries).unwrap();
        refreshing.read_again();
        assert!(read().contains(password) && !read().contains("other"), "{}", read());
        assert_eq!(refreshing.passwords(), ["MY_DB=other".to_owned(), format!("my_db={password}")]);
        assert!(refreshing.stale().is_empty(), "what is there is as new as any other");
        let left_out = refreshing.status()["left_out"][0].clone();
        assert_eq!(left_out["id"], "MY_DB");
        assert!(left_out["reason"].as_str().unwrap().contains("all.env can't hold it"), "{left_out}");
    }
    assert_eq!((refreshing.said("left out: conn_id MY_DB"), refreshing.said("last good value")), (1, 0));
    fs::write(directory.join("secrets.yaml"), document(&[("connections/my_db", &uri("d4"))])).unwrap();
    refreshing.read_again();
    assert!(read().contains("d4"));
}

#[test]
fn a_template_that_cannot_be_rendered_holds_back_no_other_file() {
    let run = on_document(&document(&[("connections/a", &uri("a1"))]), &[]);
    fs::write(run.path("t.j2"), "{{ connections.a.password | netrc }}").unwrap();
    fs::write(run.path("u.j2"), "{{ connections.a.password }}").unwrap();
    let lines = ["t", "u"].map(|name| {
        format!("{}={}", run.path(&format!("{name}.j2")).display(), run.path(&format!("{name}.out")).display())
    });
    let mut refreshing = Refreshing::start(run.var("SECRETS_INIT_TEMPLATES", &lines.join("\n")));
    let directory = refreshing.run.directory.path().to_owned();
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
    for number in 1..3 {
        let password = format!("new{number}%0Aline");
        fs::write(directory.join("secrets.yaml"), document(&[("connections/a", &uri(&password))])).unwrap();
        refreshing.read_again();
        let password = format!("new{number}\nline");
        assert_eq!((read("t.out").as_str(), read("u.out")), ("a1", password.clone()), "{}", refreshing.log());
        assert_eq!(refreshing.passwords(), [format!("a={password}")]);
        let status = refreshing.status();
        assert_eq!((&status["failures_in_a_row"], &status["failure"]["exit_code"]), (&number.into(), &65.into()));
        assert!(status["failure"]["reasons"][0].as_str().unwrap().contains("t.j2"), "{status}");
    }
    assert_eq!(refreshing.said("what could be read and rendered is in the files: "), 1, "{}", refreshing.log());
    fs::write(directory.join("secrets.yaml"), document(&[("connections/a", &uri("a3"))])).unwrap();
    refreshing.read_again();
    assert_eq!((read("t.out").as_str(), &refreshing.status()["failures_in_a_row"]), ("a3", &0.into()));
}

#[test]
fn a_new_secret_without_a_value_is_named_once() {
    let aws = FakeAws::start(scenario(&[("a", "a1")], &[]));
    let mut refreshing = Refreshing::on_aws(&aws, "{}");
    aws.replace(scenario(&[("a", "a2")], &[]).secret(OWN, REGION, &name("new"), Secret::no_value())).unwrap();
    for _ in 0..2 {
        refreshing.read_again();
    }
    assert_eq!(refreshing.passwords(), ["a=a2"]);
    assert_eq!(
        refreshing.said("left out: conn_id new (own account) is named by the listing"),
        1,
        "{}",
        refreshing.log()
    );
    assert_eq!(refreshing.status()["left_out"][0]["id"], "new");
}

// ---- readings that fail ----------------------------------------------------------------------------------------------

#[test]
fn ten_readings_that_are_throttled_to_the_end_change_nothing_and_are_said_once() {
    let aws = FakeAws::start(scenario(&[("a", "a1")], &[]));
    let run = on_aws(&aws, "{}").var("SECRETS_INIT_DEADLINE", "500ms");
    let mut refreshing = Refreshing::start(run);
    aws.replace(scenario(&[("a", "a2")], &[]).fault(Fault::on("*").throttled())).unwrap();
    for number in 1..=10 {
        refreshing.read_again();
        let status = refreshing.status();
        assert_eq!(
            (status["failures_in_a_row"].as_u64(), status["failure"]["exit_code"].as_u64()),
            (Some(number), Some(75))
        );
        assert_eq!(refreshing.passwords(), ["a=a1"]);
    }
    assert_eq!(refreshing.said("reading failed"), 1, "{}", refreshing.log());
    aws.replace(scenario(&[("a", "a2")], &[])).unwrap();
    aws.clear_faults();
    // A reading on a busy machine may need more than the deadline.
    while refreshing.status()["failures_in_a_row"] != 0 {
        refreshing.read_again();
    }
    assert_eq!((refreshing.passwords(), refreshing.said("read again, after")), (vec!["a=a2".into()], 1));
}

/// A watch over a reading that went on after it would end the process while it waits.
#[test]
fn nothing_watches_over_a_process_that_waits_whatever_its_reading_came_to() {
    let aws = FakeAws::start(scenario(&[("a", "a1")], &[]));
    let mut refreshing = Refreshing::on_aws(&aws, "{}");
    let threads = |child: &Child| {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap().trim().to_owned()
    };
    wait_until("one thread after the first render", || threads(&refreshing.child) == "1");
    aws.add_fault(Fault::on("ListSecrets").error(400, "AccessDeniedException", "x"));
    refreshing.read_again();
    assert_eq!(refreshing.status()["failures_in_a_row"], 1);
    wait_until("one thread after a reading that failed", || threads(&refreshing.child) == "1");
    aws.clear_faults();
    refreshing.read_again();
    assert_eq!(refreshing.status()["failures_in_a_row"], 0);
    wait_until("one thread after a reading that succeeded", || threads(&refreshing.child) == "1");
}

/// It takes a minute: the shortest time that may be asked for. What is counted are readings.
#[test]
fn what_is_unconfirmed_for_too_long_is_dropped_also_while_aws_is_away() {
    let aws = FakeAws::start(scenario(&[("a", "a1"), ("b", "b1")], &[("a", "shared")]));
    let run = on_aws(&aws, WITH_ROLE).var("SECRETS_INIT_REFRESH_MAX_STALE", "60s");
    fs::write(run.path("t.j2"), "{{ connections.a.password }}").unwrap();
    let template = format!("{}={}", run.path("t.j2").display(), run.path("t.out").display());
    let mut refreshing = Refreshing::start_every(run.var("SECRETS_INIT_TEMPLATES", &template), "30s");
    let denied = Secret::text(uri("a2")).policy(Statement::deny(["secretsmanager:GetSecretValue"]).to([POD]));
    aws.replace(scenario(&[("b", "b2")], &[("a", "shared")]).secret(OWN, REGION, &name("a"), denied)).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.passwords(), ["a=a1", "b=b2"]);
    aws.add_fault(Fault::on("ListSecrets").error(503, "ServiceUnavailable", "x"));
    wait_until("both are dropped", || {
        let passwords = refreshing.passwords();
        assert!([vec!["a=a1", "b=b2"], vec!["b=b2"], vec![]].contains(&passwords.iter().map(String::as_str).collect()));
        refreshing.read_again();
        std::thread::sleep(Duration::from_secs(1));
        passwords.is_empty()
    });
    assert!(refreshing.status()["stale"].as_array().unwrap().iter().all(|entry| entry["dropped"] == true));
    assert!(refreshing.status()["failure"]["exit_code"] == 69 && refreshing.said("dropped, last confirmed") > 0);
    // The template that names it holds back no other file, and is named until it does without it.
    let is_named = |refreshing: &Refreshing| {
        let failure = refreshing.status()["failure"].clone();
        assert_eq!(fs::read_to_string(refreshing.run.path("t.out")).unwrap(), "a1");
        failure["reasons"].to_string().contains("t.j2") && failure["reasons"].to_string().contains("connections.a")
    };
    aws.clear_faults();
    refreshing.read_again();
    assert_eq!(refreshing.passwords(), ["b=b2"], "the shared secret does not take the place of the own one");
    assert!(refreshing.status()["failure"]["exit_code"] == 65 && is_named(&refreshing), "{}", refreshing.status());
    assert_eq!(refreshing.said("conn_id a (own account) is as it should be again"), 0, "it was dropped");
    aws.replace(scenario(&[("a", "a3"), ("b", "b3")], &[("a", "shared")])).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.passwords(), ["a=a3", "b=b3"]);
}

#[test]
fn a_token_file_that_is_away_for_a_while_is_a_failed_reading() {
    let subject = "system:serviceaccount:airflow:worker";
    let role = "arn:aws:iam::111111111111:role/irsa";
    let scenario = |password: &str| {
        Scenario::new()
            .role(Role::new(role).trust_web_identity(subject).can_all(Statement::secrets_reader(OWN, REGION, PREFIX)))
            .web_identity_token(WebIdentityToken::new("token-1", subject))
            .web_identity_token(WebIdentityToken::new("token-2", subject))
            .secret(OWN, REGION, &name("a"), uri(password))
    };
    let aws = FakeAws::start(scenario("a1"));
    let run = Run::on_aws(&aws.endpoint(), "{}");
    let token = run.path("token");
    fs::write(&token, "token-1").unwrap();
    let run = run.var("AWS_ROLE_ARN", role).var("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap());
    let mut refreshing = Refreshing::start(run);
    aws.replace(scenario("a2")).unwrap();
    fs::remove_file(&token).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.status()["failure"]["exit_code"], 77, "{}", refreshing.status());
    assert_eq!(refreshing.passwords(), ["a=a1"]);
    // A projected token is another one by then.
    fs::write(&token, "token-2").unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.passwords(), ["a=a2"]);
}

/// Without the file the chain goes on to the next source, which may be another account's.
#[test]
fn credentials_of_another_account_or_source_are_a_failed_reading() {
    const OTHER_KEY: &str = "AKIAOTHER0000000000";
    let other = "arn:aws:iam::222222222222:user/other";
    let scenario = |password: &str| {
        let principal = Principal::new(OTHER_KEY, other).can_all(Statement::secrets_reader(SHARED, REGION, PREFIX));
        scenario(&[("a", password)], &[("a", "of-another-account")]).principal(principal)
    };
    let aws = FakeAws::start(scenario("a1"));
    let run = Run::on_aws(&aws.endpoint(), "{}");
    let file = run.path("credentials");
    let keys = |key: &str| format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n");
    fs::write(&file, keys(POD_KEY)).unwrap();
    let run = run.var("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap());
    let mut refreshing = Refreshing::start(run.var("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/"));
    aws.replace(scenario("a2")).unwrap();
    for (content, words) in [(keys(OTHER_KEY), "of account 222222222222"), (String::new(), "another kind of source")] {
        fs::write(&file, content).unwrap();
        refreshing.read_again();
        let failure = refreshing.status()["failure"].clone();
        assert!(failure["exit_code"] == 77 && failure.to_string().contains(words), "{failure}");
        assert_eq!(refreshing.passwords(), ["a=a1"]);
    }
    fs::write(&file, keys(POD_KEY)).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.passwords(), ["a=a2"]);
}

#[test]
fn aws_away_and_credentials_that_expired_are_failed_readings_and_then_it_goes_on() {
    let aws = FakeAws::start(scenario(&[("a", "a1")], &[("c", "c1")]));
    let mut refreshing = Refreshing::on_aws(&aws, WITH_ROLE);
    let without_pod = Scenario::new().secret(OWN, REGION, &name("a"), uri("a2"));
    for (state, code) in [
        (scenario(&[("a", "a2")], &[]).fault(Fault::on("ListSecrets").error(503, "ServiceUnavailable", "x")), 69),
        (scenario(&[("a", "a2")], &[]).fault(Fault::on("*").error(400, "ExpiredTokenException", "x")), 77),
        (without_pod, 77),
    ] {
        aws.replace(state).unwrap();
        refreshing.read_again();
        assert_eq!(refreshing.status()["failure"]["exit_code"], code, "{}", refreshing.status());
        assert_eq!(refreshing.passwords(), ["a=a1", "c=c1"]);
        aws.clear_faults();
    }
    // The shared account alone: the own one goes on.
    let no_reader = Principal::new(POD_KEY, POD).can_all(Statement::secrets_reader(OWN, REGION, PREFIX));
    aws.replace(Scenario::new().principal(no_reader).secret(OWN, REGION, &name("a"), uri("a3"))).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.passwords(), ["a=a3", "c=c1"]);
    assert_eq!(refreshing.status()["failures_in_a_row"], 0);
    aws.replace(scenario(&[("a", "a4")], &[("c", "c4")])).unwrap();
    refreshing.read_again();
    assert_eq!((refreshing.passwords(), refreshing.stale().len()), (vec!["a=a4".into(), "c=c4".into()], 0));
    let status = refreshing.run.command().args(["status", "--max-age", "720h"]).output().unwrap();
    assert_eq!(status.status.code(), Some(0));
}

#[test]
fn a_directory_in_which_nothing_can_be_made_is_a_failed_reading() {
    let aws = FakeAws::start(scenario(&[("a", "a1")], &[]));
    let run = on_aws(&aws, "{}");
    let out = run.path("out");
    fs::create_dir(&out).unwrap();
    let file = out.join("connections.json");
    let status = run.path("refresh-status.json");
    let run = run
        .var("SECRETS_INIT_CONNECTIONS_FILE", file.to_str().unwrap())
        .var("SECRETS_INIT_STATUS_FILE", status.to_str().unwrap());
    let mut refreshing = Refreshing::start(run);
    let read = || fs::read_to_string(&file).unwrap_or_default();
    let first = read();
    aws.replace(scenario(&[("a", "a2")], &[])).unwrap();
    // Another directory in its place: the process holds itself to the one that was there, or finds it gone.
    let aside = refreshing.run.path("aside");
    fs::rename(&out, &aside).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.status()["failure"]["exit_code"], 73, "{}", refreshing.status());
    assert_eq!(fs::read_to_string(aside.join("connections.json")).unwrap(), first);
    fs::create_dir(&out).unwrap();
    refreshing.read_again();
    // Where the kernel has Landlock it is not written, and said why; where it has not, it is.
    let status = refreshing.status();
    let is_said =
        status["failure"]["reasons"][0].as_str().is_some_and(|reason| reason.contains("restart the container"));
    assert!(is_said || out.join("connections.json").exists(), "{status}");
    fs::remove_dir_all(&out).unwrap();
    fs::rename(&aside, &out).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.status()["failures_in_a_row"], 0);
    assert!(read().contains("a2"));
    assert_eq!(common::names(&out), ["connections.json"]);
}

/// The files are what it is for. Probes find the last status too old after a while, and the log says why.
#[test]
fn a_status_that_cannot_be_written_keeps_no_file_from_being_refreshed() {
    let aws = FakeAws::start(scenario(&[("a", "a1")], &[]));
    let run = on_aws(&aws, "{}");
    let beside = run.path("beside");
    let path = beside.join("status.json");
    let missing =
        on_aws(&aws, "{}").var("SECRETS_INIT_REFRESH", "5m").var("SECRETS_INIT_STATUS_FILE", "none/status.json");
    missing.go().code(73).says("none");
    fs::create_dir(&beside).unwrap();
    let run = run.var("SECRETS_INIT_REFRESH", "24h").var("SECRETS_INIT_STATUS_FILE", path.to_str().unwrap());
    let log = fs::File::create(run.path("log")).unwrap();
    let child = run.command().stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let refreshing = Refreshing { run, child, readings: 0 };
    // Not as soon as it is there: its directory is synced after that.
    wait_until("the first status", || refreshing.said("reads again every") == 1);
    fs::rename(&beside, refreshing.run.path("aside")).unwrap();
    for password in ["a2", "a3"] {
        aws.replace(scenario(&[("a", password)], &[])).unwrap();
        signal("HUP", &refreshing.child);
        wait_until("the new password", || refreshing.passwords() == [format!("a={password}")]);
    }
    fs::rename(refreshing.run.path("aside"), &beside).unwrap();
    signal("HUP", &refreshing.child);
    let status = || serde_json::from_str::<Value>(&fs::read_to_string(&path).unwrap()).unwrap();
    wait_until("the fourth reading", || status()["attempts"] == 4);
    assert_eq!((&status()["failures_in_a_row"], &status()["failure"]), (&0.into(), &Value::Null));
    assert_eq!(refreshing.said("the status can't be written"), 1, "{}", refreshing.log());
}

#[test]
fn a_full_disk_is_a_failed_reading_and_leaves_the_old_file() {
    let document = |length: usize| format!("own:\n  airflow/connections/a: 'http://u:{}@h'\n", "p".repeat(length));
    let run = Run::on_document(&document(10));
    let store = run.path("secrets.yaml");
    // A file of more than 16 KiB can't be written: an error, and no signal.
    let mut refreshing = Refreshing::within("-f 32", run);
    refreshing.wait_for_reading();
    let before = refreshing.passwords();
    fs::write(&store, document(20_000)).unwrap();
    refreshing.read_again();
    assert_eq!((refreshing.passwords(), &refreshing.status()["failure"]["exit_code"]), (before, &74.into()));
    fs::write(&store, document(3)).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.passwords(), ["a=ppp"]);
    let names = common::names(refreshing.run.directory.path());
    assert!(names.iter().all(|name| !name.starts_with(".airflow-secrets-init-")), "{names:?}");
}

/// What does not fit twice is refused at the start, and not by the kernel once a later reading comes beside it.
#[test]
fn what_is_taken_in_little_memory_fits_beside_the_reading_before() {
    let all = |count: usize, turn: usize| {
        let text = |i: usize| format!("postgres://u:{turn}-{i}-{}@h/d", "p".repeat(120));
        (0..count).fold(scenario(&[], &[]), |all, i| all.secret(OWN, REGION, &name(&format!("c{i}")), text(i)))
    };
    let (mut most, mut is_refused) = (0, false);
    for count in [1000, 1400, 1600, 1800, 2500] {
        let aws = FakeAws::start(all(count, 0));
        // 32 MiB of data, as tests/hostile.rs.
        let mut refreshing = Refreshing::within("-d 32768", on_aws(&aws, "{}"));
        wait_until("a file or an end", || {
            refreshing.status_if_any().is_some() || refreshing.child.try_wait().unwrap().is_some()
        });
        if let Some(ended) = refreshing.child.try_wait().unwrap() {
            let is_said = refreshing.said("raise the memory limit") > 0;
            assert!(ended.code() == Some(65) && is_said, "{}", refreshing.log());
            is_refused = true;
            break;
        }
        refreshing.wait_for_reading();
        for turn in 1..4 {
            aws.replace(all(count, turn)).unwrap();
            refreshing.read_again();
            assert!(refreshing.passwords().contains(&format!("c0={turn}-0-{}", "p".repeat(120))), "{count}");
        }
        most = count;
    }
    assert!(most >= 1400 && is_refused, "{most}");
}

// ---- credentials -----------------------------------------------------------------------------------------------------

#[test]
fn every_reading_has_credentials_of_its_own_and_connections_are_closed_between() {
    let aws = FakeAws::start(scenario(&[("a", "a1")], &[("c", "c1")]));
    let mut refreshing = Refreshing::on_aws(&aws, WITH_ROLE);
    for reading in 2..=4 {
        refreshing.read_again();
        assert_eq!(aws.count("AssumeRole"), reading);
        wait_until("its connections are closed", || connections_of(&refreshing.child) == 0);
    }
}

#[test]
fn a_credential_process_is_run_for_each_reading_where_it_may_be() {
    let aws = FakeAws::start(scenario(&[("a", "a1")], &[]));
    let run = on_credential_process(&aws, "echo >>runs\n[ -e slow ] && exec sleep 3600");
    let config = run.path("config").to_str().unwrap().to_owned();
    let confined = Run::on_aws(&aws.endpoint(), "{}").var("AWS_PROFILE", "p").var("AWS_CONFIG_FILE", &config);
    confined.var("SECRETS_INIT_REFRESH", "5m").go().code(78).says("set SECRETS_INIT_SANDBOX=off");
    let mut refreshing = Refreshing::start(run);
    aws.extend(Scenario::new().secret(OWN, REGION, &name("a"), uri("a2"))).unwrap();
    refreshing.read_again();
    assert_eq!(refreshing.passwords(), ["a=a2"], "{}", refreshing.log());
    let path = refreshing.run.path("runs");
    let runs = || fs::read_to_string(&path).unwrap().lines().count();
    assert_eq!(runs(), 2);
    // One that does not end holds up no signal.
    fs::write(refreshing.run.path("slow"), "").unwrap();
    signal("HUP", &refreshing.child);
    wait_until("its third run", || runs() == 3);
    assert_eq!(refreshing.end("TERM").0, Some(0));
    assert_eq!(refreshing.passwords(), ["a=a2"]);
}

/// How many TCP connections a process has open.
fn connections_of(child: &Child) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
    let sockets: Vec<String> = descriptors
        .filter_map(|entry| {
            fs::read_link(entry.ok()?.path())
                .ok()?
                .to_str()?
                .strip_prefix("socket:[")
                .map(|inode| inode.trim_end_matches(']').to_owned())
        })
        .collect();
    let table = fs::read_to_string(format!("/proc/{}/net/tcp", child.id())).unwrap();
    table
        .lines()
        .filter(|line| line.split_whitespace().nth(9).is_some_and(|inode| sockets.iter().any(|socket| socket == inode)))
        .count()
}

/// The deadline has passed by then for everybody, and the process itself had none of the time.
#[test]
fn a_process_that_was_stopped_in_the_middle_of_a_reading_has_a_failed_reading() {
    let aws = FakeAws::start(scenario(&[("a", "a1")], &[]));
    let mut refreshing = Refreshing::start(on_aws(&aws, "{}").var("SECRETS_INIT_DEADLINE", "2s"));
    aws.replace(scenario(&[("a", "a2")], &[]).fault(Fault::on("ListSecrets").hang())).unwrap();
    let before = aws.count("ListSecrets");
    signal("HUP", &refreshing.child);
    wait_until("the listing is asked for", || aws.count("ListSecrets") > before);
    signal("STOP", &refreshing.child);
    std::thread::sleep(Duration::from_secs(6));
    signal("CONT", &refreshing.child);
    refreshing.wait_for_reading();
    assert_eq!(refreshing.status()["failure"]["exit_code"], 75, "{}", refreshing.status());
    aws.clear_faults();
    while refreshing.status()["failures_in_a_row"] != 0 {
        refreshing.read_again();
    }
    assert_eq!(refreshing.passwords(), ["a=a2"]);
}

// ---- signals ---------------------------------------------------------------------------------------------------------

#[test]
fn sigterm_ends_it_with_0_and_sigint_with_130_waiting_or_reading() {
    for (name, code) in [("TERM", 0), ("INT", 130)] {
        let aws = FakeAws::start(scenario(&[("a", "a1")], &[]));
        let mut waiting = Refreshing::on_aws(&aws, "{}");
        assert_eq!(waiting.end(name).0, Some(code), "waiting, {name}");
        let mut reading = Refreshing::on_aws(&aws, "{}");
        aws.add_fault(Fault::on("ListSecrets").hang());
        let before = aws.count("ListSecrets");
        signal("HUP", &reading.child);
        wait_until("the listing is asked for", || aws.count("ListSecrets") > before);
        let (ended, took) = reading.end(name);
        assert_eq!(ended, Some(code), "reading, {name}: {}", reading.log());
        assert!(took < common::LONGEST);
        assert_eq!(reading.passwords(), ["a=a1"]);
        let names = common::names(reading.run.directory.path());
        assert!(names.iter().all(|name| !name.starts_with(".airflow-secrets-init-")), "{names:?}");
    }
}

/// It may come before there is anything to read again.
#[test]
fn sighup_ends_no_process_that_is_to_stay() {
    let aws = FakeAws::start(scenario(&[("a", "a1")], &[]));
    let run = on_credential_process(&aws, ": >begun\nuntil [ -e go ]; do sleep 0.01; done");
    let run = run.var("SECRETS_INIT_REFRESH", "24h");
    let log = fs::File::create(run.path("log")).unwrap();
    let child = run.command().stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let mut process = Refreshing { run, child, readings: 0 };
    // The credentials are the first thing that is waited for.
    wait_until("the program is run", || process.run.path("begun").exists());
    signal("HUP", &process.child);
    fs::write(process.run.path("go"), "").unwrap();
    process.wait_for_reading();
    assert_eq!(process.passwords(), ["a=a1"]);
}

#[test]
fn before_the_first_file_a_run_ends_as_any_other() {
    let aws = FakeAws::start(scenario(&[("a", "a1")], &[]).fault(Fault::on("ListSecrets").hang()));
    let run = on_aws(&aws, "{}").var("SECRETS_INIT_REFRESH", "5m");
    let child = run.command().spawn().unwrap();
    wait_until("the listing is asked for", || aws.count("ListSecrets") > 0);
    signal("TERM", &child);
    run.ended(&child.wait_with_output().unwrap()).code(143);
    run.command().arg("status").status().map(|status| assert_eq!(status.code(), Some(66))).unwrap();
    let denied = FakeAws::start(Scenario::new());
    on_aws(&denied, "{}").var("SECRETS_INIT_REFRESH", "5m").go().code(77);
    on_aws(&aws, "{}").var("SECRETS_INIT_REFRESH", "29s").go().code(78).says("must be a duration from 30s to 24h");
    for none in ["none", "-"] {
        let run = on_aws(&aws, "{}").var("SECRETS_INIT_REFRESH", "5m").var("SECRETS_INIT_STATUS_FILE", none);
        run.go().code(78).says("SECRETS_INIT_STATUS_FILE: must be the path of a file");
    }
}

// ---- status ------------------------------------------------------------------------------------------------------------

#[test]
fn the_status_is_of_this_process_with_the_mode_of_the_files() {
    let aws = FakeAws::start(scenario(&[("a", "a1")], &[]).fault(Fault::on("ListSecrets").hang()));
    let run = on_aws(&aws, "{}").var("SECRETS_INIT_REFRESH", "5m");
    let path: PathBuf = run.path("refresh-status.json");
    fs::write(&path, "{\"of\": \"an earlier process\"}").unwrap();
    let mut child = run.command().spawn().unwrap();
    wait_until("the listing is asked for", || aws.count("ListSecrets") > 0);
    assert!(!path.exists(), "what an earlier process has left is no status of this one");
    aws.clear_faults();
    child.kill().unwrap();
    child.wait().unwrap();
    let refreshing = Refreshing::start(run);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o440);
    let text = refreshing.run.command().arg("status").output().unwrap();
    assert_eq!(text.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&text.stdout).starts_with("healthy: the last success was "));
    let json = refreshing.run.command().args(["status", "--output", "json", "--alive"]).output().unwrap();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&json["healthy"], &json["judged_by"], &json["connections"]),
        (&true.into(), &"attempt".into(), &1.into())
    );
    let foreign = refreshing.run.command().args(["status", "--output", "xml"]).output().unwrap();
    assert_eq!(foreign.status.code(), Some(78));
    assert!(!refreshing.run.path("termination-log").exists(), "the termination message is not the probe's");
}

/// An empty name is none: the status is beside the connections file. Two processes there are found out.
#[test]
fn two_processes_with_one_status_file_are_named() {
    let aws = FakeAws::start(scenario(&[("a", "a1")], &[]));
    let first = on_aws(&aws, "{}").var("SECRETS_INIT_STATUS_FILE", "");
    let status = first.path("refresh-status.json");
    let mut first = Refreshing::start(first);
    first.read_again();
    assert_eq!(first.said("another process has written the status"), 0);
    let second = on_aws(&aws, "{}").var("SECRETS_INIT_STATUS_FILE", status.to_str().unwrap());
    let log = fs::File::create(second.path("log")).unwrap();
    let second = second.var("SECRETS_INIT_REFRESH", "24h");
    let child = second.command().stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let second = Refreshing { run: second, child, readings: 0 };
    wait_until("the second's first status", || first.status_if_any().is_some_and(|status| status["attempts"] == 1));
    first.readings = 2;
    first.read_again();
    assert_eq!(first.said("another process has written the status"), 1, "{}", first.log());
    drop(second);
}

#[test]
fn an_age_that_is_none_is_named() {
    for age in ["-1", "-5m", "soon", "721h"] {
        let run = Run::new().arg("status").arg("--max-age").arg(age);
        run.go().code(64).says("the flag --max-age must be a duration such as 20m, at most 720h");
    }
}
