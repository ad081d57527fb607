//! What is on disk after anything: a kill at every system call that touches the files, kills at random instants under load, every
//! error that the operating system can give there, and places that are not as they should be. docs/CRASH-SAFETY.md has it as tables,
//! which are held to what is seen here.
//!
//! The program is run by ptrace (tests/support/tracer): it is the built one, on the real kernel.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]
#![allow(clippy::print_stdout, reason = "they say what they have seen, to who asks by --nocapture")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use common::{Run, names};
use tracer::{Act, Call, Ended, Side, Signal, Traced};

const PREFIX: &str = airflow_secrets_init::config::files::TEMPORARY_PREFIX;

/// A run that writes into a directory of its own, and what was in it before.
struct Scenario {
    name: &'static str,
    run: Run,
    before: BTreeMap<&'static str, Vec<u8>>,
    after: BTreeMap<&'static str, Vec<u8>>,
}

const KINDS: &str = "own:
  airflow/connections/a: mysql://u:p@h/db
  airflow/connections/b: {conn_type: slack, password: xoxb}
  airflow/variables/region: eu
";

impl Scenario {
    /// The files' names, and whether they are there before: with other content, or with the same.
    fn new(name: &'static str, files: &[&'static str], before: Before) -> Self {
        let run = Run::on_document(KINDS);
        let out = run.path("out");
        fs::create_dir(&out).unwrap();
        fs::write(run.path("t.j2"), "{{ connections.a.password }}\n").unwrap();
        let run = files.iter().fold(run, |run, file| match *file {
            "connections.json" => run.var("SECRETS_INIT_CONNECTIONS_FILE", "out/connections.json"),
            "variables.yaml" => run.var("SECRETS_INIT_VARIABLES_FILE", "out/variables.yaml"),
            "airflow.env" => run.var("SECRETS_INIT_AIRFLOW_ENV_FILE", "out/airflow.env"),
            "t.txt" => run.var("SECRETS_INIT_TEMPLATES", "t.j2=out/t.txt"),
            other => panic!("{other}"),
        });
        run.go().code(0);
        let after: BTreeMap<_, _> = files.iter().map(|file| (*file, fs::read(out.join(file)).unwrap())).collect();
        assert!(after.values().all(|bytes| !bytes.is_empty()));
        let before = match before {
            Before::Nothing => BTreeMap::new(),
            Before::Other => files.iter().map(|file| (*file, b"old\n".to_vec())).collect(),
            Before::Same => after.clone(),
        };
        Self { name, run, before, after }
    }

    fn out(&self) -> PathBuf {
        self.run.path("out")
    }

    /// Makes the directory as it was before.
    fn reset(&self) {
        for name in names(&self.out()) {
            fs::remove_file(self.out().join(name)).unwrap();
        }
        for (name, bytes) in &self.before {
            let path = self.out().join(name);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        }
    }

    /// Each target is the old content or the new, whole, with the right mode; gives which.
    #[track_caller]
    fn state(&self, what: &str) -> State {
        let mut states = Vec::new();
        for (name, new) in &self.after {
            let path = self.out().join(name);
            let there = fs::read(&path).ok();
            if there.is_some() {
                assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o440, "{what}: {name}");
            }
            states.push(match (there.as_ref(), self.before.get(name)) {
                (Some(there), Some(old)) if old == new && there == new => State::New,
                (Some(there), _) if there == new => State::New,
                (there, old) if there == old => State::Old,
                _ => panic!("{what}: {name} is neither old nor new: {there:?}"),
            });
        }
        match (states.contains(&State::Old), states.contains(&State::New)) {
            (true, true) => State::Mixed,
            (true, false) => State::Old,
            _ => State::New,
        }
    }

    fn temporaries(&self) -> Vec<String> {
        names(&self.out()).into_iter().filter(|name| name.starts_with(PREFIX)).collect()
    }

    fn trace(&self, at: impl FnMut(&tracer::Process, &Call, Side) -> Act) -> Ended {
        Traced::new(self.run.command()).run(at).expect("the program can be traced")
    }
}

#[derive(Clone, Copy)]
enum Before {
    Nothing,
    Other,
    Same,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Old,
    New,
    Mixed,
}

// ---- killed --------------------------------------------------------------------------------------------------------

