//! IamPolicies as data: what a policy is attached to, what it allows, and for each statement which call needs it and what
//! happens without it. What the settings do not say (account numbers, key ids, the role of the pod) is a slot.

use indexmap::IndexMap;
use serde::Serialize;

/// Everything that `iam` prints.
pub struct IamPolicies {
    /// In the order in which one would make them.
    pub documents: Vec<PolicyDocument>,
    /// Things an operator should know, in words, for WARN lines.
    pub notices: Vec<String>,
}

impl IamPolicies {
    /// What is to be filled in, in order of first use: name and what belongs there.
    pub fn slots(&self) -> IndexMap<&str, &str> {
        let statements = self.documents.iter().flat_map(|document| &document.statements);
        let parts = statements.flat_map(Statement::texts).flat_map(|text| &text.0);
        let slots = parts.filter_map(|part| match part {
            TextPart::Slot { name, what } => Some((name.as_str(), what.as_str())),
            TextPart::Literal(_) | TextPart::Wildcard(_) => None,
        });
        slots.collect()
    }
}

/// One policy.
#[derive(Clone, Debug)]
pub struct PolicyDocument {
    /// A name that Terraform takes: `pod_role`.
    pub name: String,
    pub form: PolicyType,
    /// In words.
    pub attach_to: Text,
    /// Why it is there, in words.
    pub why: String,
    pub statements: Vec<Statement>,
}

/// The kinds of policies (IAM user guide, "IamPolicies and permissions in IAM").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyType {
    /// What an identity may do.
    Identity,
    /// What a session of an identity may do of that.
    Session,
    /// Who may take a role.
    Trust,
    /// Who may do what with a secret.
    Resource,
    /// Statements for the policy of a KMS key, which has others as well.
    Key,
    /// What goes through a VPC endpoint.
    Endpoint,
}

/// One statement; its effect is always `Allow`.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Letters and digits, once in a document (IAM JSON policy elements, "Sid").
    pub sid: String,
    /// Each call has a statement of its own, so that each can be judged by itself.
    pub action: &'static str,
    /// None in trust policies, which are about the role that they belong to.
    pub resources: Vec<Text>,
    /// `AWS`, `Federated`, or `*` for a call without a signature.
    pub principal_type: &'static str,
    /// None in the policies of identities.
    pub principals: Vec<Text>,
    /// All of which must hold.
    pub conditions: Vec<Condition>,
    /// Which call needs it, and why.
    pub needed_for: String,
    pub without_it: String,
    pub impact: Impact,
    /// Where all of these hold; needed everywhere if there is none.
    pub only_with: Vec<OnlyWith>,
}

/// One key of a condition; one of the values must match.
#[derive(Clone, Debug)]
pub struct Condition {
    /// `StringEquals`, `StringLike`.
    pub operator: &'static str,
    pub key: Text,
    pub values: Vec<Text>,
}

/// What happens without a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    /// No file is written; exit code 77.
    RunFails,
    /// The secrets that it is about are left out, as `SECRETS_INIT_ON_DENIED` says.
    LeftOut,
    /// Everything is read all the same, one secret a call.
    OneByOne,
}

/// Where a statement is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnlyWith {
    /// Credentials from a service account's web identity token.
    Irsa,
    /// Credentials from EKS Pod Identity.
    PodIdentity,
    /// Not `aws/secretsmanager`.
    CustomerManagedKey,
    /// Whoever takes the role is of another account than the role.
    RoleOfAnotherAccount,
}

impl OnlyWith {
    /// In a sentence: "only with ...".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Irsa => "IRSA",
            Self::PodIdentity => "EKS Pod Identity",
            Self::CustomerManagedKey => "a customer managed key",
            Self::RoleOfAnotherAccount => "a role of another account",
        }
    }
}

impl PolicyDocument {
    /// Adds a statement, or widens the one of its name and conditions.
    pub fn add(&mut self, mut statement: Statement) {
        fn keys(of: &Statement) -> impl Iterator<Item = (&'static str, &Text)> {
            of.conditions.iter().map(|condition| (condition.operator, &condition.key))
        }
        let like = |known: &Statement, sid: &str| {
            known.sid.trim_end_matches(|c: char| c.is_ascii_digit()) == sid && keys(known).eq(keys(&statement))
        };
        let Some(known) = self.statements.iter_mut().find(|known| like(known, &statement.sid)) else {
            let of_name = self.statements.iter().filter(|known| known.sid.starts_with(&statement.sid)).count();
            if of_name > 0 {
                statement.sid = format!("{}{}", statement.sid, of_name + 1);
            }
            self.statements.push(statement);
            return;
        };
        join(&mut known.resources, statement.resources);
        join(&mut known.principals, statement.principals);
        for (known, condition) in known.conditions.iter_mut().zip(statement.conditions) {
            join(&mut known.values, condition.values);
        }
        known.only_with.retain(|only| statement.only_with.contains(only));
        if statement.impact == Impact::RunFails {
            (known.impact, known.without_it) = (statement.impact, statement.without_it);
        }
    }
}

