//! `shared_index`: one secret in a shared account that says which conn_ids are there.
//!
//! Its value is a JSON array of conn_ids, or an object of conn_id to full ARN. What it says is not trusted: an ARN
//! must lie in the account and region that the index is for, so that it can't point at the reader's own secrets.

use secrecy::ExposeSecret;
use serde_json::Value;

use super::answers::{AllAnswers, Reported, SecretState, SkippedBy};
use super::reading::{self, SecretToRead, WhenNotThere};
use crate::config::settings::Selection;
use crate::error::{Exit, Failure};
use crate::model::aws::{Arn, SecretId, is_id};
use crate::model::cause::Cause;
use crate::plan::{AddressedBy, Source, SourcePlan};
use crate::store::error::StoreError;
use crate::store::secret_store::{Found, NotThere, SecretStore};
use crate::text::{count, printable};

/// The most conn_ids of an index: what 64 KiB hold of names as they are. Each costs a call where the account is another's.
const MOST_IDS: usize = 5_000;
/// What an index is.
const FORM: &str = "must be a JSON array of conn_ids, or an object of conn_id to full ARN";

/// Reads the index and everything it names.
pub async fn read<S: SecretStore>(
    source: &SourcePlan,
    store: &S,
    index: &str,
    selection: &Selection,
) -> Result<AllAnswers, Failure> {
    let shown = format!("shared_index {} of {}", printable(index), source.source);
    let id = index_id(source, index);
    let answer = store.read(std::slice::from_ref(&id)).await.into_iter().next();
    let text = match answer {
        Some(Ok(Found::Value(value))) => value.text,
        Some(Ok(Found::NotThere(NotThere::Binary))) => {
            let line = format!("{shown}: the secret is binary; it {FORM}");
            return Err(Failure::new(Exit::InvalidData, line));
        }
        Some(Ok(Found::NotThere(_))) => {
            let line = format!("{shown}: there is no such secret; check the name and the region");
            return Err(Failure::new(Exit::NotFound, line));
        }
        // No secret is that long, but whoever says so: it is what the index holds.
        Some(Err(error)) if error.cause == Cause::TooLarge => {
            return Err(Failure::new(Exit::InvalidData, format!("{shown}: {error}")));
        }
        Some(Err(error)) => return Err(StoreError::into_failure(error)),
        None => {
            return Err(Failure::new(
                Exit::Bug,
                format!("{shown}: the store gave no answer; please report this as a bug"),
            ));
        }
    };
    let Index { entries, nameless } = parse(text.expose_secret(), source)
        .map_err(|problem| Failure::new(Exit::InvalidData, format!("{shown}: {problem}")))?;
    let mut asked = Vec::new();
    let mut refused = Vec::new();
    if nameless > 0 {
        // What they are is not repeated: the secret may be no index.
        let reason = Reported {
            state: Some(SecretState::Refused("the index has items that no conn_id can be")),
            not_there: None,
            ambiguous: false,
        };
        refused.push((format!("({})", count(nameless, "item")), reason));
    }
    let mut skipped = Vec::new();
    let mut entries = entries;
    // The team's secrets come last and replace those without a team.
    entries.sort_by_key(|(name, _)| source.is_of_team(&source.secret_name(name)));
    for (name, secret) in entries {
        let Some(id) = source.id_of(&source.secret_name(&name)).map(str::to_owned) else {
            skipped.push((name, SkippedBy::Team));
            continue;
        };
        match secret {
            _ if !selection.takes(source.kind, &id) => skipped.push((id, SkippedBy::Globs)),
            Ok(secret) => asked.push(SecretToRead { source, id, secret }),
            Err(reason) => {
                refused.push((
                    id,
                    Reported { state: Some(SecretState::Refused(reason)), not_there: None, ambiguous: false },
                ));
            }
        }
    }
    let mut answers = reading::read(store, asked, WhenNotThere::Vanished).await?;
    let of_source = answers.entry((source.kind, source.account)).or_default();
    of_source.is_enumerated = true;
    of_source.reported.extend(refused);
    of_source.skipped.extend(skipped);
    Ok(answers)
}

fn index_id(source: &SourcePlan, index: &str) -> SecretId {
    match &source.source {
        _ if index.starts_with("arn:") => SecretId::Arn(index.to_owned()),
        Source::Shared { account, region } if source.addressed_by == AddressedBy::PartialArn => {
            SecretId::Arn(Arn::of_secret(account, region, index).to_string())
        }
        _ => SecretId::Name(index.to_owned()),
    }
}