const SIGNALS: [Signal; 3] = [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT];

/// The documented code of a signal that ends a run.
fn code_of(signal: Signal) -> i32 {
    match signal {
        Signal::SIGTERM => 143,
        Signal::SIGINT => 130,
        other => -(other as i32),
    }
}

/// Kills the program at each system call that touches the directory, before it and after it, by each of these signals.
fn killed_everywhere(scenario: &Scenario, signals: &[Signal]) {
    let out = scenario.out();
    scenario.reset();
    let mut stops = 0;
    let whole = scenario.trace(|_, call, _| {
        stops += usize::from(call.touches(&out));
        Act::Go
    });
    assert_eq!((whole.code, scenario.state("untouched")), (0, State::New), "{}", whole.stderr);
    assert!(stops > 8, "{stops}");
    let mut outcomes: BTreeMap<(String, State, &str), usize> = BTreeMap::new();
    let mut kills = 0;
    for signal in signals.iter().copied() {
        for stop in 0..stops {
            scenario.reset();
            let mut passed = 0;
            let mut place = String::new();
            let ended = scenario.trace(|_, call, side| {
                if !call.touches(&out) {
                    return Act::Go;
                }
                passed += 1;
                if passed != stop + 1 {
                    return Act::Go;
                }
                place = format!("{} {side:?} {} ({:?})", signal.as_str(), call.name, call.files);
                Act::Send(signal)
            });
            kills += usize::from(!place.is_empty());
            let what = format!("{}: {place}", scenario.name);
            let state = scenario.state(&what);
            let left = if scenario.temporaries().is_empty() { "no leftover" } else { "a leftover" };
            if signal == Signal::SIGKILL {
                // The last stops are reached by a process that has nothing left to do.
                assert_eq!(ended.code, code_of(signal), "{what}: {}", ended.stderr);
            } else {
                let expected = if ended.code == 0 { State::New } else { State::Old };
                // What is unchanged is new and old.
                let same = scenario.before == scenario.after;
                // The settings look at the directory as well, before the program listens for signals.
                let is_code = [0, code_of(signal), -(signal as i32)].contains(&ended.code);
                assert!(is_code, "{what}: {ended:?}");
                assert!(same || state == expected, "{what}: {state:?} {ended:?}");
                assert_eq!(left, "no leftover", "{what}");
            }
            *outcomes.entry((format!("{} -> {}", signal.as_str(), ended.code), state, left)).or_default() += 1;
            if signal == Signal::SIGKILL {
                scenario.run.go().code(0);
                assert_eq!(scenario.state(&what), State::New);
                assert_eq!(names(&out), scenario.after.keys().copied().collect::<Vec<_>>(), "{what}, and run again");
            }
        }
    }
    assert_eq!(kills, stops * signals.len());
    println!("{}: {stops} stops, {kills} kills:", scenario.name);
    for ((ended, state, left), count) in outcomes {
        println!("  {ended}: files {state:?}, {left}: {count}");
    }
}

const SEVERAL: [&str; 4] = ["airflow.env", "connections.json", "t.txt", "variables.yaml"];

#[test]
fn killed_anywhere_in_a_first_render() {
    killed_everywhere(&Scenario::new("a first render", &["connections.json"], Before::Nothing), &SIGNALS);
}

#[test]
fn killed_anywhere_while_an_old_file_is_replaced() {
    killed_everywhere(&Scenario::new("an old file", &["connections.json"], Before::Other), &SIGNALS);
}

#[test]
fn killed_anywhere_with_several_files() {
    // SIGINT is SIGTERM by another number: the other scenarios have it.
    let scenario = Scenario::new("several files", &SEVERAL, Before::Other);
    killed_everywhere(&scenario, &[Signal::SIGKILL, Signal::SIGTERM]);
}

#[test]
fn killed_anywhere_with_unchanged_content() {
    let scenario = Scenario::new("unchanged content", &["connections.json", "t.txt"], Before::Same);
    killed_everywhere(&scenario, &[Signal::SIGKILL, Signal::SIGINT]);
}

