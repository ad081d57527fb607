//! `backend_kwargs`: the JSON object that Airflow's Python backends take, read key by key.
//!
//! Takes the object's text and gives what each key means, or every mistake in it. Sources of the rules: the
//! provider's `secrets/secrets_manager.py` (providers-amazon 8.13.0 to 9.39.0) for the keys of
//! SecretsManagerBackend, airflow-aws-shared-secrets 0.0.5 for those of the shared backend. Keys that are this
//! program's own are marked so in docs/CONFIGURATION.md.

use std::fmt;

use indexmap::IndexMap;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::airflow::pattern::LookupPattern;
use crate::error::ConfigErrors;
use crate::model::aws::{AccountId, Arn, LONGEST_NAME, Region, check_endpoint, is_name_character};
use crate::model::connection::Field;
use crate::model::kind::{ByKind, Kind};
use crate::text::{rstrip, split_list};

/// The keys of LocalFilesystemBackend: an object that holds one is the reader's configuration, not ours.
pub const READER_KEYS: [&str; 3] = ["connections_file_path", "variables_file_path", "configs_file_path"];

/// Every key that is known, for the nearest-name message.
pub const KNOWN: &[&str] = &[
    "connections_prefix",
    "variables_prefix",
    "config_prefix",
    "connections_lookup_pattern",
    "variables_lookup_pattern",
    "config_lookup_pattern",
    "sep",
    "extra_conn_words",
    "region_name",
    "aws_region",
    "profile_name",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "role_arn",
    "assume_role_method",
    "assume_role_kwargs",
    "assume_role_with_web_identity_federation",
    "assume_role_with_web_identity_token_file",
    "external_id",
    "endpoint_url",
    "verify",
    "are_secret_values_urlencoded",
    "full_url_mode",
    "api_version",
    "use_ssl",
    "config",
    "config_kwargs",
    "service_config",
    "session_kwargs",
    "shared_account",
    "connections_prefix_shared",
    "variables_prefix_shared",
    "config_prefix_shared",
    "shared_role_arn",
    "shared_external_id",
    "shared_role_via",
    "shared_connections",
    "shared_variables",
    "shared_index",
    "shared",
];

const KNOWN_SHARED: &[&str] = &[
    "account",
    "region",
    "connections_prefix",
    "variables_prefix",
    "config_prefix",
    "role_arn",
    "external_id",
    "role_via",
    "connections",
    "variables",
    "index",
];

/// What the kwargs say. Regions are as written; `settings.rs` fills them from the environment.
pub struct BackendKwargs {
    /// How the own account's secrets are called.
    pub names: ByKind<OwnNames>,
    /// What stands between a prefix and a conn_id or key.
    pub sep: String,
    /// Further key names for a field of a JSON secret.
    pub extra_conn_words: IndexMap<Field, Vec<String>>,
    /// `are_secret_values_urlencoded`, where it is given and true in Python's sense.
    pub urlencoded: bool,
    /// `region_name`: the own account's region.
    pub region_name: Option<Region>,
    /// `aws_region`: the shared account's region.
    pub aws_region: Option<Region>,
    /// How the own account is reached.
    pub own: OwnAccess,
    /// Shared accounts, in order of precedence.
    pub shared: Vec<SharedAccount>,
    /// Things an operator should know, in words.
    pub notices: Vec<String>,
}

/// How secrets of one kind are called in the own account.
#[derive(Clone, Debug)]
pub struct OwnNames {
    /// Trailing separators stripped; `None` switches the kind off, connections also in the shared accounts.
    pub prefix: Option<String>,
    /// Which ids are asked from the own account; `None` is all.
    pub lookup_pattern: Option<LookupPattern>,
}

/// How the own account is reached, as the provider passes it to its AWS session.
#[derive(Clone, Default)]
pub struct OwnAccess {
    /// A profile of the AWS configuration files.
    pub profile_name: Option<String>,
    /// Static keys: id, secret, session token.
    pub keys: Option<StaticKeys>,
    /// A role to assume before anything is read.
    pub role: Option<OwnRole>,
    /// The Secrets Manager endpoint of the own account alone.
    pub endpoint_url: Option<String>,
    /// A file with the CA certificates to trust, from `verify`.
    pub ca_file: Option<String>,
}

/// Static credentials from the kwargs.
#[derive(Clone)]
pub struct StaticKeys {
    /// `aws_access_key_id`.
    pub id: String,
    /// `aws_secret_access_key`.
    pub secret: SecretString,
    /// `aws_session_token`.
    pub token: Option<SecretString>,
}

