//! What a hostile or broken surrounding can do to a run: nobody reads, files that are no files, limits of the process,
//! settings that are made to take long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use common::{Ended, FAR, Run, wait_until};

// ---- runs without an end -----------------------------------------------------------------------------------------

/// So many secrets, none of which is a connection.
fn bad_secrets(count: usize) -> Run {
    let names: String = (0..count).map(|n| format!("  airflow/connections/bad{n}: '{{\"port\": \"x\"}}'\n")).collect();
    Run::on_document(&format!("own:\n  airflow/connections/good: mysql://u:p@h/db\n{names}"))
        .var("SECRETS_INIT_DEADLINE", FAR)
}

/// Runs to the end while nobody reads stderr, and reads it then.
fn unread(run: &Run) -> Ended {
    let mut child = run.command().spawn().unwrap();
    wait_until("the end of a run whose stderr nobody reads", || child.try_wait().unwrap().is_some());
    run.ended(&child.wait_with_output().unwrap())
}

#[test]
fn a_run_ends_though_nobody_reads_stderr_and_its_last_lines_are_there() {
    let lines = |text: &str| {
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let dropped = |said: &[serde_json::Value]| {
        let words = |line: &serde_json::Value| line["message"].as_str().unwrap().to_owned();
        let line = said.iter().map(words).find(|line| line.contains("dropped: nobody read stderr")).unwrap();
        line.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let read = lines(&bad_secrets(3000).go().code(0).stderr);
    let ended = unread(&bad_secrets(3000)).code(0);
    let said = lines(&ended.stderr);
    // What is said of the dropped ones is a line more.
    assert_eq!(said.len() - 1 + dropped(&said), read.len());
    let summary = ended.summary();
    assert_eq!((summary["outcome"].as_str(), summary["invalid"].as_u64()), (Some("written"), Some(3000)));

    let strict = bad_secrets(3000).var("SECRETS_INIT_ON_INVALID", "error");
    let ended = unread(&strict).code(65);
    assert_eq!(ended.summary()["exit_code"], 65);
    assert!(dropped(&lines(&ended.stderr)) > 0);
}

/// The writer of the log has half of the pipe left for its last lines, and another process takes it.
#[test]
fn a_run_ends_though_another_process_fills_its_stderr() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut other = Command::new("yes").stdout(writer.try_clone().unwrap()).spawn().unwrap();
    let run = bad_secrets(100);
    let mut child = run.command().stderr(writer).spawn().unwrap();
    wait_until("the end of a run whose stderr is full", || child.try_wait().unwrap().is_some());
    other.kill().unwrap();
    other.wait().unwrap();
    run.ended(&child.wait_with_output().unwrap()).code(0);
    let mut said = vec![0; 1 << 10];
    assert!(reader.read(&mut said).unwrap() > 0);
}

#[test]
fn what_the_sdk_reads_is_a_file_or_an_error() {
    let run = Run::on_document("own: {}\n");
    let fifo = run.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let fifo = fifo.to_str().unwrap().to_owned();
    let mut run = run.var("SECRETS_INIT_ON_EMPTY", "ignore");
    for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "SSL_CERT_FILE"] {
        run = run.var(name, &fifo);
        run.go().code(78).says(&format!("{name}: {fifo} is not a regular file"));
        run = run.var(name, "/dev/null");
        run.go().code(0);
    }
    let bundle = run.without("SECRETS_INIT_STORE").var("AWS_REGION", "eu-central-1").var("AWS_CA_BUNDLE", "/dev/zero");
    bundle.go().code(78).says("AWS_CA_BUNDLE: /dev/zero is not a regular file");
    let verify = bundle.without("AWS_CA_BUNDLE").kwargs(&format!(r#"{{"verify": "{fifo}"}}"#));
    verify.go().code(78).says("not a regular file");
}

/// Files that a profile names: a web identity's token, a CA bundle.
#[test]
fn what_a_profile_names_is_a_file_or_an_error() {
    let run = Run::on_aws("http://127.0.0.1:9", "{}").var("AWS_PROFILE", "p");
    let (fifo, config) = (run.path("fifo"), run.path("config"));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let run = run.var("AWS_CONFIG_FILE", config.to_str().unwrap());
    let role = "role_arn = arn:aws:iam::111111111111:role/r\nweb_identity_token_file";
    for (key, code, words) in
        [(role, 77, "web_identity_token_file of the profile p"), ("ca_bundle", 78, "ca_bundle: CA bundle")]
    {
        fs::write(&config, format!("[profile p]\n{key} = {}\n", fifo.display())).unwrap();
        run.go().code(code).says(words).says("not a regular file");
    }
}

/// A `check` prints more than a pipe holds, and whoever asked for it has stopped to read.
#[test]
fn sigterm_ends_a_check_that_nobody_reads() {
    let names: String = (0..2000).map(|n| format!("  airflow/connections/a{n}: mysql://u:p@h/db\n")).collect();
    let run = Run::on_document(&format!("own:\n{names}")).var("SECRETS_INIT_DEADLINE", FAR);
    let run = run.var("SECRETS_INIT_OUTPUT", "json").arg("check");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut child = run.command().stdout(writer).spawn().unwrap();
    let is_full = || rustix::io::ioctl_fionread(&reader).unwrap() >= 4096;
    wait_until("the first lines of a check", is_full);
    common::signal("TERM", &child);
    wait_until("the end of a check that nobody reads", || child.try_wait().unwrap().is_some());
    run.ended(&child.wait_with_output().unwrap()).code(143).says("SIGTERM came");
}

#[test]
fn a_signal_ends_a_run_that_waits_for_a_credential_process() {
    let run = Run::on_aws("http://127.0.0.1:9", "{}").var("AWS_PROFILE", "p").var("SECRETS_INIT_DEADLINE", FAR);
    let config = run.path("config");
    // The process is its shell, until it becomes one that does not end.
    fs::write(
        &config,
        "[profile p]\ncredential_process = sh -c \"echo $$ >pid.new && mv pid.new pid && exec sleep 9999\"\n",
    )
    .unwrap();
    let run = run.var("AWS_CONFIG_FILE", config.to_str().unwrap()).var("PATH", "/usr/bin:/bin");
    let child = run.command().spawn().unwrap();
    wait_until("the credential_process", || run.path("pid").exists());
    common::signal("TERM", &child);
    run.ended(&child.wait_with_output().unwrap()).code(143).says("SIGTERM came");
    let pid = fs::read_to_string(run.path("pid")).unwrap();
    // It was killed: nobody waits until the kernel is done with it.
    let stat = std::path::Path::new("/proc").join(pid.trim()).join("stat");
    wait_until("the process is ended too", || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z ")));
}

#[test]
fn a_lookup_pattern_that_goes_back_and_forth_ends_by_its_steps_or_the_deadline() {
    let slow = r#"{"connections_lookup_pattern": "(?:(?=a)a|a)*(?!.)b"}"#;
    let names = |length: usize, count: usize| -> String {
        let name = "a".repeat(length);
        (0..count).map(|n| format!("  airflow/connections/{name}{n}: mysql://u:p@h/db\n")).collect()
    };
    let long = Run::on_document(&format!("own:\n{}", names(60, 1))).kwargs(slow).var("SECRETS_INIT_DEADLINE", FAR);
    long.go().code(78).says("matching takes too many steps");
    let many = Run::on_document(&format!("own:\n{}", names(10, 200))).kwargs(slow).var("SECRETS_INIT_DEADLINE", FAR);
    many.go().code(78).says("matching so many names takes too many steps");
    // Within its steps, but later than it may be.
    let late =
        Run::on_document(&format!("own:\n{}", names(5, 10_000))).kwargs(slow).var("SECRETS_INIT_DEADLINE", "1ms");
    late.go().code(75).says("the deadline of 1ms passed");
}

// ---- the termination log -----------------------------------------------------------------------------------------

/// A run that fails, with an old file of connections.
fn failing() -> Run {
    let run = Run::on_document("own: {}\n");
    fs::write(run.path("connections.json"), "old").unwrap();
    run
}

#[test]
fn a_termination_log_that_leads_to_another_file_is_left_alone() {
    let run = failing();
    fs::write(run.path("other"), "other").unwrap();
    for (make, target, words) in [
        ("ln -s", "connections.json", "it is a symbolic link"),
        ("ln", "connections.json", "a hard link"),
        ("ln -s", "other", "it is a symbolic link"),
        ("ln", "other", "a hard link"),
        ("ln -s", "new", "it is a symbolic link"),
    ] {
        let script = format!("rm -f termination-log; {make} {target} termination-log");
        assert!(Command::new("sh").args(["-c", &script]).current_dir(run.directory.path()).status().unwrap().success());
        run.go().code(66).says(words);
        let content = |name: &str| fs::read_to_string(run.path(name)).unwrap();
        assert_eq!(
            (content("connections.json"), content("other")),
            ("old".to_owned(), "other".to_owned()),
            "{make} {target}"
        );
        assert!(!run.path("new").exists());
    }
    // Kubernetes makes the file; what was in it is replaced.
    fs::remove_file(run.path("termination-log")).unwrap();
    fs::write(run.path("termination-log"), "x".repeat(5000)).unwrap();
    run.go().code(66);
    let reason = fs::read_to_string(run.path("termination-log")).unwrap();
    assert!(reason.starts_with("airflow-secrets-init failed with 66: ") && reason.len() < 4096, "{reason}");
}

#[test]
fn a_termination_log_in_the_place_of_a_file_of_the_run_is_refused_and_not_written() {
    for name in ["connections.json", "secrets.yaml", "t.j2", "t"] {
        for (spelled, is_there) in [(name.to_owned(), true), (format!("here/{name}"), true), (name.to_owned(), false)] {
            let run = failing().var("SECRETS_INIT_TEMPLATES", "t.j2=t");
            fs::write(run.path("t.j2"), "old").unwrap();
            std::os::unix::fs::symlink(".", run.path("here")).unwrap();
            let before = fs::read_to_string(run.path(name)).ok().filter(|_| is_there);
            if !is_there {
                drop(fs::remove_file(run.path(name)));
            }
            let run = run.var("SECRETS_INIT_TERMINATION_LOG", &spelled);
            run.go()
                .code_in(&[78])
                .says("SECRETS_INIT_TERMINATION_LOG")
                .says("it is a file that the run reads or writes");
            assert_eq!(fs::read_to_string(run.path(name)).ok(), before, "{spelled}");
        }
    }
}

// ---- files -------------------------------------------------------------------------------------------------------

#[test]
fn an_output_in_the_place_of_an_input_or_of_a_temporary_file_is_refused() {
    let run = failing().file(".airflow-secrets-init-x.json");
    run.go().code(78).says("has a name as temporary files of this program have it");
    let store = failing();
    let path = store.path("secrets.yaml");
    std::os::unix::fs::symlink("secrets.yaml", store.path("link.yaml")).unwrap();
    let before = fs::read_to_string(&path).unwrap();
    let linked = format!("file:{}", store.path("link.yaml").display());
    let run = store.file("secrets.yaml").var("SECRETS_INIT_STORE", &linked);
    run.go().code(78).says("is what SECRETS_INIT_STORE reads; write to another file");
    assert_eq!(fs::read_to_string(path).unwrap(), before);
    let kwargs =
        failing().without("AIRFLOW__SECRETS__BACKEND_KWARGS").var("SECRETS_INIT_BACKEND_KWARGS", "@kwargs.json");
    fs::write(kwargs.path("kwargs.json"), "{}").unwrap();
    let run = kwargs.file("kwargs.json");
    run.go().code(78).says("is what SECRETS_INIT_BACKEND_KWARGS reads; write to another file");
    assert_eq!(fs::read_to_string(run.path("kwargs.json")).unwrap(), "{}");
}

/// Needs root, as CI's containers are: another user's file is made, and a directory mounted twice.
#[test]
fn the_same_bytes_of_another_owner_are_replaced_and_a_directory_mounted_twice_is_one() {
    let run = Run::on_document("own:\n  airflow/connections/a: mysql://u:p@h/db\n");
    let path = run.go().code(0).path;
    let owner = fs::metadata(&path).unwrap().uid();
    if owner != 0 {
        return;
    }
    for (uid, gid) in [(Some(12345), None), (None, Some(12345))] {
        std::os::unix::fs::chown(&path, uid, gid).unwrap();
        assert_eq!(run.go().code(0).summary()["outcome"], "written");
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.uid(), found.gid()), (0, fs::metadata(run.path("secrets.yaml")).unwrap().gid()));
        assert_eq!(run.go().code(0).summary()["outcome"], "unchanged");
    }
    let run = run.var("SECRETS_INIT_VARIABLES_FILE", "again/connections.json");
    fs::create_dir(run.path("again")).unwrap();
    let inside = run.command();
    let script = "mount --bind . again && exec \"$0\"";
    let mut mounted = Command::new("unshare");
    mounted.args(["-m", "sh", "-c", script]).arg(inside.get_program()).current_dir(run.directory.path());
    mounted.env_clear().envs(run.environment()).env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    run.ended(&mounted.output().unwrap())
        .code(78)
        .says("is where SECRETS_INIT_CONNECTIONS_FILE is written; give each its own file");
}

// ---- limits of the process ---------------------------------------------------------------------------------------

/// A run of AWS that has no connection to lose, under these limits of the shell.
fn limited(limit: &str, run: &Run) -> Ended {
    let mut command = Command::new("sh");
    let script = format!("{limit}; exec \"$0\"");
    command.args(["-c", &script]).arg(run.command().get_program()).current_dir(run.directory.path());
    command.env_clear().envs(run.environment()).env("PATH", "/usr/bin:/bin");
    run.ended(&command.output().unwrap())
}

#[test]
fn a_run_without_open_files_says_so() {
    let run = Run::on_document("own:\n  airflow/connections/a: mysql://u:p@h/db\n");
    for files in 4..=16 {
        let ended = limited(&format!("ulimit -n {files}"), &run).code(75);
        ended.says("raise the limit of open files").says(&format!("RLIMIT_NOFILE is {files}"));
    }
    limited("ulimit -n 24", &run).code(0);
}

#[test]
fn a_file_larger_than_is_allowed_is_an_error_and_leaves_nothing() {
    let run = Run::on_document(&format!("own:\n  airflow/connections/a: mysql://u:{}@h/db\n", "p".repeat(3000)));
    limited("ulimit -f 1", &run).code(74).says("connections.json: can't be written: File too large");
    assert_eq!(common::names(run.directory.path()), ["secrets.yaml", "termination-log"]);
}

#[test]
fn templates_of_any_length_are_refused_before_they_are_read() {
    for text in ["+1", ".a", "|d", " and 1", "{%elif a%}"].map(|link| link.repeat(100_000)) {
        let run = Run::on_document("own: {}\n").var("SECRETS_INIT_TEMPLATES", "t.j2=t").arg("check").arg("--offline");
        let text =
            if text.starts_with('{') { format!("{{%if a%}}{text}{{%endif%}}") } else { format!("{{{{ 1{text} }}}}") };
        fs::write(run.path("t.j2"), text).unwrap();
        run.go().code(78).says("more than");
    }
}

#[test]
fn a_long_line_of_names_that_never_close_is_read_at_once() {
    let run = Run::on_document("own: {}\n").without("AIRFLOW__SECRETS__BACKEND_KWARGS");
    fs::write(run.path("kwargs.json"), "${".repeat(500_000)).unwrap();
    run.var("SECRETS_INIT_BACKEND_KWARGS", "@kwargs.json").go().code(78).says("SECRETS_INIT_BACKEND_KWARGS");
}

/// As another user than root, whom no limit of processes holds.
#[test]
fn a_run_without_threads_says_so() {
    let run = Run::on_aws("http://127.0.0.1:9", "{}").var("AWS_ACCESS_KEY_ID", "x").var("AWS_SECRET_ACCESS_KEY", "x");
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let program = if is_root {
        std::os::unix::fs::chown(run.directory.path(), Some(54321), None).unwrap();
        "setpriv --reuid 54321 --clear-groups \"$0\""
    } else {
        "\"$0\""
    };
    let mut command = Command::new("bash");
    command.args(["-c", &format!("ulimit -u 1; exec {program}")]).arg(run.command().get_program()).current_dir("/");
    command.env_clear().envs(run.environment()).env("PATH", "/usr/bin:/bin");
    run.ended(&command.output().unwrap()).code(75).says("a run needs a thread beside its first");
}

// ---- answers without an end --------------------------------------------------------------------------------------

/// A server that answers `100 Continue` for as long as anybody reads, which hyper does without a pause.
fn flood() -> (String, std::sync::mpsc::Receiver<()>) {
    let (asked, is_asked) = std::sync::mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let asked = asked.clone();
            std::thread::spawn(move || {
                let answers = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000);
                drop(connection.read(&mut [0; 1 << 14]));
                drop(connection.write_all(&answers));
                let _ = asked.send(());
                while connection.write_all(&answers).is_ok() {}
            });
        }
    });
    (endpoint, is_asked)
}

