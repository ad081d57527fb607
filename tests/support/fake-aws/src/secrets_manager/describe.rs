//! `DescribeSecret`: works across accounts whatever the key, and on secrets
//! that are marked for deletion.

use crate::call::Answer;
use crate::error::AwsError;

use super::list::Entry;
use super::lookup::resolve;
use super::request::{GetRequest, check_secret_id};
use super::{Env, answer};

pub fn describe_secret(env: Env<'_>, request: &GetRequest) -> Result<Answer, AwsError> {
    check_secret_id(&request.secret_id)?;
    let found = resolve(env, &request.secret_id)?;
    let secret = found.authorized(env, "secretsmanager:DescribeSecret")?;
    Ok(answer(&Entry::described(secret)))
}
