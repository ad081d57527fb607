//! AWS misbehaves: every call that the program makes, by every fault, for the own and for a shared account. Whatever comes, the
//! run ends with the documented code; what can pass does not stop it; what fails changes no file.
//!
//! `cargo test --test faults -- --nocapture` prints the matrix. `BLESS=1 cargo test --test faults` writes the table of
//! docs/FAULTS.md anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]
#![allow(clippy::disallowed_methods, reason = "BLESS is of this test, not of the program")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use common::accounts::{OWN, POD, POD_KEY, READER, REGION, SHARED, WITH_ROLE};
use common::{Run, held, wait_until};
use fake_aws::{
    ContainerCredentials, FakeAws, Fault, FaultEffect, Imds, Kms, Principal, Role, Scenario, Secret, Statement,
    WebIdentityToken,
};

const OWN_READER: &str = "arn:aws:iam::111111111111:role/reader";
const SUBJECT: &str = "system:serviceaccount:airflow:airflow-worker";
/// In every value, key and token: must be in nothing that is said.
const CANARY: &str = "c4nary";
/// What was there before a run.
const BEFORE: &str = "{\"before\": \"mysql://c4nary@before\"}\n";
/// Secrets of each account: more than a batch.
const COUNT: usize = 25;
/// Of everything random on the side of AWS.
const SEED: u64 = 20;
/// The most memory of a run, in MiB.
const DATA: u64 = 256;
/// Of a run that must end by itself. No machine is so slow that it gets there.
const FAR: Duration = Duration::from_mins(15);
/// Runs at once: most of them wait.
const AT_ONCE: usize = 40;
/// Runs at once on instance metadata: the SDK gives each call there a second, and no more.
const METADATA_AT_ONCE: usize = 8;
/// Runs at once that have much to read: an attempt that is too slow is made again, so they must not take each other's time.
const HEAVY_AT_ONCE: usize = 2;
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/FAULTS.md");

// ---- what can go wrong -------------------------------------------------------------------------------------------

/// A way to go wrong that any call can have.
struct Kind {
    name: &'static str,
    /// What a run does, for the document.
    does: &'static str,
    effect: fn() -> FaultEffect,
    /// How much of the calls it hits, each with what comes of it.
    hits: &'static [Hit],
    /// Calls of which something else comes if it stays.
    but: &'static [(&'static str, &'static [i32])],
    retry: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Hit {
    /// The first call alone: the run succeeds.
    Once,
    /// A share of the calls: the run succeeds.
    Share(f64),
    /// Most of them: the run succeeds or meets its deadline.
    Most(f64),
    /// Every one: the run ends with this code.
    Always(i32),
}

fn error(status: u16, code: &str) -> FaultEffect {
    FaultEffect::Error { status, code: code.to_owned(), message: "in trouble".to_owned(), headers: BTreeMap::new() }
}

/// Where nobody answers, as in most clusters, there are no credentials.
const SILENT: &[(&str, &[i32])] = &[("token of instance metadata", &[77])];

/// It is what the index holds, however long that is said to be: a matter of policy.
const INDEX: &[(&str, &[i32])] = &[("GetSecretValue of the index", &[65])];

const KINDS: &[Kind] = &[
    Kind {
        name: "throttles",
        does: "tries again until the deadline; a throttled batch goes out as single reads",
        effect: || error(400, "ThrottlingException"),
        hits: &[Hit::Share(0.1), Hit::Share(0.5), Hit::Most(0.9), Hit::Always(75)],
        but: &[],
        retry: "yes",
    },
    Kind {
        name: "answers 500",
        does: "tries again, six times",
        effect: || error(500, "InternalServiceError"),
        hits: &[Hit::Once, Hit::Always(69)],
        but: &[],
        retry: "yes",
    },
    Kind {
        name: "answers 503",
        does: "tries again, six times",
        effect: || error(503, "ServiceUnavailable"),
        hits: &[Hit::Once, Hit::Always(69)],
        but: &[],
        retry: "yes",
    },
    Kind {
        name: "resets the connection",
        does: "tries again, six times",
        effect: || FaultEffect::Reset,
        hits: &[Hit::Once, Hit::Always(69)],
        but: SILENT,
        retry: "yes",
    },
    Kind {
        name: "resets the connection within its answer",
        does: "tries again, six times",
        effect: || FaultEffect::ResetMidBody,
        hits: &[Hit::Once, Hit::Always(69)],
        but: &[],
        retry: "yes",
    },
    Kind {
        name: "sends half of its answer",
        does: "tries again, six times",
        effect: || FaultEffect::TruncateBody,
        hits: &[Hit::Once, Hit::Always(69)],
        // Of STS's XML the half can be all that is needed; half a role's name or token is another one.
        but: &[
            ("AssumeRole", &[0, 69]),
            ("AssumeRoleWithWebIdentity", &[0, 69]),
            ("token of instance metadata", &[77]),
            ("role of instance metadata", &[77]),
        ],
        retry: "yes",
    },
    Kind {
        name: "is a gateway with a page of HTML",
        does: "tries again, six times",
        effect: || FaultEffect::Body {
            status: 200,
            content_type: "text/html".to_owned(),
            text: format!("<html><body>{CANARY}</body></html>\n"),
        },
        hits: &[Hit::Once, Hit::Always(69)],
        but: &[],
        retry: "once the gateway is out of the way",
    },
    Kind {
        name: "announces an answer of 64 MiB",
        does: "does not take it; tries again, six times",
        effect: || FaultEffect::HugeBody { bytes: Some(64 << 20) },
        hits: &[Hit::Once, Hit::Always(69)],
        but: INDEX,
        retry: "no",
    },
    Kind {
        name: "sends an answer without end",
        does: "takes 16 MiB of a listing or a batch, 1 MiB of anything else; tries again, six times",
        effect: || FaultEffect::HugeBody { bytes: None },
        hits: &[Hit::Once, Hit::Always(69)],
        but: INDEX,
        retry: "no",
    },
    Kind {
        name: "sends a byte a second",
        does: "gives each attempt 5 s, then 10 s, then 15 s, until the deadline",
        effect: || FaultEffect::SlowBody { chunk_bytes: 1, delay_ms: 1000 },
        hits: &[Hit::Always(75)],
        but: &[],
        retry: "yes",
    },
    Kind {
        name: "never answers",
        does: "gives each attempt 5 s, then 10 s, then 15 s, until the deadline",
        effect: || FaultEffect::Hang,
        hits: &[Hit::Once, Hit::Always(75)],
        but: SILENT,
        retry: "yes",
    },
];

impl Hit {
    fn name(self) -> String {
        match self {
            Self::Once => "once".to_owned(),
            Self::Share(share) | Self::Most(share) => format!("{:.0} %", share * 100.0),
            Self::Always(_) => "always".to_owned(),
        }
    }

