//! The policies of the account that publishes an index: of who publishes it, of the index, of the secrets that it names, of the keys.

use serde_json::Value;

use super::build::Build;
use super::document::{Impact, PolicyDocument, PolicyType, Statement, Text};
use super::json;
use super::reads::{Reads, by_name_or_arn};
use super::statements::when_via;

use crate::config::index::IndexSettings;
use crate::model::aws_names::action;
use crate::model::index::Readers;
use crate::plan::{Plan, Source};

const NOT_WRITTEN: &str = "the run ends with 77, and the index stays as it is.";
const LEFT_OUT_THERE: &str = "the secret is left out in the other account, as SECRETS_INIT_ON_DENIED says there.";
const NO_INDEX_THERE: &str = "the runs of the other account end with 77: nothing says which secrets there are.";

/// The resource policy of an index as Secrets Manager takes it.
pub fn index_policy(readers: &Readers, plan: &Plan) -> String {
    let mut document = PolicyDocument {
        name: "index".to_owned(),
        form: PolicyType::Resource,
        attach_to: Text::literal("the index"),
        why: String::new(),
        statements: Vec::new(),
    };
    for statement in by_readers(readers, plan, &reading(Impact::RunFails, NO_INDEX_THERE)) {
        document.add(statement);
    }
    let policy: Value = json::policy(&document);
    policy.to_string()
}

/// `GetSecretValue`, which another account may make.
fn reading(impact: Impact, without: &str) -> Statement {
    let needed =
        "secretsmanager:GetSecretValue by the pods of other accounts, whose own policies must allow it as well.";
    Statement::new(action::GET_SECRET_VALUE, impact, needed, without).called("Read")
}

/// The statement once for the accounts and once for the organisations, as far as there are any.
fn by_readers(readers: &Readers, plan: &Plan, statement: &Statement) -> Vec<Statement> {
    let partition = plan.regions.own.as_ref().unwrap_or(&plan.regions.shared).partition();
    let accounts = readers.accounts.iter().map(|account| {
        let root = Text::literal(format!("arn:{partition}:iam::{account}:root"));
        statement.clone().called(&format!("{}ByAccounts", statement.sid)).by(&root)
    });
    let organizations = readers.organizations.iter().map(|id| {
        let by_all = statement.clone().called(&format!("{}ByOrganization", statement.sid)).by(&Text::everything());
        by_all.when("StringEquals", Text::literal("aws:PrincipalOrgID"), Text::literal(id))
    });
    accounts.chain(organizations).collect()
}

impl Build<'_> {
    /// What is needed to publish this index, and to read it and what it names elsewhere.
    pub(super) fn publisher(&mut self, index: &IndexSettings, reads: &Reads) {
        let (plan, own) = (self.who.plan, Source::Own);
        let region = self.who.service(&own);
        let secret = |name: &str| self.who.arn_of(&own, "secretsmanager").then(format!("secret:{name}"));
        let ids = by_name_or_arn(&index.id, secret);
        let secrets_key = self.who.key(&own);
        let key = index.kms_key.as_ref().map_or_else(|| secrets_key.clone(), |key| Text::literal(key.to_string()));
        let identity = self.who.own_identity();
        if let Some(role) = &plan.own.role {
            self.role(role, "own_role_trust", &self.who.before_own_role(), true);
        }
        let publisher = self.who.principal(&identity);

        let mut calls = vec![
            call(action::LIST_SECRETS, "finds the names under the prefixes. It takes no resource, and shows no value."),
            call(
                action::GET_SECRET_VALUE,
                "reads the index, to write it only where it changes. No other secret is read.",
            )
            .called("GetIndex")
            .on(&ids),
            call(action::PUT_SECRET_VALUE, "writes the index.").called("PutIndex").on(&ids),
            when_via(
                call(action::DECRYPT, "is called by Secrets Manager to read the index and to write it."),
                region.clone(),
            )
            .on([&key]),
            when_via(
                call(action::GENERATE_DATA_KEY, "is called by Secrets Manager to write the index."),
                region.clone(),
            )
            .on([&key]),
        ];
        if index.kms_key.is_some() {
            let creating = "makes the index. Only --create calls it, and only where the index is not there.";
            calls.push(call(action::CREATE_SECRET, creating).called("CreateIndex").on(&ids));
            let opening =
                "lets other accounts read the index. Only --create calls it, and only where the index is not there.";
            calls.push(call(action::PUT_RESOURCE_POLICY, opening).called("PutIndexPolicy").on(&ids));
        }
        for call in calls {
            if call.action.starts_with("secretsmanager:") {
                self.secrets_endpoint(&own).add(call.clone().by(&publisher));
            }
            self.identity_document(&identity).add(call);
        }
        if index.readers == Readers::default() {
            self.notices.push(
                "SECRETS_INIT_INDEX_READERS is not set: the policies that let other accounts in are left out"
                    .to_owned(),
            );
            return;
        }

        let whose = Text::literal(format!("the index of the own account: {}", index.id));
        let why = "The resource policy of the index, which publish-index --create puts in place.";
        let of_index = by_readers(&index.readers, plan, &reading(Impact::RunFails, NO_INDEX_THERE));
        let whose_secrets =
            Text::literal(format!("each of the secrets of the own account: {}", reads.words.join(", ")));
        let why_secrets = "The resource policy of the secrets, without which nobody of another account may read them.";
        let of_secrets = by_readers(&index.readers, plan, &reading(Impact::LeftOut, LEFT_OUT_THERE));
        let decrypt = |impact, without| {
            let needed = "kms:Decrypt, which Secrets Manager calls with the credentials of the other account's pod.";
            when_via(Statement::new(action::DECRYPT, impact, needed, without).called("Decrypt"), region.clone())
        };
        let why_key = "To be added to the key's policy, not put in its place: the key needs an administrator as well. Other \
                       accounts can't read what is under aws/secretsmanager.";
        let of_keys = [
            ("index_kms_key", &key, decrypt(Impact::RunFails, NO_INDEX_THERE)),
            ("secrets_kms_key", &secrets_key, decrypt(Impact::LeftOut, LEFT_OUT_THERE)),
        ];
        for statement in of_index {
            self.document("index", PolicyType::Resource, &whose, why).add(statement);
        }
        for statement in of_secrets {
            self.document("secrets", PolicyType::Resource, &whose_secrets, why_secrets).add(statement);
        }
        for (name, key, statement) in of_keys {
            for statement in by_readers(&index.readers, plan, &statement) {
                self.document(name, PolicyType::Key, key, why_key).add(statement);
            }
        }
    }
}

/// A call of the publisher's, without which nothing is written.
fn call(name: &'static str, does: &str) -> Statement {
    Statement::new(name, Impact::RunFails, &format!("{name}, which {does}"), NOT_WRITTEN)
}
