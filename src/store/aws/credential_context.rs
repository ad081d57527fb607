//! What the environment says of who this pod should be: compared with who it turns out to be, and used to name the cause of
//! trouble with credentials.
//!
//! The SDK's chain passes over a provider that is not configured without a word and ends at the node's role. A pod whose service
//! account was annotated after the pod had started is then somebody else, and is denied or, worse, is not.

use std::path::Path;

use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature as Feature;

use crate::config::env::Env;
use crate::model::aws_names::action::ASSUME_ROLE_WITH_WEB_IDENTITY;
use crate::model::aws_names::variable::{
    self, CONTAINER_TOKEN_FILE, ROLE_ARN as ROLE, WEB_IDENTITY_TOKEN_FILE as TOKEN_FILE,
};
use crate::model::cause::{Cause, Notice};
use crate::store::error::StoreError;
use crate::text::{os_error, printable};

/// In the order in which the SDK looks at them.
const CONTAINER: [&str; 2] = [variable::CONTAINER_RELATIVE_URI, variable::CONTAINER_FULL_URI];
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];

/// What the environment says.
#[derive(Clone, Debug, Default)]
pub struct CredentialContext {
    /// The role that a web identity is to take.
    role: Option<String>,
    token_file: Option<String>,
    /// Which variable names the endpoint of container credentials.
    container: Option<&'static str>,
    container_token_file: Option<String>,
    /// Which variable names a proxy.
    proxy: Option<&'static str>,
    /// Kubernetes sets `KUBERNETES_SERVICE_HOST` in every container.
    in_cluster: bool,
}

/// Where the pod's credentials come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Variables that hold the keys themselves.
    Variables,
    /// A web identity that the environment names: IRSA.
    WebIdentity,
    /// The container's endpoint: EKS Pod Identity, ECS.
    Container,
    /// The instance metadata service.
    Instance,
    /// A profile, or what does not tell.
    Other,
}

impl Origin {
    /// By the mark that the SDK's providers leave for the user agent.
    pub fn of(credentials: &Credentials) -> Self {
        let features = credentials.get_property::<Vec<Feature>>();
        for feature in features.into_iter().flatten() {
            match feature {
                Feature::CredentialsEnvVars => return Self::Variables,
                // In the default chain this provider reads the environment alone, whatever the mark is called (aws-config 1.13
                // `web_identity_token.rs`).
                Feature::CredentialsProfileStsWebIdToken | Feature::CredentialsEnvVarsStsWebIdToken => {
                    return Self::WebIdentity;
                }
                Feature::CredentialsHttp => return Self::Container,
                Feature::CredentialsImds => return Self::Instance,
                _ => {}
            }
        }
        Self::Other
    }

    /// Of those that come before a web identity.
    const fn words(self) -> &'static str {
        match self {
            Self::Variables => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            _ => "other credentials, such as a profile's,",
        }
    }
}

impl CredentialContext {
    pub fn of(env: &Env) -> Self {
        let variable = |name: &str| env.get(name).ok().flatten().map(str::to_owned);
        let is_set = |name: &&'static str| env.get(name) != Ok(None);
        Self {
            role: variable(ROLE),
            token_file: variable(TOKEN_FILE),
            container: CONTAINER.into_iter().find(is_set),
            container_token_file: variable(CONTAINER_TOKEN_FILE),
            proxy: PROXIES.into_iter().find(is_set),
            in_cluster: is_set(&"KUBERNETES_SERVICE_HOST"),
        }
    }

    /// The role that these credentials are of, where the environment tells.
    pub fn role_of(&self, origin: Origin) -> Option<&str> {
        self.role.as_deref().filter(|_| origin == Origin::WebIdentity)
    }

    /// Whether these credentials are the node's although this is a pod.
    pub fn is_node(&self, origin: Origin) -> bool {
        self.in_cluster && origin == Origin::Instance
    }

    /// Says so when the pod is somebody else than its environment wants.
    pub fn tell_of(&self, origin: Origin) {
        if let Some(line) = self.notice(origin) {
            tracing::warn!("{line}");
        }
    }

    fn notice(&self, origin: Origin) -> Option<String> {
        let of = |notice: Notice, what: &str| format!("{} {what}; {}", notice.code(), notice.remedy());
        let half = self.half_of_a_web_identity();
        if origin == Origin::Instance && (self.in_cluster || half.is_some()) {
            let none = "neither a web identity (AWS_WEB_IDENTITY_TOKEN_FILE) nor Pod Identity is set up for it";
            let missing = half.as_deref().unwrap_or(none);
            let what = format!("credentials: the pod uses the role of its node (IMDS), not one of its own: {missing}");
            return Some(of(Notice::NodeCredentials, &what));
        }
        if let Some(half) = half {
            return Some(of(Notice::UnusedRole, &format!("credentials: {half}, so the role is not used")));
        }
        let unused = match origin {
            // Where both are there, the SDK takes the web identity: a service account on its way to Pod Identity.
            Origin::WebIdentity | Origin::Container => return None,
            _ => self.token_file.is_some().then_some(TOKEN_FILE).or(self.container)?,
        };
        let what = format!("credentials: {unused} is set, but its role is not used: {} come first", origin.words());
        Some(of(Notice::UnusedRole, &what))
    }

