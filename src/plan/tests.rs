//! What settings come to: each source in a line.

use super::*;
use crate::config::cli::RawSettings;
use crate::config::env::Env;
use crate::config::kwargs::RoleVia;
use crate::error::ConfigErrors;
use crate::render::template::load::Templates;

impl Plan {
    /// A plan of a test's own making, for these accounts, that wants nothing yet.
    pub fn for_tests(accounts: impl IntoIterator<Item = (Source, Access)>) -> Self {
        let accounts = accounts.into_iter().map(|(source, access)| AccountPlan { source, access }).collect();
        let regions = Regions { own: None, own_is_after_profile: true, shared: Region::of_shared_by_default() };
        Self { own: OwnAccess::default(), regions, accounts, wants: Vec::new(), notices: Vec::new() }
    }
}

impl Source {
    /// A shared account of a test's own making.
    ///
    /// # Panics
    /// When it is none.
    pub fn shared(account: &str, region: &str) -> Self {
        Self::Shared { account: account.parse().unwrap(), region: region.parse().unwrap() }
    }
}

impl SourcePlan {
    /// The same source for a test, read with teams.
    pub fn with_teams(self, teams: Teams) -> Self {
        Self { teams, ..self }
    }

    /// A source of a test's own making.
    pub fn for_tests(
        (kind, account): (Kind, usize),
        source: Source,
        enumerate: Enumerate,
        addressed_by: AddressedBy,
        prefix: &str,
    ) -> Self {
        Self {
            kind,
            account,
            source,
            enumerate,
            addressed_by,
            prefix: prefix.to_owned(),
            pattern: None,
            teams: Teams::Off,
        }
    }
}

fn plan(pairs: &[(&str, &str)]) -> Plan {
    let env: Env = pairs.iter().copied().collect();
    let settings = Settings::load(&env, RawSettings::default()).unwrap_or_else(|failure| panic!("{failure}"));
    let mut needs = settings.needs();
    Templates::load(&settings.outputs.templates, &env, &mut ConfigErrors::default()).add_needs(&mut needs);
    Plan::of(&settings, &needs)
}

fn of_kwargs(kwargs: &str, more: &[(&str, &str)]) -> Plan {
    let first = [("AIRFLOW__SECRETS__BACKEND_KWARGS", kwargs), ("AWS_REGION", "eu-west-1")];
    plan(&first.iter().chain(more).copied().collect::<Vec<_>>())
}

