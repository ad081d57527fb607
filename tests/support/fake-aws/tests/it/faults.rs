//! Faults and latency.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use fake_aws::{FakeAws, Fault, FaultEffect, Scenario};
use serde_json::json;

use crate::client::{APP, Client, REGION, SHARED, errors, names};

fn with(fault: Fault) -> FakeAws {
    FakeAws::start(
        Scenario::new()
            .secret(APP, REGION, "a/one", "value-one")
            .secret(APP, REGION, "a/two", "value-two")
            .secret(SHARED, REGION, "a/one", "value")
            .fault(fault),
    )
}

/// Codes of consecutive gets.
fn gets(client: &Client, id: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|_| match client.call("GetSecretValue", json!({ "SecretId": id })) {
            Ok(_) => "OK".to_owned(),
            Err(error) => error.code,
        })
        .collect()
}

#[test]
fn windows() {
    let throttled = "ThrottlingException";
    let run = |fault: Fault| gets(&Client::new(&with(fault.throttled()), APP), "a/one", 6);
    let get = || Fault::on("GetSecretValue");
    assert_eq!(run(get().times(2)), [throttled, throttled, "OK", "OK", "OK", "OK"]);
    assert_eq!(run(get().skip(1).times(1)), ["OK", throttled, "OK", "OK", "OK", "OK"]);
    assert_eq!(run(get().every(3)), ["OK", "OK", throttled, "OK", "OK", throttled]);
    assert_eq!(run(Fault::on("Get*").probability(1.0)), [throttled; 6]);
    assert_eq!(run(Fault::on("*").probability(0.0)), ["OK"; 6]);
}

#[test]
fn probability_is_seeded() {
    let run = |seed: u64| {
        let aws = FakeAws::start(
            Scenario::new()
                .settings(|s| s.seed = Some(seed))
                .secret(APP, REGION, "a/one", "v")
                .fault(Fault::on("GetSecretValue").probability(0.5).throttled()),
        );
        gets(&Client::new(&aws, APP), "a/one", 40)
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
    let hits = run(3).iter().filter(|code| *code != "OK").count();
    assert!((8..33).contains(&hits), "{hits} of 40");
}

#[test]
fn only_some_calls() {
    let aws = with(Fault::on("GetSecretValue").account(SHARED).throttled());
    assert_eq!(gets(&Client::new(&aws, APP), "a/one", 1), ["OK"]);
    assert_eq!(gets(&Client::new(&aws, SHARED), "a/one", 1), ["ThrottlingException"]);
    let aws = with(Fault::on("GetSecretValue").secret("*two").error(500, "InternalServiceError", "oops"));
    let client = Client::new(&aws, APP);
    assert_eq!(gets(&client, "a/one", 1), ["OK"]);
    assert_eq!(gets(&client, "a/two", 1), ["InternalServiceError"]);
    assert_eq!(gets(&client, &fake_aws::secret_arn(APP, REGION, "a/two"), 1), ["InternalServiceError"]);
    let aws = with(Fault::on("*").region("us-east-1").throttled());
    assert_eq!(gets(&Client::new(&aws, APP), "a/one", 1), ["OK"]);
}

#[test]
fn latency() {
    let aws = with(Fault::on("GetSecretValue").latency(Duration::from_millis(60)));
    let client = Client::new(&aws, APP);
    let start = Instant::now();
    assert_eq!(gets(&client, "a/one", 1), ["OK"]);
    assert!(start.elapsed() >= Duration::from_millis(60));
    aws.clear_faults();
    aws.add_fault(Fault::on("GetSecretValue").latency_between(Duration::from_millis(20), Duration::from_millis(40)));
    let start = Instant::now();
    gets(&client, "a/one", 5);
    assert!(start.elapsed() >= Duration::from_millis(100));
    let calls = aws.calls();
    let last = calls.last().unwrap();
    assert!(last.end_ms.unwrap() - last.at_ms >= 19, "{last:?}");
}

#[test]
fn held_until_so_many_have_come() {
    let aws = with(Fault::on("GetSecretValue").together(3));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(gets(&Client::new(&aws, APP), "a/one", 1), ["OK"]));
        }
    });
    assert_eq!(aws.stats().max_in_flight_by_operation["GetSecretValue"], 3);
    assert_eq!(gets(&Client::new(&aws, APP), "a/one", 1), ["OK"], "once is enough");
}

#[test]
fn held_until_it_is_removed() {
    let aws = with(Fault::on("GetSecretValue").held());
    std::thread::scope(|scope| {
        let held = scope.spawn(|| gets(&Client::new(&aws, APP), "a/one", 1));
        while aws.count("GetSecretValue") == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        aws.add_fault(Fault::on("ListSecrets").held());
        assert_eq!(aws.calls()[0].end_ms, None);
        aws.clear_faults();
        assert_eq!(held.join().unwrap(), ["OK"]);
    });
}

#[test]
fn connections_break() {
    let get = json!({ "SecretId": "a/one" });
    for effect in [FaultEffect::Reset, FaultEffect::ResetMidBody] {
        let label = if effect == FaultEffect::Reset { "reset" } else { "reset_mid_body" };
        let aws = with(Fault::on("GetSecretValue").times(1).effect(effect));
        let client = Client::new(&aws, APP);
        let error = client.try_call("GetSecretValue", &get).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(client.try_call("GetSecretValue", &get).unwrap().status, 200);
        let calls = aws.calls();
        assert_eq!(calls[0].fault.as_deref(), Some(label));
        assert_eq!((calls[0].connection, calls[1].connection), (1, 2));
    }
}