/// The second reading of a process that goes on: it is asked for once the first status is in place, and the store has changed by then.
#[test]
fn killed_anywhere_in_a_later_reading() {
    let scenario = Scenario::new("a later reading", &["connections.json"], Before::Nothing);
    let (out, store) = (scenario.out(), scenario.run.path("secrets.yaml"));
    let old = KINDS.replace("u:p@h", "u:old@h");
    fs::write(&store, &old).unwrap();
    scenario.run.go().code(0);
    let before = BTreeMap::from([("connections.json", fs::read(out.join("connections.json")).unwrap())]);
    let run = scenario.run.var("SECRETS_INIT_REFRESH", "24h");
    let scenario = Scenario { run, before, ..scenario };
    // Ends with this signal at this of the calls that touch the directory; by SIGTERM after the last of them.
    let until = |stop: usize, signal: Signal| {
        fs::write(&store, &old).unwrap();
        scenario.reset();
        let (mut readings, mut passed) = (0, 0);
        let ended = scenario.trace(|_, call, side| {
            let is_of_status = call.files.iter().any(|file| file.ends_with("refresh-status.json"));
            let has_written = side == Side::After && call.name.starts_with("rename") && is_of_status;
            readings += usize::from(has_written);
            passed += usize::from(readings > 0 && !(readings == 1 && has_written) && call.touches(&out));
            match (readings, has_written) {
                (1, true) => {
                    fs::write(&store, KINDS).unwrap();
                    Act::Send(Signal::SIGHUP)
                }
                _ if stop > 0 && passed == stop && call.touches(&out) => Act::Send(signal),
                (2, true) => Act::Send(Signal::SIGTERM),
                _ => Act::Go,
            }
        });
        (passed, ended)
    };
    let (stops, whole) = until(0, Signal::SIGTERM);
    assert_eq!((whole.code, scenario.state("untouched")), (0, State::New), "{}", whole.stderr);
    assert!(stops > 20, "{stops}");
    let mut outcomes: BTreeMap<(&str, State), usize> = BTreeMap::new();
    for (signal, code) in [(Signal::SIGKILL, -(Signal::SIGKILL as i32)), (Signal::SIGTERM, 0)] {
        for stop in 1..=stops {
            let (_, ended) = until(stop, signal);
            let what = format!("{} at {stop}", signal.as_str());
            assert_eq!(ended.code, code, "{what}: {}", ended.stderr);
            let state = scenario.state(&what);
            assert!(signal == Signal::SIGKILL || scenario.temporaries().is_empty(), "{what}");
            *outcomes.entry((signal.as_str(), state)).or_default() += 1;
        }
    }
    println!("a later reading: {stops} stops: {outcomes:?}");
}

/// At any instant of its life, its start and its end too, while others take the processor.
#[test]
fn killed_at_random_instants_under_load() {
    let kills = std::sync::Mutex::new(BTreeMap::<(i32, i32, State), usize>::new());
    std::thread::scope(|scope| {
        for worker in 0..4_u64 {
            let kills = &kills;
            scope.spawn(move || {
                let scenario = Scenario::new("random instants", &SEVERAL, Before::Other);
                let mut random = fastrand::Rng::with_seed(worker);
                let whole = std::time::Instant::now();
                scenario.run.go().code(0);
                let longest = u64::try_from(whole.elapsed().as_micros()).unwrap() * 5 / 4;
                for round in 0..90 {
                    scenario.reset();
                    let signal = SIGNALS[round % 3];
                    let child = scenario.run.command().spawn().unwrap();
                    std::thread::sleep(std::time::Duration::from_micros(random.u64(..longest)));
                    tracer::send(child.id(), signal);
                    let ended = scenario.run.ended(&child.wait_with_output().unwrap());
                    let what = format!("{} in round {round} of {worker}: {}", signal.as_str(), ended.stderr);
                    let state = scenario.state(&what);
                    match ended.code {
                        0 => assert_eq!(state, State::New, "{what}"),
                        // Before it listens for signals it has written nothing.
                        code if code == code_of(signal) || code == -(signal as i32) => {
                            assert!(signal == Signal::SIGKILL || state == State::Old, "{what}");
                        }
                        code => panic!("{code}: {what}"),
                    }
                    assert!(signal == Signal::SIGKILL || scenario.temporaries().is_empty(), "{what}");
                    *kills.lock().unwrap().entry((signal as i32, ended.code, state)).or_default() += 1;
                }
                scenario.run.go().code(0);
                assert_eq!(names(&scenario.out()), SEVERAL);
            });
        }
    });
    let kills = kills.into_inner().unwrap();
    assert_eq!(kills.values().sum::<usize>(), 360);
    for ((signal, code, state), count) in kills {
        println!("random instants: signal {signal} -> {code}: files {state:?}: {count}");
    }
}

