//! The user's templates from outside: what goes in and what comes out, what is refused and in which words, and that no word
//! of a secret is in any of it.
//!
//! tests/templates/renders/NAME.j2 gives NAME; tests/templates/fails/NAME.j2 ends as NAME says: the exit code, then the
//! lines of the error. `BLESS=1 cargo test --test templates` writes the expected files anew, for a person to read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::canary::{assert_silent, canary, disguises, everything_said};
use common::{Ended, Run};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/templates");

/// The templates of a directory: name without `.j2`, and path.
fn fixtures(directory: &str) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(format!("{FIXTURES}/{directory}")).unwrap().map(|entry| entry.unwrap().path());
    let templates = entries.filter(|path| path.extension().is_some_and(|extension| extension == "j2"));
    let mut all: Vec<_> =
        templates.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path)).collect();
    all.sort();
    assert!(!all.is_empty());
    all
}

/// A run of one template on a document of secrets. The template lies in the run's own directory, so that errors name it alike.
fn run(document: &str, name: &str, template: &Path) -> Run {
    let run = Run::on_document(document);
    let source = format!("{name}.j2");
    fs::copy(template, run.path(&source)).unwrap();
    run.var("SECRETS_INIT_TEMPLATES", &format!("{source}={name}"))
        .var("SECRETS_INIT_CONNECTIONS_FILE", "none")
        .var("GREETING", "hello from the environment")
        .var("HOME", "/nonexistent")
}

fn secrets() -> String {
    fs::read_to_string(format!("{FIXTURES}/secrets.yaml")).unwrap()
}

/// Compares with the expected file, or writes it.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a switch for developers")]
fn expect(path: &Path, found: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, found).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(found == expected, "{}:\n--- expected\n{expected}\n--- found\n{found}", path.display());
}

/// The exit code, and the lines of the error.
fn error_of(ended: &Ended) -> String {
    let mut text = format!("{}\n", ended.code);
    for line in ended.stderr.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
        if line["level"] == "ERROR" && line["outcome"].is_null() {
            text.push_str(line["message"].as_str().unwrap());
            text.push('\n');
        }
    }
    text
}

#[test]
fn templates_come_out_as_expected() {
    for (name, template) in fixtures("renders") {
        let run = run(&secrets(), &name, &template);
        run.go().code(0);
        let found = fs::read_to_string(run.path(&name)).unwrap();
        expect(&template.with_extension(""), &found);
        // The same again touches nothing.
        let inode = |run: &Run| std::os::unix::fs::MetadataExt::ino(&fs::metadata(run.path(&name)).unwrap());
        let before = inode(&run);
        assert_eq!(run.go().code(0).summary()["outcome"], "unchanged", "{name}");
        assert_eq!(inode(&run), before, "{name}");
    }
}

#[test]
fn templates_that_fail_say_where_and_why_and_write_nothing() {
    for (name, template) in fixtures("fails") {
        let run = run(&secrets(), &name, &template);
        let ended = run.go();
        assert_ne!(ended.code, 0, "{name}");
        expect(&template.with_extension(""), &error_of(&ended));
        assert!(!run.path(&name).exists(), "{name}");
        // What can be seen without secrets is told before anybody is asked for them.
        if ended.code == 78 {
            assert_eq!(ended.summary()["api_calls"], 0, "{name}");
        }
    }
}

// ---- nothing of a secret ---------------------------------------------------------------------------------------

#[test]
fn nothing_of_a_secret_is_said_whatever_fails() {
    let mut searched = 0;
    for (number, (name, template)) in (0..).zip(fixtures("fails").into_iter().chain(fixtures("renders"))) {
        let canary = canary(number);
        let document = secrets().replace("s3cret", &canary).replace("54321", "48151");
        let run = run(&document, &name, &template).var("SECRETS_INIT_LOG", "trace");
        for command in [&["render"][..], &["check", "--show"], &["check"]] {
            let run = command.iter().fold(Run::on_document(&document), |run, argument| run.arg(argument));
            fs::copy(&template, run.path(&format!("{name}.j2"))).unwrap();
            let run = run
                .var("SECRETS_INIT_TEMPLATES", &format!("{name}.j2={name}"))
                .var("SECRETS_INIT_CONNECTIONS_FILE", "none")
                .var("GREETING", &canary)
                .var("SECRETS_INIT_LOG", "trace");
            let said = everything_said(&run, &run.go());
            assert!(!said.contains("48151"), "{name} {command:?}:\n{said}");
            searched += assert_silent(&format!("{name} {command:?}"), &said, &canary) + 1;
        }
        drop(run);
    }
    println!("searched for {searched} canaries");
    assert!(searched > 1500, "only {searched}");
}

