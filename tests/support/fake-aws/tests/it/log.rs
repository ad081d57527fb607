//! The call log.

use fake_aws::{FakeAws, Fault, Scenario};
use serde_json::json;

use crate::client::{APP, Client, REGION, SHARED};

#[test]
fn records_who_what_and_how_but_no_values() {
    let aws = FakeAws::start(Scenario::new().secrets(APP, REGION, [("a", "the-value"), ("b", "the-value")]));
    let client = Client::new(&aws, APP);
    let listed = client.call("ListSecrets", json!({ "MaxResults": 1 })).unwrap();
    client.call("ListSecrets", json!({ "MaxResults": 1, "NextToken": listed["NextToken"] })).unwrap();
    client.call("BatchGetSecretValue", json!({ "SecretIdList": ["a", "b", "c"] })).unwrap();
    client.call("GetSecretValue", json!({ "SecretId": "c" })).unwrap_err();
    Client::new(&aws, SHARED).call("ListSecrets", json!({})).unwrap();

    let calls = aws.calls();
    let summary: Vec<_> =
        calls.iter().map(|c| (c.operation.as_str(), c.account.as_str(), c.page, c.status, c.connection)).collect();
    assert_eq!(
        summary,
        [
            ("ListSecrets", APP, Some(1), 200, 1),
            ("ListSecrets", APP, Some(2), 200, 1),
            ("BatchGetSecretValue", APP, None, 200, 1),
            ("GetSecretValue", APP, None, 400, 1),
            ("ListSecrets", SHARED, Some(1), 200, 2),
        ]
    );
    assert_eq!(calls[2].ids, ["a", "b", "c"]);
    assert_eq!(calls[3].code.as_deref(), Some("ResourceNotFoundException"));
    assert_eq!(&*calls[0].principal, "arn:aws:iam::111111111111:root");
    assert_eq!(calls[0].region, REGION);
    assert!(!format!("{calls:?}").contains("the-value"));

    assert_eq!((aws.count("ListSecrets"), aws.count_in("ListSecrets", APP)), (3, 2));
    let stats = aws.stats();
    assert_eq!((stats.calls, stats.connections_opened, stats.ids_asked), (5, 2, 4));
    assert_eq!(stats.by_operation["ListSecrets"], 3);
    assert_eq!((stats.by_code["OK"], stats.by_code["ResourceNotFoundException"]), (4, 1));
    assert_eq!(stats.codes_by_operation["ListSecrets"]["OK"], 3);
    assert_eq!(stats.last_user_agent.as_deref(), Some("test-agent"));

    aws.reset_calls();
    assert_eq!((aws.calls().len(), aws.count("ListSecrets"), aws.stats().calls), (0, 0, 0));
}

#[test]
fn counts_what_runs_at_once() {
    let aws = FakeAws::start(Scenario::new().secret(APP, REGION, "a", "v").fault(Fault::on("*").held()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| Client::new(&aws, APP).call("GetSecretValue", json!({ "SecretId": "a" })).unwrap());
        }
        scope.spawn(|| Client::new(&aws, APP).call("ListSecrets", json!({})).unwrap());
        while aws.stats().max_in_flight < 5 {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        aws.clear_faults();
    });
    let stats = aws.stats();
    assert_eq!(stats.max_in_flight, 5);
    assert_eq!(stats.max_in_flight_by_operation["GetSecretValue"], 4);
    assert_eq!(stats.connections_opened, 5);
}

#[test]
fn the_log_is_bounded() {
    let aws = FakeAws::start(Scenario::new().settings(|s| s.log_limit = Some(2)));
    let client = Client::new(&aws, APP);
    for _ in 0..5 {
        client.call("ListSecrets", json!({})).unwrap();
    }
    assert_eq!((aws.calls().len(), aws.count("ListSecrets")), (2, 5));
    assert_eq!(aws.stats().dropped_from_log, 3);
}