// ---- side by side --------------------------------------------------------------------------------------------------

/// Many processes write one target, some are killed: it is always one whole file, nobody harms another, nothing is left.
#[test]
fn runs_side_by_side_on_one_target_do_not_harm_each_other() {
    let shared = tempfile::tempdir().unwrap();
    let target = shared.path().join("connections.json");
    let documents = ["a", "b", "c", "d"].map(|id| {
        let entries: String =
            (0..60).map(|number| format!("  airflow/connections/{id}{number}: mysql://u:p@h/db\n")).collect();
        format!("own:\n{entries}")
    });
    let runs = documents
        .map(|document| Run::on_document(&document).var("SECRETS_INIT_CONNECTIONS_FILE", target.to_str().unwrap()));
    let contents: Vec<String> = runs.iter().map(|run| run.go().code(0).file.unwrap()).collect();
    let over = std::sync::atomic::AtomicBool::new(false);
    let [mut killed, mut ended, mut read] = [0; 3];
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0_u64..)
            .zip(&runs)
            .map(|(worker, run)| {
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(worker);
                    let [mut killed, mut ended] = [0; 2];
                    for _ in 0..40 {
                        let child = run.command().spawn().unwrap();
                        if random.u8(..4) == 0 {
                            std::thread::sleep(std::time::Duration::from_millis(random.u64(..40)));
                            tracer::send(child.id(), Signal::SIGKILL);
                            drop(child.wait_with_output().unwrap());
                            killed += 1;
                        } else {
                            run.ended(&child.wait_with_output().unwrap()).code(0);
                            ended += 1;
                        }
                    }
                    (killed, ended)
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            let mut read = 0;
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let there = fs::read_to_string(&target).unwrap();
                assert!(contents.contains(&there), "{there}");
                read += 1;
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
            read
        });
        // First the reader is told, or a failure would never come to light.
        let counts: Vec<_> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        for (its_killed, its_ended) in counts.into_iter().map(Result::unwrap) {
            killed += its_killed;
            ended += its_ended;
        }
        read = reader.join().unwrap();
    });
    runs[0].go().code(0);
    assert_eq!(names(shared.path()), ["connections.json"]);
    println!("side by side: {ended} runs ended with 0, {killed} were killed, the target was read whole {read} times");
}

// ---- errors of the operating system --------------------------------------------------------------------------------

const PAGE: &str = "docs/CRASH-SAFETY.md";

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap()
}

/// The cells of the table under a heading, without its head.
fn table(heading: &str) -> Vec<Vec<String>> {
    let text = page();
    let section = text.split(&format!("## {heading}\n")).nth(1).unwrap_or_else(|| panic!("{PAGE} has no {heading}"));
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Whether a call is a step of writing, in the words of the page.
fn is_step(step: &str, call: &Call, out: &Path) -> bool {
    let of = |file: &Path| file.starts_with(out) && file != out;
    let temporary = call
        .files
        .iter()
        .any(|file| of(file) && file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)));
    let target = !temporary && call.files.iter().any(|file| of(file));
    let directory = call.files.iter().any(|file| file == out) && !temporary && !target;
    let name = call.name.as_str();
    let opens = ["open", "openat"].contains(&name);
    let lists = opens && call.args[2] & u64::from(libc::O_DIRECTORY.unsigned_abs()) != 0;
    let only_finds = opens && call.args[2] & u64::from(libc::O_PATH.unsigned_abs()) != 0;
    match step {
        "the directory is listed for leftovers" => directory && lists && !only_finds,
        "the target is looked at" => target && ["statx", "newfstatat", "lstat"].contains(&name),
        "an unchanged target is read" => target && (opens || name == "read"),
        "a temporary file is made" => temporary && call.makes_a_file(),
        "it is locked" => temporary && name == "flock",
        "it gets its mode" => temporary && name == "fchmod",
        "it is written" => temporary && name == "write",
        "it is synced" => temporary && name == "fsync",
        "it is renamed" => temporary && name.starts_with("rename"),
        "the directory is opened" => directory && opens && !lists && !only_finds,
        "the directory is synced" => directory && name == "fsync",
        other => panic!("{PAGE}: no step is called {other:?}"),
    }
}

