//! From secrets to the connections, variables and config values that are rendered, and the list of what is left out and why.
//!
//! Takes what was fetched and the rules of conversion; judges by policy. What is left out never harms the others.

pub mod left_out;
pub mod placeholders;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::airflow::invalid::Invalid;
use crate::airflow::note::{Note, Reading};
use crate::airflow::secret::{for_variable_alone, read_secret};
use crate::airflow::versions::Rules;
use crate::error::{Exit, Failure};
use crate::fetch::answers::{EmptyAccount, Fetched, IndexSeen, Resolved, SecretState, Skipped, SkippedAccount};
use crate::model::connection::Connection;
use crate::model::kind::{ByKind, Kind};
use crate::model::policy::{Policies, Policy};
use crate::plan::Plan;
use crate::python::json::Json;
use crate::store::secret_store::{NotThere, SecretValue};
use crate::text::nearest;
use crate::text::printable;
use left_out::{LeftOut, Why, gravest, judge};

/// Everything that a run renders.
#[derive(Clone, Default)]
pub struct Entries {
    /// By conn_id, in order.
    pub connections: BTreeMap<String, Connection>,
    /// Connections that only an environment variable can hold, by conn_id: no file does, where one entry harms all.
    pub for_variable_alone: BTreeMap<String, Connection>,
    /// By conn_id: passwords that are there and false in Python, which only an environment variable can hold.
    pub false_passwords: BTreeMap<String, Json>,
    /// By key, in order. A variable is the secret's text as it is (Airflow 2.8.1 providers/amazon/aws/secrets/
    /// secrets_manager.py `get_variable`).
    pub variables: BTreeMap<String, SecretString>,
    /// By key, in order: the secret's text as it is (`get_config`, as above).
    pub configs: BTreeMap<String, SecretString>,
    /// What templates may see of the environment.
    pub env: BTreeMap<String, SecretString>,
    /// How many are taken of each of the kind's sources.
    pub taken: ByKind<Vec<usize>>,
    /// Ids that more than one source has, of each kind.
    pub shadowed: ByKind<usize>,
    /// What is known of every secret that was found, by id, of each kind. No values.
    pub details: ByKind<BTreeMap<String, Detail>>,
    /// What a listing has and the settings leave out, of each kind.
    pub skipped: ByKind<Vec<Skipped>>,
    /// What is not there although it was found or asked for.
    pub left_out: Vec<LeftOut>,
    /// Shared accounts that the run goes on without.
    pub skipped_accounts: Vec<SkippedAccount>,
    /// Accounts that hold nothing of a kind while another holds something.
    pub empty: Vec<EmptyAccount>,
    /// The indices that were read.
    pub indices: Vec<IndexSeen>,
    /// The own account's number, where its listing tells it.
    pub own_account: Option<String>,
    /// How many names each of the kind's sources has, before filters; `None` where it is only asked by name.
    pub names: ByKind<Vec<Option<usize>>>,
    /// By file, as log lines show it: values of before, of ids whose new ones that file can't hold.
    pub kept: BTreeMap<String, Self>,
    /// What the env file has held since an earlier reading, and keeps its variable.
    pub held: BTreeSet<(Kind, String)>,
    /// A listing or an index names it, and there is no value: its kind, id, and the kind's source.
    pub without_value: Vec<(Kind, String, usize, NotThere)>,
}

/// What is known of a secret beside its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Which of the kind's sources it is from.
    pub source: usize,
    /// The sources that have one of this id as well and lost.
    pub shadowed: Vec<usize>,
    /// How long its text is, in bytes, where it could be read.
    pub bytes: Option<usize>,
    /// When its current version was made, where the store knows.
    pub changed: Option<String>,
    /// Whether it is the run's own team's.
    pub of_team: bool,
    /// What is odd about a connection. Not of a secret that is of another kind too: most likely it is meant to be that.
    pub note: Option<Note>,
}