/// A list that doubles forty times costs few steps to make, and comparing it would take minijinja (3.1.0) years.
const ENDLESS: &str = "{% set ns = namespace(x=[1]) %}{% for _ in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}\
    {% set other = namespace(x=[1]) %}{% for _ in range(40) %}{% set other.x = [other.x, other.x] %}{% endfor %}{{ ns.x == other.x }}";

fn endless() -> Run {
    let run = Run::on_document(&secrets());
    fs::write(run.path("t.j2"), ENDLESS).unwrap();
    run.var("SECRETS_INIT_TEMPLATES", "t.j2=t")
}

#[test]
fn a_template_that_does_not_end_ends_with_the_deadline_and_changes_no_file() {
    let run = endless().var("SECRETS_INIT_DEADLINE", "5s");
    run.go().code(65).says("rendering took longer than 5s");
    assert!(!run.path("t").exists() && !run.path("connections.json").exists());
}

#[test]
fn sigterm_ends_a_run_that_renders() {
    let run = endless();
    let child = run.command().spawn().unwrap();
    let threads = || fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count();
    // The first, one that renders files, and the template's own.
    common::wait_until("the template's thread", || threads() >= 3);
    common::signal("TERM", &child);
    run.ended(&child.wait_with_output().unwrap()).code(143).says("SIGTERM came");
    assert!(!run.path("t").exists());
}

/// The search can fail: a secret that somebody writes into the template itself is found, in every disguise.
#[test]
fn a_leak_that_is_planted_is_found() {
    let canary = canary(7777);
    let run = Run::on_document(&secrets());
    fs::write(run.path("t.j2"), format!("{{{{ connections.{canary} }}}}")).unwrap();
    let run = run.var("SECRETS_INIT_TEMPLATES", "t.j2=t");
    let said = everything_said(&run, &run.go().code(65));
    assert!(said.contains(&canary), "{said}");
    let forms = disguises(&canary);
    let encoded = [
        STANDARD.encode(format!("ab{canary}c")),
        STANDARD.encode(format!("abc{canary}")),
        STANDARD.encode(format!("a{canary}bcd")),
    ];
    for text in encoded {
        assert!(forms.iter().any(|form| text.contains(form.as_str())), "{text}");
    }
}

