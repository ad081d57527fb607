//! `SECRETS_INIT_STORE=file:PATH`: a YAML or JSON document instead of AWS, for dev stacks, demos and CI.
//!
//! Takes the document's text, gives one store for the own account and one for each shared one. A value is the
//! secret's text, or a mapping that stands for a JSON secret, or null for a secret without a current value. A document without
//! `own` and `shared` is one of Airflow's own: its connections are the own account's.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::SecretString;
use serde_json::value::RawValue;

use super::memory::MemoryStore;
use crate::config::files;
use crate::error::{Exit, Failure};
use crate::model::aws::AccountId;
use crate::model::kind::Kind;
use crate::plan::{Plan, Source};
use crate::store::{export, yaml};
use crate::text::{os_error, printable, shown};

/// A document larger than this is not a dev stack's.
const LARGEST: u64 = 256 << 20;

/// Reads the document and gives the store of each of the plan's accounts, in order.
///
/// # Errors
/// [`Exit::NotFound`] when there is no such file, [`Exit::Config`] when it is not a document of the right form. Errors name
/// the place, never a value.
pub fn open(path: &Path, plan: &Plan) -> Result<Vec<MemoryStore>, Failure> {
    let shown = shown(path);
    let refuse = |problems: Vec<String>| {
        let lines = problems.into_iter().map(|problem| format!("file store {shown}: {problem}"));
        Failure::with_lines(Exit::Config, lines.collect())
    };
    let text = files::read_text(path, LARGEST).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            let line = format!("file store {shown}: {}; check SECRETS_INIT_STORE", os_error(&error));
            Failure::new(Exit::NotFound, line)
        }
        _ => refuse(vec![format!("can't be read: {}", os_error(&error))]),
    })?;
    stores(&text, Form::of(path), plan).map_err(refuse)
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON: number tokens and the order of keys stay as they are.
    Json,
    Yaml,
    /// Lines `CONN_ID=URI`, as Airflow exports and reads them.
    Env,
}

impl Form {
    fn of(path: &Path) -> Self {
        let is = |extension: &str| {
            path.extension().is_some_and(|its| its.eq_ignore_ascii_case(extension))
                || path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(format!(".{extension}")))
        };
        if is("json") {
            Self::Json
        } else if is("env") {
            Self::Env
        } else {
            Self::Yaml
        }
    }
}

/// The store of each of the plan's accounts, in order, from a document's text.
///
/// # Errors
/// When it is not a document of the right form: a line for each mistake, with its place, never a value.
pub fn stores(text: &str, form: Form, plan: &Plan) -> Result<Vec<MemoryStore>, Vec<String>> {
    let of_own = plan.want_of(Kind::Connection).and_then(|want| want.sources.first());
    let name_of = |conn_id: &str| of_own.map(|source| source.secret_name(conn_id));
    let accounts = match form {
        Form::Json => from_json(text, name_of).map_err(|problem| vec![problem])?,
        Form::Yaml => from_yaml(text, name_of)?,
        Form::Env => of_export(export::lines(text)?.into_iter().map(|(id, value)| (id, Ok(Some(value)))), name_of)
            .map_err(|problem| vec![problem])?,
    };
    let stores = plan.accounts.iter().map(|account| match &account.source {
        Source::Own => accounts.own.clone(),
        Source::Shared { account, .. } => accounts.shared.get(account).cloned().unwrap_or_default(),
    });
    Ok(stores.map(MemoryStore::new).collect())
}

type Secrets = BTreeMap<String, Option<SecretString>>;

#[derive(Default)]
struct Accounts {
    own: Secrets,
    shared: BTreeMap<AccountId, Secrets>,
}