#[test]
fn connections_close_or_open_late() {
    let get = json!({ "SecretId": "a/one" });
    let aws = with(Fault::on("GetSecretValue").effect(FaultEffect::CloseAfter));
    let client = Client::new(&aws, APP);
    let answer = client.try_call("GetSecretValue", &get).unwrap();
    assert!(answer.status == 200 && answer.head.to_ascii_lowercase().contains("connection: close"));
    assert!(client.try_call("GetSecretValue", &get).is_err());
    aws.clear_faults();
    aws.extend(Scenario::new().settings(|s| s.connect_latency_ms = Some(50))).unwrap();
    aws.reset_calls();
    let start = Instant::now();
    let client = Client::new(&aws, APP);
    gets(&client, "a/one", 1);
    assert!(start.elapsed() >= Duration::from_millis(50));
    gets(&client, "a/one", 1);
    let calls = aws.calls();
    assert_eq!(calls[0].connection, calls[1].connection, "only a new connection waits");
}

#[test]
fn bodies_arrive_spoilt() {
    let get = json!({ "SecretId": "a/one" });
    let aws = with(Fault::on("GetSecretValue").effect(FaultEffect::TruncateBody));
    let http = Client::new(&aws, APP).try_call("GetSecretValue", &get).unwrap();
    assert_eq!(http.status, 200);
    assert!(serde_json::from_str::<serde_json::Value>(&http.body).is_err());
    let slow = FaultEffect::SlowBody { chunk_bytes: 100, delay_ms: 20 };
    let aws = with(Fault::on("GetSecretValue").effect(slow));
    let start = Instant::now();
    let http = Client::new(&aws, APP).try_call("GetSecretValue", &get).unwrap();
    assert!(http.body.contains("value-one"));
    assert!(start.elapsed() >= Duration::from_millis(40));
}

#[test]
fn somebody_else_answers() {
    let aws = with(Fault::on("GetSecretValue").body(502, "text/html", "<p>{request_id}</p>"));
    let client = Client::new(&aws, APP);
    let get = || client.try_call("GetSecretValue", &json!({ "SecretId": "a/one" })).unwrap();
    let (first, second) = (get(), get());
    assert!(first.status == 502 && first.head.contains("text/html") && first.body.starts_with("<p>"));
    assert_ne!(first.body, second.body);
    assert_eq!(aws.calls()[0].code.as_deref(), Some("502"));
}

#[test]
fn bodies_of_any_length_and_without_end() {
    let get = json!({ "SecretId": "a/one" });
    let aws = with(Fault::on("GetSecretValue").huge_body(200_000));
    let http = Client::new(&aws, APP).try_call("GetSecretValue", &get).unwrap();
    assert_eq!(http.body.len(), 200_000);
    assert!(http.body.starts_with('{'));
    aws.clear_faults();
    aws.add_fault(Fault::on("GetSecretValue").huge_body(None));
    let mut stream = std::net::TcpStream::connect(aws.address()).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nx-amz-target: secretsmanager.GetSecretValue\r\n\
         authorization: Credential={APP}/1/{REGION}/secretsmanager/aws4_request\r\n\r\n"
    );
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    std::io::Read::read_exact(&mut stream, &mut vec![0; 4 << 20]).unwrap();
}

#[test]
fn no_answer_at_all() {
    let aws = with(Fault::on("GetSecretValue").times(1).hang());
    let address = aws.address();
    let (tell, come) = std::sync::mpsc::channel();
    let stuck = std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let body = r#"{"SecretId":"a/one"}"#;
        let head = format!(
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nx-amz-target: secretsmanager.GetSecretValue\r\n\
             authorization: Credential={APP}/1/{REGION}/secretsmanager/aws4_request\r\n\r\n{body}",
            body.len()
        );
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        come.recv().unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
        std::io::Read::read(&mut stream, &mut [0; 1]).unwrap_err().kind()
    });
    while aws.count("GetSecretValue") == 0 {
        std::thread::sleep(Duration::from_millis(2));
    }
    tell.send(()).unwrap();
    assert_eq!(stuck.join().unwrap(), ErrorKind::WouldBlock);
    // The client gave up: the call ends without a status.
    while aws.calls()[0].end_ms.is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let call = &aws.calls()[0];
    assert_eq!((call.status, call.code.as_deref(), call.fault.as_deref()), (0, Some("-"), Some("hang")));
}

#[test]
fn single_ids_of_a_batch() {
    let aws = with(Fault::on("BatchGetSecretValue").secret("a/two").times(1).id_error("ThrottlingException", "later"));
    let client = Client::new(&aws, APP);
    let batch = || client.call("BatchGetSecretValue", json!({ "SecretIdList": ["a/one", "a/two"] })).unwrap();
    let first = batch();
    assert_eq!(names(&first, "SecretValues"), ["a/one"]);
    assert_eq!(errors(&first), [("a/two".to_owned(), "ThrottlingException".to_owned())]);
    assert_eq!(batch()["SecretValues"].as_array().unwrap().len(), 2);
    aws.add_fault(Fault::on("BatchGetSecretValue").secret("a/one").id_missing());
    let third = batch();
    assert_eq!(names(&third, "SecretValues"), ["a/two"]);
    assert!(errors(&third).is_empty());
}

#[test]
fn errors_of_the_query_protocol() {
    let aws = with(Fault::on("GetCallerIdentity").error(400, "Throttling", "Rate exceeded"));
    let error = Client::new(&aws, APP).sts("GetCallerIdentity", &[]).unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (400, "Throttling"));
}
