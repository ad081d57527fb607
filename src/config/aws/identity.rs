//! Who asks AWS: the first source of credentials that is set up, in botocore's order. Nothing is asked here.
//!
//! Takes variables and profiles, gives where the credentials are to come from. A source that is set up in part is an error, as in
//! botocore: the next one would be another identity. Rules: botocore 1.44 `credentials.py`, `create_credential_resolver` and the
//! providers in it.

use secrecy::{ExposeSecret, SecretString};

use super::chosen::Chosen;
use super::metadata::{self, Container, Instance};
use super::profiles::{Profile, Profiles, expanded};
use super::refusal::{Refusal, unusable};
use super::{ini, sso};
use crate::config::env::Env;
use crate::config::kwargs::OwnAccess;
use crate::model::aws::{AccountId, Arn};
use crate::model::aws_names::variable::{ACCESS_KEY_ID as ID, SECRET_ACCESS_KEY as SECRET};
use crate::model::cause::Cause;
use crate::text::{os_error, parse_time, printable, shown};

/// Where the credentials come from.
#[derive(Clone)]
pub enum Identity {
    /// Keys that stand in a variable or a file.
    Keys(AccessKeys),
    /// A role, taken with other credentials.
    Role(ProfileRole),
    /// A role, taken with a token in a file.
    WebIdentity(WebIdentity),
    /// A role of IAM Identity Center, taken with the token of a login.
    Sso(sso::Login),
    Process(CredentialProcess),
    /// An endpoint beside the container: ECS, EKS Pod Identity.
    Container(Container),
    Instance(Instance),
}

#[derive(Clone)]
pub struct AccessKeys {
    pub id: String,
    pub secret: SecretString,
    /// The session token of temporary keys.
    pub token: Option<SecretString>,
    /// Whether they are in variables of the environment.
    pub in_variables: bool,
}

/// A role of a profile.
#[derive(Clone)]
pub struct ProfileRole {
    pub arn: String,
    /// What the session is to be called; made up where nothing says it.
    pub session_name: Option<String>,
    /// What the role's trust policy asks for.
    pub external_id: Option<String>,
    /// Whose credentials it is taken with.
    pub source: Box<Identity>,
}

/// A role for a web identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    pub role: String,
    /// What the session is to be called; made up where nothing says it.
    pub session_name: Option<String>,
    /// The path of the token.
    pub file: String,
    /// What names the path.
    pub file_is_named_by: String,
    /// Whether the environment names it: IRSA.
    pub in_variables: bool,
}

#[derive(Clone)]
pub struct CredentialProcess {
    /// The program and its arguments, of which any may be a secret.
    pub words: Vec<String>,
    /// The profile that names it.
    pub profile: String,
}

/// Finds the source of the credentials.
///
/// # Errors
/// When the first that is set up can't be used, or none is.
pub fn find(chosen: &Chosen, env: &Env, profiles: &Profiles) -> Result<Identity, Refusal> {
    let finder = Finder { env, profiles };
    let profile = chosen.profile(profiles)?;
    if !chosen.is_explicit
        && let Some(keys) = finder.variables()?
    {
        return Ok(Identity::Keys(keys));
    }
    if let Some(profile) = profile
        && is_role(profile)
    {
        return finder.role(profile, &mut vec![profile.name]).map(Identity::Role);
    }
    if let Some(found) = finder.of_profile(chosen.name(), !chosen.is_explicit)? {
        return Ok(found);
    }
    if let Some(keys) = finder.ec2_file()? {
        return Ok(Identity::Keys(keys));
    }
    if let Some(keys) = finder.boto_config()? {
        return Ok(Identity::Keys(keys));
    }
    if let Some(container) = metadata::container(env)? {
        return Ok(Identity::Container(container));
    }
    match metadata::instance(env, profile)? {
        Some(instance) => Ok(Identity::Instance(instance)),
        None => Err(finder.nothing(chosen)),
    }
}

