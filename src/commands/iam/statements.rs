//! The statements: for each call what needs it, and what happens without it.

use super::document::{Impact, OnlyWith, Statement, Text, TextPart};
use super::reads::Reads;
use crate::model::aws::Arn;
use crate::model::aws_names::action;

const RUN_ENDS: &str = "the run ends with 77.";
const NO_INDEX: &str = "the run ends with 77: nothing says which secrets there are.";
const LEFT_OUT: &str = "these secrets are left out as SECRETS_INIT_ON_DENIED says.";

// ---- of the identity that reads --------------------------------------------------------------------------------

/// `names` are the settings that name ids.
pub fn list(names: &[&str]) -> Statement {
    let settings = names.join(", ");
    let without = format!("{RUN_ENDS} With every id named ({settings}) nothing is listed and this is not needed.");
    let needed = "secretsmanager:ListSecrets, which finds the names under the prefixes. It takes no resource, so it shows the \
                  names of all secrets of the account, and no value.";
    Statement::new(action::LIST_SECRETS, Impact::RunFails, needed, &without)
}

pub fn batch() -> Statement {
    let needed = "secretsmanager:BatchGetSecretValue, which reads twenty secrets a call. It takes no resource, and gives no \
                  value without GetSecretValue on that secret.";
    let without = "secrets are read by GetSecretValue, one a call, and one line at INFO says so.";
    Statement::new(action::BATCH_GET_SECRET_VALUE, Impact::OneByOne, needed, without)
}

pub fn get(reads: &Reads, is_own: bool) -> Statement {
    let reads_all = reads.words.iter().any(|word| word == "*");
    let all = if reads_all { " A prefix is empty, so that is every secret of the account." } else { "" };
    let needed = format!("secretsmanager:GetSecretValue, alone and for each secret of a batch.{all}");
    let never_replaced = if is_own { "; none of them is replaced by a shared one" } else { "" };
    let without = format!("these secrets are left out as SECRETS_INIT_ON_DENIED says{never_replaced}.");
    Statement::new(action::GET_SECRET_VALUE, Impact::LeftOut, &needed, &without).on(&reads.secrets)
}

pub fn get_across(reads: &Reads) -> Statement {
    let needed = "secretsmanager:GetSecretValue in shared accounts. Both this and the policy of the secret must allow it. \
                  ListSecrets and BatchGetSecretValue do not work across accounts.";
    Statement::new(action::GET_SECRET_VALUE, Impact::LeftOut, needed, LEFT_OUT)
        .called("GetSharedSecretValue")
        .on(&reads.secrets)
}

pub fn index(reads: &Reads) -> Statement {
    let needed = "secretsmanager:GetSecretValue on the index. An index of full ARNs may name secrets outside the prefix; add \
                  them to the statement on the secrets.";
    Statement::new(action::GET_SECRET_VALUE, Impact::RunFails, needed, NO_INDEX).called("GetIndex").on(&reads.indices)
}

/// `service` is Secrets Manager as KMS sees it.
fn decrypt(sid: &str, service: Text, reads: &Reads, needed: &str) -> Statement {
    let (impact, without) = if reads.indices.is_empty() {
        (Impact::LeftOut, "the secrets under that key are left out as SECRETS_INIT_ON_DENIED says.")
    } else {
        (Impact::RunFails, "the run ends with 77 if the index is under that key; other secrets under it are left out.")
    };
    when_via(Statement::new(action::DECRYPT, impact, needed, without).called(sid), service)
}

/// Only where this service makes the call.
pub fn when_via(statement: Statement, service: Text) -> Statement {
    let operator = if matches!(service.0.last(), Some(TextPart::Wildcard(_))) { "StringLike" } else { "StringEquals" };
    statement.when(operator, Text::literal("kms:ViaService"), service)
}

pub fn decrypt_own(key: &Text, service: Text, reads: &Reads) -> Statement {
    let needed =
        "kms:Decrypt, which Secrets Manager calls for each value. The key aws/secretsmanager needs no permission.";
    decrypt("DecryptSecrets", service, reads, needed).on([key]).only_with(OnlyWith::CustomerManagedKey)
}

pub fn decrypt_across(key: &Text, service: Text, reads: &Reads) -> Statement {
    let needed = "kms:Decrypt, which Secrets Manager calls for each value. Secrets of another account can't be read under \
                  aws/secretsmanager, so there is a key of one's own, and both this and its policy must allow it.";
    decrypt("DecryptSharedSecrets", service, reads, needed).on([key])
}

// ---- of what lets another account's pod in ---------------------------------------------------------------------

const BY_POD: &str = "secretsmanager:GetSecretValue with the pod's own credentials.";

pub fn secret_by_pod(pod: &Text) -> Statement {
    let without = "the secret is left out as SECRETS_INIT_ON_DENIED says.";
    Statement::new(action::GET_SECRET_VALUE, Impact::LeftOut, BY_POD, without).called("ReadByPod").by(pod)
}

