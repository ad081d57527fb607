//! The program from outside, on the file store: files, modes, exit codes, the last line, signals, and what is never said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use airflow_secrets_init::airflow::lazy_backend;
use common::{Run, names};

const TWO: &str =
    "own:\n  airflow/connections/a: mysql://u:p@h/db\n  airflow/connections/b: {conn_type: http, port: \"80\"}\n";

#[test]
fn the_file_is_written_with_its_mode_and_a_second_run_leaves_it_alone() {
    let run = Run::on_document(TWO);
    let first = run.go().code(0);
    assert_eq!(first.conn_ids(), ["a", "b"]);
    assert_eq!(first.stdout, "");
    let summary = first.summary();
    assert_eq!((summary["outcome"].as_str(), summary["connections"].as_u64()), (Some("written"), Some(2)), "{summary}");
    let metadata = fs::metadata(&first.path).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o440);
    let second = run.go().code(0);
    assert_eq!(second.summary()["outcome"], "unchanged");
    assert_eq!(fs::metadata(&second.path).unwrap().ino(), metadata.ino());
    assert_eq!(names(run.directory.path()), ["connections.json", "secrets.yaml"]);
}

#[test]
fn the_three_formats_hold_the_same_connections_in_ascii() {
    let document = "own:\n  airflow/connections/é: {conn_type: x, login: \"Zoë\\n\", password: \"p\\\"\\\\ \u{1f600}\", host: h}\n  \
                    airflow/connections/b: mysql://u:p@h:1/db?x=1\n";
    let yaml = Run::on_document(document).file("c.yaml").go().code(0).file.unwrap();
    assert!(yaml.is_ascii() && yaml.contains("login: \"Zo\\xeb\\n\"") && yaml.contains("\\U0001f600"), "{yaml}");
    let json = Run::on_document(document).go().code(0);
    assert!(json.file.as_ref().unwrap().is_ascii());
    assert_eq!(json.connections()["é"]["login"], "Zoë\n");
    let env = Run::on_document(document).file("c.env").go().code(0).says(".env has no escapes");
    assert_eq!(env.file.unwrap(), "b=mysql://u:p@h:1/db?__extra__=%7B%22x%22%3A%20%221%22%7D\n");
}

#[test]
fn a_conn_id_that_env_cannot_carry_is_invalid_there_alone() {
    let document = "own:\n  airflow/connections/a=b: mysql://u:p@h/db\n  airflow/connections/c: mysql://u:p@h/db\n";
    let env = Run::on_document(document).file("c.env").go().code(0).says("no way to write this name");
    assert_eq!(env.file.unwrap(), "c=mysql://u:p@h/db\n");
    Run::on_document(document).file("c.env").var("SECRETS_INIT_ON_INVALID", "error").go().code(65);
    assert_eq!(Run::on_document(document).go().code(0).conn_ids(), ["a=b", "c"]);
}

#[test]
fn one_bad_secret_harms_no_other_unless_policy_says_so() {
    let document = format!("{TWO}  airflow/connections/bad: '{{\"port\": \"x\"}}'\n");
    let warned =
        Run::on_document(&document).go().code(0).says("left out: conn_id bad (own account) is invalid: field `port`");
    assert_eq!(warned.conn_ids(), ["a", "b"]);
    let quiet = Run::on_document(&document).var("SECRETS_INIT_ON_INVALID", "ignore").go().code(0);
    assert!(!quiet.stderr.contains("bad") && quiet.summary()["invalid"] == 1, "{}", quiet.stderr);
    for (name, value) in [("SECRETS_INIT_ON_INVALID", "error"), ("SECRETS_INIT_STRICT", "true")] {
        let failed = Run::on_document(&document).var(name, value).go().code(65).says("conn_id bad");
        assert_eq!(failed.file, None);
    }
}

#[test]
fn nothing_found_is_an_error_unless_allowed_and_then_an_empty_object() {
    let run = Run::on_document("own:\n  other/x: text\n");
    let failed = run.go().code(66).says("no connection was found in own account under");
    assert_eq!((failed.file, failed.stdout.as_str()), (None, ""));
    let termination = fs::read_to_string(run.path("termination-log")).unwrap();
    assert!(termination.starts_with("airflow-secrets-init failed with 66: no connection was found"), "{termination}");
    for (name, expected) in [("c.json", "{}\n"), ("c.yaml", "{}\n"), ("c.env", "")] {
        let empty = Run::on_document("own: {}\n").var("SECRETS_INIT_ON_EMPTY", "warn").file(name).go().code(0);
        assert_eq!(empty.file.as_deref(), Some(expected), "{name}");
    }
    Run::on_document(TWO).kwargs("{\"connections_prefix\": null}").go().code(66).says("connections_prefix is null");
    // All that was found is left out: the reason decides, not "nothing found".
    Run::on_document("own:\n  airflow/connections/a: ' '\n").go().code(65).says("the secret is blank");
}

