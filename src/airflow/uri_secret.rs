//! A secret that is a URI (or any other text), turned into the fields of a connection.
//!
//! Rules: Airflow 2.8.1 `airflow/models/connection.py` `_parse_from_uri`,
//! `_parse_netloc_to_hostname` and `_create_host` (the same steps in 3.x; query values as JSON
//! from 3.1.8), on top of `CPython` 3.11 `urllib/parse.py` `urlsplit`, `parse_qsl` and
//! `ipaddress.py` `IPv6Address`.

use indexmap::IndexMap;
use unicode_normalization::UnicodeNormalization as _;

use crate::airflow::checks::{check_extra_json, check_extra_text, normalize_conn_type};
use crate::airflow::invalid::{Invalid, Place, Reason};
use crate::airflow::versions::AirflowTarget;
use crate::model::connection::{Connection, Extra, Field, Form, Scalar};
use crate::python::json::{self as pyjson, Json, JsonErrorKind};
use crate::python::str::{IntError, MAX_INT_DIGITS, PyString, py_lower, unquote, unquote_plus};

/// The query key whose value is the extra as a whole (`Connection.EXTRA_KEY`).
pub(super) const EXTRA_KEY: &str = "__extra__";

/// Parses `uri`, which is stripped and not empty.
pub(super) fn parse(uri: &str, target: AirflowTarget) -> Result<Connection, Invalid> {
    let protocols = uri.matches("://").count();
    if protocols > 2 {
        return Err(Invalid { reason: Reason::TooManyProtocols, place: Place::Secret });
    }
    let host_with_protocol = protocols == 2;
    let scheme = urlsplit(uri)?.scheme;
    // Replaces every occurrence, wherever it is, and compares case, as str.replace does: an
    // upper-case scheme stays in the rest and is split off below.
    let replacement = if host_with_protocol { "" } else { "//" };
    let rest = uri.replace(&format!("{scheme}://"), replacement);
    if host_with_protocol {
        let before = rest.split_once("://").map_or(rest.as_str(), |(before, _)| before);
        if before.contains(['@', ':']) {
            return Err(Invalid { reason: Reason::SecondProtocol, place: Place::Secret });
        }
    }
    let parts = urlsplit(&rest)?;
    let authority = Authority::new(&parts.netloc);
    let mut host = hostname(&parts.netloc, &authority);
    if host_with_protocol && !host.is_empty() && !parts.scheme.is_empty() {
        host = format!("{}://{host}", parts.scheme);
    }
    let mut path = parts.path.chars();
    path.next();
    Ok(Connection {
        form: Form::Uri,
        conn_type: Some(normalize_conn_type(&PyString::from(scheme))),
        host: Some(Scalar::Text(PyString::from(host))),
        login: authority.user.map(unquoted),
        // set_password ignores an empty password.
        password: authority.password.filter(|text| !text.is_empty()).map(unquoted),
        schema: Some(Scalar::Text(unquoted(path.as_str()))),
        port: port(authority.port)?,
        extra: extra(&parts.query, target)?,
    })
}

fn unquoted(text: &str) -> PyString {
    PyString::from(unquote(text).into_owned())
}

