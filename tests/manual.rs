//! The man page and the completions of shells, made from the flags themselves: they are fresh, or this fails.
//!
//! `BLESS=1 cargo test --test manual` writes them anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

use std::fs;
use std::path::Path;

use airflow_secrets_init::config::cli;
use clap_complete::Shell;

const NAME: &str = "airflow-secrets-init";

/// Each file, by its path from the project's root.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut page = Vec::new();
    clap_mangen::Man::new(cli::command()).render(&mut page).unwrap();
    let mut files = vec![(format!("man/{NAME}.1"), page)];
    for (shell, file) in
        [(Shell::Bash, format!("{NAME}.bash")), (Shell::Zsh, format!("_{NAME}")), (Shell::Fish, format!("{NAME}.fish"))]
    {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut cli::command(), NAME, &mut script);
        files.push((format!("completions/{file}"), script));
    }
    files
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch for developers")]
fn the_man_page_and_the_completions_are_fresh() {
    for (path, content) in files() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &content).unwrap();
        }
        let there = fs::read(&path).unwrap_or_default();
        assert!(there == content, "{} is not fresh: BLESS=1 cargo test --test manual", path.display());
    }
}

/// The scripts are scripts: bash reads its own, and completes a flag.
#[test]
fn bash_completes_flags_and_commands() {
    let script = format!(
        "source {}/completions/{NAME}.bash\nCOMP_WORDS=({NAME} --conn)\nCOMP_CWORD=1\n$(complete -p {NAME} | sed 's/.*-F \\([^ ]*\\).*/\\1/') {NAME} --conn {NAME}\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        env!("CARGO_MANIFEST_DIR")
    );
    let output = std::process::Command::new("bash").args(["-c", &script]).output().expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("--connections-file") && said.contains("--conn-ids"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