fn join(known: &mut Vec<Text>, more: impl IntoIterator<Item = Text>) {
    for one in more {
        if !known.contains(&one) {
            known.push(one);
        }
    }
}

impl Statement {
    /// A statement of its action's name, on every resource.
    pub fn new(action: &'static str, impact: Impact, needed_for: &str, without_it: &str) -> Self {
        Self {
            sid: action.rsplit(':').next().unwrap_or_default().to_owned(),
            action,
            resources: vec![Text::everything()],
            principal_type: "AWS",
            principals: Vec::new(),
            conditions: Vec::new(),
            needed_for: needed_for.to_owned(),
            without_it: without_it.to_owned(),
            impact,
            only_with: Vec::new(),
        }
    }

    pub fn called(self, sid: &str) -> Self {
        Self { sid: sid.to_owned(), ..self }
    }

    /// On these in place of every resource.
    pub fn on<'a>(mut self, resources: impl IntoIterator<Item = &'a Text>) -> Self {
        self.resources.clear();
        join(&mut self.resources, resources.into_iter().cloned());
        self
    }

    pub fn by(self, principal: &Text) -> Self {
        Self { principals: vec![principal.clone()], ..self }
    }

    pub fn when(mut self, operator: &'static str, key: Text, value: Text) -> Self {
        self.conditions.push(Condition { operator, key, values: vec![value] });
        self
    }

    pub fn only_with(mut self, only: OnlyWith) -> Self {
        self.only_with.push(only);
        self
    }

    fn texts(&self) -> impl Iterator<Item = &Text> {
        let conditions = self.conditions.iter().flat_map(|one| std::iter::once(&one.key).chain(&one.values));
        self.resources.iter().chain(&self.principals).chain(conditions)
    }
}

/// A text of a policy, of which some parts may be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub Vec<TextPart>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextPart {
    /// As it stands: `*`, `?` and `$` in it mean themselves.
    Literal(String),
    /// `*` or `?`, as IAM reads them.
    Wildcard(&'static str),
    /// To be filled in. The name is of capitals, digits and underscores: `OWN_ACCOUNT`.
    Slot { name: String, what: String },
}

impl Text {
    /// A text without wildcards.
    pub fn literal(text: impl Into<String>) -> Self {
        Self(vec![TextPart::Literal(text.into())])
    }

    /// `*`: every resource, or everybody.
    pub fn everything() -> Self {
        Self(vec![TextPart::Wildcard("*")])
    }

    /// Something to be filled in.
    pub fn slot(name: impl Into<String>, what: impl Into<String>) -> Self {
        Self(vec![TextPart::Slot { name: name.into(), what: what.into() }])
    }

    /// The text with this behind it.
    pub fn then(mut self, literal: impl Into<String>) -> Self {
        self.0.push(TextPart::Literal(literal.into()));
        self
    }

    /// The text with another behind it.
    pub fn and(mut self, other: &Self) -> Self {
        self.0.extend_from_slice(&other.0);
        self
    }

    /// The text with a wildcard behind it.
    pub fn wild(mut self, wildcard: &'static str) -> Self {
        self.0.push(TextPart::Wildcard(wildcard));
        self
    }

    /// The text with literals and the names of slots written so.
    pub fn written(&self, literal: impl Fn(&str) -> String, slot: impl Fn(&str) -> String) -> String {
        let written = |part: &TextPart| match part {
            TextPart::Literal(text) => literal(text),
            TextPart::Wildcard(wildcard) => (*wildcard).to_owned(),
            TextPart::Slot { name, .. } => slot(name),
        };
        self.0.iter().map(written).collect()
    }

    /// As people read it.
    pub fn in_words(&self) -> String {
        self.written(str::to_owned, str::to_owned)
    }

    /// As IAM reads it, but for the names of slots.
    pub fn in_json(&self) -> String {
        self.written(|text| special_characters(text, '$'), str::to_owned)
    }
}

/// `*`, `?` and `$` that mean themselves are written `${*}`, `${?}` and `${$}` (IAM user guide, "IAM policy elements:
/// Variables and tags", special characters).
pub fn special_characters(text: &str, sign: char) -> String {
    text.chars().map(|c| if "*?$".contains(c) { format!("{sign}{{{c}}}") } else { c.to_string() }).collect()
}