/// `role_arn` with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRole {
    /// The role.
    pub arn: Arn,
    /// `assume_role_kwargs.ExternalId`, or the deprecated `external_id`.
    pub external_id: Option<String>,
    /// `assume_role_kwargs.RoleSessionName`.
    pub session_name: Option<String>,
    /// How the role is taken.
    pub via: RoleVia,
    /// The token file for `web_identity`, where it is not `AWS_WEB_IDENTITY_TOKEN_FILE`.
    pub token_file: Option<String>,
}

/// How a role is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoleVia {
    /// `sts:AssumeRole` with the pod's own credentials.
    #[default]
    AssumeRole,
    /// `sts:AssumeRoleWithWebIdentity` with the pod's IRSA token, straight into the role.
    WebIdentity,
}

/// One shared account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedAccount {
    /// Its number.
    pub account: AccountId,
    /// As written; `None` takes `aws_region`.
    pub region: Option<Region>,
    /// How its secrets are called; `None` is a kind that is not looked up there. Connections always are.
    pub names: ByKind<Option<SharedNames>>,
    /// The role to read with, if any.
    pub role: Option<SharedRole>,
}

/// How secrets of one kind are called in a shared account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedNames {
    /// Trailing separators stripped.
    pub prefix: String,
    /// How its ids become known.
    pub known_by: KnownBy,
}

/// A role in the shared account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedRole {
    /// The role.
    pub arn: Arn,
    /// The external id that its trust policy asks for.
    pub external_id: Option<String>,
    /// How the role is taken.
    pub via: RoleVia,
}

/// How the ids of a shared account become known. AWS has no ListSecrets across accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// A listing: with a role there, or because it is the caller's own account.
    Listing,
    /// `shared_connections`, `shared_variables`: these.
    Ids(Vec<String>),
    /// `shared_index`: the secret with this name or ARN says.
    Index(String),
}

/// Reads the kwargs.
///
/// `overlay` holds the per-key variables of Airflow 3.2 and later: key in lower case, raw text, laid over the object.
///
/// Returns `None` when there is at least one mistake; all of them are in `mistakes` then.
pub fn parse(
    place: &str,
    text: &str,
    overlay: &[(String, String)],
    mistakes: &mut ConfigErrors,
) -> Option<BackendKwargs> {
    let mut object = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(object)) => object,
        Ok(_) => {
            mistakes.add(place, "is JSON but not an object; write {\"connections_prefix\": ...}");
            return None;
        }
        Err(error) => {
            let at = format!("line {} column {}", error.line(), error.column());
            let hint = if text.trim_start().starts_with("map[") {
                "; a YAML map was given where the chart wants a quoted JSON string"
            } else {
                ""
            };
            mistakes.add(place, format!("is not valid JSON ({at}){hint}"));
            return None;
        }
    };
    for (key, value) in overlay {
        if READER_KEYS.contains(&key.as_str()) {
            let variable = format!("AIRFLOW__SECRETS__BACKEND_KWARG__{}", key.to_uppercase());
            let problem = "is of LocalFilesystemBackend, which reads the file; unset it in the init container";
            mistakes.add(&variable, problem);
            return None;
        }
        object.insert(key.clone(), Value::String(value.clone()));
    }
    if let Some(key) = READER_KEYS.iter().find(|key| object.contains_key(**key)) {
        mistakes.add(
            place,
            format!(
                "holds {key}: this is the configuration of LocalFilesystemBackend, which reads the file; the renderer \
                 needs the kwargs of the AWS backend (set SECRETS_INIT_BACKEND_KWARGS or the init container's own \
                 AIRFLOW__SECRETS__BACKEND_KWARGS to them)"
            ),
        );
        return None;
    }
    let before = mistakes.len();
    let kwargs = Reader { place, object: &object, mistakes }.read();
    (mistakes.len() == before).then_some(kwargs)
}

/// Python's truth value of a JSON value.
fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty(),
        Value::Array(a) => !a.is_empty(),
        Value::Object(o) => !o.is_empty(),
    }
}

/// Reads typed values out of one object and notes what does not fit.
struct Reader<'a> {
    place: &'a str,
    object: &'a Map<String, Value>,
    mistakes: &'a mut ConfigErrors,
}

