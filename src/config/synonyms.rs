//! What people type for a flag, a variable or a command that is called something else here.

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
#[must_use]
pub fn of(word: &str) -> Option<&'static str> {
    let word = word.trim_start_matches('-').to_ascii_lowercase().replace('_', "-");
    WORDS.iter().find(|(words, _)| words.contains(&word.as_str())).map(|(_, name)| *name)
}