fn errno(name: &str) -> tracer::Errno {
    use tracer::Errno;
    let all = [
        Errno::EACCES,
        Errno::EAGAIN,
        Errno::EBUSY,
        Errno::EDQUOT,
        Errno::EFBIG,
        Errno::EINTR,
        Errno::EINVAL,
        Errno::EIO,
        Errno::EMFILE,
        Errno::ENOLCK,
        Errno::ENOSPC,
        Errno::ENOSYS,
        Errno::EOPNOTSUPP,
        Errno::EPERM,
        Errno::EROFS,
    ];
    all.into_iter().find(|errno| format!("{errno:?}") == name).unwrap_or_else(|| panic!("{PAGE}: {name}"))
}

/// Each row of the page's table: every error at every step, for one file and for four.
#[test]
fn every_error_of_the_operating_system_ends_as_the_page_says() {
    let scenarios = [
        Scenario::new("one file", &["connections.json"], Before::Other),
        Scenario::new("several files", &SEVERAL, Before::Other),
        Scenario::new("unchanged", &["connections.json"], Before::Same),
    ];
    let mut cases = 0;
    for row in table("Errors of the operating system") {
        let [step, errors, code, files] = row.as_slice() else { panic!("{row:?}") };
        let expected = match files.as_str() {
            "as they were" => State::Old,
            "all new" => State::New,
            other => panic!("{PAGE}: {other:?}"),
        };
        let scenarios = if step.starts_with("an unchanged") { &scenarios[2..] } else { &scenarios[..2] };
        for scenario in scenarios {
            for error in errors.split('`').skip(1).step_by(2) {
                let once = errno(error) == tracer::Errno::EINTR;
                scenario.reset();
                let out = scenario.out();
                let mut failed = 0;
                let ended = scenario.trace(|_, call, side| {
                    if side == Side::Before && is_step(step, call, &out) && !(once && failed > 0) {
                        failed += 1;
                        return Act::Fail(errno(error));
                    }
                    Act::Go
                });
                let what = format!("{}: {step}: {error}: {}", scenario.name, ended.stderr);
                assert!(failed > 0, "never came to it: {what}");
                assert_eq!((ended.code, scenario.state(&what)), (code.parse().unwrap(), expected), "{what}");
                assert_eq!(scenario.temporaries(), [""; 0], "{what}");
                if ended.code != 0 {
                    let told = ended.stderr.contains("out") && ended.stderr.contains("can't be")
                        || ended.stderr.contains("no file can be made there");
                    assert!(told, "{what}");
                }
                cases += 1;
            }
        }
    }
    assert!(cases > 60, "{cases}");
    println!("errors of the operating system: {cases} cases");
}

/// A failed rename between two others: those before it are in place, it and the rest are as they were.
#[test]
fn a_rename_that_fails_after_others_leaves_each_file_whole() {
    let scenario = Scenario::new("several files", &SEVERAL, Before::Other);
    let out = scenario.out();
    for first_to_fail in 1..=SEVERAL.len() {
        scenario.reset();
        let mut renames = 0;
        let ended = scenario.trace(|_, call, side| {
            if side == Side::Before && is_step("it is renamed", call, &out) {
                renames += 1;
                if renames >= first_to_fail {
                    return Act::Fail(tracer::Errno::EIO);
                }
            }
            Act::Go
        });
        let expected = if first_to_fail == 1 { State::Old } else { State::Mixed };
        assert_eq!((ended.code, scenario.state("rename"), renames), (74, expected, first_to_fail));
        assert_eq!(scenario.temporaries(), [""; 0]);
    }
}