#[test]
fn answers_that_hold_the_thread_end_with_the_deadline_and_with_signals() {
    let (endpoint, is_asked) = flood();
    let run = Run::on_aws(&endpoint, "{}").var("AWS_ACCESS_KEY_ID", "x").var("AWS_SECRET_ACCESS_KEY", "x");
    let child = run.command().spawn().unwrap();
    is_asked.recv().unwrap();
    common::signal("TERM", &child);
    run.ended(&child.wait_with_output().unwrap()).code(143).says("SIGTERM came");
    let run = run.var("SECRETS_INIT_DEADLINE", "2s");
    run.go().code(75).says("the deadline");
    assert!(!run.path("connections.json").exists());
}

/// A server whose only answer is this.
fn answering(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            std::thread::spawn(move || {
                drop(connection.read(&mut [0; 1 << 14]));
                drop(connection.write_all(answer));
            });
        }
    });
    endpoint
}

#[test]
fn answers_of_another_protocol_are_not_of_aws() {
    for answer in [
        &b"{\"SecretList\": []}"[..],
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\x00\x04\x00\x10\x00\x00\x00\x06\x00\x00\x40\x00",
        b"HTTP/2 200\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: \x1b[31m\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        let run = Run::on_aws(&answering(answer), "{}").var("AWS_ACCESS_KEY_ID", "x").var("AWS_SECRET_ACCESS_KEY", "x");
        run.go().code(69).says("ASI-507");
    }
}

