//! `SECRETS_INIT_STORE=file:PATH`: a YAML or JSON document instead of AWS, for dev stacks, demos and CI.
//!
//! Takes the document's text, gives one store for the own account and one for each shared one. A value is the
//! secret's text, or a mapping that stands for a JSON secret, or null for a secret without a current value.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use secrecy::SecretString;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::memory::MemoryStore;
use crate::config::files;
use crate::error::{Exit, Failure};
use crate::model::aws::AccountId;
use crate::plan::{Plan, Source};
use crate::text::{os_error, printable};

/// A document larger than this is not a dev stack's.
const LARGEST: u64 = 256 << 20;

/// Reads the document and gives the store of each of the plan's accounts, in order.
///
/// # Errors
/// [`Exit::NotFound`] when there is no such file, [`Exit::Config`] when it is not a document of the right form. Errors name
/// the place, never a value.
pub fn open(path: &Path, plan: &Plan) -> Result<Vec<MemoryStore>, Failure> {
    let shown = printable(&path.display().to_string());
    let refuse = |problem: String| Failure::new(Exit::Config, format!("file store {shown}: {problem}"));
    let text = files::read_text(path, LARGEST).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            let line = format!("file store {shown}: {}; check SECRETS_INIT_STORE", os_error(&error));
            Failure::new(Exit::NotFound, line)
        }
        _ => refuse(format!("can't be read: {}", os_error(&error))),
    })?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    stores(&text, if is_json { Form::Json } else { Form::Yaml }, plan).map_err(&refuse)
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON: number tokens and the order of keys stay as they are.
    Json,
    Yaml,
}

/// The store of each of the plan's accounts, in order, from a document's text.
///
/// # Errors
/// When it is not a document of the right form: the place, never a value.
pub fn stores(text: &str, form: Form, plan: &Plan) -> Result<Vec<MemoryStore>, String> {
    let accounts = match form {
        Form::Json => from_json(text)?,
        Form::Yaml => from_yaml(text)?,
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

struct Document<T> {
    own: BTreeMap<String, T>,
    shared: BTreeMap<String, BTreeMap<String, T>>,
}

/// By hand: what serde derives for a struct takes a list of its fields' values as well.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Document<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor(PhantomData))
    }
}

struct DocumentVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for DocumentVisitor<T> {
    type Value = Document<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut own, mut shared) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "own" if own.is_none() => own = Some(map.next_value()?),
                "shared" if shared.is_none() => shared = Some(map.next_value()?),
                _ => return Err(A::Error::custom("a key that is not known, or twice")),
            }
        }
        Ok(Document { own: own.unwrap_or_default(), shared: shared.unwrap_or_default() })
    }
}

impl<T> Document<T> {
    fn accounts(self, text_of: impl Fn(T) -> Result<Option<String>, &'static str>) -> Result<Accounts, String> {
        let secrets = |map: BTreeMap<String, T>| -> Result<Secrets, String> {
            map.into_iter()
                .map(|(name, value)| match text_of(value) {
                    Ok(text) => Ok((name, text.map(SecretString::from))),
                    Err(problem) => Err(format!("secret {}: {problem}", printable(&name))),
                })
                .collect()
        };
        let own = secrets(self.own)?;
        let mut shared = BTreeMap::new();
        for (account, map) in self.shared {
            let id = account.parse().map_err(|problem| format!("shared: {} {problem}", printable(&account)))?;
            shared.insert(id, secrets(map)?);
        }
        Ok(Accounts { own, shared })
    }
}

fn from_json(text: &str) -> Result<Accounts, String> {
    let document: Document<Box<RawValue>> = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("line {line} column {column}: not JSON of the form {{\"own\": {{name: value}}, \"shared\": {{account: {{name: value}}}}}}")
    })?;
    document.accounts(|raw| match raw.get().as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw.get()).map(Some).map_err(|_| "is text with a lone surrogate"),
        // As it stands: number tokens and the order of keys survive.
        Some(b'{') => Ok(Some(raw.get().to_owned())),
        Some(b'n') => Ok(None),
        _ => Err("must be text or an object (quote numbers and booleans)"),
    })
}

