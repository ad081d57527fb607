//! What Secrets Manager and STS answer, as far as the engine asks.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::operation::batch_get_secret_value::BatchGetSecretValueOutput;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_secretsmanager::operation::list_secrets::ListSecretsOutput;
use aws_sdk_secretsmanager::primitives::DateTime;
use aws_sdk_secretsmanager::types::{SecretListEntry, SecretValueEntry};
use serde_json::{Value, json};

pub const REGION: &str = "eu-central-1";
pub const OWN: &str = "111111111111";
pub const SHARED: &str = "222222222222";
pub const PREFIX: &str = "airflow/connections/";
/// The most names of a page, and the most values of a batch (API model).
const PAGE: usize = 100;
const BATCH: usize = 20;
/// When every secret was made, in seconds since 1970.
const MADE_AT: i64 = 1_700_000_000;

/// The role of the pods, and that in the shared account.
#[must_use]
pub fn role_of(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/reader")
}

/// The access key of what is taken from an account: it names the account.
#[must_use]
pub fn access_key(account: &str) -> String {
    format!("ASIA{account}KEYS")
}

/// The account in an access key of [`access_key`], where one stands in the header of a signature.
#[must_use]
pub fn account_of(authorization: &str) -> Option<&str> {
    authorization.split_once("Credential=ASIA")?.1.get(..OWN.len())
}

/// The secrets of one account.
pub struct Secrets {
    account: &'static str,
    /// Values by name.
    values: BTreeMap<String, String>,
}

impl Secrets {
    /// So many connections, of about 300 bytes each as `benches/lab.py` has them.
    #[must_use]
    pub fn new(account: &'static str, count: usize, first: usize) -> Self {
        let value = |number: usize| {
            format!("postgres://user{number}:{}@host{number}.example.internal:5432/db", "p".repeat(200))
        };
        let numbers = first..first + count;
        Self { account, values: numbers.map(|number| (format!("{PREFIX}c{number:05}"), value(number))).collect() }
    }

    fn arn(&self, name: &str) -> String {
        format!("arn:aws:secretsmanager:{REGION}:{}:secret:{name}-AbCdEf", self.account)
    }

    /// The secret that a name or an ARN names.
    fn find(&self, id: &str) -> Option<(&String, &String)> {
        let name = id.split_once(":secret:").and_then(|(_, resource)| resource.strip_suffix("-AbCdEf")).unwrap_or(id);
        self.values.get_key_value(name)
    }

    fn value(&self, (name, value): (&String, &String)) -> Value {
        json!({"ARN": self.arn(name), "Name": name, "VersionId": "00000000-0000-4000-8000-000000000000", "SecretString": value,
            "VersionStages": ["AWSCURRENT"], "CreatedDate": MADE_AT})
    }

    /// The answer to an operation; `None` for what is not modelled.
    #[must_use]
    pub fn answer(&self, operation: &str, request: &Value) -> Option<Value> {
        Some(match operation {
            "ListSecrets" => self.list(request),
            "BatchGetSecretValue" => self.batch(request),
            "GetSecretValue" => self.get(request["SecretId"].as_str()?)?,
            _ => return None,
        })
    }

    #[must_use]
    pub fn list(&self, request: &Value) -> Value {
        let mut names: Vec<&String> = self.under(&request["Filters"]).map(|(name, _)| name).collect();
        if request["SortOrder"] == "desc" {
            names.reverse();
        }
        let listed = |name: &&String| json!({"ARN": self.arn(name), "Name": name, "LastChangedDate": MADE_AT});
        page(&names, request, "SecretList", PAGE, listed)
    }

    /// One value, by name or ARN; `None` where there is no such secret.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Value> {
        Some(self.value(self.find(id)?))
    }

    #[must_use]
    pub fn batch(&self, request: &Value) -> Value {
        let Some(ids) = request["SecretIdList"].as_array() else {
            let all: Vec<_> = self.under(&request["Filters"]).collect();
            return page(&all, request, "SecretValues", BATCH, |one| self.value(*one));
        };
        let found = ids.iter().filter_map(|id| self.find(id.as_str()?));
        json!({"SecretValues": found.map(|one| self.value(one)).collect::<Vec<_>>(), "Errors": []})
    }

    /// What passes all filters, each a list of alternatives: what a name begins with or, after a `!`, does not begin with.
    fn under(&self, filters: &Value) -> impl Iterator<Item = (&String, &String)> {
        let passes = |name: &str, filter: &Value| {
            let mut values = filter["Values"].as_array().into_iter().flatten().filter_map(Value::as_str);
            values.any(|value| match value.strip_prefix('!') {
                Some(not) => !name.starts_with(not),
                None => name.starts_with(value),
            })
        };
        let filters = filters.as_array().cloned().unwrap_or_default();
        self.values.iter().filter(move |(name, _)| filters.iter().all(|filter| passes(name, filter)))
    }
}

/// One page of all that there is; the token is where it begins.
fn page<T>(all: &[T], request: &Value, key: &str, most: usize, write: impl Fn(&T) -> Value) -> Value {
    let start = request["NextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or(0_usize).min(all.len());
    let end = all.len().min(start + most);
    let mut page = json!({ key: all[start..end].iter().map(write).collect::<Vec<_>>() });
    if end < all.len() {
        page["NextToken"] = end.to_string().into();
    }
    page
}

// ---- the same in the SDK's types -----------------------------------------------------------------------------------

fn text(answer: &Value, key: &str) -> Option<String> {
    answer[key].as_str().map(str::to_owned)
}

fn all<'a>(answer: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    answer[key].as_array().into_iter().flatten()
}

/// A page as the SDK reads it.
#[must_use]
pub fn to_list(answer: &Value) -> ListSecretsOutput {
    let entry = |one| SecretListEntry::builder().set_name(text(one, "Name")).set_arn(text(one, "ARN")).build();
    let entries = all(answer, "SecretList").map(entry).collect();
    ListSecretsOutput::builder().set_secret_list(Some(entries)).set_next_token(text(answer, "NextToken")).build()
}

/// A batch as the SDK reads it.
#[must_use]
pub fn to_batch(answer: &Value) -> BatchGetSecretValueOutput {
    let entry = |one| {
        let entry = SecretValueEntry::builder().set_name(text(one, "Name")).set_arn(text(one, "ARN"));
        entry.set_secret_string(text(one, "SecretString")).created_date(DateTime::from_secs(MADE_AT)).build()
    };
    let entries = all(answer, "SecretValues").map(entry).collect();
    BatchGetSecretValueOutput::builder().set_secret_values(Some(entries)).build()
}

/// One value as the SDK reads it.
#[must_use]
pub fn to_value(answer: &Value) -> GetSecretValueOutput {
    let value = GetSecretValueOutput::builder().set_name(text(answer, "Name")).set_arn(text(answer, "ARN"));
    value.set_secret_string(text(answer, "SecretString")).created_date(DateTime::from_secs(MADE_AT)).build()
}

/// What STS answers to a role of an account. Time does not pass for whoever reads it.
#[must_use]
pub fn session(operation: &str, account: &str) -> String {
    let key = access_key(account);
    format!(
        "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result><Credentials>\
         <AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROA:pod</AssumedRoleId>\
         <Arn>arn:aws:sts::{account}:assumed-role/reader/pod</Arn></AssumedRoleUser></{operation}Result></{operation}Response>"
    )
}

pub const THROTTLED: &str = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
pub const THROTTLED_STS: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
     <Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>";