/// The examples, on what people store: each serves what it can, and leaves the rest out with a comment.
#[test]
fn the_examples_serve_the_shapes_of_their_trade() {
    let rds =
        r#"{"engine": "postgres", "host": "db", "username": "app", "password": "x", "dbname": "app", "port": 5432}"#;
    let of_rds = "own:\n  airflow/connections/warehouse: 'RDS'\n  airflow/connections/reporting: '{\"host\": \"h\"}'\n"
        .replace("RDS", rds);
    let aws = "own:\n  airflow/connections/aws_default: aws://AKIA:x@\n  airflow/connections/aws_archive: {conn_type: aws, extra: \
               {role_arn: \"arn:aws:iam::123456789012:role/r\"}}\n";
    let snowflake = |more: &str| {
        format!(
            "own:\n  airflow/connections/snowflake: {{conn_type: snowflake, login: svc, extra: {{account: ab{more}}}}}\n"
        )
    };
    let rows: &[(&str, &str, &str)] = &[
        ("pgpass", &of_rds, "db:5432:*:app:x\n# reporting is left out: a line needs a host and a password\n"),
        (
            "pg_service.conf",
            &of_rds,
            "[warehouse]\nhost=db\nport=5432\nuser=app\npassword=x\nsslmode=require\n\n[reporting]\nhost=h\nport=5432\nsslmode=require\n\n",
        ),
        (
            "odbc.ini",
            &of_rds,
            "[ODBC Data Sources]\nwarehouse = The warehouse\n\n[warehouse]\nDriver = PostgreSQL Unicode\nServername = db\nPort = \
             5432\nUsername = app\nPassword = x\nSSLmode = require\n",
        ),
        (
            "dbt_profiles.yml",
            &of_rds,
            "# warehouse is left out: dbt needs host, login, password and a database (schema; docs/SHAPES.md has RDS's dbname)\n",
        ),
        (
            "aws_credentials",
            aws,
            "[default]\naws_access_key_id = AKIA\naws_secret_access_key = x\n\n# aws_archive is left out: it has no keys, so that \
             the pod's own role or the role in its extra is taken, which no file here can say\n",
        ),
        (
            "snowflake_connections.toml",
            &snowflake(", private_key_file: /keys/k.p8"),
            "[prod]\naccount = \"ab\"\nuser = \"svc\"\nauthenticator = \"SNOWFLAKE_JWT\"\nprivate_key_file = \"/keys/k.p8\"\nrole = \
             \"PUBLIC\"\n\n[prod.session_parameters]\nQUERY_TAG = \"airflow\"\n",
        ),
        (
            "snowflake_connections.toml",
            &snowflake(", private_key_content: x"),
            "[prod]\naccount = \"ab\"\nuser = \"svc\"\n# The key stands in the secret: write it to a file by a template of its own, \
             and name that file here.\nauthenticator = \"SNOWFLAKE_JWT\"\nrole = \"PUBLIC\"\n\n[prod.session_parameters]\nQUERY_TAG = \
             \"airflow\"\n",
        ),
    ];
    for (name, document, expected) in rows {
        let template = format!("{}/examples/templates/{name}.j2", env!("CARGO_MANIFEST_DIR"));
        let run = run(document, name, Path::new(&template));
        run.go().code(0);
        assert_eq!(&fs::read_to_string(run.path(name)).unwrap(), expected, "{name}");
    }
    // The key of the provider that makes RDS's dbname the schema.
    let template = format!("{}/examples/templates/pgpass.j2", env!("CARGO_MANIFEST_DIR"));
    let run = run(&of_rds, "pgpass", Path::new(&template)).kwargs(r#"{"extra_conn_words": {"schema": ["dbname"]}}"#);
    run.go().code(0);
    assert!(fs::read_to_string(run.path("pgpass")).unwrap().starts_with("db:5432:app:app:x\n"));
}

/// In a loop the tag does not say which connection it was.
#[test]
fn an_error_in_a_loop_names_the_conn_id() {
    let document = "own:\n  airflow/connections/a: x://h\n  airflow/connections/b: '{\"conn_type\": \"x\"}'\n";
    let of = |body: &str| {
        let run = Run::on_document(document).var("SECRETS_INIT_TEMPLATES", "t.j2=t.txt");
        fs::write(run.path("t.j2"), body).unwrap();
        run.go().code(65).stderr
    };
    let none = of("{% for id, c in connections.items() %}{{ c.host }}\n{% endfor %}");
    assert!(
        none.contains(
            "the value is none; give a default(\\\"...\\\", true), or ask with `is none`; in `c.host`, of conn_id b"
        ),
        "{none}"
    );
    let undefined = of("{% for c in connections.values() %}{{ c.hst }}{% endfor %}");
    assert!(undefined.contains("connections.a.hst is undefined") || undefined.contains("of conn_id a"), "{undefined}");
    // The advice works as it says.
    let run = Run::on_document(document).var("SECRETS_INIT_TEMPLATES", "t.j2=t.txt");
    fs::write(run.path("t.j2"), "{% for c in connections.values() %}{{ c.host | default(\"*\", true) }}{% endfor %}")
        .unwrap();
    run.go().code(0);
    assert_eq!(fs::read_to_string(run.path("t.txt")).unwrap(), "h*");
}