impl Reader<'_> {
    fn wrong(&mut self, key: &str, problem: impl AsRef<str>) {
        let place = format!("{} key {key}", self.place);
        self.mistakes.add(&place, problem);
    }

    /// A text; null and the empty string are `None`, as every AWS session treats them.
    fn text(&mut self, key: &str) -> Option<String> {
        match self.object.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
            Some(_) => {
                self.wrong(key, "must be a string");
                None
            }
        }
    }

    /// A list of texts: a JSON array of strings, or one string with commas or newlines (a per-key variable is one).
    fn list(&mut self, key: &str) -> Option<Vec<String>> {
        match self.object.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(split_list(text)),
            Some(Value::Array(items)) => {
                let texts: Option<Vec<_>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                if texts.is_none() {
                    self.wrong(key, "must be an array of strings");
                }
                texts
            }
            Some(_) => {
                self.wrong(key, "must be an array of strings");
                None
            }
        }
    }

    /// A prefix: absent is the default, null is off, trailing separators go.
    fn prefix(&mut self, key: &str, default: &str, sep: &str) -> Option<String> {
        match self.object.get(key) {
            None => Some(rstrip(default, sep).to_owned()),
            Some(Value::Null) => None,
            Some(Value::String(text)) => Some(rstrip(text, sep).to_owned()),
            Some(_) => {
                self.wrong(key, "must be a string, or null to switch it off");
                None
            }
        }
    }

    fn read(mut self) -> BackendKwargs {
        self.check_keys();
        let mut notices = Vec::new();
        let sep = match self.object.get("sep") {
            None => "/".to_owned(),
            Some(Value::String(sep)) => sep.clone(),
            Some(_) => {
                self.wrong("sep", "must be a string");
                "/".to_owned()
            }
        };
        self.check_name_part("sep", Some(&sep));
        let names = ByKind::from_fn(|kind| self.own_names(kind, &sep));
        let urlencoded = self.object.get("are_secret_values_urlencoded").is_some_and(truthy);
        self.accept_for_compatibility(&mut notices);
        BackendKwargs {
            extra_conn_words: self.extra_conn_words(),
            region_name: self.region("region_name"),
            aws_region: self.region("aws_region"),
            own: self.own_access(),
            shared: self.all_shared(&sep),
            names,
            sep,
            urlencoded,
            notices,
        }
    }

    fn own_names(&mut self, kind: Kind, sep: &str) -> OwnNames {
        let (default, pattern) = match kind {
            Kind::Connection => ("airflow/connections", "connections_lookup_pattern"),
            Kind::Variable => ("airflow/variables", "variables_lookup_pattern"),
            Kind::Config => ("airflow/config", "config_lookup_pattern"),
        };
        let prefix = self.prefix(kind.prefix_key(), default, sep);
        self.check_name_part(kind.prefix_key(), prefix.as_deref());
        OwnNames { prefix, lookup_pattern: self.pattern(pattern) }
    }

    fn check_keys(&mut self) {
        for key in self.object.keys() {
            if !KNOWN.contains(&key.as_str()) {
                self.mistakes.add_unknown(&format!("key in {}", self.place), key, KNOWN);
            }
        }
    }

    /// A part of a secret's name can only hold what AWS allows in one.
    fn check_name_part(&mut self, key: &str, part: Option<&str>) {
        let Some(part) = part else { return };
        // An unset `$NAME` stays as it stands, as in Airflow, and is told at WARN: it is not a mistake by itself.
        if part.chars().any(|c| !is_name_character(c) && !"${}".contains(c)) {
            self.wrong(key, "holds a character that no secret's name can hold (allowed: letters, digits, /_+=.@-!)");
        } else if part.starts_with('!') {
            self.wrong(key, "begins with !, which would turn AWS's name filter into its opposite");
        } else if part.len() > LONGEST_NAME {
            self.wrong(key, "is longer than 512 characters, the longest name of a secret");
        }
    }

    fn pattern(&mut self, key: &str) -> Option<LookupPattern> {
        let text = self.text(key)?;
        match LookupPattern::new(&text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.wrong(key, format!("can't be used: {error}; docs/COMPATIBILITY.md lists what a pattern may hold"));
                None
            }
        }
    }

    fn region(&mut self, key: &str) -> Option<Region> {
        let region = self.text(key)?.parse();
        region.map_err(|problem| self.wrong(key, problem)).ok()
    }

    /// `extra_conn_words`: field to list of further key names (secrets_manager.py `_standardize_secret_keys`).
    fn extra_conn_words(&mut self) -> IndexMap<Field, Vec<String>> {
        const KEY: &str = "extra_conn_words";
        let mut words: IndexMap<Field, Vec<String>> = IndexMap::new();
        let object = match self.object.get(KEY) {
            None | Some(Value::Null) => return words,
            Some(Value::Object(object)) => object,
            Some(_) => {
                self.wrong(KEY, "must be an object of field to list of key names");
                return words;
            }
        };
        for (name, list) in object {
            let field = match name.as_str() {
                "login" | "user" => Field::Login,
                "password" => Field::Password,
                "host" => Field::Host,
                "port" => Field::Port,
                "schema" => Field::Schema,
                "conn_type" => Field::ConnType,
                "extra" => Field::Extra,
                _ => {
                    let place = format!("{} key {KEY}", self.place);
                    let fields = ["login", "user", "password", "host", "port", "schema", "conn_type", "extra"];
                    self.mistakes.add_unknown(&format!("field in {place}"), name, &fields);
                    continue;
                }
            };
            let items: Option<Vec<String>> = match list {
                // Python iterates over a string: each of its characters becomes a key name.
                Value::String(text) => Some(text.chars().map(String::from).collect()),
                Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
                _ => None,
            };
            match items {
                Some(items) => words.entry(field).or_default().extend(items),
                None => self.wrong(KEY, "must be an object of field to list of key names"),
            }
        }
        words
    }

    fn own_access(&mut self) -> OwnAccess {
        let (id, secret) = (self.text("aws_access_key_id"), self.text("aws_secret_access_key"));
        let token = self.text("aws_session_token").map(SecretString::from);
        let keys = match (id, secret) {
            (Some(id), Some(secret)) => Some(StaticKeys { id, secret: secret.into(), token }),
            (None, None) => None,
            _ => {
                self.wrong("aws_access_key_id", "and aws_secret_access_key belong together: give both or neither");
                None
            }
        };
        let endpoint_url = self.text("endpoint_url");
        if let Some(Err(problem)) = endpoint_url.as_deref().map(check_endpoint) {
            self.wrong("endpoint_url", problem);
        }
        let ca_file = match self.object.get("verify") {
            None | Some(Value::Null | Value::Bool(true)) => None,
            Some(Value::String(path)) if !path.is_empty() => Some(path.clone()),
            Some(_) => {
                self.wrong(
                    "verify",
                    "can't switch the check of certificates off; give the path of a CA bundle instead",
                );
                None
            }
        };
        OwnAccess { profile_name: self.text("profile_name"), keys, role: self.own_role(), endpoint_url, ca_file }
    }

    fn own_role(&mut self) -> Option<OwnRole> {
        let mut external_id = self.text("external_id");
        let mut session_name = None;
        match self.object.get("assume_role_kwargs") {
            None | Some(Value::Null) => {}
            Some(Value::Object(kwargs)) => {
                for (key, value) in kwargs {
                    match (key.as_str(), value) {
                        ("ExternalId", Value::String(id)) => external_id = Some(id.clone()),
                        ("RoleSessionName", Value::String(name)) => session_name = Some(name.clone()),
                        // The run lasts seconds: every duration that AWS allows is long enough.
                        ("DurationSeconds", Value::Number(_)) => {}
                        ("ExternalId" | "RoleSessionName" | "DurationSeconds", _) => {
                            self.wrong("assume_role_kwargs", format!("{key} has the wrong type"));
                        }
                        _ => self.mistakes.add_unknown(
                            "key in assume_role_kwargs",
                            key,
                            &["ExternalId", "RoleSessionName", "DurationSeconds"],
                        ),
                    }
                }
            }
            Some(_) => self.wrong("assume_role_kwargs", "must be an object"),
        }
        let via = match self.text("assume_role_method").as_deref() {
            None | Some("assume_role") => RoleVia::AssumeRole,
            Some("assume_role_with_web_identity") => RoleVia::WebIdentity,
            Some(_) => {
                self.wrong("assume_role_method", "must be assume_role or assume_role_with_web_identity");
                RoleVia::AssumeRole
            }
        };
        if self.text("assume_role_with_web_identity_federation").is_some_and(|federation| federation != "file") {
            self.wrong("assume_role_with_web_identity_federation", "only file is supported");
        }
        let token_file = self.text("assume_role_with_web_identity_token_file");
        let arn = self.text("role_arn")?;
        let arn = self.role("role_arn", &arn, None)?;
        Some(OwnRole { arn, external_id, session_name, via, token_file })
    }

    fn role(&mut self, key: &str, arn: &str, account: Option<&AccountId>) -> Option<Arn> {
        let role = Arn::of_role(arn).map_err(|problem| self.wrong(key, problem)).ok()?;
        if let Some(account) = account.filter(|account| **account != role.account) {
            let problem = format!("is a role of account {}, not of the shared account {account}", role.account);
            self.wrong(key, problem);
        }
        Some(role)
    }

    /// Keys that are taken so that an existing object works as it is. What each does is a row in docs/COMPATIBILITY.md.
    fn accept_for_compatibility(&mut self, notices: &mut Vec<String>) {
        if let Some(Value::String(_)) = self.object.get("are_secret_values_urlencoded") {
            notices.push(format!(
                "{}: are_secret_values_urlencoded is a string; Python takes any non-empty string as true, so \"false\" too",
                self.place
            ));
        }
        if self.object.get("use_ssl").is_some_and(|value| *value == Value::Bool(false)) {
            self.wrong(
                "use_ssl",
                "can't be false: secrets do not travel unencrypted (for an emulator set endpoint_url)",
            );
        }
        if self.object.get("service_config").is_some_and(truthy)
            || self.object.get("session_kwargs").is_some_and(truthy)
        {
            notices.push(format!(
                "{}: service_config and session_kwargs have no effect here; use AWS_ENDPOINT_URL_STS, AWS_PROFILE and AWS_REGION",
                self.place
            ));
        }
    }

    fn all_shared(&mut self, sep: &str) -> Vec<SharedAccount> {
        let mut all = Vec::new();
        all.extend(self.first_shared(sep));
        match self.object.get("shared") {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) => {
                for (position, item) in items.iter().enumerate() {
                    let place = format!("{} key shared[{position}]", self.place);
                    match item {
                        Value::Object(object) => {
                            for key in object.keys().filter(|key| !KNOWN_SHARED.contains(&key.as_str())) {
                                self.mistakes.add_unknown(&format!("key in {place}"), key, KNOWN_SHARED);
                            }
                            let mut reader = Reader { place: &place, object, mistakes: self.mistakes };
                            all.extend(reader.shared_account(&SharedKeys::OF_LIST, sep));
                        }
                        _ => self.mistakes.add(&place, "must be an object"),
                    }
                }
            }
            Some(_) => self.wrong("shared", "must be an array of objects"),
        }
        let mut seen = Vec::new();
        for account in &all {
            let prefix = account.names[Kind::Connection].as_ref().map(|names| names.prefix.as_str());
            let identity = (&account.account, &account.region, prefix);
            if seen.contains(&identity) {
                self.mistakes.add(
                    &format!("{} key shared", self.place),
                    format!("account {} stands there twice with the same region and prefix", account.account),
                );
            }
            seen.push(identity);
        }
        all
    }

    fn first_shared(&mut self, sep: &str) -> Option<SharedAccount> {
        if self.object.get("shared_account").is_some_and(|value| !value.is_null()) {
            return self.shared_account(&SharedKeys::TOP, sep);
        }
        for key in [
            "connections_prefix_shared",
            "variables_prefix_shared",
            "config_prefix_shared",
            "shared_role_arn",
            "shared_external_id",
            "shared_role_via",
            "shared_connections",
            "shared_variables",
            "shared_index",
        ] {
            if self.object.get(key).is_some_and(|value| !value.is_null()) {
                self.wrong(key, "needs shared_account beside it");
            }
        }
        None
    }

    fn shared_account(&mut self, keys: &SharedKeys, sep: &str) -> Option<SharedAccount> {
        let account = match self.object.get(keys.account) {
            Some(Value::String(text)) => text.clone(),
            // The Python backend puts it into an f-string, so a number works there as well.
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let account: Option<AccountId> = account.parse().map_err(|problem| self.wrong(keys.account, problem)).ok();
        let region = keys.region.and_then(|key| self.region(key));
        let connections_prefix =
            self.prefix(keys.connections_prefix, "airflow/connections", sep).unwrap_or_else(|| {
                // The Python backend would look for secrets called `None/...`.
                self.wrong(keys.connections_prefix, "can't be null; remove the shared account instead");
                String::new()
            });
        self.check_name_part(keys.connections_prefix, Some(&connections_prefix));
        let role = self.shared_role(keys, account.as_ref());
        let (ids, index) = (self.list(keys.connections), self.text(keys.index));
        let known_by = match (ids, index) {
            (Some(_), Some(_)) => {
                self.wrong(keys.index, format!("and {} both name the connections; give one", keys.connections));
                KnownBy::Listing
            }
            (Some(ids), None) => KnownBy::Ids(ids),
            (None, Some(index)) => KnownBy::Index(index),
            (None, None) => KnownBy::Listing,
        };
        let variables = self.list(keys.variables);
        let variables_prefix = self.optional_prefix(keys.variables_prefix, sep);
        if variables.is_some() && variables_prefix.is_none() {
            self.wrong(keys.variables, format!("needs {} beside it", keys.variables_prefix));
        }
        let config_prefix = self.optional_prefix(keys.config_prefix, sep);
        let known_by_list = |ids: Option<Vec<String>>| ids.map_or(KnownBy::Listing, KnownBy::Ids);
        let names = ByKind::from_fn(|kind| match kind {
            Kind::Connection => Some(SharedNames { prefix: connections_prefix.clone(), known_by: known_by.clone() }),
            Kind::Variable => variables_prefix
                .clone()
                .map(|prefix| SharedNames { prefix, known_by: known_by_list(variables.clone()) }),
            Kind::Config => config_prefix.clone().map(|prefix| SharedNames { prefix, known_by: KnownBy::Listing }),
        });
        Some(SharedAccount { account: account?, region, names, role })
    }

    /// A prefix that is off unless it is given: the Python backend looks for connections alone in a shared account.
    fn optional_prefix(&mut self, key: &str, sep: &str) -> Option<String> {
        let prefix = self.object.get(key).and_then(|_| self.prefix(key, "", sep));
        self.check_name_part(key, prefix.as_deref());
        prefix
    }

    fn shared_role(&mut self, keys: &SharedKeys, account: Option<&AccountId>) -> Option<SharedRole> {
        let external_id = self.text(keys.external_id);
        let via = match self.text(keys.role_via).as_deref() {
            None | Some("assume_role") => RoleVia::AssumeRole,
            Some("web_identity") => RoleVia::WebIdentity,
            Some(_) => {
                self.wrong(keys.role_via, "must be assume_role or web_identity");
                RoleVia::AssumeRole
            }
        };
        let Some(arn) = self.text(keys.role_arn) else {
            for key in [keys.external_id, keys.role_via] {
                if self.object.get(key).is_some_and(|value| !value.is_null()) {
                    self.wrong(key, format!("needs {} beside it", keys.role_arn));
                }
            }
            return None;
        };
        let arn = self.role(keys.role_arn, &arn, account);
        if via == RoleVia::WebIdentity && external_id.is_some() {
            self.wrong(keys.external_id, "has no place in AssumeRoleWithWebIdentity; remove it");
        }
        Some(SharedRole { arn: arn?, external_id, via })
    }
}

