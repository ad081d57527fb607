//! Settings in, documents out; tests/iam.rs proves the documents against an AWS that judges by them.

use super::document::{Condition, IamPolicies, Impact, OnlyWith, PolicyDocument, PolicyType, Statement, Text};
use super::{build, hcl, json, publisher};
use crate::config::cli::RawSettings;
use crate::config::env::Env;
use crate::config::settings::Settings;
use crate::error::Exit;
use crate::plan::Plan;

fn policies(pairs: &[(&str, &str)]) -> IamPolicies {
    let env: Env = pairs.iter().copied().collect();
    let settings = Settings::load(&env, RawSettings::default()).unwrap_or_else(|failure| panic!("{failure}"));
    build::policies(&settings, &Plan::of(&settings, &settings.needs()), &env).unwrap()
}

fn of(kwargs: &str) -> IamPolicies {
    policies(&[("AIRFLOW__SECRETS__BACKEND_KWARGS", kwargs), ("AWS_REGION", "eu-central-1")])
}

fn document<'a>(policies: &'a IamPolicies, name: &str) -> &'a PolicyDocument {
    let names: Vec<&str> = policies.documents.iter().map(|document| document.name.as_str()).collect();
    policies.documents.iter().find(|document| document.name == name).unwrap_or_else(|| panic!("no {name}: {names:?}"))
}

fn statement<'a>(policies: &'a IamPolicies, name: &str, sid: &str) -> &'a Statement {
    let statements = &document(policies, name).statements;
    statements.iter().find(|statement| statement.sid == sid).unwrap_or_else(|| panic!("no {sid}: {statements:?}"))
}

fn resources(statement: &Statement) -> Vec<String> {
    statement.resources.iter().map(Text::in_json).collect()
}

fn sids<'a>(policies: &'a IamPolicies, name: &str) -> Vec<&'a str> {
    document(policies, name).statements.iter().map(|statement| statement.sid.as_str()).collect()
}

fn names(policies: &IamPolicies) -> Vec<&str> {
    policies.documents.iter().map(|document| document.name.as_str()).collect()
}

#[test]
fn only_what_some_file_wants_is_in_the_policies() {
    let connections = of("{}");
    let secrets = |policies: &IamPolicies| resources(statement(policies, "pod_role", "GetSecretValue"));
    let arn = |prefix: &str| format!("arn:aws:secretsmanager:eu-central-1:OWN_ACCOUNT:secret:{prefix}/*");
    assert_eq!(secrets(&connections), [arn("airflow/connections")]);
    assert_eq!(
        sids(&connections, "pod_role"),
        ["ListSecrets", "BatchGetSecretValue", "GetSecretValue", "DecryptSecrets"]
    );
    let every_kind = policies(&[
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", r#"{"variables_prefix": "v", "sep": "/"}"#),
        ("AWS_REGION", "eu-central-1"),
        ("SECRETS_INIT_VARIABLES_FILE", "/x/variables.json"),
        ("SECRETS_INIT_CONFIGS_FILE", "/x/configs.json"),
    ]);
    assert_eq!(secrets(&every_kind), [arn("airflow/connections"), arn("v"), arn("airflow/config")]);
}

#[test]
fn ids_by_name_are_secrets_by_name_and_nothing_is_listed() {
    let named = policies(&[
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", r#"{"connections_lookup_pattern": "a|b"}"#),
        ("AWS_REGION", "eu-central-1"),
        ("SECRETS_INIT_CONN_IDS", "a,c,b"),
    ]);
    assert_eq!(sids(&named, "pod_role"), ["BatchGetSecretValue", "GetSecretValue", "DecryptSecrets"]);
    let start = "arn:aws:secretsmanager:eu-central-1:OWN_ACCOUNT:secret:airflow/connections/";
    let expected = ["a-??????", "a", "b-??????", "b"].map(|end| format!("{start}{end}"));
    assert_eq!(resources(statement(&named, "pod_role", "GetSecretValue")), expected, "c is not asked for");
    let of_team = policies(&[
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", "{}"),
        ("AWS_REGION", "eu-central-1"),
        ("SECRETS_INIT_CONN_IDS", "a"),
        ("SECRETS_INIT_TEAM", "team"),
    ]);
    let expected = ["team--a-??????", "team--a", "a-??????", "a"].map(|end| format!("{start}{end}"));
    assert_eq!(resources(statement(&of_team, "pod_role", "GetSecretValue")), expected, "both names are asked for");
}