/// The account of the role that the own secrets are read with; `None` where other credentials read them, whose account only AWS
/// knows, and where what is set up can't be used.
pub fn own_account(access: &OwnAccess, env: &Env) -> Option<AccountId> {
    if let Some(role) = &access.role {
        return Some(role.arn.account.clone());
    }
    if access.keys.is_some() {
        return None;
    }
    let profiles = Profiles::read(env).ok()?;
    let arn = match find(&Chosen::of(access.profile_name.as_deref(), env), env, &profiles).ok()? {
        Identity::WebIdentity(identity) => identity.role,
        Identity::Role(role) => role.arn,
        Identity::Keys(_)
        | Identity::Sso(_)
        | Identity::Process(_)
        | Identity::Container(_)
        | Identity::Instance(_) => return None,
    };
    arn.parse::<Arn>().ok().map(|arn| arn.account)
}

/// A profile with `role_arn`, unless it is for a web identity.
fn is_role(profile: Profile<'_>) -> bool {
    profile.has("role_arn") && !profile.has("web_identity_token_file")
}

struct Finder<'a> {
    env: &'a Env,
    profiles: &'a Profiles,
}

impl<'a> Finder<'a> {
    // ---- keys --------------------------------------------------------------------------------------------------

    /// Where only the secret key is set, botocore goes on.
    fn variables(&self) -> Result<Option<AccessKeys>, Refusal> {
        let Some((id, _)) = self.variable(&[ID])? else { return Ok(None) };
        let Some((secret, _)) = self.variable(&[SECRET])? else {
            return Err(Refusal::new(Cause::HalfKeyPair, format!("{ID} is set, but {SECRET} is not")));
        };
        let token = self.variable(&["AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN"])?;
        self.not_expired()?;
        let token_name = token.map_or("AWS_SESSION_TOKEN", |(_, name)| name);
        let names = [ID, SECRET, token_name].map(str::to_owned);
        AccessKeys::checked([Some(id), Some(secret), token.map(|(value, _)| value)], &names, true).map(Some)
    }

    /// The first of these variables that is set and not empty.
    fn variable(&self, names: &[&'static str]) -> Result<Option<(&'a str, &'static str)>, Refusal> {
        for name in names {
            match self.env.get(name) {
                Ok(None) => {}
                Ok(Some(value)) => return Ok(Some((value, name))),
                Err(_) => return Err(Refusal::new(Cause::UnusableValue, format!("{name} is not UTF-8 text"))),
            }
        }
        Ok(None)
    }

    /// Of exported credentials.
    fn not_expired(&self) -> Result<(), Refusal> {
        const NAME: &str = "AWS_CREDENTIAL_EXPIRATION";
        let Some((text, _)) = self.variable(&[NAME])? else { return Ok(()) };
        match parse_time(text) {
            None => Err(Refusal::new(Cause::UnusableValue, format!("{NAME} is no time such as 2026-01-31T12:00:00Z"))),
            Some(time) if time <= std::time::SystemTime::now() => Err(Refusal::new(
                Cause::Expired,
                format!("the credentials in the AWS_* variables have expired, says {NAME}"),
            )),
            Some(_) => Ok(()),
        }
    }

    /// The keys of a profile in one of the two files. They are there where the id is.
    fn keys_in(file: &super::profiles::ProfileFile, profile: &str) -> Result<Option<AccessKeys>, Refusal> {
        let Some(keys) = file.profiles.get(profile).filter(|keys| keys.contains_key("aws_access_key_id")) else {
            return Ok(None);
        };
        let place = |key: &str| format!("{key} of the profile {} in {}", printable(profile), shown(&file.path));
        keys_of(
            keys,
            ["aws_access_key_id", "aws_secret_access_key"],
            &["aws_security_token", "aws_session_token"],
            place,
        )
        .map(Some)
    }

    /// The file of the EC2 tools before 2013: lines of `KEY=VALUE`.
    fn ec2_file(&self) -> Result<Option<AccessKeys>, Refusal> {
        const NAME: &str = "AWS_CREDENTIAL_FILE";
        let Some(path) = self.env.raw(NAME) else { return Ok(None) };
        let path = expanded(self.env, path);
        let text = crate::config::files::read_text(path.as_ref(), 1 << 20).map_err(|error| {
            let words = format!("{NAME} names {}, which can't be read: {}", printable(&path), os_error(&error));
            Refusal::new(Cause::TokenFile, words)
        })?;
        let mut keys = ini::Section::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let Some((key, value)) = line.split_once('=') else {
                let words = format!(
                    "{NAME} names {}, which is malformed at line {}: no KEY=VALUE",
                    printable(&path),
                    number + 1
                );
                return Err(Refusal::new(Cause::BadConfigurationFile, words));
            };
            keys.insert(key.trim().to_owned(), ini::IniValue::Text(value.trim().to_owned()));
        }
        if !keys.contains_key("AWSAccessKeyId") {
            return Ok(None);
        }
        let place = |key: &str| format!("{key} of {}", printable(&path));
        keys_of(&keys, ["AWSAccessKeyId", "AWSSecretKey"], &[], place).map(Some)
    }

