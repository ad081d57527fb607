//! What the process takes from itself, seen from outside: no dump, no reader, no child, no listener, no place to write but its own, no
//! descriptor that a child would get, and freed memory that is wiped. docs/SECURITY-MODEL.md promises it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]
#![allow(clippy::disallowed_methods, reason = "a test runs itself as a process of its own")]
#![allow(clippy::print_stdout, reason = "they say what they have seen, to who asks by --nocapture")]

mod common;

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use airflow_secrets_init::process::harden::{self, Confined, Places};
use common::Run;
use common::accounts::{OWN, POD, POD_KEY, REGION};
use common::canary::canary;
use fake_aws::{FakeAws, Principal, Scenario, Secret, Statement};
use tracer::{Act, Call, Process, Side, Signal, Traced};

/// Twenty connections, each with the canary.
fn scenario(canary: &str) -> Scenario {
    let pod = Principal::new(POD_KEY, POD).can_all(Statement::secrets_reader(OWN, REGION, "airflow/"));
    (0..20).fold(Scenario::new().principal(pod), |scenario, number| {
        let name = format!("airflow/connections/c{number}");
        scenario.secret(OWN, REGION, &name, Secret::text(format!("mysql://u:{canary}@h/db")))
    })
}

fn aws(canary: &str) -> FakeAws {
    FakeAws::start(scenario(canary))
}

fn run_on(aws: &FakeAws) -> Run {
    Run::on_aws(&aws.endpoint(), "{}").var("AWS_ACCESS_KEY_ID", POD_KEY).var("AWS_SECRET_ACCESS_KEY", "x")
}

