//! What a template sees: connections, variables, config values, allowed environment variables.
//!
//! Every mapping remembers what was asked of it and was not there, so that an error can name it. Nothing here prints a
//! value: `Debug` shows names of places alone.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectExt, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::errors::problem;
use crate::airflow::get_uri::get_uri;
use crate::airflow::versions::AirflowTarget;
use crate::model::connection::{Connection, Field};
use crate::python::json::{Json, dumps, loads};
use crate::python::number::Number;
use crate::text::nearest;

/// A name that was asked for and was not there.
#[derive(Clone)]
pub struct Miss {
    /// Of what: `connections.my_db`; empty at the top.
    pub of: String,
    /// The name. It may come from a secret: only show it where the template itself spells it out.
    pub name: String,
    /// What was asked. Weak: the mapping holds the list of what was missed.
    among: Weak<Names>,
}

impl Miss {
    /// Why it is not there, where that is known: a clause without values.
    pub fn why(&self) -> Option<String> {
        self.among.upgrade()?.absent.get(&self.name).cloned()
    }

    /// The nearest name that is there, if any is near. Looked for only when it is reported: a loop may miss thousands.
    pub fn nearest(&self) -> Option<String> {
        let names = self.among.upgrade()?;
        let known: Vec<&str> = names.entries.keys().map(String::as_str).collect();
        nearest(&self.name, &known).map(|near| names.path_of(near))
    }
}

/// The names that were missed, the last one last.
#[derive(Default)]
pub struct Misses {
    all: Mutex<Vec<Miss>>,
    /// The conn_id of the connection that was asked last.
    connection: Mutex<Option<Arc<str>>>,
}

impl Misses {
    /// Enough for any one expression.
    const KEPT: usize = 16;

    fn note(&self, miss: Miss) {
        // A poisoned lock would mean that a thread has panicked; there is one thread.
        let Ok(mut all) = self.all.lock() else { return };
        all.retain(|known| known.of != miss.of || known.name != miss.name);
        if all.len() == Self::KEPT {
            all.remove(0);
        }
        all.push(miss);
    }

    /// The connection that was asked last: where a tag says `c.host`, in a loop, this is the one.
    pub fn last_connection(&self) -> Option<Arc<str>> {
        self.connection.lock().ok()?.clone()
    }

    /// The one that comes first by what is given for it. The order in which names are missed says nothing: a macro asks for
    /// every name in it before it is called, in no order.
    pub fn first_by(&self, key: impl Fn(&Miss) -> Option<usize>) -> Option<Miss> {
        let all = self.all.lock().ok()?;
        let keyed = all.iter().filter_map(|miss| Some((key(miss)?, miss)));
        keyed.min_by_key(|(key, _)| *key).map(|(_, miss)| miss.clone())
    }
}

/// A mapping that remembers what it did not have.
pub struct Names {
    path: String,
    entries: IndexMap<String, Value>,
    /// Why names are not there that might be.
    absent: BTreeMap<String, String>,
    /// Names that are looked up here first and found elsewhere: functions.
    elsewhere: &'static [&'static str],
    misses: Arc<Misses>,
    /// Of a connection.
    conn_id: Option<Arc<str>>,
}

impl Names {
    /// The top of a context. `elsewhere` are the names of functions.
    pub fn top(entries: IndexMap<String, Value>, elsewhere: &'static [&'static str], misses: &Arc<Misses>) -> Value {
        Value::from_object(Self {
            path: String::new(),
            entries,
            absent: BTreeMap::new(),
            elsewhere,
            misses: Arc::clone(misses),
            conn_id: None,
        })
    }

    /// A mapping below the top.
    pub fn at(path: &str, entries: IndexMap<String, Value>, misses: &Arc<Misses>) -> Value {
        Self::with_absent(path, entries, BTreeMap::new(), misses)
    }

    /// The same; `absent` has why some names are not there, in a clause without values.
    pub fn with_absent(
        path: &str,
        entries: IndexMap<String, Value>,
        absent: BTreeMap<String, String>,
        misses: &Arc<Misses>,
    ) -> Value {
        let (path, misses) = (path.to_owned(), Arc::clone(misses));
        Value::from_object(Self { path, entries, absent, elsewhere: &[], misses, conn_id: None })
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
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
        if let (Some(conn_id), Ok(mut last)) = (&self.conn_id, self.misses.connection.lock()) {
            *last = Some(Arc::clone(conn_id));
        }
        let found = self.entries.get(key).cloned();
        if found.is_none() && !self.elsewhere.contains(&key) {
            let among = Arc::downgrade(self);
            self.misses.note(Miss { of: self.path.clone(), name: key.to_owned(), among });
        }
        found
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

/// One connection as templates see it; a field that is not there is none.
pub fn of_connection(conn_id: &str, connection: &Connection, target: AirflowTarget, misses: &Arc<Misses>) -> Value {
    let path = format!("connections.{conn_id}");
    let none = || Value::from(());
    let (extra_path, no_extra) = (format!("{path}.extra"), Json::Object(IndexMap::new()));
    let extra = connection.get(Field::Extra);
    // A text that is no JSON has no value as data.
    let parsed = match extra.and_then(Json::as_str) {
        Some(text) => loads(text).ok(),
        None => Some(extra.unwrap_or(&no_extra).clone()),
    };
    let mut entries = IndexMap::from([("conn_id".to_owned(), Value::from(conn_id))]);
    entries.extend(Field::ALL.into_iter().map(|field| {
        let value = match field {
            Field::Extra => parsed.as_ref().map(|json| of_json(json, &extra_path, misses)),
            _ => connection.get(field).map(|json| of_json(json, &path, misses)),
        };
        (field.to_string(), value.unwrap_or_else(none))
    }));
    entries.insert("extra_text".to_owned(), extra.map_or_else(none, |extra| Value::from(&*extra.to_text())));
    entries.insert("uri".to_owned(), Value::from(get_uri(connection, target)));
    let (misses, conn_id) = (Arc::clone(misses), Some(Arc::from(conn_id)));
    Value::from_object(Names { path, entries, absent: BTreeMap::new(), elsewhere: &[], misses, conn_id })
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

fn of_json(json: &Json, path: &str, misses: &Arc<Misses>) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) if number.is_float() => Value::from(number.as_f64()),
        Json::Number(number) => of_integer(number.token()),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(|item| of_json(item, path, misses)).collect::<Vec<_>>().into(),
        Json::Object(entries) => {
            let named =
                |(key, value): (&String, &Json)| (key.clone(), of_json(value, &format!("{path}.{key}"), misses));
            Names::at(path, entries.iter().map(named).collect(), misses)
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
///
/// # Errors
/// As [`to_json`].
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
                        name.to_owned()
                    }
                    None if key.is_number() => key.to_string(),
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
        Json::String(text) => Ok(text),
        Json::Null => Err(problem("the value is none; give a default(\"...\", true), or ask with `is none`")),
        Json::Array(_) => Err(problem("the value is a list; use join(...), a loop, or a filter such as tojson")),
        Json::Object(_) => Err(problem("the value is a mapping; name a field of it, or use a filter such as tojson")),
        scalar => Ok(dumps(&scalar)),
    }
}