fn from_json(text: &str, name_of: impl Fn(&str) -> Option<String>) -> Result<Accounts, String> {
    let refuse = |error: serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        format!(
            "line {line} column {column}: not JSON of the form {{\"own\": {{name: value}}, \"shared\": {{account: {{name: value}}}}}}"
        )
    };
    let export::Pairs(pairs) = serde_json::from_str(text).map_err(refuse)?;
    let is_ours = |(key, _): &(String, Box<RawValue>)| key == "own" || key == "shared";
    if !pairs.is_empty() && !pairs.iter().any(is_ours) {
        let secrets = pairs.into_iter().map(|(id, raw)| (id, exported(raw.get())));
        return of_export(secrets, name_of);
    }
    if pairs.iter().any(is_ours) && !pairs.iter().all(is_ours) {
        return Err(
            "own and shared stand beside other keys: put all secrets under them, or none for an export of Airflow's"
                .to_owned(),
        );
    }
    let mut accounts = Accounts::default();
    for (key, raw) in pairs {
        if key == "own" {
            accounts.own = secrets("own", &raw)?;
            continue;
        }
        for (account, raw) in named("shared", &raw)? {
            let place = format!("shared: {}", printable(&account));
            let id = account.parse().map_err(|problem| format!("{place} {problem}"))?;
            accounts.shared.insert(id, secrets(&place, &raw)?);
        }
    }
    Ok(accounts)
}

fn named(place: &str, raw: &RawValue) -> Result<BTreeMap<String, Box<RawValue>>, String> {
    serde_json::from_str(raw.get()).map_err(|_| format!("{place}: must be an object (of names)"))
}

fn secrets(place: &str, raw: &RawValue) -> Result<Secrets, String> {
    let secret = |(name, raw): (String, Box<RawValue>)| match secret(raw.get()) {
        Ok(text) => Ok((name, text.map(SecretString::from))),
        Err(problem) => Err(format!("secret {}: {problem}", printable(&name))),
    };
    named(place, raw)?.into_iter().map(secret).collect()
}

/// The text of a secret that stands in a document as this JSON.
fn secret(raw: &str) -> Result<Option<String>, &'static str> {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).map(Some).map_err(|_| "is text with a lone surrogate"),
        // As it stands: number tokens and the order of keys survive.
        Some(b'{') => Ok(Some(raw.to_owned())),
        Some(b'n') => Ok(None),
        _ => Err("must be text or an object (quote numbers and booleans)"),
    }
}

/// The same of a connection that Airflow exported, or keeps for LocalFilesystemBackend.
fn exported(raw: &str) -> Result<Option<String>, &'static str> {
    match raw.as_bytes().first() {
        Some(b'{') => export::secret_of(raw).map(Some),
        Some(b'[') => match serde_json::from_str::<Vec<Box<RawValue>>>(raw).as_deref() {
            Ok([one]) => exported(one.get()),
            _ => Err("is a list: Airflow takes one connection for each conn_id"),
        },
        _ => secret(raw),
    }
}