/// `publish-index --create` puts in place what `iam` prints.
#[test]
fn the_policy_of_a_new_index_is_the_printed_one() {
    for readers in ["111111111111,222222222222", "o-a1b2c3d4e5,o-b1b2c3d4e5", "111111111111,o-a1b2c3d4e5"] {
        let env: Env = [
            ("AIRFLOW__SECRETS__BACKEND_KWARGS", "{}"),
            ("AWS_REGION", "cn-north-1"),
            ("SECRETS_INIT_INDEX", "i"),
            ("SECRETS_INIT_INDEX_READERS", readers),
        ]
        .into_iter()
        .collect();
        let settings = Settings::load(&env, RawSettings::default()).unwrap();
        let plan = Plan::of(&settings, &settings.needs());
        let printed = build::policies(&settings, &plan, &env).unwrap();
        let put = publisher::index_policy(&settings.index.as_ref().unwrap().readers, &plan);
        assert_eq!(put, json::policy(document(&printed, "index")).to_string());
        assert!(!put.contains("arn:aws:"), "{put}");
    }
}

#[test]
fn an_empty_prefix_is_every_secret_and_says_so() {
    let all = of(r#"{"connections_prefix": ""}"#);
    let get = statement(&all, "pod_role", "GetSecretValue");
    assert_eq!(resources(get), ["arn:aws:secretsmanager:eu-central-1:OWN_ACCOUNT:secret:*"]);
    assert!(get.needed_for.contains("every secret"));
}

#[test]
fn partitions_follow_from_regions() {
    let china = policies(&[
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", r#"{"shared_account": "222222222222", "shared_connections": ["a"]}"#),
        ("AWS_REGION", "cn-north-1"),
    ]);
    for name in ["pod_role", "shared_222222222222_kms_key", "shared_222222222222_secrets"] {
        let text = json::policy(document(&china, name)).to_string();
        assert!(text.contains("arn:aws-cn:") && !text.contains("arn:aws:"), "{text}");
    }
    let via = &statement(&china, "pod_role", "DecryptSharedSecrets").conditions[0];
    assert_eq!((via.operator, via.values[0].in_json()), ("StringLike", "secretsmanager.cn-north-1.*".to_owned()));
}

#[test]
fn without_a_region_the_own_one_is_open() {
    let open = policies(&[("AIRFLOW__SECRETS__BACKEND_KWARGS", "{}")]);
    let slots: Vec<&str> = open.slots().into_keys().collect();
    assert_eq!(slots, ["OWN_REGION", "OWN_ACCOUNT", "OWN_KMS_KEY_ID", "POD_ROLE"]);
}

#[test]
fn what_irsa_says_of_the_pod_is_filled_in() {
    let kwargs = r#"{"shared_account": "222222222222", "shared_role_arn": "arn:aws:iam::222222222222:role/reader"}"#;
    let pod = "arn:aws:iam::111111111111:role/path/airflow";
    let all = [
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", kwargs),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ROLE_ARN", pod),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
    ];
    let known = policies(&all);
    assert_eq!(known.slots().len(), 2, "the ids of two keys");
    assert_eq!(document(&known, "pod_role").attach_to, Text::literal(pod));
    let trust = statement(&known, "shared_222222222222_role_trust", "AssumeRole");
    assert_eq!((trust.principal_type, &*trust.principals), ("AWS", &[Text::literal(pod)][..]));
    assert!(!sids(&known, "shared_222222222222_role_trust").contains(&"TagSession"), "IRSA has no session tags");
    // Keys of the environment stand above IRSA, and without a token the role is somebody else's.
    let keys = policies(&[&all[..], &[("AWS_ACCESS_KEY_ID", "AKIA")]].concat());
    assert_eq!(keys.slots().len(), 4);
    assert_eq!(policies(&all[..3]).slots().len(), 4);
    assert!(sids(&policies(&all[..2]), "shared_222222222222_role_trust").contains(&"TagSession"));
}

