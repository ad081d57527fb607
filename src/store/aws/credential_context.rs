//! What the environment says of who this pod should be: compared with who it turns out to be, and used to name the cause of
//! trouble with credentials.
//!
//! The SDK's chain passes over a provider that is not configured without a word and ends at the node's role. A pod whose service
//! account was annotated after the pod had started then has another identity, and is denied or, worse, is not.

use aws_credential_types::Credentials;

use crate::config::env::Env;
use crate::model::aws_names::variable::{self, ROLE_ARN as ROLE, WEB_IDENTITY_TOKEN_FILE as TOKEN_FILE};
use crate::model::cause::{Cause, Notice};
use crate::store::error::StoreError;

/// In the order in which the SDK looks at them.
const CONTAINER: [&str; 2] = [variable::CONTAINER_RELATIVE_URI, variable::CONTAINER_FULL_URI];

/// What the environment says.
#[derive(Clone, Debug, Default)]
pub struct CredentialContext {
    /// The role that a web identity is to take.
    role: Option<String>,
    token_file: Option<String>,
    /// Which variable names the endpoint of container credentials.
    container: Option<&'static str>,
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
    Instance,
    /// A profile, or what does not tell.
    Other,
}

impl Origin {
    /// By the mark that a source leaves.
    pub fn of(credentials: &Credentials) -> Self {
        credentials.get_property::<Self>().copied().unwrap_or(Self::Other)
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

    /// Logs when the identity is not the one that the environment configures.
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

    /// Names the cause of trouble with the pod's credentials more closely than the error does.
    pub fn explain(&self, error: StoreError) -> StoreError {
        match error.cause {
            Cause::Connect | Cause::NoAnswer | Cause::Dns if error.action == crate::store::error::CREDENTIALS => {
                match self.container {
                    Some(variable) => {
                        let message = format!("the endpoint that {variable} names gives none: {}", error.message);
                        StoreError { cause: Cause::AgentUnreachable, message, ..error }
                    }
                    None => error,
                }
            }
            Cause::NoCredentials | Cause::ImdsSilent => match self.half_of_a_web_identity() {
                Some(half) => StoreError { message: format!("{}; {half}", error.message), ..error },
                None => error,
            },
            _ => error,
        }
    }

    /// A role without a token is none, and the next source counts.
    fn half_of_a_web_identity(&self) -> Option<String> {
        let is_half = self.role.is_some() && self.token_file.is_none();
        is_half.then(|| format!("{ROLE} is set, but {TOKEN_FILE} is not"))
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
            (&[cluster, role], Origin::Instance, Some("ASI-120")),
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
