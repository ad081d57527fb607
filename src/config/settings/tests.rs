//! Inputs and what comes of them; wrong ones rank with right ones and assert the whole line.

use super::*;
use crate::render::template::load::Templates;
use secrecy::ExposeSecret;

use std::path::Path;

use crate::config::keys::{KEYS, KeyTable};
use crate::config::kwargs::{KnownBy, RoleVia, SharedAccount, SharedNames};
use crate::error::Exit;
use crate::model::aws::Region;
use crate::model::connection::Field;
use crate::text::parse_duration;

fn env(pairs: &[(&str, &str)]) -> Env {
    pairs.iter().copied().collect()
}

fn load(pairs: &[(&str, &str)]) -> Result<Settings, Failure> {
    let env = env(pairs);
    let mut errors = ConfigErrors::default();
    let raw = RawSettings::default().with_variables(&env, &mut errors);
    let read = Settings::read(&env, &raw, &mut errors);
    let _templates = Templates::load(&read.templates, &env, &mut errors);
    errors.into_result(read.settings)
}

fn with_kwargs(kwargs: &str) -> Result<Settings, Failure> {
    load(&[("AIRFLOW__SECRETS__BACKEND_KWARGS", kwargs), ("AWS_REGION", "eu-west-1")])
}

/// The lines of a refusal.
fn refused(pairs: &[(&str, &str)]) -> Vec<String> {
    let failure = load(pairs).err().expect("must be refused");
    assert_eq!(failure.exit(), Exit::Config);
    failure.lines().to_vec()
}

fn refused_kwargs(kwargs: &str) -> Vec<String> {
    refused(&[("AIRFLOW__SECRETS__BACKEND_KWARGS", kwargs), ("AWS_REGION", "eu-west-1")])
}

fn connections_prefix(settings: &Settings) -> Option<String> {
    settings.kwargs.names[Kind::Connection].prefix.clone()
}

/// What a shared account's connections are called.
fn names(account: &SharedAccount) -> &SharedNames {
    account.names[Kind::Connection].as_ref().unwrap()
}

/// Airflow's switch of teams.
const SWITCH: &str = "AIRFLOW__CORE__MULTI_TEAM";

const NO_KWARGS: (&str, &str) = ("AIRFLOW__SECRETS__BACKEND_KWARGS", "{}");

#[test]
fn nothing_but_kwargs_gives_the_defaults() {
    let settings = load(&[NO_KWARGS]).unwrap();
    assert_eq!(connections_prefix(&settings).as_deref(), Some("airflow/connections"));
    assert_eq!(settings.outputs.connections.as_ref().unwrap().path, Path::new("/opt/airflow/secrets/connections.json"));
    assert_eq!((settings.outputs.connections.as_ref().unwrap().format, settings.file_mode), (Format::Json, 0o440));
    assert_eq!((settings.outputs.backend_module, settings.deadline), (None, Duration::from_mins(1)));
    let warn = Policy::Warn;
    let error = Policy::Error;
    assert_eq!(
        settings.policies,
        Policies { invalid: warn, denied: warn, missing: error, empty: error, empty_account: warn, shared: error }
    );
    assert_eq!((settings.target, settings.store), (AirflowTarget::V3, StoreChoice::Aws));
    assert_eq!(
        settings.regions,
        Regions { own: None, own_is_after_profile: true, shared: "eu-central-1".parse().unwrap() }
    );
}

/// Unset is once, and what belongs to it is then said to have no effect.
#[test]
fn the_refresh_is_off_unless_an_interval_is_named() {
    const REFRESH: &str = "SECRETS_INIT_REFRESH";
    const STALE: &str = "SECRETS_INIT_REFRESH_MAX_STALE";
    const STATUS: &str = "SECRETS_INIT_STATUS_FILE";
    assert_eq!(load(&[NO_KWARGS]).unwrap().refresh, None);
    let without = load(&[NO_KWARGS, (REFRESH, ""), (STALE, "1h"), (STATUS, "/s.json")]).unwrap();
    assert_eq!(without.refresh, None);
    assert_eq!(without.notices.iter().filter(|notice| notice.contains("has no effect")).count(), 2);
    let of = |pairs: &[(&str, &str)]| load(&[&[NO_KWARGS], pairs].concat()).unwrap().refresh.unwrap();
    let plain = of(&[(REFRESH, "5m")]);
    assert_eq!((plain.interval, plain.max_stale), (Duration::from_mins(5), None));
    assert_eq!(plain.status_file, Path::new("/opt/airflow/secrets/refresh-status.json"));
    let all = of(&[(REFRESH, "24h"), (STALE, "720h"), (STATUS, "/s/status.json")]);
    assert_eq!((all.interval, all.max_stale), (Duration::from_hours(24), Some(Duration::from_hours(720))));
    assert_eq!(all.status_file, Path::new("/s/status.json"));
    let beside = of(&[
        (REFRESH, "30s"),
        ("SECRETS_INIT_CONNECTIONS_FILE", "none"),
        ("SECRETS_INIT_VARIABLES_FILE", "/v/v.json"),
    ]);
    assert_eq!(beside.status_file, Path::new("/v/refresh-status.json"));
    for (interval, stale) in
        [("29s", "1h"), ("25h", "100h"), ("soon", "1h"), ("5m", "9m"), ("5m", "721h"), ("5m", "soon")]
    {
        assert_eq!(refused(&[NO_KWARGS, (REFRESH, interval), (STALE, stale)]).len(), 1, "{interval} {stale}");
    }
    let in_place = [NO_KWARGS, (REFRESH, "5m"), (STATUS, "/opt/airflow/secrets/connections.json")];
    assert!(refused(&in_place)[0].contains("give each its own file"));
}