#[test]
fn an_own_role_of_the_pods_account_needs_no_permission_to_be_taken() {
    let of_account = |account: &str| {
        policies(&[
            ("AIRFLOW__SECRETS__BACKEND_KWARGS", &format!(r#"{{"role_arn": "arn:aws:iam::{account}:role/r"}}"#)),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ROLE_ARN", "arn:aws:iam::111111111111:role/pod"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ])
    };
    let here = of_account("111111111111");
    assert_eq!(names(&here), ["own_role_trust", "own_role", "vpc_endpoint_sts", "vpc_endpoint_secretsmanager"]);
    let elsewhere = of_account("222222222222");
    assert_eq!(statement(&elsewhere, "pod_role", "AssumeOwnRole").only_with, [OnlyWith::RoleOfAnotherAccount]);
    // The own secrets are those of the role's account.
    let secret = &resources(statement(&elsewhere, "own_role", "GetSecretValue"))[0];
    assert!(secret.starts_with("arn:aws:secretsmanager:eu-central-1:222222222222:secret:"), "{secret}");
}

#[test]
fn keys_of_the_kwargs_are_an_identity_of_their_own_and_never_shown() {
    let keys = of(
        r#"{"aws_access_key_id": "AKIACANARY", "aws_secret_access_key": "canary-secret", "aws_session_token": "canary-token",
            "shared_account": "222222222222", "shared_connections": ["a"]}"#,
    );
    assert!(sids(&keys, "own_identity").contains(&"ListSecrets"));
    assert_eq!(sids(&keys, "pod_role"), ["GetSharedSecretValue", "DecryptSharedSecrets"]);
    for text in [json::text(&keys), hcl::text(&keys)] {
        assert!(!text.to_lowercase().contains("canary"), "{text}");
    }
}

#[test]
fn one_account_in_two_regions_has_documents_and_keys_of_their_own() {
    let two = of(r#"{"shared": [{"account": "222222222222", "region": "eu-west-1", "connections": ["a"]},
            {"account": "222222222222", "region": "cn-north-1", "connections": ["b"]}]}"#);
    let secrets: Vec<&str> = names(&two).into_iter().filter(|name| name.ends_with("_secrets")).collect();
    assert_eq!(secrets, ["shared_222222222222_eu_west_1_secrets", "shared_222222222222_cn_north_1_secrets"]);
    // Conditions that can't be put together stay apart.
    let get = statement(&two, "pod_role", "GetSharedSecretValue");
    assert_eq!(get.resources.len(), 4);
    let decrypts: Vec<&str> =
        sids(&two, "pod_role").into_iter().filter(|sid| sid.starts_with("DecryptShared")).collect();
    assert_eq!(decrypts, ["DecryptSharedSecrets", "DecryptSharedSecrets2"]);
}

#[test]
fn two_accounts_share_the_statements_of_the_pod() {
    let two = of(r#"{"shared": [{"account": "222222222222", "role_arn": "arn:aws:iam::222222222222:role/a"},
            {"account": "333333333333", "role_arn": "arn:aws:iam::333333333333:role/b"}]}"#);
    let assume = statement(&two, "pod_role", "AssumeSharedRole");
    assert_eq!(resources(assume), ["arn:aws:iam::222222222222:role/a", "arn:aws:iam::333333333333:role/b"]);
}

#[test]
fn an_index_may_be_given_by_its_whole_arn() {
    let index = |index: &str| {
        let of = of(&format!(r#"{{"shared_account": "222222222222", "shared_index": "{index}"}}"#));
        resources(statement(&of, "pod_role", "GetSharedIndex"))
    };
    let start = "arn:aws:secretsmanager:eu-central-1:222222222222:secret:";
    assert_eq!(index("ix"), [format!("{start}ix-??????"), format!("{start}ix")]);
    assert_eq!(index(&format!("{start}ix")), [format!("{start}ix-??????"), format!("{start}ix")]);
    assert_eq!(index(&format!("{start}ix-AbCdEf")), [format!("{start}ix-AbCdEf")]);
}

#[test]
fn long_policies_are_cut_and_lose_nothing() {
    let ids: Vec<String> = (0..300).map(|number| format!("connection_number_{number}")).collect();
    let long = policies(&[
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", "{}"),
        ("AWS_REGION", "eu-central-1"),
        ("SECRETS_INIT_CONN_IDS", &ids.join(",")),
    ]);
    let parts: Vec<&PolicyDocument> =
        long.documents.iter().filter(|document| document.form == PolicyType::Identity).collect();
    assert!(parts.len() > 5);
    let mut all = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        assert_eq!(part.name, if number == 0 { "pod_role".to_owned() } else { format!("pod_role_{}", number + 1) });
        assert!(json::policy(part).to_string().len() < 6_144, "{}", part.name);
        assert!(!part.statements.is_empty());
        let gets = part.statements.iter().filter(|statement| statement.sid.starts_with("GetSecretValue"));
        all.extend(gets.flat_map(resources));
    }
    assert_eq!(all.len(), 600);
    let expected = [ids[299].clone() + "-??????", ids[299].clone()];
    assert!(all.iter().rev().take(2).rev().zip(expected).all(|(arn, end)| arn.ends_with(&end)));
    // An endpoint has one policy, so there the prefix has to do.
    let through = resources(statement(&long, "vpc_endpoint_secretsmanager", "GetSecretValue"));
    assert_eq!(through, ["arn:aws:secretsmanager:eu-central-1:OWN_ACCOUNT:secret:airflow/connections/*"]);
}

#[test]
fn an_account_that_must_be_the_own_one_is_told() {
    let own = of(r#"{"shared_account": "222222222222"}"#);
    assert!(own.notices[0].contains("only if it is the own account"), "{:?}", own.notices);
    assert!(names(&own).iter().all(|name| !name.starts_with("shared_")));
    let nothing = of(r#"{"connections_prefix": null}"#);
    assert!(nothing.documents.is_empty() && nothing.notices[0].contains("no policy is needed"));
}

#[test]
fn a_file_needs_no_policies() {
    let env: Env =
        [("AIRFLOW__SECRETS__BACKEND_KWARGS", "{}"), ("SECRETS_INIT_STORE", "file:x.yaml")].into_iter().collect();
    let settings = Settings::load(&env, RawSettings::default()).unwrap();
    let failure = build::policies(&settings, &Plan::of(&settings, &settings.needs()), &env).err().unwrap();
    assert_eq!((failure.exit(), failure.lines().len()), (Exit::Config, 1));
}

// ---- how they are written --------------------------------------------------------------------------------------

#[test]
fn signs_that_mean_themselves_are_written_so() {
    let slot = Text::slot("OWN", "what \"it\" is: ${x} %{y}\n");
    let text = Text::literal("a*?$\"\\%{b").and(&slot).wild("*");
    assert_eq!(text.in_json(), "a${*}${?}${$}\"\\%{bOWN*");
    assert_eq!(text.in_words(), "a*?$\"\\%{bOWN*");
    let statement = Statement {
        sid: "A".to_owned(),
        action: "a:B",
        resources: vec![text],
        principal_type: "AWS",
        principals: vec![Text::literal("one"), Text::literal("two")],
        conditions: vec![Condition {
            operator: "StringEquals",
            key: slot.then(":aud"),
            values: vec![Text::literal("x"), Text::literal("y")],
        }],
        needed_for: "long ".repeat(30) + "words",
        without_it: "nothing.".to_owned(),
        impact: Impact::OneByOne,
        only_with: vec![OnlyWith::Irsa, OnlyWith::RoleOfAnotherAccount],
    };
    let document = PolicyDocument {
        name: "d".to_owned(),
        form: PolicyType::Endpoint,
        attach_to: Text::literal("it"),
        why: "Why.".to_owned(),
        statements: vec![
            statement.clone(),
            Statement { principal_type: "*", principals: vec![Text::everything()], ..statement.called("B") },
        ],
    };
    let policies = IamPolicies { documents: vec![document], notices: Vec::new() };
    let expected = r#"variable "own" {
  description = "what \"it\" is: $${x} %%{y}\u000a"
  type        = string
}

# Attach to: it
# Why.
data "aws_iam_policy_document" "d" {
  # Needed for: long long long long long long long long long long long long long long long long long long long
  # long long long long long long long long long long long words
  # Without it: nothing.
  # Only with IRSA and a role of another account.
  statement {
    sid       = "A"
    actions   = ["a:B"]
    resources = ["a&{*}&{?}&{$}\"\\%%{b${var.own}*"]

    principals {
      type = "AWS"
      identifiers = [
        "one",
        "two",
      ]
    }

    condition {
      test     = "StringEquals"
      variable = "${var.own}:aud"
      values = [
        "x",
        "y",
      ]
    }
  }

"#;
    let printed = hcl::text(&policies);
    assert!(printed.starts_with(expected), "{printed}");
    assert!(
        printed.contains("    principals {\n      type        = \"*\"\n      identifiers = [\"*\"]\n    }\n"),
        "{printed}"
    );
    let object: serde_json::Value = serde_json::from_str(&json::text(&policies)).unwrap();
    let statements = &object["documents"][0]["policy"]["Statement"];
    assert_eq!(statements[0]["Principal"], serde_json::json!({"AWS": ["one", "two"]}));
    assert_eq!(statements[1]["Principal"], "*");
    assert_eq!(
        object["documents"][0]["statements"][0]["only_with"],
        serde_json::json!(["irsa", "role_of_another_account"])
    );
    assert_eq!(object["placeholders"]["OWN"], "what \"it\" is: ${x} %{y}\n");
}
