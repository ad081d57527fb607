//! `ListSecrets`: filters, order, paging, consistency.

use fake_aws::{FakeAws, Scenario, Secret};
use serde_json::{Value, json};

use crate::client::{APP, Client, REGION, SHARED, names};

fn seven() -> Scenario {
    Scenario::new().secrets(APP, REGION, (1..=7).map(|i| (format!("a/s{i}"), "v")))
}

/// All pages: the names of each.
fn pages(client: &Client, mut request: Value) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    loop {
        let answer = client.call("ListSecrets", request.clone()).unwrap();
        pages.push(names(&answer, "SecretList"));
        assert!(pages.len() < 50, "paging does not end");
        match answer.get("NextToken") {
            Some(token) => request["NextToken"] = token.clone(),
            None => return pages,
        }
    }
}

fn list(client: &Client, filters: &Value) -> Vec<String> {
    let mut names = pages(client, json!({ "Filters": filters })).concat();
    names.sort();
    names
}

#[test]
fn entries_have_what_change_detection_needs() {
    let aws = FakeAws::start(Scenario::new().secret(APP, REGION, "a", Secret::text("v").tag("k", "t")));
    let answer = Client::new(&aws, APP).call("ListSecrets", json!({})).unwrap();
    let entry = &answer["SecretList"][0];
    assert_eq!(entry["ARN"], fake_aws::secret_arn(APP, REGION, "a"));
    assert!(entry["CreatedDate"].is_number() && entry["LastChangedDate"].is_number());
    assert_eq!(entry["Tags"], json!([{ "Key": "k", "Value": "t" }]));
    let versions = entry["SecretVersionsToStages"].as_object().unwrap();
    assert_eq!(versions.values().next().unwrap(), &json!(["AWSCURRENT"]));
    assert!(!answer.to_string().contains("SecretString"));
}

#[test]
fn pages_may_be_out_of_order() {
    let aws = FakeAws::start(seven().settings(|settings| settings.shuffle_pages = Some(true)));
    let listed = pages(&Client::new(&aws, APP), json!({ "SortBy": "name" })).concat();
    let mut sorted = listed.clone();
    sorted.sort();
    assert!(listed.len() == 7 && listed != sorted);
}

#[test]
fn pages_follow_tokens() {
    let aws = FakeAws::start(seven());
    let client = Client::new(&aws, APP);
    let pages = pages(&client, json!({ "MaxResults": 3 }));
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(pages.concat(), (1..=7).map(|i| format!("a/s{i}")).collect::<Vec<_>>());
}

#[test]
fn page_cap_is_below_what_was_asked() {
    let aws = FakeAws::start(seven().settings(|s| s.list_page_cap = Some(2)));
    let pages = pages(&Client::new(&aws, APP), json!({ "MaxResults": 100 }));
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2, 1]);
}

#[test]
fn empty_pages_carry_a_token() {
    let aws = FakeAws::start(seven().settings(|s| {
        s.empty_page_every = Some(2);
        s.trailing_empty_page = Some(true);
    }));
    let pages = pages(&Client::new(&aws, APP), json!({ "MaxResults": 3 }));
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 0, 3, 0, 1, 0, 0]);
}

#[test]
fn pages_may_repeat_an_entry() {
    let aws = FakeAws::start(seven().settings(|s| s.repeat_across_pages = Some(true)));
    let pages = pages(&Client::new(&aws, APP), json!({ "MaxResults": 4 }));
    assert_eq!(pages[1][0], pages[0][3]);
    let mut all = pages.concat();
    all.dedup();
    assert_eq!(all.len(), 7);
}

#[test]
fn max_results_is_1_to_100() {
    let aws = FakeAws::start(seven());
    let client = Client::new(&aws, APP);
    for bad in [0, 101, -1] {
        let error = client.call("ListSecrets", json!({ "MaxResults": bad })).unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (400, "ValidationException"));
    }
    assert!(client.call("ListSecrets", json!({ "MaxResults": 100 })).is_ok());
}

#[test]
fn tokens_belong_to_their_query() {
    let aws = FakeAws::start(seven());
    let client = Client::new(&aws, APP);
    let code = |request: Value| client.call("ListSecrets", request).unwrap_err().code;
    assert_eq!(code(json!({ "NextToken": "nonsense" })), "InvalidNextTokenException");
    let answer = client.call("ListSecrets", json!({ "MaxResults": 3 })).unwrap();
    let token = &answer["NextToken"];
    assert_eq!(code(json!({ "NextToken": token, "SortBy": "name" })), "InvalidNextTokenException");
    let stranger = Client::new(&aws, SHARED);
    let error = stranger.call("ListSecrets", json!({ "NextToken": token })).unwrap_err();
    assert_eq!(error.code, "InvalidNextTokenException");
}

#[test]
fn own_account_and_region_only() {
    let aws = FakeAws::start(
        Scenario::new().secret(APP, REGION, "mine", "v").secret(APP, "us-east-1", "elsewhere", "v").secret(
            SHARED,
            REGION,
            "theirs",
            Secret::text("v").policy(fake_aws::Statement::allow(["secretsmanager:*"]).to(["*"])),
        ),
    );
    assert_eq!(list(&Client::new(&aws, APP), &json!([])), ["mine"]);
    assert_eq!(list(&Client::new(&aws, APP).region("us-east-1"), &json!([])), ["elsewhere"]);
    assert!(list(&Client::new(&aws, "333333333333"), &json!([])).is_empty());
}