#[test]
fn every_mistake_is_told_at_once_with_the_nearest_name() {
    let lines = refused(&[
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", r#"{"conections_prefix": "x", "shared_account": "12", "sep": 3}"#),
        ("SECRETS_INIT_ON_INVALD", "warn"),
        ("SECRETS_INIT_ON_DENIED", "eror"),
        ("SECRETS_INIT_FILE_MODE", "0444"),
        ("SECRETS_INIT_CONNECTIONS_FILE", "/x/connections.toml"),
        ("SECRETS_INIT_BACKEND_MODULE_FILE", "/x/lazy-backend.py"),
        ("SECRETS_INIT_DEADLINE", "soon"),
        ("SECRETS_INIT_VARIABLES_FILE", "/x/variables.txt"),
        ("SECRETS_INIT_CONFIGS_FILE", "/x/a.json"),
        ("SECRETS_INIT_AIRFLOW_ENV_FILE", "/x/airflow.sh"),
        ("SECRETS_INIT_TEMPLATES", "/nonexistent/a.j2=/x/a.json\n=x\nnothing"),
        ("SECRETS_INIT_TEMPLATE", "a=b"),
        ("LOG_SENSITIVE_BODIES", "true"),
    ]);
    let expected = [
        "SECRETS_INIT_ON_INVALD: unknown variable; did you mean SECRETS_INIT_ON_INVALID?",
        "SECRETS_INIT_TEMPLATE: --template is a flag alone; the variable is SECRETS_INIT_TEMPLATES, one SRC=DEST a line",
        "LOG_SENSITIVE_BODIES: makes the AWS SDK log secret values; unset it",
        "SECRETS_INIT_TEMPLATES: entry 2 is not of the form SRC=DEST",
        "SECRETS_INIT_TEMPLATES: entry 3 is not of the form SRC=DEST",
        "conections_prefix: unknown key in AIRFLOW__SECRETS__BACKEND_KWARGS; did you mean connections_prefix?",
        "AIRFLOW__SECRETS__BACKEND_KWARGS key sep: must be a string",
        "AIRFLOW__SECRETS__BACKEND_KWARGS key shared_account: is not a 12-digit account number in quotes",
        "SECRETS_INIT_ON_DENIED: must be one of error, warn, ignore; did you mean error?",
        "SECRETS_INIT_CONNECTIONS_FILE: must end in .json, .yaml, .yml or .env: Airflow tells the format by it",
        "SECRETS_INIT_VARIABLES_FILE: must end in .json, .yaml, .yml or .env: Airflow tells the format by it",
        "SECRETS_INIT_AIRFLOW_ENV_FILE: must end in .env (docker compose and shells) or .list (docker and podman run --env-file, \
         which know no quotes)",
        "SECRETS_INIT_BACKEND_MODULE_FILE: must be called as Python can import it: letters, digits and underscores, a letter \
         first, no keyword of Python, such as secrets_init_backend.py",
        "SECRETS_INIT_TEMPLATES: /x/a.json is where SECRETS_INIT_CONFIGS_FILE is written; give each its own file",
        "SECRETS_INIT_FILE_MODE: would let everybody on the machine at the secrets; the last digit must be 0",
        "SECRETS_INIT_DEADLINE: must be a duration such as 500ms, 60s or 2m, at most 1h",
        "template /nonexistent/a.j2: No such file or directory; check the path",
    ];
    assert_eq!(lines, expected);
}

