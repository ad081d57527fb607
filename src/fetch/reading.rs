//! Reading secrets by their ids, and what each answer reports.

use tracing::{debug, warn};

use super::answers::{AllAnswers, Reported, SecretState};
use crate::config::settings::Selection;
use crate::error::{Exit, Failure};
use crate::model::aws::{SecretId, ends_like_an_arn};
use crate::model::kind::Kind;
use crate::plan::{Enumerate, SourcePlan};
use crate::store::error::StoreError;
use crate::store::secret_store::{Answer, Found, NotThere, SecretStore};
use crate::text::{count, printable};

/// Whether it is news that a secret is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WhenNotThere {
    /// A listing or an index had named it.
    Vanished,
    /// It was asked for by name: the next source may have it.
    Expected,
}

/// One secret to be read by its id.
pub struct SecretToRead<'a> {
    pub source: &'a SourcePlan,
    pub id: String,
    /// What the account is asked for.
    pub secret: SecretId,
}

impl<'a> SecretToRead<'a> {
    /// By the name that the source gives it.
    pub fn of(source: &'a SourcePlan, id: &str) -> Self {
        Self { source, id: id.to_owned(), secret: source.secret_id(id) }
    }
}

/// What the kwargs name.
pub async fn read_named<S: SecretStore>(
    sources: &[&SourcePlan],
    store: &S,
    selection: &Selection,
) -> Result<AllAnswers, Failure> {
    let mut asked = Vec::new();
    for source in sources {
        if let Enumerate::Ids(ids) = &source.enumerate {
            let ids = ids.iter().filter(|id| selection.takes(source.kind, id) && source.looks_up(id));
            asked.extend(ids.map(|id| SecretToRead::of(source, id)));
        }
    }
    read(store, asked, WhenNotThere::Expected).await
}

/// Reads secrets of one account, of any kind, together.
pub async fn read<S: SecretStore>(
    store: &S,
    asked: Vec<SecretToRead<'_>>,
    when: WhenNotThere,
) -> Result<AllAnswers, Failure> {
    let mut answers = AllAnswers::new();
    if asked.is_empty() {
        return Ok(answers);
    }
    let of_team = asked.iter().filter_map(|SecretToRead { source, id, secret }| {
        let team = source.team_secret_id(id).filter(|_| *secret == source.secret_id(id))?;
        Some((WhenNotThere::Expected, SecretToRead { source, id: id.clone(), secret: team }))
    });
    let of_team: Vec<_> = of_team.collect();
    // The team's secrets come last and replace those without a team.
    let asked: Vec<_> = asked.into_iter().map(|asked| (when, asked)).chain(of_team).collect();
    let ids: Vec<SecretId> = asked.iter().map(|(_, asked)| asked.secret.clone()).collect();
    let mut fatal = Fatal::default();
    for ((when, SecretToRead { source, id, secret }), answer) in asked.into_iter().zip(store.read(&ids).await) {
        if let Some(reported) = fatal.sort(source.kind, &id, &secret, answer, when) {
            let reported = Reported { of_team: source.is_secret_of_team(&id, &secret), ..reported };
            answers.entry((source.kind, source.account)).or_default().add(&id, reported);
        }
    }
    fatal.into_result(answers)
}

/// Tells what is of one secret from what fails the account, and collects the latter.
#[derive(Default)]
pub struct Fatal {
    errors: Vec<StoreError>,
}

impl Fatal {
    /// What an answer says of one secret; `None` when it says something of the account.
    pub fn sort(
        &mut self,
        kind: Kind,
        id: &str,
        secret: &SecretId,
        answer: Answer,
        when: WhenNotThere,
    ) -> Option<Reported> {
        let (state, not_there) = match answer {
            Ok(Found::Value(value)) => (Some(SecretState::Value(value)), None),
            Ok(Found::NotThere(reason)) => {
                report_not_there(kind, id, secret, reason, when);
                (None, Some(reason))
            }
            Err(error) if error.kind().is_of_one_secret() => (Some(SecretState::Unreadable(error)), None),
            Err(error) => {
                self.errors.push(error);
                return None;
            }
        };
        Some(Reported { state, not_there, is_named: when == WhenNotThere::Vanished, ambiguous: false, of_team: false })
    }

    /// The value, unless an answer fails the account.
    pub fn into_result<T>(self, value: T) -> Result<T, Failure> {
        let Some(first) = self.errors.first() else { return Ok(value) };
        let mut lines = vec![first.to_string()];
        if self.errors.len() > 1 {
            lines.push(format!("{} more failed in the same way or a like one", count(self.errors.len() - 1, "secret")));
        }
        Err(Failure::with_lines(first.kind().exit(), lines))
    }
}

pub(super) fn report_not_there(kind: Kind, id: &str, secret: &SecretId, reason: NotThere, when: WhenNotThere) {
    let looks_whole = matches!(secret, SecretId::Arn(arn) if arn.ends_with(id)) && ends_like_an_arn(id);
    let what = format!("{} {}", kind.noun(), printable(id));
    match (reason, when) {
        (NotThere::NoSuchSecret, _) if looks_whole => {
            warn!(
                "{what}: not found by its ARN, but AWS takes a name that ends in a hyphen and six characters for a whole ARN \
                 and never finds it without its suffix, nor does the Python backend; give its full ARN with shared_index, or \
                 read with shared_role_arn"
            );
        }
        (NotThere::Binary, _) => {
            warn!("{what}: the secret is binary; Airflow reads text secrets alone, so it counts as not there");
        }
        (NotThere::MarkedForDeletion, _) => debug!("{what}: marked for deletion, so not there"),
        (NotThere::NoSuchSecret, WhenNotThere::Vanished) => {
            warn!("{what}: named by the listing or index, but there is no such secret, or none with a current value");
        }
        (NotThere::NoSuchSecret, WhenNotThere::Expected) => debug!("{what}: not there"),
    }
}

/// Whether the kind's lookup pattern lets the source be asked for an id.
///
/// # Errors
/// [`Exit::Config`] when the pattern takes too many steps on it.
pub fn pattern_takes(source: &SourcePlan, id: &str) -> Result<bool, Failure> {
    source.pattern_takes(id).map_err(|error| {
        let key = source.kind.pattern_key();
        let line = format!("{key} on {} {}: {error}", source.kind.noun(), printable(id));
        Failure::new(Exit::Config, line)
    })
}
