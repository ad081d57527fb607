//! A secret that is a JSON object, turned into the fields of a connection.
//!
//! Rules: Amazon provider 8.13.0 `secrets_manager.py` `_standardize_secret_keys` and
//! `_remove_escaping_in_secret_dict`, then Airflow 2.8.1 `airflow/models/connection.py`
//! `from_json`, the setters of `Connection` and what `get_uri` cannot write.

use indexmap::IndexMap;

use crate::airflow::checks::{check_extra_json, check_extra_text, normalize_conn_type};
use crate::airflow::invalid::{Invalid, Place, Reason};
use crate::airflow::versions::{AirflowTarget, Rules};
use crate::model::connection::{Connection, Extra, Field, Form, Scalar};
use crate::python::json::{self as pyjson, Json};
use crate::python::str::{self as pystr, IntError, PyString};

/// The keys that stand for a field.
fn keys(field: Field) -> &'static [&'static str] {
    match field {
        Field::Login => &["login", "user", "username", "user_name"],
        Field::Password => &["password", "pass", "key"],
        Field::Host => &["host", "remote_host", "server"],
        Field::Port => &["port"],
        Field::Schema => &["database", "schema"],
        // A key `conn_id` does set the connection type.
        Field::ConnType => &["conn_type", "conn_id", "connection_type", "engine"],
        Field::Extra => &["extra"],
    }
}

/// Parses `text`, which is not blank and starts with `{` after white space.
pub(super) fn parse(text: &str, rules: &Rules) -> Result<Connection, Invalid> {
    let document = pyjson::loads(text)
        .map_err(|error| Invalid { reason: Reason::Json(error.kind), place: Place::Byte(error.offset) })?;
    let Json::Object(entries) = document else {
        let reason = Reason::Kind { found: document.kind(), needed: "an object" };
        return Err(Invalid { reason, place: Place::Secret });
    };
    let value = |field| standardized(&entries, field, rules);
    let conn_type = conn_type(&value(Field::ConnType)?)?;
    Ok(Connection {
        form: Form::Json,
        host: host(value(Field::Host)?, conn_type.as_ref(), rules.target)?,
        login: login(value(Field::Login)?)?,
        password: password(value(Field::Password)?)?,
        schema: schema(value(Field::Schema)?)?,
        port: port(&value(Field::Port)?)?,
        extra: extra(value(Field::Extra)?, rules)?,
        conn_type,
    })
}

/// The value of a field: the first key of the document that stands for it counts, even if its
/// value is null.
fn standardized(entries: &IndexMap<PyString, Json>, field: Field, rules: &Rules) -> Result<Json, Invalid> {
    let more = rules.extra_conn_words.get(&field).map_or(&[][..], Vec::as_slice);
    let found = entries.iter().find(|(key, _)| {
        key.as_str().is_some_and(|key| keys(field).contains(&key) || more.iter().any(|word| word == key))
    });
    let value = found.map_or(Json::Null, |(_, value)| value.clone());
    if rules.urlencoded { unescaped(field, value) } else { Ok(value) }
}

/// `_remove_escaping_in_secret_dict`: `unquote` raises on anything but text.
fn unescaped(field: Field, value: Json) -> Result<Json, Invalid> {
    match value {
        Json::Null => Ok(Json::Null),
        Json::Object(_) if field == Field::Extra => Ok(value),
        Json::String(text) => Ok(Json::String(pystr::unquote_py(&text))),
        other => Err(kind(field, &other, "a string, because are_secret_values_urlencoded is on")),
    }
}

fn kind(field: Field, value: &Json, needed: &'static str) -> Invalid {
    Invalid::field(field, Reason::Kind { found: value.kind(), needed })
}

/// Text that Airflow encodes as UTF-8.
fn encodable(field: Field, text: PyString) -> Result<PyString, Invalid> {
    if text.has_lone_surrogate() {
        return Err(Invalid::field(field, Reason::LoneSurrogate));
    }
    Ok(text)
}

