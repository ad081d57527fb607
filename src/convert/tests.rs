//! What becomes of what was found, and what is said of the rest.

use super::*;
use crate::airflow::secret::from_secret;
use crate::airflow::versions::AirflowTarget;
use crate::config::cli::RawSettings;
use crate::config::env::Env;
use crate::config::settings::Settings;
use crate::fetch::answers::{Lookup, Outcome, SkippedBy, Trace, Winner};
use crate::plan::Source;
use crate::report::log::tests::logged;
use crate::store::error::{ErrorKind, StoreError};
use crate::store::secret_store::{NotThere, SecretValue};

fn plan(kwargs: &str, more: &[(&str, &str)]) -> Plan {
    let first = [("AIRFLOW__SECRETS__BACKEND_KWARGS", kwargs), ("AWS_REGION", "eu-west-1")];
    let env: Env = first.iter().chain(more).copied().collect();
    let settings = Settings::load(&env, RawSettings::default()).unwrap();
    Plan::of(&settings, &settings.needs())
}

const SHARED: &str =
    r#"{"connections_prefix": "o", "variables_prefix": "v", "shared_account": "222222222222", "shared_index": "i"}"#;

fn plain_rules() -> Rules {
    Rules { target: AirflowTarget::V3, extra_conn_words: indexmap::IndexMap::new(), urlencoded: false }
}

fn value(text: &str) -> SecretState {
    SecretState::Value(SecretValue::of(SecretString::from(text), Some("2026-11-24T18:25:00Z".to_owned())))
}

fn entry(source: usize, state: SecretState) -> Winner {
    Winner { source, state, shadowed: Vec::new(), ambiguous: false, of_team: false }
}

fn of(kind: Kind, resolved: Resolved, aside: Vec<SkippedAccount>, plan: &Plan) -> Entries {
    let mut fetched = Fetched { skipped_accounts: aside, ..Fetched::default() };
    fetched.kinds[kind] = resolved;
    let env = BTreeMap::from([("E".to_owned(), SecretString::from("e"))]);
    let entries = Entries::of(fetched, plan, &plain_rules(), env);
    assert_eq!(entries.env["E"].expose_secret(), "e");
    entries
}

/// Asked for by a list, and not there in the own account.
fn asked(id: &str) -> Trace {
    let lookup = Lookup {
        source: Source::Own,
        region: "eu-west-1".to_owned(),
        secrets: vec![format!("o/{id}")],
        outcome: Outcome::NotThere(NotThere::NoSuchSecret),
    };
    Trace { by: vec!["SECRETS_INIT_CONN_IDS"], lookups: vec![lookup] }
}

fn denied() -> StoreError {
    StoreError::new(ErrorKind::Denied, "secretsmanager:GetSecretValue", "refused").about("o/b")
}

fn policies(of: impl Fn(&str) -> Policy) -> Policies {
    let [invalid, denied, missing, empty, empty_account, shared] =
        ["invalid", "denied", "missing", "empty", "empty_account", "shared"].map(of);
    Policies { invalid, denied, missing, empty, empty_account, shared }
}

/// Everything that can be wrong with a connection, each under an id of its own.
fn found(required: &str) -> Entries {
    let plan = plan(SHARED, &[("SECRETS_INIT_REQUIRED", required)]);
    let skipped = |id: &str| Skipped { id: id.to_owned(), source: 0, by: SkippedBy::Globs };
    let entries = [
        ("fine", Winner { shadowed: vec![1], ..entry(0, value("x://h")) }),
        ("also", entry(1, value("x://h"))),
        ("denied", entry(0, SecretState::Unreadable(denied()))),
        ("refused", entry(1, SecretState::Refused("why"))),
        ("broken", entry(1, value("{"))),
        ("other", Winner { ambiguous: true, ..entry(0, value("{")) }),
    ];
    let resolved = Resolved {
        entries: entries.map(|(id, entry)| (id.to_owned(), entry)).into(),
        missing: ["fime", "passed_ove", "nowhere"].map(str::to_owned).into(),
        names: Vec::new(),
        asked: ["fime", "passed_ove", "nowhere"].map(|id| (id.to_owned(), asked(id))).into(),
        unknown: vec!["unknown".to_owned()],
        skipped: vec![skipped("fine"), skipped("passed_over")],
        without_value: Vec::new(),
    };
    let failure = Some(Failure::new(Exit::TempFail, "slow"));
    let source = Source::shared("222222222222", "eu-west-1");
    let aside = vec![SkippedAccount { source: source.clone(), failure: None }, SkippedAccount { source, failure }];
    of(Kind::Connection, resolved, aside, &plan)
}