pub fn index_by_pod(pod: &Text) -> Statement {
    Statement::new(action::GET_SECRET_VALUE, Impact::RunFails, BY_POD, NO_INDEX).called("ReadByPod").by(pod)
}

pub fn decrypt_by_pod(pod: &Text, service: Text, reads: &Reads) -> Statement {
    let needed = "kms:Decrypt, which Secrets Manager calls with the pod's own credentials.";
    decrypt("DecryptForPod", service, reads, needed).by(pod)
}

// ---- of roles --------------------------------------------------------------------------------------------------

pub fn assume(role: &Text) -> Statement {
    let needed = "sts:AssumeRole, once a run. Both this and the role's trust policy must allow it.";
    Statement::new(action::ASSUME_ROLE, Impact::RunFails, needed, RUN_ENDS).on([role])
}

/// Passing on the session tags that EKS Pod Identity gives the pod (EKS user guide, "Define permissions for EKS Pod Identities
/// to assume roles based on tags", and IAM user guide, "Pass session tags in AWS STS").
pub fn tag(role: &Text) -> Statement {
    let needed = "sts:AssumeRole with credentials of EKS Pod Identity: their session tags are transitive, so they are passed on. \
                  Not needed where the association has its session tags off.";
    let without = "the run ends with 77; AWS names sts:TagSession.";
    Statement::new(action::TAG_SESSION, Impact::RunFails, needed, without).on([role]).only_with(OnlyWith::PodIdentity)
}

pub fn by_web_identity(role: &Text) -> Statement {
    let needed =
        "sts:AssumeRoleWithWebIdentity, which is called without credentials. Only the role's trust policy judges it.";
    let all = Text::everything();
    let call = Statement::new(action::ASSUME_ROLE_WITH_WEB_IDENTITY, Impact::RunFails, needed, RUN_ENDS);
    Statement { principal_type: "*", ..call.on([role]).by(&all) }
}

/// The role trusts the cluster's OIDC provider, which its own account knows (EKS user guide, "Assign IAM roles to Kubernetes
/// service accounts" and "Authenticate to another account with IRSA").
pub fn trusted_service_account(role: &Arn) -> Statement {
    let needed = "sts:AssumeRoleWithWebIdentity with the token of the pod's service account. The cluster's OIDC provider is to \
                  be registered in the account of this role.";
    let issuer =
        Text::slot("OIDC_ISSUER", "The cluster's OIDC issuer without https://: oidc.eks.REGION.amazonaws.com/id/ID");
    let Arn { partition, account, .. } = role;
    let provider = Text::literal(format!("arn:{partition}:iam::{account}:oidc-provider/")).and(&issuer);
    let who = Text::literal("system:serviceaccount:")
        .and(&Text::slot("NAMESPACE", "Kubernetes namespace of the pods"))
        .then(":")
        .and(&Text::slot(
            "SERVICE_ACCOUNT",
            "Service account of the pods; * stands for any characters, as in airflow-*",
        ));
    let call = Statement::new(action::ASSUME_ROLE_WITH_WEB_IDENTITY, Impact::RunFails, needed, RUN_ENDS);
    let audience = Text::literal("sts.amazonaws.com");
    Statement { principal_type: "Federated", ..call.on([]).by(&provider) }
        .when("StringEquals", issuer.clone().then(":aud"), audience)
        .when("StringLike", issuer.then(":sub"), who)
}

// ---- of VPC endpoints ------------------------------------------------------------------------------------------

/// `secrets` are those of the reads, or what they have in common.
pub fn through_endpoint(who: &Text, reads: &Reads, batches: bool, secrets: &[Text]) -> Vec<Statement> {
    let call = |action: &'static str, impact, without: &str| {
        Statement::new(action, impact, &format!("{action}."), without).by(who)
    };
    let mut calls = Vec::new();
    if reads.lists {
        calls.push(call(action::LIST_SECRETS, Impact::RunFails, RUN_ENDS));
    }
    if batches {
        let without = "secrets are read by GetSecretValue, one a call.";
        calls.push(call(action::BATCH_GET_SECRET_VALUE, Impact::OneByOne, without));
    }
    if !secrets.is_empty() {
        let without = "these secrets are left out as SECRETS_INIT_ON_DENIED says, and each batch with one of them is read one \
                       by one.";
        calls.push(call(action::GET_SECRET_VALUE, Impact::LeftOut, without).on(secrets));
    }
    if !reads.indices.is_empty() {
        calls.push(index(reads).by(who));
    }
    calls
}

/// The own listing tells whose account it is; where it is empty, STS does. No policy of an identity can forbid that.
pub fn who_am_i(who: &Text) -> Statement {
    let needed = "sts:GetCallerIdentity, where the own account has no secret under its prefixes whose ARN would tell.";
    let without = "the run ends with 77 there.";
    Statement::new(action::GET_CALLER_IDENTITY, Impact::RunFails, needed, without).by(who)
}