/// A false value is dropped; a lone surrogate stays, because nothing encodes the type.
fn conn_type(value: &Json) -> Result<Option<PyString>, Invalid> {
    match value {
        Json::String(text) if !text.is_empty() => Ok(Some(normalize_conn_type(text))),
        value if !value.is_truthy() => Ok(None),
        value => Err(kind(Field::ConnType, value, "a string")),
    }
}

/// `get_uri` looks at true values only, so a false one is found as it is.
fn scalar(field: Field, value: Json) -> Result<Option<Scalar>, Invalid> {
    match value {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(Scalar::Text(text))),
        value if !value.is_truthy() => Ok(Some(Scalar::Falsy(value))),
        value => Err(kind(field, &value, "a string")),
    }
}

fn schema(value: Json) -> Result<Option<Scalar>, Invalid> {
    match scalar(Field::Schema, value)? {
        Some(Scalar::Text(text)) => Ok(Some(Scalar::Text(encodable(Field::Schema, text)?))),
        schema => Ok(schema),
    }
}

/// `get_uri` does not encode the protocol of a host, except in Airflow 3 when it is the type.
fn host(value: Json, conn_type: Option<&PyString>, target: AirflowTarget) -> Result<Option<Scalar>, Invalid> {
    let host = scalar(Field::Host, value)?;
    if let Some(Scalar::Text(text)) = &host
        && text.has_lone_surrogate()
    {
        let points: Vec<u32> = text.code_points().collect();
        let separator = [':', '/', '/'].map(u32::from);
        let at = points.windows(3).position(|window| window == separator);
        let (protocol, encoded) = at.and_then(|at| points.split_at_checked(at)).unwrap_or_default();
        let is_type = conn_type.is_some_and(|conn_type| conn_type.code_points().eq(protocol.iter().copied()));
        let encoded = PyString::from_code_points(encoded.to_vec());
        if at.is_none() || encoded.has_lone_surrogate() || (is_type && target != AirflowTarget::V2) {
            return Err(Invalid::field(Field::Host, Reason::LoneSurrogate));
        }
    }
    Ok(host)
}

/// `get_uri` encodes every login but null.
fn login(value: Json) -> Result<Option<PyString>, Invalid> {
    match value {
        Json::Null => Ok(None),
        Json::String(text) => encodable(Field::Login, text).map(Some),
        value => Err(kind(Field::Login, &value, "a string")),
    }
}

/// `set_password` ignores false values and encrypts the others.
fn password(value: Json) -> Result<Option<PyString>, Invalid> {
    match value {
        value if !value.is_truthy() => Ok(None),
        Json::String(text) => encodable(Field::Password, text).map(Some),
        value => Err(kind(Field::Password, &value, "a string")),
    }
}

/// `int(port)` without a check of its range; a false value is dropped before that.
fn port(value: &Json) -> Result<Option<String>, Invalid> {
    if !value.is_truthy() {
        return Ok(None);
    }
    let port: Result<String, IntError> = match value {
        Json::Bool(_) => Ok("1".to_owned()),
        Json::String(text) => pystr::py_int(text),
        Json::Number(number) if number.is_float() => pystr::py_int_of_float_token(number.token()),
        Json::Number(number) => Ok(number.token().to_owned()),
        value => return Err(kind(Field::Port, value, "an integer")),
    };
    port.map(Some).map_err(|error| Invalid::field(Field::Port, Reason::Port(error)))
}

fn extra(value: Json, rules: &Rules) -> Result<Option<Extra>, Invalid> {
    if !value.is_truthy() {
        return Ok(None);
    }
    if let Json::String(text) = value {
        check_extra_text(&text, rules.target)?;
        return Ok(Some(Extra::Text(text)));
    }
    check_extra_json(&value, rules.target)?;
    Ok(Some(Extra::Json(value)))
}