fn trace(run: &Run, at: impl FnMut(&Process, &Call, Side) -> Act) -> tracer::Ended {
    Traced::new(run.command()).run(at).expect("the program can be traced")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A run that waits, as this user, or as nobody where this is root.
fn waiting(run: &Run) -> Child {
    let program = run.path("program");
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_airflow-secrets-init")).arg(&program).status();
    assert!(copied.unwrap().success());
    fs::set_permissions(run.directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = Command::new(program);
    command.env_clear().envs(run.environment()).stderr(Stdio::piped());
    if is_root() {
        command.uid(65_534).gid(65_534);
    }
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    let mut byte = [0];
    while !said.contains("waiting before") {
        assert_eq!(child.stderr.as_mut().unwrap().read(&mut byte).unwrap(), 1, "ended early: {said}");
        said.push(char::from(byte[0]));
    }
    child
}

/// What another process of the same user reads of this file.
fn read_as_the_same_user(path: &str) -> std::process::Output {
    let mut cat = Command::new("cat");
    if is_root() {
        cat.uid(65_534).gid(65_534);
    }
    cat.arg(path).output().unwrap()
}

#[test]
fn other_processes_of_the_same_user_read_neither_memory_nor_environment_and_no_core_is_dumped() {
    let run = Run::on_document("own: {}").var("SECRETS_INIT_JITTER", "30s").var("SECRETS_INIT_LOG", "debug");
    let mut child = waiting(&run);
    let of = |name: &str| format!("/proc/{}/{name}", child.id());
    for name in ["environ", "mem", "maps", "auxv"] {
        let read = read_as_the_same_user(&of(name));
        let said = String::from_utf8_lossy(&read.stderr).into_owned();
        assert!(!read.status.success() && said.contains("Permission denied"), "{name}: {said}");
        assert!(read.stdout.is_empty(), "{name}");
    }
    // The same of a program that does not protect itself can be read, so the kernel's answer is about ours.
    let mut other = Command::new("sleep");
    if is_root() {
        other.uid(65_534).gid(65_534);
    }
    let mut other = other.arg("3600").env("SEEN", "yes").spawn().unwrap();
    let name = format!("/proc/{}/comm", other.id());
    common::wait_until("the other program", || fs::read_to_string(&name).unwrap().starts_with("sleep"));
    let read = read_as_the_same_user(&format!("/proc/{}/environ", other.id()));
    assert!(String::from_utf8_lossy(&read.stdout).contains("SEEN=yes"), "{read:?}");
    other.kill().unwrap();
    other.wait().unwrap();

    let limits = fs::read_to_string(of("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    let status = fs::read_to_string(of("status")).unwrap();
    assert!(status.lines().any(|line| line == "Umask:\t0077"), "{status}");
    // A fatal signal that dumps as a rule.
    tracer::send(child.id(), tracer::Signal::SIGQUIT);
    let ended = std::os::unix::process::ExitStatusExt::core_dumped(&child.wait().unwrap());
    assert!(!ended, "a core was dumped");
}

/// The umask takes nothing from the mode that is asked for.
#[test]
fn the_files_have_their_exact_mode_whatever_the_umask() {
    for mode in ["0440", "0640", "0660", "0400"] {
        for umask in ["000", "027", "777"] {
            let run = Run::on_document("own: {airflow/connections/a: 'http://h'}").var("SECRETS_INIT_FILE_MODE", mode);
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("umask {umask}; exec '{}'", env!("CARGO_BIN_EXE_airflow-secrets-init")));
            let ended = run.ended(&shell.env_clear().envs(run.environment()).output().unwrap()).code(0);
            let there = fs::metadata(&ended.path).unwrap().mode() & 0o7777;
            assert_eq!(format!("{there:04o}"), mode, "umask {umask}");
        }
    }
}

/// From its first instruction to its last: no child, no other program, and nothing open that a child would get.
#[test]
fn no_process_is_started_and_no_descriptor_would_be_inherited() {
    let aws = aws("x");
    let run = run_on(&aws).var("SECRETS_INIT_LOG", "debug");
    let mut looked = 0;
    let mut inheritable = Vec::new();
    // What this test's own parent has left open is not the program's.
    let mut given: Option<Vec<std::ffi::OsString>> = None;
    let ended = trace(&run, |process, call, side| {
        let open = || fs::read_dir(process.directory().join("fdinfo")).unwrap().flatten();
        let given = given.get_or_insert_with(|| open().map(|entry| entry.file_name()).collect());
        assert!(!call.name.starts_with("execve"), "{call:?}");
        if side == Side::Before && (call.name == "exit_group" || call.name == "fsync") {
            looked += 1;
            for entry in open().filter(|entry| !given.contains(&entry.file_name())) {
                let info = fs::read_to_string(entry.path()).unwrap_or_default();
                let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or("0").trim().to_owned();
                let number: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
                // O_CLOEXEC
                if u32::from_str_radix(&flags, 8).unwrap() & 0o2_000_000 == 0 {
                    inheritable.push((number, fs::read_link(process.directory().join(format!("fd/{number}")))));
                }
            }
        }
        Act::Go
    });
    assert_eq!((ended.code, ended.children), (0, 0), "{}", ended.stderr);
    assert!(looked > 1 && inheritable.is_empty(), "{looked} {inheritable:?}");
    println!("{} system calls, {} threads, no child", ended.calls, ended.threads);
}

/// Copies of a secret in the memory that the process can write, at its end: what it holds on purpose, and hardly more.
///
/// Twenty connections are held as entries until the process ends. Each value went through HTTP, JSON, the SDK, the renderer, the
/// check and the file before that.
#[test]
fn freed_memory_holds_no_secret() {
    let canary = canary(7);
    let aws = aws(&canary);
    let run = run_on(&aws);
    let mut counts = Vec::new();
    let ended = trace(&run, |process, call, side| {
        if side == Side::Before && call.name == "exit_group" {
            counts.push(process.count_in_memory(&canary).unwrap());
        }
        Act::Go
    });
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    println!("20 secrets: {counts:?} copies in memory at the end");
    // The search finds what is there: the entries.
    assert!((20..=24).contains(&counts[0]), "{counts:?}");
}

/// The same of a process that reads again. Once a reading has ended, it holds its own values and those of the one before, which are about
/// to be freed; of earlier ones hardly more than what stacks and buffers keep.
#[test]
fn values_of_past_readings_are_wiped() {
    let canaries: Vec<String> = (20..26).map(canary).collect();
    let aws = aws(&canaries[0]);
    let run = run_on(&aws).var("SECRETS_INIT_REFRESH", "24h");
    let mut readings: Vec<Vec<usize>> = Vec::new();
    let ended = trace(&run, |process, call, side| {
        let is_status = call.files.iter().any(|file| file.ends_with("refresh-status.json"));
        if side == Side::Before || !call.name.starts_with("rename") || !is_status {
            return Act::Go;
        }
        readings.push(canaries.iter().map(|canary| process.count_in_memory(canary).unwrap()).collect());
        match canaries.get(readings.len()) {
            Some(next) => {
                aws.replace(scenario(next)).unwrap();
                Act::Send(Signal::SIGHUP)
            }
            None => Act::Send(Signal::SIGTERM),
        }
    });
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    println!("20 secrets of each reading, copies in memory after each: {readings:?}");
    assert_eq!(readings.len(), canaries.len());
    for (reading, counts) in readings.iter().enumerate() {
        assert!((20..=24).contains(&counts[reading]), "reading {reading}: {counts:?}");
        assert!(
            counts.iter().take(reading.saturating_sub(1)).all(|copies| *copies <= 4),
            "reading {reading}: {counts:?}"
        );
    }
}

// ---- the sandbox -----------------------------------------------------------------------------------------------------

const CHILD: &str = "HARDENING_TEST_CHILD";

/// What a process can do and what not, once it is confined: this test, run by itself.
#[test]
fn a_confined_process_writes_in_its_places_alone_and_runs_and_binds_nothing() {
    if let Some(place) = std::env::var_os(CHILD) {
        confined_child(Path::new(&place));
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_confined_process_writes_in_its_places_alone_and_runs_and_binds_nothing", "--nocapture"])
        .env(CHILD, place.path())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success(), "{said}");
    let kernel = said.lines().find(|line| line.contains("confined: ")).unwrap_or_else(|| panic!("{said}"));
    println!("{kernel}");
}

fn confined_child(place: &Path) {
    let denied = |result: std::io::Result<()>, what: &str| {
        let kind = result.expect_err(what).kind();
        assert_eq!(kind, std::io::ErrorKind::PermissionDenied, "{what}");
    };
    let (inside, outside) = (place.join("in"), place.join("out"));
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("old"), "old").unwrap();
    fs::write(place.join("log"), "").unwrap();
    let (added, default) = (place.join("added"), place.join("default"));
    fs::create_dir(&added).unwrap();
    fs::create_dir(&default).unwrap();
    let places = Places::beside([inside.join("x").as_path()])
        .and_file(&place.join("log"), true)
        .and_file(&added.join("log"), true)
        .and_file(&default.join("log"), false);
    let confined = harden::confine(&places);
    println!("confined: {confined:?}");
    // A kernel that has Landlock says so in every process's list of what is on.
    if confined == Confined::Not {
        let kernel = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
        assert!(!kernel.contains("landlock"), "this kernel has Landlock, and it was not used: {kernel}");
        return;
    }
    // All that writing takes.
    airflow_secrets_init::write::remove_leftovers([inside.join("x").as_path()]);
    let staged = airflow_secrets_init::write::stage(&inside.join("x"), b"x", 0o440).unwrap();
    airflow_secrets_init::write::commit_all(vec![staged]).unwrap();
    fs::write(place.join("log"), "reason").unwrap();
    fs::write(added.join("log"), "reason").unwrap();
    // Reading is as it was.
    assert_eq!(fs::read(outside.join("old")).unwrap(), b"old");
    fs::read_dir("/").unwrap();
    // And no more.
    denied(fs::write(outside.join("new"), "x"), "a new file elsewhere");
    denied(fs::write(outside.join("old"), "x"), "an old file elsewhere");
    denied(fs::remove_file(outside.join("old")), "removing elsewhere");
    denied(fs::remove_file(added.join("log")), "removing what may only be made");
    denied(fs::write(default.join("log"), "x"), "a default that is not there");
    denied(fs::create_dir(inside.join("d")), "a directory");
    denied(std::os::unix::fs::symlink("x", inside.join("l")), "a link");
    denied(fs::write("/dev/null", "x"), "a device");
    denied(Command::new("/bin/true").status().map(drop), "another program");
    if confined == Confined::Fully {
        denied(std::net::TcpListener::bind("127.0.0.1:0").map(drop), "a listener");
    }
}

/// The calls by which a run confines itself, with what the kernel says to them.
fn confinement(run: &Run) -> (Option<i64>, Option<i64>, tracer::Ended) {
    let (mut kernel, mut restricted) = (None, None);
    let ended = trace(run, |_, call, side| {
        match (side, call.name.as_str()) {
            // With no rules and no size it asks for the version.
            (Side::After, "landlock_create_ruleset") if call.args[1] == 0 => kernel = call.result,
            (Side::After, "landlock_restrict_self") => restricted = call.result,
            // Everything of ours happens after it.
            (Side::Before, "flock") => {
                assert!(restricted.is_some() || kernel.is_none_or(|abi| abi < 1), "not confined");
            }
            _ => {}
        }
        Act::Go
    });
    (kernel, restricted, ended)
}

#[test]
fn every_command_is_confined_where_the_kernel_can_and_no_run_fails_for_it() {
    let run = || Run::on_document("own: {airflow/connections/a: 'http://h'}").var("SECRETS_INIT_LOG", "debug");
    for command in ["render", "check", "diff", "iam"] {
        let run = run().arg(command).var("AWS_REGION", REGION);
        // It is about AWS alone.
        let run = if command == "iam" { run.without("SECRETS_INIT_STORE") } else { run };
        let (kernel, restricted, ended) = confinement(&run);
        assert_eq!(ended.code, i32::from(command == "diff"), "{}", ended.stderr);
        let kernel = kernel.expect("the kernel is asked");
        if kernel >= 1 {
            assert_eq!(restricted, Some(0), "{command}: the kernel has Landlock {kernel}");
            assert!(!ended.stderr.contains("not at all"), "{}", ended.stderr);
        } else {
            assert!(ended.stderr.contains("not at all"), "{}", ended.stderr);
        }
        println!("{command}: Landlock {kernel}, confined: {restricted:?}");
    }
    let (_, restricted, ended) = confinement(&run().var("SECRETS_INIT_SANDBOX", "off"));
    assert_eq!((restricted, ended.code), (None, 0), "{}", ended.stderr);
}

/// A kernel without Landlock, and runtimes that deny it in different words.
#[test]
fn a_kernel_without_landlock_is_no_failure() {
    for errno in [tracer::Errno::ENOSYS, tracer::Errno::EOPNOTSUPP, tracer::Errno::EPERM] {
        for call_name in ["landlock_create_ruleset", "landlock_restrict_self"] {
            let run = Run::on_document("own: {airflow/connections/a: 'http://h'}").var("SECRETS_INIT_LOG", "debug");
            let ended = trace(&run, |_, call, side| match side {
                Side::Before if call.name == call_name => Act::Fail(errno),
                _ => Act::Go,
            });
            assert_eq!(ended.code, 0, "{}", ended.stderr);
            assert!(ended.stderr.contains("not at all"), "{call_name} {errno}: {}", ended.stderr);
            assert!(run.path("connections.json").exists());
        }
    }
}
