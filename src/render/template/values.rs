//! What a template sees: connections, variables, config values, allowed environment variables.
//!
//! Nothing here prints a value: `Debug` shows how many names a mapping has.

use std::fmt;
use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectExt, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::errors::problem;
use crate::airflow::get_uri::get_uri;
use crate::airflow::versions::AirflowTarget;
use crate::model::connection::{Connection, Field};
use crate::python::json::{self, Json, dumps, loads};
use crate::python::number::Number;

/// The conn_id of the connection that was asked last.
pub type LastConnection = Arc<Mutex<Option<String>>>;

/// A mapping with the methods of Python's dict, in its order.
pub struct Names {
    entries: IndexMap<String, Value>,
    /// Of a connection: its conn_id, and where it is noted.
    conn_id: Option<(String, LastConnection)>,
}

impl Names {
    pub fn of(entries: IndexMap<String, Value>) -> Value {
        Value::from_object(Self { entries, conn_id: None })
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(mapping of {} names)", self.entries.len())
    }
}

impl Object for Names {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if let Some((conn_id, last)) = &self.conn_id
            && let Ok(mut last) = last.lock()
        {
            last.replace(conn_id.clone());
        }
        self.entries.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_enumerator(|this| Box::new(this.entries.keys().map(|name| Value::from(name.as_str()))))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.entries.len())
    }

    /// The methods that Jinja's users know from Python's dict.
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match (method, args) {
            ("keys", []) => Ok(self.entries.keys().map(|name| Value::from(name.as_str())).collect::<Vec<_>>().into()),
            ("values", []) => Ok(self.entries.values().cloned().collect::<Vec<_>>().into()),
            ("items", []) => {
                let pair =
                    |(name, value): (&String, &Value)| Value::from(vec![Value::from(name.as_str()), value.clone()]);
                Ok(self.entries.iter().map(pair).collect::<Vec<_>>().into())
            }
            ("get", [key]) => Ok(self.get_value(key).unwrap_or(Value::from(()))),
            ("get", [key, default]) => Ok(self.get_value(key).unwrap_or_else(|| default.clone())),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

// ---- connections -----------------------------------------------------------------------------------------------

/// One connection as templates see it; a field that is not there is none. That it is asked is noted in `last`.
pub fn of_connection(conn_id: &str, connection: &Connection, target: AirflowTarget, last: &LastConnection) -> Value {
    let none = || Value::from(());
    let no_extra = Json::Object(json::Object::default());
    let extra = connection.get(Field::Extra);
    // A text that is no JSON has no value as data.
    let parsed = match extra.and_then(Json::as_str) {
        Some(text) => loads(text).ok().map(json::Value::into_owned),
        None => Some(extra.unwrap_or(&no_extra).clone()),
    };
    let mut entries = IndexMap::from([("conn_id".to_owned(), Value::from(conn_id))]);
    entries.extend(Field::ALL.into_iter().map(|field| {
        let value = if field == Field::Extra { parsed.as_ref() } else { connection.get(field) };
        (field.to_string(), value.map_or_else(none, of_json))
    }));
    entries.insert("extra_text".to_owned(), extra.map_or_else(none, |extra| Value::from(&*extra.to_text())));
    entries.insert("uri".to_owned(), Value::from(get_uri(connection, target)));
    Value::from_object(Names { entries, conn_id: Some((conn_id.to_owned(), Arc::clone(last))) })
}

fn of_integer(digits: &str) -> Value {
    match digits.parse::<i64>() {
        Ok(number) => Value::from(number),
        // A port or number of any length; minijinja prints the wide ones as they are.
        Err(_) => digits
            .parse::<i128>()
            .map_or_else(|_| Value::from(problem("the value is an integer of more than 38 digits")), Value::from),
    }
}

fn of_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) if number.is_float() => Value::from(number.as_f64()),
        Json::Number(number) => of_integer(number.token()),
        Json::String(text) => Value::from(&**text),
        Json::Array(items) => items.iter().map(of_json).collect::<Vec<_>>().into(),
        Json::Object(entries) => {
            Names::of(entries.iter().map(|(key, value)| (key.to_string(), of_json(value))).collect())
        }
    }
}