#[test]
fn filters() {
    let aws = FakeAws::start(
        Scenario::new()
            .secret(APP, REGION, "airflow/connections/a", Secret::text("v").tag("team", "data"))
            .secret(APP, REGION, "airflow/connections_old/b", Secret::text("v").description("My Words"))
            .secret(APP, REGION, "Airflow/connections/c", "v")
            .secret(APP, REGION, "other", Secret::text("v").tag("team", "web")),
    );
    let client = Client::new(&aws, APP);
    let by = |key: &str, values: &[&str]| list(&client, &json!([{ "Key": key, "Values": values }]));
    // A prefix, not a path; case matters; "/" is literal.
    assert_eq!(by("name", &["airflow/connections"]), ["airflow/connections/a", "airflow/connections_old/b"]);
    assert_eq!(by("name", &["airflow/connections/"]), ["airflow/connections/a"]);
    assert!(by("name", &["connections"]).is_empty());
    // Values are alternatives, and "!" means anything but.
    assert_eq!(by("name", &["Airflow", "other"]), ["Airflow/connections/c", "other"]);
    assert_eq!(by("name", &["!airflow"]), ["Airflow/connections/c", "other"]);
    assert_eq!(by("tag-key", &["te"]), ["airflow/connections/a", "other"]);
    assert_eq!(by("tag-value", &["web"]), ["other"]);
    assert_eq!(by("description", &["my w"]), ["airflow/connections_old/b"]);
    assert_eq!(by("all", &["CONN"]).len(), 3);
    // Filters are all to be passed.
    let both = json!([{ "Key": "name", "Values": ["airflow"] }, { "Key": "tag-value", "Values": ["data"] }]);
    assert_eq!(list(&client, &both), ["airflow/connections/a"]);
}

#[test]
fn filter_constraints() {
    let aws = FakeAws::start(Scenario::new());
    let client = Client::new(&aws, APP);
    let code = |filters: Value| client.call("ListSecrets", json!({ "Filters": filters })).unwrap_err().code;
    let one = json!({ "Key": "name", "Values": ["x"] });
    assert_eq!(code(json!(vec![one; 11])), "ValidationException");
    assert_eq!(code(json!([{ "Key": "colour", "Values": ["x"] }])), "ValidationException");
    assert_eq!(code(json!([{ "Key": "name", "Values": [] }])), "InvalidParameterException");
    assert_eq!(code(json!([{ "Key": "name", "Values": vec!["x"; 11] }])), "InvalidParameterException");
    assert_eq!(code(json!([{ "Key": "name", "Values": ["a*b"] }])), "ValidationException");
}

#[test]
fn order() {
    let aws = FakeAws::start(
        Scenario::new()
            .secret(APP, REGION, "b", Secret::text("v").created(100).last_changed(900))
            .secret(APP, REGION, "a", Secret::text("v").created(300).last_changed(700))
            .secret(APP, REGION, "c", Secret::text("v").created(200).last_changed(800)),
    );
    let client = Client::new(&aws, APP);
    let sorted = |by: &str, order: &str| {
        let request = json!({ "SortBy": by, "SortOrder": order, "MaxResults": 2 });
        pages(&client, request).concat().concat()
    };
    assert_eq!(sorted("name", "asc"), "abc");
    assert_eq!(sorted("name", "desc"), "cba");
    assert_eq!(sorted("created-date", "asc"), "bca");
    assert_eq!(sorted("created-date", "desc"), "acb");
    assert_eq!(sorted("last-changed-date", "asc"), "acb");
    assert_eq!(pages(&client, json!({})).concat().concat(), "bca");
    let bad = client.call("ListSecrets", json!({ "SortBy": "size" })).unwrap_err();
    assert_eq!(bad.code, "ValidationException");
}

#[test]
fn eventually_consistent() {
    let aws = FakeAws::start(
        Scenario::new()
            .secret(APP, REGION, "new", Secret::text("v").hidden_from_list())
            .secret(APP, REGION, "deleted", Secret::text("v").pending_deletion())
            .secret(APP, REGION, "just-deleted", Secret::text("v").pending_deletion().still_listed())
            .secret(APP, REGION, "gone", Secret::text("v").listed_but_gone()),
    );
    let client = Client::new(&aws, APP);
    assert_eq!(list(&client, &json!([])), ["gone", "just-deleted"]);
    let with_deleted = client.call("ListSecrets", json!({ "IncludePlannedDeletion": true })).unwrap();
    assert_eq!(names(&with_deleted, "SecretList").len(), 3);
    let get = |id: &str| client.call("GetSecretValue", json!({ "SecretId": id }));
    assert!(get("new").is_ok());
    assert_eq!(get("gone").unwrap_err().code, "ResourceNotFoundException");
    assert_eq!(get("just-deleted").unwrap_err().code, "InvalidRequestException");
}

#[test]
fn lists_lag() {
    let lag = |ms| move |s: &mut fake_aws::Settings| s.list_lag_ms = Some(ms);
    let aws = FakeAws::start(seven().settings(lag(3_600_000)));
    let client = Client::new(&aws, APP);
    assert!(list(&client, &json!([])).is_empty());
    assert!(client.call("GetSecretValue", json!({ "SecretId": "a/s1" })).is_ok());
    aws.extend(fake_aws::Scenario::new().settings(lag(1))).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1));
    assert_eq!(list(&client, &json!([])).len(), 7);
}
