//! Documents and code say the same: exit codes, settings, keys, links, and every example that can be run.
//!
//! CONTRIBUTING.md says how a fence in a document is marked so that it is checked here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use airflow_secrets_init::airflow::lazy_backend;
use airflow_secrets_init::config::cli::{RawSettings, VARIABLE_PREFIX};
use airflow_secrets_init::config::keys::{Fallback, KEYS, Key, KeyTable, READER_KEYS};
use airflow_secrets_init::config::kwargs_reader;
use airflow_secrets_init::error::ConfigErrors;
use airflow_secrets_init::error::Exit;
use airflow_secrets_init::render::template::engine;
use airflow_secrets_init::render::template::quote::Escape;

const PROGRAM: &str = env!("CARGO_BIN_EXE_airflow-secrets-init");
const EXIT_CODES: &str = "docs/EXIT-CODES.md";
const CONFIGURATION: &str = "docs/CONFIGURATION.md";
const LARGE_SETS: &str = "docs/LARGE-SETS.md";
const TEMPLATES: &str = "docs/TEMPLATES.md";

// ---- exit codes --------------------------------------------------------------------------------------------------

#[test]
fn every_exit_code_is_a_row_and_every_row_an_exit_code() {
    let documented: Vec<u8> = rows(&read(EXIT_CODES)).iter().filter_map(|cells| cells[0].parse().ok()).collect();
    let known: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
    assert_eq!(documented, known);
}

// ---- settings ----------------------------------------------------------------------------------------------------

#[test]
fn every_setting_is_documented_and_no_other_is_mentioned() {
    let known: BTreeSet<String> = RawSettings::NAMES.iter().map(|name| variable(name)).collect();
    let documented = names_with_prefix(&read(CONFIGURATION));
    let forgotten: Vec<&String> = known.difference(&documented).collect();
    assert!(forgotten.is_empty(), "not in {CONFIGURATION}: {forgotten:?}");
    assert!(read(CONFIGURATION).contains("`--template`"));
    for (document, text) in documents() {
        let unknown: Vec<String> = names_with_prefix(&text).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{document} mentions {unknown:?}");
    }
}

/// `--help-all` and the table name the same defaults.
#[test]
fn defaults_in_the_document_are_those_of_the_help() {
    let help = String::from_utf8(Command::new(PROGRAM).arg("--help-all").env_clear().output().unwrap().stdout).unwrap();
    let rows = rows(&read(CONFIGURATION));
    let mut checked = 0;
    let mut flag = None;
    for line in help.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("--") {
            flag = name.split_whitespace().next();
        }
        let Some((_, default)) = line.split_once("[default: ") else { continue };
        let default = default.trim_end_matches(']');
        let name = variable(&flag.unwrap().replace('-', "_"));
        let row = rows.iter().find(|cells| cells[0] == format!("`{name}`"));
        let row = row.unwrap_or_else(|| panic!("no row for {name} in {CONFIGURATION}"));
        assert_eq!(row.last().unwrap().replace('`', ""), default, "default of {name}");
        checked += 1;
    }
    assert!(checked > 10, "the help names only {checked} defaults");
}

/// The commands of the program and those of the document.
#[test]
fn every_command_is_documented() {
    let documented: Vec<String> =
        rows(&section(&read(CONFIGURATION), "### Commands")).iter().flat_map(|cells| code_spans(&cells[0])).collect();
    let command = airflow_secrets_init::config::cli::command();
    let known: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    assert_eq!(documented, known);
}

// ---- templates -----------------------------------------------------------------------------------------------------

