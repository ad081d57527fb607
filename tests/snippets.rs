//! The files of helm-snippets/: the pods that they stand for, the settings in them, and that their checks find what is wrong.
//!
//! The checks are Python's, with the schemas of every Kubernetes version since 1.25 from PyPI (tests/snippets). scripts/e2e-helm
//! puts the same files through Helm.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panics")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a program of tests/snippets in its environment.
fn checks(program: &str, arguments: &[&str]) -> Output {
    let made = common::python("tests/snippets/environment.py", &[]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let interpreter = String::from_utf8(made.stdout).unwrap();
    let ended = Command::new(interpreter.trim())
        .arg(format!("{ROOT}/tests/snippets/{program}"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(ended.status.success(), "{program}: {}", String::from_utf8_lossy(&ended.stderr));
    ended
}

/// The YAML files below a directory.
fn yaml_files(directory: &Path, found: &mut Vec<String>) {
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.strip_prefix(Path::new(ROOT).join("helm-snippets")).unwrap();
            found.push(name.to_str().unwrap().to_owned());
        }
    }
}

/// Every pod: the init container, volume and mounts as promised, valid for every Kubernetes version, at the Pod Security level
/// "restricted". And the built program takes each init container's environment without a warning.
#[test]
fn every_snippet_keeps_its_promises() {
    checks("snippets.py", &["check", env!("CARGO_BIN_EXE_airflow-secrets-init")]);
}

/// The same of the Jobs of examples/kubernetes; what the program makes of their settings is in tests/deploy.rs.
#[test]
fn every_job_keeps_its_promises() {
    let files = ["job.yaml", "cronjob.yaml"].map(|name| format!("{ROOT}/examples/kubernetes/{name}"));
    checks("workloads.py", &files.each_ref().map(String::as_str));
}

#[test]
fn a_spoilt_snippet_is_found() {
    checks("spoil.py", &[]);
}

/// Anchors and merge keys mean the same to another parser. What Helm's own makes of them, scripts/e2e-helm compares.
#[test]
fn every_file_means_the_same_to_two_parsers() {
    let mut names = Vec::new();
    yaml_files(&Path::new(ROOT).join("helm-snippets"), &mut names);
    assert!(names.len() >= 9, "{names:?}");
    let readme = fs::read_to_string(format!("{ROOT}/helm-snippets/README.md")).unwrap();
    for name in names {
        assert!(name.contains('/') || readme.contains(&format!("]({name})")), "the README does not lead to {name}");
        let theirs: Vec<Value> = serde_json::from_slice(&checks("snippets.py", &["json", &name]).stdout).unwrap();
        let text = fs::read_to_string(Path::new(ROOT).join("helm-snippets").join(&name)).unwrap();
        let ours: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        assert_eq!(ours, theirs, "{name}");
    }
}

/// The tag of the image is that of this release, in the constant that every file is compared with, and so is the plugin's version.
#[test]
fn the_snippets_are_of_this_release() {
    let version = env!("CARGO_PKG_VERSION");
    let read = |name: &str| fs::read_to_string(format!("{ROOT}/{name}")).unwrap();
    let image = format!("IMAGE = \"registry.example.com/airflow-secrets-init:{version}\"");
    assert!(read("tests/snippets/promises.py").contains(&image));
    assert!(read("helm-snippets/community-8.8/plugin.yaml").contains(&format!("\nversion: {version}\n")));
}

/// The README's values are short, and say what the whole file says: the same components, image, mounts, role and reader. The program
/// takes the init container's settings.
#[test]
fn the_short_values_of_the_readme_agree_with_the_whole_file() {
    let readme = fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    let shown = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(shown.lines().count() < 25, "{}", shown.lines().count());
    let short: Value = serde_saphyr::from_str(shown).unwrap();
    let whole = fs::read_to_string(format!("{ROOT}/helm-snippets/official-1.21.yaml")).unwrap();
    let whole: Value = serde_saphyr::from_str(&whole).unwrap();
    assert_eq!(short["config"], whole["config"]);
    // Airflow 3 has no web server.
    let components = ["scheduler", "triggerer", "dagProcessor", "apiServer"].map(|name| (&short[name], &whole[name]));
    let workers = ["celery", "kubernetes"].map(|name| (&short["workers"][name], &whole["workers"][name]));
    for (ours, theirs) in components.into_iter().chain(workers) {
        for key in ["extraVolumes", "extraVolumeMounts", "serviceAccount"] {
            assert_eq!(ours[key], theirs[key], "{key}");
        }
        let container = &ours["extraInitContainers"][0];
        for key in ["name", "image", "volumeMounts"] {
            assert_eq!(container[key], theirs["extraInitContainers"][0][key], "{key}");
        }
        let mut program = Command::new(env!("CARGO_BIN_EXE_airflow-secrets-init"));
        program.env_clear().args(["check", "--offline"]).stdin(Stdio::null());
        for variable in container["env"].as_array().unwrap() {
            program.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
        }
        let ended = program.output().unwrap();
        let (printed, logged) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success() && logged.is_empty(), "{logged}");
        let reader = file_of_the_reader(&short["config"]);
        assert!(printed.contains(&format!("{reader} would be written")), "{printed}");
    }
}

/// The file that the reader's settings name.
fn file_of_the_reader(config: &Value) -> String {
    let kwargs: Value = serde_json::from_str(config["secrets"]["backend_kwargs"].as_str().unwrap()).unwrap();
    kwargs["connections_file_path"].as_str().unwrap().to_owned()
}
