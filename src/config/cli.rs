//! Flags and commands. Every setting is one field here: `clap` reads it as a flag, `envy` as a variable.
//!
//! Values stay text: what they mean, and whether they are right, is the business of `settings.rs`, which
//! reports all mistakes at once. (Also, `clap` and `envy` repeat a value that they can't parse in their errors.)

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use serde::Deserialize;
use std::ffi::OsString;
use std::time::Duration;

use crate::config::env::{Env, NOT_UNICODE, NotUnicode};
use crate::config::usage;
use crate::error::{ConfigErrors, Exit, Failure};
use crate::text::parse_duration;

/// What every variable of this program begins with.
pub const VARIABLE_PREFIX: &str = "SECRETS_INIT_";

/// Render Airflow's connections, variables and config values from AWS Secrets Manager into the files that LocalFilesystemBackend reads.
///
/// Every flag is also a variable: --connections-file is SECRETS_INIT_CONNECTIONS_FILE. A flag beats a variable, a variable the default.
/// Unset and empty mean the same: the default.
#[derive(Parser)]
#[command(name = "airflow-secrets-init", version, disable_help_subcommand = true, disable_help_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<CommandName>,
    #[command(flatten)]
    raw: RawSettings,
    /// One template and its target, repeatable: the same as a line of --templates
    #[arg(long, global = true, help_heading = "Files", value_name = "SRC=DEST", allow_hyphen_values = true)]
    template: Vec<String>,
    /// The flags that most runs need; of a command, its own
    #[arg(short, long, global = true, action = ArgAction::HelpShort)]
    help: Option<bool>,
    /// Every flag with its default
    #[arg(long, global = true, action = ArgAction::HelpLong)]
    help_all: Option<bool>,
}

/// What to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Subcommand)]
pub enum CommandName {
    /// Resolve everything, write the files, exit (the default).
    #[default]
    Render,
    /// Resolve and render everything, write nothing, and say what was found: who wins, what is wrong, what is left out.
    Check {
        /// Print the templates as they come out, placeholders in place of values, and nothing else.
        #[arg(long)]
        show: bool,
        /// Make no call: check settings and templates only.
        #[arg(long, conflicts_with = "show")]
        offline: bool,
    },
    /// Say what a render would change in the files that are there. Exit code 0: nothing; 1: something.
    Diff,
    /// Say which AWS policies these settings need, and no more: for roles, secrets, keys and VPC endpoints. Makes no call.
    Iam,
    /// Write which connections this account holds into one secret, the index that other accounts name in shared_index. Reads no value.
    PublishIndex {
        /// Make the secret if it is not there: under SECRETS_INIT_INDEX_KMS_KEY, readable by SECRETS_INIT_INDEX_READERS.
        #[arg(long)]
        create: bool,
        /// Write nothing, and say what would change. Ends with 0 for nothing, with 1 for something.
        #[arg(long)]
        dry_run: bool,
    },
    /// Say how the refresh is doing, from its status file, for probes. Exit code 0: its last success is recent, whatever it left out; 1: too
    /// old; 66: there is no status file yet.
    Status {
        /// How old the last success may be, such as 20m: at most 720h. Unset: three intervals.
        #[arg(long, value_name = "DURATION", value_parser = max_age, allow_hyphen_values = true)]
        max_age: Option<Duration>,
        /// Judge by the last attempt, whether or not it succeeded: whether the process still reads.
        #[arg(long)]
        alive: bool,
    },
}

fn max_age(text: &str) -> Result<Duration, &'static str> {
    parse_duration(text.trim(), Duration::from_hours(30 * 24)).ok_or("must be a duration such as 20m, at most 720h")
}

impl CommandName {
    /// Whether it makes no call.
    pub const fn is_offline(self) -> bool {
        matches!(self, Self::Iam | Self::Check { offline: true, .. })
    }
}