/// The page has every filter, every way to write a value and every example, and no other.
#[test]
fn the_page_on_templates_has_what_there_is() {
    let page = read(TEMPLATES);
    let ours: BTreeSet<String> =
        rows(&section(&page, "## Filters")).iter().flat_map(|cells| code_spans(&cells[0])).collect();
    let ours: BTreeSet<&str> = ours.iter().map(|filter| filter.split('(').next().unwrap()).collect();
    let builtin = section(&page, "## Filters");
    let builtin = builtin.split("Of minijinja's own: ").nth(1).unwrap().split(". What a format").next().unwrap();
    let builtin = code_spans(builtin);
    let documented: BTreeSet<&str> = ours.into_iter().chain(builtin.iter().map(String::as_str)).collect();
    // minijinja gives the names of its filters in this form alone.
    let debug = format!("{:?}", engine::environment(Escape::None));
    let filters = debug.split("filters: ").nth(1).unwrap().split("templates: ").next().unwrap();
    let filters: BTreeSet<&str> = filters.split('"').skip(1).step_by(2).collect();
    assert_eq!(documented, filters);

    let table = rows(&section(&page, "## How values are written"));
    for (target, name) in [
        ("json", "json"),
        ("yml", "yaml"),
        ("toml", "toml"),
        ("xml", "xml"),
        ("properties", "properties"),
        ("env", "env"),
        ("sh", "shell"),
    ] {
        assert!(table.iter().any(|cells| cells[0].contains(&format!("`.{target}`"))), "{target}");
        assert_eq!(Escape::of_name(name), Some(Escape::of_target(Path::new(&format!("x.{target}")))), "{target}");
    }
    assert!(
        Escape::NAMES
            .iter()
            .all(|(name, _)| section(&page, "## How values are written").contains(&format!("`{name}`")))
    );

    let listed: BTreeSet<String> =
        rows(&section(&page, "# Templates of your own")).iter().flat_map(|cells| code_spans(&cells[0])).collect();
    let entries = fs::read_dir(format!("{}/examples/templates", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        listed,
        names.filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "j2")).collect()
    );
}

// ---- the log ---------------------------------------------------------------------------------------------------------

/// The fields of the two summaries are those of the page.
#[test]
fn the_page_on_logging_has_the_fields_of_the_summaries() {
    let rows = rows(&section(&read("docs/LOGGING.md"), "## JSON"));
    let documented = |event: &str| -> BTreeSet<String> {
        let of_event = rows.iter().filter(|cells| cells[1].contains(event) || cells[1].contains("both"));
        of_event.flat_map(|cells| code_spans(&cells[0])).collect()
    };
    let place = workplace();
    let everything = "airflow-secrets-init --store file:examples/dev-secrets.yaml --backend-kwargs '{}' --log-format json \
        --connections-file target/c.json --variables-file target/v.json --configs-file target/k.json --airflow-env-file target/a.env \
        --backend-module-file target/b.py --template examples/templates/pgpass.j2=target/p --on-missing warn";
    fs::write(place.path().join("target/t.j2"), "x").unwrap();
    for (event, script) in [
        ("done", everything.replace("examples/templates/pgpass.j2", "target/t.j2")),
        (
            "failed",
            everything
                .replace("--on-missing warn", "--strict true")
                .replace("examples/templates/pgpass.j2", "target/t.j2"),
        ),
    ] {
        let (_, printed) = run_script_in(place.path(), &script);
        let last: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(printed.lines().last().unwrap()).unwrap();
        assert_eq!(last["message"], event, "{printed}");
        let fields = last.keys().filter(|field| !["timestamp", "level", "message"].contains(&field.as_str()));
        // There with `SECRETS_INIT_ON_SHARED` alone; tests/aws.rs has it.
        let fields = fields.cloned().chain(["left_aside".to_owned()]);
        assert_eq!(fields.collect::<BTreeSet<_>>(), documented(event), "{event}: {printed}");
    }
}

// ---- backend_kwargs ----------------------------------------------------------------------------------------------

/// With BLESS=1 the tables are written instead.
#[test]
#[expect(clippy::disallowed_methods, reason = "a variable of the test's own")]
fn the_tables_of_keys_are_those_of_the_code() {
    let mut text = read(CONFIGURATION);
    for (heading, group) in [
        ("### Own account", KeyTable::Own),
        ("### Shared account", KeyTable::Shared),
        ("### Accepted without effect", KeyTable::NoEffect),
    ] {
        let documented = section(&text, heading);
        let is_row = |line: &&str| line.starts_with('|');
        let old: Vec<&str> = documented.lines().skip_while(|line| !is_row(line)).take_while(is_row).collect();
        let new = key_table(group);
        if std::env::var("BLESS").is_ok() {
            text = text.replace(&old.join("\n"), &new);
            fs::write(CONFIGURATION, &text).unwrap();
        } else {
            assert_eq!(old.join("\n"), new, "{heading} of {CONFIGURATION}; BLESS=1 writes it");
        }
    }
}