#[test]
fn what_is_found_is_there_or_left_out_with_the_reason() {
    let entries = found("fine");
    assert_eq!(entries.connections.keys().collect::<Vec<_>>(), ["also", "fine"]);
    assert_eq!((entries.taken[Kind::Connection].as_slice(), entries.count(Kind::Connection)), ([1, 1].as_slice(), 2));
    assert_eq!(Kind::ALL.map(|kind| entries.shadowed[kind]), [1, 0, 0]);
    let details = &entries.details[Kind::Connection];
    let fine = Detail {
        source: 0,
        shadowed: vec![1],
        bytes: Some(5),
        changed: Some("2026-11-24T18:25:00Z".to_owned()),
        of_team: false,
        note: None,
    };
    assert_eq!((details.len(), &details["fine"]), (6, &fine));
    assert_eq!(details["denied"], Detail::default());
    let skipped: Vec<&str> = entries.skipped[Kind::Connection].iter().map(|skipped| skipped.id.as_str()).collect();
    assert_eq!(skipped, ["passed_over"]);
    let invalid = from_secret("{", &plain_rules()).unwrap_err();
    let shared = "shared account 222222222222 in eu-west-1";
    let missing_line = |id: &str, near: &str| {
        format!(
            "conn_id {id} is missing: asked for by SECRETS_INIT_CONN_IDS; own account in eu-west-1, o/{id}: no such secret, or none \
             with a current value{near}; check the name, the prefix and the region, or take it out of that list"
        )
    };
    let expected = [
        format!("conn_id broken ({shared}) is invalid: {invalid}"),
        format!("conn_id denied (own account) can't be read: {}", denied()),
        format!("conn_id other (own account) is no connection, but a variable or config value under the same prefix: {invalid}"),
        format!("conn_id refused ({shared}) is not asked for: why; correct the index"),
        missing_line("fime", "; did you mean fine?"),
        missing_line("passed_ove", "; did you mean passed_over?"),
        missing_line("nowhere", ""),
        "conn_id unknown is not known: no account that could be read has it, and one that may have it is left out as a whole"
            .to_owned(),
    ];
    assert_eq!(entries.left_out.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    let for_file = LeftOut {
        kind: Kind::Variable,
        id: "a\nb".to_owned(),
        source: None,
        why: Why::NotForFile { file: "/x/v.env".to_owned(), reason: "why".into() },
        required: false,
        near: None,
        asked: None,
    };
    assert_eq!(for_file.to_string(), "variable a\\u{a}b can't be written to /x/v.env: why");
    assert_eq!((for_file.exit(), for_file.policy(&policies(only("invalid")))), (Exit::InvalidData, Policy::Error));
}

#[test]
fn what_was_read_ahead_is_not_read_again() {
    let plan = plan("{}", &[]);
    let taken = |value: SecretValue| {
        let entries = BTreeMap::from([("a".to_owned(), entry(0, SecretState::Value(value)))]);
        let mut entries = of(Kind::Connection, Resolved { entries, ..Resolved::default() }, vec![], &plan);
        let left_out: Vec<String> = entries.left_out.iter().map(ToString::to_string).collect();
        (entries.connections.remove("a").map(|connection| connection.fields().count()), left_out)
    };
    let rules = plain_rules();
    for text in ["x://h", "x://u:p@h", "{\"conn_type\": \"x\"}", "{", ""] {
        let value = || SecretValue::of(SecretString::from(text), None);
        let mut ahead = value();
        reads_ahead(&rules)(&mut ahead);
        assert!(ahead.reading.is_some());
        // A copy, such as that of a variable, has the same reading; the text is there for who comes first.
        let copy = ahead.clone();
        assert_eq!([taken(ahead), taken(copy)], [taken(value()), taken(value())], "{text}");
        let of_another = Some(Arc::new(read_secret("x://u:p@h:1/s", &rules)));
        assert_eq!(taken(SecretValue { reading: of_another, ..value() }).0, Some(6), "it is not read again");
    }
}

#[test]
fn no_more_is_read_ahead_than_there_is_memory_for() {
    let rules = plain_rules();
    let ahead = reads_ahead(&rules);
    let is_read = |bytes: usize| {
        let mut value = SecretValue::of(SecretString::from("x".repeat(bytes)), None);
        ahead(&mut value);
        value.reading.is_some()
    };
    let sizes = [READ_AHEAD - 10, 11, 10, 1, 0];
    assert_eq!(sizes.map(is_read), [true, false, true, false, true]);
}

/// An error for this trouble alone.
fn only(trouble: &str) -> impl Fn(&str) -> Policy {
    move |name| if name == trouble { Policy::Error } else { Policy::Warn }
}

#[test]
fn the_policies_decide_what_fails_the_run_and_what_is_required_always_does() {
    let plan = plan(SHARED, &[]);
    let ids = |required: &str, trouble: &'static str| {
        let entries = found(required);
        let failure = entries.judge(&policies(only(trouble)), &plan).err();
        failure.map(|failure| {
            let id = |line: &String| line.split(' ').nth(1).unwrap().to_owned();
            (failure.exit(), failure.lines().iter().map(id).collect::<Vec<_>>().join(" "))
        })
    };
    let some = |exit, ids: &str| Some((exit, ids.to_owned()));
    assert_eq!(ids("fine", "none"), None);
    assert_eq!(ids("fine", "empty"), None);
    assert_eq!(ids("fine", "invalid"), some(Exit::InvalidData, "broken refused"));
    assert_eq!(ids("fine", "denied"), some(Exit::Denied, "denied"));
    assert_eq!(ids("fine", "missing"), some(Exit::NotFound, "fime passed_ove nowhere"));
    assert_eq!(ids("fine", "shared"), some(Exit::TempFail, "unknown"));
    assert_eq!(ids("other", "none"), some(Exit::InvalidData, "other"));
    assert_eq!(ids("nowhere", "none"), some(Exit::NotFound, "nowhere"));
    // The gravest counts.
    assert_eq!(ids("nowhere", "denied"), some(Exit::Denied, "denied nowhere"));
    assert_eq!(ids("broken,nowhere", "shared"), some(Exit::TempFail, "broken nowhere unknown"));
    assert_eq!(ids("nowhere", "invalid"), some(Exit::InvalidData, "broken refused nowhere"));
}