/// What an index names.
#[derive(Debug)]
struct Index {
    /// For each conn_id how to read it, or why it can't be taken at its word.
    entries: Vec<(String, Result<SecretId, &'static str>)>,
    /// How many items are no conn_ids.
    nameless: usize,
}

/// Another secret may be a list or mapping of texts as well, and its items must not be taken for conn_ids: an index is what
/// has a conn_id at least, and full ARNs alone where it is an object.
fn parse(text: &str, source: &SourcePlan) -> Result<Index, String> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| format!("is not JSON (line {} column {}); it {FORM}", error.line(), error.column()))?;
    let entries: Option<Vec<(String, SecretId)>> = match value {
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().map(|id| (id.to_owned(), source.secret_id(id)))).collect()
        }
        Value::Object(items) => items
            .iter()
            .map(|(conn_id, arn)| {
                let arn = arn.as_str().filter(|arn| arn.parse::<Arn>().is_ok())?;
                Some((conn_id.clone(), SecretId::Arn(arn.to_owned())))
            })
            .collect(),
        _ => None,
    };
    let mut entries = entries.ok_or_else(|| FORM.to_owned())?;
    let mut seen = std::collections::HashSet::new();
    entries.retain(|(conn_id, _)| seen.insert(conn_id.clone()));
    if entries.len() > MOST_IDS {
        return Err(format!("names {} conn_ids, and at most {MOST_IDS} are read", entries.len()));
    }
    let all = entries.len();
    entries.retain(|(conn_id, _)| is_id(conn_id));
    let nameless = all - entries.len();
    if nameless > 0 && entries.is_empty() {
        return Err(FORM.to_owned());
    }
    Ok(Index { entries: entries.into_iter().map(|(conn_id, id)| check(conn_id, id, source)).collect(), nameless })
}

/// One bad entry harms no other; otherwise a mistake in the index would stop every pod.
fn check(conn_id: String, id: SecretId, source: &SourcePlan) -> (String, Result<SecretId, &'static str>) {
    let is_elsewhere = match (&id, &source.source) {
        (SecretId::Arn(given), Source::Shared { account, region }) => {
            !given.starts_with(&Arn::of_secret(account, region, "").to_string())
        }
        _ => false,
    };
    let checked = if is_elsewhere {
        Err("the index gives an ARN that is not of a secret in its own account and region")
    } else {
        Ok(id)
    };
    (conn_id, checked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kind::Kind;
    use crate::plan::Enumerate;

    fn source() -> SourcePlan {
        SourcePlan::for_tests(
            (Kind::Connection, 1),
            Source::shared("222222222222", "eu-central-1"),
            Enumerate::Index("index".into()),
            AddressedBy::PartialArn,
            "airflow/connections/",
        )
    }

    #[test]
    fn an_array_names_conn_ids_and_an_object_full_arns() {
        let of_array = parse(r#"["a", "b", "a"]"#, &source()).unwrap().entries;
        let a = SecretId::Arn("arn:aws:secretsmanager:eu-central-1:222222222222:secret:airflow/connections/a".into());
        assert_eq!(of_array.len(), 2);
        assert_eq!(of_array[0], ("a".into(), Ok(a)));
        let arn = "arn:aws:secretsmanager:eu-central-1:222222222222:secret:other/name-AbCdEf";
        let of_object = parse(&format!(r#"{{"x": "{arn}"}}"#), &source()).unwrap().entries;
        assert_eq!(of_object, [("x".to_owned(), Ok(SecretId::Arn(arn.into())))]);
    }

    #[test]
    fn an_arn_elsewhere_and_a_name_that_no_secret_can_have_are_refused_one_by_one() {
        for (text, words) in [
            (
                r#"{"x": "arn:aws:secretsmanager:eu-central-1:111111111111:secret:own-AbCdEf"}"#,
                "own account and region",
            ),
            (r#"{"x": "arn:aws:secretsmanager:eu-west-1:222222222222:secret:own-AbCdEf"}"#, "own account and region"),
        ] {
            let entries = parse(text, &source()).unwrap().entries;
            assert!(entries[0].1.as_ref().is_err_and(|reason| reason.contains(words)), "{text}");
        }
        let index = parse(r#"["a\nb", "", "ok"]"#, &source()).unwrap();
        assert_eq!((index.entries.len(), index.nameless), (1, 2));
        assert!(index.entries[0].1.is_ok());
    }

    #[test]
    fn an_index_is_addressed_as_its_account_is() {
        let arn = "arn:aws:secretsmanager:eu-central-1:222222222222:secret:index";
        let (partial, mut named, mut own) = (source(), source(), source());
        named.addressed_by = AddressedBy::Name;
        own.source = Source::Own;
        assert_eq!(index_id(&partial, "index"), SecretId::Arn(arn.into()));
        for source in [named, own] {
            assert_eq!(index_id(&source, "index"), SecretId::Name("index".into()));
            assert_eq!(index_id(&source, arn), SecretId::Arn(arn.into()));
        }
    }

    #[test]
    fn an_index_of_more_ids_than_are_read_is_refused_and_a_repeated_one_counts_once() {
        let text = |ids: usize| {
            let ids: Vec<String> = (0..ids).map(|id| id.to_string()).collect();
            serde_json::to_string(&ids.iter().chain(&ids[..1]).collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(parse(&text(MOST_IDS), &source()).unwrap().entries.len(), MOST_IDS);
        assert_eq!(
            parse(&text(MOST_IDS + 1), &source()).unwrap_err(),
            "names 5001 conn_ids, and at most 5000 are read"
        );
    }

    #[test]
    fn what_is_no_index_is_refused_as_a_whole_and_not_repeated() {
        for (text, word) in [
            ("[1]", "array"),
            ("\"x\"", "array"),
            ("canary", "not JSON"),
            (r#"["canary canary\n", "canary#"]"#, "array"),
            (r#"{"canary": "canary", "password": "canary"}"#, "full ARN"),
        ] {
            let problem = parse(text, &source()).unwrap_err();
            assert!(problem.contains(word) && !problem.contains("canary"), "{problem}");
        }
    }
}