/// The tables of shapes are those of the test that runs them through Airflow. With BLESS=1 they are written instead.
#[test]
#[expect(clippy::disallowed_methods, reason = "a variable of the test's own")]
fn the_page_on_shapes_has_what_airflow_was_seen_to_read() {
    const PAGE: &str = "docs/SHAPES.md";
    let rows: Vec<serde_json::Value> = serde_json::from_str(&read("tests/airflow/shapes.json")).unwrap();
    let mut tables = String::new();
    for row in &rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default();
        if !text("group").is_empty() {
            let head = "| what | stored | Airflow reads | note or problem |\n|---|---|---|---|";
            writeln!(tables, "\n### {}\n\n{head}", text("group")).unwrap();
            continue;
        }
        let report = row["report"].as_u64();
        let report = report.map(|number| format!(" [#{number}](https://github.com/apache/airflow/issues/{number})"));
        let reads = match text("reads") {
            "" => "*nothing*".to_owned(),
            "not found" => "**not found**".to_owned(),
            fields => format!("`{fields}`"),
        };
        let cells = [
            text("what").to_owned() + &report.unwrap_or_default(),
            format!("`{}`", text("stored")),
            reads,
            text("says").to_owned(),
        ];
        let cells = cells.map(|cell| cell.trim_end_matches('\n').replace('\n', " \u{23ce} "));
        assert!(cells.iter().all(|cell| !cell.contains('|')), "{cells:?}");
        writeln!(tables, "| {} |", cells.join(" | ")).unwrap();
    }
    assert!(rows.iter().filter(|row| row["stored"].is_string()).count() >= 60);
    let page = read(PAGE);
    let (before, rest) = page.split_once("<!-- shapes.json -->\n").unwrap();
    let (old, after) = rest.split_once("<!-- end -->").unwrap();
    if std::env::var("BLESS").is_ok() {
        fs::write(PAGE, format!("{before}<!-- shapes.json -->\n{tables}\n<!-- end -->{after}")).unwrap();
    } else {
        assert_eq!(old, format!("{tables}\n"), "{PAGE}; BLESS=1 writes it");
    }
}