#[test]
fn texts_are_kept_as_they_are_and_counted() {
    let variables = [("SECRETS_INIT_VARIABLES_FILE", "/x/v.json"), ("SECRETS_INIT_CONFIGS_FILE", "/x/c.json")];
    let plan = plan(SHARED, &variables);
    for (kind, counts) in [(Kind::Variable, [0, 1, 0]), (Kind::Config, [0, 0, 1])] {
        let entries = BTreeMap::from([("a".to_owned(), entry(0, value("{")))]);
        let entries = of(kind, Resolved { entries, ..Resolved::default() }, Vec::new(), &plan);
        assert_eq!(Kind::ALL.map(|kind| entries.count(kind)), counts);
        assert_eq!(entries.texts(kind).unwrap()["a"].expose_secret(), "{");
        assert!(entries.texts(Kind::Connection).is_none() && entries.left_out.is_empty());
        assert_eq!(entries.taken[Kind::Connection], [0, 0]);
    }
}

#[test]
fn a_run_that_finds_nothing_says_where_it_looked() {
    let variables = ("SECRETS_INIT_VARIABLES_FILE", "/x/v.json");
    let own = r#"{"connections_prefix": "o", "variables_prefix": null}"#;
    let (one, both) = (plan(own, &[]), plan(own, &[variables]));
    let lines = |entries: &Entries, plan: &Plan, empty: Policy| {
        let judged = entries.judge(&policies(|name| if name == "empty" { empty } else { Policy::Warn }), plan);
        judged.err().map(|failure| (failure.exit(), failure.lines().to_vec()))
    };
    let hint = "check the prefixes, the region and the filters, or allow an empty file with SECRETS_INIT_ON_EMPTY=warn";
    let none = format!("no connection was found in own account under \"o/\"; {hint}");
    let off = "variables_prefix is null, which switches variables off, in the Python backend as well: nothing to write";
    let nothing = Entries::default();
    assert_eq!(lines(&nothing, &one, Policy::Error), Some((Exit::NotFound, vec![none.clone()])));
    assert_eq!(lines(&nothing, &both, Policy::Error), Some((Exit::NotFound, vec![none, off.to_owned()])));
    for policy in [Policy::Warn, Policy::Ignore] {
        assert_eq!(lines(&nothing, &both, policy), None);
    }
    let no_wants = Plan::for_tests([]);
    assert_eq!(lines(&nothing, &no_wants, Policy::Error), None);
    let shared = plan(SHARED, &[]);
    let entries = BTreeMap::from([("b".to_owned(), entry(0, SecretState::Unreadable(denied())))]);
    let entries = of(Kind::Connection, Resolved { entries, ..Resolved::default() }, Vec::new(), &shared);
    let left = String::from(
        "no connection is left that could be written of own account under \"o/\", shared account 222222222222 in eu-west-1 \
         under \"airflow/connections/\"; correct what is left out, or allow an empty file with SECRETS_INIT_ON_EMPTY=warn",
    );
    let denied = format!("conn_id b (own account) can't be read: {}", denied());
    assert_eq!(lines(&entries, &shared, Policy::Error), Some((Exit::Denied, vec![denied, left])));
    // Nothing of one kind alone fails no run.
    let entries = BTreeMap::from([("b".to_owned(), entry(0, value("x://h")))]);
    let entries = of(Kind::Connection, Resolved { entries, ..Resolved::default() }, Vec::new(), &both);
    assert_eq!(lines(&entries, &both, Policy::Error), None);
}

