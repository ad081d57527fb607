//! `backend_kwargs`: the JSON object that Airflow's Python backends take, read key by key.
//!
//! Takes the object's text and gives what each key means; everything that is wrong with it is reported. Sources of the rules:
//! the provider's `secrets/secrets_manager.py` (providers-amazon 8.13.0 to 9.39.0) for the keys of SecretsManagerBackend,
//! airflow-aws-shared-secrets 0.0.5 for those of the shared backend.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::str::FromStr;

use indexmap::IndexMap;
use secrecy::SecretString;

use crate::airflow::pattern::LookupPattern;
use crate::config::aws::refusal::unusable;
use crate::config::keys::{Fallback, KEYS, Key, READER_KEYS};
use crate::config::kwargs::{
    BackendKwargs, KnownBy, OwnAccess, OwnNames, Role, RoleVia, SharedAccount, SharedNames, StaticKeys,
};
use crate::config::kwargs_hints;
use crate::error::ConfigErrors;
use crate::model::aws::{AccountId, Arn, LONGEST_NAME, Region, check_endpoint, is_name_character};
use crate::model::connection::Field;
use crate::model::kind::{ByKind, Kind};
use crate::python;
use crate::python::json::{Json, Object, Value};
use crate::text::{printable, rstrip, split_list, unique};

/// Reads the kwargs. `overlay` holds the per-key variables of Airflow 3.2 and later: key in lower case, raw text, laid over the
/// object. `unset` holds the names that follow a `$` in the text and are not set, so that the text holds them still.
///
/// What is wrong goes to `errors`, and counts as absent. `None` where there is no object at all.
pub fn parse(
    place: &str,
    text: &str,
    (overlay, unset): (&[(String, String)], &BTreeSet<String>),
    errors: &mut ConfigErrors,
) -> Option<BackendKwargs> {
    let mut overlaid = IndexMap::new();
    for (key, value) in overlay {
        if READER_KEYS.contains(&key.as_str()) {
            let variable = format!("AIRFLOW__SECRETS__BACKEND_KWARG__{}", key.to_uppercase());
            let problem = "is of LocalFilesystemBackend, which reads the file; unset it in the init container";
            errors.add(&variable, problem);
        } else {
            overlaid.insert(Cow::from(key.clone()), Json::from(value.as_str()));
        }
    }
    let mut object = match python::json::loads(text).map(Value::into_owned) {
        Ok(Json::Object(object)) => object,
        Ok(Json::String(text)) if text.trim_start().starts_with('{') => {
            errors.add(
                place,
                "is JSON, but a text that holds an object: leave the quotes around it and its backslashes out",
            );
            return None;
        }
        Ok(_) => {
            errors.add(place, "is JSON but not an object; write {\"connections_prefix\": ...}");
            return None;
        }
        Err(error) => {
            let before = text.get(..error.offset).unwrap_or(text);
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            let at = format!("line {} column {column}", before.matches('\n').count() + 1);
            let hint = kwargs_hints::hint(text, error.offset).map(|hint| format!("; {hint}")).unwrap_or_default();
            errors.add(place, format!("is not valid JSON ({at}){hint}"));
            return None;
        }
    };
    if let Some(key) = READER_KEYS.iter().find(|key| object.contains_key(key)) {
        errors.add(
            place,
            format!(
                "holds {key}: this is the configuration of LocalFilesystemBackend, which reads the file; the renderer \
                 needs the kwargs of the AWS backend (set SECRETS_INIT_BACKEND_KWARGS or the init container's own \
                 AIRFLOW__SECRETS__BACKEND_KWARGS to them)"
            ),
        );
        object.retain(|key| !READER_KEYS.contains(&key));
    }
    let stays = refuse_unset_names(place, &object, unset, errors);
    object.extend(overlaid);
    let mut kwargs = KwargsReader { place, object: &object, in_shared: false, errors }.kwargs();
    if stays {
        // Not repeated: a `$` in a password is followed by no name of a variable.
        kwargs.notices.push(format!("{place}: a value holds a $ that is followed by no name that is set; it stays"));
    }
    Some(kwargs)
}