#[test]
fn ids_asked_by_name_are_missing_or_there() {
    let run = || Run::on_document(TWO).var("SECRETS_INIT_CONN_IDS", "a, nope");
    run().go().code(66).says("conn_id nope is missing");
    let warned = run().var("SECRETS_INIT_ON_MISSING", "warn").go().code(0);
    assert_eq!((warned.conn_ids(), warned.summary()["missing"].as_u64()), (vec!["a".to_owned()], Some(1)));
    Run::on_document(TWO).var("SECRETS_INIT_REQUIRED", "zz").go().code(66).says("conn_id zz is missing");
    let both = Run::on_document(TWO).var("SECRETS_INIT_CONN_IDS", "a").var("SECRETS_INIT_REQUIRED", "b").go().code(0);
    assert_eq!(both.conn_ids(), ["a", "b"]);
    let filtered = Run::on_document(TWO).var("SECRETS_INIT_INCLUDE", "b*").go().code(0);
    assert_eq!(filtered.conn_ids(), ["b"]);
    let required =
        Run::on_document(TWO).var("SECRETS_INIT_EXCLUDE", "*").var("SECRETS_INIT_REQUIRED", "a").go().code(0);
    assert_eq!(required.conn_ids(), ["a"]);
}

#[test]
fn what_is_required_must_be_usable() {
    let document = format!("{TWO}  airflow/connections/bad: ' '\n");
    Run::on_document(&document).go().code(0);
    let failed = Run::on_document(&document).var("SECRETS_INIT_REQUIRED", "bad").go().code(65).says("conn_id bad");
    assert_eq!(failed.file, None);
}

#[test]
fn an_account_that_is_shared_under_two_prefixes_keeps_both() {
    let document = "own: {}\nshared:\n  \"222222222222\": {x/a: mysql://u:p@x/db, y/b: mysql://u:p@y/db}\n";
    let kwargs = r#"{"shared": [{"account": "222222222222", "connections_prefix": "x"},
                                {"account": "222222222222", "connections_prefix": "y"}]}"#;
    assert_eq!(Run::on_document(document).kwargs(kwargs).go().code(0).conn_ids(), ["a", "b"]);
}

#[test]
fn flags_beat_variables_and_a_misspelt_one_is_told() {
    let run = Run::on_document(TWO);
    let other = run.path("flag.json");
    let flag = format!("--connections-file={}", other.display());
    let run = run.arg("render").arg(&flag);
    assert_eq!(run.go().code(0).file, None);
    assert!(other.exists());
    Run::on_document(TWO).arg("rendre").go().code(64).says("neither a flag nor one of render, check, diff, iam");
    Run::on_document(TWO).arg("--conections-file=x").go().code(64).says("did you mean --connections-file?");
    let help = Run::new().arg("--help").go().code(0);
    assert!(help.stdout.contains("--connections-file") && help.stderr.is_empty());
    let version = Run::new().arg("--version").go().code(0);
    assert_eq!(version.stdout, format!("airflow-secrets-init {}\n", env!("CARGO_PKG_VERSION")));
}

/// `check` and `diff` write nothing, and end as a render would.
#[test]
fn places_that_cannot_be_written_are_named_and_nothing_else_changes() {
    let each = |run: &Run, words: &str| {
        for command in ["render", "check", "diff"] {
            run.ended(&run.command().arg(command).output().unwrap()).code(73).says(words);
        }
    };
    each(&Run::on_document(TWO).file("none/connections.json"), "make the directory first");
    let run = Run::on_document(TWO);
    fs::write(run.path("file"), "").unwrap();
    each(&run.file("file/connections.json"), "Not a directory");
    let run = Run::on_document(TWO);
    fs::create_dir(run.path("connections.json")).unwrap();
    each(&run, "no regular file");
    let run = Run::on_document(TWO);
    assert!(std::process::Command::new("mkfifo").arg(run.path("connections.json")).status().unwrap().success());
    each(&run, "no regular file");
    let run = Run::on_document(TWO);
    std::os::unix::fs::symlink("/etc/hostname", run.path("connections.json")).unwrap();
    each(&run, "a symbolic link");
    // Every target that is wrong, at once.
    let run = Run::on_document(TWO).file("none/connections.json").module("missing/lazy.py");
    each(&run, "none: no file can be made there");
    each(&run, "missing: no file can be made there");
}

