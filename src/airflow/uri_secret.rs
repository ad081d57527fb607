//! A secret that is a URI (or any other text), turned into the fields of a connection.
//!
//! Rules: Airflow 2.8.1 `airflow/models/connection.py` `_parse_from_uri`,
//! `_parse_netloc_to_hostname` and `_create_host` (the same steps in 3.x; query values as JSON
//! from 3.1.8), on top of `CPython` 3.11 `urllib/parse.py` `urlsplit`, `parse_qsl` and
//! `ipaddress.py` `IPv6Address`.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use memchr::memchr3;
use unicode_normalization::UnicodeNormalization as _;

use crate::airflow::checks::{check_extra, normalize_conn_type};
use crate::airflow::invalid::{Invalid, InvalidPlace, Reason};
use crate::airflow::note::{Note, Reading};
use crate::airflow::versions::AirflowTarget;
use crate::model::connection::{Connection, Field, SecretForm};
use crate::python::json::{Json, JsonErrorKind, Object, Value, dumps, loads};
use crate::python::number::{IntError, MAX_INT_DIGITS, Number};
use crate::python::str::{unquote, unquote_plus};

/// The query key whose value is the extra as a whole (`Connection.EXTRA_KEY`).
pub(super) const EXTRA_KEY: &str = "__extra__";

/// Parses `uri`, which is stripped and not empty.
pub(super) fn parse(uri: &str, target: AirflowTarget) -> Result<Reading, Invalid> {
    let protocols = uri.split(':').skip(1).filter(|after| after.starts_with("//")).count();
    if protocols > 2 {
        return Err(Invalid { reason: Reason::TooManyProtocols, place: InvalidPlace::Secret });
    }
    let host_with_protocol = protocols == 2;
    let read = as_split(uri);
    let Split { scheme, has_authority, .. } = urlsplit(&read)?;
    let rest = without_scheme(uri, &scheme, protocols);
    if host_with_protocol {
        let before = rest.split_once("://").map_or(&*rest, |(before, _)| before);
        if before.contains(['@', ':']) {
            let reason =
                if before.to_ascii_lowercase().contains("jdbc:") { Reason::Jdbc } else { Reason::SecondProtocol };
            return Err(Invalid { reason, place: InvalidPlace::Secret });
        }
    }
    let rest = as_split(&rest);
    let parts = urlsplit(&rest)?;
    let authority = Authority::new(parts.netloc);
    let mut host = hostname(parts.netloc, &authority);
    if host_with_protocol && !host.is_empty() && !parts.scheme.is_empty() {
        host = format!("{}://{host}", parts.scheme);
    }
    let mut path = parts.path.chars();
    path.next();
    let (extra, extra_note) = extra(parts.query, target)?;
    let fields = [
        (Field::ConnType, Some(normalize_conn_type(&scheme))),
        (Field::Host, Some(Json::String(host.into()))),
        (Field::Login, authority.user.map(unquoted)),
        // set_password ignores an empty password.
        (Field::Password, authority.password.filter(|text| !text.is_empty()).map(unquoted)),
        (Field::Schema, Some(unquoted(path.as_str()))),
        (Field::Port, port(authority.port)?.map(|port| Json::Number(Number::of_integer(port)))),
        (Field::Extra, extra),
    ];
    let note = match (scheme.is_empty(), has_authority) {
        (true, _) => Some(Note::NoScheme),
        (false, false) => Some(Note::NoAuthority),
        (false, true) => extra_note,
    };
    let false_password = authority.password.filter(|text| text.is_empty()).map(Json::from);
    Ok(Reading { connection: Connection::new(SecretForm::Uri, fields), false_password, note })
}

/// Without the scheme before `://`: every occurrence, wherever it is, and in this case, as `str.replace` does. An upper-case scheme
/// stays, and is split off with the rest.
fn without_scheme<'a>(uri: &'a str, scheme: &str, protocols: usize) -> Cow<'a, str> {
    match uri.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(':')) {
        // The one occurrence.
        Some(rest) if protocols == 1 && !scheme.is_empty() && rest.starts_with("//") => rest.into(),
        _ => uri.replace(&format!("{scheme}://"), if protocols == 2 { "" } else { "//" }).into(),
    }
}

fn unquoted(text: &str) -> Json {
    Json::String(unquote(text).into_owned().into())
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
        Some((name, zone)) => format!("{}%{zone}", name.to_lowercase()),
        None => host.to_lowercase(),
    }
}

