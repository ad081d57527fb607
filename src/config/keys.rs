//! The keys of `backend_kwargs`, one row each: all that is known of a key, but for what its value comes to
//! (`kwargs_reader.rs`). The tables of keys in docs/CONFIGURATION.md are these rows; a test compares them.

use crate::model::kind::Kind;
use crate::python::json::Json;

pub struct Key {
    /// Its name at the top of the object.
    pub name: &'static str,
    /// Its name in an entry of `shared`, if it has a place there.
    pub in_shared: Option<&'static str>,
    /// What its value must be.
    pub form: Shape,
    /// Which table of docs/CONFIGURATION.md it is in.
    pub group: KeyTable,
    /// Whose key it is, in a word.
    pub whose: &'static str,
    pub default: Fallback,
    /// What it means, as Markdown.
    pub meaning: &'static str,
}

/// What a value must be. `null` is the same as absent but for prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A string; the empty one is the same as absent.
    Text,
    /// A string that may be empty, and nothing else.
    Separator,
    /// A string that may be empty; `null` switches off.
    Prefix,
    /// An array of strings, or one string with commas or newlines (a per-key variable is one).
    List,
    /// A string or a number.
    Account,
    /// A form of its own, checked where it is read.
    OfItsOwn,
}

impl Key {
    /// Whether a `$` may be a part of its value: a password, a pattern, or a key whose value is not used.
    pub fn may_hold_dollar(&self) -> bool {
        let is_pattern = Kind::ALL.iter().any(|kind| kind.pattern_key() == self.name);
        is_pattern
            || self.group == KeyTable::NoEffect
            || self.name.starts_with("aws_") && self.name != "aws_region"
            || self.name == "extra_conn_words"
    }
}

impl Shape {
    /// What is wrong with a value, by its type alone.
    pub fn problem(self, value: &Json) -> Option<&'static str> {
        match (self, value) {
            (Self::Account | Self::OfItsOwn, _)
            | (Self::Separator, Json::String(_))
            | (Self::Text | Self::Prefix | Self::List, Json::String(_) | Json::Null) => None,
            (Self::List, Json::Array(items)) if items.iter().all(|item| item.as_str().is_some()) => None,
            (Self::Text | Self::Separator, _) => Some("must be a string"),
            (Self::Prefix, _) => Some("must be a string, or null to switch it off"),
            (Self::List, _) => Some("must be an array of strings"),
        }
    }
}

/// The tables of keys in docs/CONFIGURATION.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyTable {
    /// About the own account, or about all.
    Own,
    Shared,
    /// Accepted without effect.
    NoEffect,
}

/// What holds without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    Value(&'static str),
    /// In words.
    Words(&'static str),
}

const fn own(name: &'static str, form: Shape, whose: &'static str, default: Fallback, meaning: &'static str) -> Key {
    Key { name, in_shared: None, form, group: KeyTable::Own, whose, default, meaning }
}

