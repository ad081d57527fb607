//! `shared_index`: secrets in a shared account that say which conn_ids and keys are there (`model/index.rs`).
//!
//! What they say is not trusted: an ARN must lie in the account and region that the index is for, so that it can't point at the
//! reader's own secrets.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use super::answers::{AllAnswers, Answers, IndexSeen, Reported, SecretState, SkippedBy};
use super::reading::{self, SecretToRead, WhenNotThere};
use crate::config::settings::Selection;
use crate::error::{Exit, Failure};
use crate::model::aws::{Arn, SecretId, ends_like_an_arn, is_id};
use crate::model::cause::Cause;
use crate::model::index::{FORM, Index};
use crate::plan::{AddressedBy, Enumerate, Source, SourcePlan};
use crate::store::error::StoreError;
use crate::store::secret_store::{Answer, Found, NotThere, SecretStore};
use crate::text::{count, printable};

/// The most conn_ids and keys of an account's indices together. Each costs a call where the account is another's.
const MOST_IDS: usize = 5_000;

/// Reads the indices of one account, each once, and everything they name of the kinds of these sources.
pub async fn read<S: SecretStore>(
    sources: &[&SourcePlan],
    store: &S,
    selection: &Selection,
) -> Result<AllAnswers, Failure> {
    let mut indexed = Vec::new();
    for source in sources {
        if let Enumerate::Index(names) = &source.enumerate {
            indexed.push((*source, names));
        }
    }
    let mut answers = AllAnswers::new();
    // The kinds of an account have the same indices.
    let Some((first, names)) = indexed.first() else { return Ok(answers) };
    let ids: Vec<SecretId> = names.iter().map(|name| index_id(first, name)).collect();
    let mut indices = Vec::new();
    for (name, answer) in names.iter().zip(store.read(&ids).await) {
        let (index, seen) = one_index(first, name, answer)?;
        indices.push((name.as_str(), index));
        answers.entry((first.kind, first.account)).or_default().indices.push(seen);
    }
    let mut asked = Vec::new();
    let mut most = MOST_IDS;
    for (source, _) in &indexed {
        let entries = entries(source, &indices)?;
        most = most.checked_sub(entries.len()).ok_or_else(|| {
            let line = format!("{}: its indices name more conn_ids and keys than are read, {MOST_IDS}", source.source);
            Failure::new(Exit::InvalidData, line)
        })?;
        let of_source = answers.entry((source.kind, source.account)).or_default();
        of_source.is_enumerated = true;
        asked.extend(wanted(source, entries, selection, of_source));
    }
    for (place, read) in reading::read(store, asked, WhenNotThere::Vanished).await? {
        let of_source = answers.entry(place).or_default();
        for (id, reported) in read.reported {
            of_source.add(&id, reported);
        }
    }
    Ok(answers)
}

/// What came of reading one index.
fn one_index(source: &SourcePlan, name: &str, answer: Answer) -> Result<(Index, IndexSeen), Failure> {
    let shown = shown(source, name);
    let value = match answer {
        Ok(Found::Value(value)) => value,
        Ok(Found::NotThere(NotThere::Binary)) => {
            let line = format!("{shown}: the secret is binary; it {FORM}");
            return Err(Failure::new(Exit::InvalidData, line));
        }
        Ok(Found::NotThere(_)) => {
            let hint = if ends_like_an_arn(name) && !name.starts_with("arn:") {
                "AWS takes a name that ends in a hyphen and six characters for a whole ARN; give the full ARN"
            } else {
                "check the name and the region"
            };
            let line = format!("{shown}: there is no such secret, or none with a current value; {hint}");
            return Err(Failure::new(Exit::NotFound, line));
        }
        // No secret is that long, but whoever says so: it is what the index holds.
        Err(error) if error.cause == Cause::TooLarge => {
            return Err(Failure::new(Exit::InvalidData, format!("{shown}: {error}")));
        }
        Err(error) => return Err(StoreError::into_failure(error)),
    };
    let index = Index::parse(value.text.expose_secret())
        .map_err(|problem| Failure::new(Exit::InvalidData, format!("{shown}: {problem}")))?;
    let seen = IndexSeen { source: source.source.clone(), name: name.to_owned(), changed: value.changed };
    Ok((index, seen))
}