/// A kind that is empty beside others fails no run, and is told.
#[test]
fn an_empty_kind_is_told_unless_it_is_ignored() {
    let plan = plan(
        r#"{"connections_prefix": "o", "variables_prefix": "v"}"#,
        &[("SECRETS_INIT_VARIABLES_FILE", "/x/v.json")],
    );
    let found = |kind: Kind, state: SecretState| {
        let entries = BTreeMap::from([("b".to_owned(), entry(0, state))]);
        of(kind, Resolved { entries, ..Resolved::default() }, Vec::new(), &plan)
    };
    let told = |entries: &Entries, empty: Policy| {
        logged(|| entries.judge(&policies(|name| if name == "empty" { empty } else { Policy::Warn }), &plan).unwrap())
    };
    let connection = found(Kind::Connection, value("x://h"));
    for policy in [Policy::Warn, Policy::Error] {
        let log = told(&connection, policy);
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains("no variable was found in own account under \"v/\""), "{log}");
    }
    assert_eq!(told(&connection, Policy::Ignore), "");
    // Where something was left out, what is said is another thing, for its kind alone.
    let log = told(&found(Kind::Connection, SecretState::Unreadable(denied())), Policy::Warn);
    assert!(
        log.contains("no connection is left that could be written") && log.contains("no variable was found"),
        "{log}"
    );
}

/// Whatever a run would have ended with, a policy that says error ends it.
#[test]
fn everything_that_a_policy_makes_an_error_fails_the_run() {
    let error = policies(|_| Policy::Error);
    let invalid = || crate::airflow::secret::from_secret("{", &plain_rules()).unwrap_err();
    let mut all = vec![
        (Why::Invalid(invalid()), Exit::InvalidData),
        (Why::NotForFile { file: "f".to_owned(), reason: "r".into() }, Exit::InvalidData),
        (Why::Refused("r"), Exit::InvalidData),
        (Why::Unreadable(denied()), Exit::Denied),
        (Why::Missing, Exit::NotFound),
    ];
    // No failure ends with 0.
    let of_failure = |exit| if exit == Exit::Ok { Exit::Bug } else { exit };
    all.extend(Exit::ALL.into_iter().map(|exit| (Why::Unknown(exit), of_failure(exit))));
    let left = |why: Why, required| LeftOut {
        kind: Kind::Variable,
        id: "a".to_owned(),
        source: None,
        why,
        required,
        near: None,
        asked: None,
    };
    for (why, exit) in all {
        let failure = left_out::judge(&[left(why, false)], &error).unwrap_err();
        assert_eq!(failure.exit(), exit, "{failure}");
    }
    let other = || Why::InvalidAndOfOtherKind(invalid());
    assert!(left_out::judge(&[left(other(), false)], &error).is_ok());
    assert!(left_out::judge(&[left(other(), true)], &policies(|_| Policy::Ignore)).is_err());
    let both = [
        left(Why::Missing, false),
        left(Why::Unreadable(denied()), false),
        left(Why::Unknown(Exit::Unavailable), false),
    ];
    assert_eq!(left_out::judge(&both, &error).unwrap_err().exit(), Exit::Denied);
}