    /// The files of boto 2.
    fn boto_config(&self) -> Result<Option<AccessKeys>, Refusal> {
        let own = self.env.raw("BOTO_CONFIG").map(str::to_owned);
        let paths = own.map_or_else(|| vec!["/etc/boto.cfg".to_owned(), "~/.boto".to_owned()], |path| vec![path]);
        for path in paths {
            let file = super::profiles::read(self.env, &path)?;
            let Some(keys) = file.profiles.get("Credentials").filter(|keys| keys.contains_key("aws_access_key_id"))
            else {
                continue;
            };
            let place = |key: &str| format!("{key} of [Credentials] in {}", shown(&file.path));
            return keys_of(keys, ["aws_access_key_id", "aws_secret_access_key"], &[], place).map(Some);
        }
        Ok(None)
    }

    // ---- profiles ----------------------------------------------------------------------------------------------

    /// What a profile has beside a role: a web identity, a login, keys, a process.
    fn of_profile(&self, name: &str, with_variables: bool) -> Result<Option<Identity>, Refusal> {
        let profile = self.profiles.get(name);
        if let Some(web) = self.web_identity(profile, with_variables)? {
            return Ok(Some(Identity::WebIdentity(web)));
        }
        if let Some(profile) = profile
            && let Some(login) = sso::Login::of(profile, self.profiles, self.env)?
        {
            return Ok(Some(Identity::Sso(login)));
        }
        if let Some(keys) = Self::keys_in(&self.profiles.credentials, name)? {
            return Ok(Some(Identity::Keys(keys)));
        }
        let Some(profile) = profile else { return Ok(None) };
        if profile.has("login_session") {
            let words =
                format!("the profile {} has a login_session (aws login), which is not supported", printable(name));
            return Err(Refusal::new(Cause::NotSupported, words));
        }
        if let Some(process) = process(profile)? {
            return Ok(Some(Identity::Process(process)));
        }
        Ok(Self::keys_in(&self.profiles.config, name)?.map(Identity::Keys))
    }