/// Nothing that is wrong hides anything else: a deployment is corrected once.
#[test]
fn an_error_in_every_setting_and_every_key_is_reported_in_one_run() {
    let settings = RawSettings::NAMES.iter().filter(|name| !["backend_kwargs", "termination_log"].contains(name));
    let variable = |name: &&&str| format!("SECRETS_INIT_{}", name.to_uppercase());
    let value = |name: &str| if ["include", "exclude"].contains(&name) { "[" } else { "," };
    let mut wrong: Vec<(String, &str)> = settings.map(|name| (variable(&name), value(name))).collect();
    let aws = ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"];
    wrong.extend(aws.map(|name| (name.to_owned(), ",")));
    wrong.push(("LOG_SENSITIVE_BODIES".to_owned(), "1"));
    wrong.push(("AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_FILE_PATH".to_owned(), "x"));
    let takes_anything = "are_secret_values_urlencoded";
    let keys = KEYS.iter().filter(|key| key.name == "use_ssl" || key.group != KeyTable::NoEffect);
    let keys: Vec<&str> = keys.map(|key| key.name).filter(|name| *name != takes_anything).collect();
    let value = |key: &str| if key == "use_ssl" { "false" } else { "5" };
    let pairs: Vec<String> = keys.iter().map(|key| format!("\"{key}\": {}", value(key))).collect();
    let kwargs =
        format!(r#"{{{}, "variables_file_path": "x", "sepp": "x", "{takes_anything}": true}}"#, pairs.join(", "));
    let mut variables: Vec<(&str, &str)> = wrong.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    variables.push(("SECRETS_INIT_BACKEND_KWARGS", &kwargs));
    let lines = refused(&variables);
    for (name, _) in &wrong {
        assert!(lines.iter().any(|line| line.starts_with(&format!("{name}: "))), "{name}: {lines:#?}");
    }
    for key in keys {
        let count = lines.iter().filter(|line| line.contains(&format!(" key {key}: "))).count();
        assert_eq!(count, 1, "{key}: {lines:#?}");
    }
    for words in ["sepp: unknown key", "holds variables_file_path"] {
        assert!(lines.iter().any(|line| line.contains(words)), "{words}: {lines:#?}");
    }
}

#[test]
fn no_line_ever_repeats_a_value() {
    let canary = "c4nary";
    let everywhere: Vec<(String, String)> = RawSettings::NAMES
        .iter()
        .enumerate()
        .filter(|(_, name)| **name != "backend_kwargs")
        // No two are one: of two outputs in one place that is named.
        .map(|(number, name)| (format!("SECRETS_INIT_{}", name.to_uppercase()), format!("{canary}{number}")))
        .collect();
    let mut pairs: Vec<(&str, &str)> = everywhere.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    pairs.push(("AWS_REGION", canary));
    let kwargs: String = KEYS.iter().map(|key| format!(r#""{}": "{canary}""#, key.name)).collect::<Vec<_>>().join(",");
    let kwargs = format!("{{{kwargs}}}");
    pairs.push(("AIRFLOW__SECRETS__BACKEND_KWARGS", &kwargs));
    for line in refused(&pairs).iter().chain(&refused_kwargs(&format!("{{\"x\": {canary}"))) {
        assert!(!line.contains(canary), "{line}");
    }
}

#[test]
fn the_first_place_with_kwargs_wins_and_per_key_variables_are_laid_over() {
    let all = [
        ("SECRETS_INIT_BACKEND_KWARGS", r#"{"connections_prefix": "one"}"#),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", r#"{"connections_prefix": "two"}"#),
        ("AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS", r#"{"connections_prefix": "three", "sep": "-"}"#),
    ];
    for (from, expected) in [(0, "one"), (1, "two"), (2, "three")] {
        let settings = load(&all[from..]).unwrap();
        assert_eq!(connections_prefix(&settings).as_deref(), Some(expected));
    }
    let flags =
        RawSettings { backend_kwargs: Some(r#"{"connections_prefix": "flag"}"#.into()), ..RawSettings::default() };
    let settings = Settings::load(&env(&all), flags).unwrap();
    assert_eq!(connections_prefix(&settings).as_deref(), Some("flag"));
    let settings = load(&[all[1], ("AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_PREFIX", "over")]).unwrap();
    assert_eq!(connections_prefix(&settings).as_deref(), Some("over"));
    // Raw text, not expanded, and no secret's name holds a `$`.
    let lines = refused(&[all[1], ("AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_PREFIX", "$over"), ("over", "x")]);
    assert!(lines[0].contains("connections_prefix: holds a character"), "{lines:?}");
    let settings = load(&[("AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_PREFIX", "alone")]).unwrap();
    assert_eq!(connections_prefix(&settings).as_deref(), Some("alone"));
}

#[test]
fn kwargs_come_from_a_file_after_an_at_sign() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kwargs.json");
    std::fs::write(&path, r#"{"connections_prefix": "from/${WHERE}"}"#).unwrap();
    let at = format!("@{}", path.display());
    let settings = load(&[("SECRETS_INIT_BACKEND_KWARGS", &at), ("WHERE", "file")]).unwrap();
    assert_eq!(connections_prefix(&settings).as_deref(), Some("from/file"));
    let lines = refused(&[("SECRETS_INIT_BACKEND_KWARGS", "@/nowhere/kwargs.json")]);
    assert_eq!(
        lines,
        ["SECRETS_INIT_BACKEND_KWARGS: can't read the file /nowhere/kwargs.json: No such file or directory"]
    );
}

#[test]
fn kwargs_that_are_not_there_or_not_ours_are_told_apart() {
    let none = refused(&[]);
    assert!(none[0].starts_with("AIRFLOW__SECRETS__BACKEND_KWARGS: is not set"), "{none:?}");
    let cmd = refused(&[("AIRFLOW__SECRETS__BACKEND_KWARGS_CMD", "cat x")]);
    assert!(cmd[0].starts_with("AIRFLOW__SECRETS__BACKEND_KWARGS_CMD: is not supported: it runs a command"), "{cmd:?}");
    let secret = refused(&[("AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS_SECRET", "x")]);
    assert!(secret[0].contains("would ask the secrets backend for its own configuration"), "{secret:?}");
    let reader = refused_kwargs(r#"{"connections_file_path": "/x.json"}"#);
    assert!(reader[0].contains("this is the configuration of LocalFilesystemBackend"), "{reader:?}");
    assert_eq!(refused_kwargs("[]").len(), 1);
    let map = refused_kwargs("map[connections_prefix:x]");
    assert!(map[0].contains("line 1 column 1") && map[0].contains("a YAML map was given"), "{map:?}");
}

#[test]
fn names_are_expanded_as_airflow_does_unless_switched_off() {
    let pairs = [
        (
            "AIRFLOW__SECRETS__BACKEND_KWARGS",
            r#"{"connections_prefix": "af/${ENVIRONMENT}/x", "connections_lookup_pattern": "a$nope"}"#,
        ),
        ("ENVIRONMENT", "dev"),
    ];
    let settings = load(&pairs).unwrap();
    assert_eq!(connections_prefix(&settings).as_deref(), Some("af/dev/x"));
    assert!(settings.notices.iter().any(|notice| notice.contains("holds a $ that is followed by no name")));
    let lines = refused(&[pairs[0], pairs[1], ("SECRETS_INIT_EXPAND_ENV", "false")]);
    assert!(lines.iter().any(|line| line.contains("connections_prefix") && line.contains("no secret's name can hold")));
}

/// What the original's own example holds: without its variables the run would read other secrets.
#[test]
fn a_name_that_is_not_set_is_an_error_wherever_it_would_lead_elsewhere() {
    for (kwargs, key, name) in [
        (r#"{"connections_prefix": "aily/${tenant_name}/airflow"}"#, "connections_prefix", "$tenant_name"),
        (r#"{"variables_prefix": "$V"}"#, "variables_prefix", "$V"),
        (r#"{"config_prefix": "$V"}"#, "config_prefix", "$V"),
        (r#"{"sep": "$V"}"#, "sep", "$V"),
        (r#"{"region_name": "$R"}"#, "region_name", "$R"),
        (r#"{"profile_name": "$P"}"#, "profile_name", "$P"),
        (r#"{"role_arn": "arn:aws:iam::$ACC:role/x"}"#, "role_arn", "$ACC"),
        (r#"{"assume_role_kwargs": {"ExternalId": "$X"}}"#, "assume_role_kwargs", "$X"),
        (r#"{"endpoint_url": "https://$HOST"}"#, "endpoint_url", "$HOST"),
        (r#"{"shared_account": "$ACC"}"#, "shared_account", "$ACC"),
        (r#"{"shared_account": "222222222222", "aws_region": "$R"}"#, "aws_region", "$R"),
        (
            r#"{"shared_account": "222222222222", "connections_prefix_shared": "a/$E"}"#,
            "connections_prefix_shared",
            "$E",
        ),
        (r#"{"shared_account": "222222222222", "shared_connections": ["$C"]}"#, "shared_connections", "$C"),
        (r#"{"shared_account": "222222222222", "shared_index": "${I}"}"#, "shared_index", "$I"),
        (r#"{"shared": [{"account": "$ACC"}]}"#, "shared", "$ACC"),
    ] {
        let lines = refused(&[("AIRFLOW__SECRETS__BACKEND_KWARGS", kwargs), ("SECRETS_INIT_ON_DENIED", "eror")]);
        let is_it = |line: &String| line.contains(&format!("key {key}: holds {name}, and no such variable is set"));
        assert!(lines.iter().any(is_it), "{kwargs}: {lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("SECRETS_INIT_ON_DENIED")), "every error is reported");
    }
    // Set and empty is not the same as not set.
    let empty = [("AIRFLOW__SECRETS__BACKEND_KWARGS", r#"{"connections_prefix": "a${E}"}"#), ("E", "")];
    assert_eq!(connections_prefix(&load(&empty).unwrap()).as_deref(), Some("a"));
    // A password may hold a `$`, and its text is not repeated.
    let password = r#"{"aws_access_key_id": "AKIA", "aws_secret_access_key": "a$canary"}"#;
    let settings = with_kwargs(password).unwrap();
    assert!(settings.notices.iter().any(|notice| notice.contains("holds a $")));
    assert!(!settings.notices.iter().any(|notice| notice.contains("canary")));
}

/// Kubernetes puts these into every pod of a namespace with a Service called `secrets-init`, or `secrets-init-x`.
#[test]
fn variables_of_service_links_are_left_alone_and_no_others() {
    let of_services = [
        ("SECRETS_INIT_SERVICE_HOST", "10.0.0.1"),
        ("SECRETS_INIT_SERVICE_PORT", "8080"),
        ("SECRETS_INIT_SERVICE_PORT_HTTP", "8080"),
        ("SECRETS_INIT_PORT", "tcp://10.0.0.1:8080"),
        ("SECRETS_INIT_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("SECRETS_INIT_PORT_8080_TCP_PROTO", "tcp"),
        ("SECRETS_INIT_PORT_8080_TCP_PORT", "8080"),
        ("SECRETS_INIT_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("SECRETS_INIT_PORT_53_UDP_ADDR", "10.0.0.1"),
        ("SECRETS_INIT_WEB_SERVICE_HOST", "10.0.0.1"),
        ("SECRETS_INIT_WEB_PORT", "udp://10.0.0.1:53"),
        ("SECRETS_INIT_WEB_PORT_53_SCTP_PORT", "53"),
    ];
    let all: Vec<(&str, &str)> = of_services.into_iter().chain([NO_KWARGS]).collect();
    assert!(load(&all).is_ok(), "{:?}", refused(&all));
    for other in [
        ("SECRETS_INIT_PORT", "8080"),
        ("SECRETS_INIT_PORTS", "tcp://10.0.0.1:8080"),
        ("SECRETS_INIT_PORT_8080", "x"),
        ("SECRETS_INIT_PORT_8080_HTTP", "x"),
        ("SECRETS_INIT_PORT_8080_TCP_HOST", "x"),
        ("SECRETS_INIT_PORT_8080_TCP_PORT_X", "x"),
        ("SECRETS_INIT_SERVICE", "x"),
    ] {
        let lines = refused(&[other, NO_KWARGS]);
        assert!(lines[0].starts_with(&format!("{}: unknown variable", other.0)), "{lines:?}");
    }
}

/// `json.loads` takes `NaN` and its like, so the kwargs do where the key's value is not looked at.
#[test]
fn kwargs_are_read_by_pythons_json() {
    assert!(with_kwargs(r#"{"config_kwargs": {"x": NaN, "y": [-Infinity]}, "service_config": null}"#).is_ok());
    assert!(!with_kwargs(r#"{"service_config": NaN}"#).unwrap().notices.is_empty(), "NaN is true in Python");
    let lines = refused_kwargs(r#"{"shared_account": NaN}"#);
    assert!(lines[0].contains("12-digit"), "{lines:?}");
    let lines = refused_kwargs("{\"a\": 1,\n  nan}");
    assert!(lines[0].contains("line 2 column 3"), "{lines:?}");
}

#[test]
fn regions_are_independent_as_in_the_python_backend() {
    let regions = |pairs: &[(&str, &str)]| load(pairs).unwrap().regions;
    let of = |own: Option<&str>, shared: &str| Regions {
        own: own.map(|own| own.parse().unwrap()),
        // The one that comes from AWS_REGION here.
        own_is_after_profile: own.is_none_or(|own| own == "eu-west-1"),
        shared: shared.parse().unwrap(),
    };
    let both = ("AIRFLOW__SECRETS__BACKEND_KWARGS", r#"{"region_name": "us-east-1", "aws_region": "us-west-2"}"#);
    assert_eq!(regions(&[both, ("AWS_REGION", "eu-west-1")]), of(Some("us-east-1"), "us-west-2"));
    assert_eq!(regions(&[NO_KWARGS, ("AWS_REGION", "eu-west-1")]), of(Some("eu-west-1"), "eu-west-1"));
    assert_eq!(regions(&[NO_KWARGS, ("AWS_DEFAULT_REGION", "eu-west-3")]), of(Some("eu-west-3"), "eu-central-1"));
    let differ = [NO_KWARGS, ("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "eu-west-3")];
    assert_eq!(regions(&differ), of(Some("eu-west-3"), "eu-west-1"), "each as the Python backend has it");
    assert!(load(&differ).unwrap().notices[0].contains("differ"));
    let empty = ("AIRFLOW__SECRETS__BACKEND_KWARGS", r#"{"aws_region": ""}"#);
    assert_eq!(regions(&[empty]), of(None, "eu-central-1"));
    assert_eq!(
        refused(&[NO_KWARGS, ("AWS_REGION", "eu_west")]),
        ["AWS_REGION: is not a region's name, such as eu-central-1"]
    );
    let is = |text: &str| text.parse::<Region>().is_ok();
    assert!(["eu-central-1", "us-iso-east-1", "a-1"].into_iter().all(is) && is(&"a-".repeat(32)));
    assert!(
        !["", "a-", "euwest1", "Eu-west-1", "eu.west-1", "eu-west-1/"].into_iter().any(is) && !is(&"a-".repeat(33))
    );
}

#[test]
fn prefixes_lose_trailing_separators_and_null_is_off() {
    let prefix = |kwargs| connections_prefix(&with_kwargs(kwargs).unwrap());
    assert_eq!(prefix(r#"{"connections_prefix": "a/b///"}"#).as_deref(), Some("a/b"));
    assert_eq!(prefix(r#"{"connections_prefix": "a-b_-", "sep": "-_"}"#).as_deref(), Some("a-b"));
    assert_eq!(prefix(r#"{"connections_prefix": ""}"#).as_deref(), Some(""));
    assert_eq!(prefix(r#"{"connections_prefix": null}"#), None);
    let settings = with_kwargs(r#"{"shared_account": "222222222222", "connections_prefix_shared": "core/"}"#).unwrap();
    assert_eq!(names(&settings.kwargs.shared[0]).prefix, "core");
}

#[test]
fn a_shared_account_knows_its_connections_in_one_of_several_ways() {
    let shared = |kwargs: &str| with_kwargs(kwargs).unwrap().kwargs.shared;
    let role = r#""shared_role_arn": "arn:aws:iam::222222222222:role/reader""#;
    let account = r#""shared_account": "222222222222""#;
    let with_role = shared(&format!(r#"{{{account}, {role}, "shared_external_id": "x"}}"#));
    let taken = with_role[0].role.as_ref().unwrap();
    assert_eq!(
        (taken.via, taken.external_id.as_deref(), &names(&with_role[0]).known_by),
        (RoleVia::AssumeRole, Some("x"), &KnownBy::Listing)
    );
    let ids = shared(&format!(r#"{{{account}, "shared_connections": ["a", "b"]}}"#));
    assert_eq!(names(&ids[0]).known_by, KnownBy::Ids(vec!["a".into(), "b".into()]));
    let index = shared(&format!(r#"{{{account}, {role}, "shared_role_via": "web_identity", "shared_index": "idx"}}"#));
    assert_eq!(
        (index[0].role.as_ref().unwrap().via, &names(&index[0]).known_by),
        (RoleVia::WebIdentity, &KnownBy::Index(vec!["idx".into()]))
    );
    let several = shared(&format!(
        r#"{{{account}, "shared": [{{"account": "333333333333", "region": "us-east-1", "connections": ["c"]}}]}}"#
    ));
    assert_eq!(several.iter().map(|s| s.account.as_str()).collect::<Vec<_>>(), ["222222222222", "333333333333"]);
    assert_eq!(shared(r#"{"shared_account": 222222222222}"#)[0].account.as_str(), "222222222222");
}

#[test]
fn contradictions_in_the_kwargs_are_mistakes() {
    for (kwargs, words) in [
        (r#"{"shared_role_arn": "arn:aws:iam::222222222222:role/r"}"#, "needs shared_account beside it"),
        (r#"{"shared_account": "222222222222", "shared_external_id": "x"}"#, "needs shared_role_arn beside it"),
        (
            r#"{"shared_account": "222222222222", "shared_role_arn": "arn:aws:iam::333333333333:role/r"}"#,
            "is a role of account 333333333333",
        ),
        (r#"{"shared_account": "222222222222", "shared_role_arn": "reader"}"#, "is not a role's ARN"),
        (
            r#"{"shared_account": "222222222222", "shared_connections": ["a"], "shared_index": "i"}"#,
            "both name the connections",
        ),
        (r#"{"shared_account": "222222222222", "shared_connections": [1]}"#, "must be an array of strings"),
        (r#"{"shared_account": "222222222222", "connections_prefix_shared": null}"#, "can't be null"),
        (r#"{"shared": [{"account": "222222222222", "prefix": "x"}]}"#, "unknown key in"),
        (r#"{"shared": {"account": "222222222222"}}"#, "must be an array of objects"),
        (r#"{"shared_account": "222222222222", "shared": [{"account": "222222222222"}]}"#, "stands there twice"),
        (
            r#"{"shared_account": "222222222222", "shared_index": "arn:aws:secretsmanager:eu-central-1:333333333333:secret:i-AbCdEf"}"#,
            "is a secret of account 333333333333",
        ),
        (
            r#"{"shared_account": "222222222222", "shared": [{"account": "222222222222", "region": "eu-west-1"}]}"#,
            "stands there twice",
        ),
        (r#"{"aws_access_key_id": "x"}"#, "belong together"),
        (r#"{"verify": false}"#, "can't switch the check of certificates off"),
        (r#"{"use_ssl": false}"#, "can't be false"),
        (r#"{"endpoint_url": "localhost:4566"}"#, "is not a URL such as"),
        (r#"{"connections_prefix": "a b"}"#, "no secret's name can hold"),
        (r#"{"connections_prefix": "!a"}"#, "opposite"),
        (r#"{"extra_conn_words": {"dbname": ["x"]}}"#, "unknown field in"),
        (r#"{"extra_conn_words": {"host": [1]}}"#, "must be an object of field to list"),
        (r#"{"connections_lookup_pattern": "("}"#, "can't be used: a ( without its ) at character 0"),
        (r#"{"variables_prefix_shared": "x"}"#, "needs shared_account beside it"),
        (r#"{"shared_account": "222222222222", "shared_variables": ["a"]}"#, "needs variables_prefix_shared beside it"),
        (r#"{"shared_account": "222222222222", "config_prefix_shared": "a b"}"#, "no secret's name can hold"),
        (r#"{"shared": [{"account": "222222222222", "variables": [1], "variables_prefix": "v"}]}"#, "array of strings"),
        (r#"{"variables_prefix": "!a"}"#, "opposite"),
        (r#"{"config_lookup_pattern": "("}"#, "can't be used: a ( without its ) at character 0"),
        (r#"{"role_arn": "x"}"#, "is not a role's ARN"),
        (r#"{"assume_role_method": "assume_role_with_saml"}"#, "must be assume_role or"),
        (r#"{"role_arn": "arn:aws:iam::12:role/r"}"#, "is not a role's ARN"),
        (r#"{"role_arn": "arn:gcp:iam::222222222222:role/r"}"#, "is not a role's ARN"),
        (r#"{"role_arn": "arn:aws:iam::222222222222:user/r"}"#, "is not a role's ARN"),
        (r#"{"assume_role_kwargs": {"ExternalID": "x"}}"#, "did you mean ExternalId?"),
        (r#"{"assume_role_kwargs": {"ExternalId": 1}}"#, "ExternalId has the wrong type"),
        (r#"{"assume_role_kwargs": {"RoleSessionName": 1}}"#, "RoleSessionName has the wrong type"),
        (r#"{"assume_role_kwargs": {"DurationSeconds": "900"}}"#, "DurationSeconds has the wrong type"),
        (r#"{"assume_role_kwargs": []}"#, "must be an object"),
        (r#"{"assume_role_with_web_identity_federation": "google"}"#, "only file is supported"),
        (r#"{"verify": ""}"#, "can't switch the check of certificates off"),
    ] {
        let lines = refused_kwargs(kwargs);
        assert!(lines.iter().any(|line| line.contains(words)), "{kwargs}: {lines:?}");
    }
}

#[test]
fn a_prefix_may_be_as_long_as_a_secret_s_name() {
    let prefix = |characters: usize| format!(r#"{{"connections_prefix": "{}"}}"#, "x".repeat(characters));
    assert_eq!(connections_prefix(&with_kwargs(&prefix(512)).unwrap()).map(|prefix| prefix.len()), Some(512));
    assert!(refused_kwargs(&prefix(513))[0].contains("is longer than 512 characters"));
}

#[test]
fn what_counts_as_true_is_what_does_in_python() {
    let kwargs = |value: &str| {
        let kwargs = format!(r#"{{"are_secret_values_urlencoded": {value}}}"#);
        load(&[("AIRFLOW__SECRETS__BACKEND_KWARGS", &kwargs), ("SECRETS_INIT_AIRFLOW_VERSION", "2")]).unwrap().kwargs
    };
    for value in ["null", "false", "0", "0.0", "-0.0", "\"\"", "[]", "{}"] {
        assert!(!kwargs(value).urlencoded, "{value}");
    }
    for value in ["true", "1", "0.5", "\"false\"", "[0]", r#"{"a": null}"#] {
        assert!(kwargs(value).urlencoded, "{value}");
    }
    assert!(
        kwargs("\"false\"").notices.iter().any(|notice| notice.contains("Python takes any non-empty string as true"))
    );
    // Either one is told to have no effect.
    for key in ["service_config", "session_kwargs"] {
        let notices = |value: &str| with_kwargs(&format!(r#"{{"{key}": {value}}}"#)).unwrap().kwargs.notices;
        assert_eq!((notices("{}").len(), notices(r#"{"a": 1}"#).len()), (0, 1), "{key}");
    }
}

#[test]
fn every_field_can_have_more_words_and_a_string_is_its_characters() {
    let fields = [
        (r#""login": ["l"], "user": ["u"]"#, Field::Login, vec!["l", "u"]),
        (r#""password": ["x", "y"]"#, Field::Password, vec!["x", "y"]),
        (r#""host": ["x"]"#, Field::Host, vec!["x"]),
        (r#""port": ["x"]"#, Field::Port, vec!["x"]),
        (r#""schema": ["x"]"#, Field::Schema, vec!["x"]),
        (r#""conn_type": ["x"]"#, Field::ConnType, vec!["x"]),
        (r#""extra": "xyz""#, Field::Extra, vec!["x", "y", "z"]),
    ];
    for (words, field, expected) in fields {
        let kwargs = with_kwargs(&format!(r#"{{"extra_conn_words": {{{words}}}}}"#)).unwrap().kwargs;
        assert_eq!(kwargs.extra_conn_words.len(), 1, "{words}");
        assert_eq!(kwargs.extra_conn_words[&field], expected, "{words}");
    }
}

#[test]
fn the_own_account_is_reached_as_the_kwargs_say() {
    let own = |kwargs: &str| with_kwargs(kwargs).unwrap().kwargs.own;
    let keys =
        own(r#"{"aws_access_key_id": "id", "aws_secret_access_key": "s", "aws_session_token": "t"}"#).keys.unwrap();
    let said = (keys.id.as_str(), keys.secret.expose_secret(), keys.token.as_ref().map(ExposeSecret::expose_secret));
    assert_eq!(said, ("id", "s", Some("t")));
    assert!(own("{}").keys.is_none() && own("{}").role.is_none());
    let all = with_kwargs(r#"{"aws_access_key_id": "c4nary", "aws_secret_access_key": "c4nary"}"#).unwrap();
    let debug = format!("{:?}", all.kwargs);
    assert!(debug.starts_with("BackendKwargs { names: ") && !debug.contains("c4nary"), "{debug}");
    assert_eq!(own(r#"{"verify": "/ca.pem"}"#).ca_file.as_deref(), Some("/ca.pem"));
    let role = own(r#"{"role_arn": "arn:aws-cn:iam::222222222222:role/a/b", "external_id": "below",
        "assume_role_kwargs": {"ExternalId": "above", "RoleSessionName": "name", "DurationSeconds": 900},
        "assume_role_method": "assume_role_with_web_identity", "assume_role_with_web_identity_federation": "file",
        "assume_role_with_web_identity_token_file": "/token"}"#)
    .role
    .unwrap();
    assert_eq!(role.arn.to_string(), "arn:aws-cn:iam::222222222222:role/a/b");
    assert_eq!((role.external_id.as_deref(), role.session_name.as_deref()), (Some("above"), Some("name")));
    assert_eq!((role.via, role.token_file.as_deref()), (RoleVia::WebIdentity, Some("/token")));
}

#[test]
fn the_object_of_an_existing_deployment_is_taken_as_it_is() {
    let settings = with_kwargs(
        r#"{"connections_prefix": "airflow/connections", "variables_prefix": "airflow/variables", "config_prefix": null,
            "variables_lookup_pattern": null, "sep": "/", "region_name": "eu-central-1", "full_url_mode": false,
            "api_version": null, "use_ssl": true, "verify": true, "config_kwargs": {"retries": {"max_attempts": 3}},
            "profile_name": "dev", "shared_account": "258781458051", "connections_prefix_shared": "airflow/core",
            "aws_region": "eu-west-1", "assume_role_kwargs": {"ExternalId": "x", "DurationSeconds": 900},
            "extra_conn_words": {"user": ["principal"]}}"#,
    )
    .unwrap();
    assert_eq!(settings.kwargs.own.profile_name.as_deref(), Some("dev"));
    assert_eq!(settings.kwargs.extra_conn_words.len(), 1);
}

/// Only what some output asks for is looked up, and only as much of it.
#[test]
fn outputs_say_what_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let template = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).unwrap();
        format!("{0}/{name}={0}/{name}.out", directory.path().display())
    };
    let all = template("all", "{{ connections.a.uri }}{{ variables.v }}");
    let some = template("some", "---\nconn_ids: [a, b]\nvariables: [v]\n---\n{{ connections.a.uri }}");
    let none = template("none", "{{ meta.version }}");
    let option = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET", "sql");
    let need =
        |everything, names: &[&str]| Need { everything, named: names.iter().map(|name| (*name).to_owned()).collect() };
    let names = |names: &[&str]| need(false, names);
    let (nothing, everything) = (need(false, &[]), need(true, &[]));
    for (pairs, expected) in [
        (vec![], [everything.clone(), nothing.clone(), nothing.clone()]),
        (vec![("TEMPLATES", all.as_str())], [everything.clone(), everything.clone(), nothing.clone()]),
        (
            vec![("CONNECTIONS_FILE", "none"), ("TEMPLATES", &some)],
            [names(&["a", "b"]), names(&["v"]), nothing.clone()],
        ),
        (vec![("CONNECTIONS_FILE", "none"), ("TEMPLATES", &none)], [nothing.clone(), nothing.clone(), nothing.clone()]),
        (vec![("TEMPLATES", &some)], [need(true, &["a", "b"]), names(&["v"]), nothing.clone()]),
        (
            vec![("CONNECTIONS_FILE", "none"), ("AIRFLOW_ENV_FILE", "/x/a.env")],
            [everything.clone(), everything.clone(), names(&["sql"])],
        ),
        (vec![("CONFIGS_FILE", "/x/configs.json")], [everything.clone(), nothing.clone(), everything.clone()]),
    ] {
        let pairs: Vec<(String, &str)> =
            pairs.into_iter().map(|(name, value)| (format!("SECRETS_INIT_{name}"), value)).collect();
        let mut all: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        all.extend([NO_KWARGS, option]);
        let settings = load(&all).unwrap();
        let mut needs = settings.needs();
        Templates::load(&settings.outputs.templates, &env(&all), &mut ConfigErrors::default()).add_needs(&mut needs);
        assert_eq!(Kind::ALL.map(|kind| needs[kind].clone()), expected, "{pairs:?}");
    }
}

#[test]
fn options_of_airflow_are_found_by_their_secret_form_but_not_the_backend_itself() {
    let settings = load(&[
        NO_KWARGS,
        ("SECRETS_INIT_AIRFLOW_ENV_FILE", "/x/.env"),
        ("AIRFLOW__CORE__FERNET_KEY_SECRET", "fernet"),
        ("AIRFLOW__SECRETS__BACKEND_SECRET", "no"),
        ("AIRFLOW__WORKERS__SECRETS_BACKEND_KWARGS_SECRET", "no"),
        ("AIRFLOW__CORE__SQL_SECRET", ""),
        ("AIRFLOW__X_SECRET", "no"),
    ])
    .unwrap();
    let file = settings.outputs.airflow_env.unwrap();
    let fernet = ConfigOption { variable: "AIRFLOW__CORE__FERNET_KEY".into(), key: "fernet".into() };
    assert_eq!((file.dialect, file.options), (Dialect::Env, vec![fernet]));
}

#[test]
fn each_output_has_a_place_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("t.j2");
    std::fs::write(&source, "x").unwrap();
    let templates = format!("{0}=/x/a.env\n{0}={0}", source.display());
    let lines = refused(&[
        NO_KWARGS,
        ("SECRETS_INIT_CONNECTIONS_FILE", "/x/a.json"),
        ("SECRETS_INIT_VARIABLES_FILE", "/x/./a.json"),
        ("SECRETS_INIT_AIRFLOW_ENV_FILE", "/x/a.env"),
        ("SECRETS_INIT_TEMPLATES", &templates),
    ]);
    assert_eq!(
        lines,
        [
            "SECRETS_INIT_VARIABLES_FILE: /x/./a.json is where SECRETS_INIT_CONNECTIONS_FILE is written; give each its own file"
                .to_owned(),
            "SECRETS_INIT_TEMPLATES: /x/a.env is where SECRETS_INIT_AIRFLOW_ENV_FILE is written; give each its own file".to_owned(),
            format!("SECRETS_INIT_TEMPLATES: {} is what SECRETS_INIT_TEMPLATES reads; write to another file", source.display()),
        ]
    );
    let alone = refused(&[NO_KWARGS, ("SECRETS_INIT_CONNECTIONS_FILE", "none")]);
    assert_eq!(alone, ["SECRETS_INIT_CONNECTIONS_FILE: is none, and nothing else is to be written"]);
    for path in ["/x/a/", "/x/.", "/x/a/.."] {
        let lines = refused(&[NO_KWARGS, ("SECRETS_INIT_REFRESH", "5m"), ("SECRETS_INIT_STATUS_FILE", path)]);
        assert_eq!(lines, [format!("SECRETS_INIT_STATUS_FILE: {path} names a directory; add the name of a file")]);
    }
}

#[test]
fn urlencoded_values_need_to_know_the_version() {
    let kwargs = ("AIRFLOW__SECRETS__BACKEND_KWARGS", r#"{"are_secret_values_urlencoded": true}"#);
    assert!(refused(&[kwargs])[0].starts_with("SECRETS_INIT_AIRFLOW_VERSION: must be set because"));
    assert!(load(&[kwargs, ("SECRETS_INIT_AIRFLOW_VERSION", "2")]).unwrap().kwargs.urlencoded);
    let three = load(&[kwargs, ("SECRETS_INIT_AIRFLOW_VERSION", "3")]).unwrap();
    assert!(!three.kwargs.urlencoded && three.notices.iter().any(|notice| notice.contains("no effect")));
    let text = ("AIRFLOW__SECRETS__BACKEND_KWARGS", r#"{"are_secret_values_urlencoded": "false"}"#);
    assert!(load(&[text, ("SECRETS_INIT_AIRFLOW_VERSION", "2.8.1")]).unwrap().kwargs.urlencoded, "as in Python");
}

#[test]
fn versions_choose_the_rules() {
    let target = |version| load(&[NO_KWARGS, ("SECRETS_INIT_AIRFLOW_VERSION", version)]).map(|s| s.target).ok();
    for (version, expected) in [
        ("2", Some(AirflowTarget::V2)),
        ("2.8.1", Some(AirflowTarget::V2)),
        ("2.3", Some(AirflowTarget::V2)),
        ("3", Some(AirflowTarget::V3)),
        ("3.1", Some(AirflowTarget::V3)),
        ("3.1.5", Some(AirflowTarget::V3)),
        ("3.1.6", Some(AirflowTarget::V3QueryJson)),
        ("3.1.8", Some(AirflowTarget::V3QueryJson)),
        ("3.2.0", Some(AirflowTarget::V3)),
        ("3.4.0b2", Some(AirflowTarget::V3)),
        ("3.1.6rc1", Some(AirflowTarget::V3QueryJson)),
        ("2.11.0a1", Some(AirflowTarget::V2)),
        ("3.4.0b", None),
        ("3.4.0beta2", None),
        ("3.4.b2", None),
        ("b2", None),
        ("2.2.5", None),
        ("1.10", None),
        ("4", None),
        ("three", None),
    ] {
        assert_eq!(target(version), expected, "{version}");
    }
}

#[test]
fn durations_have_units() {
    for (text, expected) in [
        ("500ms", Some(500)),
        ("60", Some(60_000)),
        ("1.5s", Some(1_500)),
        ("2m", Some(120_000)),
        ("1h", Some(3_600_000)),
        ("2h", None),
        ("-1s", None),
        ("", None),
        ("s", None),
        ("1e3s", None),
        ("nan", None),
    ] {
        assert_eq!(parse_duration(text, Duration::from_hours(1)).map(|d| d.as_millis()), expected, "{text}");
    }
}

#[test]
fn globs_choose_among_listed_ids() {
    let settings =
        load(&[NO_KWARGS, ("SECRETS_INIT_INCLUDE", "team_*, {a,b}/*"), ("SECRETS_INIT_EXCLUDE", "*_old")]).unwrap();
    let takes = |id| settings.selection.takes(Kind::Connection, id);
    assert!(takes("team_x") && takes("a/b/c") && takes("b/x"));
    assert!(!takes("team_old") && !takes("c/x") && !takes("Team_x"));
    assert_eq!(refused(&[NO_KWARGS, ("SECRETS_INIT_INCLUDE", "ok,[")]).len(), 1);
}

#[test]
fn ids_that_no_secret_can_have_are_mistakes_but_for_the_file_store() {
    let ids = ("SECRETS_INIT_CONN_IDS", "ok/a+b=c@d.e-f_1, two words");
    assert_eq!(
        refused(&[NO_KWARGS, ids]),
        ["SECRETS_INIT_CONN_IDS: two words is not an id that a secret's name can hold"]
    );
    assert!(load(&[NO_KWARGS, ids, ("SECRETS_INIT_STORE", "file:x.yaml")]).is_ok());
}

#[test]
fn endpoints_are_urls() {
    let is = |url: &str| check_endpoint(url).is_ok();
    for url in ["http://h", "https://h:1", "http://[::1]:4566/x", "http://[::1]", "https://h:/", "http://u@h:80?x=:y"] {
        assert!(is(url), "{url}");
    }
    for url in ["h", "ftp://h", "http://", "http://:80", "http://h:99999", "http://h:x", "not a url", "http://a b"] {
        assert!(!is(url), "{url}");
    }
    assert_eq!(
        refused(&[NO_KWARGS, ("AWS_ENDPOINT_URL_STS", "sts:80")]),
        ["AWS_ENDPOINT_URL_STS: is not a URL such as https://host or http://host:port"]
    );
}

#[test]
fn variables_that_are_not_text_are_named() {
    use std::os::unix::ffi::OsStringExt;
    let bad = std::ffi::OsString::from_vec(vec![0xff]);
    let pairs = vec![
        ("SECRETS_INIT_DEADLINE".into(), bad.clone()),
        ("OTHER".into(), bad),
        (NO_KWARGS.0.into(), NO_KWARGS.1.into()),
    ];
    let failure = Settings::load(&Env::from_os(pairs), RawSettings::default()).err().unwrap();
    assert_eq!(failure.lines(), ["SECRETS_INIT_DEADLINE: is not UTF-8 text"]);
}

/// Airflow's own switch says whether it runs with teams; the setting says for which one the files are.
#[test]
fn a_team_is_named_by_its_setting_and_an_id_without_its_team() {
    let teams = |pairs: &[(&str, &str)]| {
        let all: Vec<(&str, &str)> = [("AIRFLOW__SECRETS__BACKEND_KWARGS", "{}"), ("AWS_REGION", "eu-west-1")]
            .iter()
            .chain(pairs)
            .copied()
            .collect();
        load(&all).map(|settings| settings.teams).map_err(|failure| failure.lines().to_vec())
    };
    let team = || Ok(Teams::Of("team_a".to_owned()));
    assert_eq!(teams(&[]), Ok(Teams::Off));
    for (text, is_on) in
        [("True", true), (" t ", true), ("1", true), ("true # yes", true), ("False", false), ("f", false), ("0", false)]
    {
        let expected = if is_on { Teams::Nobody } else { Teams::Off };
        assert_eq!(teams(&[(SWITCH, text)]), Ok(expected), "{text}");
        assert_eq!(teams(&[(SWITCH, text), ("SECRETS_INIT_TEAM", "team_a")]), team(), "{text}");
    }
    for text in ["yes", "on", "2", "#"] {
        assert_eq!(teams(&[(SWITCH, text)]).unwrap_err().len(), 1, "{text}: Airflow raises");
    }
    for name in ["ab", "a b c", "team/a"] {
        assert!(teams(&[("SECRETS_INIT_TEAM", name)]).unwrap_err()[0].contains("must be a team's name"), "{name}");
    }
    let ids = [("SECRETS_INIT_CONN_IDS", "x,team_a--x"), ("SECRETS_INIT_REQUIRED", "a--b")];
    assert_eq!(teams(&ids), Ok(Teams::Off));
    let lines = teams(&[ids[0], ids[1], ("SECRETS_INIT_TEAM", "team_a")]).unwrap_err();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("team_a--x holds --") && lines[1].contains("a--b holds --"), "{lines:?}");
}