/// root may write anywhere, so this one runs the program as nobody.
#[test]
fn any_uid_can_run_it_where_it_may_write_and_is_told_where_it_may_not() {
    use std::os::unix::process::CommandExt;
    let run = Run::on_document(TWO);
    for (mode, code) in [(0o755, 73), (0o777, 0)] {
        fs::set_permissions(run.directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        // A copy where nobody can reach it: the build directory may lie below a private home.
        let program = run.path("program");
        if !program.exists() {
            // By another process: a child that a test beside this one starts meanwhile would inherit our open file, and the
            // kernel runs no program that somebody has open for writing.
            let copied =
                std::process::Command::new("cp").arg(env!("CARGO_BIN_EXE_airflow-secrets-init")).arg(&program).status();
            assert!(copied.unwrap().success());
        }
        let mut as_nobody = std::process::Command::new(&program);
        as_nobody.env_clear().envs(run.environment());
        if is_root() {
            as_nobody.uid(65_534).gid(0);
        } else if mode == 0o755 {
            // The directory is this user's own: take the right away from the owner.
            fs::set_permissions(run.directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
        }
        let ended = run.ended(&as_nobody.output().unwrap()).code(code);
        fs::set_permissions(run.directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        if code == 73 {
            ended.says("run as a user or group that may write there");
        }
    }
    assert_eq!(fs::metadata(run.path("connections.json")).unwrap().mode() & 0o7777, 0o440);
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

#[test]
fn the_backend_module_is_written_beside_the_file_and_left_alone_when_nothing_changed() {
    let run = Run::on_document(TWO).module("lazy_backend.py").var("SECRETS_INIT_FILE_MODE", "0640");
    let module = run.path("lazy_backend.py");
    let inodes = || [&module, &run.path("connections.json")].map(|path| fs::metadata(path).unwrap().ino());
    let first = run.go().code(0);
    assert_eq!(first.summary()["outcome"], "written");
    assert_eq!(first.summary()["module_file"], module.to_str().unwrap());
    assert_eq!(fs::read_to_string(&module).unwrap(), lazy_backend::SOURCE);
    assert_eq!(fs::metadata(&module).unwrap().mode() & 0o7777, 0o640);
    let [module_inode, file_inode] = inodes();
    assert_eq!(run.go().code(0).summary()["outcome"], "unchanged");
    assert_eq!(inodes(), [module_inode, file_inode]);
    // That of an older version, with the same connections.
    fs::write(&module, "# old\n").unwrap();
    assert_eq!(run.go().code(0).summary()["outcome"], "written");
    assert_eq!((fs::read_to_string(&module).unwrap().as_str(), inodes()[1]), (lazy_backend::SOURCE, file_inode));
    assert_eq!(names(run.directory.path()), ["connections.json", "lazy_backend.py", "secrets.yaml"]);
    assert!(!Run::on_document(TWO).go().code(0).stderr.contains("module_file"));
}

#[test]
fn the_module_and_the_file_are_written_both_or_none() {
    let left = ["connections.json", "secrets.yaml", "termination-log"];
    let old = |run: &Run| fs::write(run.path("connections.json"), "old").unwrap();
    // The module can't be put there.
    let run = Run::on_document(TWO).module("none/lazy_backend.py");
    old(&run);
    let ended = run.go().code(73).says("none: no file can be made there").says("make the directory first");
    assert_eq!(
        (ended.file.as_deref(), names(run.directory.path()).as_slice()),
        (Some("old"), &left.map(str::to_owned)[..])
    );
    let run = Run::on_document(TWO).module("lazy_backend.py");
    std::os::unix::fs::symlink("/etc/hostname", run.path("lazy_backend.py")).unwrap();
    assert_eq!(run.go().code(73).says("lazy_backend.py: is a symbolic link").file, None);
    // The connections can't be put there, or not be used.
    let run = Run::on_document(TWO).module("lazy_backend.py").file("none/connections.json");
    run.go().code(73);
    assert_eq!(names(run.directory.path()), ["secrets.yaml", "termination-log"]);
    let run = Run::on_document("own:\n  airflow/connections/a: ' '\n").module("lazy_backend.py");
    run.go().code(65);
    assert_eq!(names(run.directory.path()), ["secrets.yaml", "termination-log"]);
    // The module fits on the disk, the connections do not.
    let run = Run::on_document(&many(400)).module("lazy_backend.py");
    old(&run);
    let ended = on_a_full_disk(&run, 32).code(74).says("connections.json: can't be written");
    assert_eq!(
        (ended.file.as_deref(), names(run.directory.path()).as_slice()),
        (Some("old"), &left.map(str::to_owned)[..])
    );
}

#[test]
fn a_set_whose_first_lookup_takes_airflow_more_than_a_second_is_reported_unless_the_module_makes_it_cheap() {
    // 300 passwords of 20 characters: 0.09 s for the connections, 0.6 us * 300 * 6000 for the masker.
    let plain = Run::on_document(&with_passwords(300, "-")).go().code(0);
    let plain =
        plain.says("300 connections are in the file").says("more than 1 s").says("compiles 300 patterns. Write");
    plain.says("SECRETS_INIT_BACKEND_MODULE_FILE");
    // A plus sign makes each count twice, and longer.
    let escaped = Run::on_document(&with_passwords(200, "%2B")).go().code(0);
    let escaped = escaped.says("more than 2 s").says("compiles 400 patterns. Of 200 connections it learns two");
    let escaped = escaped.says("characters of the password: c0, c1, c10, c100, c101 and 195 more. Write");
    assert!(!escaped.stderr.contains("-pass-"), "{}", escaped.stderr);
    for run in [
        Run::on_document(&with_passwords(200, "-")),
        Run::on_document(&with_passwords(300, "-")).module("lazy_backend.py"),
        Run::on_document(&with_passwords(300, "-")).var("SECRETS_INIT_AIRFLOW_VERSION", "2"),
        // The masker learns each password once.
        Run::on_document(&many(1000)),
    ] {
        let ended = run.go().code(0);
        assert!(!ended.stderr.contains("connections are in the file"), "{}", ended.stderr);
    }
    let of_2 = Run::on_document(&with_passwords(800, "-")).var("SECRETS_INIT_AIRFLOW_VERSION", "2").go().code(0);
    of_2.says("800 connections are in the file").says("more than 1 s");
}

/// A store with so many connections, each with a password of its own of 20 characters, `sign` among them.
fn with_passwords(count: usize, sign: &str) -> String {
    let entry = |i| format!("  airflow/connections/c{i}: mysql://u:{i:05}-pass{sign}word-word@h/db\n");
    format!("own:\n{}", (0..count).map(entry).collect::<String>())
}

/// A store with so many connections.
fn many(count: usize) -> String {
    let entries: String = (0..count).map(|i| format!("  airflow/connections/c{i}: mysql://u:p@h/db\n")).collect();
    format!("own:\n{entries}")
}

/// A file system that is full: writes fail, the old file stays, no other file is left.
#[test]
fn a_full_disk_leaves_the_old_file_whole() {
    let run = Run::on_document(&many(400));
    fs::write(run.path("connections.json"), "old").unwrap();
    let ended = on_a_full_disk(&run, 8).code(74).says("can't be written");
    assert_eq!(ended.file.as_deref(), Some("old"));
    assert_eq!(names(run.directory.path()), ["connections.json", "secrets.yaml", "termination-log"]);
}

/// A limit on the size of files, in half KiB, is a full disk that every user can make: the write fails with EFBIG.
fn on_a_full_disk(run: &Run, blocks: usize) -> common::Ended {
    let program = env!("CARGO_BIN_EXE_airflow-secrets-init");
    let mut shell = std::process::Command::new("sh");
    // SIGXFSZ would kill the process before the write could fail: ignored, it is inherited as ignored.
    shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec '{program}'"));
    shell.env_clear().envs(run.environment());
    run.ended(&shell.output().unwrap())
}

#[test]
fn sigterm_and_sigint_end_a_run_and_leave_no_trace() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let run = Run::on_document(TWO).var("SECRETS_INIT_JITTER", "30s").var("SECRETS_INIT_LOG", "debug");
        fs::write(run.path("connections.json"), "old").unwrap();
        let mut child = run.command().spawn().unwrap();
        // The program listens for signals before it says its first word about secrets.
        let mut stderr = child.stderr.take().unwrap();
        let mut said = String::new();
        let mut byte = [0];
        while !said.contains("waiting") {
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "ended early: {said}");
            said.push(char::from(byte[0]));
        }
        common::signal(signal, &child);
        let mut output = child.wait_with_output().unwrap();
        stderr.read_to_end(&mut output.stderr).unwrap();
        let ended = run.ended(&output).code(code).says(&format!("SIG{signal} came"));
        assert_eq!(ended.file.as_deref(), Some("old"));
        assert_eq!(names(run.directory.path()), ["connections.json", "secrets.yaml", "termination-log"]);
    }
}

#[test]
fn the_file_store_names_places_and_never_values() {
    for (name, document, code, words) in [
        ("s.yaml", "own:\n  a: [canary\n", 78, "line"),
        ("s.yaml", "own:\n  a: 42\nshared: {}\nowm: {a: canary}\n", 78, "own and shared stand beside other keys"),
        ("s.yaml", "own:\n  airflow/connections/a: 42\n", 78, "must be text or a mapping"),
        ("s.yaml", "shared:\n  25878: {a: canary}\n", 78, "12-digit"),
        ("s.json", "{\"own\": {\"a\": canary}}", 78, "line 1 column"),
        ("s.json", "{\"own\": {\"a\": [\"canary\"]}}", 78, "must be text or an object"),
    ] {
        let run = Run::on_document("");
        let path = run.path(name);
        fs::write(&path, document).unwrap();
        let ended = run.var("SECRETS_INIT_STORE", &format!("file:{}", path.display())).go().code(code).says(words);
        assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
    }
    Run::on_document(TWO)
        .var("SECRETS_INIT_STORE", "file:/nonexistent.yaml")
        .go()
        .code(66)
        .says("check SECRETS_INIT_STORE");
}

/// Canaries in every field and every kind of broken secret: none may show but in the file itself.
#[test]
fn no_part_of_a_secret_is_ever_said() {
    let canaries = [
        "postgres://c4nary-user:c4nary-pass@c4nary-host:5432/c4nary-db?x=c4nary-extra",
        "postgres://c4nary-user:c4nary/pass@h:5432/db",
        "http://u:p@h/db?u=https://c4nary",
        "mysql://u:c4nary[@h/db",
        "{\"port\": \"c4nary\"}",
        "{\"extra\": \"c4nary\"}",
        "{\"extra\": [\"c4nary\"]}",
        "{\"login\": {\"c4nary\": 1}}",
        "{\"password\": \"c4nary\" c4nary",
        "{\"c4nary-key\": \"\\ud800\", \"host\": \"\\ud800c4nary\"}",
        "c4nary",
    ];
    let list: String = canaries
        .iter()
        .enumerate()
        .map(|(i, text)| format!("  airflow/connections/n{i}: {}\n", serde_json::to_string(text).unwrap()))
        .collect();
    for format in ["c.json", "c.yaml", "c.env"] {
        for level in ["trace", "info"] {
            for strict in ["true", "false"] {
                let run = Run::on_document(&format!("own:\n{list}"))
                    .file(format)
                    .var("SECRETS_INIT_LOG", level)
                    .var("SECRETS_INIT_STRICT", strict);
                let ended = run.go();
                assert_eq!(ended.code, if strict == "true" { 65 } else { 0 }, "{}", ended.stderr);
                let termination = fs::read_to_string(run.path("termination-log")).unwrap_or_default();
                for said in [&ended.stderr, &ended.stdout, &termination] {
                    assert!(!said.contains("c4nary"), "{said}");
                }
                for name in names(run.directory.path()) {
                    assert!(!name.contains("c4nary"));
                }
            }
        }
    }
}

#[test]
fn text_logs_are_for_people_and_json_logs_parse() {
    let text = Run::on_document(TWO).var("SECRETS_INIT_LOG_FORMAT", "text").go().code(0);
    let last = text.stderr.lines().last().unwrap();
    assert!(
        last.contains(" INFO done outcome=\"written\" connections=2 own=2 accounts=") && !last.contains("=0 "),
        "{last}"
    );
    // The reason stands in the line before, once.
    let failed = Run::on_document(TWO).var("SECRETS_INIT_LOG_FORMAT", "text").var("SECRETS_INIT_REQUIRED", "none").go();
    assert_eq!(failed.stderr.matches("conn_id none is missing").count(), 1, "{}", failed.stderr);
    let last = failed.stderr.lines().last().unwrap();
    assert!(last.contains("ERROR failed outcome=\"failed\" exit_code=66 own=2 missing=1"), "{last}");
    let json = Run::on_document(TWO).go().code(0);
    for line in json.stderr.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    }
}