    /// Each of its parts is taken from its variable, else from the profile. An empty variable of the file ends the search.
    fn web_identity(&self, profile: Option<Profile<'_>>, with_variables: bool) -> Result<Option<WebIdentity>, Refusal> {
        let part = |variable: &'static str, key: &'static str| {
            let in_variable = self.env.raw(variable).filter(|_| with_variables);
            let in_variable = in_variable.map(|value| (value.to_owned(), variable.to_owned(), true));
            in_variable.or_else(|| {
                let profile = profile?;
                let by = format!("{key} of the profile {}", printable(profile.name));
                Some((profile.text(key)?.to_owned(), by, false))
            })
        };
        let Some((file, by, in_variables)) = part("AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file") else {
            return Ok(None);
        };
        if file.is_empty() {
            return Ok(None);
        }
        let role = part("AWS_ROLE_ARN", "role_arn").filter(|(role, ..)| !role.is_empty());
        let Some((role, ..)) = role else {
            let words = format!(
                "{by} names a web identity's token, but no role is named: AWS_ROLE_ARN, or role_arn in the profile"
            );
            return Err(Refusal::new(Cause::BadConfiguration, words));
        };
        let session_name = part("AWS_ROLE_SESSION_NAME", "role_session_name").map(|(name, ..)| name);
        let session_name = session_name.filter(|name| !name.is_empty());
        Ok(Some(WebIdentity { role, session_name, file, file_is_named_by: by, in_variables }))
    }

    /// A profile's role and all that it is taken with. `visited` are the profiles on the way here.
    fn role<'p>(&'p self, profile: Profile<'p>, visited: &mut Vec<&'p str>) -> Result<ProfileRole, Refusal> {
        let name = printable(profile.name);
        let refuse = |words: String| Err(Refusal::new(Cause::BadConfiguration, words));
        if profile.has("mfa_serial") {
            let words =
                format!("the profile {name} has an mfa_serial, and an init container has no one to type a code");
            return Err(Refusal::new(Cause::NotSupported, words));
        }
        let source = match (profile.text("credential_source"), profile.text("source_profile")) {
            (Some(_), Some(_)) => {
                return refuse(format!("the profile {name} has both source_profile and credential_source"));
            }
            (None, None) => {
                return refuse(format!(
                    "the profile {name} has a role_arn, but neither source_profile nor credential_source"
                ));
            }
            (Some(source), None) => self.named_source(source, &name)?,
            (None, Some(source)) => self.source_profile(source, profile, visited)?,
        };
        let external_id = profile.text("external_id").map(str::to_owned);
        if external_id.as_ref().is_some_and(|id| id.chars().count() < 2) {
            return refuse(format!("the external_id of the profile {name} is shorter than two characters"));
        }
        Ok(ProfileRole {
            arn: profile.text("role_arn").unwrap_or_default().to_owned(),
            session_name: profile.text("role_session_name").filter(|name| !name.is_empty()).map(str::to_owned),
            external_id,
            source: Box::new(source),
        })
    }

    fn named_source(&self, source: &str, name: &str) -> Result<Identity, Refusal> {
        let found = match source {
            "Environment" => self.variables()?.map(Identity::Keys),
            "EcsContainer" => metadata::container(self.env)?.map(Identity::Container),
            "Ec2InstanceMetadata" => metadata::instance(self.env, self.profiles.get(name))?.map(Identity::Instance),
            _ => {
                let words = format!(
                    "the credential_source of the profile {name} must be Environment, EcsContainer or Ec2InstanceMetadata, in these letters"
                );
                return Err(Refusal::new(Cause::BadConfiguration, words));
            }
        };
        found.ok_or_else(|| {
            let words = format!("the profile {name} has the credential_source {source}, which gives no credentials");
            Refusal::new(Cause::NoCredentials, words)
        })
    }

    fn source_profile<'p>(
        &'p self,
        source: &'p str,
        profile: Profile<'p>,
        visited: &mut Vec<&'p str>,
    ) -> Result<Identity, Refusal> {
        let (name, shown) = (printable(profile.name), printable(source));
        let Some(found) = self.profiles.get(source) else {
            let words = format!("the source_profile {shown} of the profile {name} is not there");
            return Err(Refusal::new(Cause::SourceProfile, words));
        };
        let has_keys = found.has("aws_access_key_id") || found.has("aws_secret_access_key");
        // A profile may be its own source where it has keys.
        if visited.contains(&source) && !(source == profile.name && has_keys) {
            let words =
                format!("the source_profile {shown} of the profile {name} leads back to a profile on the way to it");
            return Err(Refusal::new(Cause::SourceProfile, words));
        }
        visited.push(source);
        if !has_keys && is_role(found) {
            return self.role(found, visited).map(Identity::Role);
        }
        self.of_profile(source, false)?.ok_or_else(|| {
            let words = format!("the source_profile {shown} of the profile {name} has no credentials");
            Refusal::new(Cause::SourceProfile, words)
        })
    }

    // ---- nothing -----------------------------------------------------------------------------------------------

    fn nothing(&self, chosen: &Chosen) -> Refusal {
        let mut words =
            "none found: no AWS_* variables, profile, web identity or container role, and AWS_EC2_METADATA_DISABLED \
                         keeps the instance's"
                .to_owned();
        if chosen.is_explicit && self.env.get(ID) != Ok(None) {
            words.push_str("; beside profile_name the variables do not count");
        } else if self.env.get(SECRET) != Ok(None) {
            words.extend([format!("; {SECRET} is set, but {ID} is not")]);
        }
        if let Some(profile) = self.profiles.get(chosen.name())
            && profile.has("aws_secret_access_key")
        {
            let name = printable(profile.name);
            words.extend([format!("; the profile {name} has an aws_secret_access_key, but no aws_access_key_id")]);
        }
        Refusal::new(Cause::NoCredentials, words)
    }
}

