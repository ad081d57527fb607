//! `ListSecrets`: the caller's own account, in the request's region.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::call::Answer;
use crate::error::{AwsError, constraint};
use crate::rng;
use crate::scenario::Value;
use crate::world::Stored;

use super::filter::Filters;
use super::page::{SortBy, Walk};
use super::request::{FilterSpec, ListRequest, check_max_results};
use super::{Env, answer_page, authorize_everything};

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListAnswer<'a> {
    secret_list: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Entry<'a> {
    #[serde(rename = "ARN")]
    arn: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key_id: Option<&'a str>,
    created_date: i64,
    last_changed_date: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_accessed_date: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_date: Option<i64>,
    tags: Vec<Tag<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owning_service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_region: Option<&'a str>,
    /// The one field that `DescribeSecret` calls `VersionIdsToStages`.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_versions_to_stages: Option<BTreeMap<&'a str, [&'static str; 1]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_ids_to_stages: Option<BTreeMap<&'a str, [&'static str; 1]>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag<'a> {
    key: &'a str,
    value: &'a str,
}

impl<'a> Entry<'a> {
    /// As `ListSecrets` shows a secret.
    pub fn listed(secret: &'a Stored) -> Self {
        let spec = &secret.spec;
        Self {
            arn: &secret.arn,
            name: &secret.name,
            description: spec.description.as_deref(),
            kms_key_id: spec.kms.as_ref().map(|kms| kms.key_arn.as_str()),
            created_date: secret.created,
            last_changed_date: secret.changed,
            last_accessed_date: spec.last_accessed,
            deleted_date: spec.pending_deletion.then_some(secret.changed),
            tags: spec.tags.iter().map(|(key, value)| Tag { key, value }).collect(),
            owning_service: spec.owning_service.as_deref(),
            primary_region: spec.primary_region.as_deref(),
            secret_versions_to_stages: versions(secret),
            version_ids_to_stages: None,
        }
    }

    /// As `DescribeSecret` shows a secret.
    pub fn described(secret: &'a Stored) -> Self {
        Self { secret_versions_to_stages: None, version_ids_to_stages: versions(secret), ..Self::listed(secret) }
    }
}

fn versions(secret: &Stored) -> Option<BTreeMap<&str, [&'static str; 1]>> {
    (secret.value != Value::None).then(|| BTreeMap::from([(secret.version_id.as_str(), ["AWSCURRENT"])]))
}

pub fn list_secrets(env: Env<'_>, request: &ListRequest) -> Result<Answer, AwsError> {
    let settings = &env.world.settings;
    let asked = check_max_results(request.max_results, 100)?;
    let filters = Filters::new(&request.filters)?;
    let sort = sort_by(request.sort_by.as_deref())?;
    let descending = descending(request.sort_order.as_deref())?.unwrap_or(settings.newest_first());
    authorize_everything(env, "secretsmanager:ListSecrets")?;
    let walk = Walk {
        query: query_hash(
            env,
            "ListSecrets",
            &request.filters,
            &[&format!("{sort:?} {descending} {}", request.include_planned_deletion)],
        ),
        filters,
        include_deleted: request.include_planned_deletion,
        sort,
        descending,
        limit: asked.unwrap_or(settings.list_default_page()).min(settings.list_page_cap()),
    };
    let store = env.world.store(&env.caller.account, env.region);
    let mut page = walk.page(store, request.next_token.as_deref(), settings)?;
    if settings.shuffle_pages() {
        rng::Rng::new(settings.seed().wrapping_add(page.number)).shuffle(&mut page.secrets);
    }
    let answer = ListAnswer {
        secret_list: page.secrets.iter().map(|secret| Entry::listed(secret)).collect(),
        next_token: page.next.as_deref(),
    };
    Ok(answer_page(&answer, page.number))
}

/// Identifies what a token walks through.
pub fn query_hash(env: Env<'_>, operation: &str, filters: &[FilterSpec], more: &[&str]) -> u64 {
    let filters =
        filters.iter().flat_map(|f| std::iter::once(f.key.as_str()).chain(f.values.iter().map(String::as_str)));
    rng::hash([operation, &env.caller.account, env.region].into_iter().chain(filters).chain(more.iter().copied()))
}

fn sort_by(value: Option<&str>) -> Result<SortBy, AwsError> {
    match value {
        // API reference: "If not specified, secrets are listed by CreatedDate".
        None | Some("created-date") => Ok(SortBy::Created),
        Some("last-changed-date") => Ok(SortBy::Changed),
        Some("last-accessed-date") => Ok(SortBy::Accessed),
        Some("name") => Ok(SortBy::Name),
        Some(other) => Err(AwsError::validation(constraint(
            other,
            "sortBy",
            "Member must satisfy enum value set: [created-date, last-accessed-date, last-changed-date, name]",
        ))),
    }
}

fn descending(value: Option<&str>) -> Result<Option<bool>, AwsError> {
    match value {
        None => Ok(None),
        Some("asc") => Ok(Some(false)),
        Some("desc") => Ok(Some(true)),
        Some(other) => {
            Err(AwsError::validation(constraint(other, "sortOrder", "Member must satisfy enum value set: [asc, desc]")))
        }
    }
}
