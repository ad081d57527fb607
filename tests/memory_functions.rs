//! `.cargo/memory.c`: what the static program has in place of musl's functions for memory does what the C library's do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests end by panics")]

use std::path::Path;
use std::process::Command;

/// Runs a program of the C compiler's package, and gives what it prints.
fn run(program: &str, args: &[&str]) -> String {
    let ended = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{program} {args:?}: {out}{err}");
    out.into_owned()
}

#[test]
fn each_length_and_overlap_is_as_the_c_library_has_it() {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (object, check) = (built.join("memory.o"), built.join("memory_check"));
    let (object, check) = (object.to_str().unwrap(), check.to_str().unwrap());
    let script = std::fs::read_to_string("scripts/static-build").unwrap();
    let flags = script.split("\"$cc\" ").nth(1).and_then(|rest| rest.split(r#" "${flags"#).next()).unwrap();
    run("cc", &[&flags.split(' ').collect::<Vec<_>>()[..], &["-c", ".cargo/memory.c", "-o", object]].concat());
    let renamed =
        ["memcpy", "memmove", "memset", "memcmp", "bcmp"].map(|name| format!("--redefine-sym={name}=static_{name}"));
    run("objcopy", &[&renamed.each_ref().map(String::as_str)[..], &[object]].concat());
    run("cc", &["-O1", "tests/support/memory_check.c", object, "-o", check]);
    assert!(run(check, &[]).trim().parse::<u64>().unwrap() > 2_000_000);
}
