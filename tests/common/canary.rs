//! Secrets that are planted, and the search for them in all that the program says.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::expect_used, clippy::panic, reason = "tests end by panics")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Ended, Run, names};

/// A word that stands nowhere by chance, another one for each number and run.
pub fn canary(number: u32) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").subsec_nanos();
    let mut state = u64::from(now) << 20 | u64::from(number) << 3 | 1;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(
            b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz"[usize::try_from(state >> 33).expect("64 bits") % 48],
        )
    };
    (0..14).map(|_| letter()).collect()
}

/// The ways in which a text may hide in another.
pub fn disguises(canary: &str) -> Vec<String> {
    // Base64 of a part of a longer text depends on where it begins; the digits at the ends are shared with its neighbours.
    let shifted = |shift: usize| {
        let encoded = STANDARD.encode(format!("{}{canary}", "x".repeat(shift)));
        encoded[[0, 2, 3][shift]..encoded.len() - 4].to_owned()
    };
    let percent: String = canary.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let swapped =
        canary.chars().map(|c| if c.is_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() });
    let json: String = canary.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
    let reversed = canary.chars().rev().collect();
    [vec![canary.to_owned(), percent, swapped.collect(), json, hex, reversed], (0..3).map(shifted).collect()].concat()
}

/// What the program said anywhere, with the names of the files in its directory.
pub fn everything_said(run: &Run, ended: &Ended) -> String {
    let termination = std::fs::read_to_string(run.path("termination-log")).unwrap_or_default();
    let names = names(run.directory.path()).join("\n");
    // The digits of a time stamp may be anybody's.
    let line = |line: &str| match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line) {
        Ok(mut event) => {
            event.remove("timestamp");
            format!("{}\n", serde_json::Value::Object(event))
        }
        Err(_) => format!("{line}\n"),
    };
    let log: String = ended.stderr.lines().map(line).collect();
    format!("{}\n{log}\n{termination}\n{names}", ended.stdout)
}

/// Searches for a canary in every disguise; gives how many forms were searched for.
#[track_caller]
pub fn assert_silent(what: &str, said: &str, canary: &str) -> usize {
    let forms = disguises(canary);
    for form in &forms {
        assert!(!said.contains(form.as_str()), "{what} says {form:?}:\n{said}");
    }
    forms.len()
}
