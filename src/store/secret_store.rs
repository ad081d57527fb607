//! The trait of whatever holds secrets, and what it gives.

use std::future::Future;
use std::sync::Arc;

use secrecy::SecretString;

use crate::airflow::invalid::Invalid;
use crate::airflow::note::Reading;
use crate::model::aws::SecretId;
use crate::store::error::StoreError;

/// One secret of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    /// How to read it: its full ARN where the store has ARNs.
    pub id: SecretId,
}

/// The text of a secret.
#[derive(Clone)]
pub struct SecretValue {
    pub text: SecretString,
    /// When the current version was made, such as `2026-11-24T18:25:00Z`, where the store knows.
    pub changed: Option<String>,
    /// The connection that the text stands for, where it was read while other secrets were waited for.
    pub reading: Option<Arc<Result<Reading, Invalid>>>,
}

impl SecretValue {
    /// A text that nobody has read yet.
    pub fn of(text: SecretString, changed: Option<String>) -> Self {
        Self { text, changed, reading: None }
    }
}

/// What a store says about one secret that was asked for.
#[derive(Clone)]
pub enum Found {
    /// It is there and can be read.
    Value(SecretValue),
    /// It is not there: the only answer that lets the next source be asked.
    NotThere(NotThere),
}

/// Why a secret counts as not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotThere {
    /// No such secret, or none with a current value.
    NoSuchSecret,
    MarkedForDeletion,
    /// Binary: the live backend reads SecretString alone.
    Binary,
}

/// What a store says to one secret.
pub type Answer = Result<Found, StoreError>;

/// Which secrets of a listing are to be read.
pub struct Wanted<'a> {
    /// Whether a secret of this name is.
    pub takes: &'a dyn Fn(&str) -> bool,
    /// Whether there is none that is not.
    pub everything: bool,
    /// What may be done with the answer to a name while other answers are waited for.
    pub look: &'a dyn Fn(&str, &mut Answer),
}

/// What is under the prefixes.
#[derive(Default)]
pub struct Enumerated {
    /// Every secret that was wanted, once, in no order.
    pub secrets: Vec<(Listed, Answer)>,
    /// How many were there and not wanted.
    pub skipped: usize,
    /// Whose they are, where the store knows accounts and has listed at least one secret.
    pub account: Option<String>,
}

/// Whether a secret was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    Made,
    /// One of that name was there.
    WasThere,
}

/// A store that an index can be written to.
pub trait IndexStore: SecretStore {
    /// Lists the secrets whose name begins with one of `prefixes`, each once, and reads none. Prefixes as in
    /// [`SecretStore::enumerate`].
    ///
    /// # Errors
    /// When the listing fails, in whatever part.
    fn list(&self, prefixes: &[&str]) -> impl Future<Output = Result<Vec<Listed>, StoreError>>;

    /// Makes a secret without a value, under this KMS key.
    fn create(&self, name: &str, kms_key: &str) -> impl Future<Output = Result<Created, StoreError>>;

    /// Gives a secret this resource policy, in the place of the one that it has. `refuse_public` lets AWS refuse one that opens
    /// the secret to everybody.
    fn set_policy(
        &self,
        id: &SecretId,
        policy: &str,
        refuse_public: bool,
    ) -> impl Future<Output = Result<(), StoreError>>;

    /// Gives a secret this text, as a whole.
    ///
    /// # Errors
    /// When it can't be done; the secret has its old text then, or this one.
    fn write(&self, id: &SecretId, text: &str) -> impl Future<Output = Result<(), StoreError>>;
}

/// Something that holds secrets: one account as seen with one identity.
pub trait SecretStore {
    /// Does ahead what takes time and needs no secret's name: credentials, connections. Tells of no trouble.
    fn prepare(&self) -> impl Future<Output = ()>;

    /// Lists the secrets whose name begins with one of `prefixes` and reads those that are wanted. No prefix begins with
    /// another one, and there are ten at most.
    ///
    /// # Errors
    /// When the listing fails. That one secret can't be read is its answer.
    fn enumerate(&self, prefixes: &[&str], wanted: &Wanted<'_>)
    -> impl Future<Output = Result<Enumerated, StoreError>>;

    /// Some of the names that begin with `prefix`: what one call gives. For a hint.
    ///
    /// # Errors
    /// When the listing fails.
    fn names_under(&self, prefix: &str) -> impl Future<Output = Result<Vec<String>, StoreError>>;

    /// Reads these secrets: one answer for each id, in the same order.
    fn read(&self, ids: &[SecretId]) -> impl Future<Output = Vec<Answer>>;

    /// The account that the identity belongs to, where the store knows accounts.
    fn account(&self) -> impl Future<Output = Result<Option<String>, StoreError>>;

    /// How many API calls were made so far, retries not counted.
    fn calls(&self) -> u64;

    /// The last trouble that was met and tried again: what to say when the deadline ends the trying.
    fn trouble(&self) -> Option<StoreError>;
}