/// Whose, how their ids become known, the prefix, and how one of them is asked for.
type Row = (Source, Enumerate, &'static str, SecretId);

/// The sources of one kind, in order, against what is expected.
#[track_caller]
fn assert_sources(plan: &Plan, kind: Kind, expected: &[Row]) {
    let sources = &plan.want_of(kind).unwrap().sources;
    for source in sources {
        assert_eq!(plan.accounts[source.account].source, source.source);
        assert_eq!(source.id_of(&source.secret_name("x")), Some("x"));
        assert_eq!(source.id_of(source.prefix()), None);
    }
    let found: Vec<_> = sources
        .iter()
        .map(|source| (source.source.clone(), source.enumerate.clone(), source.prefix(), source.secret_id("x")))
        .collect();
    assert_eq!(found, expected);
}

fn shared_in(region: &str) -> Source {
    Source::shared("222222222222", region)
}

fn name(name: &str) -> SecretId {
    SecretId::Name(name.to_owned())
}

fn own(enumerate: Enumerate) -> Row {
    (Source::Own, enumerate, "airflow/connections/", name("airflow/connections/x"))
}

const FILE: (&str, &str) = ("SECRETS_INIT_STORE", "file:x.yaml");

#[test]
fn a_shared_account_is_listed_with_a_role_or_from_a_file_and_else_only_if_it_is_the_own_one() {
    let of = |more: &str| format!(r#"{{"shared_account": "222222222222", "connections_prefix_shared": "core"{more}}}"#);
    let role = r#", "shared_role_arn": "arn:aws:iam::222222222222:role/r""#;
    let ids = r#", "shared_connections": ["a", "b", "a"], "aws_region": "cn-north-1""#;
    let index = r#", "shared_index": "i""#;
    let arn = SecretId::Arn("arn:aws:secretsmanager:eu-west-1:222222222222:secret:core/x".to_owned());
    let by_index = Enumerate::Index(vec!["i".to_owned()]);
    for (more, variables, how, asked) in [
        (role, &[][..], Enumerate::Listing, name("core/x")),
        ("", &[FILE], Enumerate::Listing, name("core/x")),
        ("", &[], Enumerate::ListingIfOwnAccount, name("core/x")),
        (index, &[], by_index.clone(), arn.clone()),
        (index, &[FILE], by_index, name("core/x")),
    ] {
        let plan = of_kwargs(&of(more), variables);
        let only_if_own = plan.accounts.iter().map(AccountPlan::only_if_own).collect::<Vec<_>>();
        assert_eq!(only_if_own, [false, how == Enumerate::ListingIfOwnAccount]);
        let shared = (shared_in("eu-west-1"), how, "core/", asked);
        assert_sources(&plan, Kind::Connection, &[own(Enumerate::Listing), shared]);
    }
    let in_china = SecretId::Arn("arn:aws-cn:secretsmanager:cn-north-1:222222222222:secret:core/x".to_owned());
    let by_ids = Enumerate::Ids(["a", "b"].map(str::to_owned).to_vec());
    let shared = (shared_in("cn-north-1"), by_ids, "core/", in_china);
    assert_sources(&of_kwargs(&of(ids), &[]), Kind::Connection, &[own(Enumerate::Listing), shared]);
    // Ids that are asked for by name need no listing, and so no role.
    let by_name = of_kwargs(&of(""), &[("SECRETS_INIT_CONN_IDS", "a")]);
    let shared = (shared_in("eu-west-1"), Enumerate::Nothing, "core/", arn);
    assert_sources(&by_name, Kind::Connection, &[own(Enumerate::Nothing), shared]);
}

/// An index that is written by hand names no variables, so what can be listed is listed; under resource policies there is nothing else.
#[test]
fn variables_are_listed_beside_an_index_where_they_can_be_and_else_named_by_it() {
    let of = |more: &str, variables: &[(&str, &str)]| {
        let kwargs = format!(
            r#"{{"shared_account": "222222222222", "shared_index": ["i", "j", "i"], "variables_prefix_shared": "v"{more}}}"#
        );
        let variables: Vec<_> =
            [("SECRETS_INIT_VARIABLES_FILE", "/x/v.json")].iter().chain(variables).copied().collect();
        let plan = of_kwargs(&kwargs, &variables);
        [Kind::Connection, Kind::Variable].map(|kind| plan.want_of(kind).unwrap().sources[1].enumerate.clone())
    };
    let by_index = Enumerate::Index(["i", "j"].map(str::to_owned).to_vec());
    assert_eq!(of("", &[]), [by_index.clone(), by_index.clone()]);
    let role = r#", "shared_role_arn": "arn:aws:iam::222222222222:role/r""#;
    assert_eq!(of(role, &[]), [by_index.clone(), Enumerate::Listing]);
    assert_eq!(of("", &[FILE]), [by_index.clone(), Enumerate::Listing]);
    let named = r#", "shared_variables": ["x"]"#;
    assert_eq!(of(named, &[]), [by_index, Enumerate::Ids(vec!["x".to_owned()])]);
}

#[test]
fn a_kind_without_a_prefix_has_no_sources_and_an_empty_prefix_no_separator() {
    let variables = ("SECRETS_INIT_VARIABLES_FILE", "/x/v.json");
    let plan = of_kwargs(
        r#"{"connections_prefix": null, "variables_prefix": "", "shared_account": "222222222222",
            "shared_role_arn": "arn:aws:iam::222222222222:role/r", "variables_prefix_shared": "", "sep": "-"}"#,
        &[variables],
    );
    assert_sources(&plan, Kind::Connection, &[]);
    let own = (Source::Own, Enumerate::Listing, "", name("x"));
    assert_sources(&plan, Kind::Variable, &[own, (shared_in("eu-west-1"), Enumerate::Listing, "-", name("-x"))]);
    assert!(plan.want_of(Kind::Config).is_none());
}

#[test]
fn the_pattern_is_that_of_the_own_account() {
    let plan =
        of_kwargs(r#"{"connections_lookup_pattern": "a", "shared_account": "222222222222", "shared_index": "i"}"#, &[]);
    let sources = &plan.want_of(Kind::Connection).unwrap().sources;
    for (source, expected) in sources.iter().zip([(true, true, false), (false, true, true)]) {
        let takes = |id| source.pattern_takes(id).unwrap();
        assert_eq!((source.has_pattern(), takes("ab"), takes("b")), expected, "{}", source.source);
    }
}

/// The second way to see an account comes with a later kind, and stands before the accounts that it wins over all the same.
#[test]
fn accounts_are_in_the_order_of_the_kwargs_and_each_is_there_once() {
    let plan = of_kwargs(
        r#"{"variables_prefix": "v", "shared": [
            {"account": "222222222222", "connections": ["a"], "variables_prefix": "v"},
            {"account": "333333333333", "role_arn": "arn:aws:iam::333333333333:role/r", "variables_prefix": "v"}]}"#,
        &[("SECRETS_INIT_VARIABLES_FILE", "/x/v.json")],
    );
    let account = |source: &Source, access| AccountPlan { source: source.clone(), access };
    let third = Source::shared("333333333333", "eu-west-1");
    let second = shared_in("eu-west-1");
    let arn = Arn::of_role("arn:aws:iam::333333333333:role/r").unwrap();
    let role = Role { arn, external_id: None, session_name: None, via: RoleVia::AssumeRole, token_file: None };
    assert_eq!(
        plan.accounts,
        [
            account(&Source::Own, Access::Own),
            account(&second, Access::Pod),
            account(&second, Access::Own),
            account(&third, Access::Role(role)),
        ]
    );
    let of_account = |account| plan.sources_of(account).map(|source| source.kind).collect::<Vec<_>>();
    let (connection, variable) = (Kind::Connection, Kind::Variable);
    assert_eq!(
        [0, 1, 2, 3].map(of_account),
        [vec![connection, variable], vec![connection], vec![variable], vec![connection, variable]]
    );
    assert_eq!([connection, variable].map(|kind| plan.want_of(kind).unwrap().sources.len()), [3, 3]);
}