    fn on(self, fault: Fault) -> Fault {
        match self {
            Self::Once => fault.times(1),
            Self::Share(share) | Self::Most(share) => fault.probability(share),
            Self::Always(_) => fault,
        }
    }

    /// The codes that may come of it.
    fn codes(self, kind: &Kind, api: &Api) -> Vec<i32> {
        let but = kind.but.iter().find(|(name, _)| *name == api.name).map(|(_, codes)| codes.to_vec());
        match self {
            Self::Once | Self::Share(_) => vec![0],
            Self::Most(_) => vec![0, 75],
            Self::Always(code) => but.unwrap_or_else(|| vec![code]),
        }
    }
}

// ---- who is asked ------------------------------------------------------------------------------------------------

/// A call that the program makes, and a run that makes it.
struct Api {
    name: &'static str,
    account: &'static str,
    /// Which calls the faults hit.
    fault: fn() -> Fault,
    run: fn(&FakeAws) -> Run,
    /// Whether the connections of the shared account are wanted too.
    with_shared: bool,
}

impl Api {
    fn is_of_metadata(&self) -> bool {
        ["container", "metadata"].iter().any(|service| self.name.contains(service))
    }
}

const APIS: &[Api] = &[
    Api {
        name: "ListSecrets",
        account: "own",
        fault: || Fault::on("ListSecrets"),
        run: |aws| with_keys(run(aws, "{}")),
        with_shared: false,
    },
    Api {
        name: "ListSecrets",
        account: "shared",
        fault: || Fault::on("ListSecrets").account(SHARED),
        run: |aws| with_keys(run(aws, WITH_ROLE)),
        with_shared: true,
    },
    Api {
        name: "BatchGetSecretValue",
        account: "own",
        fault: || Fault::on("BatchGetSecretValue"),
        run: |aws| with_keys(run(aws, "{}")).var("SECRETS_INIT_FETCH", "batch"),
        with_shared: false,
    },
    Api {
        name: "BatchGetSecretValue",
        account: "shared",
        fault: || Fault::on("BatchGetSecretValue").account(SHARED),
        run: |aws| with_keys(run(aws, WITH_ROLE)).var("SECRETS_INIT_FETCH", "batch"),
        with_shared: true,
    },
    Api {
        name: "GetSecretValue",
        account: "own",
        fault: || Fault::on("GetSecretValue"),
        run: |aws| with_keys(run(aws, "{}")).var("SECRETS_INIT_FETCH", "single"),
        with_shared: false,
    },
    Api {
        name: "GetSecretValue",
        account: "shared",
        fault: || Fault::on("GetSecretValue").secret("arn:*:222222222222:*"),
        run: |aws| {
            let ids: Vec<String> = ids("s").map(|id| format!("{id:?}")).collect();
            let named = format!(r#"{{"shared_account": "222222222222", "shared_connections": [{}]}}"#, ids.join(", "));
            with_keys(run(aws, &named))
        },
        with_shared: true,
    },
    Api {
        name: "GetSecretValue of the index",
        account: "shared",
        fault: || Fault::on("GetSecretValue").secret("*:airflow/index"),
        run: |aws| with_keys(run(aws, r#"{"shared_account": "222222222222", "shared_index": "airflow/index"}"#)),
        with_shared: true,
    },
    Api {
        name: "AssumeRole",
        account: "own",
        fault: || Fault::on("AssumeRole"),
        run: |aws| with_keys(run(aws, r#"{"role_arn": "arn:aws:iam::111111111111:role/reader"}"#)),
        with_shared: false,
    },
    Api {
        name: "AssumeRole",
        account: "shared",
        fault: || Fault::on("AssumeRole"),
        run: |aws| with_keys(run(aws, WITH_ROLE)),
        with_shared: true,
    },
    Api {
        name: "AssumeRoleWithWebIdentity",
        account: "own",
        fault: || Fault::on("AssumeRoleWithWebIdentity"),
        run: |aws| with_token(run(aws, "{}")).var("AWS_ROLE_ARN", POD),
        with_shared: false,
    },
    Api {
        name: "AssumeRoleWithWebIdentity",
        account: "shared",
        fault: || Fault::on("AssumeRoleWithWebIdentity"),
        run: |aws| {
            let kwargs = WITH_ROLE.replace('}', ", \"shared_role_via\": \"web_identity\"}");
            with_keys(with_token(run(aws, &kwargs)))
        },
        with_shared: true,
    },
    Api {
        name: "GetCallerIdentity",
        account: "shared",
        fault: || Fault::on("GetCallerIdentity"),
        run: |aws| {
            // Nothing under the own prefix says whose account it is.
            let kwargs = r#"{"connections_prefix": "empty", "shared_account": "111111111111"}"#;
            with_keys(run(aws, kwargs))
        },
        with_shared: false,
    },
    Api {
        name: "container credentials",
        account: "own",
        fault: || Fault::on("ContainerCredentials"),
        run: |aws| {
            let uri = format!("{}/v1/credentials", aws.endpoint());
            run(aws, "{}").var("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)
        },
        with_shared: false,
    },
    Api {
        name: "token of instance metadata",
        account: "own",
        fault: || Fault::on("ImdsToken"),
        run: on_node,
        with_shared: false,
    },
    Api {
        name: "role of instance metadata",
        account: "own",
        fault: || Fault::on("ImdsMetadata"),
        run: on_node,
        with_shared: false,
    },
];

fn run(aws: &FakeAws, kwargs: &str) -> Run {
    Run::on_aws(&aws.endpoint(), kwargs).var("SECRETS_INIT_LOG", "debug")
}

fn with_keys(run: Run) -> Run {
    run.var("AWS_ACCESS_KEY_ID", POD_KEY).var("AWS_SECRET_ACCESS_KEY", CANARY)
}

fn with_token(run: Run) -> Run {
    let file = run.path("token");
    std::fs::write(&file, format!("{CANARY}-token")).unwrap();
    run.var("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap())
}

fn on_node(aws: &FakeAws) -> Run {
    run(aws, "{}").without("AWS_EC2_METADATA_DISABLED").var("AWS_EC2_METADATA_SERVICE_ENDPOINT", &aws.endpoint())
}

fn ids(of: &'static str) -> impl Iterator<Item = String> {
    (0..COUNT).map(move |i| format!("{of}{i:02}"))
}

fn text(host: &str) -> Secret {
    Secret::text(format!("mysql://u:{CANARY}@{host}/db"))
}

/// The pod, its roles, every way to credentials, and the secrets of both accounts.
fn scenario() -> Scenario {
    let anything = || Statement::allow(["*"]);
    let key = || Kms::customer("arn:aws:kms:eu-central-1:222222222222:key/k").admit(POD).admit(READER);
    let shared = |host: &str| text(host).readable_by(POD).kms(key());
    let index: Vec<String> = ids("s").collect();
    let index = Secret::text(serde_json::to_string(&index).unwrap()).readable_by(POD).kms(key());
    let mut scenario = Scenario::new()
        .settings(|settings| settings.seed = Some(SEED))
        .principal(Principal::new(POD_KEY, POD).can(anything()))
        .role(Role::new(POD).trust_web_identity(SUBJECT).can(anything()))
        .role(Role::new(OWN_READER).trust(POD).can(anything()))
        .role(Role::new(READER).trust(POD).trust_web_identity(SUBJECT).can(anything()))
        .web_identity_token(WebIdentityToken::new(format!("{CANARY}-token"), SUBJECT))
        .container_credentials(ContainerCredentials::for_role("/v1/credentials", POD))
        .imds(Imds::for_role(POD))
        .secret(SHARED, REGION, "airflow/index", index);
    for id in ids("o") {
        scenario = scenario.secret(OWN, REGION, &format!("airflow/connections/{id}"), text("own"));
    }
    for id in ids("s") {
        scenario = scenario.secret(SHARED, REGION, &format!("airflow/connections/{id}"), shared("shared"));
    }
    scenario
}

/// `conn_id=host` of every connection of the own account, and of the shared one.
fn all(with_shared: bool) -> BTreeSet<String> {
    let own = ids("o").map(|id| format!("{id}=own"));
    let shared = ids("s").filter(|_| with_shared).map(|id| format!("{id}=shared"));
    own.chain(shared).collect()
}

// ---- cells -------------------------------------------------------------------------------------------------------

/// One run, and what must come of it.
struct Cell {
    api: String,
    account: &'static str,
    fault: String,
    codes: Vec<i32>,
    deadline: Duration,
    /// The most memory, in MiB.
    data: u64,
    /// How many of its kind are run at once.
    at_once: usize,
    make: Box<dyn Fn() -> (FakeAws, Run) + Send + Sync>,
    /// While it runs.
    beside: fn(&FakeAws),
    /// What must be in the file, and what may.
    wanted: BTreeSet<String>,
    allowed: BTreeSet<String>,
}

/// What came of it.
struct Row {
    line: String,
    wrong: Option<String>,
}

impl Cell {
    fn of(api: &'static Api, kind: &'static Kind, hit: Hit) -> Self {
        let wanted = all(api.with_shared);
        let codes = hit.codes(kind, api);
        // Short where the run goes on to its deadline, or may. Where it must end by itself no deadline may come first.
        let deadline = match codes[..] {
            [75] => Duration::from_secs(3),
            [0, 75] => Duration::from_secs(6),
            _ if codes.contains(&75) => Duration::from_secs(30),
            _ => FAR,
        };
        Self {
            api: api.name.to_owned(),
            account: api.account,
            fault: format!("{}, {}", kind.name, hit.name()),
            codes,
            deadline,
            data: DATA,
            at_once: match (kind.name.contains("without end"), api.name.contains("instance metadata")) {
                (true, _) => HEAVY_AT_ONCE,
                (false, true) => METADATA_AT_ONCE,
                (false, false) => AT_ONCE,
            },
            make: Box::new(move || {
                let effect = match (kind.effect)() {
                    // These say it by the status alone.
                    FaultEffect::Error { status: 400, code, message, headers } if api.is_of_metadata() => {
                        FaultEffect::Error { status: 429, code, message, headers }
                    }
                    effect => effect,
                };
                let fault = hit.on((api.fault)().effect(effect));
                let aws = FakeAws::start(scenario().fault(fault));
                let run = (api.run)(&aws);
                (aws, run)
            }),
            beside: |_| (),
            allowed: wanted.clone(),
            wanted,
        }
    }

    fn go(&self) -> Row {
        let (aws, run) = (self.make)();
        // So that an index that can't be used is told by its code.
        let run = run.var("SECRETS_INIT_ON_INVALID", "error");
        let run = run.var("SECRETS_INIT_DEADLINE", &format!("{}s", self.deadline.as_secs()));
        std::fs::write(run.path("connections.json"), BEFORE).unwrap();
        let held = std::thread::scope(|scope| {
            scope.spawn(|| (self.beside)(&aws));
            held::run(&run, self.data)
        });
        let calls = aws.stats().calls;
        let wrong = self.judge(&run, &held);
        let line = format!(
            "{:<28} {:<7} {:<50} {:>4} {:>6.1} s {calls:>5} calls {:>4} MiB{}",
            self.api,
            self.account,
            self.fault,
            held.ended.code,
            held.took.as_secs_f64(),
            held.peak,
            if wrong.is_some() { "  WRONG" } else { "" }
        );
        let wrong = wrong.map(|wrong| {
            let log: Vec<&str> = held.ended.stderr.lines().collect();
            let end = log[log.len().saturating_sub(8)..].join("\n");
            format!("{line}\n{wrong}\n{end}\n")
        });
        Row { line, wrong }
    }

    fn judge(&self, run: &Run, held: &held::Held) -> Option<String> {
        let ended = &held.ended;
        let termination = std::fs::read_to_string(run.path("termination-log")).unwrap_or_default();
        if [&ended.stderr, &ended.stdout, &termination].iter().any(|said| said.contains(CANARY)) {
            return Some("a value is told".to_owned());
        }
        if !self.codes.contains(&ended.code) {
            return Some(format!("the code must be one of {:?}", self.codes));
        }
        if ended.code != 0 {
            let is_as_before = ended.file.as_deref() == Some(BEFORE);
            return (!is_as_before).then(|| "the file was changed".to_owned());
        }
        let found: BTreeSet<String> =
            ended.connections().iter().map(|(id, c)| format!("{id}={}", c["host"].as_str().unwrap_or("-"))).collect();
        let lacks: Vec<_> = self.wanted.difference(&found).collect();
        let more: Vec<_> = found.difference(&self.allowed).collect();
        (!lacks.is_empty() || !more.is_empty()).then(|| format!("it lacks {lacks:?} and has {more:?} too many"))
    }
}

/// What is not a fault of a single call: the network, credentials, what is listed.
struct Special {
    name: &'static str,
    does: &'static str,
    retry: &'static str,
    cells: fn() -> Vec<Cell>,
}

/// A cell of its own kind.
fn special(
    api: &str,
    account: &'static str,
    code: i32,
    make: impl Fn() -> (FakeAws, Run) + Send + Sync + 'static,
) -> Cell {
    let wanted = all(account == "shared");
    Cell {
        api: api.to_owned(),
        account,
        fault: String::new(),
        codes: vec![code],
        deadline: FAR,
        data: DATA,
        at_once: AT_ONCE,
        make: Box::new(make),
        beside: |_| (),
        allowed: wanted.clone(),
        wanted,
    }
}

const ROLE_IS_OWN: &str = r#"{"role_arn": "arn:aws:iam::111111111111:role/reader"}"#;

/// Own and shared: what the endpoint of Secrets Manager, and then that of STS, does to a run.
fn endpoints(code: i32, endpoint: fn() -> String) -> Vec<Cell> {
    let of = |name, account, kwargs, variable| {
        special(name, account, code, move || {
            let aws = FakeAws::start(scenario());
            let run = with_keys(run(&aws, kwargs));
            let bundle = run.path("ca.pem");
            // It does not vouch for the server's certificate.
            std::fs::write(&bundle, fake_aws::certificates::SERVER).unwrap();
            let run = run.var("AWS_CA_BUNDLE", bundle.to_str().unwrap());
            (aws, run.var(variable, &endpoint()))
        })
    };
    vec![
        of("ListSecrets", "own", "{}", "AWS_ENDPOINT_URL_SECRETS_MANAGER"),
        of("ListSecrets", "shared", WITH_ROLE, "AWS_ENDPOINT_URL_SECRETS_MANAGER"),
        of("AssumeRole", "own", ROLE_IS_OWN, "AWS_ENDPOINT_URL_STS"),
        of("AssumeRole", "shared", WITH_ROLE, "AWS_ENDPOINT_URL_STS"),
    ]
}

/// An `https` server with a certificate that nobody is told to trust. It stays for the rest of the process.
fn untrusted() -> String {
    let aws = FakeAws::builder().tls().start(Scenario::new()).unwrap();
    let endpoint = aws.endpoint();
    std::mem::forget(aws);
    endpoint
}

/// A server that hangs up once it has read something of the handshake.
fn cut_off() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            drop(stream.read(&mut [0; 64]));
            // The beginning of a ServerHello, and no more.
            drop(stream.write_all(&[0x16, 3, 3, 0, 122, 2]));
        }
    });
    endpoint
}

/// Three pages of own secrets, in a listing that takes its time.
fn long_lists(account: &str) -> Scenario {
    let of = |i| format!("airflow/connections/p{i:03}");
    let host = if account == OWN { "own" } else { "shared" };
    (0..250).fold(scenario(), |all, i| all.secret(account, REGION, &of(i), text(host)))
}

/// The ids of [`long_lists`].
fn long(host: &str) -> BTreeSet<String> {
    (0..250).map(|i| format!("p{i:03}={host}")).collect()
}

/// The second page comes when what lasts three seconds has expired. All others come at once, so that each call with new
/// credentials has all of the three.
fn slow_second_page(account: &str) -> Fault {
    Fault::on("ListSecrets").account(account).skip(1).times(1).latency(Duration::from_millis(3500))
}

fn expiring(account: &'static str) -> Cell {
    let (place, kwargs, host) =
        if account == "own" { (OWN, ROLE_IS_OWN, "own") } else { (SHARED, WITH_ROLE, "shared") };
    let mut cell = special("AssumeRole", account, 0, move || {
        let role = |arn| Role::new(arn).trust(POD).can(Statement::allow(["*"])).session_seconds(3);
        let scenario = long_lists(place).role(role(OWN_READER)).role(role(READER));
        let aws = FakeAws::start(scenario.fault(slow_second_page(place)));
        let run = with_keys(run(&aws, kwargs));
        (aws, run)
    });
    cell.wanted.extend(long(host));
    cell.allowed = cell.wanted.clone();
    cell
}

/// What an agent gives near the end of its life.
fn expiring_of_agent() -> Cell {
    let mut cell = special("container credentials", "own", 0, || {
        let role = Role::new(POD).can(Statement::allow(["*"])).session_seconds(3);
        let aws = FakeAws::start(long_lists(OWN).role(role).fault(slow_second_page(OWN)));
        let uri = format!("{}/v1/credentials", aws.endpoint());
        let run = run(&aws, "{}").var("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri);
        (aws, run)
    });
    cell.wanted.extend(long("own"));
    cell.allowed = cell.wanted.clone();
    cell
}

fn revoked(account: &'static str, code: &'static str) -> Cell {
    let (place, kwargs) = if account == "own" { (OWN, "{}") } else { (SHARED, WITH_ROLE) };
    special("every call", account, 77, move || {
        let error = || Fault::on("*Secret*").account(place).skip(2).error(400, code, "refused");
        let aws = FakeAws::start(long_lists(place).fault(error()));
        let run = with_keys(run(&aws, kwargs));
        (aws, run)
    })
}

fn changing(account: &'static str) -> Cell {
    let (place, kwargs, host) = if account == "own" { (OWN, "{}", "own") } else { (SHARED, WITH_ROLE, "shared") };
    let mut cell = special("ListSecrets", account, 0, move || {
        let slow = || Fault::on("ListSecrets").latency(Duration::from_millis(300));
        let aws = FakeAws::start(long_lists(place).fault(slow()));
        let run = with_keys(run(&aws, kwargs));
        (aws, run)
    });
    cell.beside = |aws| {
        // Once the first page has been sent, and the next is asked for, some of the last go away and others come.
        wait_until("a second page", || [OWN, SHARED].iter().any(|account| aws.count_in("ListSecrets", account) > 1));
        let gone: serde_json::Map<_, _> =
            (240..250).map(|i| (format!("airflow/connections/p{i}"), ().into())).collect();
        let change = |account: &str| {
            let document = serde_json::json!({"accounts": {account: {"regions": {REGION: {"secrets": gone}}}}});
            let scenario: Scenario = serde_json::from_value(document).unwrap();
            let new = ["a-new", "z-new"].map(|id| format!("airflow/connections/{id}"));
            new.iter().fold(scenario, |all, name| all.secret(account, REGION, name, text("new")))
        };
        for account in [OWN, SHARED] {
            aws.extend(change(account)).unwrap();
        }
    };
    cell.wanted.extend(long(host));
    cell.allowed.extend(cell.wanted.clone());
    cell.allowed.extend(["a-new=new", "z-new=new"].map(str::to_owned));
    for i in 240..250 {
        cell.wanted.remove(&format!("p{i}={host}"));
    }
    cell
}

fn disordered(account: &'static str) -> Cell {
    let (place, kwargs, host) = if account == "own" { (OWN, "{}", "own") } else { (SHARED, WITH_ROLE, "shared") };
    let mut cell = special("ListSecrets", account, 0, move || {
        let aws = FakeAws::start(long_lists(place).settings(|settings| {
            settings.shuffle_pages = Some(true);
            settings.repeat_across_pages = Some(true);
            settings.empty_page_every = Some(2);
        }));
        let run = with_keys(run(&aws, kwargs));
        (aws, run)
    });
    cell.wanted.extend(long(host));
    cell.allowed = cell.wanted.clone();
    cell
}

/// Secrets that are as large as one can be.
fn full(account: &'static str, count: usize) -> Cell {
    let (place, kwargs, host) = if account == "own" { (OWN, "{}", "own") } else { (SHARED, WITH_ROLE, "shared") };
    let mut cell = special("every call", account, 0, move || {
        let start = format!(
            "{{\"conn_type\": \"mysql\", \"host\": \"{host}\", \"password\": \"{CANARY}\", \"extra\": {{\"x\": \""
        );
        let value = format!("{start}{}\"}}}}", "x".repeat(65_536 - start.len() - 3));
        let secret = Secret::text(value);
        let scenario = (0..count).fold(scenario(), |all, i| {
            all.secret(place, REGION, &format!("airflow/connections/f{i:03}"), secret.clone())
        });
        let aws = FakeAws::start(scenario);
        // More than a megabyte an answer: few at once, so that each comes within its attempt on a slow machine too.
        let run = with_keys(run(&aws, kwargs)).var("SECRETS_INIT_CONCURRENCY", "4");
        (aws, run)
    });
    cell.data = 640;
    cell.at_once = HEAVY_AT_ONCE;
    cell.wanted.extend((0..count).map(|i| format!("f{i:03}={host}")));
    cell.allowed = cell.wanted.clone();
    cell
}

/// Credentials that no request could carry.
fn unusable(operation: &'static str, run: fn(&FakeAws) -> Run) -> Cell {
    special(operation, "own", 77, move || {
        let document = r#"{"Code": "Success", "AccessKeyId": "AKIA\r\nx: y", "SecretAccessKey": "c4nary", "Token": "c4nary\n\u001b",
            "Expiration": "2099-01-01T00:00:00Z"}"#;
        // The first answer of the instance is the role's name.
        let skip = u64::from(operation == "ImdsMetadata");
        let fault = Fault::on(operation).skip(skip).body(200, "application/json", document);
        let aws = FakeAws::start(scenario().fault(fault));
        let run = run(&aws);
        (aws, run)
    })
}

const SPECIALS: &[Special] = &[
    Special {
        name: "shows a certificate that is not trusted",
        does: "ends",
        retry: "once the CA is in the bundle",
        cells: || endpoints(69, untrusted),
    },
    Special {
        name: "hangs up within the handshake of TLS",
        does: "tries again, six times",
        retry: "yes",
        cells: || endpoints(69, cut_off),
    },
    Special {
        name: "has a name that DNS does not know",
        does: "tries again, six times",
        retry: "yes",
        cells: || endpoints(69, || "http://no-such-host.invalid".to_owned()),
    },
    Special {
        name: "gives credentials that expire within the run",
        does: "takes new ones",
        retry: "",
        cells: || vec![expiring("own"), expiring("shared"), expiring_of_agent()],
    },
    Special {
        name: "gives credentials that no request can carry",
        does: "ends",
        retry: "no",
        cells: || {
            vec![
                unusable("ContainerCredentials", |aws| {
                    let uri = format!("{}/v1/credentials", aws.endpoint());
                    run(aws, "{}").var("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)
                }),
                unusable("ImdsMetadata", on_node),
            ]
        },
    },
    Special {
        name: "does not take the credentials any more",
        does: "ends, unless there are new ones",
        retry: "no",
        cells: || {
            vec![
                revoked("own", "ExpiredTokenException"),
                revoked("own", "UnrecognizedClientException"),
                revoked("shared", "ExpiredTokenException"),
                revoked("shared", "UnrecognizedClientException"),
            ]
        },
    },
    Special {
        name: "lists other secrets from page to page",
        does: "takes what is there all the time; what comes or goes meanwhile may be in the file",
        retry: "",
        cells: || vec![changing("own"), changing("shared")],
    },
    Special {
        name: "lists secrets twice, in no order, with empty pages",
        does: "takes each once",
        retry: "",
        cells: || vec![disordered("own"), disordered("shared")],
    },
    Special {
        name: "holds a thousand secrets of 64 KiB",
        does: "takes them",
        retry: "",
        cells: || vec![full("own", 1000), full("shared", 250)],
    },
];

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for kind in KINDS {
        cells.extend(kind.hits.iter().flat_map(|hit| APIS.iter().map(|api| Cell::of(api, kind, *hit))));
    }
    for special in SPECIALS {
        cells.extend((special.cells)().into_iter().map(|cell| Cell { fault: special.name.to_owned(), ..cell }));
    }
    cells
}

// ---- the document ------------------------------------------------------------------------------------------------

/// The codes of some cells, with the calls of which another one comes: "69; AssumeRole: 0 or 69".
fn codes(cells: &[Cell]) -> String {
    let mut by_code: BTreeMap<Vec<i32>, Vec<&str>> = BTreeMap::new();
    for cell in cells {
        let apis = by_code.entry(cell.codes.clone()).or_default();
        if !apis.contains(&cell.api.as_str()) {
            apis.push(&cell.api);
        }
    }
    let mut all: Vec<_> = by_code.into_iter().collect();
    all.sort_by_key(|(_, calls)| std::cmp::Reverse(calls.len()));
    let words = |codes: &[i32]| codes.iter().map(i32::to_string).collect::<Vec<_>>().join(" or ");
    let texts = all.iter().enumerate().map(|(place, (codes, calls))| match place {
        0 => words(codes),
        _ => format!("{}: {}", calls.join(", "), words(codes)),
    });
    texts.collect::<Vec<_>>().join("; ")
}

fn row(fault: &str, does: &str, passes: &str, stays: &str, retry: &str) -> String {
    format!("| {fault} | {does} | {passes} | {stays} | {retry} |\n")
}

/// Every fault with what the cells of the matrix prove.
fn table() -> String {
    let head =
        "| AWS ... | a run ... | code, if it passes | code, if it stays | a retry helps |\n|---|---|---|---|---|\n";
    let mut table = head.to_owned();
    for kind in KINDS {
        let of = |is_wanted: fn(&Hit) -> bool| {
            let hits = kind.hits.iter().copied().filter(is_wanted);
            codes(&hits.flat_map(|hit| APIS.iter().map(move |api| Cell::of(api, kind, hit))).collect::<Vec<_>>())
        };
        let passes = of(|hit| matches!(hit, Hit::Once | Hit::Share(_)));
        table += &row(kind.name, kind.does, &passes, &of(|hit| matches!(hit, Hit::Always(_))), kind.retry);
    }
    for special in SPECIALS {
        table += &row(special.name, special.does, "", &codes(&(special.cells)()), special.retry);
    }
    table
}

#[test]
fn the_page_has_every_fault_with_its_code() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (mark, end) = ("<!-- the table of tests/faults.rs -->\n", "<!-- its end -->");
    let (before, rest) = page.split_once(mark).expect("the mark of the table");
    let (documented, after) = rest.split_once(end).expect("the end of the table");
    let table = table();
    if documented != table && std::env::var_os("BLESS").is_some() {
        std::fs::write(PAGE, format!("{before}{mark}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(documented, table);
    }
}

// ---- the matrix --------------------------------------------------------------------------------------------------

/// Runs the cells, so many at once.
fn go(cells: &[&Cell], at_once: usize) -> Vec<Row> {
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let row = cell.go();
                    rows.lock().unwrap_or_else(PoisonError::into_inner).push(row);
                }
            });
        }
    });
    rows.into_inner().unwrap()
}

#[test]
fn the_matrix() {
    let mut cells = cells();
    // Those that go on to their deadline first, the longest before all: the others fill the time.
    cells.sort_by_key(|cell| (cell.deadline == FAR, std::cmp::Reverse(cell.deadline)));
    let filter = std::env::var("FAULTS").unwrap_or_default();
    cells.retain(|cell| format!("{} {} {}", cell.api, cell.account, cell.fault).contains(&filter));
    let mut rows = Vec::new();
    for at_once in [AT_ONCE, METADATA_AT_ONCE, HEAVY_AT_ONCE] {
        let of_kind: Vec<&Cell> = cells.iter().filter(|cell| cell.at_once == at_once).collect();
        rows.extend(go(&of_kind, at_once));
    }
    rows.sort_by(|a, b| a.line.cmp(&b.line));
    let mut table = format!("seed {SEED}; {} cells\n", rows.len());
    for row in &rows {
        writeln!(table, "{}", row.line).unwrap();
    }
    println!("{table}");
    let wrong: Vec<&str> = rows.iter().filter_map(|row| row.wrong.as_deref()).collect();
    assert!(wrong.is_empty(), "{} of {} cells:\n\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
