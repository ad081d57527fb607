//! Small herds: they give the same figures each time, nothing is lost, and no quota is exceeded.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests end by panics")]

use std::time::Duration;

use bench_virtual_herd::herd::{Herd, Outcome};
use bench_virtual_herd::network::Exchange;

/// 200 pods under half of the quotas, as 400 would be under all.
fn herd() -> Herd {
    Herd {
        pods: 200,
        own: 3,
        shared: 0,
        spread: Duration::from_secs(1),
        exchange: Exchange { median: Duration::from_millis(20), deviation: 0.3 },
        cold: true,
        quotas: 0.5,
        restarted: 0.0,
        variables: vec![],
        whole_sdk: false,
        seed: 1,
    }
}

fn run(herd: &Herd) -> Outcome {
    herd.run().unwrap()
}

#[test]
fn a_seed_decides_every_figure() {
    let first = run(&herd()).json();
    assert_eq!(run(&herd()).json(), first);
    assert_ne!(run(&Herd { seed: 2, ..herd() }).json(), first);
}

#[test]
fn all_pods_of_a_throttled_herd_succeed_and_soon_after_the_quotas_let_them() {
    let outcome = run(&herd());
    let figures = outcome.json();
    assert_eq!(outcome.succeeded, 200, "{figures}");
    // 200 lists: fifty at once, and then fifty a second.
    assert_eq!((outcome.floor.by, outcome.floor.seconds), ("ListSecrets", 3.0));
    assert_eq!(figures["calls"]["ListSecrets"]["answered"], 200);
    assert!(figures["calls"]["ListSecrets"]["throttled"].as_u64().unwrap() > 100, "{figures}");
    assert!(outcome.all.as_secs_f64() >= 3.0, "faster than the quotas allow: {figures}");
    assert!(outcome.all.as_secs_f64() < 4.0, "{figures}");
}

#[test]
fn a_shared_account_is_read_through_its_role() {
    let outcome = run(&Herd { pods: 20, shared: 2, ..herd() });
    let figures = outcome.json();
    assert_eq!(outcome.succeeded, 20, "{figures}");
    assert_eq!(figures["calls"]["AssumeRole"]["answered"], 20);
    assert_eq!(figures["calls"]["AssumeRoleWithWebIdentity"]["answered"], 20);
    assert_eq!(figures["calls"]["ListSecrets"]["answered"], 40);
}

#[test]
fn the_deadline_ends_what_the_quotas_do_not_let_through() {
    let variables = vec![("SECRETS_INIT_DEADLINE".to_owned(), "1s".to_owned())];
    let outcome = run(&Herd { variables, ..herd() });
    assert!((80..=150).contains(&outcome.succeeded), "{}", outcome.json());
    assert_eq!(
        outcome.reasons.iter().map(String::as_str).collect::<Vec<_>>(),
        ["the deadline passed before every secret was read"]
    );
    assert_eq!(outcome.percentile(1.0), Duration::from_secs(1));
}

#[test]
fn what_is_started_again_asks_again() {
    let outcome = run(&Herd { pods: 20, restarted: 1.0, ..herd() });
    let figures = outcome.json();
    assert_eq!(outcome.succeeded, 20, "{figures}");
    assert!(figures["calls"]["ListSecrets"]["answered"].as_u64().unwrap() > 30, "{figures}");
}

/// The SDK draws from the same random numbers, so that the waits differ: what is compared are sums over some seeds.
#[test]
fn a_herd_fares_the_same_whether_each_call_goes_through_the_whole_sdk_or_not() {
    let sums = |whole_sdk| {
        let herds = (1..=4).map(|seed| Herd { pods: 40, own: 10, quotas: 0.1, whole_sdk, seed, ..herd() });
        herds.map(|herd| run(&herd)).fold([0.0; 4], |sums, outcome| {
            let walls: Duration = outcome.walls.iter().sum();
            let calls = &outcome.json()["calls"];
            let count = |name: &str, what: &str| calls[name][what].as_f64().unwrap();
            let (lists, reads) = (count("ListSecrets", "throttled"), count("GetSecretValue", "answered"));
            let each = [outcome.all.as_secs_f64(), walls.as_secs_f64(), lists, reads];
            std::array::from_fn(|at| sums[at] + each[at])
        })
    };
    let (whole, ours) = (sums(true), sums(false));
    for (at, name) in ["all", "walls", "throttled lists", "single reads"].into_iter().enumerate() {
        let away = ours[at] / whole[at] - 1.0;
        assert!(away.abs() < 0.1, "{name}: {} with the whole SDK, {} without", whole[at], ours[at]);
    }
}

/// Two round trips for a new connection, one for each of list and values, beside each other; STS comes before them.
#[test]
fn a_lone_pod_takes_its_round_trips() {
    let even = Exchange { median: Duration::from_millis(20), deviation: 0.0 };
    let lone = Herd { pods: 1, exchange: even, quotas: 1.0, ..herd() };
    let millis = |herd: &Herd| run(herd).percentile(1.0).as_millis();
    let (cold, warm) = (millis(&lone), millis(&Herd { cold: false, ..lone.clone() }));
    // tokio's clock counts milliseconds, and rounds up.
    assert!((60..=66).contains(&warm), "{warm}");
    assert!((80..=88).contains(&cold), "{cold}");
}