/// A FIFO would hold the one thread for ever: past the deadline, past SIGTERM.
#[test]
fn files_that_are_no_files_are_refused_at_once() {
    let run = Run::on_document(TWO);
    let fifo = run.path("fifo.yaml");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in [fifo.to_str().unwrap(), "/dev/zero", "/"] {
        let run = Run::on_document(TWO).var("SECRETS_INIT_STORE", &format!("file:{path}"));
        run.go().code(78).says("not a regular file");
        let run = Run::on_document(TWO).var("SECRETS_INIT_BACKEND_KWARGS", &format!("@{path}"));
        run.go().code(78).says("not a regular file");
    }
}

// ---- more than connections -------------------------------------------------------------------------------------

/// A document with all three kinds.
const KINDS: &str = "own:
  airflow/connections/a: mysql://u:p@h/db
  airflow/connections/b: {conn_type: slack, password: xoxb}
  airflow/variables/region: \"no\"
  airflow/variables/json: '{\"a\": 1}'
  airflow/config/sql: postgres://u@h/db
";

/// A run with an output of every kind.
fn run_of_everything(document: &str) -> Run {
    let run = Run::on_document(document);
    fs::write(run.path("t.j2"), "{{ connections.a.password }} {{ variables.region }}\n").unwrap();
    [
        "VARIABLES_FILE=variables.yaml",
        "CONFIGS_FILE=configs.json",
        "AIRFLOW_ENV_FILE=airflow.env",
        "TEMPLATES=t.j2=t.txt",
    ]
    .into_iter()
    .fold(run, |run, setting| {
        let (name, value) = setting.split_once('=').unwrap();
        run.var(&format!("SECRETS_INIT_{name}"), value)
    })
    .var("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET", "sql")
}

