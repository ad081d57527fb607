//! The requests that read, one each, with their answers in the SDK's types. When one goes out and how often it is tried is
//! not known here (`calls.rs`), so that a herd in one process (`benches/virtual-herd`) can answer them from memory.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::batch_get_secret_value::BatchGetSecretValueOutput;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_secretsmanager::operation::list_secrets::ListSecretsOutput;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SortByType, SortOrderType};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::errors;
pub use super::listing::Query;
use crate::model::aws::SecretId;
use crate::model::aws_names::action::{
    BATCH_GET_SECRET_VALUE as BATCH_GET, GET_SECRET_VALUE as GET, LIST_SECRETS as LIST,
};
use crate::store::error::StoreError;

/// What a batch is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BatchIds {
    /// These secrets, twenty at most.
    Named(Vec<String>),
    /// The first twenty under these prefixes.
    Under(Vec<String>),
}

/// The answer to a request. On the heap: the futures of the SDK are large, and thousands of calls may wait for their turn.
pub type Answered<'a, T> = LocalBoxFuture<'a, Result<T, StoreError>>;

/// Whatever answers the requests for one account. Errors are those of one attempt.
pub trait Reads: Send + Sync {
    /// One page of a listing, by name.
    fn list<'a>(&'a self, query: &'a Query) -> Answered<'a, ListSecretsOutput>;

    /// Up to twenty values.
    fn batch<'a>(&'a self, ids: &'a BatchIds) -> Answered<'a, BatchGetSecretValueOutput>;

    /// One value.
    fn get<'a>(&'a self, id: &'a SecretId) -> Answered<'a, GetSecretValueOutput>;
}

impl Reads for Client {
    fn list<'a>(&'a self, query: &'a Query) -> Answered<'a, ListSecretsOutput> {
        let filters: Vec<Filter> = query.filters.iter().cloned().map(name_filter).collect();
        let order = if query.descending { SortOrderType::Desc } else { SortOrderType::Asc };
        let request = self.list_secrets().max_results(100).sort_by(SortByType::Name).sort_order(order);
        let request = request.set_filters((!filters.is_empty()).then_some(filters));
        let request = request.set_next_token(query.token.clone());
        async { request.send().await.map_err(|error| errors::from_sdk(LIST, &error)) }.boxed_local()
    }

    fn batch<'a>(&'a self, ids: &'a BatchIds) -> Answered<'a, BatchGetSecretValueOutput> {
        let request = self.batch_get_secret_value();
        let request = match ids {
            BatchIds::Named(ids) => request.set_secret_id_list(Some(ids.clone())),
            BatchIds::Under(prefixes) => request.filters(name_filter(prefixes.clone())).max_results(20),
        };
        async { request.send().await.map_err(|error| errors::from_sdk(BATCH_GET, &error)) }.boxed_local()
    }

    fn get<'a>(&'a self, id: &'a SecretId) -> Answered<'a, GetSecretValueOutput> {
        let request = self.get_secret_value().secret_id(id.as_str());
        async { request.send().await.map_err(|error| errors::from_sdk(GET, &error)) }.boxed_local()
    }
}

fn name_filter(values: Vec<String>) -> Filter {
    Filter::builder().key(FilterNameStringType::Name).set_values(Some(values)).build()
}
