//! From a `SecretId` to a secret, or to the error that AWS gives: resolution,
//! authorisation, state and key, in this order.

use std::sync::Arc;

use crate::arn::{self, is_name, partial_secret_arn};
use crate::error::{AwsError, BAD_NAME, CANNOT_DECRYPT, DEFAULT_KEY, KMS_DENIED, MARKED_FOR_DELETION};
use crate::policy::{Access, Context, Denial, key_admits};
use crate::scenario::{CrossAccountMissing, Value};
use crate::world::Stored;

use super::Env;

/// Where an id points.
#[derive(Debug)]
pub struct Found<'a> {
    /// The owner: another account's when the id is an ARN of that account.
    pub owner: String,
    /// The ARN that policies see.
    pub arn: String,
    /// The id as it was written.
    shown: &'a str,
    pub secret: Option<Arc<Stored>>,
    /// The ARN is of another region than the request.
    elsewhere: bool,
}

/// Resolves names, full ARNs and partial ARNs.
pub fn resolve<'a>(env: Env<'_>, id: &'a str) -> Result<Found<'a>, AwsError> {
    if !id.starts_with("arn:") {
        if !is_name(id) {
            return Err(AwsError::validation(BAD_NAME));
        }
        let owner = env.caller.account.to_string();
        let secret = env.world.store(&owner, env.region).and_then(|store| store.by_name.get(id)).cloned();
        let arn = match &secret {
            Some(secret) => secret.arn.clone(),
            // IAM has to judge before there is a suffix to show.
            None => partial_secret_arn(&owner, env.region, id),
        };
        return Ok(Found { owner, arn, shown: id, secret, elsewhere: false });
    }
    let parts = arn::parse(id).ok_or_else(|| AwsError::validation(BAD_NAME))?;
    let elsewhere = parts.region != env.region;
    let store = env.world.store(parts.account, env.region).filter(|_| !elsewhere);
    let secret = store.and_then(|store| match arn::split_suffix(parts.resource) {
        // Complete, or taken for complete: only an exact match will do.
        Some((name, _)) => store.by_name.get(name).filter(|secret| secret.arn == id),
        None => store.by_name.get(parts.resource),
    });
    let secret = secret.cloned();
    let arn = secret.as_ref().map_or_else(|| id.to_owned(), |secret| secret.arn.clone());
    Ok(Found { owner: parts.account.to_owned(), arn, shown: id, secret, elsewhere })
}

impl Found<'_> {
    pub fn is_foreign(&self, env: Env<'_>) -> bool {
        self.owner != *env.caller.account
    }

    pub fn access<'b>(&'b self, env: Env<'b>, action: &'b str) -> Access<'b> {
        Access {
            caller: env.caller,
            owner: &self.owner,
            action,
            resource: &self.arn,
            shown: self.shown,
            context: env.context(),
        }
    }

    /// The secret, if the caller may do this to it. Authorisation comes before
    /// existence, so that names cannot be probed.
    pub fn authorized(&self, env: Env<'_>, action: &str) -> Result<&Arc<Stored>, AwsError> {
        if self.elsewhere {
            return Err(AwsError::not_found());
        }
        let access = self.access(env, action);
        let endpoint = env.world.settings.vpc_endpoint_policy.as_deref();
        let present = self.secret.as_ref().filter(|secret| !secret.spec.listed_but_gone);
        if let Some(secret) = present {
            access.authorize(&secret.spec.policy, endpoint)?;
            return Ok(secret);
        }
        match access.decide(&[]).and_then(|()| access.through_endpoint(endpoint)) {
            Err(Denial::NoResource) if env.world.settings.cross_account_missing() == CrossAccountMissing::NotFound => {
                Err(AwsError::not_found())
            }
            Err(denial) => Err(access.refusal(denial)),
            Ok(()) => Err(AwsError::not_found()),
        }
    }
}

/// Is the value readable: not marked for deletion, present, and its key usable?
pub fn check_readable(env: Env<'_>, secret: &Stored, stage: Stage<'_>) -> Result<(), AwsError> {
    let spec = &secret.spec;
    if spec.pending_deletion {
        return Err(AwsError::invalid_request(MARKED_FOR_DELETION));
    }
    if let Some(id) = stage.version_id
        && (id != secret.version_id || secret.value == Value::None)
    {
        return Err(AwsError::no_value(&format!("VersionId: {id}")));
    }
    let label = stage.label.unwrap_or("AWSCURRENT");
    if label != "AWSCURRENT" || secret.value == Value::None {
        return Err(AwsError::no_value(&format!("staging label: {label}")));
    }
    match &spec.kms {
        None if secret.account != *env.caller.account => return Err(AwsError::invalid_request(DEFAULT_KEY)),
        None => {}
        Some(kms) => {
            let via = format!("secretsmanager.{}.amazonaws.com", env.region);
            let context = Context { via_service: Some(&via), ..env.context() };
            if !key_admits(kms, env.caller, "kms:Decrypt", context) {
                return Err(AwsError::access_denied(KMS_DENIED));
            }
        }
    }
    if spec.decryption_failure {
        return Err(AwsError::new(400, "DecryptionFailure", CANNOT_DECRYPT));
    }
    Ok(())
}

/// The version that is asked for; the current one when both are `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stage<'a> {
    pub version_id: Option<&'a str>,
    pub label: Option<&'a str>,
}
