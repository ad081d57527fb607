//! A shared account whose owner means harm, or an AWS that is none: whatever it says, nothing is written but the targets, no line
//! is forged, memory is bounded, and the own connections are there unless docs/FAULTS.md says otherwise.
//!
//! `cargo test --test hostile -- --nocapture` prints code, time and memory of every case.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]
#![allow(clippy::print_stdout, reason = "what it came to is for people")]

mod common;

use std::fmt::Write as _;

use common::accounts::{OWN, POD, POD_KEY, PREFIX, READER, REGION, SHARED, WITH_ROLE};
use common::{FAR, Run, held, names};
use fake_aws::{FakeAws, Fault, Principal, Role, Scenario, Secret, Statement, secret_arn};
use serde_json::{Value, json};

/// In every value: must be in nothing that is said.
const CANARY: &str = "c4nary";
const WITH_INDEX: &str = r#"{"shared_account": "222222222222", "shared_index": "airflow/index"}"#;
/// Everything that the program writes to may take so many MiB.
const DATA: u64 = 32;

/// Names that want to be something else: a path, a line, a colour, another order of letters.
const NAMES: &[&str] = &[
    "..",
    "../../../etc/cron.d/x",
    "/etc/passwd",
    "a\n2026-11-24T00:00:00Z ERROR forged",
    "a\r\nb",
    "{\"level\":\"ERROR\",\"message\":\"forged\"}",
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]0;title\u{7}",
    "\u{9b}31m",
    "\u{202e}txt.exe\u{202c}",
    "\u{2066}isolated\u{2069}",
    "zero\u{200b}width\u{feff}\u{200d}",
    "nul\0byte",
    "\u{7f}\u{8}\u{85}\u{2028}\u{2029}",
    "%s%n$(id)`id`${HOME}",
    "a-b",
    "A_B",
    "a.b",
    "",
    " ",
];

// ---- the accounts ------------------------------------------------------------------------------------------------

fn text(host: &str) -> Secret {
    Secret::text(format!("mysql://u:{CANARY}@{host}/db"))
}

/// Three own connections, a shared one, and the pod that may read all.
fn scenario() -> Scenario {
    let anything = || Statement::allow(["*"]);
    let scenario = Scenario::new()
        .principal(Principal::new(POD_KEY, POD).can(anything()))
        .role(Role::new(READER).trust(POD).can(anything()))
        .secret(SHARED, REGION, "airflow/connections/theirs", text("theirs"))
        .secret(SHARED, REGION, "airflow/index", text("index"));
    ["one", "two", "three"]
        .iter()
        .fold(scenario, |all, id| all.secret(OWN, REGION, &format!("{PREFIX}{id}"), text("own")))
}

/// What a listing says, as AWS would say it.
fn listing(entries: &[Value], next: Option<&str>) -> String {
    let mut page = json!({"SecretList": entries});
    if let Some(next) = next {
        page["NextToken"] = next.into();
    }
    page.to_string()
}

fn entry(name: &str) -> Value {
    json!({"Name": name, "ARN": format!("arn:aws:secretsmanager:{REGION}:{SHARED}:secret:{name}-AbCdEf")})
}

/// Every answer to the shared account's listing is this.
fn lists(text: String) -> Fault {
    Fault::on("ListSecrets").account(SHARED).body(200, "application/x-amz-json-1.1", text)
}

/// The index holds this.
fn index(value: &Value) -> Fault {
    let answer = json!({"Name": "airflow/index", "SecretString": value.to_string()});
    Fault::on("GetSecretValue").secret("*:airflow/index").body(200, "application/x-amz-json-1.1", answer.to_string())
}

/// Every batch of the shared account gets these.
fn batches(values: &[(&str, String)]) -> Fault {
    let values: Vec<Value> = values
        .iter()
        .map(|(name, text)| {
            let mut value = entry(name);
            value["SecretString"] = text.as_str().into();
            value
        })
        .collect();
    let answer = json!({"SecretValues": values}).to_string();
    Fault::on("BatchGetSecretValue").account(SHARED).body(200, "application/x-amz-json-1.1", answer)
}

// ---- what is looked at -------------------------------------------------------------------------------------------

/// How a run ended, and the connections in its file.
type Came = (i32, Vec<String>);