/// A kind, exactly which of it, which by name, and which are required.
type Wanted = (Kind, Option<Vec<String>>, Vec<String>, Vec<String>);

#[test]
fn what_is_wanted_by_name_is_of_its_kind() {
    let directory = tempfile::tempdir().unwrap();
    let template = directory.path().join("t.j2");
    std::fs::write(&template, "---\nconn_ids: [b, c]\nvariables: [v]\n---\n{{ connections.a.uri }}").unwrap();
    let templates = format!("{}=/x/t", template.display());
    let wants = |more: &[(&str, &str)]| -> Vec<Wanted> {
        let pairs = [("SECRETS_INIT_TEMPLATES", templates.as_str()), ("SECRETS_INIT_REQUIRED", "r")];
        let plan = of_kwargs("{}", &pairs.iter().chain(more).copied().collect::<Vec<_>>());
        plan.wants.into_iter().map(|want| (want.kind, want.exactly, want.named, want.required)).collect()
    };
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let variable = || (Kind::Variable, Some(ids(&["v"])), ids(&["v"]), ids(&[]));
    assert_eq!(wants(&[]), [(Kind::Connection, None, ids(&["b", "c"]), ids(&["r"])), variable()]);
    let alone = [("SECRETS_INIT_CONNECTIONS_FILE", "none"), ("SECRETS_INIT_CONN_IDS", "a,b")];
    assert_eq!(
        wants(&alone),
        [(Kind::Connection, Some(ids(&["a", "b", "c"])), ids(&["b", "c"]), ids(&["r"])), variable()]
    );
    assert_eq!(
        wants(&alone[1..]),
        [(Kind::Connection, Some(ids(&["a", "b"])), ids(&["b", "c"]), ids(&["r"])), variable()]
    );
}

#[test]
fn names_that_no_file_wants_are_reported() {
    let plan = of_kwargs("{}", &[("SECRETS_INIT_VARIABLE_KEYS", "a")]);
    assert_eq!(plan.notices, ["SECRETS_INIT_VARIABLE_KEYS is set, but no file wants a variable; name one"]);
}