/// Connections of the own account, by conn_id.
fn of_export(
    connections: impl Iterator<Item = (String, Result<Option<String>, &'static str>)>,
    name_of: impl Fn(&str) -> Option<String>,
) -> Result<Accounts, String> {
    let mut own = Secrets::new();
    for (id, text) in connections {
        let text = text.map_err(|problem| format!("connection {}: {problem}", printable(&id)))?;
        own.extend(name_of(&id).map(|name| (name, text.map(SecretString::from))));
    }
    Ok(Accounts { own, ..Accounts::default() })
}

fn from_yaml(text: &str, name_of: impl Fn(&str) -> Option<String>) -> Result<Accounts, Vec<String>> {
    let form = "own: {name: value}, shared: {\"account\": {name: value}}";
    from_json(&yaml::read(text)?.to_string(), name_of).map_err(|problem| {
        // A place in the JSON is none in the document.
        let problem = if problem.starts_with("line ") { format!("not YAML of the form {form}") } else { problem };
        vec![problem.replace("an object (", "a mapping (")]
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use futures_util::FutureExt;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::model::aws::SecretId;
    use crate::plan::Access;
    use crate::store::secret_store::{Found, SecretStore};

    /// Writes a document under this name and gives what each account's store says to a name.
    fn opened(name: &str, document: &str) -> Result<Vec<Option<String>>, Failure> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::write(&path, document).unwrap();
        let shared = |account: &str| Source::shared(account, "eu-central-1");
        let [two, three] = ["222222222222", "333333333333"].map(shared);
        let plan = Plan::for_tests([(Source::Own, Access::Own), (two, Access::Pod), (three, Access::Pod)]);
        let ask = |store: &MemoryStore| {
            let answers = store.read(&[SecretId::Name("a".to_owned())]).now_or_never().unwrap();
            match answers.as_slice() {
                [Ok(Found::Value(value))] => Some(value.text.expose_secret().to_owned()),
                _ => None,
            }
        };
        Ok(open(&path, &plan)?.iter().map(ask).collect())
    }

    #[test]
    fn each_account_has_a_store_of_its_own_and_the_name_tells_the_form() {
        let json =
            r#"{"own": {"a": {"n": 1E+5}}, "shared": {"222222222222": {"a": "x", "b": "y"}, "444444444444": {}}}"#;
        let (token, shared) = (r#"{"n": 1E+5}"#.to_owned(), Some("x".to_owned()));
        for name in ["x.json", "x.JSON"] {
            assert_eq!(opened(name, json).unwrap(), [Some(token.clone()), shared.clone(), None], "{name}");
        }
        for name in ["x.yaml", "json"] {
            let read = opened(name, json).err().unwrap().to_string();
            assert!(read.contains("line 1 column 21: a number that readers of YAML disagree on"), "{name}: {read}");
            assert_eq!(opened(name, "own: {a: x}\n").unwrap(), [shared.clone(), None, None], "{name}");
        }
    }

    #[test]
    fn a_document_that_is_not_there_and_one_that_is_wrong_are_told_apart() {
        let none = Plan::for_tests([]);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.yaml");
        let refused = |problem: &str| vec![format!("file store {}: {problem}", path.display())];
        let missing = open(&path, &none).err().unwrap();
        let line = "No such file or directory; check SECRETS_INIT_STORE";
        assert_eq!((missing.exit(), missing.lines()), (Exit::NotFound, refused(line).as_slice()));
        fs::create_dir(&path).unwrap();
        let unread = open(&path, &none).err().unwrap();
        assert_eq!(
            (unread.exit(), unread.lines()),
            (Exit::Config, refused("can't be read: not a regular file").as_slice())
        );
        let wrong = opened("x.json", r#"{"own": 1}"#).err().unwrap();
        assert_eq!(wrong.exit(), Exit::Config);
        assert!(wrong.to_string().contains("x.json: own: must be an object"), "{wrong}");
    }

    /// The own account's secrets, or the problem.
    fn own(text: &str, form: Form) -> Result<Vec<(String, Option<String>)>, String> {
        let name_of = |id: &str| Some(format!("p/{id}"));
        let accounts = match form {
            Form::Json => from_json(text, name_of),
            _ => from_yaml(text, name_of).map_err(|problems| problems.join("\n")),
        }?;
        let text = |secret: Option<SecretString>| secret.map(|secret| secret.expose_secret().to_owned());
        Ok(accounts.own.into_iter().map(|(name, secret)| (name, text(secret))).collect())
    }

    #[test]
    fn a_secret_is_text_or_an_object_or_without_a_value() {
        let expected = [("a", Some("postgres://h")), ("b", Some(r#"{"port":5432,"extra":{"n":1.5}}"#)), ("c", None)];
        let expected: Vec<_> = expected.map(|(name, text)| (name.to_owned(), text.map(str::to_owned))).into();
        let json = r#"{"own": {"c": null, "a": "postgres://\u0068", "b": {"port":5432,"extra":{"n":1.5}}}}"#;
        assert_eq!(own(json, Form::Json).unwrap(), expected);
        assert_eq!(own(json, Form::Yaml).unwrap(), expected);
        let yaml = "own:\n  b: {port: 5432, extra: {n: 1.5}}\n  a: >-\n    postgres://h\n  c:\n";
        assert_eq!(own(yaml, Form::Yaml).unwrap(), expected);
        for nothing in ["{}", r#"{"own": {}}"#, r#"{"shared": {"258781458051": {"a": "x"}}}"#] {
            assert_eq!(own(nothing, Form::Json), Ok(Vec::new()));
            assert_eq!(own(nothing, Form::Yaml), Ok(Vec::new()));
        }
    }

    #[test]
    fn numbers_of_json_stay_as_they_are_and_yaml_refuses_what_readers_disagree_on() {
        let text = r#"{"own": {"a": {"n": 1E+5, "m": 12345678901234567890123, "e": 1e400}}}"#;
        let json = own(text, Form::Json).unwrap();
        assert_eq!(json[0].1.as_deref(), Some(r#"{"n": 1E+5, "m": 12345678901234567890123, "e": 1e400}"#));
        assert_eq!(own(text, Form::Yaml).unwrap_err().lines().count(), 3);
        let yaml = own("own: {a: {n: 1.50, m: 99999999999999.5}}", Form::Yaml).unwrap();
        assert_eq!(yaml[0].1.as_deref(), Some(r#"{"n":1.50,"m":99999999999999.5}"#));
    }

    /// What `airflow connections export` writes, and what LocalFilesystemBackend reads.
    #[test]
    fn an_export_of_airflow_is_the_own_account() {
        let json = r#"{"b": {"conn_type": "mysql", "description": null, "host": "h", "port": 3306}, "a": "mysql://h"}"#;
        let secrets = own(json, Form::Json).unwrap();
        let expected = [("p/a", "mysql://h"), ("p/b", r#"{"conn_type": "mysql", "host": "h", "port": 3306}"#)];
        assert_eq!(secrets, expected.map(|(name, text)| (name.to_owned(), Some(text.to_owned()))));
        let yaml = "b:\n  conn_type: mysql\n  description: x\n  host: h\n  port: 3306\na: mysql://h\nc:\n  - x://h\n";
        let expected = [expected[0], expected[1], ("p/c", "x://h")];
        assert_eq!(
            own(yaml, Form::Yaml).unwrap(),
            expected.map(|(name, text)| (name.to_owned(), Some(text.to_owned())))
        );
        for (text, words) in [
            (r#"{"a": "x://h", "own": {}}"#, "own and shared stand beside other keys"),
            (r#"{"a": ["x://canary", "x://h"]}"#, "connection a: is a list"),
            (r#"{"a": 5}"#, "connection a: must be text or an object"),
            (r#"{"a": {"uri": "x://canary", "host": "h"}}"#, "connection a: has uri beside other keys"),
        ] {
            let problem = own(text, Form::Json).unwrap_err();
            assert!(problem.contains(words) && !problem.contains("canary"), "{text}: {problem}");
        }
    }

    #[test]
    fn what_is_no_document_is_refused_by_its_place_alone() {
        for (text, words) in [
            ("[]", "not JSON of the form"),
            (r#"[{"a": "canary"}]"#, "line 1 column"),
            (r#""canary""#, "not JSON of the form"),
            ("", "not JSON of the form"),
            (r#"{"own": {"a": "canary"}"#, "line 1 column"),
            (r#"{"own": {}, "own": {"a": "canary"}}"#, "not JSON of the form"),
            (r#"{"shared": {}, "shared": {}}"#, "not JSON of the form"),
            (r#"{"own": null}"#, "own: must be an object"),
            (r#"{"own": {"a": 1}}"#, "secret a: must be text or an object"),
            (r#"{"own": {"a\n": ["canary"]}}"#, "secret a\\u{a}: must be text or an object"),
            (r#"{"own": {"a": "canary\ud800"}}"#, "secret a: is text with a lone surrogate"),
            (r#"{"shared": {"12": {}}}"#, "shared: 12 is not a 12-digit account number"),
            (r#"{"shared": {"258781458051": {"a": true}}}"#, "secret a: must be text"),
        ] {
            let problem = own(text, Form::Json).unwrap_err();
            assert!(problem.contains(words) && !problem.contains("canary"), "{text}: {problem}");
        }
        for (text, words) in [
            ("[]", "not YAML of the form"),
            ("- own\n- canary\n", "not YAML of the form"),
            ("own: [canary\n", "line 1 column 6: not YAML"),
            ("own: {}\nown: {a: canary}\n", "line 2 column 1: this key stands in line 1"),
            ("own: {a: 5}\n", "secret a: must be text or a mapping"),
            ("own: {a: [canary]}\n", "secret a: must be text or a mapping"),
            ("shared: {\"12\": {a: canary}}\n", "shared: 12 is not"),
        ] {
            let problem = own(text, Form::Yaml).unwrap_err();
            assert!(problem.contains(words) && !problem.contains("canary"), "{text}: {problem}");
        }
    }
}
