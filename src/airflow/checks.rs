//! What Airflow does with a connection type and an extra, whatever form the secret had.

use crate::airflow::invalid::{Invalid, Place, Reason};
use crate::airflow::versions::AirflowTarget;
use crate::model::connection::Field;
use crate::python::json::{self as pyjson, Json, JsonErrorKind};
use crate::python::str::PyString;

/// `_normalize_conn_type`.
pub(super) fn normalize_conn_type(conn_type: &PyString) -> PyString {
    if conn_type == "postgresql" {
        return PyString::from("postgres");
    }
    let points = conn_type.code_points();
    PyString::from_code_points(
        points.map(|point| if point == u32::from('-') { u32::from('_') } else { point }).collect(),
    )
}

/// Checks an extra that is text, as `_validate_extra` and `get_uri` do.
pub(super) fn check_extra_text(text: &PyString, target: AirflowTarget) -> Result<(), Invalid> {
    let Some(text) = text.as_str() else {
        return Err(Invalid::field(Field::Extra, Reason::LoneSurrogate));
    };
    match pyjson::loads(text) {
        Ok(value) => check_extra_json(&value, target),
        // Airflow 2 warns only.
        Err(error) => match (error.kind, target) {
            (JsonErrorKind::Syntax(_), AirflowTarget::V2) => Ok(()),
            (JsonErrorKind::Syntax(_), _) => Err(Invalid::field(Field::Extra, Reason::ExtraNotJson)),
            (kind, _) => {
                Err(Invalid { reason: Reason::Json(kind), place: Place::FieldByte(Field::Extra, error.offset) })
            }
        },
    }
}

/// Checks the value of an extra: `get_uri` encodes the keys and strings of its top level. In
/// Airflow 2 it also hands every string, at any depth, to the log masker, which encodes it.
pub(super) fn check_extra_json(value: &Json, target: AirflowTarget) -> Result<(), Invalid> {
    let lone = || Err(Invalid::field(Field::Extra, Reason::LoneSurrogate));
    if target == AirflowTarget::V2 {
        if has_lone_surrogate(value) {
            return lone();
        }
    } else if !matches!(value, Json::Object(_)) {
        return Err(Invalid::field(Field::Extra, Reason::ExtraNotAnObject));
    }
    if let Json::Object(entries) = value
        && entries.iter().any(|(key, value)| {
            key.has_lone_surrogate() || matches!(value, Json::String(text) if text.has_lone_surrogate())
        })
    {
        return lone();
    }
    Ok(())
}

/// Whether a string holds a lone surrogate, keys of objects left aside.
pub(super) fn has_lone_surrogate(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
        Json::String(text) => text.has_lone_surrogate(),
        Json::Array(items) => items.iter().any(has_lone_surrogate),
        Json::Object(entries) => entries.values().any(has_lone_surrogate),
    }
}
