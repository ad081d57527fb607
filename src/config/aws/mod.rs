//! AWS's own configuration, as boto3 reads it: who asks, where, and by which profile. Pure: nothing is asked here.

pub mod chosen;
pub mod identity;
pub mod ini;
pub mod metadata;
pub mod profiles;
pub mod proxies;
pub mod refusal;
pub mod session;
pub mod shell;
pub mod sso;

#[cfg(test)]
mod tests;