impl Entries {
    /// Converts everything that was fetched.
    pub fn of(fetched: Fetched, plan: &Plan, rules: &Rules, env: BTreeMap<String, SecretString>) -> Self {
        let mut entries = Self {
            env,
            skipped_accounts: fetched.skipped_accounts,
            empty: fetched.empty,
            indices: fetched.indices,
            own_account: fetched.own_account,
            ..Self::default()
        };
        for (kind, resolved) in fetched.kinds {
            entries.take(kind, resolved, plan, rules);
        }
        entries
    }

    fn take(&mut self, kind: Kind, resolved: Resolved, plan: &Plan, rules: &Rules) {
        let Some(want) = plan.want_of(kind) else { return };
        let near: Vec<Option<String>> = {
            let known = resolved.entries.keys().chain(resolved.skipped.iter().map(|skipped| &skipped.id));
            let known: Vec<&str> = known.map(String::as_str).collect();
            resolved.missing.iter().map(|id| nearest(id, &known).map(str::to_owned)).collect()
        };
        self.names[kind] = resolved.names;
        let without_value = resolved.without_value.into_iter().map(|(id, source, reason)| (kind, id, source, reason));
        self.without_value.extend(without_value);
        self.taken[kind] = vec![0; want.sources.len()];
        let mut asked = resolved.asked;
        let mut skipped = resolved.skipped;
        // What is asked for by name is there all the same.
        skipped.retain(|skipped| !resolved.entries.contains_key(&skipped.id));
        self.skipped[kind] = skipped;
        for (id, entry) in resolved.entries {
            self.shadowed[kind] += usize::from(!entry.shadowed.is_empty());
            let value = if let SecretState::Value(value) = &entry.state { Some(value) } else { None };
            let mut detail = Detail {
                source: entry.source,
                shadowed: entry.shadowed,
                bytes: value.map(|value| value.text.expose_secret().len()),
                changed: value.and_then(|value| value.changed.clone()),
                of_team: entry.of_team,
                note: None,
            };
            let taken = match entry.state {
                SecretState::Unreadable(error) => Err(Why::Unreadable(error)),
                SecretState::Refused(reason) => Err(Why::Refused(reason)),
                SecretState::Value(value) => match self.take_value(kind, &id, value, rules) {
                    Ok(note) => {
                        detail.note = note.filter(|_| !entry.ambiguous);
                        Ok(())
                    }
                    Err(invalid) if entry.ambiguous => Err(Why::InvalidAndOfOtherKind(invalid)),
                    Err(invalid) => Err(Why::Invalid(invalid)),
                },
            };
            self.details[kind].insert(id.clone(), detail);
            match taken {
                Ok(()) => self.taken[kind].get_mut(entry.source).into_iter().for_each(|count| *count += 1),
                Err(why) => {
                    let source = want.sources.get(entry.source).map(|source| source.source.clone());
                    let required = want.required.contains(&id);
                    let asked = asked.remove(&id);
                    self.left_out.push(LeftOut { kind, id, source, why, required, near: None, asked });
                }
            }
        }
        let missing = resolved.missing.into_iter().zip(near).map(|(id, near)| (id, Why::Missing, near));
        let exit = self
            .skipped_accounts
            .iter()
            .find_map(|account| account.failure.as_ref())
            .map_or(Exit::Unavailable, Failure::exit);
        let unknown = resolved.unknown.into_iter().map(|id| (id, Why::Unknown(exit), None));
        self.left_out.extend(missing.chain(unknown).map(|(id, why, near)| {
            let required = want.required.contains(&id);
            let asked = asked.remove(&id);
            LeftOut { kind, id, source: None, why, required, near, asked }
        }));
    }