#[test]
fn short_writes_are_continued_and_a_write_of_nothing_is_an_error() {
    let scenario = Scenario::new("short writes", &["connections.json"], Before::Other);
    let out = scenario.out();
    for (act, code, state) in
        [(Act::AtMost(1), 0, State::New), (Act::AtMost(7), 0, State::New), (Act::Answer(0), 74, State::Old)]
    {
        scenario.reset();
        let mut writes = 0;
        let ended = scenario.trace(|_, call, side| {
            if side == Side::Before && is_step("it is written", call, &out) {
                writes += 1;
                return act;
            }
            Act::Go
        });
        assert_eq!((ended.code, scenario.state("short")), (code, state), "{}", ended.stderr);
        assert!(writes > 10 || code != 0, "{writes}");
        assert_eq!(scenario.temporaries(), [""; 0]);
    }
}

/// What can't even be removed is left, and the next run removes it.
#[test]
fn a_temporary_file_that_cannot_be_removed_is_removed_by_the_next_run() {
    let scenario = Scenario::new("unlink", &["connections.json"], Before::Other);
    scenario.reset();
    let out = scenario.out();
    let ended = scenario.trace(|_, call, side| match (side, call.name.as_str()) {
        (Side::Before, "unlink" | "unlinkat") => Act::Fail(tracer::Errno::EIO),
        (Side::Before, "fsync") if is_step("it is synced", call, &out) => Act::Fail(tracer::Errno::EIO),
        _ => Act::Go,
    });
    assert_eq!((ended.code, scenario.state("unlink"), scenario.temporaries().len()), (74, State::Old, 1));
    scenario.run.go().code(0);
    assert_eq!(names(&out), ["connections.json"]);
}

// ---- a full volume -------------------------------------------------------------------------------------------------

/// Runs a script in which `/mnt` is a tmpfs of a few pages; `None` where this user may have no mount of its own.
fn on_a_small_tmpfs(run: &Run, script: &str) -> Option<common::Ended> {
    let mut shell = std::process::Command::new("unshare");
    let script = format!("mount -t tmpfs -o size=32k,mode=700 tmpfs /mnt || exit 99\n{script}");
    shell
        .args(["-rm", "sh", "-c", &script])
        .env_clear()
        .envs(run.environment())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    shell.env("PROGRAM", env!("CARGO_BIN_EXE_airflow-secrets-init"));
    let ended = run.ended(&shell.output().ok()?);
    // unshare itself ends with 1 where it is not allowed.
    if [1, 99, 127].contains(&ended.code) { None } else { Some(ended) }
}

/// A container that is killed again and again while it writes: nothing piles up, and the run that lives has its room.
#[test]
fn restarts_do_not_fill_a_small_volume() {
    let run = Run::on_document(KINDS).var("SECRETS_INIT_CONNECTIONS_FILE", "/mnt/connections.json");
    let prefix = PREFIX;
    let full = format!(
        "head -c 4000 /dev/zero > /mnt/{prefix}one; head -c 99999 /dev/zero > /mnt/{prefix}two 2>/dev/null
         $PROGRAM || exit 98
         test \"$(ls -A /mnt)\" = connections.json || exit 97"
    );
    let others = "head -c 99999 /dev/zero > /mnt/other 2>/dev/null
         $PROGRAM; code=$?
         test \"$(ls -A /mnt)\" = other || exit 97
         exit $code";
    match (on_a_small_tmpfs(&run, &full), on_a_small_tmpfs(&run, others)) {
        (Some(full), Some(others)) => {
            full.code(0);
            let others = others.code_in(&[73, 74]);
            assert!(others.stderr.contains("make the volume larger"), "{}", others.stderr);
            println!("a full tmpfs: seen on a real one");
        }
        _ => {
            // Nobody gives this user a mount: leftovers without the small volume; ENOSPC itself is in the table above.
            println!("a full tmpfs: no user namespaces here, seen by injection alone");
            let scenario = Scenario::new("leftovers", &["connections.json"], Before::Other);
            scenario.reset();
            for name in ["one", "two"] {
                fs::write(scenario.out().join(format!("{PREFIX}{name}")), [0; 4000]).unwrap();
            }
            scenario.run.go().code(0);
            assert_eq!(names(&scenario.out()), ["connections.json"]);
        }
    }
}

// ---- places --------------------------------------------------------------------------------------------------------

