//! The Airflow connection that a secret's text stands for.
//!
//! Takes the text of a secret and the rules of the deployment, gives the fields to write into the
//! file of `LocalFilesystemBackend` so that Airflow reads from it what its live backend would have
//! returned, or the reason why the live backend would have failed. Pure: no input or output.
//!
//! Rules: Airflow 2.8.1 `airflow/secrets/base_secrets.py` `deserialize_connection`,
//! `airflow/models/connection.py` and the Amazon provider 8.13.0
//! `airflow/providers/amazon/aws/secrets/secrets_manager.py` `get_conn_value`; differences of
//! Airflow 3 where [`crate::airflow::versions::AirflowTarget`] says so. A connection also counts as invalid when its
//! `get_uri()` raises: Airflow calls that on each lookup and then takes the connection as missing.

use crate::airflow::invalid::{Invalid, InvalidPlace, Reason};
use crate::airflow::note::Reading;
use crate::airflow::versions::{AirflowTarget, Rules};
use crate::airflow::{json_secret, uri_secret};
use crate::model::connection::Connection;
use crate::python::str as pystr;

/// The connection that Airflow's live backend makes of the text of a secret.
///
/// # Errors
/// When the live backend raises, when it returns a connection that Airflow then cannot use, or
/// when the connection cannot be written to a file of the target version.
pub fn from_secret(text: &str, rules: &Rules) -> Result<Connection, Invalid> {
    read_secret(text, rules).map(|reading| reading.connection)
}

/// The connection that the live backend hands to tasks of Airflow 3, and to Airflow 2, where an extra that is no object is the one
/// thing that is wrong with the secret: right for an environment variable, which harms no other connection. A file with it is
/// refused as a whole.
pub fn for_variable_alone(text: &str, invalid: Invalid, rules: &Rules) -> Option<Reading> {
    if !matches!(invalid.reason, Reason::ExtraNotJson(_) | Reason::ExtraNotAnObject) {
        return None;
    }
    let rules = Rules { target: AirflowTarget::V2, ..rules.clone() };
    // The port and the login may be wrong as well.
    read_secret(text, &rules).ok()
}

/// As [`from_secret`], with what is odd about the secret.
pub fn read_secret(text: &str, rules: &Rules) -> Result<Reading, Invalid> {
    let stripped = pystr::py_strip(text);
    if stripped.is_empty() {
        return Err(Invalid { reason: Reason::Blank, place: InvalidPlace::Secret });
    }
    if stripped.starts_with('{') {
        // The text as it is: json.loads knows less white space than str.strip.
        json_secret::parse(text, rules)
    } else {
        uri_secret::parse(stripped, rules.target)
    }
}