fn from_yaml(text: &str) -> Result<Accounts, String> {
    // Without snippets: they would print the lines around a mistake, and those hold secrets.
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    let document: Document<serde_json::Value> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let place = error.location().map(|at| format!("line {} column {}: ", at.line(), at.column()));
            let form = "not YAML of the form own: {name: value}, shared: {\"account\": {name: value}}";
            format!("{}{form}", place.unwrap_or_default())
        })?;
    document.accounts(|value| match value {
        serde_json::Value::String(text) => Ok(Some(text)),
        serde_json::Value::Null => Ok(None),
        object @ serde_json::Value::Object(_) if has_rounded_number(&object) => {
            Err("holds a number of more than 15 digits, which YAML rounds; quote it")
        }
        object @ serde_json::Value::Object(_) => Ok(Some(object.to_string())),
        _ => Err("must be text or a mapping (quote numbers and booleans)"),
    })
}

/// Whether reading YAML has rounded an integer: what fits no integer type comes as a float.
fn has_rounded_number(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => {
            let is_integer = number.as_i64().is_some() || number.as_u64().is_some();
            !is_integer && number.as_f64().is_some_and(|float| float.abs() >= 1e15)
        }
        serde_json::Value::Array(items) => items.iter().any(has_rounded_number),
        serde_json::Value::Object(items) => items.values().any(has_rounded_number),
        _ => false,
    }
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
            let read = opened(name, json).unwrap();
            assert_eq!(read[1..], [shared.clone(), None], "{name}");
            assert_ne!(read[0].as_ref(), Some(&token), "YAML keeps no tokens");
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
        assert!(wrong.to_string().contains("x.json: line 1 column"), "{wrong}");
    }

    /// The own account's secrets, or the problem.
    fn own(text: &str, form: Form) -> Result<Vec<(String, Option<String>)>, String> {
        let accounts = if form == Form::Json { from_json(text) } else { from_yaml(text) }?;
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
    fn numbers_of_json_stay_as_they_are_and_yaml_refuses_what_it_would_round() {
        let text = r#"{"own": {"a": {"n": 1E+5, "m": 12345678901234567890123, "e": 1e400}}}"#;
        let json = own(text, Form::Json).unwrap();
        assert_eq!(json[0].1.as_deref(), Some(r#"{"n": 1E+5, "m": 12345678901234567890123, "e": 1e400}"#));
        for (number, words) in [
            ("12345678901234567890123", "secret a: holds a number of more than 15 digits"),
            ("[1, 12345678901234567890123]", "secret a: holds a number of more than 15 digits"),
            ("{m: -1e15}", "secret a: holds a number of more than 15 digits"),
            ("1e400", "line 1 column"),
            ("-.inf", "line 1 column"),
            (".nan", "line 1 column"),
        ] {
            let problem = own(&format!("own: {{a: {{n: {number}}}}}"), Form::Yaml).unwrap_err();
            assert!(problem.starts_with(words), "{number}: {problem}");
        }
        // The largest that are read as they stand.
        for number in ["18446744073709551615", "-9223372036854775808", "99999999999999.5"] {
            assert!(own(&format!("own: {{a: {{n: {number}}}}}"), Form::Yaml).is_ok(), "{number}");
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
            (r#"{"canary": {}}"#, "not JSON of the form"),
            (r#"{"own": null}"#, "not JSON of the form"),
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
            ("own: [canary\n", "not YAML of the form"),
            ("own: {}\nown: {a: canary}\n", "not YAML of the form"),
            ("canary: {}\n", "not YAML of the form"),
            ("own: {a: 5}\n", "secret a: must be text or a mapping"),
            ("own: {a: [canary]}\n", "secret a: must be text or a mapping"),
            ("shared: {\"12\": {a: canary}}\n", "shared: 12 is not"),
        ] {
            let problem = own(text, Form::Yaml).unwrap_err();
            assert!(problem.contains(words) && !problem.contains("canary"), "{text}: {problem}");
        }
    }
}
