//! Single statements, and documents put together from them.

use super::who::slot;
use super::{Condition, Document, Form, Impact, OnlyWith, Part, Principal, Statement, Text, json};
use crate::model::aws::Arn;
use crate::model::aws_names::action;

/// A managed policy has at most 6,144 characters, white space not counted (IAM and AWS STS quotas). Placeholders may be
/// shorter than what they stand for.
const LONGEST_POLICY: usize = 5_800;
/// Of that, what one statement may take before it is cut.
const LONGEST_STATEMENT: usize = 2_800;

impl Document {
    /// Adds a statement, or widens the one of its name and conditions.
    pub(super) fn add(&mut self, mut statement: Statement) {
        fn keys(of: &Statement) -> impl Iterator<Item = (&'static str, &Text)> {
            of.conditions.iter().map(|condition| (condition.operator, &condition.key))
        }
        let like = |known: &Statement, sid: &str| {
            known.sid.trim_end_matches(|c: char| c.is_ascii_digit()) == sid && keys(known).eq(keys(&statement))
        };
        let Some(known) = self.statements.iter_mut().find(|known| like(known, &statement.sid)) else {
            let of_name = |known: &&Statement| known.sid.starts_with(&statement.sid);
            let number = self.statements.iter().filter(of_name).count();
            if number > 0 {
                statement.sid = format!("{}{}", statement.sid, number + 1);
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

fn join<T: PartialEq>(known: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !known.contains(&one) {
            known.push(one);
        }
    }
}

/// A policy of an identity that is longer than a managed policy may be becomes several.
pub fn fit(document: Document) -> Vec<Document> {
    let size = |document: &Document| json::policy(document).to_string().len();
    if document.form != Form::Identity || size(&document) <= LONGEST_POLICY {
        return vec![document];
    }
    let empty = |number: usize| {
        let name = if number == 1 { document.name.clone() } else { format!("{}_{number}", document.name) };
        let why = format!("{} Part {number}: one policy can't be longer.", document.why);
        Document { name, why, statements: Vec::new(), ..document.clone() }
    };
    let mut parts = vec![empty(1)];
    for piece in document.statements.iter().flat_map(cut) {
        let number = parts.len();
        if let Some(last) = parts.last_mut() {
            last.statements.push(piece.clone());
            if size(last) <= LONGEST_POLICY || last.statements.len() == 1 {
                continue;
            }
            last.statements.pop();
        }
        parts.push(Document { statements: vec![piece], ..empty(number + 1) });
    }
    parts
}

/// A statement with many resources as several with fewer.
fn cut(statement: &Statement) -> Vec<Statement> {
    let mut pieces: Vec<Vec<Text>> = vec![Vec::new()];
    let mut size = 0;
    for resource in &statement.resources {
        size += resource.in_json().len() + 3;
        if size > LONGEST_STATEMENT {
            pieces.push(Vec::new());
            size = resource.in_json().len() + 3;
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(resource.clone());
        }
    }
    let numbered = |(number, resources): (usize, Vec<Text>)| {
        let sid = if number == 0 { statement.sid.clone() } else { format!("{}{}", statement.sid, number + 1) };
        Statement { sid, resources, ..statement.clone() }
    };
    pieces.into_iter().enumerate().map(numbered).collect()
}

pub fn index(indices: &[Text]) -> Statement {
    statement("GetIndex", action::GET_SECRET_VALUE, Impact::RunFails)
        .on(indices.to_vec())
        .needed(
            "secretsmanager:GetSecretValue on the index. An index of full ARNs may name secrets outside the prefix; add them to \
             the statement on the secrets.",
        )
        .without("the run ends with 77: nothing says which secrets there are.")
}

/// Taking a role.
pub fn assume(role: &Text) -> Statement {
    statement("AssumeRole", action::ASSUME_ROLE, Impact::RunFails)
        .on([role.clone()])
        .needed("sts:AssumeRole, once a run. Both this and the role's trust policy must allow it.")
        .without("the run ends with 77.")
}

/// Passing on the session tags that EKS Pod Identity gives the pod (EKS user guide, "Define permissions for EKS Pod Identities
/// to assume roles based on tags", and IAM user guide, "Pass session tags in AWS STS").
pub fn tag(role: &Text) -> Statement {
    statement("TagSession", action::TAG_SESSION, Impact::RunFails)
        .on([role.clone()])
        .needed(
            "sts:AssumeRole with credentials of EKS Pod Identity: their session tags are transitive, so they are passed on. Not \
             needed where the association has its session tags off.",
        )
        .without("the run ends with 77; AWS names sts:TagSession.")
        .only_with(OnlyWith::PodIdentity)
}

pub fn by_web_identity(sid: &str, role: &Text) -> Statement {
    statement(sid, action::ASSUME_ROLE_WITH_WEB_IDENTITY, Impact::RunFails)
        .by(Principal::Anybody)
        .on([role.clone()])
        .needed("sts:AssumeRoleWithWebIdentity, which is called without credentials. Only the role's trust policy judges it.")
        .without("the run ends with 77.")
}

/// The role trusts the cluster's OIDC provider, which its own account knows (EKS user guide, "Assign IAM roles to Kubernetes
/// service accounts" and "Authenticate to another account with IRSA").
pub fn trusted_service_account(role: &Arn) -> Statement {
    let issuer = slot("OIDC_ISSUER", "The cluster's OIDC issuer without https://: oidc.eks.REGION.amazonaws.com/id/ID");
    let Arn { partition, account, .. } = role;
    let provider = Text::literal(format!("arn:{partition}:iam::{account}:oidc-provider/")).and(&issuer);
    let who = Text::literal("system:serviceaccount:")
        .and(&slot("NAMESPACE", "Kubernetes namespace of the pods"))
        .then(":")
        .and(&slot("SERVICE_ACCOUNT", "Service account of the pods; * stands for any characters, as in airflow-*"));
    let audience = Condition {
        operator: "StringEquals",
        key: issuer.clone().then(":aud"),
        values: vec![Text::literal("sts.amazonaws.com")],
    };
    let subject = Condition { operator: "StringLike", key: issuer.then(":sub"), values: vec![who] };
    Statement {
        conditions: vec![audience, subject],
        ..statement("AssumeRoleWithWebIdentity", action::ASSUME_ROLE_WITH_WEB_IDENTITY, Impact::RunFails)
            .by(Principal::Federated(provider))
            .needed(
                "sts:AssumeRoleWithWebIdentity with the token of the pod's service account. The cluster's OIDC provider is to be \
                 registered in the account of this role.",
            )
            .without("the run ends with 77.")
    }
}

pub fn statement(sid: &str, action: &'static str, impact: Impact) -> Statement {
    Statement {
        sid: sid.to_owned(),
        action,
        resources: Vec::new(),
        principals: Vec::new(),
        conditions: Vec::new(),
        needed_for: String::new(),
        without_it: String::new(),
        impact,
        only_with: Vec::new(),
    }
}

impl Statement {
    pub(super) fn on(self, resources: impl IntoIterator<Item = Text>) -> Self {
        let mut unique = Vec::new();
        join(&mut unique, resources.into_iter().collect());
        Self { resources: unique, ..self }
    }

    pub(super) fn by(mut self, principal: Principal) -> Self {
        self.principals.push(principal);
        self
    }

    pub(super) fn when_string(mut self, key: &str, value: Text) -> Self {
        let has_wildcard = value.0.iter().any(|part| matches!(part, Part::Wildcard(_)));
        let operator = if has_wildcard { "StringLike" } else { "StringEquals" };
        self.conditions.push(Condition { operator, key: Text::literal(key), values: vec![value] });
        self
    }

    pub(super) fn needed(self, words: &str) -> Self {
        Self { needed_for: words.to_owned(), ..self }
    }

    pub(super) fn without(self, words: &str) -> Self {
        Self { without_it: words.to_owned(), ..self }
    }

    pub(super) fn only_with(mut self, only: OnlyWith) -> Self {
        self.only_with.push(only);
        self
    }

    /// As a part of the trust policy of the role that it is about.
    pub(super) fn trusting(self) -> Self {
        Self { resources: Vec::new(), ..self }
    }
}