/// A server of AWS that holds one connection, and a run that takes it.
fn with_one_connection(aws: fake_aws::Builder, host: &str) -> (fake_aws::FakeAws, Run) {
    use common::accounts::{OWN, POD, POD_KEY, REGION};
    let secret = fake_aws::Secret::text("mysql://u:p@h/db");
    let scenario = fake_aws::Scenario::new()
        .principal(fake_aws::Principal::new(POD_KEY, POD).can(fake_aws::Statement::allow(["*"])))
        .secret(OWN, REGION, "airflow/connections/a", secret);
    let aws = aws.start(scenario).unwrap();
    let endpoint = aws.endpoint().replace("127.0.0.1", host).replace("localhost", host);
    let run = Run::on_aws(&endpoint, "{}").var("AWS_ACCESS_KEY_ID", POD_KEY).var("AWS_SECRET_ACCESS_KEY", "x");
    (aws, run)
}

/// The program with a clock and a resolver of our own before it.
fn surrounded(run: Run) -> Run {
    let library = run.path("surroundings.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/siege/surroundings.c");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).args([source, "-ldl"]).status();
    assert!(made.is_ok_and(|status| status.success()), "the library is compiled");
    run.var("LD_PRELOAD", library.to_str().unwrap())
}

/// The wall clock says what a request is signed with, and nothing of how long a run lasts. Linux sets it from 1970 to 2232.
#[test]
fn a_clock_that_jumps_ends_no_run_but_for_what_aws_says_of_it() {
    let (_aws, run) = with_one_connection(fake_aws::FakeAws::builder(), "127.0.0.1");
    let mut run = surrounded(run).var("SECRETS_INIT_DEADLINE", FAR);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for jump in [200, -200, 3600, -3600, 6_000_000_000, -i64::try_from(now).unwrap()] {
        for readings in 0..6 {
            run = run.var("CLOCK_JUMP", &jump.to_string()).var("CLOCK_AFTER", &readings.to_string());
            let ended = run.go();
            if ended.code == 0 {
                assert_eq!(ended.conn_ids(), ["a"], "{jump} {readings}");
                fs::remove_file(run.path("connections.json")).unwrap();
            } else {
                assert!(jump.abs() > 300, "AWS allows five minutes");
                ended.code(77).says("ASI-104");
            }
        }
    }
}

