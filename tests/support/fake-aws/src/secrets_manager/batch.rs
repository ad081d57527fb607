//! `BatchGetSecretValue`, by ids or by filters.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;

use crate::call::Answer;
use crate::error::{AwsError, constraint};
use crate::faults::Target;
use crate::policy::Denial;
use crate::rng::{self, Rng};
use crate::scenario::{FaultEffect, ForeignBatch};
use crate::world::Stored;

use super::filter::Filters;
use super::get::{ACTION, ValueEntry};
use super::list::query_hash;
use super::lookup::{Found, Stage, check_readable, resolve};
use super::page::{SortBy, Walk};
use super::request::{BatchRequest, FilterSpec, check_max_results, check_secret_id};
use super::{Env, answer, answer_page, authorize_everything};

/// API model: 1 to 20 ids, 1 to 20 results.
const MOST: usize = 20;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchAnswer<'a> {
    secret_values: Vec<ValueEntry<'a>>,
    errors: &'a [IdError],
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct IdError {
    secret_id: String,
    error_code: Cow<'static, str>,
    message: Cow<'static, str>,
}

/// The outcome for the ids of one call.
#[derive(Debug, Default)]
struct Outcome {
    values: Vec<Arc<Stored>>,
    errors: Vec<IdError>,
}

pub fn batch_get(env: Env<'_>, request: &BatchRequest) -> Result<Answer, AwsError> {
    match (&request.secret_id_list, &request.filters) {
        (Some(ids), None) => by_ids(env, request, ids),
        (None, Some(filters)) => by_filters(env, request, filters),
        _ => Err(AwsError::invalid_parameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.")),
    }
}

fn by_ids(env: Env<'_>, request: &BatchRequest, ids: &[String]) -> Result<Answer, AwsError> {
    if request.max_results.is_some() {
        return Err(AwsError::invalid_parameter(
            "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.",
        ));
    }
    if ids.is_empty() || ids.len() > MOST {
        let rule = if ids.is_empty() {
            "Member must have length greater than or equal to 1"
        } else {
            "Member must have length less than or equal to 20"
        };
        return Err(AwsError::invalid_parameter(constraint(
            format_args!("[{}]", ids.join(", ")),
            "secretIdList",
            rule,
        )));
    }
    authorize_everything(env, "secretsmanager:BatchGetSecretValue")?;
    let mut outcome = Outcome::default();
    for id in ids {
        match read(env, id)? {
            Ok(Some(secret)) => outcome.values.push(secret),
            Ok(None) => {}
            Err(error) => outcome.fail(id, error),
        }
    }
    outcome.shuffle(env, ids);
    Ok(answer(&outcome.answer(None)))
}

fn by_filters(env: Env<'_>, request: &BatchRequest, filters: &[FilterSpec]) -> Result<Answer, AwsError> {
    let settings = &env.world.settings;
    let asked = check_max_results(request.max_results, MOST)?;
    let checked = Filters::new(filters)?;
    authorize_everything(env, "secretsmanager:BatchGetSecretValue")?;
    // User guide: with filters, the caller needs ListSecrets too.
    authorize_everything(env, "secretsmanager:ListSecrets")?;
    let walk = Walk {
        query: query_hash(env, "BatchGetSecretValue", filters, &[]),
        filters: checked,
        include_deleted: false,
        sort: SortBy::Created,
        descending: settings.newest_first(),
        limit: asked.unwrap_or(MOST).min(settings.batch_page_cap()),
    };
    let store = env.world.store(&env.caller.account, env.region);
    let page = walk.page(store, request.next_token.as_deref(), settings)?;
    let mut outcome = Outcome::default();
    for listed in &page.secrets {
        match read(env, &listed.arn)? {
            Ok(Some(secret)) => outcome.values.push(secret),
            Ok(None) => {}
            Err(error) => outcome.fail(&listed.arn, error),
        }
    }
    let arns: Vec<String> = page.secrets.iter().map(|secret| secret.arn.clone()).collect();
    outcome.shuffle(env, &arns);
    Ok(answer_page(&outcome.answer(page.next.as_deref()), page.number))
}

/// Reads one id. The outer error is for the whole call, the inner one for the
/// id; `None` is an id that the answer leaves out.
fn read(env: Env<'_>, id: &str) -> Result<Result<Option<Arc<Stored>>, AwsError>, AwsError> {
    let target = Target { operation: "BatchGetSecretValue", account: &env.caller.account, region: env.region };
    match env.faults.for_id(target, id) {
        Some(FaultEffect::IdMissing) => return Ok(Ok(None)),
        Some(FaultEffect::IdError { code, message }) => return Ok(Err(AwsError::new(400, code, message))),
        _ => {}
    }
    let found = match check_secret_id(id).and_then(|()| resolve(env, id)) {
        Ok(found) => found,
        // A malformed id concerns only itself.
        Err(error) => return Ok(Err(AwsError::invalid_parameter(error.message))),
    };
    if let Err(denial) = found.access(env, ACTION).through_endpoint(env.world.settings.vpc_endpoint_policy.as_deref()) {
        return Err(found.access(env, ACTION).refusal(denial));
    }
    if found.is_foreign(env)
        && let Some(error) = foreign(env, &found)
    {
        let whole = env.world.settings.foreign_batch() == ForeignBatch::CallAccessDenied;
        return if whole { Err(error) } else { Ok(Err(error)) };
    }
    Ok(found.authorized(env, ACTION).and_then(|secret| {
        check_readable(env, secret, Stage::default())?;
        Ok(Some(Arc::clone(secret)))
    }))
}

/// The error for an ARN of another account, unless the scenario lets it pass.
fn foreign(env: Env<'_>, found: &Found<'_>) -> Option<AwsError> {
    match env.world.settings.foreign_batch() {
        ForeignBatch::Allowed => None,
        ForeignBatch::PerIdNotFound => Some(AwsError::not_found()),
        ForeignBatch::CallAccessDenied | ForeignBatch::PerIdAccessDenied => {
            Some(found.access(env, ACTION).refusal(Denial::NoResource))
        }
    }
}

impl Outcome {
    fn fail(&mut self, id: &str, error: AwsError) {
        self.errors.push(IdError { secret_id: id.to_owned(), error_code: error.code, message: error.message });
    }

    /// The order of values and errors is not specified: clients must not rely
    /// on it.
    fn shuffle(&mut self, env: Env<'_>, ids: &[String]) {
        let seed = env.world.settings.shuffle_seed();
        if seed != 0 {
            let mut rng = Rng::new(seed ^ rng::hash(ids.iter().map(String::as_str)));
            rng.shuffle(&mut self.values);
            rng.shuffle(&mut self.errors);
        }
    }

    fn answer<'a>(&'a self, next_token: Option<&'a str>) -> BatchAnswer<'a> {
        BatchAnswer {
            secret_values: self.values.iter().map(|secret| ValueEntry::new(secret)).collect(),
            errors: &self.errors,
            next_token,
        }
    }
}
