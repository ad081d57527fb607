//! `check` and `diff`: what they find, in both forms, with the exit code of a render, and never a value.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::fs;

use common::accounts::{OWN, POD, POD_KEY, READER, REGION, SHARED};
use common::{Run, names};
use fake_aws::{FakeAws, Principal, Role, Scenario, Secret, Statement};
use serde_json::{Value, json};

/// What is odd about the secret of `odd`.
const ODD: &str = "not a URI: no scheme";

const KWARGS: &str = r#"{"shared_account": "222222222222", "shared_role_arn": "arn:aws:iam::222222222222:role/reader",
    "connections_lookup_pattern": "[^z]"}"#;

/// Everything that there is to see: winners, losers, what is skipped, malformed and denied.
fn aws() -> FakeAws {
    let denied =
        Secret::text("mysql://u:canary@h/db").policy(Statement::deny(["secretsmanager:GetSecretValue"]).to([POD]));
    let own = |scenario: Scenario, id: &str, secret: Secret| {
        scenario.secret(OWN, REGION, &format!("airflow/connections/{id}"), secret)
    };
    let scenario = Scenario::new()
        .principal(
            Principal::new(POD_KEY, POD)
                .can_all(Statement::secrets_reader(OWN, REGION, "airflow/"))
                .can(Statement::allow(["sts:AssumeRole"])),
        )
        .role(Role::new(READER).trust(POD).can_all(Statement::secrets_reader(SHARED, REGION, "airflow/")))
        .secret(SHARED, REGION, "airflow/connections/both", "mysql://u:canary@shared/db")
        .secret(SHARED, REGION, "airflow/connections/only", r#"{"conn_type": "snowflake", "password": "canary"}"#);
    let scenario = own(scenario, "both", Secret::text("postgres://u:canary@own/db"));
    let scenario = own(scenario, "odd", Secret::text("canary"));
    let scenario = own(scenario, "broken", Secret::text(r#"{"port": "canary"}"#));
    let scenario = own(scenario, "test_x", Secret::text("mysql://u:canary@h/db"));
    let scenario = own(scenario, "zz", Secret::text("mysql://u:canary@h/db"));
    FakeAws::start(own(scenario, "denied", denied))
}

fn run(aws: &FakeAws) -> Run {
    Run::on_aws(&aws.endpoint(), KWARGS)
        .var("AWS_ACCESS_KEY_ID", POD_KEY)
        .var("AWS_SECRET_ACCESS_KEY", "secret")
        .var("SECRETS_INIT_EXCLUDE", "test_*")
        .arg("check")
}

fn document(text: &str) -> Value {
    assert!(!text.contains("canary"), "{text}");
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_document_has_everything_but_values() {
    let aws = aws();
    let ended = run(&aws).var("SECRETS_INIT_OUTPUT", "json").go().code(0);
    let found = document(&ended.stdout);
    let ids = |name: &str| -> Vec<&str> {
        found[name].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect()
    };
    assert_eq!((found["version"].as_u64(), &found["outcome"], &found["exit_code"]), (Some(1), &json!("ok"), &json!(0)));
    assert_eq!(ids("connections"), ["both", "broken", "denied", "odd", "only"]);
    let row = |id: &str| found["connections"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap().clone();
    let both = row("both");
    assert_eq!(both["from"], json!({"account": "own", "region": null}));
    assert_eq!(both["also_in"], json!([{"account": SHARED, "region": REGION}]));
    assert_eq!((&both["conn_type"], &both["form"], &both["bytes"]), (&json!("postgres"), &json!("uri"), &json!(26)));
    let changed = both["changed"].as_str().unwrap();
    assert!(changed.len() == 20 && changed.starts_with("20") && changed.ends_with('Z'), "{changed}");
    assert_eq!(row("only")["from"]["account"], SHARED);
    // A text that is no connection would be shown as one whose type is a part of it.
    assert_eq!((&row("odd")["conn_type"], &row("odd")["problem"]), (&Value::Null, &Value::Null));
    assert_eq!((&row("odd")["note"], &row("both")["note"]), (&json!(ODD), &Value::Null));
    assert_eq!((&row("broken")["problem"], &row("denied")["problem"]), (&json!("invalid"), &json!("denied")));
    let by = |id: &str| found["skipped"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap()["by"].clone();
    assert_eq!((ids("skipped").len(), by("zz")), (2, json!("connections_lookup_pattern")));
    assert_eq!(by("test_x"), "SECRETS_INIT_INCLUDE or SECRETS_INIT_EXCLUDE");
    let message = |id: &str| -> String {
        let problems = found["problems"].as_array().unwrap();
        problems.iter().find(|problem| problem["id"] == id).unwrap()["message"].as_str().unwrap().to_owned()
    };
    assert!(message("broken").contains("field `port`"), "{}", message("broken"));
    for words in ["secretsmanager:GetSecretValue", "airflow/connections/denied"] {
        assert!(message("denied").contains(words), "{}", message("denied"));
    }
    assert_eq!(found["files"][0]["mode"], "0440");
    assert_eq!(names(run(&aws).directory.path()).len(), 0, "nothing is written");
}

#[test]
fn the_table_is_for_people_and_the_exit_code_is_that_of_a_render() {
    let aws = aws();
    let ended = run(&aws).var("SECRETS_INIT_REQUIRED", "onyl").go().code(66);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "5 connections");
    let columns = ["conn_id", "from", "also in", "conn_type", "form", "bytes", "changed", "problem", "note"];
    assert!(columns.iter().all(|column| lines[1].contains(column)), "{}", ended.stdout);
    for words in [
        "skipped by connections_lookup_pattern: 1 connection: zz",
        "warn: conn_id broken (own account) is invalid",
        "error: conn_id onyl is missing",
        "did you mean only?",
        ODD,
    ] {
        assert!(ended.stdout.contains(words), "{words}:\n{}", ended.stdout);
    }
    // What each account has, and what it was asked for in vain.
    let counts = [
        "connections of own under \"airflow/connections/\": 6 names, 2 taken\n",
        "connections of 222222222222 eu-central-1 under \"airflow/connections/\": 2 names, 1 taken\n",
        "error: conn_id onyl is missing: asked for by SECRETS_INIT_REQUIRED; did you mean only?\n  \
         own account in eu-central-1, airflow/connections/onyl: no such secret, or none with a current value\n  \
         shared account 222222222222 in eu-central-1, airflow/connections/onyl: no such secret, or none with a current value\n",
    ];
    for lines in counts {
        assert!(ended.stdout.contains(lines), "{lines}{}", ended.stdout);
    }
    assert_eq!(ended.stdout.matches("onyl is missing").count(), 1, "{}", ended.stdout);
    let own = "own: 2 connections of 6 names; 222222222222 eu-central-1: 1 connection of 2 names";
    assert_eq!(ended.summary()["accounts"], own);
    // Colours are for terminals.
    assert!(!ended.stdout.contains('\u{1b}') && !ended.stdout.contains("canary"), "{}", ended.stdout);
    let strict = run(&aws).var("SECRETS_INIT_STRICT", "true").var("SECRETS_INIT_OUTPUT", "json").go().code(77);
    let found = document(&strict.stdout);
    assert_eq!((&found["outcome"], &found["exit_code"]), (&json!("failed"), &json!(77)));
    assert_eq!((found["errors"].as_array().unwrap().len(), found["connections"].as_array().unwrap().len()), (2, 5));
}

#[test]
fn a_document_says_that_nothing_could_be_found_out() {
    let aws = FakeAws::start(Scenario::new().principal(Principal::new(POD_KEY, POD)));
    for command in ["check", "diff"] {
        let run = Run::on_aws(&aws.endpoint(), "{}");
        let run = run.var("AWS_ACCESS_KEY_ID", POD_KEY).var("AWS_SECRET_ACCESS_KEY", "secret").arg(command);
        let found = document(&run.var("SECRETS_INIT_OUTPUT", "json").go().code(77).stdout);
        assert_eq!((&found["command"], &found["outcome"]), (&json!(command), &json!("failed")));
        assert!(found["errors"][0].as_str().unwrap().contains("secretsmanager:ListSecrets"));
    }
}

#[test]
fn settings_and_templates_can_be_checked_without_aws_or_credentials() {
    let run =
        Run::new().kwargs(KWARGS).var("SECRETS_INIT_VARIABLE_KEYS", "a,b").var("SECRETS_INIT_VARIABLES_FILE", "v.json");
    let run = run.arg("check").arg("--offline");
    let text = run.go().code(0).stdout;
    for line in [
        "connections of own under \"airflow/connections/\", listed\n",
        "connections of 222222222222 eu-central-1 under \"airflow/connections/\", listed\n",
        "variables of own under \"airflow/variables/\", by name: a, b\n",
        "v.json would be written\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    let found = document(&run.var("SECRETS_INIT_OUTPUT", "json").go().code(0).stdout);
    assert_eq!(found["lookups"][2]["ids"], json!(["a", "b"]));
    let wrong = Run::new().kwargs("{\"sep\": 1}").arg("check").arg("--offline");
    wrong.go().code(78).says("key sep: must be a string");
    let wrong = Run::new().kwargs("{}").arg("check").arg("--offline").var("SECRETS_INIT_TEMPLATES", "t.j2=t");
    fs::write(wrong.path("t.j2"), "{{ open").unwrap();
    wrong.go().code(78).says("t.j2 line 1");
}

/// Who asks for an id, what each account is asked for and what it answers, where the id is denied, kept from being asked, or a
/// team's.
#[test]
fn an_id_that_gives_nothing_can_be_found_out() {
    let aws = aws();
    let run = run(&aws).var("SECRETS_INIT_OUTPUT", "json").var("SECRETS_INIT_CONN_IDS", "denied,zz,gone,both");
    let asked = |run: &Run| {
        let found = document(&run.go().code(66).stdout);
        let rows = found["asked"].as_array().unwrap().clone();
        rows.into_iter().map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect::<Vec<_>>()
    };
    let rows = asked(&run);
    let answers = |row: &Value| {
        let accounts = row["accounts"].as_array().unwrap().clone();
        accounts.iter().map(|account| account["answer"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all: Vec<(&str, Vec<String>)> = rows.iter().map(|(id, row)| (id.as_str(), answers(row))).collect();
    let expected =
        [("denied", ["denied", "not asked"]), ("gone", ["not there", "not there"]), ("zz", ["pattern", "not there"])];
    assert_eq!(all, expected.map(|(id, answers)| (id, answers.map(str::to_owned).to_vec())));
    for (id, row) in &rows {
        assert_eq!(row["asked_by"], json!(["SECRETS_INIT_CONN_IDS"]));
        let own = &row["accounts"][0];
        assert_eq!((&own["region"], &own["secrets"]), (&json!(REGION), &json!([format!("airflow/connections/{id}")])));
    }
    let of_team = asked(&run.var("SECRETS_INIT_TEAM", "team_a"));
    let (_, gone) = of_team.iter().find(|(id, _)| id == "gone").unwrap();
    assert_eq!(gone["accounts"][0]["secrets"], json!(["airflow/connections/team_a--gone", "airflow/connections/gone"]));
}

/// What the original's kwargs come to: nothing says what the shared account holds.
const UNNAMED: &str = r#"{"shared_account": "222222222222", "aws_region": "eu-central-1"}"#;

#[test]
fn what_a_run_is_certain_to_end_with_is_what_check_offline_ends_with() {
    let run = |kwargs: &str| {
        let run = Run::new().kwargs(kwargs).arg("check").arg("--offline").var("SECRETS_INIT_OUTPUT", "json");
        run.var("AWS_REGION", REGION)
    };
    let ended = |run: Run, code: i32| {
        let ended = run.go().code(code);
        (document(&ended.stdout), ended.stderr)
    };
    // Whose credentials these are, only AWS knows.
    let (found, log) = ended(run(UNNAMED), 0);
    let words = "nothing says which connections shared account 222222222222 in eu-central-1 holds";
    assert!(log.contains(words) && found["warnings"][0].as_str().unwrap().contains(words), "{log}");
    assert_eq!((found["warnings"].as_array().unwrap().len(), &found["exit_code"]), (1, &json!(0)));
    // The role says it.
    let with_role = |account: &str| {
        UNNAMED.replace("\"aws_region", &format!("\"role_arn\": \"arn:aws:iam::{account}:role/own\", \"aws_region"))
    };
    let no_way_in = "AWS has no call that lists another account's secrets";
    let (found, _) = ended(run(&with_role(OWN)), 78);
    assert_eq!(
        (&found["outcome"], &found["warnings"], &found["exit_code"]),
        (&json!("failed"), &json!([]), &json!(78))
    );
    assert!(found["errors"][0].as_str().unwrap().contains(no_way_in), "{found}");
    assert_eq!(found["lookups"].as_array().unwrap().len(), 2, "the table is there all the same");
    let (found, log) = ended(run(&with_role(SHARED)), 0);
    assert!(found["warnings"] == json!([]) && !log.contains("WARN"), "{log}");
    assert_eq!(found["lookups"][1]["how"], "listed: it is the own account");
    // So does the web identity, unless keys stand before it.
    let web = |kwargs: &str| {
        run(kwargs).var("AWS_ROLE_ARN", POD).var("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/token")
    };
    assert!(ended(web(UNNAMED), 78).1.contains(no_way_in));
    let keys = web(UNNAMED).var("AWS_ACCESS_KEY_ID", POD_KEY).var("AWS_SECRET_ACCESS_KEY", "secret");
    assert!(ended(keys, 0).1.contains(words));
    assert!(ended(web(&UNNAMED.replace("222222222222", OWN)), 0).1.is_empty());
    // So does the profile's role.
    let profile = run(UNNAMED).var("AWS_CONFIG_FILE", "config");
    let keys = "[profile base]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n";
    let role = format!("[default]\nrole_arn = {POD}\nsource_profile = base\n{keys}");
    fs::write(profile.path("config"), role).unwrap();
    assert!(ended(profile, 78).1.contains(no_way_in));
    // Nobody needs to say it where ids are named, or where it is a role that reads.
    let named = run(&with_role(OWN)).var("SECRETS_INIT_CONN_IDS", "a");
    assert!(ended(named, 0).1.is_empty());
    // The policies of `iam` can't serve it either.
    let iam = Run::new().kwargs(&with_role(OWN)).arg("iam");
    iam.go().code(78).says(no_way_in);
}

/// Of every kind that is wanted, and whatever else is certain before anybody is asked.
#[test]
fn check_offline_ends_as_a_run_that_can_find_nothing() {
    let run = |kwargs: &str| Run::new().kwargs(kwargs).arg("check").arg("--offline");
    let own = r#"{"shared_account": "222222222222", "shared_role_arn": "arn:aws:iam::222222222222:role/reader",
        "role_arn": "arn:aws:iam::111111111111:role/own", "shared_connections": ["a"], "variables_prefix_shared": "v"}"#;
    let own = own.replace(r#""shared_role_arn": "arn:aws:iam::222222222222:role/reader","#, "");
    let variables = run(&own).var("SECRETS_INIT_VARIABLES_FILE", "v.json");
    let log = variables.go().code(78).stderr;
    assert!(log.contains("nothing says which variables it holds") && !log.contains("which connections"), "{log}");
    // A kind that is switched off gives nothing.
    let off = r#"{"connections_prefix": null}"#;
    run(off).go().code(66).says("connections_prefix is null");
    run(off).var("SECRETS_INIT_ON_EMPTY", "warn").go().code(0).says("connections_prefix is null");
    run(off).var("SECRETS_INIT_VARIABLES_FILE", "v.json").go().code(0);
    let required = run(off).var("SECRETS_INIT_VARIABLES_FILE", "v.json").var("SECRETS_INIT_REQUIRED", "a");
    required.go().code(66).says("conn_id a is missing");
    // What the pattern keeps from being asked is not there, and a shared account may have it.
    let pattern = r#"{"connections_lookup_pattern": "^warehouse"}"#;
    let asked = || run(pattern).var("SECRETS_INIT_REQUIRED", "my_db,warehouse_1");
    asked().go().code(66).says("conn_id my_db is missing").says("the lookup pattern does not match");
    let shared = format!("{}, {}", pattern.trim_end_matches('}'), own.trim_start_matches('{'));
    run(&shared).var("SECRETS_INIT_REQUIRED", "my_db").go().code(0);
    // A file store is read: no network and no credentials are needed for it.
    let file = |run: Run| run.kwargs("{}").var("SECRETS_INIT_STORE", "file:secrets.yaml");
    let render = file(Run::new()).go();
    assert_ne!(render.code, 0);
    file(run("{}")).go().code(render.code);
    let there = file(run("{}"));
    fs::write(there.path("secrets.yaml"), BEFORE).unwrap();
    there.go().code(0);
}

/// On a terminal, as `NO_COLOR` and `TERM` say: the table and the log alike.
#[test]
fn colours_are_for_terminals_that_want_them() {
    let on_terminal = |name: &str, value: &str| {
        let run = Run::on_document(BEFORE).var("SECRETS_INIT_REQUIRED", "none").arg("check");
        let run = run.var("TERM", "xterm").var("PATH", "/usr/bin:/bin:/usr/local/bin").var(name, value);
        let mut command = std::process::Command::new("python3");
        let program = env!("CARGO_BIN_EXE_airflow-secrets-init");
        let script = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
        command.args(["-c", script, program, "check"]).envs(run.environment()).stdin(std::process::Stdio::null());
        let output = command.output().expect("python3 runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let coloured = on_terminal("NO_COLOR", "");
    assert!(coloured.contains("\u{1b}[31merror") && coloured.contains("\u{1b}[31mERROR"), "{coloured}");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = on_terminal(name, value);
        assert!(plain.contains("conn_id none is missing") && !plain.contains("\u{1b}["), "{plain}");
    }
}

// ---- diff ------------------------------------------------------------------------------------------------------

const BEFORE: &str = "own:
  airflow/connections/same: mysql://u:canary@h/db
  airflow/connections/gone: mysql://u:canary@h/db
  airflow/connections/other: {conn_type: http, password: canary, extra: {a: canary}}
  airflow/variables/v: canary
  airflow/variables/w: canary
";
const AFTER: &str = "own:
  airflow/connections/same: mysql://u:canary@h/db
  airflow/connections/new: mysql://u:canary@h/db
  airflow/connections/other: {conn_type: http, password: canary2, host: h, extra: {a: canary2}}
  airflow/variables/v: canary2
  airflow/variables/x: canary
";

fn changed(connections: &str, variables: &str) -> (Run, Run) {
    let run = Run::on_document(BEFORE).file(connections).var("SECRETS_INIT_VARIABLES_FILE", variables);
    let run = run.var("SECRETS_INIT_TEMPLATES", "t.j2=t.txt").var("SECRETS_INIT_AIRFLOW_ENV_FILE", "a.list");
    fs::write(run.path("t.j2"), "{{ variables.v }}").unwrap();
    run.go().code(0);
    fs::write(run.path("secrets.yaml"), AFTER).unwrap();
    let path = run.directory.path().to_str().unwrap().to_owned();
    let diff = Run::on_document(AFTER).var("SECRETS_INIT_CONNECTIONS_FILE", &format!("{path}/{connections}"));
    let diff = ["VARIABLES_FILE", "AIRFLOW_ENV_FILE", "TEMPLATES"].iter().zip([variables, "a.list", "t.txt"]).fold(
        diff,
        |diff, (name, file)| {
            let template = if *name == "TEMPLATES" { format!("{path}/t.j2=") } else { String::new() };
            diff.var(&format!("SECRETS_INIT_{name}"), &format!("{template}{path}/{file}"))
        },
    );
    (run, diff.arg("diff"))
}

#[test]
fn what_would_change_is_told_by_id_and_field_in_every_format() {
    for (connections, variables) in [("c.json", "v.json"), ("c.yaml", "v.yaml"), ("c.env", "v.env")] {
        let (before, run) = changed(connections, variables);
        let ended = run.go().code(1);
        assert!(!ended.stdout.contains("canary"), "{}", ended.stdout);
        // No URI says the same as `other`, so that no env file of connections has it.
        let (count, other) = if connections == "c.env" { (0, "") } else { (1, "  ~ other: extra, host, password\n") };
        let expected = format!(
            "t.txt: different\n\
             a.list: different, 2 added, 2 removed, 2 changed\n  + AIRFLOW_CONN_NEW\n  + AIRFLOW_VAR_X\n  - AIRFLOW_CONN_GONE\n  \
             - AIRFLOW_VAR_W\n  ~ AIRFLOW_CONN_OTHER\n  ~ AIRFLOW_VAR_V\n\
             {variables}: different, 1 added, 1 removed, 1 changed\n  + x\n  - w\n  ~ v\n\
             {connections}: different, 1 added, 1 removed, {count} changed\n  + new\n  - gone\n{other}"
        );
        let directory = format!("{}/", before.directory.path().display());
        assert_eq!(ended.stdout.replace(&directory, ""), expected);
        let run = run.var("SECRETS_INIT_OUTPUT", "json");
        let found = document(&run.go().code(1).stdout);
        assert_eq!((&found["different"], found["files"].as_array().unwrap().len()), (&json!(true), 4));
        // Nothing was written; after a render nothing differs.
        assert!(fs::read_to_string(before.path(connections)).unwrap().contains("gone"));
        before.go().code(0);
        let found = document(&run.go().code(0).stdout);
        assert_eq!(found["files"].as_array().unwrap().iter().filter(|file| file["state"] == "same").count(), 4);
    }
}

#[test]
fn nothing_to_change_is_0_and_what_cannot_be_compared_is_said() {
    let run = || Run::on_document(BEFORE);
    let first = run();
    let fresh = first.command().arg("diff").output().unwrap();
    assert_eq!(fresh.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&fresh.stdout).contains("connections.json: new, 3 added\n  + gone\n"));
    first.go().code(0);
    let same = first.command().arg("diff").output().unwrap();
    assert_eq!(same.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&same.stdout).ends_with("connections.json: same\n"));
    let path = first.path("connections.json");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let mode = first.command().arg("diff").output().unwrap();
    assert!(String::from_utf8_lossy(&mode.stdout).ends_with("different, mode 0644 -> 0440\n"));
    fs::write(&path, "not ours, canary").unwrap();
    let foreign = first.command().arg("diff").output().unwrap();
    let said = String::from_utf8_lossy(&foreign.stdout).into_owned();
    assert!(said.contains("(what is there is not as this program writes it)") && !said.contains("canary"), "{said}");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    // What fails fails as a render does.
    first.ended(&first.command().arg("diff").output().unwrap()).code(73).says("no regular file");
    Run::on_document("own: {}").arg("diff").go().code(66);
}