fn process(profile: Profile<'_>) -> Result<Option<CredentialProcess>, Refusal> {
    let Some(command) = profile.text("credential_process") else { return Ok(None) };
    let name = printable(profile.name);
    match super::shell::split(command) {
        Some(words) if !words.is_empty() => Ok(Some(CredentialProcess { words, profile: profile.name.to_owned() })),
        Some(_) => {
            let words = format!("the credential_process of the profile {name} is empty");
            Err(Refusal::new(Cause::BadConfiguration, words))
        }
        None => {
            let words = format!("the credential_process of the profile {name} has a quotation that does not end");
            Err(Refusal::new(Cause::BadConfiguration, words))
        }
    }
}

/// The keys of a section. An empty one is one that is not there.
fn keys_of(
    keys: &ini::Section,
    [id, secret]: [&str; 2],
    tokens: &[&str],
    place: impl Fn(&str) -> String,
) -> Result<AccessKeys, Refusal> {
    let value = |key: &str| super::profiles::text(keys, key).filter(|value| !value.is_empty());
    for (key, other) in [(id, secret), (secret, id)] {
        if value(key).is_none() {
            let words = format!("{} is missing or empty, beside {other}", place(key));
            return Err(Refusal::new(Cause::HalfKeyPair, words));
        }
    }
    let token = tokens.iter().find(|key| keys.contains_key(**key));
    let names = [id, secret, token.unwrap_or(&"token")].map(&place);
    AccessKeys::checked([value(id), value(secret), token.and_then(|key| value(key))], &names, false)
}

impl AccessKeys {
    /// Keys that a request can carry.
    ///
    /// # Errors
    /// When one holds what no header can.
    pub fn checked(values: [Option<&str>; 3], names: &[String; 3], in_variables: bool) -> Result<Self, Refusal> {
        for (value, name) in values.iter().zip(names) {
            if let Some(problem) = value.and_then(unusable) {
                return Err(Refusal::new(Cause::UnusableValue, format!("{name} {problem}")));
            }
        }
        let [id, secret, token] = values.map(|value| value.map(str::to_owned));
        Ok(Self {
            id: id.unwrap_or_default(),
            secret: SecretString::from(secret.unwrap_or_default()),
            token: token.map(SecretString::from),
            in_variables,
        })
    }

    /// The secret access key and the session token.
    pub fn exposed(&self) -> (&str, Option<&str>) {
        (self.secret.expose_secret(), self.token.as_ref().map(ExposeSecret::expose_secret))
    }
}