/// Airflow leaves a `$NAME` that is not set as it stands. In a prefix, an account, a region, a role or an id nothing can be
/// called so, and the run would read something else: an error. Gives whether one stays elsewhere.
fn refuse_unset_names(
    place: &str,
    object: &Object<'static>,
    unset: &BTreeSet<String>,
    errors: &mut ConfigErrors,
) -> bool {
    let mut stays = false;
    for (key, value) in object {
        let may_hold_dollar = KEYS.iter().any(|known| known.name == key && known.may_hold_dollar());
        for name in unset.iter().filter(|name| holds(value, &[format!("${name}"), format!("${{{name}}}")])) {
            if may_hold_dollar {
                stays = true;
            } else {
                let name = printable(name);
                let problem =
                    format!("holds ${name}, and no such variable is set in this container; set it, or write its value");
                errors.add(&format!("{place} key {}", printable(key)), problem);
            }
        }
    }
    stays
}

/// Whether a text within a value holds one of these.
fn holds(value: &Json, forms: &[String]) -> bool {
    match value {
        Json::String(text) => forms.iter().any(|form| text.contains(form)),
        Json::Array(items) => items.iter().any(|item| holds(item, forms)),
        Json::Object(entries) => entries.values().any(|entry| holds(entry, forms)),
        _ => false,
    }
}

fn strings(array: &Json) -> Option<Vec<String>> {
    let Json::Array(items) = array else { return None };
    items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

/// Reads typed values out of one object, the whole or an entry of `shared`, and reports what does not fit.
struct KwargsReader<'a> {
    place: &'a str,
    object: &'a Object<'static>,
    in_shared: bool,
    errors: &'a mut ConfigErrors,
}