    fn take_value(&mut self, kind: Kind, id: &str, value: SecretValue, rules: &Rules) -> Result<Option<Note>, Invalid> {
        let SecretValue { text, reading, .. } = value;
        match kind {
            Kind::Connection => {
                let text = text.expose_secret();
                let read = reading.and_then(Arc::into_inner).unwrap_or_else(|| read_secret(text, rules));
                let alone = read.as_ref().err().and_then(|invalid| for_variable_alone(text, *invalid, rules));
                if let Some(reading) = alone {
                    self.for_variable_alone.insert(id.to_owned(), reading.connection);
                    self.false_passwords.extend(reading.false_password.map(|password| (id.to_owned(), password)));
                }
                let Reading { connection, false_password, note } = read?;
                self.false_passwords.extend(false_password.map(|password| (id.to_owned(), password)));
                self.connections.insert(id.to_owned(), connection);
                return Ok(note);
            }
            Kind::Variable => drop(self.variables.insert(id.to_owned(), text)),
            Kind::Config => drop(self.configs.insert(id.to_owned(), text)),
        }
        Ok(None)
    }

    /// Why an id of this kind is not there, in a clause, for each that was found or asked for and is not. No values.
    pub fn absent(&self, kind: Kind) -> impl Iterator<Item = (&str, String)> {
        let left_out = self.left_out.iter().filter(move |left| left.kind == kind);
        let skipped = self.skipped[kind]
            .iter()
            .map(move |skipped| (skipped.id.as_str(), format!("{} excludes it", skipped.by.settings(kind))));
        skipped.chain(left_out.map(|left| (left.id.as_str(), left.clause())))
    }

    /// Variables or config values: texts by key.
    pub const fn texts(&self, kind: Kind) -> Option<&BTreeMap<String, SecretString>> {
        match kind {
            Kind::Connection => None,
            Kind::Variable => Some(&self.variables),
            Kind::Config => Some(&self.configs),
        }
    }

    /// The ids that have a value, in order.
    pub fn ids(&self, kind: Kind) -> Vec<&str> {
        match self.texts(kind) {
            None => self.connections.keys().map(String::as_str).collect(),
            Some(texts) => texts.keys().map(String::as_str).collect(),
        }
    }

    /// Whether an id has a value.
    pub fn has(&self, kind: Kind, id: &str) -> bool {
        self.texts(kind).map_or_else(|| self.connections.contains_key(id), |texts| texts.contains_key(id))
    }

    /// Whether an id has a value, if only for an environment variable.
    pub fn is_there(&self, kind: Kind, id: &str) -> bool {
        self.has(kind, id) || (kind == Kind::Connection && self.for_variable_alone.contains_key(id))
    }

    /// Where this file's value of an id is: here, or among those of before.
    pub fn of_file(&self, file: &str, kind: Kind, id: &str) -> &Self {
        self.kept.get(file).filter(|kept| kept.is_there(kind, id)).unwrap_or(self)
    }

    /// Which of the kind's sources an id is from.
    pub fn source_of(&self, kind: Kind, id: &str) -> usize {
        self.details[kind].get(id).map_or(0, |detail| detail.source)
    }

    /// The same, and whether it is the run's own team's.
    pub fn origin_of(&self, kind: Kind, id: &str) -> (usize, bool) {
        (self.source_of(kind, id), self.details[kind].get(id).is_some_and(|detail| detail.of_team))
    }

    /// Removes the value of an id, and what is known of it.
    pub fn remove(&mut self, kind: Kind, id: &str) {
        self.details[kind].remove(id);
        match kind {
            Kind::Connection => {
                self.connections.remove(id);
                self.for_variable_alone.remove(id);
                self.false_passwords.remove(id);
            }
            Kind::Variable => drop(self.variables.remove(id)),
            Kind::Config => drop(self.configs.remove(id)),
        }
    }

    /// Takes the value of an id, and what is known of it, from other entries that have it.
    pub fn copy(&mut self, kind: Kind, id: &str, from: &Self) {
        fn one<T: Clone>(to: &mut BTreeMap<String, T>, id: &str, from: &BTreeMap<String, T>) {
            to.extend(from.get(id).map(|value| (id.to_owned(), value.clone())));
        }
        one(&mut self.details[kind], id, &from.details[kind]);
        match kind {
            Kind::Connection => {
                one(&mut self.connections, id, &from.connections);
                one(&mut self.for_variable_alone, id, &from.for_variable_alone);
                one(&mut self.false_passwords, id, &from.false_passwords);
            }
            Kind::Variable => one(&mut self.variables, id, &from.variables),
            Kind::Config => one(&mut self.configs, id, &from.configs),
        }
    }

