//! What Airflow does with a connection type and an extra, whatever form the secret had.

use crate::airflow::invalid::{Invalid, InvalidPlace, Reason};
use crate::airflow::note::Note;
use crate::airflow::versions::AirflowTarget;
use crate::model::connection::Field;
use crate::python::json::{Json, JsonErrorKind, Value, loads};

/// `_normalize_conn_type`.
pub(super) fn normalize_conn_type(conn_type: &str) -> Json {
    Json::String(if conn_type == "postgresql" { "postgres".into() } else { conn_type.replace('-', "_").into() })
}

/// Checks an extra that is not empty: Airflow 3 needs the text of a JSON object or an object. Airflow 2 takes any other, and reads no
/// extras from it: a note.
pub(super) fn check_extra(extra: &Value<'_>, target: AirflowTarget) -> Result<Option<Note>, Invalid> {
    let needs_object = target != AirflowTarget::V2;
    let invalid = |reason| Err(Invalid::field(Field::Extra, reason));
    let parsed = extra.as_str().map(loads).transpose();
    match parsed.as_ref().map(|parsed| parsed.as_ref().unwrap_or(extra)) {
        Ok(Value::Object(_)) => Ok(None),
        Ok(_) if needs_object => invalid(Reason::ExtraNotAnObject),
        Err(error) => match error.kind {
            kind @ JsonErrorKind::Syntax(_) if needs_object => {
                let place = InvalidPlace::FieldByte(Field::Extra, error.offset);
                Err(Invalid { reason: Reason::ExtraNotJson(kind), place })
            }
            JsonErrorKind::Syntax(_) => Ok(Some(Note::ExtraNotJson)),
            kind => {
                Err(Invalid { reason: Reason::Json(kind), place: InvalidPlace::FieldByte(Field::Extra, error.offset) })
            }
        },
        Ok(_) => Ok(Some(Note::ExtraNotAnObject)),
    }
}
