//! From secrets to the set of connections that is rendered, and the list of what is left out and why.
//!
//! Takes what was fetched and the rules of conversion; judges by policy. A left-out connection never harms the others.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use crate::connection::{AirflowTarget, Connection, Invalid, Rules, from_secret};
use crate::exit::{Exit, Failure};
use crate::fetch::{Fetched, State};
use crate::plan::{Plan, Source};
use crate::render;
use crate::settings::{Format, Policies, Policy};
use crate::store::StoreError;
use crate::text::printable;

/// The connections of one run.
pub struct Connections {
    /// By conn_id, in order.
    pub set: BTreeMap<String, Connection>,
    /// Which of the plan's sources each came from: how many of each.
    pub by_source: Vec<usize>,
    /// conn_ids that more than one source has.
    pub shadowed: usize,
    /// What is not in the set although it was found or asked for.
    pub left_out: Vec<LeftOut>,
}

/// One conn_id that is not in the file.
pub struct LeftOut {
    /// Which.
    pub conn_id: String,
    /// Whose secret it was; `None` when nobody has it.
    pub source: Option<Source>,
    /// Why.
    pub why: Why,
    /// `SECRETS_INIT_REQUIRED` names it: it must end up in the file.
    pub required: bool,
}

/// Why a conn_id is not in the file.
pub enum Why {
    /// The secret's text is no connection that Airflow could use.
    Invalid(Invalid),
    /// The connection is right, but this format can't carry it.
    NotForFormat(&'static str),
    /// An index names it in a way that can't be trusted.
    Refused(&'static str),
    /// The secret can't be read.
    Unreadable(StoreError),
    /// It was asked for by name and no source has it.
    Missing,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "conn_id {}", printable(&self.conn_id))?;
        if let Some(source) = &self.source {
            write!(f, " ({source})")?;
        }
        match &self.why {
            Why::Invalid(invalid) => write!(f, " is invalid: {invalid}"),
            Why::Refused(reason) => write!(f, " is not asked for: {reason}; correct the index"),
            Why::NotForFormat(reason) => write!(f, " does not fit the file's format: {reason}"),
            Why::Unreadable(error) => write!(f, " can't be read: {error}"),
            Why::Missing => f.write_str(
                " is missing: no source has it; check the name and the prefix, or take it out of the list that asks for it",
            ),
        }
    }
}

impl LeftOut {
    /// The policy that decides about this one. What is required must end up in the file, whatever the policies say.
    #[must_use]
    pub const fn policy(&self, policies: &Policies) -> Policy {
        match self.why {
            _ if self.required => Policy::Error,
            Why::Invalid(_) | Why::NotForFormat(_) | Why::Refused(_) => policies.invalid,
            Why::Unreadable(_) => policies.denied,
            Why::Missing => policies.missing,
        }
    }

    const fn exit(&self) -> Exit {
        match self.why {
            Why::Invalid(_) | Why::NotForFormat(_) | Why::Refused(_) => Exit::InvalidData,
            Why::Unreadable(_) => Exit::Denied,
            Why::Missing => Exit::NotFound,
        }
    }
}

impl Connections {
    /// Converts everything that was fetched.
    #[must_use]
    pub fn of(fetched: Fetched, plan: &Plan, rules: &Rules, format: Format) -> Self {
        let mut connections =
            Self { set: BTreeMap::new(), by_source: vec![0; plan.sources.len()], shadowed: 0, left_out: Vec::new() };
        for (conn_id, entry) in fetched.entries {
            connections.shadowed += usize::from(!entry.shadowed.is_empty());
            let converted = match entry.state {
                State::Unreadable(error) => Err(Why::Unreadable(error)),
                State::Refused(reason) => Err(Why::Refused(reason)),
                State::Value(text) => convert(&conn_id, text.expose_secret(), rules, format),
            };
            match converted {
                Ok(connection) => {
                    if let Some(count) = connections.by_source.get_mut(entry.source) {
                        *count += 1;
                    }
                    connections.set.insert(conn_id, connection);
                }
                Err(why) => {
                    let source = plan.sources.get(entry.source).map(|source| source.source.clone());
                    let required = plan.required.contains(&conn_id);
                    connections.left_out.push(LeftOut { conn_id, source, why, required });
                }
            }
        }
        let missing = fetched.missing.into_iter();
        connections.left_out.extend(missing.map(|conn_id| {
            let required = plan.required.contains(&conn_id);
            LeftOut { conn_id, source: None, why: Why::Missing, required }
        }));
        connections
    }

    /// How many were left out for a reason.
    #[must_use]
    pub fn count(&self, is: impl Fn(&Why) -> bool) -> usize {
        self.left_out.iter().filter(|left| is(&left.why)).count()
    }

    /// Applies the policies.
    ///
    /// # Errors
    /// When a policy says error: every conn_id that it says it about, and the exit code of the gravest.
    pub fn judge(&self, policies: &Policies, plan: &Plan) -> Result<(), Failure> {
        let wrong: Vec<&LeftOut> = self.left_out.iter().filter(|left| left.policy(policies) == Policy::Error).collect();
        let gravest = |all: &[&LeftOut]| {
            let order = [Exit::Denied, Exit::InvalidData, Exit::NotFound];
            order.into_iter().find(|exit| all.iter().any(|left| left.exit() == *exit))
        };
        if let Some(exit) = gravest(&wrong) {
            return Err(Failure::with_lines(exit, wrong.iter().map(ToString::to_string).collect()));
        }
        if self.set.is_empty() && policies.empty == Policy::Warn {
            tracing::warn!("{}", nothing_found(plan, self.left_out.is_empty()));
        }
        if self.set.is_empty() && policies.empty == Policy::Error {
            let all: Vec<&LeftOut> = self.left_out.iter().collect();
            let exit = gravest(&all).unwrap_or(Exit::NotFound);
            let mut lines = vec![nothing_found(plan, all.is_empty())];
            lines.extend(all.iter().map(ToString::to_string));
            return Err(Failure::with_lines(exit, lines));
        }
        Ok(())
    }
}

fn nothing_found(plan: &Plan, nothing_at_all: bool) -> String {
    if plan.sources.is_empty() {
        return "connections_prefix is null, which switches connections off, in the Python backend as well: nothing to write"
            .to_owned();
    }
    let places: Vec<String> = plan
        .sources
        .iter()
        .map(|source| format!("{} under \"{}\"", source.source, printable(source.prefix())))
        .collect();
    let what = if nothing_at_all { "no connection was found" } else { "no connection is left that could be written" };
    format!(
        "{what} in {}; check the prefixes, the region and the filters, or allow an empty file with SECRETS_INIT_ON_EMPTY=warn",
        places.join(", ")
    )
}

fn convert(conn_id: &str, text: &str, rules: &Rules, format: Format) -> Result<Connection, Why> {
    let connection = from_secret(text, rules).map_err(Why::Invalid)?;
    match render::cannot_carry(format, conn_id, &connection) {
        None => Ok(connection),
        Some(reason) => Err(Why::NotForFormat(reason)),
    }
}

/// The conversion rules of a run.
#[must_use]
pub fn rules(kwargs: &crate::backend_kwargs::BackendKwargs, target: AirflowTarget) -> Rules {
    Rules { target, extra_conn_words: kwargs.extra_conn_words.clone(), urlencoded: kwargs.urlencoded }
}