/// Each row of the page's table of places.
#[test]
fn every_place_ends_as_the_page_says() {
    let rows: BTreeMap<String, i32> =
        table("Places").into_iter().map(|row| (row[0].clone(), row[1].parse().unwrap())).collect();
    let mut seen = Vec::new();
    let mut place = |name: &'static str, make: &dyn Fn(&Run), target: &str| -> (Run, common::Ended) {
        let code = rows.get(name).unwrap_or_else(|| panic!("{PAGE} has no row {name:?}"));
        seen.push(name);
        let run = Run::on_document(KINDS).var("SECRETS_INIT_CONNECTIONS_FILE", target);
        fs::write(run.path("t.j2"), "x").unwrap();
        make(&run);
        let ended = run.go().code(*code);
        let left = names(run.directory.path()).into_iter().filter(|name| name.starts_with(PREFIX));
        assert_eq!(left.count(), 0, "{name}");
        (run, ended)
    };
    let nothing = |_: &Run| {};
    place("a missing directory", &nothing, "none/c.json");
    let link = |run: &Run| {
        fs::write(run.path("else"), "untouched").unwrap();
        std::os::unix::fs::symlink("else", run.path("c.json")).unwrap();
    };
    let (run, _) = place("a symbolic link", &link, "c.json");
    assert_eq!(fs::read(run.path("else")).unwrap(), b"untouched");
    place("a directory", &|run| fs::create_dir(run.path("c.json")).unwrap(), "c.json");
    let fifo = |run: &Run| {
        assert!(std::process::Command::new("mkfifo").arg(run.path("c.json")).status().unwrap().success());
    };
    place("a FIFO", &fifo, "c.json");
    let socket = |run: &Run| drop(std::os::unix::net::UnixListener::bind(run.path("c.json")).unwrap());
    place("a socket", &socket, "c.json");
    let (run, _) = place(
        "a symbolic link in the path to it",
        &|run| {
            fs::create_dir(run.path("real")).unwrap();
            std::os::unix::fs::symlink("real", run.path("link")).unwrap();
        },
        "link/c.json",
    );
    assert_eq!(names(&run.path("real")), ["c.json"]);
    assert!(fs::symlink_metadata(run.path("link")).unwrap().is_symlink());
    let (run, _) = place(
        "a file with a second hard link",
        &|run| {
            fs::write(run.path("c.json"), "old").unwrap();
            fs::hard_link(run.path("c.json"), run.path("second")).unwrap();
        },
        "c.json",
    );
    assert_eq!(fs::read(run.path("second")).unwrap(), b"old");
    let (run, _) = place(
        "a file that its owner can't write",
        &|run| {
            fs::write(run.path("c.json"), "old").unwrap();
            fs::set_permissions(run.path("c.json"), fs::Permissions::from_mode(0o000)).unwrap();
        },
        "c.json",
    );
    assert!(fs::read_to_string(run.path("c.json")).unwrap().starts_with('{'));
    // Two outputs in one place, however its path is spelt.
    for (templates, directory) in [("t.j2=c.json", "."), ("t.j2=d/../c.json", "d"), ("t.j2=d/here/c.json", "d")] {
        let name = "the place of another output";
        let code = rows[name];
        let run = Run::on_document(KINDS)
            .var("SECRETS_INIT_CONNECTIONS_FILE", "c.json")
            .var("SECRETS_INIT_TEMPLATES", templates);
        fs::write(run.path("t.j2"), "x").unwrap();
        if directory != "." {
            fs::create_dir(run.path(directory)).unwrap();
            std::os::unix::fs::symlink("..", run.path(directory).join("here")).unwrap();
        }
        run.go().code(code).says("give each its own file");
    }
    seen.push("the place of another output");
    let device = Run::on_document(KINDS).var("SECRETS_INIT_CONNECTIONS_FILE", "none");
    let device = device.var("SECRETS_INIT_TEMPLATES", "t.j2=/dev/null");
    fs::write(device.path("t.j2"), "x").unwrap();
    device.go().code(rows["a device"]).says("/dev/null: is no regular file");
    seen.push("a device");
    seen.extend(directories_that_vanish(&rows));
    seen.extend(directories_of_others(&rows));
    seen.sort_unstable();
    assert_eq!(seen, rows.keys().map(String::as_str).collect::<Vec<_>>(), "{PAGE}");
}