/// The names of a shared account's keys: at the top with `shared_`, in the `shared` list without.
struct SharedKeys {
    account: &'static str,
    region: Option<&'static str>,
    connections_prefix: &'static str,
    variables_prefix: &'static str,
    config_prefix: &'static str,
    role_arn: &'static str,
    external_id: &'static str,
    role_via: &'static str,
    connections: &'static str,
    variables: &'static str,
    index: &'static str,
}

impl SharedKeys {
    const TOP: Self = Self {
        account: "shared_account",
        region: None,
        connections_prefix: "connections_prefix_shared",
        variables_prefix: "variables_prefix_shared",
        config_prefix: "config_prefix_shared",
        role_arn: "shared_role_arn",
        external_id: "shared_external_id",
        role_via: "shared_role_via",
        connections: "shared_connections",
        variables: "shared_variables",
        index: "shared_index",
    };
    const OF_LIST: Self = Self {
        account: "account",
        region: Some("region"),
        connections_prefix: "connections_prefix",
        variables_prefix: "variables_prefix",
        config_prefix: "config_prefix",
        role_arn: "role_arn",
        external_id: "external_id",
        role_via: "role_via",
        connections: "connections",
        variables: "variables",
        index: "index",
    };
}

/// Never the values: kwargs may hold static keys.
impl fmt::Debug for BackendKwargs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendKwargs").field("names", &self.names).finish_non_exhaustive()
    }
}