/// The property `port`: ASCII digits, 0 to 65535, any number of leading zeros up to the limit of
/// `int()`.
fn port(text: &str) -> Result<Option<String>, Invalid> {
    let invalid = |reason| Invalid::field(Field::Port, reason);
    if text.is_empty() {
        return Ok(None);
    }
    if text.contains(',') {
        return Err(invalid(Reason::SeveralHosts));
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

fn extra(query: &str, target: AirflowTarget) -> Result<(Option<Json>, Option<Note>), Invalid> {
    if query.is_empty() {
        return Ok((None, None));
    }
    let mut values = parse_qsl(query);
    if let Some(text) = values.remove(EXTRA_KEY).map(Value::into_owned) {
        let note = if text.is_truthy() { check_extra(&text, target)? } else { None };
        return Ok((Some(text), note));
    }
    if target == AirflowTarget::V3QueryJson && !values.is_empty() {
        for (i, value) in values.values_mut().enumerate() {
            query_json(i, value)?;
        }
        return Ok((Some(Value::Object(values).into_owned()), None));
    }
    // Text also for an empty object: Airflow leaves an empty object in the file a dict.
    Ok((Some(Json::String(dumps(&Value::Object(values)).into())), None))
}

/// Reads a query value as JSON; it stays text if it is not JSON.
fn query_json(index: usize, value: &mut Value<'_>) -> Result<(), Invalid> {
    match loads(value.as_str().unwrap_or_default()).map(Value::into_owned) {
        Ok(read) => *value = read,
        Err(error) if matches!(error.kind, JsonErrorKind::Syntax(_)) => {}
        // Python raises something else than JSONDecodeError, which Airflow does not catch.
        Err(error) => {
            let place = InvalidPlace::QueryValue(index + 1, error.offset);
            return Err(Invalid { reason: Reason::Json(error.kind), place });
        }
    }
    Ok(())
}

/// `dict(parse_qsl(query, keep_blank_values=True))`: only `&` separates; of equal keys the last
/// value counts, at the place of the first.
fn parse_qsl(query: &str) -> Object<'_> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (unquote_plus(key), Value::String(unquote_plus(value))))
        .collect()
}

/// The result of `urlsplit`, without the fragment.
struct Split<'a> {
    scheme: String,
    /// Whether `//` comes after the scheme.
    has_authority: bool,
    netloc: &'a str,
    path: &'a str,
    query: &'a str,
}

/// What `urlsplit` splits: the text without control characters before it, and without line breaks and tabs.
fn as_split(uri: &str) -> Cow<'_, str> {
    let uri = uri.trim_start_matches(|c| c <= ' ');
    let drops = memchr3(b'\t', b'\r', b'\n', uri.as_bytes()).is_some();
    if drops { uri.replace(['\t', '\r', '\n'], "").into() } else { uri.into() }
}

/// `urlsplit`.
fn urlsplit(uri: &str) -> Result<Split<'_>, Invalid> {
    let (scheme, rest) = split_scheme(uri);
    let has_authority = rest.starts_with("//");
    let (netloc, rest) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(memchr3(b'/', b'?', b'#', rest.as_bytes()).unwrap_or(rest.len())),
        None => ("", rest),
    };
    check_brackets(netloc)?;
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    check_netloc(netloc)?;
    Ok(Split { scheme, has_authority, netloc, path, query })
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
    let invalid = |reason| Invalid { reason, place: InvalidPlace::Authority };
    // Where the first of them is.
    let in_host = |brackets: &[char]| !netloc.rsplit_once('@').is_some_and(|(user, _)| user.contains(brackets));
    match (netloc.contains('['), netloc.contains(']')) {
        (false, false) => return Ok(()),
        (true, true) => {}
        _ => return Err(invalid(Reason::Brackets { in_host: in_host(&['[', ']']) })),
    }
    let inner = netloc.split_once('[').map_or("", |(_, inner)| inner);
    let inner = inner.split_once(']').map_or(inner, |(inner, _)| inner);
    let valid = match inner.strip_prefix('v') {
        Some(future) => is_ip_future(future),
        None => is_ipv6(inner),
    };
    if valid { Ok(()) } else { Err(invalid(Reason::NotIpv6 { in_host: in_host(&['[']) })) }
}

/// What follows `v` in `\Av[a-fA-F0-9]+\..+\Z`.
fn is_ip_future(text: &str) -> bool {
    text.split_once('.').is_some_and(|(version, address)| {
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit()) && !address.is_empty()
    })
}

/// Whether `ipaddress.IPv6Address` accepts the text, with a scope id or without.
fn is_ipv6(text: &str) -> bool {
    let (address, scope) = text.split_once('%').unwrap_or((text, "0"));
    !scope.is_empty() && !scope.contains('%') && address.parse::<Ipv6Addr>().is_ok()
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
        return Err(Invalid { reason: Reason::HostCharacters, place: InvalidPlace::Authority });
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
