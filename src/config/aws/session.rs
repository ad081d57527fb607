//! Where AWS is asked: endpoints, FIPS, dual stack, the region of a profile, the CA bundle.
//!
//! A variable comes before the key of the profile, and is not looked past where it is empty. Rules: botocore 1.44
//! `configprovider.py` (`BOTOCORE_DEFAUT_SESSION_VARIABLES`, `ConfiguredEndpointProvider`), `args.py`.

use super::chosen::Chosen;
use super::profiles::{Profile, Profiles};
use super::refusal::Refusal;
use crate::config::env::Env;
use crate::model::aws::{Region, address};
use crate::text::printable;

/// What stands in a variable, else in a key of the profile; and the name of what it stands in.
pub fn find<'a>(
    env: &'a Env,
    profile: Option<Profile<'a>>,
    variable: Option<&'static str>,
    key: &'static str,
) -> Option<(&'a str, &'static str)> {
    let in_variable = variable.and_then(|name| env.raw(name).map(|value| (value, name)));
    in_variable.or_else(|| profile.and_then(|profile| profile.text(key)).map(|value| (value, key)))
}

const REQUESTS_CA: &str = "REQUESTS_CA_BUNDLE";

/// A service that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    SecretsManager,
    Sts,
    /// The portal of IAM Identity Center.
    Sso,
}

impl Service {
    /// The variable of its endpoint, and its name in a `services` section.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::SecretsManager => ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "secrets_manager"),
            Self::Sts => ("AWS_ENDPOINT_URL_STS", "sts"),
            Self::Sso => ("AWS_ENDPOINT_URL_SSO", "sso"),
        }
    }
}

/// What the variables and a profile say about where AWS is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    pub region: Option<Region>,
    pub secrets_manager: Option<String>,
    pub sts: Option<String>,
    /// The endpoint of the SSO portal.
    pub sso: Option<String>,
    /// Whether FIPS endpoints are asked.
    pub fips: bool,
    /// Whether dual-stack endpoints are asked.
    pub dual_stack: bool,
    /// Whether STS is asked at its one global endpoint in the regions of old.
    pub sts_legacy: bool,
    /// The path of the profile's CA bundle, else that of `REQUESTS_CA_BUNDLE`, and what names it.
    pub ca_bundle: Option<(String, &'static str)>,
}

impl Session {
    /// Reads them.
    ///
    /// # Errors
    /// When the profile is not there, or one of them can't be used.
    pub fn of(chosen: &Chosen, env: &Env, profiles: &Profiles) -> Result<Self, Refusal> {
        let profile = chosen.profile(profiles)?;
        let flag = |variable: &'static str, key: &'static str| {
            find(env, profile, Some(variable), key).is_some_and(|(value, _)| value.eq_ignore_ascii_case("true"))
        };
        let [fips, dual_stack, ignored] = [
            ("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
            ("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls"),
        ]
        .map(|(variable, key)| flag(variable, key));
        let sts_mode = find(env, profile, Some("AWS_STS_REGIONAL_ENDPOINTS"), "sts_regional_endpoints");
        let sts_legacy = match sts_mode.filter(|(mode, _)| !mode.is_empty()) {
            None => false,
            Some((mode, _)) if mode.eq_ignore_ascii_case("regional") => false,
            Some((mode, _)) if mode.eq_ignore_ascii_case("legacy") => true,
            Some((_, by)) => return Err(Refusal::of_setting(format!("{by}: must be regional or legacy"))),
        };
        let endpoint = |service| if ignored { Ok(None) } else { endpoint(service, env, profiles, profile) };
        let [secrets_manager, sts, sso] = [Service::SecretsManager, Service::Sts, Service::Sso].map(endpoint);
        let (secrets_manager, sts, sso) = (secrets_manager?, sts?, sso?);
        let text = |key| profile.and_then(|profile: Profile<'_>| profile.text(key)).filter(|text| !text.is_empty());
        let of_profile = text("ca_bundle").map(|path| (path, "ca_bundle"));
        let of_requests = || env.get(REQUESTS_CA).ok().flatten().map(|path| (path, REQUESTS_CA));
        let ca_bundle = of_profile.or_else(of_requests).map(|(path, by)| (path.to_owned(), by));
        Ok(Self {
            region: text("region").map(|region| region_of(region, chosen)).transpose()?,
            secrets_manager,
            sts,
            sso,
            fips,
            dual_stack,
            sts_legacy,
            ca_bundle,
        })
    }
}

fn region_of(text: &str, chosen: &Chosen) -> Result<Region, Refusal> {
    text.parse().map_err(|problem| {
        Refusal::of_setting(format!("region of the profile {}: {problem}", printable(chosen.name())))
    })
}

/// The first that is not empty: the service's variable, that of all services, the `services` section, the profile.
fn endpoint(
    service: Service,
    env: &Env,
    profiles: &Profiles,
    profile: Option<Profile<'_>>,
) -> Result<Option<String>, Refusal> {
    let (variable, name) = service.names();
    for variable in [variable, "AWS_ENDPOINT_URL"] {
        match env.get(variable) {
            Ok(None) => {}
            Ok(Some(url)) => return checked(url, variable).map(Some),
            Err(_) => return Err(Refusal::of_setting(format!("{variable}: {}", crate::config::env::NOT_UNICODE))),
        }
    }
    let Some(profile) = profile else { return Ok(None) };
    let of_service = profiles.endpoint_of_service(&profile, name)?;
    let of_all = profile.text("endpoint_url");
    let url = [of_service, of_all].into_iter().flatten().find(|url| !url.is_empty());
    url.map(|url| checked(url, "endpoint_url of the profile")).transpose()
}

/// An endpoint that a request can be sent to.
fn checked(url: &str, by: &str) -> Result<String, Refusal> {
    if address(url).is_some_and(|uri| uri.query().is_none()) {
        return Ok(url.to_owned());
    }
    Err(Refusal::of_setting(format!(
        "{by}: must be an address such as https://vpce-0123.secretsmanager.eu-central-1.vpce.amazonaws.com"
    )))
}
