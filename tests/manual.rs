//! The man pages and the completions of shells, made from the flags themselves: they are fresh, or this fails.
//!
//! `BLESS=1 cargo test --test manual` writes them anew. What zsh, fish, man and mandoc make of them, `scripts/e2e-completions` asks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]
#![allow(clippy::format_push_string, reason = "a page is put together piece by piece")]

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use airflow_secrets_init::config::cli::{self, Parsed, RawSettings, VARIABLE_PREFIX};
use clap::ValueHint;
use clap_complete::Shell;
use clap_mangen::Man;

const NAME: &str = "airflow-secrets-init";
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

// ---- what the files are made of ------------------------------------------------------------------------------------------------

/// What a shell offers for a flag. Values stay text in the program itself, which reports all errors at once: so it is here.
const VALUES: [(&str, &[&str]); 17] = [
    ("airflow_version", &["2", "3"]),
    ("expand_env", BOOLEAN),
    ("fetch", &["auto", "batch", "single"]),
    ("file_mode", &["0400", "0440"]),
    ("log", &["error", "warn", "info", "debug", "trace"]),
    ("log_format", &["text", "json"]),
    ("on_denied", POLICY),
    ("on_empty", POLICY),
    ("on_invalid", POLICY),
    ("on_missing", POLICY),
    ("on_shared", POLICY),
    ("output", &["text", "json", "terraform"]),
    ("refresh", &["5m", "15m", "1h"]),
    ("sandbox", &["auto", "off"]),
    ("store", &["aws", "file:"]),
    ("strict", BOOLEAN),
    ("concurrency", &["1", "40", "64"]),
];
const POLICY: &[&str] = &["error", "warn", "ignore"];
const BOOLEAN: &[&str] = &["true", "false"];
const FILES: [&str; 7] = [
    "airflow_env_file",
    "backend_module_file",
    "configs_file",
    "connections_file",
    "status_file",
    "termination_log",
    "variables_file",
];

/// Examples of a page: what it does, and the arguments.
const EXAMPLES: [(&str, &[(&str, &str)]); 7] = [
    (
        "",
        &[
            (
                "Render the connections under airflow/connections:",
                "--backend-kwargs '{\"region_name\": \"eu-central-1\"}'",
            ),
            ("Only two of them, by name, without a right to list:", "--backend-kwargs '{}' --conn-ids warehouse,my_db"),
            (
                "From a file in place of AWS:",
                "--store file:examples/dev-secrets.yaml --backend-kwargs '{}' --connections-file connections.json",
            ),
        ],
    ),
    (
        "render",
        &[
            ("The same as without a command:", "render --backend-kwargs '{}' --connections-file connections.json"),
            (
                "And again every five minutes:",
                "render --refresh 5m --backend-kwargs '{}' --connections-file connections.json",
            ),
        ],
    ),
    (
        "check",
        &[
            ("What a render would find, as a document:", "check --output json --backend-kwargs '{}'"),
            (
                "Whether the settings are right, without asking AWS:",
                "check --offline --backend-kwargs '{\"region_name\": \"eu-central-1\"}'",
            ),
        ],
    ),
    (
        "diff",
        &[(
            "What has changed in AWS since the file was written:",
            "diff --backend-kwargs '{}' --connections-file connections.json",
        )],
    ),
    (
        "iam",
        &[(
            "The policies for Terraform:",
            "iam --output terraform --backend-kwargs '{\"region_name\": \"eu-central-1\"}'",
        )],
    ),
    (
        "publish-index",
        &[(
            "What would change in the index:",
            "publish-index --dry-run --backend-kwargs '{\"region_name\": \"eu-central-1\"}' --index airflow/index",
        )],
    ),
    (
        "status",
        &[
            ("Whether there is a first file:", "status --connections-file connections.json"),
            (
                "Whether the process still reads, whatever AWS answers:",
                "status --alive --connections-file connections.json",
            ),
        ],
    ),
];

/// Variables of others that a run reads.
const ENVIRONMENT: [(&str, &str); 9] = [
    (
        "AIRFLOW__SECRETS__BACKEND_KWARGS",
        "The kwargs of the AWS backend, where no flag or variable of this program gives them.",
    ),
    ("AWS_REGION, AWS_DEFAULT_REGION", "The region, where the kwargs name none."),
    ("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE", "Credentials."),
    ("AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE", "Credentials by IRSA or another web identity."),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "Credentials by EKS Pod Identity."),
    ("AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_ENDPOINT_URL_STS", "Endpoints other than AWS's own."),
    ("AWS_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR", "The certificates that are trusted."),
    ("HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "Proxies."),
    ("NO_COLOR", "No colours on a terminal."),
];

