//! docs/MIGRATION.md, walked through: the settings that the page shows, the program on a fake AWS or on moto, and real Airflow 2.8.1 and
//! 3.3.2 before and after.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::accounts::{POD, POD_KEY};
use fake_aws::{FakeAws, Principal, Role, Scenario, Statement};

const PROGRAM: &str = env!("CARGO_BIN_EXE_airflow-secrets-init");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Where the page has the files.
const SECRETS: &str = "/opt/airflow/secrets";
const OWN: &str = common::accounts::OWN;
const SHARED: &str = "258781458051";
const REGION: &str = "eu-central-1";

type Variables = BTreeMap<String, String>;

/// What stands under a heading of the second level.
fn section(heading: &str) -> String {
    let page = fs::read_to_string(format!("{ROOT}/docs/MIGRATION.md")).unwrap();
    let text = page.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
    text.split("\n## ").next().unwrap().to_owned()
}

/// The bodies of a section's fences in this language.
fn fences(section: &str, language: &str) -> Vec<String> {
    let open = format!("```{language}\n");
    section.split(&open).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The variables of the YAML fence whose first line begins like this, with the place of the files in place of the page's.
fn variables(section: &str, first_line: &str, place: &Path) -> Variables {
    let fences = fences(section, "yaml");
    let fence = fences.iter().find(|fence| fence.starts_with(first_line)).unwrap_or_else(|| panic!("no {first_line}"));
    let read: Variables = serde_saphyr::from_str(fence).unwrap();
    read.into_iter().map(|(name, value)| (name, value.replace(SECRETS, place.to_str().unwrap()))).collect()
}

/// Renders with the settings of the init container as the page has them.
fn render(settings: &Variables, place: &Path, endpoint: &str) {
    let ended = Command::new(PROGRAM)
        .env_clear()
        .envs(settings)
        .env("SECRETS_INIT_CONNECTIONS_FILE", place.join("connections.json"))
        .env("AWS_ENDPOINT_URL", endpoint)
        .envs([("AWS_ACCESS_KEY_ID", POD_KEY), ("AWS_SECRET_ACCESS_KEY", "secret")])
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

/// The pod's role: it may read under this prefix and take any role.
fn pod(prefix: &str) -> Principal {
    Principal::new(POD_KEY, POD)
        .can_all(Statement::secrets_reader(OWN, REGION, prefix))
        .can(Statement::allow(["sts:AssumeRole"]))
}

/// The interpreter of an environment, made if it is not there.
fn interpreter(name: &str) -> PathBuf {
    let made = common::python("tests/airflow/venv.py", &[name]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim().split_once(' ').unwrap().1)
}

/// Runs Python in an Airflow environment with these variables alone; gives what it printed.
fn airflow(interpreter: &Path, home: &Path, variables: &Variables, arguments: &[&str]) -> String {
    let ended = Command::new(interpreter)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", interpreter.parent().unwrap().display()))
        .env("AIRFLOW_HOME", home)
        .env("AIRFLOW__DATABASE__CHECK_MIGRATIONS", "False")
        .envs(variables)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

/// Every field of these connections, one a line, by Airflow's own chain of backends; then these variables.
const LOOK_UP: &str = "import sys
from airflow.models.connection import Connection
from airflow.models.variable import Variable
for name in sys.argv[1:]:
    if name.startswith('variable:'):
        print('found', name, Variable.get_variable_from_secrets(name[9:]))
        continue
    c = Connection.get_connection_from_secrets(name)
    print('found', name, c.conn_type, c.login, c.password, c.host, c.port, c.schema, c.extra_dejson)";

/// What Airflow says of each name.
fn look_up(interpreter: &Path, home: &Path, variables: &Variables, names: &[&str]) -> Vec<String> {
    let printed = airflow(interpreter, home, variables, &[&["-c", LOOK_UP], names].concat());
    printed.lines().filter_map(|line| line.strip_prefix("found ")).map(str::to_owned).collect()
}

#[test]
fn from_the_shared_backend() {
    let section = section("From SharedSecretsManagerBackend");
    let place = tempfile::tempdir().unwrap();
    let reader = format!("arn:aws:iam::{SHARED}:role/airflow-reader");
    let secret = |account: &str, id: &str| {
        (account.to_owned(), format!("airflow/connections/{id}"), format!("http://{account}-{id}"))
    };
    let secrets = [secret(OWN, "own_api"), secret(OWN, "both"), secret(SHARED, "both"), secret(SHARED, "shared_api")];
    let mut scenario = Scenario::new()
        .principal(pod("airflow/connections/"))
        .role(Role::new(&reader).trust(POD).can_all(Statement::secrets_reader(SHARED, REGION, "airflow/connections/")));
    for (account, name, value) in &secrets {
        scenario = scenario.secret(account, REGION, name, value);
    }
    let aws = FakeAws::start(scenario);
    render(&variables(&section, "# the init container", place.path()), place.path(), &aws.endpoint());
    let after = variables(&section, "# after", place.path());
    for version in ["2.8.1", "3.3.2"] {
        let found = look_up(&interpreter(version), place.path(), &after, &["own_api", "both", "shared_api"]);
        let host = |account: &str, id: &str| format!("{id} http None None {account}-{id} None  {{}}");
        assert_eq!(found, [host(OWN, "own_api"), host(OWN, "both"), host(SHARED, "shared_api")], "{version}");
    }
}

#[test]
fn from_the_backend_of_the_provider() {
    let section = section("From SecretsManagerBackend");
    let place = tempfile::tempdir().unwrap();
    let before = variables(&section, "# before", place.path());
    let init = variables(&section, "# the init container", place.path());
    let kwargs = "AIRFLOW__SECRETS__BACKEND_KWARGS";
    assert_eq!(init[kwargs], before[kwargs], "the page says that the kwargs go over as they are");
    let aws = FakeAws::start(
        Scenario::new()
            .principal(pod("team/"))
            .secret(
                OWN,
                REGION,
                "team/connections/warehouse",
                r#"{"conn_type": "postgres", "user": "u", "password": "p/w", "host": "h", "port": "5432"}"#,
            )
            .secret(OWN, REGION, "team/variables/region", "no"),
    );
    render(&init, place.path(), &aws.endpoint());
    let after = variables(&section, "# after", place.path());
    for version in ["2.8.1", "3.3.2"] {
        let found = look_up(&interpreter(version), place.path(), &after, &["warehouse", "variable:region"]);
        assert_eq!(found, ["warehouse postgres u p/w h 5432 None {}", "variable:region no"], "{version}");
    }
}

/// A metastore with these connections, a conn_id and a URI each. With the tables of connections alone: `airflow db migrate` of 2.8.1 needs a web server's packages as they were in early 2024.
const MAKE_METASTORE: &str = "import sys
from airflow import models, settings
from airflow.models.base import Base
models.import_all_models()
tables = Base.metadata.tables
Base.metadata.create_all(settings.engine, tables=[tables[name] for name in ('connection', 'team', 'log') if name in tables])
session = settings.Session()
for conn_id, uri in zip(sys.argv[1::2], sys.argv[2::2]):
    session.add(models.Connection(conn_id=conn_id, uri=uri))
session.commit()";

/// moto, since boto3 writes here as the page does it.
struct Moto {
    server: Child,
    url: String,
    python: PathBuf,
}

impl Moto {
    fn start() -> Self {
        let python = interpreter("moto");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Command::new(python.with_file_name("moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto_server starts");
        let moto = Self { server, url: format!("http://127.0.0.1:{port}"), python };
        let patience = Instant::now() + Duration::from_mins(5);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < patience, "moto_server does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// Connections are made in the metastore, exported, put into Secrets Manager by the page's own program, rendered, and read. The metastore
/// of the second Airflow has none of them.
#[test]
fn from_the_metastore() {
    let section = section("From the metastore");
    for version in ["2.8.1", "3.3.2"] {
        let moto = Moto::start();
        let (place, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let python = interpreter(version);
        let on_shell = |command: &str| {
            let command = command.replace("/dev/shm", place.path().to_str().unwrap());
            let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
            assert_eq!(words[0], "airflow");
            let words: Vec<&str> = ["-m"].into_iter().chain(words.iter().map(String::as_str)).collect();
            airflow(&python, place.path(), &Variables::new(), &words)
        };
        let uris = [
            ["warehouse", "postgres://app:p%2Fw%25@db.internal:5432/dwh?sslmode=require"],
            ["api", "http://api.internal"],
            ["bare", "aws://"],
        ];
        airflow(&python, place.path(), &Variables::new(), &[&["-c", MAKE_METASTORE], uris.as_flattened()].concat());
        let names = uris.map(|[conn_id, _]| conn_id);
        let before = look_up(&python, place.path(), &Variables::new(), &names);
        assert_eq!(before.len(), uris.len());

        let commands = fences(&section, "sh")[0].clone();
        on_shell(commands.lines().find(|line| line.starts_with("airflow ")).unwrap());
        let program = fences(&section, "python")[0].replace("/dev/shm", place.path().to_str().unwrap());
        let ended = Command::new(&moto.python)
            .env_clear()
            .env("AWS_ENDPOINT_URL", &moto.url)
            .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
            .args(["-c", &program])
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));

        fs::remove_file(place.path().join("connections.json")).unwrap();
        render(&variables(&section, "# the init container", place.path()), place.path(), &moto.url);
        let after = variables(&section, "# after", place.path());
        let found = look_up(&python, empty.path(), &after, &names);
        // An empty text and nothing are one to the page's program.
        let same = |lines: Vec<String>| lines.into_iter().map(|line| line.replace("  ", " None ")).collect::<Vec<_>>();
        assert_eq!(same(found), same(before), "{version}");
    }
}
