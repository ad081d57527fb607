//! `iam`: the policies that a run with these settings needs, and no more. Pure: takes the settings and the plan, asks nobody.
//!
//! Gives documents as data: who a policy is attached to, its statements, and for each of them which call needs it and what
//! happens without it. `build.rs` derives them from the calls that `store/aws.rs` makes, `json.rs` and `hcl.rs` write them down. What the settings do not say (account numbers, key ids, the role of the pod) is a [`Slot`].

mod build;
pub mod hcl;
pub mod json;
mod reads;
mod statements;
mod who;

use crate::config::settings::{Settings, StoreChoice};
use crate::error::{Exit, Failure};
use crate::plan::Plan;

pub use self::who::PodHints;

/// Everything that `iam` prints.
pub struct Policies {
    /// In the order in which one would make them.
    pub documents: Vec<Document>,
    /// Things an operator should know, in words, for WARN lines.
    pub notices: Vec<String>,
}

impl Policies {
    /// The policies for these settings.
    ///
    /// # Errors
    /// [`Exit::Config`] when secrets do not come from AWS.
    pub fn of(settings: &Settings, plan: &Plan, pod: &PodHints) -> Result<Self, Failure> {
        match settings.store {
            StoreChoice::Aws => Ok(build::policies(settings, plan, pod)),
            StoreChoice::File(_) => Err(Failure::new(
                Exit::Config,
                "SECRETS_INIT_STORE: a file needs no policies; unset it to see those for AWS",
            )),
        }
    }

    /// What is to be filled in, in order of first use.
    #[must_use]
    pub fn slots(&self) -> Vec<&Slot> {
        let mut slots: Vec<&Slot> = Vec::new();
        for slot in self.documents.iter().flat_map(Document::slots) {
            if !slots.iter().any(|known| known.name == slot.name) {
                slots.push(slot);
            }
        }
        slots
    }
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// A name that Terraform takes: `pod_role`.
    pub name: String,
    /// What kind of policy it is.
    pub form: Form,
    /// What it is attached to, in words.
    pub attach_to: Text,
    /// Why it is there, in words.
    pub why: String,
    /// What it allows.
    pub statements: Vec<Statement>,
}

impl Document {
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.statements.iter().flat_map(Statement::texts).flat_map(|text| &text.0).filter_map(|part| match part {
            Part::Slot(slot) => Some(slot),
            Part::Literal(_) | Part::Wildcard(_) => None,
        })
    }
}

/// The kinds of policies (IAM user guide, "Policies and permissions in IAM").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// What an identity may do.
    Identity,
    /// Who may take a role.
    Trust,
    /// Who may do what with a secret.
    Resource,
    /// Statements for the policy of a KMS key, which has others as well.
    Key,
    /// What goes through a VPC endpoint.
    Endpoint,
}

impl Form {
    /// Its name in the output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Trust => "trust",
            Self::Resource => "resource",
            Self::Key => "key",
            Self::Endpoint => "endpoint",
        }
    }
}

/// One statement; its effect is always `Allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Letters and digits, once in a document (IAM JSON policy elements, "Sid").
    pub sid: String,
    /// The one action: each call has a statement of its own, so that each can be judged by itself.
    pub action: &'static str,
    /// None in trust policies, which are about the role that they belong to.
    pub resources: Vec<Text>,
    /// None in the policies of identities.
    pub principals: Vec<Principal>,
    /// All of which must hold.
    pub conditions: Vec<Condition>,
    /// Which call needs it, and why.
    pub needed_for: String,
    /// What happens without it, in words.
    pub without_it: String,
    /// The same in one word.
    pub impact: Impact,
    /// Where it is needed, if not everywhere: where all of these hold.
    pub only_with: Vec<OnlyWith>,
}

impl Statement {
    /// The principals, type by type.
    fn principals_by_type(&self) -> Vec<(&'static str, Vec<Text>)> {
        let mut types: Vec<(&'static str, Vec<Text>)> = Vec::new();
        for (word, who) in self.principals.iter().map(Principal::typed) {
            match types.iter_mut().find(|(known, _)| *known == word) {
                Some((_, all)) => all.push(who),
                None => types.push((word, vec![who])),
            }
        }
        types
    }

    fn texts(&self) -> impl Iterator<Item = &Text> {
        let principals = self.principals.iter().filter_map(|principal| match principal {
            Principal::Aws(text) | Principal::Federated(text) => Some(text),
            Principal::Anybody => None,
        });
        let conditions =
            self.conditions.iter().flat_map(|condition| std::iter::once(&condition.key).chain(&condition.values));
        self.resources.iter().chain(principals).chain(conditions)
    }
}

/// What happens without a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impact {
    /// No file is written; exit code 77.
    RunFails,
    /// The secrets that it is about are left out, as `SECRETS_INIT_ON_DENIED` says.
    LeftOut,
    /// Everything is read all the same, one secret a call.
    OneByOne,
}