/// Runs every command in both forms of the log. Gives what a `render` came to.
fn go(what: &str, kwargs: &str, faults: &[Fault]) -> Came {
    let all = [
        ("render", "text", "json"),
        ("render", "text", "text"),
        ("check", "text", "text"),
        ("check", "json", "json"),
        ("diff", "text", "text"),
    ];
    go_as(what, kwargs, faults, &all, FAR, &[])
}

const ONE: &[(&str, &str, &str)] = &[("render", "text", "json")];

/// Runs what takes long and is no doing of the shared account's owner, or takes the account away: once as the default has it, which
/// must fail with this code, and once where the run goes on without a shared account. That must have the own connections and
/// nothing else. With 75 it goes on to its deadline: a short one, but the own connections need some of it.
#[track_caller]
fn go_once(what: &str, kwargs: &str, faults: &[Fault], code: i32) {
    let [deadline, without_shared] = if code == 75 { ["3s", "12s"] } else { [FAR; 2] };
    assert_eq!(go_as(what, kwargs, faults, ONE, deadline, &[]), (code, Vec::new()), "{what}");
    let without = format!("{what}, left aside");
    own_alone(&without, &go_as(&without, kwargs, faults, ONE, without_shared, &[("SECRETS_INIT_ON_SHARED", "warn")]));
}

/// Runs what the owner of a shared account can put there: by default it costs that account, and it is an error where invalid
/// secrets are one.
#[track_caller]
fn too_much(what: &str, kwargs: &str, faults: &[Fault]) {
    own_alone(what, &go_as(what, kwargs, faults, ONE, FAR, &[]));
    let strict = format!("{what}, strict");
    let came = go_as(&strict, kwargs, faults, ONE, FAR, &[("SECRETS_INIT_ON_INVALID", "error")]);
    assert_eq!(came, (65, Vec::new()), "{strict}");
}

#[track_caller]
fn own_alone(what: &str, came: &Came) {
    assert_eq!(*came, (0, ["one", "three", "two"].map(str::to_owned).to_vec()), "{what}");
}

fn go_as(
    what: &str,
    kwargs: &str,
    faults: &[Fault],
    commands: &[(&str, &str, &str)],
    deadline: &str,
    settings: &[(&str, &str)],
) -> Came {
    let mut rendered = None;
    for &(command, output, log) in commands {
        let aws = FakeAws::start(faults.iter().cloned().fold(scenario(), Scenario::fault));
        let run = Run::on_aws(&aws.endpoint(), kwargs)
            .var("AWS_ACCESS_KEY_ID", POD_KEY)
            .var("AWS_SECRET_ACCESS_KEY", CANARY)
            .var("SECRETS_INIT_LOG", "debug")
            .var("SECRETS_INIT_LOG_FORMAT", log)
            .var("SECRETS_INIT_OUTPUT", output)
            .var("SECRETS_INIT_DEADLINE", deadline)
            .arg(command);
        let run = settings.iter().fold(run, |run, (name, value)| run.var(name, value));
        let held = held::run(&run, DATA);
        let ended = &held.ended;
        println!(
            "{what:<46} {command:<6} {log:<4} {:>4} {:>5.1} s {:>4} MiB {:>6} calls {:>8} bytes said",
            ended.code,
            held.took.as_secs_f64(),
            held.peak,
            aws.stats().calls,
            ended.stderr.len()
        );
        let what = format!("{what}, {command}, {log}");
        assert!((0..=78).contains(&ended.code) && ended.code != 70, "{what}: {}\n{}", ended.code, tail(&ended.stderr));
        let termination = std::fs::read_to_string(run.path("termination-log")).unwrap_or_default();
        for said in [&ended.stderr, &ended.stdout, &termination] {
            assert!(!said.contains(CANARY), "{what}: a value is told:\n{}", tail(said));
            let raw = said.chars().find(|c| *c != '\n' && !matches!(c, ' '..='~'));
            assert!(raw.is_none_or(is_ours), "{what}: {raw:?} is printed as it is:\n{}", tail(said));
        }
        for line in ended.stderr.lines() {
            assert!(is_line_of_ours(line, log), "{what}: not a line of ours: {line}");
        }
        // Beside the line of each call.
        let calls = usize::try_from(aws.stats().calls).unwrap();
        assert!(ended.stderr.len() < (4 << 20) + (calls << 10), "{what}: {} bytes are said", ended.stderr.len());
        let known = ["connections.json", "stderr", "stdout", "termination-log"];
        let others: Vec<String> =
            names(run.directory.path()).into_iter().filter(|name| !known.contains(&name.as_str())).collect();
        assert!(others.is_empty(), "{what}: files that are no target: {others:?}");
        if command == "render" && log == "json" {
            rendered = Some((ended.code, ended.file.as_ref().map(|_| ended.conn_ids()).unwrap_or_default()));
        }
    }
    rendered.unwrap()
}