/// `_parse_netloc_to_hostname`: a host with a slash is taken again from the source, where its case
/// is kept, and then ends at the first colon.
fn hostname(netloc: &str, authority: &Authority) -> String {
    let host = unquote(&lowered(authority.host)).into_owned();
    if !host.contains('/') {
        return host;
    }
    let host = netloc.rsplit_once('@').map_or(netloc, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    unquote(host).into_owned()
}

/// The property `hostname` of the result of `urlsplit`: lower case up to the first `%`.
fn lowered(host: &str) -> String {
    match host.split_once('%') {
        Some((name, zone)) => format!("{}%{zone}", py_lower(name)),
        None => py_lower(host),
    }
}

/// The property `port`: ASCII digits, 0 to 65535, any number of leading zeros up to the limit of
/// `int()`.
fn port(text: &str) -> Result<Option<String>, Invalid> {
    let invalid = |reason| Invalid::field(Field::Port, reason);
    if text.is_empty() {
        return Ok(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid(Reason::Port(IntError::NotAnInteger)));
    }
    if text.len() > MAX_INT_DIGITS {
        return Err(invalid(Reason::Port(IntError::TooLong)));
    }
    let digits = text.trim_start_matches('0');
    if digits.is_empty() {
        return Ok(Some("0".to_owned()));
    }
    // A u16 holds just the range of ports.
    let port: u16 = digits.parse().map_err(|_| invalid(Reason::PortRange))?;
    Ok(Some(port.to_string()))
}

fn extra(query: &str, target: AirflowTarget) -> Result<Option<Extra>, Invalid> {
    if query.is_empty() {
        return Ok(None);
    }
    let mut values = parse_qsl(query);
    if let Some(text) = values.swap_remove(EXTRA_KEY) {
        let text = PyString::from(text);
        if !text.is_empty() {
            check_extra_text(&text, target)?;
        }
        return Ok(Some(Extra::Text(text)));
    }
    let decode = target == AirflowTarget::V3QueryJson && !values.is_empty();
    let mut entries = IndexMap::with_capacity(values.len());
    for (i, (key, value)) in values.into_iter().enumerate() {
        let value = if decode { query_json(i, value)? } else { Json::String(value.into()) };
        entries.insert(PyString::from(key), value);
    }
    let value = Json::Object(entries);
    if decode {
        check_extra_json(&value, target)?;
        return Ok(Some(Extra::Json(value)));
    }
    // Text also for an empty object: Airflow leaves an empty object in the file a dict.
    Ok(Some(Extra::Text(PyString::from(pyjson::dumps(&value)))))
}

/// A query value as JSON; it stays text if it is not JSON.
fn query_json(index: usize, value: String) -> Result<Json, Invalid> {
    match pyjson::loads(&value) {
        Ok(json) => Ok(json),
        Err(error) => match error.kind {
            JsonErrorKind::Syntax(_) => Ok(Json::String(value.into())),
            // Python raises something else than JSONDecodeError, which Airflow does not catch.
            kind => Err(Invalid { reason: Reason::Json(kind), place: Place::QueryValue(index + 1, error.offset) }),
        },
    }
}

/// `dict(parse_qsl(query, keep_blank_values=True))`: only `&` separates; of equal keys the last
/// value counts, at the place of the first.
fn parse_qsl(query: &str) -> IndexMap<String, String> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (unquote_plus(key), unquote_plus(value)))
        .collect()
}

/// The result of `urlsplit`, without the fragment.
struct Split {
    scheme: String,
    netloc: String,
    path: String,
    query: String,
}

/// `urlsplit`.
fn urlsplit(uri: &str) -> Result<Split, Invalid> {
    let uri = uri.trim_start_matches(|c| c <= ' ').replace(['\t', '\r', '\n'], "");
    let (scheme, rest) = split_scheme(&uri);
    let (netloc, rest) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", rest),
    };
    check_brackets(netloc)?;
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    check_netloc(netloc)?;
    Ok(Split { scheme, netloc: netloc.to_owned(), path: path.to_owned(), query: query.to_owned() })
}

/// The scheme in lower case, empty if there is none, and what follows.
fn split_scheme(uri: &str) -> (String, &str) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    match uri.split_once(':') {
        Some((scheme, rest)) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(legal) => {
            (scheme.to_ascii_lowercase(), rest)
        }
        _ => (String::new(), uri),
    }
}

/// Brackets must come together, and an IPv6 address or a later IP version must be in the first.
fn check_brackets(netloc: &str) -> Result<(), Invalid> {
    let invalid = |reason| Invalid { reason, place: Place::Authority };
    match (netloc.contains('['), netloc.contains(']')) {
        (false, false) => return Ok(()),
        (true, true) => {}
        _ => return Err(invalid(Reason::Brackets)),
    }
    let inner = netloc.split_once('[').map_or("", |(_, inner)| inner);
    let inner = inner.split_once(']').map_or(inner, |(inner, _)| inner);
    let valid = match inner.strip_prefix('v') {
        Some(future) => is_ip_future(future),
        None => is_ipv6(inner),
    };
    if valid { Ok(()) } else { Err(invalid(Reason::NotIpv6)) }
}

