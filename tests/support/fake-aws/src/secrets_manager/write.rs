//! `CreateSecret`, `PutSecretValue` and `PutResourcePolicy`: as much of them as the publisher of an index needs.

use serde::Serialize;

use crate::arn::{is_name, secret_arn};
use crate::call::Answer;
use crate::caller::Caller;
use crate::error::{AwsError, BAD_NAME, KMS_DENIED, MARKED_FOR_DELETION};
use crate::faults::Faults;
use crate::policy::{Access, Context, key_admits};
use crate::scenario::{Kms, Secret, Statement, Value, policy};
use crate::world::{MAX_VALUE, World};

use super::lookup::resolve;
use super::request::{CreateRequest, PolicyRequest, PutRequest, check_secret_id};
use super::{Env, answer};

const DECRYPT: &str = "kms:Decrypt";
const GENERATE: &str = "kms:GenerateDataKey";

#[derive(Debug, Serialize)]
struct Written<'a> {
    #[serde(rename = "ARN")]
    arn: &'a str,
    #[serde(rename = "Name")]
    name: &'a str,
    #[serde(rename = "VersionId", skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
}

/// A secret of this name without a value, or with one. IAM judges by the ARN that it is to have.
pub fn create_secret(
    world: &mut World,
    (faults, caller, region): (&Faults, &Caller, &str),
    request: &CreateRequest,
) -> Result<Answer, AwsError> {
    let name = request.name.as_str();
    if !is_name(name) {
        return Err(AwsError::validation(BAD_NAME));
    }
    let owner = caller.account.to_string();
    let arn = secret_arn(&owner, region, name);
    let kms = {
        let env = Env { world, faults, caller, region };
        let access = Access {
            caller,
            owner: &owner,
            action: "secretsmanager:CreateSecret",
            resource: &arn,
            shown: name,
            context: env.context(),
        };
        access.authorize(&[], env.world.settings.vpc_endpoint_policy.as_deref())?;
        let there = env.world.store(&owner, region).and_then(|store| store.by_name.get(name));
        if let Some(there) = there {
            if there.spec.pending_deletion {
                return Err(AwsError::invalid_request(
                    "You can't create this secret because a secret with this name is already scheduled for deletion.",
                ));
            }
            let message = format!("The operation failed because the secret {name} already exists.");
            return Err(AwsError::new(400, "ResourceExistsException", message));
        }
        let key = request.kms_key_id.as_deref().map(|key| env.world.key(key));
        check_key(env, key.as_ref())?;
        key
    };
    let mut secret = request.secret_string.clone().map_or_else(Secret::no_value, Secret::text);
    secret.spec.kms = kms;
    secret.spec.description.clone_from(&request.description);
    world.put(&owner, region, name, secret);
    Ok(answer(&Written { arn: &arn, name, version_id: None }))
}

/// A new version, which becomes the current one. The same token with the same value is the same version, and with another one an
/// error.
pub fn put_secret_value(
    world: &mut World,
    (faults, caller, region): (&Faults, &Caller, &str),
    request: &PutRequest,
) -> Result<Answer, AwsError> {
    check_secret_id(&request.secret_id)?;
    let env = Env { world, faults, caller, region };
    let found = resolve(env, &request.secret_id)?;
    let there = found.authorized(env, "secretsmanager:PutSecretValue")?.clone();
    if there.spec.pending_deletion {
        return Err(AwsError::invalid_request(MARKED_FOR_DELETION));
    }
    check_key(env, there.spec.kms.as_ref())?;
    if !(1..=MAX_VALUE).contains(&request.secret_string.len()) {
        return Err(AwsError::validation(format!("a value has 1 to {MAX_VALUE} bytes")));
    }
    let value = Value::Text(request.secret_string.clone());
    let token = request.client_request_token.clone().unwrap_or_default();
    if !(32..=64).contains(&token.len()) {
        return Err(AwsError::invalid_parameter("ClientRequestToken must be 32-64 characters long."));
    }
    if there.version_id == token && there.value != value {
        let message = "You can't use ClientRequestToken because that value is already in use for a version.";
        return Err(AwsError::new(400, "ResourceExistsException", message));
    }
    let mut secret = Secret { value, spec: there.spec.clone() };
    secret.spec.version_id = Some(token.clone());
    world.put(&there.account, region, &there.name, secret);
    Ok(answer(&Written { arn: &there.arn, name: &there.name, version_id: Some(&token) }))
}

/// Another policy in the place of the one that is there.
pub fn put_resource_policy(
    world: &mut World,
    (faults, caller, region): (&Faults, &Caller, &str),
    request: &PolicyRequest,
) -> Result<Answer, AwsError> {
    check_secret_id(&request.secret_id)?;
    let env = Env { world, faults, caller, region };
    let found = resolve(env, &request.secret_id)?;
    let there = found.authorized(env, "secretsmanager:PutResourcePolicy")?.clone();
    let mut document = serde_json::Deserializer::from_str(&request.resource_policy);
    let statements: Vec<Statement> = policy(&mut document)
        .map_err(|error| AwsError::new(400, "MalformedPolicyDocumentException", error.to_string()))?;
    let is_public =
        |statement: &Statement| statement.principals.contains(&"*".to_owned()) && statement.conditions.is_empty();
    if request.block_public_policy && statements.iter().any(is_public) {
        let message = "The resource policy allows broad access to the secret.";
        return Err(AwsError::new(400, "PublicPolicyException", message));
    }
    let mut secret = Secret { value: there.value.clone(), spec: there.spec.clone() };
    secret.spec.version_id = Some(there.version_id.clone());
    secret.spec.policy = statements;
    world.put(&there.account, region, &there.name, secret);
    Ok(answer(&Written { arn: &there.arn, name: &there.name, version_id: None }))
}

/// Writing under a key of one's own needs both (Secrets Manager user guide, "Secret encryption and decryption").
fn check_key(env: Env<'_>, key: Option<&Kms>) -> Result<(), AwsError> {
    let via = format!("secretsmanager.{}.amazonaws.com", env.region);
    let context = Context { via_service: Some(&via), ..env.context() };
    let admits = |key: &Kms| [GENERATE, DECRYPT].iter().all(|action| key_admits(key, env.caller, action, context));
    if key.is_none_or(admits) { Ok(()) } else { Err(AwsError::access_denied(KMS_DENIED)) }
}