macro_rules! raw_settings {
    ($($heading:literal { $($(#[$meta:meta])* $name:ident),* $(,)? })*) => {
        /// Each setting as text, unset where neither flag nor variable names it.
        #[derive(Args, Clone, Default, Deserialize)]
        pub struct RawSettings {
            $($(
                $(#[$meta])*
                #[arg(long, global = true, help_heading = $heading, value_name = "VALUE", allow_hyphen_values = true)]
                pub $name: Option<String>,
            )*)*
        }

        impl RawSettings {
            /// The names of all settings, as fields: `connections_file`.
            pub const NAMES: &'static [&'static str] = &[$($(stringify!($name)),*),*];

            /// This setting where it is set, the other's where it is not. The empty string is unset.
            pub fn or(self, other: Self) -> Self {
                Self { $($($name: self.$name.filter(|v| !v.is_empty()).or(other.$name.filter(|v| !v.is_empty())),)*)* }
            }
        }
    };
}

impl RawSettings {
    /// Every setting that no flag names, from its variable. A variable that is not UTF-8 text is an error.
    pub fn with_variables(self, env: &Env, errors: &mut ConfigErrors) -> Self {
        let mut pairs = Vec::new();
        for name in Self::NAMES.iter().map(|name| format!("{VARIABLE_PREFIX}{}", name.to_uppercase())) {
            match env.get(&name) {
                Ok(value) => pairs.extend(value.map(|value| (name, value.to_owned()))),
                Err(NotUnicode) => errors.add(&name, NOT_UNICODE),
            }
        }
        match envy::prefixed(VARIABLE_PREFIX).from_iter(pairs) {
            Ok(variables) => self.or(variables),
            Err(_) => {
                // Every field is optional text, so this can't happen; the error itself could repeat a value.
                errors.add(VARIABLE_PREFIX, "variables can't be read; please report this as a bug");
                self
            }
        }
    }
}

raw_settings! {
    "Secrets" {
        /// The backend_kwargs: a JSON object, or @PATH of a file with one [default: Airflow's own variables]
        backend_kwargs,
        /// Replace $NAME and ${NAME} in backend_kwargs from the environment, as Airflow does: true or false [default: true]
        expand_env,
        /// Where secrets come from: aws or file:PATH [default: aws]
        store,
    }
    "Selection" {
        /// Take exactly these conn_ids, by name, without listing (comma or newline separated)
        conn_ids,
        /// Take exactly these variables, by name, without listing
        variable_keys,
        /// Take exactly these config keys, by name, without listing
        config_keys,
        /// Globs: of the listed conn_ids take only these
        include,
        /// Globs: of the listed conn_ids leave these out
        exclude,
        /// conn_ids that must end up in the file; asked for by name where a listing misses them
        required,
        /// The team of a multi-team Airflow that the files are for: TEAM--ID becomes ID and beats it, other teams' secrets stay out [default: none]
        team,
    }
    "Files" {
        /// Where to write connections: .json, .yaml, .yml or .env, or none for no such file [default: /opt/airflow/secrets/connections.json]
        connections_file,
        /// Where to write variables, in the same formats [default: not written]
        variables_file,
        /// Where to write config values, in the same formats [default: not written]
        configs_file,
        /// Where to write AIRFLOW_CONN_*, AIRFLOW_VAR_* and AIRFLOW__* lines: .env for compose and shells, .list for --env-file [default: not written]
        airflow_env_file,
        /// Templates of your own and their targets: SRC=DEST, one a line [default: none]
        templates,
        /// Mode of the files, octal, set before the first byte [default: 0440]
        file_mode,
        /// Which Airflow reads the file: 2, 3 or an exact version such as 3.1.7 [default: 3]
        airflow_version,
        /// Where to write a Python module with a secrets backend that builds only the connection asked for [default: not written]
        backend_module_file,
    }
    "Policies" {
        /// A listed secret that is malformed: error, warn or ignore [default: warn]
        on_invalid,
        /// A secret that may not be read: error, warn or ignore [default: warn]
        on_denied,
        /// An id asked for by name that no source has: error, warn or ignore [default: error]
        on_missing,
        /// Nothing at all was found: error, warn or ignore [default: error]
        on_empty,
        /// One account has nothing under its prefix while another has: error, warn or ignore [default: warn]
        on_empty_account,
        /// A shared account that can't be read as a whole: error, warn or ignore [default: error]
        on_shared,
        /// Every policy becomes error: true or false [default: false]
        strict,
    }
    "Reading" {
        /// How values are read: auto, batch or single [default: auto]
        fetch,
        /// Requests in flight to one account at a time, 1 to 64 [default: 40]
        concurrency,
        /// How long the whole run may take, such as 60s or 2m [default: 60s]
        deadline,
        /// Longest random wait at the start, such as 5s [default: 0s]
        jitter,
    }
    "Publishing an index" {
        /// The secret that publish-index writes: name or ARN [default: none]
        index,
        /// ARN of the KMS key that publish-index --create makes it under [default: none]
        index_kms_key,
        /// Who may read it: accounts, and ids of organisations (comma or newline separated) [default: nobody else]
        index_readers,
    }
    "Refresh" {
        /// Keep running and read again at this interval, such as 5m: from 30s to 24h [default: render once]
        refresh,
        /// Drop what could not be confirmed for so long, such as 4h [default: keep the last good value]
        refresh_max_stale,
        /// Where to say how the refresh is doing, for the command status [default: refresh-status.json beside the connections file]
        status_file,
    }
    "Process and logs" {
        /// Give up, by Landlock, all writing but that of the files, and running programs: auto (as far as the kernel can) or off [default: auto]
        sandbox,
        /// Where the reason of a failure is written [default: /dev/termination-log, if it is there]
        termination_log,
        /// error, warn, info, debug or trace [default: info]
        log,
        /// text or json [default: text on a terminal, json elsewhere]
        log_format,
        /// The form of what check, diff, iam and publish-index print: text or json, and of iam alone terraform [default: text; of iam json]
        output,
    }
}

/// One screen, for `--help`. The test below holds each flag in it to the real ones.
const HELP: &str = "\
Reads Airflow's connections, variables and config values from AWS Secrets
Manager and writes the files that LocalFilesystemBackend reads.

Usage: airflow-secrets-init [COMMAND] [FLAG VALUE]...

Commands:
  render  Read everything, write the files, exit (the default)
  check   Show what a render would find and what is wrong; write nothing
  diff    Show what a render would change in the files that are there
  iam     Print the AWS policies that the settings need
  publish-index  Write the index that other accounts read
  status  Say how the refresh is doing, for probes

What is read:
  --backend-kwargs JSON      The kwargs of Airflow's AWS backend, or @PATH
  --store aws|file:PATH      Where secrets come from
  --conn-ids LIST            Exactly these connections, by name
  --include GLOBS            Of the listed connections only these
  --exclude GLOBS            Of the listed connections all but these
  --required LIST            Fail without these connections

What is written:
  --connections-file PATH    .json, .yaml or .env; or none
  --variables-file PATH      Variables, in the same formats
  --airflow-env-file PATH    All as environment variables: .env or .list
  --template SRC=DEST        A file of your own; may be repeated
  --airflow-version VERSION  Who reads it: 2, 3 or exact, such as 3.1.7
  --refresh INTERVAL         Keep running and read again at this interval

When something is wrong:
  --on-invalid POLICY        A malformed secret: error, warn or ignore
  --on-denied POLICY         A secret that may not be read
  --on-missing POLICY        An id that no account has
  --strict true              Every policy is error
  --log LEVEL                error, warn, info, debug or trace
  --output FORM              text or json; of iam json or terraform

Each flag is a variable too: --conn-ids is SECRETS_INIT_CONN_IDS.
-h, --help prints this, --help-all every flag, -V, --version the version.
";

/// The command line as clap has it, for a man page and for completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// What came of reading the arguments.
pub enum Parsed {
    /// Do this, with these flags.
    Run(CommandName, Box<RawSettings>),
    /// Print this text to stdout and exit with 0: help or version.
    Print(String),
}

/// Whether this process will stay and read again, as far as can be seen before the arguments are read, which takes its time: a signal does
/// not wait for that.
pub fn will_refresh(args: &[OsString], env: &Env) -> bool {
    let others = ["check", "diff", "iam", "publish-index", "status"];
    let of_flag = args.iter().any(|arg| arg.to_str().is_some_and(|arg| arg.split('=').next() == Some("--refresh")));
    let of_variable = env.raw("SECRETS_INIT_REFRESH").is_some_and(|value| !value.is_empty());
    (of_flag || of_variable) && !args.iter().skip(1).any(|arg| others.iter().any(|other| arg == other))
}

/// Reads the arguments, the program's own name first.
///
/// # Errors
/// [`Exit::Usage`], naming the flag and the nearest known one, never a value.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Parsed, Failure> {
    let args: Vec<OsString> = args.into_iter().collect();
    // Made once: it is a good part of a start.
    let mut command = Cli::command();
    if let Some((flag, other)) = usage::flag_without_value(&args, &command) {
        let line =
            format!("the flag {flag} needs a value, and {other} is another flag; see airflow-secrets-init --help");
        return Err(Failure::new(Exit::Usage, line));
    }
    let matches = match command.try_get_matches_from_mut(&args) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp && !args.iter().any(|arg| arg == "--help-all") => {
            return Ok(Parsed::Print(short_help(&args)));
        }
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Parsed::Print(error.render().to_string()));
        }
        Err(error) => return Err(Failure::new(Exit::Usage, usage::describe(&error, &args, &command))),
    };
    let mut cli = Cli::from_arg_matches(&matches)
        .map_err(|error| Failure::new(Exit::Usage, usage::describe(&error, &args, &command)))?;
    // clap lets a flag after the command replace the same one before it, which would lose a template.
    if args.iter().filter(|arg| is_template_flag(arg)).count() > cli.template.len() {
        let line = "--template stands before and after the command; give all of them on one side of it";
        return Err(Failure::new(Exit::Usage, line));
    }
    if !cli.template.is_empty() {
        let lines = cli.raw.templates.into_iter().chain(cli.template);
        cli.raw.templates = Some(lines.collect::<Vec<_>>().join("\n"));
    }
    Ok(Parsed::Run(cli.command.unwrap_or_default(), Box::new(cli.raw)))
}

