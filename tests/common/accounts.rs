//! Who is who in the tests against the fake AWS.
#![allow(dead_code, reason = "each test file uses a part")]

pub const OWN: &str = "111111111111";
pub const SHARED: &str = "222222222222";
pub const REGION: &str = "eu-central-1";
pub const PREFIX: &str = "airflow/connections/";
/// The identity of the pod, with the key that stands for it.
pub const POD: &str = "arn:aws:iam::111111111111:role/airflow";
pub const POD_KEY: &str = "AKIAAIRFLOWPOD";
/// The role in the shared account, and the kwargs that name it.
pub const READER: &str = "arn:aws:iam::222222222222:role/reader";
pub const WITH_ROLE: &str =
    r#"{"shared_account": "222222222222", "shared_role_arn": "arn:aws:iam::222222222222:role/reader"}"#;