#[test]
fn names_whose_addresses_change_are_looked_up_again() {
    let (_aws, run) = with_one_connection(fake_aws::FakeAws::builder(), "aws.test");
    let mut run = surrounded(run).var("SECRETS_INIT_DEADLINE", FAR);
    // Nobody listens at the second address. A hyphen is a name that is not known for a moment.
    for addresses in ["127.0.0.1 127.0.0.2", "127.0.0.2 127.0.0.1", "- - 127.0.0.1", "127.0.0.2 - 127.0.0.1"] {
        run = run.var("ADDRESSES", addresses);
        assert_eq!(run.go().code(0).conn_ids(), ["a"], "{addresses}");
        fs::remove_file(run.path("connections.json")).unwrap();
    }
    run.var("ADDRESSES", "127.0.0.2").go().code(69).says("ASI-502").says("can't connect to http://aws.test");
}

/// A server that shows this chain, and never gets to an answer.
fn showing(chain: &str) -> String {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(fake_aws::certificates::KEY.as_bytes()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = std::sync::Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut tls = rustls::ServerConnection::new(config.clone()).unwrap();
            std::thread::spawn(
                move || while tls.complete_io(&mut connection).is_ok_and(|(read, wrote)| read + wrote > 0) {},
            );
        }
    });
    endpoint
}