    /// Names the cause of trouble with the pod's credentials more closely than the SDK's error does.
    pub fn explain(&self, error: StoreError) -> StoreError {
        match error.cause {
            Cause::TokenFile if error.subject.is_none() => self.unreadable_file(error),
            Cause::Connect | Cause::NoAnswer | Cause::Dns | Cause::Proxy
                if error.action == crate::store::error::CREDENTIALS =>
            {
                match self.container {
                    Some(variable) => {
                        let message = format!("the endpoint that {variable} names gives none: {}", error.message);
                        StoreError { cause: Cause::AgentUnreachable, message, ..error }
                    }
                    None => error,
                }
            }
            // The SDK takes the role of the environment. What STS says does not name it.
            _ if error.action == ASSUME_ROLE_WITH_WEB_IDENTITY && error.subject.is_none() => {
                StoreError { subject: self.role.clone(), ..error }
            }
            Cause::NoCredentials | Cause::ImdsSilent => match self.half_of_a_web_identity() {
                Some(half) => StoreError { message: format!("{}; {half}", error.message), ..error },
                None => error,
            },
            _ => error,
        }
    }

    /// The SDK takes half of it for none, and goes on to the next provider.
    fn half_of_a_web_identity(&self) -> Option<String> {
        let is_not = |set: &str, unset: &str| Some(format!("{set} is set, but {unset} is not"));
        match (&self.role, &self.token_file) {
            (Some(_), None) => is_not(ROLE, TOKEN_FILE),
            (None, Some(_)) => is_not(TOKEN_FILE, ROLE),
            _ => None,
        }
    }

    /// The SDK says that some file can't be read; which one is found out by reading.
    fn unreadable_file(&self, error: StoreError) -> StoreError {
        let files = [(TOKEN_FILE, &self.token_file), (CONTAINER_TOKEN_FILE, &self.container_token_file)];
        for (variable, path) in files {
            let Some(path) = path else { continue };
            if let Err(problem) = crate::config::files::read_text(Path::new(path), 1 << 20) {
                let message =
                    format!("{variable} names {}, which can't be read: {}", printable(path), os_error(&problem));
                return StoreError { message, ..error };
            }
        }
        error
    }

    /// Where no connection comes about and a proxy is set, the proxy is the first suspect.
    pub fn with_proxy(&self, error: StoreError) -> StoreError {
        match (error.cause, self.proxy) {
            (Cause::Connect | Cause::NoAnswer | Cause::Proxy, Some(variable)) => {
                let message = format!("{} ({variable} is set)", error.message);
                StoreError { cause: Cause::Proxy, message, ..error }
            }
            _ => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(variables: &[(&str, &str)], origin: Origin) -> Option<String> {
        CredentialContext::of(&variables.iter().copied().collect::<Env>()).notice(origin)
    }

    #[test]
    fn who_should_be_somebody_else_is_told() {
        let cluster = ("KUBERNETES_SERVICE_HOST", "10.0.0.1");
        let (role, token) = ((ROLE, "arn:aws:iam::111111111111:role/airflow"), (TOKEN_FILE, "/token"));
        let agent = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
        for (variables, origin, code) in [
            (&[cluster][..], Origin::Instance, Some("ASI-120")),
            (&[cluster, role], Origin::Instance, Some("ASI-120")),
            (&[role], Origin::Instance, Some("ASI-120")),
            (&[], Origin::Instance, None),
            (&[cluster, role, token], Origin::WebIdentity, None),
            (&[cluster, role, token, agent], Origin::WebIdentity, None),
            (&[cluster, agent], Origin::Container, None),
            (&[cluster, role, agent], Origin::Container, Some("ASI-121")),
            (&[cluster, role, token], Origin::Variables, Some("ASI-121")),
            (&[cluster, token], Origin::Instance, Some("ASI-120")),
            (&[token], Origin::Variables, Some("ASI-121")),
            (&[cluster, role, token], Origin::Other, Some("ASI-121")),
            (&[cluster, agent], Origin::Variables, Some("ASI-121")),
            (&[cluster, role], Origin::Variables, Some("ASI-121")),
            (&[cluster], Origin::Variables, None),
        ] {
            let line = notice(variables, origin);
            assert_eq!(line.as_deref().map(|line| &line[..7]), code, "{variables:?} {origin:?}: {line:?}");
        }
        let line = notice(&[cluster, role, token], Origin::Variables).unwrap();
        assert!(line.contains("AWS_WEB_IDENTITY_TOKEN_FILE is set, but its role is not used"), "{line}");
    }
}