/// What follows `v` in `\Av[a-fA-F0-9]+\..+\Z`.
fn is_ip_future(text: &str) -> bool {
    text.split_once('.').is_some_and(|(version, address)| {
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit()) && !address.is_empty()
    })
}

/// Whether `ipaddress.IPv6Address` accepts the text, with a scope id or without.
fn is_ipv6(text: &str) -> bool {
    let (address, scope) = match text.split_once('%') {
        Some((address, scope)) => (address, Some(scope)),
        None => (text, None),
    };
    if scope.is_some_and(|scope| scope.is_empty() || scope.contains('%')) {
        return false;
    }
    let mut parts: Vec<&str> = address.split(':').collect();
    if parts.len() < 3 {
        return false;
    }
    if let Some(last) = parts.last().copied().filter(|last| last.contains('.')) {
        if !is_ipv4(last) {
            return false;
        }
        // The last 32 bits count as two parts; which ones does not matter.
        parts.pop();
        parts.extend(["0", "0"]);
    }
    if parts.len() > 9 {
        return false;
    }
    let (Some((&first, tail)), Some(&last)) = (parts.split_first(), parts.last()) else {
        return false;
    };
    let middle = tail.split_last().map_or(&[][..], |(_, middle)| middle);
    let mut gaps = middle.iter().enumerate().filter(|(_, part)| part.is_empty());
    let gap = gaps.next().map(|(i, _)| i + 1);
    if gaps.next().is_some() {
        return false;
    }
    let count = parts.len();
    match gap {
        Some(gap) => {
            // `::` at an end leaves an empty part there; a lone `:` does too, which is then one of those that must be hextets.
            let high = gap - usize::from(first.is_empty());
            let low = count - gap - 1 - usize::from(last.is_empty());
            // `::` stands for one part at least.
            high + low < 8
                && parts.iter().take(high).all(|part| is_hextet(part))
                && parts.iter().skip(count - low).all(|part| is_hextet(part))
        }
        None => count == 8 && parts.iter().all(|part| is_hextet(part)),
    }
}

fn is_hextet(part: &str) -> bool {
    (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether `ipaddress.IPv4Address` accepts the text: no leading zeros.
fn is_ipv4(text: &str) -> bool {
    let octets: Vec<&str> = text.split('.').collect();
    octets.len() == 4
        && octets.iter().all(|octet| {
            octet.bytes().all(|byte| byte.is_ascii_digit())
                && (*octet == "0" || !octet.starts_with('0'))
                && octet.parse::<u8>().is_ok()
        })
}

/// `_checknetloc`: no character may turn into a separator under NFKC.
fn check_netloc(netloc: &str) -> Result<(), Invalid> {
    if netloc.is_ascii() {
        return Ok(());
    }
    let turns = netloc
        .chars()
        .filter(|c| !matches!(c, '@' | ':' | '#' | '?'))
        .nfkc()
        .any(|c| matches!(c, '/' | '?' | '#' | '@' | ':'));
    if turns {
        return Err(Invalid { reason: Reason::HostCharacters, place: Place::Authority });
    }
    Ok(())
}

/// The authority of a URI, still percent-encoded.
struct Authority<'a> {
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: &'a str,
    /// Empty if there is none.
    port: &'a str,
}

impl<'a> Authority<'a> {
    /// The properties `_userinfo` and `_hostinfo` of the result of `urlsplit`.
    fn new(netloc: &'a str) -> Self {
        let (user_info, host_info) = match netloc.rsplit_once('@') {
            Some((user_info, host_info)) => (Some(user_info), host_info),
            None => (None, netloc),
        };
        let (user, password) = match user_info.map(|info| info.split_once(':').ok_or(info)) {
            Some(Ok((user, password))) => (Some(user), Some(password)),
            Some(Err(user)) => (Some(user), None),
            None => (None, None),
        };
        let (host, port) = match host_info.split_once('[') {
            Some((_, bracketed)) => {
                let (host, after) = bracketed.split_once(']').unwrap_or((bracketed, ""));
                (host, after.split_once(':').map_or("", |(_, port)| port))
            }
            None => host_info.split_once(':').unwrap_or((host_info, "")),
        };
        Self { user, password, host, port }
    }
}
