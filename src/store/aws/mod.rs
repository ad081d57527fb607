//! AWS Secrets Manager as a store.

mod body_limit;
mod budget;
mod bulk;
mod calls;
pub mod client;
mod codes;
pub mod configuration;
mod credential_context;
mod credentials;
mod errors;
mod listing;
mod logging_connector;
mod names;
pub mod reads;
mod retries;
pub mod sources;
mod store;
mod transport;
mod trust;
mod turns;
mod values;