/// The command line with what shells offer.
fn with_values() -> clap::Command {
    let command = VALUES.iter().fold(cli::command(), |command, (name, values)| {
        command.mut_arg(name, |flag| flag.value_parser(values.to_vec()))
    });
    FILES.iter().fold(command, |command, name| command.mut_arg(name, |flag| flag.value_hint(ValueHint::FilePath)))
}

/// Each file, by its path from the project's root.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> =
        EXAMPLES.iter().map(|(command, _)| (format!("man/{}.1", page_name(command)), page(command))).collect();
    for (shell, file) in
        [(Shell::Bash, format!("{NAME}.bash")), (Shell::Zsh, format!("_{NAME}")), (Shell::Fish, format!("{NAME}.fish"))]
    {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut with_values(), NAME, &mut script);
        files.push((format!("completions/{file}"), corrected(&String::from_utf8(script).unwrap()).into_bytes()));
    }
    files
}

/// What clap_complete 4.6.11 gets wrong. In bash it takes each hyphen of the program's name for a step to a command, in one of two places,
/// and so completes nothing behind a command. In fish it lets `argparse` fail on a flag whose value is being typed, and so offers no value.
fn corrected(script: &str) -> String {
    let fish = "    set -e cmd[1]\n    argparse";
    let with_value =
        "    set -e cmd[1]\n    string match -qr -- '^--[^=]+$' \"$cmd[-1]\"; and set -e cmd[-1]\n    argparse";
    script.replace("airflow__subcmd__secrets__subcmd__init", "airflow__secrets__init").replace(fish, with_value)
}

fn page_name(command: &str) -> String {
    if command.is_empty() { NAME.to_owned() } else { format!("{NAME}-{command}") }
}

/// The man page of a command, or of the program.
fn page(name: &str) -> Vec<u8> {
    let whole = cli::command();
    let version = format!("{NAME} {}", env!("CARGO_PKG_VERSION"));
    let command = match whole.get_subcommands().find(|command| command.get_name() == name) {
        Some(command) => command.clone().disable_help_flag(true).bin_name(format!("{NAME} {name}")),
        None => whole.clone(),
    };
    let man = Man::new(command.name(&*page_name(name).leak()))
        .title(page_name(name))
        .section("1")
        .source(version)
        .manual("Airflow secrets");
    let mut text = Vec::new();
    man.render_title(&mut text).unwrap();
    man.render_name_section(&mut text).unwrap();
    man.render_synopsis_section(&mut text).unwrap();
    man.render_description_section(&mut text).unwrap();
    man.render_options_section(&mut text).unwrap();
    let mut own = String::new();
    if name.is_empty() {
        own += ".SH COMMANDS\n";
        for command in whole.get_subcommands() {
            let about = command.get_about().unwrap().to_string();
            own += &format!(".TP\n\\fB{}\\fR(1)\n{}\n", roff(&page_name(command.get_name())), roff(&about));
        }
    } else {
        own += &format!(".PP\nAll flags of \\fB{}\\fR(1) hold here too.\n", roff(NAME));
    }
    own += ".SH ENVIRONMENT\n";
    own += &format!(
        "Each flag is a variable: \\fB\\-\\-conn\\-ids\\fR is \\fB{VARIABLE_PREFIX}CONN_IDS\\fR. A flag beats a variable, a variable the default. Unset and empty mean the default.\n"
    );
    for (names, what) in ENVIRONMENT {
        own += &format!(".TP\n\\fB{}\\fR\n{}\n", roff(names), roff(what));
    }
    own += ".SH EXIT STATUS\n";
    for (code, when) in exit_codes() {
        own += &format!(".TP\n\\fB{code}\\fR\n{}\n", roff(&when));
    }
    own += ".SH EXAMPLES\n";
    for (what, arguments) in EXAMPLES.iter().find(|(command, _)| *command == name).unwrap().1 {
        own += &format!(".PP\n{}\n.PP\n.nf\n{} {}\n.fi\n", roff(what), roff(NAME), roff(arguments));
    }
    own += ".SH SEE ALSO\n";
    let others = EXAMPLES.iter().map(|(command, _)| page_name(command)).filter(|page| *page != page_name(name));
    own += &others.map(|page| format!("\\fB{}\\fR(1)", roff(&page))).collect::<Vec<_>>().join(", ");
    own.push('\n');
    text.extend(own.into_bytes());
    text
}

