//! The sources of credentials, asked: what `config/aws/identity.rs` has found is turned into keys.

mod endpoints;
mod keys;
mod process;
mod request;
mod sso;

use std::future::ready;
use std::sync::{Arc, OnceLock};

use aws_credential_types::Credentials;
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;

use super::credential_context::Origin;
use super::credentials::{AssumedRole, TokenFile};
use super::retries::Retries;
use super::transport::Opened;
use crate::config::aws::identity::{AccessKeys, Identity};
use crate::config::aws::refusal::Refusal;
use crate::model::cause::Cause;
use crate::store::error::StoreError;

pub use self::process::Printed;

/// What the sources are asked with.
#[derive(Clone)]
pub struct Means {
    /// Region, endpoint and HTTP client of STS.
    pub sts: SdkConfig,
    /// For the endpoints of containers and instances, which never go through a proxy.
    pub direct: SharedHttpClient,
    /// For the SSO portal.
    pub http: SharedHttpClient,
    /// The endpoint of the SSO portal, if the configuration names one.
    pub sso: Option<String>,
    /// What is tried again, and what was met last.
    pub retries: Retries,
    /// To whom connections were opened ahead.
    pub opened: Opened,
    /// What the `credential_process` has printed.
    pub printed: Option<Arc<Printed>>,
}

/// Gives the credentials of an identity, or the reason why there is none.
pub fn provider_of(identity: &Result<Identity, Refusal>, means: &Means) -> SharedCredentialsProvider {
    match identity {
        Ok(identity) => provider(identity, means),
        Err(refusal) => {
            let error = refused(refusal.clone());
            let answer = move || ready(Err(CredentialsError::provider_error(error.clone())));
            SharedCredentialsProvider::new(provide_credentials_fn(answer))
        }
    }
}

fn provider(identity: &Identity, means: &Means) -> SharedCredentialsProvider {
    let role = |arn: &str, session_name: &Option<String>, config: SdkConfig| AssumedRole {
        arn: arn.to_owned(),
        external_id: None,
        session_name: session_name.clone(),
        token_file: None,
        config,
        retries: means.retries.clone(),
        opened: means.opened.clone(),
        sts: OnceLock::new(),
    };
    match identity {
        Identity::Keys(keys) => SharedCredentialsProvider::new(credentials_of(keys)),
        Identity::Role(found) => {
            let source = provider(&found.source, means);
            let config = means.sts.to_builder().credentials_provider(source).build();
            let role = role(&found.arn, &found.session_name, config);
            SharedCredentialsProvider::new(AssumedRole { external_id: found.external_id.clone(), ..role })
        }
        Identity::WebIdentity(found) => {
            let role = role(&found.role, &found.session_name, means.sts.clone());
            SharedCredentialsProvider::new(AssumedRole { token_file: Some(TokenFile::of(found)), ..role })
        }
        Identity::Sso(_) | Identity::Process(_) | Identity::Container(_) | Identity::Instance(_) => {
            let (identity, means) = (identity.clone(), means.clone());
            SharedCredentialsProvider::new(provide_credentials_fn(move || ask(identity.clone(), means.clone())))
        }
    }
}

fn credentials_of(keys: &AccessKeys) -> Credentials {
    let (secret, token) = keys.exposed();
    let mut found = Credentials::new(&keys.id, secret, token.map(str::to_owned), None, "configuration");
    if keys.in_variables {
        found.set_property(Origin::Variables);
    }
    found
}

/// Asks a source that takes a call or two.
async fn ask(identity: Identity, means: Means) -> Result<Credentials, CredentialsError> {
    let answer = match &identity {
        Identity::Sso(_) if [means.sts.use_fips(), means.sts.use_dual_stack()].contains(&Some(true)) => {
            let words = "an SSO profile beside FIPS or dual-stack endpoints is not supported";
            Err(StoreError::of_credentials(Cause::NotSupported, words))
        }
        Identity::Sso(login) => sso::ask(login, means.sso.as_deref(), &means.http).await,
        Identity::Container(container) => endpoints::container(container, &means.direct).await,
        Identity::Instance(instance) => endpoints::instance(instance, &means.direct).await,
        Identity::Process(process) => match &means.printed {
            Some(printed) => printed.credentials(process),
            None => Err(StoreError::of_credentials(Cause::ProcessFails, "the credential_process was not run")),
        },
        Identity::Keys(_) | Identity::Role(_) | Identity::WebIdentity(_) => {
            Err(StoreError::of_credentials(Cause::NoCredentials, "none found"))
        }
    };
    let mut found = answer.map_err(CredentialsError::provider_error)?;
    match identity {
        Identity::Container(_) => found.set_property(Origin::Container),
        Identity::Instance(_) => found.set_property(Origin::Instance),
        _ => {}
    }
    Ok(found)
}

/// A part of the configuration that can't be used, as an error of the credentials.
pub fn refused(refusal: Refusal) -> StoreError {
    StoreError::of_credentials(refusal.cause.unwrap_or(Cause::BadConfiguration), refusal.words)
}