    /// Counts anew where they are taken from.
    pub fn count_by_source(&mut self) {
        for kind in Kind::ALL {
            let mut taken = vec![0; self.taken[kind].len()];
            for id in self.ids(kind) {
                taken.get_mut(self.source_of(kind, id)).into_iter().for_each(|count| *count += 1);
            }
            self.taken[kind] = taken;
        }
    }

    /// How many there are of a kind.
    pub fn count(&self, kind: Kind) -> usize {
        self.texts(kind).map_or(self.connections.len(), BTreeMap::len)
    }

    /// Applies the policies.
    ///
    /// # Errors
    /// When a policy says error: every id that it says it about, and the exit code of the gravest.
    pub fn judge(&self, policies: &Policies, plan: &Plan) -> Result<(), Failure> {
        judge(&self.left_out, policies)?;
        if policies.empty_account == Policy::Error && !self.empty.is_empty() {
            return Err(Failure::with_lines(Exit::NotFound, self.empty.iter().map(ToString::to_string).collect()));
        }
        // A template may want nothing at all.
        let nothing_at_all = !plan.wants.is_empty() && Kind::ALL.iter().all(|kind| self.count(*kind) == 0);
        if nothing_at_all && policies.empty == Policy::Error {
            let all = &self.left_out;
            let exit = gravest(all).unwrap_or(Exit::NotFound);
            // The cause comes first.
            let mut lines: Vec<String> = all.iter().map(ToString::to_string).collect();
            let none_left_out = |kind| !all.iter().any(|left| left.kind == kind);
            lines.extend(plan.wants.iter().map(|want| nothing_found(want.kind, plan, none_left_out(want.kind))));
            return Err(Failure::with_lines(exit, lines));
        }
        if policies.empty != Policy::Ignore {
            for want in plan.wants.iter().filter(|want| self.count(want.kind) == 0) {
                let none_left_out = !self.left_out.iter().any(|left| left.kind == want.kind);
                tracing::warn!("{}", nothing_found(want.kind, plan, none_left_out));
            }
        }
        Ok(())
    }
}

fn nothing_found(kind: Kind, plan: &Plan, nothing_at_all: bool) -> String {
    let thing = kind.thing();
    let sources = plan.want_of(kind).map_or(&[][..], |want| &want.sources);
    if sources.is_empty() {
        return format!(
            "{} is null, which switches {thing}s off, in the Python backend as well: nothing to write",
            kind.prefix_key()
        );
    }
    let places: Vec<String> =
        sources.iter().map(|source| format!("{} under \"{}\"", source.source, printable(source.prefix()))).collect();
    let places = places.join(", ");
    if nothing_at_all {
        format!(
            "no {thing} was found in {places}; check the prefixes, the region and the filters, or allow an empty file with \
             SECRETS_INIT_ON_EMPTY=warn"
        )
    } else {
        format!(
            "no {thing} is left that could be written of {places}; correct what is left out, or allow an empty file with \
             SECRETS_INIT_ON_EMPTY=warn"
        )
    }
}

/// The conversion rules of a run.
pub fn rules(kwargs: &crate::config::kwargs::BackendKwargs, target: crate::airflow::versions::AirflowTarget) -> Rules {
    Rules { target, extra_conn_words: kwargs.extra_conn_words.clone(), urlencoded: kwargs.urlencoded }
}

/// So many bytes of text at most are read before the rest is there: a connection takes more memory than its text, and a large run needs
/// its memory for texts.
const READ_AHEAD: usize = 1 << 20;

/// What reads the values of connections while others are waited for, so that less is left to do once all are there.
pub fn reads_ahead(rules: &Rules) -> impl Fn(&mut SecretValue) {
    let left = Cell::new(READ_AHEAD);
    move |value| {
        let text = value.text.expose_secret();
        let Some(then) = left.get().checked_sub(text.len()) else { return };
        left.set(then);
        value.reading = Some(Arc::new(read_secret(text, rules)));
    }
}

#[cfg(test)]
mod tests;