fn directories_that_vanish(rows: &BTreeMap<String, i32>) -> [&'static str; 2] {
    let cases = [
        ("a directory that vanishes before a file is made in it", "a temporary file is made"),
        ("a directory that vanishes before the file is renamed", "it is renamed"),
    ];
    for (name, step) in cases {
        let scenario = Scenario::new(name, &["connections.json"], Before::Nothing);
        scenario.reset();
        let out = scenario.out();
        let ended = scenario.trace(|_, call, side| {
            if side == Side::Before && is_step(step, call, &out) {
                fs::remove_dir_all(&out).unwrap();
            }
            Act::Go
        });
        assert_eq!(ended.code, rows[name], "{}", ended.stderr);
        assert!(!out.exists() && ended.stderr.contains("make the directory first"), "{}", ended.stderr);
    }
    cases.map(|(name, _)| name)
}

/// Root may do anything, so as root the program is run as nobody; any other user can't make what belongs to another, and gets the
/// kernel's own answer by injection.
fn directories_of_others(rows: &BTreeMap<String, i32>) -> [&'static str; 3] {
    let names = [
        "a directory of another user",
        "a directory of another user that the group may write",
        "a file of another user in a sticky directory",
    ];
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if is_root {
        use std::os::unix::process::CommandExt;
        let run = Run::on_document(KINDS);
        fs::set_permissions(run.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = run.path("program");
        let copied =
            std::process::Command::new("cp").arg(env!("CARGO_BIN_EXE_airflow-secrets-init")).arg(&program).status();
        assert!(copied.unwrap().success());
        for (name, mode, old) in [(names[0], 0o755, false), (names[1], 0o2770, false), (names[2], 0o1777, true)] {
            let out = run.path(&format!("{mode:o}"));
            fs::create_dir(&out).unwrap();
            fs::set_permissions(&out, fs::Permissions::from_mode(mode)).unwrap();
            let target = out.join("c.json");
            if old {
                fs::write(&target, "old").unwrap();
            }
            let mut command = std::process::Command::new(&program);
            command.env_clear().envs(run.environment()).env("SECRETS_INIT_CONNECTIONS_FILE", &target);
            let ended = run.ended(&command.uid(65_534).gid(0).output().unwrap()).code(rows[name]);
            let left: Vec<String> = common::names(&out);
            match name {
                name if name == names[1] => {
                    assert_eq!(left, ["c.json"]);
                    assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, 0o440);
                }
                name if name == names[2] => {
                    assert_eq!((left, fs::read(&target).unwrap()), (vec!["c.json".to_owned()], b"old".to_vec()));
                    // A status file is one too: it is found before the first file is written.
                    let ours = run.path("2770").join("first.json");
                    let mut command = std::process::Command::new(&program);
                    command.env_clear().envs(run.environment()).env("SECRETS_INIT_CONNECTIONS_FILE", &ours);
                    command.env("SECRETS_INIT_REFRESH", "5m").env("SECRETS_INIT_STATUS_FILE", &target);
                    run.ended(&command.uid(65_534).gid(0).output().unwrap())
                        .code(rows[name])
                        .says("a sticky directory");
                    assert_eq!((fs::read(&target).unwrap(), ours.exists()), (b"old".to_vec(), false));
                }
                _ => assert_eq!(left, [""; 0], "{}", ended.stderr),
            }
        }
    } else {
        let scenario = Scenario::new("others", &["connections.json"], Before::Other);
        let out = scenario.out();
        for (name, step, error) in [
            (names[0], "a temporary file is made", Some(tracer::Errno::EACCES)),
            (names[1], "a temporary file is made", None),
            (names[2], "it is renamed", Some(tracer::Errno::EPERM)),
        ] {
            scenario.reset();
            let ended = scenario.trace(|_, call, side| match error {
                Some(error) if side == Side::Before && is_step(step, call, &out) => Act::Fail(error),
                _ => Act::Go,
            });
            assert_eq!(ended.code, rows[name], "{}", ended.stderr);
        }
    }
    names
}

/// What holds the reason of a failure may be a FIFO that nobody reads: the run ends all the same.
#[test]
fn a_termination_log_that_is_a_fifo_holds_nobody_up() {
    let run = Run::on_document("own: {}\n");
    let fifo = run.path("termination-log");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    run.go().code(66).says("the termination message can't be written");
}