/// Each exit code and when it comes, of docs/EXIT-CODES.md.
fn exit_codes() -> Vec<(String, String)> {
    let page = fs::read_to_string(format!("{ROOT}/docs/EXIT-CODES.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let codes = rows.filter(|(code, _)| code.parse::<u8>().is_ok());
    codes.map(|(code, rest)| (code.to_owned(), plain(rest.split(" | ").next().unwrap()))).collect()
}

/// Markdown without backquotes and the targets of links.
fn plain(markdown: &str) -> String {
    let (mut text, mut rest) = (String::new(), markdown);
    while let Some((before, link)) = rest.split_once('[') {
        let (words, after) = link.split_once("](").unwrap();
        text = text + before + words;
        rest = after.split_once(')').unwrap().1;
    }
    (text + rest).replace('`', "")
}

/// Text in which roff reads nothing of its own.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

// ---- they are fresh and right ----------------------------------------------------------------------------------------------------

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch for developers")]
fn the_man_pages_and_the_completions_are_fresh() {
    let made = files();
    for (path, content) in &made {
        let path = Path::new(ROOT).join(path);
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
        }
        let there = fs::read(&path).unwrap_or_default();
        assert!(there == *content, "{} is not fresh: BLESS=1 cargo test --test manual", path.display());
    }
    let pages = fs::read_dir(format!("{ROOT}/man")).unwrap().count();
    assert_eq!(pages, cli::command().get_subcommands().count() + 1, "a page for each command and the program");
}

/// Each example is a command line that the program takes, and each page has its sections.
#[test]
fn every_page_has_its_sections_and_examples_that_are_taken() {
    for (command, examples) in EXAMPLES {
        let page = String::from_utf8(page(command)).unwrap();
        for section in
            ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "ENVIRONMENT", "\"EXIT STATUS\"", "EXAMPLES", "\"SEE ALSO\""]
        {
            let unquoted = section.replace('"', "");
            let there = page.contains(&format!(".SH {section}\n")) || page.contains(&format!(".SH {unquoted}\n"));
            // A command may have no flag of its own.
            assert!(there || section == "OPTIONS", "{command} has no {section}: {page}");
        }
        for (_, arguments) in examples {
            let words = arguments.split('\'').enumerate().flat_map(|(number, part)| {
                let quoted = (number % 2 == 1).then(|| vec![part.to_owned()]);
                quoted.unwrap_or_else(|| part.split_whitespace().map(str::to_owned).collect())
            });
            let words = std::iter::once(NAME.to_owned()).chain(words).map(OsString::from);
            assert!(matches!(cli::parse(words), Ok(Parsed::Run(..))), "{arguments}");
        }
    }
}

/// What shells offer is what the program takes.
#[test]
fn every_value_that_is_offered_is_taken() {
    for (name, values) in VALUES {
        for value in values {
            let flag = format!("--{}", name.replace('_', "-"));
            let mut command = vec![
                if *value == "terraform" { "iam" } else { "check" },
                "--backend-kwargs",
                "{\"region_name\": \"eu-central-1\"}",
            ];
            if *value != "terraform" {
                command.push("--offline");
            }
            let value =
                if *value == "file:" { format!("file:{ROOT}/examples/dev-secrets.yaml") } else { (*value).to_owned() };
            let ended = Command::new(env!("CARGO_BIN_EXE_airflow-secrets-init"))
                .env_clear()
                .args(command)
                .args([&flag, &value])
                .output()
                .unwrap();
            assert!(ended.status.success(), "{flag} {value}: {}", String::from_utf8_lossy(&ended.stderr));
        }
    }
    assert!(FILES.iter().chain(VALUES.iter().map(|(name, _)| name)).all(|name| RawSettings::NAMES.contains(name)));
}

/// What bash offers after these words, the last of which is being typed.
fn bash_offers(words: &[&str]) -> Vec<String> {
    let script = format!(
        "compopt() {{ :; }}\nsource {ROOT}/completions/{NAME}.bash\nwords=({NAME} \"$@\")\nCOMP_WORDS=(\"${{words[@]}}\")\nCOMP_CWORD=$#\n\
         complete=$(complete -p {NAME} | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n\"$complete\" {NAME} \"${{words[-1]}}\" \"${{words[-2]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let output =
        Command::new("bash").current_dir(ROOT).args(["-c", &script, "bash"]).args(words).output().expect("bash runs");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_flags_commands_values_and_files() {
    let flags = bash_offers(&["--conn"]);
    assert!(
        ["--connections-file", "--conn-ids"].iter().all(|flag| flags.iter().any(|offered| offered == flag)),
        "{flags:?}"
    );
    assert_eq!(bash_offers(&["--on-invalid", ""]), POLICY);
    assert_eq!(bash_offers(&["check", "--log", "d"]), ["debug"]);
    assert_eq!(bash_offers(&["dif"]), ["diff"]);
    assert_eq!(bash_offers(&["--connections-file", "README.m"]), ["README.md"]);
}
