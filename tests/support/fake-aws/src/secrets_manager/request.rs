//! The request bodies, and the constraints of the API model on them.

use serde::Deserialize;

use crate::error::{AwsError, constraint};

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FilterSpec {
    #[serde(default)]
    pub key: String,
    #[serde(default)]
    pub values: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListRequest {
    pub filters: Vec<FilterSpec>,
    pub max_results: Option<i64>,
    pub next_token: Option<String>,
    pub include_planned_deletion: bool,
    pub sort_by: Option<String>,
    pub sort_order: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BatchRequest {
    pub secret_id_list: Option<Vec<String>>,
    pub filters: Option<Vec<FilterSpec>>,
    pub max_results: Option<i64>,
    pub next_token: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GetRequest {
    pub secret_id: String,
    pub version_id: Option<String>,
    pub version_stage: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateRequest {
    pub name: String,
    pub description: Option<String>,
    pub kms_key_id: Option<String>,
    pub secret_string: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PutRequest {
    pub secret_id: String,
    pub client_request_token: Option<String>,
    pub secret_string: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PolicyRequest {
    pub secret_id: String,
    pub resource_policy: String,
    pub block_public_policy: bool,
}

/// A parsed request.
#[derive(Debug, Clone)]
pub enum Request {
    List(ListRequest),
    Batch(BatchRequest),
    Get(GetRequest),
    Describe(GetRequest),
    Create(CreateRequest),
    Put(PutRequest),
    Policy(PolicyRequest),
}

impl Request {
    pub fn parse(operation: &str, body: &[u8]) -> Result<Self, AwsError> {
        fn json<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, AwsError> {
            serde_json::from_slice(body).map_err(|e| AwsError::front_end(400, "SerializationException", e.to_string()))
        }
        match operation {
            "ListSecrets" => json(body).map(Self::List),
            "BatchGetSecretValue" => json(body).map(Self::Batch),
            "GetSecretValue" => json(body).map(Self::Get),
            "DescribeSecret" => json(body).map(Self::Describe),
            "CreateSecret" => json(body).map(Self::Create),
            "PutSecretValue" => json(body).map(Self::Put),
            "PutResourcePolicy" => json(body).map(Self::Policy),
            _ => Err(AwsError::front_end(400, "UnknownOperationException", "")),
        }
    }

    /// The secret ids that the request names.
    pub fn ids(&self) -> Vec<String> {
        match self {
            Self::List(_) => Vec::new(),
            Self::Batch(batch) => batch.secret_id_list.clone().unwrap_or_default(),
            Self::Get(get) | Self::Describe(get) => vec![get.secret_id.clone()],
            Self::Create(create) => vec![create.name.clone()],
            Self::Put(put) => vec![put.secret_id.clone()],
            Self::Policy(policy) => vec![policy.secret_id.clone()],
        }
    }
}

/// `MaxResults` within `1..=most`.
pub fn check_max_results(value: Option<i64>, most: usize) -> Result<Option<usize>, AwsError> {
    let Some(value) = value else { return Ok(None) };
    match usize::try_from(value) {
        Ok(0) | Err(_) => Err(AwsError::validation(constraint(
            value,
            "maxResults",
            "Member must have value greater than or equal to 1",
        ))),
        Ok(size) if size > most => Err(AwsError::validation(constraint(
            value,
            "maxResults",
            &format!("Member must have value less than or equal to {most}"),
        ))),
        Ok(size) => Ok(Some(size)),
    }
}

/// A `SecretId` of 1 to 2048 characters.
pub fn check_secret_id(id: &str) -> Result<(), AwsError> {
    let length = id.chars().count();
    if length == 0 {
        return Err(AwsError::validation(constraint(
            "",
            "secretId",
            "Member must have length greater than or equal to 1",
        )));
    }
    if length > 2048 {
        return Err(AwsError::validation(constraint(
            id,
            "secretId",
            "Member must have length less than or equal to 2048",
        )));
    }
    Ok(())
}