/// Dashes and ticks of our own tables.
fn is_ours(c: char) -> bool {
    matches!(c, '\u{2500}'..='\u{257f}')
}

fn is_line_of_ours(line: &str, log: &str) -> bool {
    if log == "json" {
        let event = serde_json::from_str::<serde_json::Map<String, Value>>(line);
        return event.is_ok_and(|event| ["timestamp", "level", "message"].iter().all(|key| event.contains_key(*key)));
    }
    let mut words = line.split_whitespace();
    let is_time = words.next().is_some_and(|time| time.len() == 27 && time.ends_with('Z') && time.contains('T'));
    is_time && words.next().is_some_and(|level| ["ERROR", "WARN", "INFO", "DEBUG"].contains(&level))
}

fn tail(text: &str) -> String {
    let from = text.len().saturating_sub(1500);
    text.char_indices().find(|(at, _)| *at >= from).map(|(at, _)| text[at..].to_owned()).unwrap_or_default()
}

#[track_caller]
fn own_are_there(what: &str, (code, ids): &(i32, Vec<String>)) {
    assert_eq!(*code, 0, "{what}");
    for id in ["one", "two", "three"] {
        assert!(ids.iter().any(|known| known == id), "{what}: {ids:?}");
    }
}

// ---- names -------------------------------------------------------------------------------------------------------

#[test]
fn names_in_an_index() {
    let long = "n".repeat(60_000);
    let names: Vec<&str> = NAMES.iter().copied().chain([long.as_str(), "theirs", "theirs"]).collect();
    own_are_there("an array", &go("an index of names", WITH_INDEX, &[index(&json!(names))]));
    let arns: serde_json::Map<String, Value> = names
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let (account, region) = [(OWN, REGION), (SHARED, "us-east-1"), (SHARED, REGION)][place % 3];
            ((*name).to_owned(), format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-AbCdEf").into())
        })
        .collect();
    let arns = Value::Object(arns);
    own_are_there("an object", &go("an index of ARNs", WITH_INDEX, &[index(&arns)]));
    let own = json!({"stolen": secret_arn(OWN, REGION, "airflow/connections/one")});
    let (code, ids) = go("an index that points at own secrets", WITH_INDEX, &[index(&own)]);
    assert_eq!((code, ids.len()), (0, 3), "{ids:?}");
}

#[test]
fn names_in_a_listing() {
    let mut entries: Vec<Value> = NAMES.iter().map(|name| entry(&format!("{PREFIX}{name}"))).collect();
    entries.extend(NAMES.iter().map(|name| entry(name)));
    entries.push(entry(&format!("{PREFIX}{}", "n".repeat(100_000))));
    entries
        .push(json!({"Name": format!("{PREFIX}foreign"), "ARN": secret_arn(OWN, REGION, "airflow/connections/one")}));
    entries.push(json!({"Name": format!("{PREFIX}elsewhere"), "ARN": secret_arn(SHARED, "us-east-1", "airflow/x")}));
    entries.push(json!({"Name": null, "ARN": 7}));
    let doubled: Vec<Value> =
        entries.iter().chain(&entries).filter(|entry| entry["Name"].is_string()).cloned().collect();
    let found = go("a listing of names", WITH_ROLE, &[lists(listing(&doubled, None))]);
    own_are_there("a listing", &found);
    assert!(!found.1.iter().any(|id| id == "foreign"), "{:?}", found.1);
}

/// `ONE` and `one` are the same environment variable, and the own one has it.
#[test]
fn names_that_are_the_same_variable() {
    let scenario = ["ONE", "Two", "tWO", "four", "FOUR", "a-b", "A_B"]
        .iter()
        .fold(scenario(), |all, id| all.secret(SHARED, REGION, &format!("{PREFIX}{id}"), text("theirs")));
    let aws = FakeAws::start(scenario);
    let run = Run::on_aws(&aws.endpoint(), WITH_ROLE)
        .var("AWS_ACCESS_KEY_ID", POD_KEY)
        .var("AWS_SECRET_ACCESS_KEY", "x")
        .var("SECRETS_INIT_AIRFLOW_ENV_FILE", "all.list");
    run.go().code(0).says("ONE").says("tWO").says("FOUR");
    let file = std::fs::read_to_string(run.path("all.list")).unwrap();
    let lines: Vec<(&str, bool)> = file
        .lines()
        .filter_map(|line| line.strip_prefix("AIRFLOW_CONN_")?.split_once('='))
        .map(|(name, value)| (name, value.contains("own")))
        .collect();
    let expected = [("A-B", false), ("A_B", false), ("ONE", true), ("THEIRS", false), ("THREE", true), ("TWO", true)];
    assert_eq!(lines, expected);
}