/// What `--help` prints: of the program one screen, of a command what it is and its own flags. `--help-all` has the rest.
fn short_help(args: &[OsString]) -> String {
    let named =
        Cli::command().get_subcommands().find(|command| args.iter().any(|arg| arg == command.get_name())).cloned();
    let Some(command) = named else { return HELP.to_owned() };
    let name = format!("airflow-secrets-init {}", command.get_name());
    let own = command.disable_help_flag(true).bin_name(name).render_help();
    format!("{own}\nIt takes all settings of a render: see airflow-secrets-init --help and --help-all.\n")
}

fn is_template_flag(arg: &OsString) -> bool {
    arg.to_str().is_some_and(|arg| arg == "--template" || arg.starts_with("--template="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(args: &[&str]) -> String {
        let args = std::iter::once("airflow-secrets-init").chain(args.iter().copied()).map(OsString::from);
        match parse(args) {
            Err(failure) => {
                assert_eq!(failure.exit(), Exit::Usage);
                failure.to_string()
            }
            Ok(_) => panic!("these arguments are taken: {args:?}", args = "(not shown)"),
        }
    }

    #[test]
    fn a_wrong_flag_names_the_nearest_and_never_the_value() {
        let line = failure(&["--connection-file=postgres://u:canary@h/db"]);
        assert!(line.starts_with("argument 1 is an unknown flag; did you mean --connections-file?"), "{line}");
        assert!(!line.contains("canary"), "{line}");
    }

    #[test]
    fn a_stray_value_is_not_repeated() {
        for args in [
            &["postgres://u:canary@h/db"][..],
            &["-pcanary"],
            &["-canary"],
            &["--canary"],
            &["--log-canary"],
            &["--log=info", "--log\u{1b}canary=x"],
            &["check", "--show=canary"],
            &["check", "canary"],
            &["--log", "info", "--log", "canary"],
        ] {
            let line = failure(args);
            assert!(!line.contains("canary") && !line.contains('\u{1b}'), "{line}");
        }
    }

    #[test]
    fn a_flag_without_its_value_and_a_flag_given_twice_are_mistakes() {
        assert!(failure(&["--connections-file"]).contains("--connections-file"));
        assert!(failure(&["--log", "info", "--log", "debug"]).contains("--log"));
        let swallowed = failure(&["--connections-file", "--log=canary"]);
        assert_eq!(
            swallowed,
            "the flag --connections-file needs a value, and --log is another flag; see airflow-secrets-init --help"
        );
        // A value may begin with dashes otherwise.
        assert!(parse(["x", "--exclude", "--a"].map(OsString::from)).is_ok());
    }

    #[test]
    fn what_people_type_for_something_else_is_known() {
        for (args, meant) in [
            (&["--dry-run"][..], "the command check"),
            (&["--env-file", "canary"], "--airflow-env-file"),
            (&["--region=canary"], "the variable AWS_REGION"),
            (&["--verbose"], "--log debug"),
            (&["-v"], "--log debug"),
            (&["--timeout", "5"], "--deadline"),
            (&["help"], "--help"),
            (&["version"], "--version"),
            (&["validate"], "the command check"),
        ] {
            let line = failure(args);
            assert!(line.contains(&format!("did you mean {meant}")) && !line.contains("canary"), "{line}");
        }
    }

    #[test]
    fn templates_may_be_given_one_by_one_on_one_side_of_the_command() {
        let args = ["x", "check", "--show", "--templates", "a=b", "--template", "c=d", "--template=e=f"];
        let Ok(Parsed::Run(command, raw)) = parse(args.map(OsString::from)) else { panic!("the arguments are right") };
        assert_eq!(command, CommandName::Check { show: true, offline: false });
        assert_eq!(raw.templates.as_deref(), Some("a=b\nc=d\ne=f"));
        assert!(failure(&["--template", "a=b", "check", "--template", "c=d"]).contains("on one side"));
    }

    fn printed(args: &[&str]) -> String {
        let Ok(Parsed::Print(text)) = parse(args.iter().map(OsString::from)) else { panic!("nothing is printed") };
        text
    }

    #[test]
    fn help_fits_a_screen_and_names_flags_that_there_are() {
        let (help, all) = (printed(&["x", "--help"]), printed(&["x", "--help-all"]));
        assert_eq!(help, printed(&["x", "-h"]));
        assert!(help.lines().count() <= 42, "{}", help.lines().count());
        assert!(help.lines().all(|line| line.len() <= 80), "{help}");
        let flags =
            help.split_whitespace().map(|word| word.trim_end_matches(',')).filter(|word| word.starts_with("--"));
        for flag in flags {
            assert!(
                all.contains(&format!("{flag}\n")) || all.contains(&format!("{flag} <")),
                "{flag} is not there: {all}"
            );
        }
        for heading in ["Secrets:", "Selection:", "Files:", "Policies:", "Reading:", "Process and logs:"] {
            assert!(all.contains(&format!("\n{heading}\n")), "{heading}: {all}");
        }
    }

    #[test]
    fn help_of_a_command_has_its_own_flags_and_all_on_request() {
        let check = printed(&["x", "check", "--help"]);
        assert!(check.contains("Usage: airflow-secrets-init check") && check.contains("--offline"), "{check}");
        assert!(!check.contains("--conn-ids"), "{check}");
        assert!(printed(&["x", "check", "--help-all"]).contains("--conn-ids"));
    }

    #[test]
    fn every_field_is_a_flag_of_the_same_name() {
        let command = Cli::command();
        let flags: Vec<_> = command.get_arguments().filter_map(|arg| arg.get_long()).collect();
        for name in RawSettings::NAMES {
            assert!(flags.contains(&name.replace('_', "-").as_str()), "{name} has no flag");
        }
    }
}