impl Impact {
    /// Its name in the output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::RunFails => "run_fails",
            Self::LeftOut => "left_out",
            Self::OneByOne => "one_by_one",
        }
    }
}

/// Where a statement is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnlyWith {
    /// Credentials from a service account's web identity token.
    Irsa,
    /// Credentials from EKS Pod Identity.
    PodIdentity,
    /// Secrets under a key of one's own, not `aws/secretsmanager`.
    CustomerKey,
    /// Whoever takes a role is of another account than the role.
    TwoAccounts,
}

impl OnlyWith {
    /// Its name in the output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Irsa => "irsa",
            Self::PodIdentity => "pod_identity",
            Self::CustomerKey => "customer_managed_key",
            Self::TwoAccounts => "role_of_another_account",
        }
    }

    /// The same in a sentence: "only with ...".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Irsa => "IRSA",
            Self::PodIdentity => "EKS Pod Identity",
            Self::CustomerKey => "a customer managed key",
            Self::TwoAccounts => "a role of another account",
        }
    }
}

/// Who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A role or user, by ARN.
    Aws(Text),
    /// An OIDC provider, by ARN.
    Federated(Text),
    /// Everybody: a call that nobody has signed.
    Anybody,
}

impl Principal {
    /// Its type as policies have it, `*` for everybody, and who.
    fn typed(&self) -> (&'static str, Text) {
        match self {
            Self::Aws(text) => ("AWS", text.clone()),
            Self::Federated(text) => ("Federated", text.clone()),
            Self::Anybody => ("*", Text::everything()),
        }
    }
}

/// One key of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `StringEquals`, `StringLike`.
    pub operator: &'static str,
    /// The key.
    pub key: Text,
    /// One of which must match.
    pub values: Vec<Text>,
}

/// A text of a policy, of which some parts may be open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub Vec<Part>);

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands: `*`, `?` and `$` in it mean themselves.
    Literal(String),
    /// `*` or `?`, as IAM reads them.
    Wildcard(&'static str),
    /// To be filled in.
    Slot(Slot),
}

/// Something that the settings do not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Capitals, digits and underscores: `OWN_ACCOUNT`.
    pub name: String,
    /// What belongs there.
    pub what: String,
}

impl Text {
    /// A text without wildcards.
    pub fn literal(text: impl Into<String>) -> Self {
        Self(vec![Part::Literal(text.into())])
    }

    /// `*`: every resource.
    #[must_use]
    pub fn everything() -> Self {
        Self(vec![Part::Wildcard("*")])
    }

    /// The text with this behind it.
    #[must_use]
    pub fn then(mut self, literal: impl Into<String>) -> Self {
        self.0.push(Part::Literal(literal.into()));
        self
    }

    /// The text with another behind it.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.0.extend(other.0.iter().cloned());
        self
    }

    /// The text with a wildcard behind it.
    #[must_use]
    pub fn wild(mut self, wildcard: &'static str) -> Self {
        self.0.push(Part::Wildcard(wildcard));
        self
    }

    /// As people read it: slots by their names.
    #[must_use]
    pub fn in_words(&self) -> String {
        let written = |part: &Part| match part {
            Part::Literal(text) => text.clone(),
            Part::Wildcard(wildcard) => (*wildcard).to_owned(),
            Part::Slot(slot) => slot.name.clone(),
        };
        self.0.iter().map(written).collect()
    }

    /// As IAM reads it, slots by their names. `*`, `?` and `$` that mean themselves are written `${*}`, `${?}` and `${$}`
    /// (IAM user guide, "IAM policy elements: Variables and tags", special characters).
    #[must_use]
    pub fn in_json(&self) -> String {
        let written = |part: &Part| match part {
            Part::Literal(text) => special_characters(text, '$'),
            Part::Wildcard(wildcard) => (*wildcard).to_owned(),
            Part::Slot(slot) => slot.name.clone(),
        };
        self.0.iter().map(written).collect()
    }
}

/// The slot as a text.
impl From<Slot> for Text {
    fn from(slot: Slot) -> Self {
        Self(vec![Part::Slot(slot)])
    }
}

fn special_characters(text: &str, sign: char) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        if "*?$".contains(c) {
            written.extend([sign, '{', c, '}']);
        } else {
            written.push(c);
        }
    }
    written
}

#[cfg(test)]
mod tests;
