//! What is wrong with the arguments, in words; and what people type for a flag, a variable or a command that is called something else.

use std::error::Error as _;
use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

const WORDS: &[(&[&str], &str)] = &[
    (&["dry-run", "dryrun", "validate", "test", "plan"], "the command check"),
    (&["help", "usage"], "--help"),
    (&["version"], "--version"),
    (&["env-file"], "--airflow-env-file (SECRETS_INIT_AIRFLOW_ENV_FILE)"),
    (
        &["region", "aws-region", "region-name"],
        "the variable AWS_REGION, or region_name and aws_region in backend_kwargs",
    ),
    (&["profile", "aws-profile"], "the variable AWS_PROFILE, or profile_name in backend_kwargs"),
    (&["endpoint", "endpoint-url"], "the variable AWS_ENDPOINT_URL, or endpoint_url in backend_kwargs"),
    (&["verbose", "v", "debug", "log-level"], "--log debug (SECRETS_INIT_LOG)"),
    (&["quiet", "q", "silent"], "--log error (SECRETS_INIT_LOG)"),
    (&["timeout"], "--deadline (SECRETS_INIT_DEADLINE)"),
    (&["kwargs", "backend-kwarg"], "--backend-kwargs (SECRETS_INIT_BACKEND_KWARGS)"),
    (&["out", "o", "output-file", "target"], "--connections-file (SECRETS_INIT_CONNECTIONS_FILE)"),
    (&["connections", "connection-ids", "conn-id"], "--conn-ids (SECRETS_INIT_CONN_IDS)"),
    (&["json"], "--output json (SECRETS_INIT_OUTPUT)"),
];

/// What the word is called here: a flag with its dashes, or the part of a variable after `SECRETS_INIT_`.
pub fn meant_by(word: &str) -> Option<&'static str> {
    let word = word.trim_start_matches('-').to_ascii_lowercase().replace('_', "-");
    WORDS.iter().find(|(words, _)| words.contains(&word.as_str())).map(|(_, name)| *name)
}

/// A flag whose value was forgotten, so that the next flag would be taken for it.
pub fn flag_without_value<'a>(args: &'a [OsString], command: &Command) -> Option<(&'a str, &'a str)> {
    let takes_value = |arg: &str| {
        let is_it = |name: &str| {
            let mut arguments = command.get_arguments().filter(|argument| argument.get_action().takes_values());
            arguments.any(|argument| argument.get_long() == Some(name))
        };
        arg.strip_prefix("--").is_some_and(is_it)
    };
    args.windows(2).find_map(|pair| {
        let (flag, next) = (pair.first()?.to_str()?, pair.last()?.to_str()?);
        let other = next.split('=').next().filter(|other| is_flag(command, other))?;
        takes_value(flag).then_some((flag, other))
    })
}

/// One sentence about a wrong argument. None of it is repeated but the name of a flag that there is: what is typed in the
/// wrong place, or straight after a flag (`-pPASSWORD`), may be a secret.
pub fn describe(error: &clap::Error, args: &[OsString], command: &Command) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let given = text(ContextKind::InvalidArg).filter(|arg| arg.starts_with('-'));
    let flag = given
        .as_deref()
        .map(|flag| flag.split(['=', ' ']).next().unwrap_or_default())
        .filter(|flag| is_flag(command, flag));
    let tail = "see airflow-secrets-init --help";
    let did_you_mean = |meant: Option<&str>| match meant {
        Some(meant) => format!("did you mean {meant}? ({tail})"),
        None => tail.to_owned(),
    };
    match (error.kind(), flag) {
        (ErrorKind::UnknownArgument, _) if given.is_some() => {
            let given = given.unwrap_or_default();
            let at = args.iter().skip(1).position(|arg| arg.as_encoded_bytes().starts_with(given.as_bytes()));
            let which = at.map_or_else(|| "an argument".to_owned(), |at| format!("argument {}", at + 1));
            let meant = meant_by(given.split(['=', ' ']).next().unwrap_or_default()).map(str::to_owned);
            let meant = meant.or_else(|| text(ContextKind::SuggestedArg).filter(|near| is_flag(command, near)));
            format!("{which} is an unknown flag; {}", did_you_mean(meant.as_deref()))
        }
        (ErrorKind::ArgumentConflict, Some(flag)) => format!("the flag {flag} is given twice; give it once"),
        (ErrorKind::InvalidValue | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues, Some(flag)) => {
            format!("the flag {flag} needs a value; {tail}")
        }
        // The words of a parser of ours, which do not repeat the value.
        (ErrorKind::ValueValidation, Some(flag)) if let Some(problem) = error.source() => {
            format!("the flag {flag} {problem}; {tail}")
        }
        (_, Some(flag)) => format!("the flag {flag} is not right; {tail}"),
        _ => {
            let typed = args.iter().skip(1).filter_map(|arg| arg.to_str()).filter(|arg| !arg.starts_with('-'));
            let hint = did_you_mean({ typed }.find_map(meant_by));
            format!("an argument is neither a flag nor one of render, check, diff, iam, status, publish-index; {hint}")
        }
    }
}

/// Whether this is the name of a flag of ours.
fn is_flag(command: &Command, text: &str) -> bool {
    let of_commands = command.get_subcommands().flat_map(clap::Command::get_arguments);
    let mut names = command.get_arguments().chain(of_commands).filter_map(clap::Arg::get_long);
    text.strip_prefix("--").is_some_and(|name| names.any(|known| known == name) || name == "help" || name == "version")
}
