//! Which proxy is used for which host.
//!
//! Rules: `CPython` 3.11 `urllib.request` (`getproxies_environment`, `proxy_bypass_environment`), as botocore 1.44 uses them
//! (`utils.py`, `get_environ_proxies`; `httpsession.py`, `ProxyConfiguration`). So a name in lower case beats the others and
//! switches them off where it is empty, ALL_PROXY does not count, and NO_PROXY holds names and ends of names, not networks.

use super::refusal::Refusal;
use crate::config::env::Env;
use crate::model::aws::address;

/// The proxies of the environment. A proxy's address can hold a password, so this has no `Debug`.
#[derive(Clone, Default)]
pub struct Proxies {
    /// For `http://`.
    pub http: Option<Proxy>,
    /// For `https://`.
    pub https: Option<Proxy>,
    /// Before whom no proxy stands.
    exempt: Exempt,
}

#[derive(Clone)]
pub struct Proxy {
    pub uri: http::Uri,
    /// The variable that names it.
    pub variable: &'static str,
}

#[derive(Clone, Default)]
enum Exempt {
    Everybody,
    #[default]
    Nobody,
    /// These, and whatever ends in a dot and one of these.
    Names(Vec<String>),
}

impl Proxies {
    /// Those that the environment names.
    ///
    /// # Errors
    /// When one is no address of a proxy.
    pub fn of(env: &Env) -> Result<Self, Refusal> {
        let no = ["no_proxy", "NO_PROXY"].into_iter().find_map(|name| env.raw(name).map(str::trim));
        let exempt = match no {
            None | Some("") => Exempt::Nobody,
            Some("*") => Exempt::Everybody,
            Some(names) => {
                let names = names.split(',').map(|name| name.trim().trim_start_matches('.').to_lowercase());
                Exempt::Names(names.filter(|name| !name.is_empty()).collect())
            }
        };
        // As a CGI script would have it from the header of a request.
        let http =
            if env.raw("REQUEST_METHOD").is_some() { &["http_proxy"][..] } else { &["http_proxy", "HTTP_PROXY"] };
        Ok(Self { http: proxy(env, http)?, https: proxy(env, &["https_proxy", "HTTPS_PROXY"])?, exempt })
    }

    /// The proxy before an address, if there is one.
    pub fn before(&self, uri: &str) -> Option<&Proxy> {
        let (scheme, rest) = uri.split_once("://")?;
        let proxy = if scheme.eq_ignore_ascii_case("https") { &self.https } else { &self.http };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        proxy.as_ref().filter(|_| !self.exempt.holds(authority))
    }

    /// Whether there is none at all.
    pub const fn is_empty(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }
}

impl Exempt {
    fn holds(&self, authority: &str) -> bool {
        let host = authority.to_lowercase();
        let without_port = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => &host,
        };
        let ends_in = |host: &str, name: &str| {
            host.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        match self {
            Self::Everybody => true,
            Self::Nobody => false,
            Self::Names(names) => names.iter().any(|name| ends_in(&host, name) || ends_in(without_port, name)),
        }
    }
}

/// The proxy that the first of these variables names that is set.
fn proxy(env: &Env, variables: &[&'static str]) -> Result<Option<Proxy>, Refusal> {
    let found = variables.iter().find_map(|name| env.raw(name).map(|value| (value, *name)));
    let Some((text, variable)) = found.filter(|(text, _)| !text.is_empty()) else { return Ok(None) };
    let with_scheme = match text {
        text if text.contains("://") => text.to_owned(),
        text => format!("http://{}", text.trim_start_matches('/')),
    };
    match address(&with_scheme) {
        Some(uri) => Ok(Some(Proxy { uri, variable })),
        None => Err(Refusal::of_setting(format!(
            "{variable}: must be an address such as http://proxy.example.org:3128; in a password write / as %2F, @ as %40, # as \
             %23, and let no newline follow"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(variables: &[(&str, &str)], uri: &str) -> Option<String> {
        let proxies =
            Proxies::of(&variables.iter().copied().collect()).unwrap_or_else(|refusal| panic!("{}", refusal.words));
        proxies.before(uri).map(|proxy| proxy.uri.to_string())
    }

    #[test]
    fn who_is_exempt_is_pythons_to_say() {
        let to = "https://secretsmanager.eu-west-3.amazonaws.com/";
        for (no_proxy, is_exempt) in [
            ("*", true),
            ("a.example,*", false),
            ("amazonaws.com", true),
            (".amazonaws.com", true),
            ("naws.com", false),
            (" a.example , AMAZONAWS.com ", true),
            ("*.amazonaws.com", false),
            ("", false),
        ] {
            let found = before(&[("HTTPS_PROXY", "proxy:3128"), ("NO_PROXY", no_proxy)], to);
            assert_eq!(found.is_none(), is_exempt, "{no_proxy}");
        }
        let network = [("HTTP_PROXY", "http://proxy"), ("NO_PROXY", "192.0.2.0/24,198.51.100.7")];
        assert!(before(&network, "http://192.0.2.9:4566/").is_some());
        assert!(before(&network, "http://198.51.100.7:4566/").is_none());
    }

    #[test]
    fn lower_case_beats_upper_case() {
        let to = "https://a.example/";
        assert_eq!(
            before(&[("HTTPS_PROXY", "http://u"), ("https_proxy", "http://l")], to).as_deref(),
            Some("http://l/")
        );
        assert_eq!(before(&[("HTTPS_PROXY", "http://u"), ("https_proxy", "")], to), None);
        assert_eq!(before(&[("ALL_PROXY", "http://u"), ("HTTP_PROXY", "http://h")], to), None);
    }

    #[test]
    fn what_is_no_proxy_is_named_without_its_value() {
        for text in
            ["http://u:c4n/ary@proxy:1", "http://c4nary\n", "http://", "socks5://c4nary:1", "http://c4nary:port"]
        {
            let refusal = Proxies::of(&[("HTTPS_PROXY", text)].into_iter().collect()).err();
            let words = refusal.map(|refusal| refusal.words).unwrap_or_default();
            assert!(words.starts_with("HTTPS_PROXY") && !words.contains("c4n"), "{text}: {words}");
        }
    }
}