// ---- back to data ----------------------------------------------------------------------------------------------

/// What minijinja makes of one fuel.
const BYTES_OF_FUEL: u64 = 64;
/// What a value costs that becomes data: so much is what holds it.
const FUEL_OF_DATUM: u64 = 4;

/// A template's value as plain data, for the filters that write whole documents.
///
/// # Errors
/// For what is no data: undefined values, functions, bytes.
pub fn to_json(value: &Value, state: &State) -> Result<Json, Error> {
    to_json_indented(value, state, 0)
}

/// As [`to_json`], for what is written with an indent.
pub fn to_json_indented(value: &Value, state: &State, indent: usize) -> Result<Json, Error> {
    to_json_below(value, state, indent, 0)
}

// minijinja charges for the text that comes out of a filter when it is there, and not at all for the data in between. A list that
// holds the same list twice, and so on, is small; what is written of it is not.
fn to_json_below(value: &Value, state: &State, indent: usize, depth: usize) -> Result<Json, Error> {
    const DEEPEST: usize = 500;
    if depth == DEEPEST {
        return Err(problem("the value is nested too deep"));
    }
    // The step that asks for the whole value is paid for.
    let data = if depth > 0 { FUEL_OF_DATUM } else { 0 };
    state.consume_fuel(data + (indent * depth) as u64 / BYTES_OF_FUEL)?;
    let inner = |value: &Value| to_json_below(value, state, indent, depth + 1);
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Ok(Json::Null),
        ValueKind::Bool => Ok(Json::Bool(value.is_true())),
        ValueKind::Number if value.is_integer() => Ok(Json::Number(Number::of_integer(value.to_string()))),
        ValueKind::Number => Ok(Json::Number(Number::of_float(f64::try_from(value.clone())?))),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            pay_for(text, state)?;
            Ok(Json::from(text))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter()?.map(|item| inner(&item)).collect::<Result<_, _>>().map(Json::Array)
        }
        ValueKind::Map => {
            let pair = |key: Value| {
                let name = match key.as_str() {
                    Some(name) => {
                        pay_for(name, state)?;
                        name.to_owned().into()
                    }
                    None if key.is_number() => key.to_string().into(),
                    None => return Err(problem("a key of the mapping is no text")),
                };
                Ok((name, inner(&value.get_item(&key)?)?))
            };
            value.try_iter()?.map(pair).collect::<Result<_, _>>().map(Json::Object)
        }
        // An invalid value tells what is wrong with it when it is used.
        ValueKind::Invalid => Err(value.try_iter().err().unwrap_or_else(|| problem("the value can't be used"))),
        _ => Err(problem("the value is no data that could be written")),
    }
}

/// A quote makes up to six bytes of one, and minijinja charges for what comes out only when it is there: the other five.
fn pay_for(text: &str, state: &State) -> Result<(), Error> {
    state.consume_fuel(text.len() as u64 * 5 / BYTES_OF_FUEL)
}

/// A template's value as text, for the filters that write one.
///
/// # Errors
/// For mappings, lists and none: each has a filter or a test that says what is meant.
pub fn to_text(value: &Value, state: &State) -> Result<String, Error> {
    match to_json(value, state)? {
        Json::String(text) => Ok(text.into_owned()),
        Json::Null => Err(problem("the value is none; give a default(\"...\", true), or ask with `is none`")),
        Json::Array(_) => Err(problem("the value is a list; use join(...), a loop, or a filter such as tojson")),
        Json::Object(_) => Err(problem("the value is a mapping; name a field of it, or use a filter such as tojson")),
        scalar => Ok(dumps(&scalar)),
    }
}