fn key_table(group: KeyTable) -> String {
    let head = match group {
        KeyTable::Own => "| key | whose | meaning | default |\n|---|---|---|---|",
        KeyTable::Shared => "| key | in `shared` | whose | meaning | default |\n|---|---|---|---|---|",
        KeyTable::NoEffect => "| key | note |\n|---|---|",
    };
    let row = |key: &Key| {
        let Key { name, whose, meaning, .. } = key;
        let default = match key.default {
            Fallback::Value(value) => format!("`{value}`"),
            Fallback::Words(words) => words.to_owned(),
        };
        match group {
            KeyTable::Own => format!("| `{name}` | {whose} | {meaning} | {default} |"),
            KeyTable::Shared => {
                let in_shared = key.in_shared.map(|name| format!("`{name}`")).unwrap_or_default();
                format!("| `{name}` | {in_shared} | {whose} | {meaning} | {default} |")
            }
            KeyTable::NoEffect => format!("| `{name}` | {meaning} |"),
        }
    };
    let rows = KEYS.iter().filter(|key| key.group == group).map(row);
    std::iter::once(head.to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_kwargs_example_is_read_without_a_mistake() {
    let mut checked = 0;
    for (document, text) in documents() {
        for fence in fences(&text) {
            let examples = match (fence.language.as_str(), fence.words.first().map(String::as_str)) {
                ("json", Some("kwargs")) => vec![fence.body.clone()],
                ("yaml", _) => quoted_objects(&fence.body),
                _ => continue,
            };
            for example in examples {
                // Names that the page says who replaces.
                let example = example.replace("${tenant_name}", "blue").replace("${environment}", "prod");
                if READER_KEYS.iter().any(|key| example.contains(key)) {
                    let object: serde_json::Value = serde_json::from_str(&example).unwrap();
                    assert!(object.is_object(), "{document}: {example}");
                    continue;
                }
                let mut mistakes = ConfigErrors::default();
                let read = kwargs_reader::parse("kwargs", &example, (&[], &BTreeSet::new()), &mut mistakes);
                assert!(read.is_some() && mistakes.is_empty(), "{document}: {example}: {mistakes:?}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 8, "only {checked} examples of kwargs were found");
}

/// JSON in a document that is not kwargs must still be JSON.
#[test]
fn every_json_example_is_json() {
    for (document, text) in documents() {
        for fence in fences(&text).iter().filter(|fence| fence.language == "json") {
            let parsed = serde_json::from_str::<serde_json::Value>(&fence.body);
            assert!(parsed.is_ok(), "{document}: {}: {parsed:?}", fence.body);
        }
    }
}

// ---- examples that are run ---------------------------------------------------------------------------------------

#[test]
fn every_example_ends_and_prints_as_the_document_says() {
    let mut checked = BTreeMap::new();
    let mut compared = 0;
    for (document, text) in documents() {
        let fences = fences(&text);
        for (position, fence) in fences.iter().enumerate().filter(|(_, fence)| fence.language == "sh") {
            if fence.words.first().map(String::as_str) != Some("run") {
                let forgotten = fence.body.lines().any(|line| starts_program(line.trim()));
                assert!(!forgotten, "{document}: mark this with `sh run CODE`:\n{}", fence.body);
                continue;
            }
            let expected_code: i32 = fence.words[1].parse().unwrap();
            let (code, printed) = run_script(&fence.body);
            assert_eq!(code, expected_code, "{document}:\n{}\nprinted:\n{printed}", fence.body);
            let expected = fences.get(position + 1).filter(|next| next.language == "text" && next.follows_closely);
            if let Some(expected) = expected {
                assert_eq!(without_time(&printed), without_time(&expected.body), "{document}:\n{}", fence.body);
                compared += 1;
            }
            *checked.entry(document.clone()).or_insert(0) += 1;
        }
    }
    assert!(checked.get("README.md").is_some_and(|count| *count >= 1), "{checked:?}");
    assert!(checked.get(EXIT_CODES).is_some_and(|count| *count >= 6), "{checked:?}");
    assert!(compared >= 10, "only {compared} outputs were compared");
}

/// The README's render, and the file that it is said to make.
#[test]
fn the_render_of_the_readme_makes_the_file_that_it_names() {
    let readme = read("README.md");
    let fences = fences(&readme);
    let render = fences.iter().find(|fence| fence.body.starts_with("airflow-secrets-init --store")).unwrap();
    let place = workplace();
    let (code, printed) = run_script_in(place.path(), &render.body);
    assert_eq!(code, 0, "{printed}");
    let file = fs::read(place.path().join("target/connections.json")).unwrap();
    let object: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&file).unwrap();
    assert_eq!(object.keys().collect::<Vec<_>>(), ["my_db", "snowflake", "warehouse"]);
    let sentence = "`target/connections.json` then holds `my_db`, `snowflake` and `warehouse`.";
    assert!(readme.contains(sentence), "the README no longer says what was checked here");
}

/// The lines of a refresh that the page explains are lines of the program.
#[test]
fn the_lines_of_a_refresh_are_those_of_the_program() {
    let page = section(&prose(&read("docs/TROUBLESHOOTING.md")), "## Refresh");
    let sources = ["refresh/journal", "refresh/last_good", "convert/left_out", "steps"];
    let text: String = sources.iter().map(|name| read(&format!("src/{name}.rs"))).collect();
    let mut found = 0;
    for cells in rows(&page).iter().filter(|cells| cells.len() == 3) {
        for line in code_spans(&cells[0]) {
            // What a line is put together of.
            let is_there = line.split(", last confirmed").all(|part| text.contains(part));
            assert!(is_there, "no line of the program has: {line}");
            found += 1;
        }
    }
    assert_eq!(found, 12);
}

// ---- many connections --------------------------------------------------------------------------------------------

/// Each component of the worked example gets the file that the table under it says.
#[test]
fn selections_for_components_give_the_files_that_the_page_says() {
    let page = read(LARGE_SETS);
    let text = section(&prose(&page), "## Give each component only the connections it needs");
    let sentence = text.split("Say an account holds ").nth(1).unwrap().split(". With").next().unwrap();
    let held: String =
        code_spans(sentence).iter().map(|id| format!("  airflow/connections/{id}: http://{id}\n")).collect();
    let place = workplace();
    let store = place.path().join("secrets.yaml");
    fs::write(&store, format!("own:\n{held}")).unwrap();
    let values = values_of(&page, 0);
    let mut compared = 0;
    for cells in rows(&text).iter().filter(|cells| cells.len() == 2 && cells[0].starts_with('`')) {
        let component = &code_spans(&cells[0])[0];
        let section = if component == "workers" { &values["workers"]["celery"] } else { &values[component] };
        let file = place.path().join(format!("{component}.json"));
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("SECRETS_INIT_STORE", format!("file:{}", store.display()));
        command.envs(environment(&section["extraInitContainers"][0])).env("SECRETS_INIT_CONNECTIONS_FILE", &file);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{component}: {}", String::from_utf8_lossy(&output.stderr));
        let written: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(written.into_keys().collect::<Vec<_>>(), code_spans(&cells[1]), "{component}");
        compared += 1;
    }
    assert_eq!(compared, 3);
}

/// The lazy backend as the page switches it on: Airflow imports the class from the file that the init container writes, and
/// reads the connections that it writes.
#[test]
fn the_lazy_backend_is_switched_on_as_its_files_are_called() {
    let values = values_of(&read(LARGE_SETS), 1);
    let component = &values["x-secrets"]["component"];
    let airflow = environment(component);
    let module = PathBuf::from(&environment(&component["extraInitContainers"][0])["SECRETS_INIT_BACKEND_MODULE_FILE"]);
    assert_eq!(lazy_backend::check_path(&module), Ok(()));
    assert_eq!(module.parent(), Some(Path::new(&airflow["PYTHONPATH"])));
    let class = format!("{}.{}", module.file_stem().unwrap().to_str().unwrap(), lazy_backend::CLASS);
    assert_eq!(airflow["AIRFLOW__SECRETS__BACKEND"], class);
    let kwargs: serde_json::Value = serde_json::from_str(&airflow["AIRFLOW__SECRETS__BACKEND_KWARGS"]).unwrap();
    let help = String::from_utf8(Command::new(PROGRAM).arg("--help-all").env_clear().output().unwrap().stdout).unwrap();
    let file = kwargs["connections_file_path"].as_str().unwrap();
    assert!(help.contains(&format!("[default: {file}]")), "{file} is not where connections go");
    assert_eq!(component["extraVolumeMounts"][0]["mountPath"], airflow["PYTHONPATH"]);
    for name in ["scheduler", "triggerer", "dagProcessor", "apiServer", "webserver"] {
        assert_eq!(&values[name], component, "{name}");
    }
}

/// The YAML fence of this number in a document, anchors resolved.
fn values_of(document: &str, number: usize) -> serde_json::Value {
    let yaml: Vec<String> =
        fences(document).into_iter().filter(|fence| fence.language == "yaml").map(|fence| fence.body).collect();
    serde_saphyr::from_str(&yaml[number]).unwrap()
}

/// The `env` of a container: name to value.
fn environment(container: &serde_json::Value) -> BTreeMap<String, String> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let variables = container["env"].as_array().unwrap();
    variables.iter().map(|variable| (text(&variable["name"]), text(&variable["value"]))).collect()
}

fn starts_program(line: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| {
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    });
    match words.next() {
        Some("airflow-secrets-init") => true,
        Some("cargo") => words.next() == Some("run"),
        _ => false,
    }
}

/// A directory with the examples in it and a `target` to write to.
fn workplace() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    symlink(root().join("examples"), place.path().join("examples")).unwrap();
    fs::create_dir(place.path().join("target")).unwrap();
    place
}

fn run_script(script: &str) -> (i32, String) {
    run_script_in(workplace().path(), script)
}

/// Runs a fence as a shell would, with the built program in place of `cargo run` and nothing of our environment.
fn run_script_in(place: &Path, script: &str) -> (i32, String) {
    let script = format!("exec 2>&1\n{}", script.replace("cargo run --", "airflow-secrets-init"));
    // The code of the program counts, not that of a `cat` after it.
    let script = script.replace("\ncat ", "\ncode=$?; cat ").replace("\n\n", "\n") + "\nexit ${code:-$?}";
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(place)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", Path::new(PROGRAM).parent().unwrap().display()))
        .env("HOME", place)
        .env("SECRETS_INIT_LOG_FORMAT", "text")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// Output without what differs from run to run: time stamps and durations.
fn without_time(printed: &str) -> Vec<String> {
    let lines = printed.lines().map(|line| {
        let line = match line.split_once(char::is_whitespace) {
            Some((first, rest)) if is_time_stamp(first) => rest.trim_start(),
            _ => line,
        };
        let line = match line.split_once("\"timestamp\":\"") {
            Some((before, after)) => format!("{before}{}", after.split_once("\",").unwrap().1),
            None => line.to_owned(),
        };
        let line = without_number_after(&line, "elapsed_ms=");
        without_number_after(&line, "\"elapsed_ms\":")
    });
    lines.filter(|line| !line.is_empty()).collect()
}

fn is_time_stamp(word: &str) -> bool {
    word.len() > 19 && word.ends_with('Z') && word.as_bytes()[10] == b'T'
}

fn without_number_after(line: &str, label: &str) -> String {
    match line.split_once(label) {
        Some((before, after)) => format!("{before}{label}N{}", after.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => line.to_owned(),
    }
}

// ---- links and modules -------------------------------------------------------------------------------------------

#[test]
fn every_relative_link_leads_somewhere() {
    for (document, text) in documents() {
        let directory = root().join(&document).parent().unwrap().to_owned();
        for target in links(&text) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() { root().join(&document) } else { directory.join(file) };
            assert!(path.exists(), "{document} links to {target}, which is not there");
            if !anchor.is_empty() {
                let there = anchors(&fs::read_to_string(&path).unwrap());
                assert!(there.contains(anchor), "{document} links to {target}, but there is no such heading");
            }
        }
    }
}

/// A reader finds a page by its question: the README and the site lead to each page, and the page opens with what it answers.
#[test]
fn every_page_opens_with_its_question_and_is_found() {
    let (readme, site) = (read("README.md"), read("mkdocs.yml"));
    for (document, text) in documents().into_iter().filter(|(document, _)| document.starts_with("docs/")) {
        assert!(readme.contains(&format!("({document}")), "the README does not lead to {document}");
        assert!(site.contains(&format!(": {document}\n")), "mkdocs.yml does not have {document}");
        let opening = text.split("\n## ").next().unwrap();
        assert!(opening.contains('?'), "{document} does not say which question it answers");
    }
}

/// What the parity test explains away is told to people: each of its rows is an anchor, and the tests that
/// COMPATIBILITY.md names exist.
#[test]
fn every_explained_difference_is_a_row_of_the_compatibility_page() {
    let page = read("docs/COMPATIBILITY.md");
    let explained: serde_json::Value = serde_json::from_str(&read("tests/airflow/explained.json")).unwrap();
    for row in explained.as_array().unwrap() {
        let anchor = row["compat_row"].as_str().unwrap();
        assert!(page.contains(&format!("<a id=\"{anchor}\"></a>")), "no row {anchor}");
    }
    let sources = [
        "tests/aws.rs",
        "tests/run.rs",
        "tests/refresh.rs",
        "src/config/settings/tests.rs",
        "src/airflow/tests.rs",
        "src/refresh/tests.rs",
        "src/render/tests.rs",
    ]
    .map(read)
    .concat();
    for name in code_spans(&page) {
        // Tests are called by whole sentences; keys have fewer words.
        let is_test = name.matches('_').count() >= 4 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let is_key = KEYS.iter().any(|key| key.name == name);
        assert!(!is_test || is_key || sources.contains(&format!("fn {name}(")), "no test {name}");
    }
}

/// A promise without a test is a wish. Every row of the tables of promises names tests; each is run, is not left out by an attribute,
/// and can fail: it, or a function of its file that it calls, asserts something. Whether that is the promise is for people to see.
#[test]
fn every_promise_of_the_security_model_names_tests_that_run_and_assert() {
    let page = read("docs/SECURITY-MODEL.md");
    let promises = page.split("## Promises").nth(1).unwrap().split("## What is not promised").next().unwrap();
    let rows: Vec<Vec<String>> = rows(promises).into_iter().filter(|cells| cells[0] != "promise").collect();
    assert!(rows.len() > 20, "{}", rows.len());
    each_names_tests_that_run_and_assert(rows);
}

/// What becomes of an entry: each kind of answer, by the same rule.
#[test]
fn every_fate_of_an_entry_names_tests_that_run_and_assert() {
    let page = read("docs/REFRESH.md");
    let fates = page.split("## What becomes of an entry").nth(1).unwrap().split("\n## ").next().unwrap();
    let held = page.split("## Which tests hold it").nth(1).unwrap();
    let without_head = |text: &str| -> Vec<Vec<String>> {
        rows(text).into_iter().filter(|cells| cells[0] != "what the reading says of it").collect()
    };
    let (fates, rows) = (without_head(fates), without_head(held));
    let first = |rows: &[Vec<String>]| rows.iter().map(|cells| cells[0].clone()).collect::<Vec<_>>();
    assert_eq!(first(&fates), first(&rows));
    assert!(rows.len() > 10, "{}", rows.len());
    each_names_tests_that_run_and_assert(rows);
}

fn each_names_tests_that_run_and_assert(rows: Vec<Vec<String>>) {
    for cells in rows {
        let tests = code_spans(cells.last().unwrap());
        assert!(!tests.is_empty(), "no test holds: {}", cells[0]);
        for named in tests {
            let (file, test) = named.split_once("::").unwrap_or_else(|| panic!("{named} is not file::test"));
            let functions = functions(&read(file));
            let (attributes, _) = functions.get(test).unwrap_or_else(|| panic!("no test {named}"));
            assert!(attributes.contains(&"#[test]".to_owned()), "{named} is no test");
            let others: Vec<_> = attributes
                .iter()
                .filter(|one| !["#[test]", "#[allow", "#[expect"].iter().any(|known| one.starts_with(known)))
                .collect();
            assert!(others.is_empty(), "{named} may not run: {others:?}");
            assert!(asserts(test, &functions, &mut BTreeSet::new()), "{named} asserts nothing");
        }
    }
}

/// The functions of a source by name: attributes, and body.
type Functions = BTreeMap<String, (Vec<String>, String)>;

fn functions(source: &str) -> Functions {
    let lines: Vec<&str> = source.lines().collect();
    let mut found = Functions::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let code = code.strip_prefix("pub ").unwrap_or(code);
        let Some(name) = code.strip_prefix("fn ").and_then(|rest| rest.split(['(', '<']).next()) else { continue };
        let before = lines[..at].iter().rev().map(|line| line.trim());
        let attributes = before.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        let attributes = attributes.filter(|line| line.starts_with("#[")).map(str::to_owned).collect();
        // rustfmt closes a function where its line begins.
        let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let body =
            lines[at + 1..].iter().take_while(|line| **line != end).filter(|line| !line.trim_start().starts_with("//"));
        found.insert(name.to_owned(), (attributes, body.map(|line| format!("{line}\n")).collect()));
    }
    found
}

/// Whether a function asserts something, or one of its file that it calls does.
fn asserts(name: &str, functions: &Functions, seen: &mut BTreeSet<String>) -> bool {
    let Some((_, body)) = functions.get(name).filter(|_| seen.insert(name.to_owned())) else { return false };
    ["assert", ".code(", ".says(", "unwrap_err()", "panic!("].iter().any(|word| body.contains(word))
        || body.split('(').any(|before| {
            let called = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            asserts(called, functions, seen)
        })
}

// ---- make quick ---------------------------------------------------------------------------------------------------

/// It leaves out every test that makes a Python environment, and names no file that is gone.
#[test]
fn make_quick_needs_no_python_environment() {
    let makefile = read("Makefile");
    let named = |variable: &str| -> BTreeSet<String> {
        let line = makefile.lines().find_map(|line| line.strip_prefix(variable)?.strip_prefix(" := ")).unwrap();
        line.split_whitespace().map(str::to_owned).collect()
    };
    let files = || fs::read_dir(root().join("tests")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> =
        files().filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect();
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let makes_one = |path: &&PathBuf| fs::read_to_string(path).unwrap().contains("python(\"tests/");
    assert_eq!(named("WITH_PYTHON"), files.iter().filter(makes_one).map(name).collect());
    let gone: Vec<String> = named("SLOW").difference(&files.iter().map(name).collect()).cloned().collect();
    assert!(gone.is_empty(), "{gone:?}");
}

// ---- dependencies ------------------------------------------------------------------------------------------------

/// Cargo's own view of Cargo.toml, Cargo.lock and the sources.
#[test]
fn the_page_on_dependencies_says_what_cargo_says() {
    let arguments = ["metadata", "--locked", "--format-version", "1"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours = packages.iter().find(|package| package["name"] == "airflow-secrets-init").unwrap();
    let direct = ours["dependencies"].as_array().unwrap().iter().filter(|dependency| dependency["path"].is_null());
    let direct: BTreeMap<&str, &serde_json::Value> =
        direct.map(|dependency| (dependency["name"].as_str().unwrap(), dependency)).collect();
    let page = read("docs/DEPENDENCIES.md");
    let mut documented = BTreeSet::new();
    for (heading, kind) in [("## In the program", "null"), ("## In the tests alone", "\"dev\"")] {
        for cells in rows(&section(&page, heading)).into_iter().skip(1) {
            let [name, what_for, keeper, licence, features, has_unsafe, without] = cells.try_into().unwrap();
            let name = code_spans(&name).remove(0);
            let dependency = direct.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not in Cargo.toml"));
            assert_eq!(dependency["kind"].to_string(), kind, "{name}");
            let on = dependency["uses_default_features"] == true;
            assert!(features.starts_with(if on { "on" } else { "off" }), "{name}: default features are {on}");
            let requires = semver_of(dependency["req"].as_str().unwrap());
            let package = packages.iter().find(|package| {
                package["name"] == name.as_str() && package["version"].as_str().unwrap().starts_with(requires)
            });
            let package = package.unwrap_or_else(|| panic!("{name} is not in Cargo.lock"));
            assert_eq!(package["license"], licence.as_str(), "{name}");
            let sources = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().join("src");
            assert_eq!(has_unsafe, if has_unsafe_code(&sources) { "yes" } else { "no" }, "{name}");
            assert!([what_for, keeper, without].iter().all(|cell| !cell.is_empty()), "{name}");
            documented.insert(name);
        }
    }
    let known: BTreeSet<String> = direct.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(documented, known);
}

/// The part of a requirement that no update within it changes: `^1.2.3` is `1.`, `^0.2.3` is `0.2.`.
fn semver_of(requirement: &str) -> &str {
    let version = requirement.trim_start_matches('^');
    let parts = if version.starts_with("0.") { 2 } else { 1 };
    let end = version.match_indices('.').nth(parts - 1).map_or(version.len(), |(at, _)| at + 1);
    &version[..end]
}

/// Whether a crate's code has blocks, functions or implementations that are unsafe.
fn has_unsafe_code(sources: &Path) -> bool {
    fs::read_dir(sources).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return has_unsafe_code(&path);
        }
        let text = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&text);
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        is_rust
            && code.into_iter().any(|line| {
                ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|words| line.contains(words))
            })
    })
}

