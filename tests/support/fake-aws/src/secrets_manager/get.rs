//! `GetSecretValue`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::call::Answer;
use crate::error::AwsError;
use crate::scenario::Value;
use crate::world::Stored;

use super::lookup::{Stage, check_readable, resolve};
use super::request::{GetRequest, check_secret_id};
use super::{Env, answer};

/// IAM's name of the permission to read a value, singly or in a batch.
pub const ACTION: &str = "secretsmanager:GetSecretValue";

/// A value on the wire, in both operations that give values.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ValueEntry<'a> {
    #[serde(rename = "ARN")]
    arn: &'a str,
    name: &'a str,
    version_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_string: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_binary: Option<String>,
    version_stages: [&'static str; 1],
    created_date: i64,
}

impl<'a> ValueEntry<'a> {
    pub fn new(secret: &'a Stored) -> Self {
        let (secret_string, secret_binary) = match &secret.value {
            Value::Text(text) => (Some(text.as_str()), None),
            Value::Binary(bytes) => (None, Some(STANDARD.encode(bytes))),
            Value::None => (None, None),
        };
        Self {
            arn: &secret.arn,
            name: &secret.name,
            version_id: &secret.version_id,
            secret_string,
            secret_binary,
            version_stages: ["AWSCURRENT"],
            created_date: secret.changed,
        }
    }
}

pub fn get_secret_value(env: Env<'_>, request: &GetRequest) -> Result<Answer, AwsError> {
    check_secret_id(&request.secret_id)?;
    let found = resolve(env, &request.secret_id)?;
    let secret = found.authorized(env, ACTION)?;
    let stage = Stage { version_id: request.version_id.as_deref(), label: request.version_stage.as_deref() };
    check_readable(env, secret, stage)?;
    Ok(answer(&ValueEntry::new(secret)))
}