impl KwargsReader<'_> {
    fn wrong(&mut self, key: &str, problem: impl AsRef<str>) {
        let place = format!("{} key {key}", self.place);
        self.errors.add(&place, problem);
    }

    /// Reports keys that are not known here, and values of the wrong type.
    fn check_keys(&mut self) {
        let name_here = |key: &Key| if self.in_shared { key.in_shared } else { Some(key.name) };
        let known: Vec<&str> = KEYS.iter().filter_map(name_here).collect();
        for (name, value) in self.object {
            match KEYS.iter().find(|key| name_here(key) == Some(name)) {
                None => self.errors.add_unknown(&format!("key in {}", self.place), name, &known),
                Some(key) => {
                    if let Some(problem) = key.form.problem(value) {
                        self.errors.add(&format!("{} key {name}", self.place), problem);
                    }
                }
            }
        }
    }

    /// What is given and not `null`.
    fn value(&self, key: &str) -> Option<&Json> {
        self.object.get(key).filter(|value| **value != Json::Null)
    }

    /// A text; the empty string is `None`, as every AWS session treats it.
    fn text(&self, key: &str) -> Option<String> {
        self.value(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn list(&self, key: &str) -> Option<Vec<String>> {
        match self.value(key)? {
            Json::String(text) => Some(split_list(text)),
            value => strings(value),
        }
    }

    fn parsed<T: FromStr<Err = &'static str>>(&mut self, key: &str) -> Option<T> {
        self.text(key)?.parse().map_err(|problem| self.wrong(key, problem)).ok()
    }

    /// One of some words; the first is the default.
    fn one_of<T: Copy>(&mut self, key: &str, words: [(&str, T); 2]) -> T {
        let text = self.text(key);
        let [(first, default), (second, _)] = words;
        let is_it = |word: &str| text.as_deref() == Some(word);
        match words.iter().find(|(word, _)| is_it(word)) {
            Some((_, found)) => *found,
            None if text.is_none() => default,
            None => {
                self.wrong(key, format!("must be {first} or {second}"));
                default
            }
        }
    }

    /// A prefix: absent is the default, null is off, trailing separators go.
    fn prefix(&mut self, key: &str, sep: &str) -> Option<String> {
        let default = KEYS.iter().find(|row| row.name == key && !self.in_shared || row.in_shared == Some(key));
        let prefix = match (self.object.get(key), default.map(|row| row.default)) {
            (Some(value), _) => value.as_str(),
            (None, Some(Fallback::Value(default))) => Some(default),
            (None, _) => None,
        };
        let prefix = rstrip(prefix?, sep).to_owned();
        self.check_name_part(key, &prefix);
        Some(prefix)
    }

    /// A part of a secret's name can only hold what AWS allows in one.
    fn check_name_part(&mut self, key: &str, part: &str) {
        if part.chars().any(|c| !is_name_character(c)) {
            self.wrong(key, "holds a character that no secret's name can hold (allowed: letters, digits, /_+=.@-!)");
        } else if part.starts_with('!') {
            self.wrong(key, "begins with !, which would turn AWS's name filter into its opposite");
        } else if part.len() > LONGEST_NAME {
            self.wrong(key, "is longer than 512 characters, the longest name of a secret");
        }
    }

    fn kwargs(mut self) -> BackendKwargs {
        self.check_keys();
        let mut notices = Vec::new();
        let sep = self.object.get("sep").and_then(Json::as_str).unwrap_or("/").to_owned();
        self.check_name_part("sep", &sep);
        let names = ByKind::from_fn(|kind| OwnNames {
            prefix: self.prefix(kind.prefix_key(), &sep),
            is_given: self.value(kind.prefix_key()).is_some(),
            lookup_pattern: self.pattern(kind.pattern_key()),
        });
        let urlencoded = self.object.get("are_secret_values_urlencoded").is_some_and(Json::is_truthy);
        self.accept_for_compatibility(&mut notices);
        let aws_region = self.parsed("aws_region");
        BackendKwargs {
            extra_conn_words: self.extra_conn_words(),
            region_name: self.parsed("region_name"),
            own: self.own_access(),
            shared: self.all_shared(&sep, aws_region.as_ref()),
            aws_region,
            names,
            sep,
            urlencoded,
            notices,
        }
    }

    fn pattern(&mut self, key: &str) -> Option<LookupPattern> {
        let pattern = LookupPattern::new(&self.text(key)?);
        let problem = |error| format!("can't be used: {error}; docs/COMPATIBILITY.md lists what a pattern may hold");
        pattern.map_err(|error| self.wrong(key, problem(error))).ok()
    }

    /// `extra_conn_words`: field to list of further key names (secrets_manager.py `_standardize_secret_keys`).
    fn extra_conn_words(&mut self) -> IndexMap<Field, Vec<String>> {
        const KEY: &str = "extra_conn_words";
        // `user` is a second name.
        let fields: Vec<(&str, Field)> =
            Field::ALL.map(|field| (field.name(), field)).into_iter().chain([("user", Field::Login)]).collect();
        let mut words: IndexMap<Field, Vec<String>> = IndexMap::new();
        let Some(value) = self.object.get(KEY).filter(|value| **value != Json::Null) else { return words };
        let Json::Object(object) = value else {
            self.wrong(KEY, "must be an object of field to list of key names");
            return words;
        };
        for (name, list) in object {
            let Some((_, field)) = fields.iter().find(|(field, _)| field == name) else {
                let what = format!("field in {} key {KEY}", self.place);
                let known: Vec<&str> = fields.iter().map(|(field, _)| *field).collect();
                self.errors.add_unknown(&what, name, &known);
                continue;
            };
            let items: Option<Vec<String>> = match list {
                // Python iterates over a string: each of its characters becomes a key name.
                Json::String(text) => Some(text.chars().map(String::from).collect()),
                list => strings(list),
            };
            match items {
                Some(items) => words.entry(*field).or_default().extend(items),
                None => self.wrong(KEY, "must be an object of field to list of key names"),
            }
        }
        words
    }

    fn own_access(&mut self) -> OwnAccess {
        let (id, secret) = (self.text("aws_access_key_id"), self.text("aws_secret_access_key"));
        let token = self.text("aws_session_token").map(SecretString::from);
        if id.is_some() != secret.is_some() {
            self.wrong("aws_access_key_id", "and aws_secret_access_key belong together: give both or neither");
        }
        for key in ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"] {
            if let Some(problem) = self.text(key).as_deref().and_then(unusable) {
                self.wrong(key, problem);
            }
        }
        if token.is_some() && id.is_none() {
            self.wrong("aws_session_token", "belongs to aws_access_key_id and aws_secret_access_key");
        }
        let endpoint_url = self.text("endpoint_url");
        if let Some(Err(problem)) = endpoint_url.as_deref().map(check_endpoint) {
            self.wrong("endpoint_url", problem);
        }
        let ca_file = match self.value("verify") {
            None | Some(Json::Bool(true)) => None,
            Some(Json::String(path)) if !path.is_empty() => Some(path.to_string()),
            Some(_) => {
                let problem = "can't switch the check of certificates off; give the path of a CA bundle instead";
                self.wrong("verify", problem);
                None
            }
        };
        OwnAccess {
            profile_name: self.text("profile_name"),
            keys: id.zip(secret).map(|(id, secret)| StaticKeys { id, secret: secret.into(), token }),
            role: self.own_role(),
            endpoint_url,
            ca_file,
        }
    }

    fn own_role(&mut self) -> Option<Role> {
        const KEY: &str = "assume_role_kwargs";
        const KNOWN: [&str; 3] = ["ExternalId", "RoleSessionName", "DurationSeconds"];
        let mut external_id = self.text("external_id");
        let mut session_name = None;
        match self.object.get(KEY) {
            None | Some(Json::Null) => {}
            Some(Json::Object(kwargs)) => {
                for (key, value) in kwargs {
                    match (&**key, value) {
                        ("ExternalId", Json::String(id)) => external_id = Some(id.to_string()),
                        ("RoleSessionName", Json::String(name)) => session_name = Some(name.to_string()),
                        // The run lasts seconds: every duration that AWS allows is long enough.
                        ("DurationSeconds", Json::Number(_)) => {}
                        (known, _) if KNOWN.contains(&known) => self.wrong(KEY, format!("{known} has the wrong type")),
                        _ => self.errors.add_unknown("key in assume_role_kwargs", key, &KNOWN),
                    }
                }
            }
            Some(_) => self.wrong(KEY, "must be an object"),
        }
        let via = self.one_of(
            "assume_role_method",
            [("assume_role", RoleVia::AssumeRole), ("assume_role_with_web_identity", RoleVia::WebIdentity)],
        );
        if self.text("assume_role_with_web_identity_federation").is_some_and(|federation| federation != "file") {
            self.wrong("assume_role_with_web_identity_federation", "only file is supported");
        }
        let token_file = self.text("assume_role_with_web_identity_token_file");
        Some(Role { arn: self.role("role_arn")?, external_id, session_name, via, token_file })
    }

    fn role(&mut self, key: &str) -> Option<Arn> {
        Arn::of_role(&self.text(key)?).map_err(|problem| self.wrong(key, problem)).ok()
    }

    /// Keys that are taken so that an existing object works as it is. What each does is a row in docs/COMPATIBILITY.md.
    fn accept_for_compatibility(&mut self, notices: &mut Vec<String>) {
        if let Some(Json::String(_)) = self.object.get("are_secret_values_urlencoded") {
            notices.push(format!(
                "{}: are_secret_values_urlencoded is a string; Python takes any non-empty string as true, so \"false\" too",
                self.place
            ));
        }
        if self.object.get("use_ssl") == Some(&Json::Bool(false)) {
            self.wrong(
                "use_ssl",
                "can't be false: secrets do not travel unencrypted (for an emulator set endpoint_url)",
            );
        }
        self.refuse_what_would_be_another();
        if ["service_config", "session_kwargs"].iter().any(|key| self.object.get(key).is_some_and(Json::is_truthy)) {
            notices.push(format!(
                "{}: service_config and session_kwargs have no effect here; use AWS_ENDPOINT_URL_STS, AWS_PROFILE and AWS_REGION",
                self.place
            ));
        }
    }

    /// What the provider would ask another identity or endpoint for (providers-amazon 9.39 `utils/connection_wrapper.py`,
    /// `hooks/base_aws.py`): `config_kwargs` and `service_config` are those of STS alone, which only a role asks.
    fn refuse_what_would_be_another(&mut self) {
        const OF_STS: [(&str, &str); 5] = [
            ("use_fips_endpoint", "AWS_USE_FIPS_ENDPOINT"),
            ("use_dualstack_endpoint", "AWS_USE_DUALSTACK_ENDPOINT"),
            ("proxies", "HTTPS_PROXY"),
            ("region_name", "region_name beside it"),
            ("signature_version", "nothing"),
        ];
        let in_object = |key: &str, inner: &str| {
            let Some(Json::Object(object)) = self.object.get(key) else { return None };
            object.get(inner).filter(|value| value.is_truthy())
        };
        let has_role = self.value("role_arn").is_some();
        let of_config = OF_STS.into_iter().find(|(key, _)| in_object("config_kwargs", key).is_some());
        let sts = in_object("service_config", "sts");
        let sts = matches!(sts, Some(Json::Object(sts)) if sts.get("endpoint_url").is_some_and(Json::is_truthy));
        let keys = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
        let has_keys = keys.iter().any(|key| in_object("session_kwargs", key).is_some());
        if let Some((key, instead)) = of_config.filter(|_| has_role) {
            self.wrong(
                "config_kwargs",
                format!("{key} has no effect here, and STS would be asked elsewhere: use {instead}"),
            );
        }
        if sts && has_role {
            self.wrong("service_config", "names an endpoint of STS, which is not read: use AWS_ENDPOINT_URL_STS");
        }
        if has_keys && self.value("aws_access_key_id").is_none() {
            self.wrong("session_kwargs", "holds keys, which are not read there: write them beside it");
        }
    }

    fn all_shared(&mut self, sep: &str, region: Option<&Region>) -> Vec<SharedAccount> {
        let mut all = Vec::new();
        if self.value("shared_account").is_some() {
            all.extend(self.shared_account(sep, region));
        } else {
            for key in KEYS.iter().filter(|key| key.in_shared.is_some() && key.name != "aws_region") {
                if self.value(key.name).is_some() {
                    self.wrong(key.name, "needs shared_account beside it");
                }
            }
        }
        match self.object.get("shared") {
            None | Some(Json::Null) => {}
            Some(Json::Array(items)) => {
                for (position, item) in items.iter().enumerate() {
                    let place = format!("{} key shared[{position}]", self.place);
                    let Json::Object(object) = item else {
                        self.errors.add(&place, "must be an object");
                        continue;
                    };
                    let mut reader = KwargsReader { place: &place, object, in_shared: true, errors: self.errors };
                    reader.check_keys();
                    all.extend(reader.shared_account(sep, region));
                }
            }
            Some(_) => self.wrong("shared", "must be an array of objects"),
        }
        all
    }

    /// What a key of an entry of `shared` is called here.
    fn name_of(&self, in_shared: &'static str) -> &'static str {
        let row = KEYS.iter().find(|key| key.in_shared == Some(in_shared)).filter(|_| !self.in_shared);
        row.map_or(in_shared, |key| key.name)
    }

    fn shared_account(&mut self, sep: &str, of_all: Option<&Region>) -> Option<SharedAccount> {
        let account = self.account();
        let region = if self.in_shared { self.parsed("region") } else { None };
        let prefix_keys = ByKind::from_fn(|kind| self.name_of(kind.prefix_key()));
        let mut prefixes = ByKind::from_fn(|kind| self.prefix(prefix_keys[kind], sep));
        let connections = prefix_keys[Kind::Connection];
        if self.object.get(connections).is_some_and(|prefix| *prefix == Json::Null) {
            // The Python backend would look for secrets called `None/...`.
            self.wrong(connections, "can't be null; remove the shared account instead");
        }
        let role = self.shared_role(account.as_ref());
        let (ids_key, index_key, variables_key) =
            (self.name_of("connections"), self.name_of("index"), self.name_of("variables"));
        let (ids, variables) = (self.list(ids_key), self.list(variables_key));
        let index = self.list(index_key).map(|names| unique(&names)).filter(|names| !names.is_empty());
        for arn in index.iter().flatten().filter_map(|name| name.parse::<Arn>().ok()) {
            if account.as_ref().is_some_and(|account| arn.account != *account) {
                self.wrong(
                    index_key,
                    format!("is a secret of account {}, and the shared account is another", arn.account),
                );
            }
        }
        if ids.is_some() && index.is_some() {
            self.wrong(index_key, format!("and {ids_key} both name the connections; give one"));
        }
        if variables.is_some() && prefixes[Kind::Variable].is_none() {
            self.wrong(variables_key, format!("needs {} beside it", prefix_keys[Kind::Variable]));
        }
        let by_name = |kind| match kind {
            Kind::Connection => ids.clone(),
            Kind::Variable => variables.clone(),
            Kind::Config => None,
        };
        let by_index = || index.clone().map(KnownBy::Index);
        let mut known_by = ByKind::from_fn(|kind| by_name(kind).map(KnownBy::Ids).or_else(by_index));
        let names = ByKind::from_fn(|kind| {
            let known_by = known_by[kind].take().unwrap_or(KnownBy::Listing);
            Some(SharedNames { prefix: prefixes[kind].take()?, known_by })
        });
        Some(SharedAccount { account: account?, region: region.or_else(|| of_all.cloned()), names, role })
    }

    fn account(&mut self) -> Option<AccountId> {
        let key = self.name_of("account");
        let account = match self.object.get(key) {
            Some(Json::String(text)) => text.to_string(),
            // The Python backend puts it into an f-string, so a number works there as well.
            Some(Json::Number(number)) => number.token().to_owned(),
            _ => String::new(),
        };
        account.parse().map_err(|problem| self.wrong(key, problem)).ok()
    }

    fn shared_role(&mut self, account: Option<&AccountId>) -> Option<Role> {
        let [arn_key, id_key, via_key] = ["role_arn", "external_id", "role_via"].map(|key| self.name_of(key));
        let external_id = self.text(id_key);
        let words = [("assume_role", RoleVia::AssumeRole), ("web_identity", RoleVia::WebIdentity)];
        let via = self.one_of(via_key, words);
        if self.value(arn_key).is_none_or(|arn| arn.as_str() == Some("")) {
            for key in [id_key, via_key] {
                if self.value(key).is_some() {
                    self.wrong(key, format!("needs {arn_key} beside it"));
                }
            }
        } else if via == RoleVia::WebIdentity && external_id.is_some() {
            self.wrong(id_key, "has no place in AssumeRoleWithWebIdentity; remove it");
        }
        let arn = self.role(arn_key)?;
        if let Some(account) = account.filter(|account| **account != arn.account) {
            let problem = format!("is a role of account {}, not of the shared account {account}", arn.account);
            self.wrong(arn_key, problem);
        }
        Some(Role { arn, external_id, session_name: None, via, token_file: None })
    }
}