// ---- reading Markdown --------------------------------------------------------------------------------------------

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

/// Every document of the project: path from the root, and text.
fn documents() -> Vec<(String, String)> {
    let mut documents = Vec::new();
    for directory in ["", "docs", "helm-snippets"] {
        for entry in fs::read_dir(root().join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                documents.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    documents.sort();
    assert!(documents.len() >= 8, "only {} documents found", documents.len());
    documents
}

/// A fenced block.
struct Fence {
    language: String,
    words: Vec<String>,
    body: String,
    /// Whether nothing but blank lines stands between it and the fence before it.
    follows_closely: bool,
}

fn fences(text: &str) -> Vec<Fence> {
    let mut fences: Vec<Fence> = Vec::new();
    let mut open = false;
    let mut blank_since_fence = true;
    for line in text.lines() {
        if let Some(info) = line.strip_prefix("```") {
            if !open {
                let mut words = info.split_whitespace().map(str::to_owned);
                let language = words.next().unwrap_or_default();
                let follows_closely = blank_since_fence;
                fences.push(Fence { language, words: words.collect(), body: String::new(), follows_closely });
            }
            open = !open;
            blank_since_fence = true;
        } else if open {
            let body = &mut fences.last_mut().unwrap().body;
            body.push_str(line);
            body.push('\n');
        } else if !line.trim().is_empty() {
            // A sentence between an example and its output does not part them; a heading or bold label does.
            blank_since_fence &= !line.starts_with(['#', '*', '|']);
        }
    }
    assert!(!open, "a fence is never closed");
    fences
}

/// The text without its fenced blocks.
fn prose(text: &str) -> String {
    let mut open = false;
    let outside = text.lines().filter(|line| {
        let is_fence = line.starts_with("```");
        open ^= is_fence;
        !open && !is_fence
    });
    outside.map(|line| format!("{line}\n")).collect()
}

/// The cells of every table row but headers' rules.
fn rows(text: &str) -> Vec<Vec<String>> {
    let prose = prose(text);
    let table = prose.lines().filter(|line| line.starts_with('|') && !line.starts_with("|--"));
    table
        .map(|line| {
            let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
            inner.split('|').map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

/// What stands under a heading, up to the next one.
fn section(text: &str, heading: &str) -> String {
    let mut lines = text.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "there is no heading {heading}");
    lines.take_while(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

fn code_spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let after = prose.split("](").skip(1);
    after.map(|rest| rest.split(')').next().unwrap().to_owned()).collect()
}

/// The anchors of a document's headings, made as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading.to_lowercase();
            let kept = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        // Rows of tables have anchors of their own.
        .chain(prose.split("<a id=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())))
        .collect()
}

fn variable(name: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", name.to_uppercase())
}

/// Every `SECRETS_INIT_NAME` in a text; the bare prefix is none.
fn names_with_prefix(text: &str) -> BTreeSet<String> {
    let after = text.split(VARIABLE_PREFIX).skip(1);
    let names =
        after.map(|rest| rest.split(|c: char| !(c.is_ascii_uppercase() || c == '_')).next().unwrap_or_default());
    names.filter(|name| !name.is_empty()).map(|name| format!("{VARIABLE_PREFIX}{name}")).collect()
}

/// The JSON objects in single quotes in a YAML document.
fn quoted_objects(yaml: &str) -> Vec<String> {
    let lines = yaml.lines().filter_map(|line| line.split_once("'{"));
    lines.map(|(_, rest)| format!("{{{}", rest.rsplit_once('\'').unwrap().0)).collect()
}