#[test]
fn a_chain_of_certificates_without_end_is_refused() {
    use fake_aws::certificates::{CA, SERVER};
    for count in [200, 20_000] {
        let endpoint = showing(&format!("{SERVER}{}", CA.repeat(count)));
        let run = Run::on_aws(&endpoint, "{}").var("AWS_ACCESS_KEY_ID", "x").var("AWS_SECRET_ACCESS_KEY", "x");
        fs::write(run.path("ca.pem"), CA).unwrap();
        let bundle = run.path("ca.pem").to_str().unwrap().to_owned();
        let ended = run.var("AWS_CA_BUNDLE", &bundle).var("SECRETS_INIT_DEADLINE", FAR).go();
        ended.code(69).says("ASI-507").says(&format!("TLS with {endpoint} fails"));
    }
}

/// TLS 1.2 alone has it. The client says no, and OpenSSL's server ends the connection for that.
#[test]
fn a_server_that_renegotiates_is_not_followed() {
    let run = Run::on_aws("", "{}").var("AWS_ACCESS_KEY_ID", "x").var("AWS_SECRET_ACCESS_KEY", "x");
    let write = |name: &str, text: &str| fs::write(run.path(name), text).unwrap();
    write("ca.pem", fake_aws::certificates::CA);
    write("server.pem", fake_aws::certificates::SERVER);
    write("server.key", fake_aws::certificates::KEY);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = Command::new("openssl");
    server.args(["s_server", "-tls1_2", "-cert", "server.pem", "-key", "server.key", "-accept"]);
    server.arg(format!("127.0.0.1:{port}")).current_dir(run.directory.path());
    server.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut server = server.spawn().unwrap();
    let (mut says, mut does) = (std::io::BufReader::new(server.stdout.take().unwrap()), server.stdin.take().unwrap());
    // A handshake is asked for whenever a request has come. Whoever has said no is asked no more.
    let renegotiates = std::thread::spawn(move || {
        let (mut line, mut asked) = (String::new(), 0);
        while std::io::BufRead::read_line(&mut says, &mut line).is_ok_and(|read| read > 0) {
            if line.contains("amz-sdk-request") {
                asked += 1;
                drop(does.write_all(b"R\n"));
                drop(does.flush());
            }
            line.clear();
        }
        asked
    });
    wait_until("OpenSSL's server", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let bundle = run.path("ca.pem").to_str().unwrap().to_owned();
    let endpoint = format!("https://127.0.0.1:{port}");
    let run = run.var("AWS_ENDPOINT_URL", &endpoint).var("AWS_CA_BUNDLE", &bundle).var("SECRETS_INIT_DEADLINE", "5s");
    run.go().code_in(&[69, 75]);
    drop(server.kill());
    drop(server.wait());
    assert!(renegotiates.join().unwrap() > 0, "a handshake was asked for");
}