/// A batch may hold what nobody asked for: only what stands under the prefix is taken, and never in the place of an own one.
#[test]
fn values_that_nobody_asked_for() {
    let secret = format!("mysql://u:{CANARY}@intruder/db");
    let values: Vec<(String, String)> = NAMES
        .iter()
        .flat_map(|name| [format!("{PREFIX}{name}"), (*name).to_owned()])
        .chain(["airflow/connections/one".to_owned(), "airflow/variables/x".to_owned()])
        .map(|name| (name, secret.clone()))
        .collect();
    let values: Vec<(&str, String)> = values.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
    let found = go("values that nobody asked for", WITH_ROLE, &[batches(&values)]);
    own_are_there("a batch", &found);
}

// ---- amounts -----------------------------------------------------------------------------------------------------

#[test]
fn an_index_that_is_too_long() {
    let many = |count: usize| json!((0..count).map(|i| format!("i{i}")).collect::<Vec<_>>());
    let found = go_as("an index of 1500, none there", WITH_INDEX, &[index(&many(1_500))], ONE, FAR, &[]);
    own_are_there("1,500", &found);
    // As many as 64 KiB hold, and what no secret can hold.
    for count in [8_000, 50_000, 1_000_000] {
        too_much(&format!("an index of {count}"), WITH_INDEX, &[index(&many(count))]);
    }
}

#[test]
fn an_index_that_is_none() {
    for (what, value) in [
        ("an index of numbers", json!([1, 2])),
        ("an index of objects", json!({"a": {"b": "c"}})),
        ("an index that is a text", json!("one")),
    ] {
        too_much(what, WITH_INDEX, &[index(&value)]);
    }
}

#[test]
fn listings_that_do_not_end() {
    let page = |of: &str, next: &str| {
        let entries: Vec<Value> = (0..1000).map(|i| entry(&format!("{PREFIX}{of}{i}"))).collect();
        lists(listing(&entries, Some(next)))
    };
    let go = |what, fault, code| go_once(what, WITH_ROLE, &[fault], code);
    go("the same token again and again", page("a", "same"), 69);
    go("ever new tokens, the same names", page("a", "{request_id}"), 75);
    too_much("ever new tokens, ever new names", WITH_ROLE, &[page("{request_id}", "{request_id}")]);
    go("ever new tokens, no names", lists(listing(&[], Some("{request_id}"))), 75);
    go("no answer at all", Fault::on("*").account(SHARED).hang(), 75);
    go("no role", Fault::on("AssumeRole").error(403, "AccessDenied", "no"), 77);
}