fn content(run: &Run, name: &str) -> String {
    fs::read_to_string(run.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_kind_goes_into_its_file() {
    let run = run_of_everything(KINDS);
    let ended = run.go().code(0);
    assert_eq!(ended.conn_ids(), ["a", "b"]);
    assert_eq!(content(&run, "variables.yaml"), "\"json\": \"{\\\"a\\\": 1}\"\n\"region\": \"no\"\n");
    assert_eq!(content(&run, "configs.json"), "{\n  \"sql\": \"postgres://u@h/db\"\n}\n");
    assert_eq!(
        content(&run, "airflow.env"),
        "AIRFLOW_CONN_A='{\"conn_type\": \"mysql\", \"host\": \"h\", \"login\": \"u\", \"password\": \"p\", \"schema\": \"db\"}'\n\
         AIRFLOW_CONN_B='{\"conn_type\": \"slack\", \"password\": \"xoxb\"}'\n\
         AIRFLOW_VAR_JSON='{\"a\": 1}'\nAIRFLOW_VAR_REGION=no\nAIRFLOW__DATABASE__SQL_ALCHEMY_CONN=postgres://u@h/db\n"
    );
    assert_eq!(content(&run, "t.txt"), "p no\n");
    for name in ["connections.json", "variables.yaml", "configs.json", "airflow.env", "t.txt"] {
        assert_eq!(fs::metadata(run.path(name)).unwrap().mode() & 0o7777, 0o440, "{name}");
    }
    let summary = ended.summary();
    assert_eq!(
        (&summary["connections"], &summary["variables"], &summary["configs"]),
        (&2.into(), &2.into(), &1.into())
    );
}

#[test]
fn what_no_output_asks_for_is_not_read_and_what_a_template_names_is_all_that_is() {
    // A secret that nobody wants does no harm, whatever is wrong with it.
    let document = format!("{KINDS}  airflow/connections/bad: ' '\n");
    let plain = Run::on_document(&document).var("SECRETS_INIT_STRICT", "true").go().code(65).says("conn_id bad");
    assert_eq!(plain.summary()["variables"], serde_json::Value::Null);
    let run = Run::on_document(&document)
        .var("SECRETS_INIT_STRICT", "true")
        .var("SECRETS_INIT_CONNECTIONS_FILE", "none")
        .var("SECRETS_INIT_TEMPLATES", "t.j2=t.txt");
    fs::write(run.path("t.j2"), "---\nconn_ids: [a]\nmode: \"0600\"\n---\n{{ connections.a.password }}").unwrap();
    let ended = run.go().code(0);
    assert_eq!((content(&run, "t.txt").as_str(), &ended.summary()["connections"]), ("p", &1.into()));
    assert_eq!(fs::metadata(run.path("t.txt")).unwrap().mode() & 0o7777, 0o600);
    fs::write(run.path("t.j2"), "---\nconn_ids: [a, nowhere]\n---\n{{ connections.a.password }}").unwrap();
    run.go().code(66).says("conn_id nowhere is missing");
    assert_eq!(content(&run, "t.txt"), "p");
}

#[test]
fn all_files_or_none() {
    let run = run_of_everything(KINDS);
    fs::create_dir(run.path("configs.json")).unwrap();
    run.go().code(73).says("configs.json");
    assert_eq!(names(run.directory.path()), ["configs.json", "secrets.yaml", "t.j2", "termination-log"]);
    let run = run_of_everything(KINDS);
    fs::write(run.path("t.j2"), "{{ connections.nope }}").unwrap();
    run.go().code(65).says("connections.nope is undefined");
    assert_eq!(names(run.directory.path()), ["secrets.yaml", "t.j2", "termination-log"]);
}

/// The same secrets give the same bytes, an unchanged file is not touched, and one connection less is some lines less.
#[test]
fn a_removed_connection_takes_its_own_lines_and_no_others() {
    let run = run_of_everything(KINDS);
    run.go().code(0);
    let files = ["connections.json", "variables.yaml", "configs.json", "airflow.env", "t.txt"];
    let before = files.map(|name| content(&run, name));
    let touched = || files.map(|name| fs::metadata(run.path(name)).unwrap().modified().unwrap());
    let times = touched();
    assert_eq!(run.go().code(0).summary()["outcome"], "unchanged");
    assert_eq!(touched(), times);
    let shorter: String = KINDS.lines().filter(|line| !line.contains("/b:")).map(|line| format!("{line}\n")).collect();
    fs::write(run.path("secrets.yaml"), shorter).unwrap();
    assert_eq!(run.go().code(0).summary()["outcome"], "written");
    let lines =
        |text: &str| -> Vec<String> { text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect() };
    for ((name, before), (time, now)) in files.iter().zip(&before).zip(times.iter().zip(touched())) {
        let without: Vec<String> = lines(before)
            .into_iter()
            .filter(|line| !line.contains("\"b\":") && !line.contains("AIRFLOW_CONN_B="))
            .collect();
        assert_eq!(lines(&content(&run, name)), without, "{name}");
        assert_eq!(*time == now, !["connections.json", "airflow.env"].contains(name), "{name}");
    }
}

/// The Python backend looks variables up under the prefix of the connections: with that as variables_prefix all goes on.
#[test]
fn variables_under_the_prefix_of_the_connections_just_work() {
    let document = "own:\n  airflow/connections/db: mysql://u:p@h/db\n  airflow/connections/text: 'a://b://c://d'\n  \
                    airflow/connections/list: '[1, 2]'\n";
    let run = Run::on_document(document)
        .kwargs(r#"{"variables_prefix": "airflow/connections"}"#)
        .var("SECRETS_INIT_VARIABLES_FILE", "variables.json")
        .var("SECRETS_INIT_STRICT", "true");
    let ended = run.go().code(0);
    let variables: serde_json::Value = serde_json::from_str(&content(&run, "variables.json")).unwrap();
    assert_eq!(variables, serde_json::json!({"db": "mysql://u:p@h/db", "list": "[1, 2]", "text": "a://b://c://d"}));
    // What is no connection is a variable all the same; the rest is both, as with the Python backend.
    assert_eq!(ended.conn_ids(), ["db", "list"]);
    assert!(!ended.stderr.contains("WARN\",\"message\":\"left out"), "{}", ended.stderr);
    // But a connection that is required must be one.
    run.var("SECRETS_INIT_REQUIRED", "text").go().code(65).says("conn_id text");
}

#[test]
fn keys_asked_by_name_are_looked_up_in_every_account() {
    let document = format!("{KINDS}shared:\n  \"222222222222\": {{v/other: shared, v/region: shared, c/x: y}}\n");
    let run = Run::on_document(&document)
        .kwargs(r#"{"shared_account": "222222222222", "variables_prefix_shared": "v", "config_prefix_shared": "c/"}"#)
        .var("SECRETS_INIT_VARIABLES_FILE", "v.json")
        .var("SECRETS_INIT_CONFIGS_FILE", "c.json");
    run.go().code(0);
    let read = |name: &str| serde_json::from_str::<serde_json::Value>(&content(&run, name)).unwrap();
    assert_eq!(read("v.json"), serde_json::json!({"json": "{\"a\": 1}", "other": "shared", "region": "no"}));
    assert_eq!(read("c.json"), serde_json::json!({"sql": "postgres://u@h/db", "x": "y"}));
    let run = run.var("SECRETS_INIT_VARIABLE_KEYS", "other,region,none").var("SECRETS_INIT_ON_MISSING", "warn");
    run.go().code(0).says("variable none is missing");
    let read = |name: &str| serde_json::from_str::<serde_json::Value>(&content(&run, name)).unwrap();
    assert_eq!(read("v.json"), serde_json::json!({"other": "shared", "region": "no"}));
}

#[test]
fn connections_that_say_less_than_their_secrets_are_written_and_named() {
    let document = r#"own:
  airflow/connections/console: '{"my_db": "mysql://u:canary@h/db"}'
  airflow/connections/fine: mysql://u:canary@h/db
  airflow/connections/later: CHANGEME
  airflow/connections/rds: '{"engine": "mysql", "host": "h", "password": "canary", "dbname": "d"}'
"#;
    let ended = Run::on_document(document).go().code(0).says(
        "3 connections may not say what was meant, here as with the live backend: console (no key that Airflow knows), later \
         (not a URI: no scheme), rds (1 of 4 keys unused: dbname); correct the secret",
    );
    assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
    let file: serde_json::Value = serde_json::from_str(&ended.file.unwrap()).unwrap();
    assert_eq!(file.as_object().unwrap().len(), 4, "what the live backend finds is found");
    let whole = "own: {airflow/connections/fine: 'mysql://u:p@h/db'}\n";
    let ended = Run::on_document(whole).go().code(0);
    assert!(!ended.stderr.contains("may not say"), "{}", ended.stderr);
    // The same prefix for variables: a text is most likely one of those.
    let run = Run::on_document("own: {airflow/connections/text: plain}\n")
        .kwargs(r#"{"variables_prefix": "airflow/connections"}"#)
        .var("SECRETS_INIT_VARIABLES_FILE", "v.json");
    let ended = run.go().code(0);
    assert!(!ended.stderr.contains("may not say"), "{}", ended.stderr);
}

#[test]
fn a_template_says_why_what_it_wants_was_left_out() {
    let document = r#"own:
  airflow/connections/fine: mysql://h
  airflow/connections/broken: '{"port": "canary"}'
  airflow/connections/cut: '{"password": "canary'
  airflow/connections/old: mysql://u:canary@h
  airflow/connections/zz: mysql://u:canary@h
  airflow/variables/old: there
"#;
    let rows = [
        (
            "connections.broken.host",
            "connections.broken is undefined: it is left out, its secret is malformed (field `port`);",
        ),
        (
            "connections.cut.host",
            "connections.cut is undefined: it is left out, its secret is malformed (secret, byte 13);",
        ),
        (
            "connections['old'].host",
            "connections.old is undefined: it is left out, SECRETS_INIT_INCLUDE or SECRETS_INIT_EXCLUDE excludes it;",
        ),
        ("connections.zz.host", "connections.zz is undefined: it is left out, connections_lookup_pattern excludes it;"),
        ("connections.nope.host", "connections.nope is undefined;"),
    ];
    for (expression, words) in rows {
        let run = Run::on_document(document)
            .kwargs(r#"{"connections_lookup_pattern": "[^z]"}"#)
            .var("SECRETS_INIT_EXCLUDE", "old")
            .var("SECRETS_INIT_TEMPLATES", "t.j2=t.txt");
        fs::write(run.path("t.j2"), format!("{{{{ {expression} }}}}")).unwrap();
        let ended = run.go().code(65).says(words);
        assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
    }
    // A filter is about conn_ids alone: the variable of the same name is there.
    let run = Run::on_document(document).var("SECRETS_INIT_EXCLUDE", "old").var("SECRETS_INIT_TEMPLATES", "t.j2=t.txt");
    fs::write(run.path("t.j2"), "{{ variables.old }}").unwrap();
    run.go().code(0);
    assert_eq!(fs::read_to_string(run.path("t.txt")).unwrap(), "there");
    // What the front matter names is asked for by name.
    let run =
        Run::on_document(document).var("SECRETS_INIT_ON_MISSING", "warn").var("SECRETS_INIT_TEMPLATES", "t.j2=t.txt");
    fs::write(run.path("t.j2"), "---\nconn_ids: [fime]\n---\n{{ connections.fime.host }}").unwrap();
    run.go().code(65).says("connections.fime is undefined: it is left out, no account has it; did you mean fine?;");
}

#[test]
fn what_an_env_file_cannot_carry_is_named_and_the_rest_is_there() {
    let document = "own:
  airflow/connections/my-db: mysql://u:p@h/db
  airflow/connections/Db: mysql://u:p@h/db
  airflow/connections/dB: mysql://u:p@h/db
  airflow/connections/plain: hello
  airflow/variables/key: \"line one\\nline two\"
  airflow/variables/quotes: \"a `tick` and a ' quote\"
  airflow/variables/fine: ok
";
    let run = Run::on_document(document)
        .var("SECRETS_INIT_CONNECTIONS_FILE", "none")
        .var("SECRETS_INIT_AIRFLOW_ENV_FILE", ".env");
    run.go()
        .code(0)
        .says("conn_id my-db can't be written to .env: a shell has no variable of this name")
        .says(
            "conn_id Db can't be written to .env: Airflow would look for it under the same variable, AIRFLOW_CONN_DB, as for \
             conn_id dB of the own account; rename one of them",
        )
        .says("variable quotes can't be written to .env: docker compose and a shell read a backtick")
        .says("3 conn_ids not in .env: Db, dB, my-db");
    assert_eq!(
        content(&run, ".env"),
        "AIRFLOW_CONN_PLAIN=///ello\nAIRFLOW_VAR_FINE=ok\nAIRFLOW_VAR_KEY='line one\nline two'\n"
    );
    let failed = run.var("SECRETS_INIT_ON_INVALID", "error").go().code(65);
    assert!(failed.stderr.contains("variable quotes") && failed.stderr.contains("conn_id my-db"), "{}", failed.stderr);
    let run = Run::on_document(document)
        .var("SECRETS_INIT_CONNECTIONS_FILE", "none")
        .var("SECRETS_INIT_AIRFLOW_ENV_FILE", "a.list");
    run.go().code(0).says("variable key can't be written to a.list: a line for --env-file can't hold a newline");
    let lines = content(&run, "a.list");
    assert!(
        lines.contains("AIRFLOW_CONN_MY-DB={\"conn_type\": \"mysql\"")
            && lines.contains("AIRFLOW_VAR_QUOTES=a `tick` and a ' quote\n"),
        "{lines}"
    );
    // A file that could carry nothing is no file.
    let none = "own: {airflow/connections/a-b: http://h}\n";
    let run = Run::on_document(none)
        .var("SECRETS_INIT_CONNECTIONS_FILE", "none")
        .var("SECRETS_INIT_AIRFLOW_ENV_FILE", "a.env");
    run.go().code(65).says("a.env: nothing is left that this file could carry");
}

#[test]
fn check_writes_nothing_and_shows_templates_without_their_secrets() {
    let run = run_of_everything(KINDS).arg("check").arg("--show");
    let ended = run.go().code(0);
    assert_eq!(ended.stdout, "REDACTED REDACTED\n");
    assert_eq!((ended.file, ended.stderr.contains("\"outcome\":\"checked\"")), (None, true));
    assert_eq!(names(run.directory.path()), ["secrets.yaml", "t.j2"]);
    let run = run_of_everything(KINDS).arg("check");
    assert!(run.go().code(0).stdout.starts_with("2 connections\n"));
    fs::write(run.path("t.j2"), "{{ connections.a.pasword }}").unwrap();
    run.go().code(65).says("did you mean connections.a.password?");
    let two =
        run_of_everything(KINDS).var("SECRETS_INIT_TEMPLATES", "t.j2=one.txt\nt.j2=two.txt").arg("check").arg("--show");
    let expected = "==> one.txt <==\nREDACTED REDACTED\n==> two.txt <==\nREDACTED REDACTED\n";
    assert_eq!(two.go().code(0).stdout, expected);
}

// ---- stdout ----------------------------------------------------------------------------------------------------

/// Each command that prints, with the code that it has if nobody minds.
const PRINTING: &[(&[&str], i32)] = &[
    (&["check"], 0),
    (&["check", "--output", "json"], 0),
    (&["check", "--show"], 0),
    (&["check", "--offline"], 0),
    (&["diff"], 1),
    (&["diff", "--output", "json"], 1),
    (&["iam"], 0),
    (&["iam", "--output", "terraform"], 0),
    (&["--help"], 0),
    (&["--version"], 0),
];

#[test]
fn what_a_full_device_did_not_take_is_an_error_and_a_pipe_that_is_closed_is_none() {
    for (arguments, code) in PRINTING {
        let mut run = arguments.iter().fold(run_of_everything(KINDS), |run, argument| run.arg(argument));
        if arguments[0] == "iam" {
            run = run.without("SECRETS_INIT_STORE").var("AWS_REGION", "eu-central-1");
        }
        let to = |stdout: std::process::Stdio| run.ended(&run.command().stdout(stdout).output().unwrap());
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = to(full.into()).code(74).says("stdout can't be written: No space left on device");
        assert!(ended.stderr.contains("\"exit_code\":74"), "{arguments:?}: {}", ended.stderr);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = to(writer.into()).code(*code);
        assert!(!ended.stderr.contains("stdout"), "{arguments:?}: {}", ended.stderr);
    }
}
