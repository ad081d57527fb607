//! The layout of src/: each folder imports only folders below it in the table of docs/ARCHITECTURE.md, and no files import
//! each other in a circle. Tests of a module may import what they like.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests end by panics")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module's path, such as `store::aws`, and the modules that it imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn each_folder_imports_only_what_stands_below_it() {
    let order = order();
    let rank = |room: &str| order.iter().position(|known| known == room);
    let mut wrong = Vec::new();
    for (module, imports) in imports() {
        let from = room(&module);
        for import in imports {
            let to = room(&import);
            if from != to && rank(to) <= rank(from) {
                wrong.push(format!("{module} imports {import}, but {to} stands above {from}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let rooms: BTreeSet<String> = imports().keys().map(|module| room(module).to_owned()).collect();
    assert_eq!(order.iter().cloned().collect::<BTreeSet<_>>(), rooms, "docs/ARCHITECTURE.md lists what is in src/");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let imports = imports();
    // For each module the shortest way back to itself. Of the modules of one circle the first reports it.
    let mut reported = BTreeSet::new();
    let mut circles = Vec::new();
    for start in imports.keys() {
        let Some(way) = way_back(start, &imports).filter(|way| way.iter().all(|module| !reported.contains(module)))
        else {
            continue;
        };
        circles.push(format!("a circle of imports: {}", way.join(" -> ")));
        reported.extend(way);
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// The shortest way from a module over its imports back to it, both ends included.
fn way_back<'a>(start: &'a str, imports: &'a Imports) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in &imports[way[way.len() - 1]] {
                let way = [way.as_slice(), &[next.as_str()]].concat();
                if next == start {
                    return Some(way);
                }
                if seen.insert(next) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

/// A longer file is one that docs/ARCHITECTURE.md says a reason for.
#[test]
fn a_file_of_more_than_500_lines_has_its_reason() {
    let architecture = fs::read_to_string("docs/ARCHITECTURE.md").unwrap();
    for file in sources(Path::new("src")).into_iter().filter(|file| !is_test(file)) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        let name = format!("`{}`", file.strip_prefix("src").unwrap().display());
        let has_reason = architecture.lines().any(|line| line.starts_with("- ") && line.contains(&name));
        assert!(
            lines <= 500 || has_reason,
            "{} has {lines} lines and no reason in docs/ARCHITECTURE.md",
            file.display()
        );
    }
    let lib = fs::read_to_string("src/lib.rs").unwrap().lines().count();
    assert!(lib < 150, "src/lib.rs has {lib} lines");
}

/// The folders and files of src/, from the top down: the first column of the table under `## Folders`.
fn order() -> Vec<String> {
    let architecture = fs::read_to_string("docs/ARCHITECTURE.md").unwrap();
    let (_, table) = architecture.split_once("## Folders").expect("a section Folders");
    let rows = table.split("\n## ").next().unwrap().lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().trim_end_matches('/').trim_end_matches(".rs").to_owned()).collect()
}

fn room(module: &str) -> &str {
    module.split("::").next().unwrap()
}

/// Of every module. What a module declares is no import.
fn imports() -> Imports {
    let files: Vec<PathBuf> = sources(Path::new("src")).into_iter().filter(|file| !is_test(file)).collect();
    let modules: BTreeSet<String> = files.iter().map(|file| module_of(file)).collect();
    let of = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        let name = module_of(file);
        let mut found: BTreeSet<String> =
            paths_in(&code, &name).iter().filter_map(|path| longest(path, &modules)).collect();
        found.remove(&name);
        (name, found)
    };
    files.iter().map(of).collect()
}

/// Every path in the code of this module that stays in the crate, from its root: what begins with `crate`, `self`, `super` (again and
/// again), or with a module that is declared here.
fn paths_in(code: &str, module: &str) -> Vec<String> {
    let children =
        code.lines().filter_map(|line| line.trim().strip_suffix(';')?.split_once("mod ").map(|(_, name)| name));
    let starts = ["crate", "self", "super"].into_iter().chain(children);
    let mut found = Vec::new();
    for start in starts.collect::<BTreeSet<_>>() {
        let path = format!("{start}::");
        for (at, _) in code.match_indices(&path) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let mut rest = &code[at + path.len()..];
            let mut base = match start {
                "crate" => String::new(),
                "self" => module.to_owned(),
                "super" => parent(module),
                child => joined(if module == "lib" { "" } else { module }, child),
            };
            while let Some(further) = rest.strip_prefix("super::") {
                (base, rest) = (parent(&base), further);
            }
            found.extend(paths(rest).iter().map(|path| joined(&base, path)));
        }
    }
    found
}

#[test]
fn paths_are_followed_through_braces_and_upwards() {
    let of = |code: &str| paths_in(code, "a::b::c");
    assert_eq!(of("use crate::x::{self, y::{Z, w}, v as u};"), ["x::self", "x::y::Z", "x::y::w", "x::v"]);
    assert_eq!(of("use crate::{x, y::z};"), ["x", "y::z"]);
    assert_eq!(of("pub use super::{d, e::F};"), ["a::b::d", "a::b::e::F"]);
    assert_eq!(of("pub(crate) use super::super::d::E;"), ["a::d::E"]);
    assert_eq!(of("super::super::super::x::f(self::g())"), ["a::b::c::g", "x::f"]);
    assert_eq!(of("mod d;\npub use d::E;"), ["a::b::c::d::E"]);
    assert_eq!(of("std::fs::read(); mysuper::x(); my::crate::y()"), [""; 0]);
    assert_eq!(paths_in("use super::x;", "top"), ["x"]);
    assert_eq!(paths_in("mod x;\nx::f()", "lib"), ["x::f"]);
}

fn joined(base: &str, path: &str) -> String {
    if base.is_empty() || path.is_empty() { format!("{base}{path}") } else { format!("{base}::{path}") }
}

/// What a path leads to, each way through its braces.
fn paths(text: &str) -> Vec<String> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || "_:".contains(c))).unwrap_or(text.len());
    let head = text[..end].trim_end_matches("::").to_owned();
    if !(end == 0 || text[..end].ends_with("::")) || !text[end..].starts_with('{') {
        return vec![head];
    }
    let (mut depth, mut start, mut all) = (0, end + 1, Vec::new());
    for (at, c) in text[end..].char_indices().map(|(at, c)| (end + at, c)) {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if (c == ',' && depth == 1) || depth == 0 {
            all.extend(paths(text[start..at].trim()).iter().map(|rest| joined(&head, rest)));
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    all
}

/// The module that a path is in: a path may go on to a type or a function.
fn longest(path: &str, modules: &BTreeSet<String>) -> Option<String> {
    let mut path = path.trim_end_matches("::self");
    loop {
        // What stands at the root is lib's.
        if !path.contains("::") && !modules.contains(path) {
            return Some("lib".to_owned());
        }
        if modules.contains(path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once("::")?.0;
    }
}

fn parent(module: &str) -> String {
    module.rsplit_once("::").map_or("", |(parent, _)| parent).to_owned()
}

fn module_of(file: &Path) -> String {
    let name = file.strip_prefix("src").unwrap().with_extension("");
    let name = name.to_str().unwrap().replace('/', "::");
    name.strip_suffix("::mod").unwrap_or(&name).to_owned()
}

fn is_test(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "tests.rs" || name == "test_rows.rs")
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(path);
        }
    }
    all.sort();
    all
}