const fn shared(
    names: [&'static str; 2],
    form: Shape,
    whose: &'static str,
    default: Fallback,
    meaning: &'static str,
) -> Key {
    Key { name: names[0], in_shared: Some(names[1]), form, group: KeyTable::Shared, whose, default, meaning }
}

const fn no_effect(name: &'static str, meaning: &'static str) -> Key {
    Key { group: KeyTable::NoEffect, ..own(name, Shape::OfItsOwn, PROVIDER, NONE, meaning) }
}

const PROVIDER: &str = "provider";
const BACKEND: &str = "shared backend";
const OURS: &str = "ours";
const NONE: Fallback = Fallback::Words("none");
const ALL: Fallback = Fallback::Words("all");

/// Every key, in the order of the document.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    own(Kind::Connection.prefix_key(), Shape::Prefix, PROVIDER, Fallback::Value("airflow/connections"), "What a secret's name begins with. Trailing separators are stripped. `\"\"`: the name is the conn_id. `null`: connections are off, in the shared accounts too."),
    own(Kind::Variable.prefix_key(), Shape::Prefix, PROVIDER, Fallback::Value("airflow/variables"), "The same for variables. `null`: variables are off. The shared backend [looks for them under `connections_prefix`](VARIABLES.md#from-the-python-backend)."),
    own(Kind::Config.prefix_key(), Shape::Prefix, PROVIDER, Fallback::Value("airflow/config"), "The same for config values. `null`: they are off."),
    own("sep", Shape::Separator, PROVIDER, Fallback::Value("/"), "What stands between prefix and conn_id. Stripped from prefixes as a set of characters, as Python's `rstrip` does. Not `null`."),
    own(Kind::Connection.pattern_key(), Shape::Text, PROVIDER, ALL, "Python regular expression, `re.match` with IGNORECASE: anchored at the start alone; [without some syntax that names don't need](COMPATIBILITY.md). The own account is asked only for conn_ids that match; shared accounts are not affected."),
    own(Kind::Variable.pattern_key(), Shape::Text, PROVIDER, ALL, "The same for variables."),
    own(Kind::Config.pattern_key(), Shape::Text, PROVIDER, ALL, "The same for config keys."),
    own("extra_conn_words", Shape::OfItsOwn, PROVIDER, Fallback::Value("{}"), "Further key names for a field of a JSON secret: object of `login` (or `user`), `password`, `host`, `port`, `schema`, `conn_type`, `extra` to a list of names."),
    own("region_name", Shape::Text, PROVIDER, Fallback::Words("see [regions](#regions)"), "The own account's region."),
    own("profile_name", Shape::Text, PROVIDER, NONE, "A profile of the AWS configuration files. As in boto3, keys and a web identity in variables do not count beside it."),
    own("aws_access_key_id", Shape::Text, PROVIDER, NONE, "Static keys. This and `aws_secret_access_key` go together."),
    own("aws_secret_access_key", Shape::Text, PROVIDER, NONE, "See `aws_access_key_id`."),
    own("aws_session_token", Shape::Text, PROVIDER, NONE, "The session token of temporary static keys."),
    own("role_arn", Shape::Text, PROVIDER, NONE, "A role to assume before anything is read."),
    own("assume_role_method", Shape::Text, PROVIDER, Fallback::Value("assume_role"), "`assume_role`, or `assume_role_with_web_identity`: hand the pod's IRSA token to `role_arn`."),
    own("assume_role_kwargs", Shape::OfItsOwn, PROVIDER, NONE, "For `role_arn`: `ExternalId`, `RoleSessionName`; `DurationSeconds` is taken and has no effect (always 900 s)."),
    own("external_id", Shape::Text, "provider 8.x", NONE, "The same as `assume_role_kwargs.ExternalId`, which beats it."),
    own("assume_role_with_web_identity_token_file", Shape::Text, PROVIDER, Fallback::Value("AWS_WEB_IDENTITY_TOKEN_FILE"), "The token's file."),
    own("assume_role_with_web_identity_federation", Shape::Text, PROVIDER, Fallback::Value("file"), "`file` alone."),
    own("endpoint_url", Shape::Text, PROVIDER, Fallback::Words("AWS's"), "Secrets Manager's endpoint for the own account, `http://` or `https://`."),
    own("verify", Shape::OfItsOwn, PROVIDER, Fallback::Words("the system's CAs"), "Path of a CA bundle for the own account. `true` has no effect."),
    own("are_secret_values_urlencoded", Shape::OfItsOwn, "provider before 9.0.0", Fallback::Words("false"), "Percent-decode the values of JSON secrets. Where it is true, `SECRETS_INIT_AIRFLOW_VERSION` must be set: `2` decodes, a 3.x does not and says so. Truth is Python's: the string `\"false\"` is true."),
    shared(["shared_account", "account"], Shape::Account, BACKEND, NONE, "12 digits, in quotes. Absent here: the own account alone, as the plain `SecretsManagerBackend`."),
    shared(["connections_prefix_shared", Kind::Connection.prefix_key()], Shape::Prefix, BACKEND, Fallback::Value("airflow/connections"), "As `connections_prefix`. Trailing separators are stripped here too; the Python backend keeps them. `\"\"`: the name is the separator and the conn_id. Not `null`."),
    shared(["variables_prefix_shared", Kind::Variable.prefix_key()], Shape::Prefix, OURS, NONE, "The prefix of variables there, in the same form. `null` or absent: none are looked up there."),
    shared(["config_prefix_shared", Kind::Config.prefix_key()], Shape::Prefix, OURS, NONE, "The same for config values."),
    shared(["aws_region", "region"], Shape::Text, BACKEND, Fallback::Words("see [regions](#regions)"), "The shared account's region. At the top it holds for every shared account that names none."),
    shared(["shared_role_arn", "role_arn"], Shape::Text, OURS, NONE, "A role in the shared account. It lists and reads there."),
    shared(["shared_external_id", "external_id"], Shape::Text, OURS, NONE, "For `shared_role_arn`."),
    shared(["shared_role_via", "role_via"], Shape::Text, OURS, Fallback::Value("assume_role"), "`assume_role`, or `web_identity`: hand the pod's IRSA token straight to `shared_role_arn`."),
    shared(["shared_connections", "connections"], Shape::List, OURS, NONE, "conn_ids there: an array, or one string with commas. Each must be found somewhere (`SECRETS_INIT_ON_MISSING`)."),
    shared(["shared_variables", "variables"], Shape::List, OURS, NONE, "Variables there, in the same form. Needs `variables_prefix_shared`."),
    shared(["shared_index", "index"], Shape::List, OURS, NONE, "Name or ARN of a secret there that says which conn_ids there are, or an array of several: [what `publish-index` writes](SHARED-ACCOUNT.md#what-the-index-is), or a list by hand."),
    Key { in_shared: None, ..shared(["shared", ""], Shape::OfItsOwn, OURS, Fallback::Value("[]"), "Further shared accounts, in order of precedence: an array of objects with the keys of the second column.") },
    no_effect("full_url_mode", "Each secret is recognised as URI or JSON, as in the provider."),
    no_effect("api_version", ""),
    no_effect("use_ssl", "Must not be `false`."),
    no_effect("config", ""),
    no_effect("config_kwargs", "`use_fips_endpoint` and what else would change where STS is asked is refused beside `role_arn`."),
    no_effect("service_config", "Told at WARN: use `AWS_ENDPOINT_URL_STS`, `AWS_PROFILE` and `AWS_REGION`."),
    no_effect("session_kwargs", "As `service_config`."),
];

/// The keys of LocalFilesystemBackend: an object that holds one is the reader's configuration, not ours.
pub const READER_KEYS: [&str; 3] = ["connections_file_path", "variables_file_path", "configs_file_path"];
