//! The user's templates, rendered: each sees of each kind what its front matter names, or everything.

use indexmap::IndexMap;
use minijinja::value::Value;
use secrecy::ExposeSecret;

use crate::airflow::versions::AirflowTarget;
use crate::convert::Entries;
use crate::error::Failure;
use crate::model::ask::Ask;
use crate::model::kind::Kind;
use crate::render::template::source::{Template, context_name};
use crate::render::template::values::{LastConnection, Names};
use crate::render::template::{engine, values};

/// Renders one template of the user's, for this Airflow's URIs.
///
/// # Errors
/// [`crate::error::Exit::InvalidData`]: it can't be rendered.
pub fn one(template: &Template, target: AirflowTarget, entries: &Entries) -> Result<String, Failure> {
    let is_seen = |kind: Kind, id: &str| match &template.needs[kind] {
        Ask::Nothing => false,
        Ask::Named(ids) => ids.iter().any(|named| named == id),
        Ask::Everything => true,
    };
    let seen = Kind::ALL.iter().map(|kind| entries.count(*kind)).sum();
    let make = |last: &LastConnection| {
        let connections = entries.connections.iter().filter(|(id, _)| is_seen(Kind::Connection, id));
        let connections = connections
            .map(|(id, connection)| (id.clone(), values::of_connection(id, connection, target, last)))
            .collect();
        let texts = |kind: Kind| -> IndexMap<String, Value> {
            let all = entries.texts(kind).into_iter().flatten().filter(|(id, _)| is_seen(kind, id));
            all.map(|(id, text)| (id.clone(), Value::from(text.expose_secret()))).collect()
        };
        let allowed = template.env.iter().filter_map(|name| entries.env.get_key_value(name));
        let env = allowed.map(|(name, value)| (name.clone(), Value::from(value.expose_secret())));
        let meta = IndexMap::from([("version".to_owned(), Value::from(env!("CARGO_PKG_VERSION")))]);
        let named = [
            (context_name(Kind::Connection), connections),
            (context_name(Kind::Variable), texts(Kind::Variable)),
            (context_name(Kind::Config), texts(Kind::Config)),
            ("env", env.collect()),
            ("meta", meta),
        ];
        named.into_iter().map(|(name, values)| (name.to_owned(), Names::of(values))).collect()
    };
    let why_absent = |kind: Kind, id: &str| entries.absent(kind).find(|(absent, _)| *absent == id).map(|(_, why)| why);
    engine::render(template, seen, make, why_absent)
}