fn shown(source: &SourcePlan, name: &str) -> String {
    format!("shared_index {} of {}", printable(name), source.source)
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

/// For each id of a kind how to read it, or why it can't be taken at its word.
type IndexEntries = BTreeMap<String, Result<SecretId, &'static str>>;

/// What the indices name of the kind of a source. Of an id that stands in several the first counts.
fn entries(source: &SourcePlan, indices: &[(&str, Index)]) -> Result<IndexEntries, Failure> {
    let mut entries: Option<IndexEntries> = None;
    for (name, index) in indices {
        let Some(ids) = index.ids(source.kind) else { continue };
        if let Index::Published(document) = index
            && let Some(names) = document.names(source.kind)
            && names.prefix != source.prefix()
        {
            let line = format!(
                "{}: it names {}s under \"{}\", and they are looked up under \"{}\"; give the same prefix and sep as the \
                 publisher has",
                shown(source, name),
                source.kind.thing(),
                printable(&names.prefix),
                printable(source.prefix()),
            );
            return Err(Failure::new(Exit::Config, line));
        }
        let entries = entries.get_or_insert_default();
        for (id, detail) in ids {
            entries.entry(id.to_owned()).or_insert_with(|| secret_of(source, index, id, detail));
        }
    }
    entries.ok_or_else(|| {
        let names: Vec<String> = indices.iter().map(|(name, _)| printable(name)).collect();
        let (thing, key) = (source.kind.thing(), source.kind.prefix_key());
        let line = format!(
            "shared_index {} of {}: it says nothing of {thing}s; let publish-index run with {key}, or take {key}_shared away",
            names.join(", "),
            source.source,
        );
        Failure::new(Exit::Config, line)
    })
}

/// One bad entry harms no other; otherwise a mistake in the index would stop every pod.
fn secret_of(source: &SourcePlan, index: &Index, id: &str, detail: Option<&str>) -> Result<SecretId, &'static str> {
    let by_name = source.secret_id(id);
    match (index, detail, &source.source) {
        (_, None, _) => Ok(by_name),
        (Index::Published(_), Some(suffix), _) => match by_name {
            _ if suffix.len() != 6 || !suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                Err("the index gives it a suffix that no ARN has")
            }
            SecretId::Arn(arn) => Ok(SecretId::Arn(format!("{arn}-{suffix}"))),
            SecretId::Name(_) => Ok(by_name),
        },
        (_, Some(arn), Source::Shared { account, region })
            if !arn.starts_with(&Arn::of_secret(account, region, "").to_string()) =>
        {
            Err("the index gives an ARN that is not of a secret in its own account and region")
        }
        (_, Some(arn), _) => Ok(SecretId::Arn(arn.to_owned())),
    }
}