#[test]
fn a_page_that_is_too_long() {
    let mut page = String::from(r#"{"SecretList": ["#);
    for i in 0..100_000 {
        write!(page, "{{\"Name\":\"{PREFIX}x{i}\"}},").unwrap();
    }
    page += "{}]}";
    go_once("a page of 100,000 names", WITH_ROLE, &[lists(page)], 69);
    let short = format!(r#"{{"SecretList": [{}{{}}]}}"#, "{},".repeat(1_000_000));
    go_once("a page of 1,000,000 objects", WITH_ROLE, &[lists(short)], 69);
    let short = format!(r#"{{"SecretList": [{{"VersionStages": [{}""]}}]}}"#, r#""","#.repeat(1_000_000));
    go_once("a page of 1,000,000 items", WITH_ROLE, &[lists(short)], 69);
}

/// What is not wanted costs its name alone, and of names there is a most too.
#[test]
fn names_that_nobody_wants() {
    let entries: Vec<Value> = (0..1000).map(|i| entry(&format!("{PREFIX}{{request_id}}{i}"))).collect();
    let endless = lists(listing(&entries, Some("{request_id}")));
    let aws = FakeAws::start(scenario().fault(endless));
    let run = Run::on_aws(&aws.endpoint(), WITH_ROLE)
        .var("AWS_ACCESS_KEY_ID", POD_KEY)
        .var("AWS_SECRET_ACCESS_KEY", "x")
        .var("SECRETS_INIT_INCLUDE", "o*");
    let held = held::run(&run, DATA);
    println!("names that nobody wants: {:.1} s, {} MiB", held.took.as_secs_f64(), held.peak);
    let ended = held.ended.code(0).says("ASI-405").says("take more memory than a limit of 32 MiB leaves for them");
    assert_eq!(ended.conn_ids(), ["one"]);
    // And where there is memory for more.
    let held = held::run(&run, 512);
    held.ended.code(0).says("ASI-405").says("more than 100000 secrets are there");
    assert_eq!((aws.count_in("BatchGetSecretValue", SHARED), aws.count_in("GetSecretValue", SHARED)), (0, 0));
}

/// Secrets of 64 KiB, the most that AWS takes, each of which is worst to read in its way.
fn largest() -> [(&'static str, String); 9] {
    let keys = |start: &str, one: &dyn Fn(usize) -> String, end: &str| {
        let mut text = start.to_owned();
        for i in 0.. {
            let next = one(i);
            if text.len() + next.len() + end.len() > 65_536 {
                break;
            }
            text += &next;
        }
        text + end
    };
    let deep = format!("{}0{},", r#"{"":"#.repeat(400), "}".repeat(400));
    [
        ("64 KiB of text", keys("mysql://h/?", &|_| "x".into(), "")),
        ("64 KiB of keys", keys(r#"{"conn_type": "x", "extra": {"#, &|i| format!("\"{i}\":1,"), r#""z": 1}}"#)),
        ("64 KiB of items", keys(r#"{"conn_type": "x", "extra": {"a": ["#, &|_| "0,".into(), "0]}}")),
        ("64 KiB of objects", keys(r#"{"conn_type": "x", "extra": {"a": ["#, &|_| "{},".into(), "0]}}")),
        ("64 KiB of small objects", keys(r#"{"conn_type": "x", "extra": {"a": ["#, &|_| r#"{"":0},"#.into(), "0]}}")),
        ("64 KiB of objects in objects", keys(r#"{"conn_type": "x", "extra": {"a": ["#, &|_| deep.clone(), "0]}}")),
        ("64 KiB of parameters", keys("mysql://h/?z=1", &|i| format!("&{i}=1"), "")),
        ("64 KiB of escapes", keys("mysql://h/?a=", &|_| "%".into(), "")),
        ("64 KiB of controls", keys("mysql://h/?a=", &|_| "\u{1}".into(), "")),
    ]
}

/// Of so many secrets with this text, the most that are taken under the limit. More of them is refused: nothing is in between.
#[track_caller]
fn most_taken(what: &str, text: &str, more: &Scenario, counts: &[usize]) -> usize {
    let mut taken = 0;
    for &count in counts {
        let scenario = more.clone().principal(Principal::new(POD_KEY, POD).can(Statement::allow(["*"])));
        let scenario =
            (0..count).fold(scenario, |all, i| all.secret(OWN, REGION, &format!("{PREFIX}c{i}"), Secret::text(text)));
        let aws = FakeAws::start(scenario);
        let run = Run::on_aws(&aws.endpoint(), "{}")
            .var("AWS_ACCESS_KEY_ID", POD_KEY)
            .var("AWS_SECRET_ACCESS_KEY", "x")
            .var("SECRETS_INIT_AIRFLOW_ENV_FILE", "all.env");
        let held = held::run(&run, DATA);
        println!("{what} × {count}: {} {} MiB {:.1} s", held.ended.code, held.peak, held.took.as_secs_f64());
        match held.ended.code {
            0 => taken = count,
            65 => {
                held.ended.says("raise the memory limit of the container");
                break;
            }
            code => panic!("{what}, {count} secrets: {code}"),
        }
    }
    taken
}

/// What is taken fits into the memory that there is.
#[test]
fn what_is_taken_fits() {
    // Not all of the others can be in an environment.
    let small = Scenario::new().secret(OWN, REGION, &format!("{PREFIX}small"), Secret::text("mysql://h"));
    let counts = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 28, 30, 31, 32, 33];
    for (what, text) in largest() {
        assert!(most_taken(what, &text, &small, &counts) > 0, "{what}: none is taken");
    }
}

/// The same of many small ones.
#[test]
fn what_is_taken_of_small_secrets_fits() {
    let usual = format!("postgres://u:{}@h/d", "p".repeat(120));
    for (what, text) in [("tiny", "http://h"), ("usual", &usual)] {
        let taken = most_taken(what, text, &Scenario::new(), &[2000, 3000, 3200, 3400, 3600, 4000, 8000]);
        assert!((3000..8000).contains(&taken), "{what}: {taken}");
    }
}

/// Where not even a thread fits, that is said.
#[test]
fn no_room_for_a_thread() {
    let run = Run::on_document(r#"{"own": {"airflow/connections/a": "mysql://h"}}"#);
    let held = held::run(&run, 4);
    held.ended.code(75).says("there can be no thread for rendering").says("raise the limit of memory or of processes");
}

/// What the owner of an account can really put there: secrets of 64 KiB, as many as they like, each of which is worst to read.
#[test]
fn more_secrets_than_are_taken() {
    let entries: Vec<Value> = (0..100).map(|i| entry(&format!("{PREFIX}{{request_id}}{i}"))).collect();
    for (what, text) in largest() {
        let value = json!({"SecretString": text}).to_string();
        let faults = [
            lists(listing(&entries, Some("{request_id}"))),
            Fault::on("BatchGetSecretValue").account(SHARED).error(400, "AccessDeniedException", "not in batches"),
            Fault::on("GetSecretValue").account(SHARED).body(200, "application/x-amz-json-1.1", value),
        ];
        too_much(what, WITH_ROLE, &faults);
    }
    // In batches, which then are larger than there is memory for.
    let theirs: Vec<String> = (0..40).map(|i| format!("{PREFIX}theirs{i}")).collect();
    let entries: Vec<Value> = theirs.iter().map(|name| entry(name)).collect();
    for (what, text) in largest() {
        let values: Vec<(&str, String)> = theirs.iter().map(|name| (name.as_str(), text.clone())).collect();
        let value = json!({"SecretString": text}).to_string();
        let faults = [
            lists(listing(&entries, None)),
            batches(&values),
            Fault::on("GetSecretValue").account(SHARED).body(200, "application/x-amz-json-1.1", value),
        ];
        too_much(&format!("{what}, in batches"), WITH_ROLE, &faults);
    }
}

/// And what they can't: an answer that holds a value of a megabyte.
#[test]
fn more_text_than_is_taken() {
    // A page of names that are all there, each with what a secret can hold and more.
    let entries: Vec<Value> = (0..100).map(|i| entry(&format!("{PREFIX}{{request_id}}{i}"))).collect();
    let text = format!("mysql://h/?{}", "x".repeat(900_000));
    let value = json!({"SecretString": text}).to_string();
    let faults = [
        lists(listing(&entries, Some("{request_id}"))),
        Fault::on("BatchGetSecretValue").account(SHARED).error(400, "AccessDeniedException", "not in batches"),
        Fault::on("GetSecretValue").account(SHARED).body(200, "application/x-amz-json-1.1", value),
    ];
    too_much("values without end", WITH_ROLE, &faults);
}

// ---- values ------------------------------------------------------------------------------------------------------

#[test]
fn values_that_are_deep_or_large() {
    let listed = ["theirs"].map(|id| entry(&format!("{PREFIX}{id}"))).to_vec();
    let nested = |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    for (what, text) in [
        ("nested lists", nested("[", "]", 30_000)),
        ("nested objects", nested("{\"a\":", "}", 10_000)),
        ("nested extra", format!("{{\"conn_type\": \"x\", \"extra\": {}}}", nested("[", "]", 30_000))),
        ("nested text in extra", format!("{{\"conn_type\": \"x\", \"extra\": {:?}}}", nested("[", "]", 30_000))),
        ("megabytes of extra", format!("{{\"conn_type\": \"x\", \"extra\": {{\"a\": \"{}\"}}}}", "x".repeat(3 << 20))),
        (
            "many keys",
            format!(
                "{{\"conn_type\": \"x\", \"extra\": {{{}\"z\": 1}}}}",
                (0..60_000).map(|i| format!("\"k{i}\": {i}, ")).collect::<String>()
            ),
        ),
        ("a number", format!("{{\"conn_type\": \"x\", \"port\": {}}}", "9".repeat(60_000))),
        ("a long URI", format!("mysql://h/?{}", (0..20_000).map(|i| format!("a{i}=%00&")).collect::<String>())),
    ] {
        let values = [("airflow/connections/theirs", text)];
        let found = go(what, WITH_ROLE, &[lists(listing(&listed, None)), batches(&values)]);
        own_are_there(what, &found);
    }
}
