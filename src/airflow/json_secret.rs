//! A secret that is a JSON object, turned into the fields of a connection.
//!
//! Rules: Amazon provider 8.13.0 `secrets_manager.py` `_standardize_secret_keys` and
//! `_remove_escaping_in_secret_dict`, then Airflow 2.8.1 `airflow/models/connection.py`
//! `from_json` and the setters of `Connection`.

use crate::airflow::checks::{check_extra, normalize_conn_type};
use crate::airflow::invalid::{Invalid, InvalidPlace, Reason};
use crate::airflow::note::{Note, Reading};
use crate::airflow::versions::Rules;
use crate::model::connection::{Connection, Field, SecretForm};
use crate::python::json::{Json, Object, Value, loads};
use crate::python::number::{Number, py_int, py_int_of_float_token};
use crate::python::str::unquote;

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
pub(super) fn parse(text: &str, rules: &Rules) -> Result<Reading, Invalid> {
    let document = loads(text)
        .map_err(|error| Invalid { reason: Reason::Json(error.kind), place: InvalidPlace::Byte(error.offset) })?;
    let Value::Object(mut entries) = document else {
        let reason = Reason::Kind { found: document.kind(), needed: "an object" };
        return Err(Invalid { reason, place: InvalidPlace::Secret });
    };
    let mut used = Vec::new();
    let (mut fields, mut extra_note, mut false_password) = (Vec::new(), None, None);
    for field in Field::ALL {
        let found = first_key(&entries, field, rules);
        used.extend(found);
        let value = found.and_then(|place| entries.value_mut(place)).map_or(Value::Null, |value| {
            // A word of the settings may stand for several fields.
            if rules.extra_conn_words.is_empty() { std::mem::replace(value, Value::Null) } else { value.clone() }
        });
        let value = if rules.urlencoded { unescaped(field, value)? } else { value };
        if field == Field::Extra && value.is_truthy() {
            extra_note = check_extra(&value, rules.target)?;
        }
        if field == Field::Password && value != Value::Null && !value.is_truthy() {
            false_password = Some(value.clone().into_owned());
        }
        fields.push((field, converted(field, value)?));
    }
    let note = if used.is_empty() {
        Some(Note::NoKnownKey)
    } else if !fields.iter().any(|(_, value)| value.as_ref().is_some_and(Json::is_truthy)) {
        Some(Note::NoValue)
    } else if extra_note.is_some() {
        extra_note
    } else {
        let unused = entries.keys().enumerate().filter(|(place, _)| !used.contains(place));
        let unused = unused.map(|(_, key)| &**key);
        Note::of_unused(unused, entries.len())
    };
    Ok(Reading { connection: Connection::new(SecretForm::Json, fields), false_password, note })
}

/// Where the first key of the document is that stands for a field: it counts, even if its value is null.
fn first_key(entries: &Object<'_>, field: Field, rules: &Rules) -> Option<usize> {
    let more = rules.extra_conn_words.get(&field).map_or(&[][..], Vec::as_slice);
    entries.keys().position(|key| keys(field).contains(&&**key) || more.iter().any(|other| other == key))
}

/// `_remove_escaping_in_secret_dict`: `unquote` raises on anything but text.
fn unescaped(field: Field, value: Value<'_>) -> Result<Value<'_>, Invalid> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::Object(_) if field == Field::Extra => Ok(value),
        Value::String(text) => Ok(Value::String(unquote(&text).into_owned().into())),
        other => Err(kind(field, &other, "a string, because are_secret_values_urlencoded is on")),
    }
}

fn kind(field: Field, value: &Value<'_>, needed: &'static str) -> Invalid {
    Invalid::field(field, Reason::Kind { found: value.kind(), needed })
}

/// What `Connection` makes of a value, and `get_uri` takes; `None` where the field is not there.
fn converted(field: Field, value: Value<'_>) -> Result<Option<Json>, Invalid> {
    match field {
        _ if value == Value::Null => Ok(None),
        // get_uri looks at true values only, so a false one is found as it is.
        Field::Host | Field::Schema if !value.is_truthy() => Ok(Some(value.into_owned())),
        // from_json and the setters drop false values.
        Field::ConnType | Field::Password | Field::Port | Field::Extra if !value.is_truthy() => Ok(None),
        Field::Port => port(&value).map(Some),
        Field::Extra => Ok(Some(value.into_owned())),
        _ => match value {
            Value::String(text) if field == Field::ConnType => Ok(Some(normalize_conn_type(&text))),
            Value::String(_) => Ok(Some(value.into_owned())),
            // get_uri encodes every login but null, false ones too.
            other => Err(kind(field, &other, "a string")),
        },
    }
}

/// `int(port)` without a check of its range.
fn port(value: &Value<'_>) -> Result<Json, Invalid> {
    let port = match value {
        Value::Bool(_) => Ok("1".to_owned()),
        Value::String(text) => py_int(text),
        Value::Number(number) if number.is_float() => py_int_of_float_token(number.token()),
        Value::Number(number) => Ok(number.token().to_owned()),
        value => return Err(kind(Field::Port, value, "an integer")),
    };
    port.map(|port| Json::Number(Number::of_integer(port)))
        .map_err(|error| Invalid::field(Field::Port, Reason::Port(error)))
}