/// What is to be read of a source; what is not is noted in its answers.
fn wanted<'a>(
    source: &'a SourcePlan,
    entries: IndexEntries,
    selection: &Selection,
    answers: &mut Answers,
) -> Vec<SecretToRead<'a>> {
    let refused = |reason| Reported {
        state: Some(SecretState::Refused(reason)),
        not_there: None,
        is_named: true,
        ambiguous: false,
        of_team: false,
    };
    let (named, nameless): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(id, _)| is_id(id));
    if !nameless.is_empty() {
        // What they are is not repeated: the secret may be no index.
        let reason = refused("the index has items that no conn_id can be");
        answers.reported.insert(format!("({})", count(nameless.len(), "item")), reason);
    }
    let mut entries = named;
    // The team's secrets come last and replace those without a team.
    entries.sort_by_key(|(name, _)| source.is_of_team(&source.secret_name(name)));
    let mut asked = Vec::new();
    for (name, secret) in entries {
        let Some(id) = source.id_of(&source.secret_name(&name)).map(str::to_owned) else {
            answers.skipped.insert(name, SkippedBy::Team);
            continue;
        };
        match secret {
            _ if !selection.takes(source.kind, &id) => drop(answers.skipped.insert(id, SkippedBy::Globs)),
            Ok(secret) => asked.push(SecretToRead { source, id, secret }),
            Err(reason) => drop(answers.reported.insert(id, refused(reason))),
        }
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kind::Kind;

    const PREFIX: &str = "airflow/connections/";
    const ARN: &str = "arn:aws:secretsmanager:eu-central-1:222222222222:secret:";

    fn source_of(kind: Kind, addressed_by: AddressedBy) -> SourcePlan {
        let by = Enumerate::Index(vec!["index".into()]);
        SourcePlan::for_tests((kind, 1), Source::shared("222222222222", "eu-central-1"), by, addressed_by, PREFIX)
    }

    fn source() -> SourcePlan {
        source_of(Kind::Connection, AddressedBy::PartialArn)
    }

    fn entries_of(texts: &[&str]) -> IndexEntries {
        let indices: Vec<(&str, Index)> = texts.iter().map(|text| ("index", Index::parse(text).unwrap())).collect();
        entries(&source(), &indices).unwrap()
    }

    fn arn(name: &str) -> SecretId {
        SecretId::Arn(format!("{ARN}{name}"))
    }

    #[test]
    fn an_array_names_conn_ids_and_an_object_full_arns() {
        let of_array = entries_of(&[r#"["a", "b", "a"]"#]);
        assert_eq!((of_array.len(), &of_array["a"]), (2, &Ok(arn("airflow/connections/a"))));
        let of_object = entries_of(&[&format!(r#"{{"x": "{ARN}other/name-AbCdEf"}}"#)]);
        assert_eq!(of_object["x"], Ok(arn("other/name-AbCdEf")));
    }

    /// AWS never finds `my-secret` by an ARN without its suffix.
    #[test]
    fn a_published_index_names_what_ends_like_an_arn_by_its_whole_arn() {
        let text = r#"{"version": 1, "connections": {"prefix": "airflow/connections/", "ids": ["a", "my-secret"],
            "suffixes": {"my-secret": "AbCdEf", "b-server": "x", "c-server": "a*b/c:"}}}"#;
        let of_published = entries_of(&[text]);
        assert_eq!(of_published["a"], Ok(arn("airflow/connections/a")));
        assert_eq!(of_published["my-secret"], Ok(arn("airflow/connections/my-secret-AbCdEf")));
        for odd in ["b-server", "c-server"] {
            assert!(of_published[odd].as_ref().is_err_and(|reason| reason.contains("suffix")), "{odd}");
        }
        // With a role the name alone finds it.
        let named = source_of(Kind::Connection, AddressedBy::Name);
        let of_named = entries(&named, &[("index", Index::parse(text).unwrap())]).unwrap();
        assert_eq!(of_named["my-secret"], Ok(SecretId::Name("airflow/connections/my-secret".into())));
    }

    #[test]
    fn several_indices_name_together_what_is_there_and_the_first_counts() {
        let arns = format!(r#"{{"a": "{ARN}first-AbCdEf", "b": "{ARN}second-AbCdEf"}}"#);
        let together = entries_of(&[r#"["a"]"#, &arns, "[]"]);
        assert_eq!((&together["a"], &together["b"]), (&Ok(arn("airflow/connections/a")), &Ok(arn("second-AbCdEf"))));
        // One that says nothing of the kind is passed over, and where none does the run can't know.
        let variables = source_of(Kind::Variable, AddressedBy::PartialArn);
        let of = |texts: &[&str]| {
            let indices: Vec<(&str, Index)> = texts.iter().map(|text| ("i", Index::parse(text).unwrap())).collect();
            entries(&variables, &indices).map(|entries| entries.into_keys().collect::<Vec<_>>())
        };
        let published = r#"{"version": 1, "variables": {"prefix": "airflow/connections/", "ids": ["v"]}}"#;
        assert_eq!(of(&[r#"["a"]"#, published]).unwrap(), ["v"]);
        let failure = of(&[r#"["a"]"#]).unwrap_err();
        assert_eq!(failure.exit(), Exit::Config);
        assert!(failure.to_string().contains("says nothing of variables"), "{failure}");
    }

    #[test]
    fn another_prefix_than_the_publishers_is_a_mistake_in_the_settings() {
        let text = r#"{"version": 1, "connections": {"prefix": "core/", "ids": ["a"]}}"#;
        let failure = entries(&source(), &[("index", Index::parse(text).unwrap())]).unwrap_err();
        assert_eq!(failure.exit(), Exit::Config);
        assert!(failure.to_string().contains("under \"core/\""), "{failure}");
    }

    #[test]
    fn an_arn_elsewhere_and_a_name_that_no_secret_can_have_are_refused_one_by_one() {
        for elsewhere in ["eu-central-1:111111111111", "eu-west-1:222222222222"] {
            let text = format!(r#"{{"x": "arn:aws:secretsmanager:{elsewhere}:secret:own-AbCdEf"}}"#);
            let reason = entries_of(&[&text])["x"].clone().unwrap_err();
            assert!(reason.contains("own account and region"), "{text}");
        }
        let (source, mut answers) = (source(), Answers::default());
        let asked = wanted(&source, entries_of(&[r#"["a\nb", "", "ok"]"#]), &Selection::default(), &mut answers);
        assert_eq!(asked.iter().map(|asked| asked.id.as_str()).collect::<Vec<_>>(), ["ok"]);
        assert!(matches!(answers.reported["(2 items)"].state, Some(SecretState::Refused(_))));
    }

    #[test]
    fn an_index_is_addressed_as_its_account_is() {
        let whole = format!("{ARN}index");
        let (partial, mut named, mut own) = (source(), source(), source());
        named.addressed_by = AddressedBy::Name;
        own.source = Source::Own;
        assert_eq!(index_id(&partial, "index"), SecretId::Arn(whole.clone()));
        for source in [named, own] {
            assert_eq!(index_id(&source, "index"), SecretId::Name("index".into()));
            assert_eq!(index_id(&source, &whole), SecretId::Arn(whole.clone()));
        }
    }
}
