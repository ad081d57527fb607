//! Lookup patterns: whatever the text, it is a pattern or refused, as Python's `re` says it.
//!
//! The input is the pattern and, after a NUL, the id that it is tried on. Python 3.11 is asked beside us: fuzz/pattern_oracle.py
//! runs for as long as the target. What must hold:
//!
//! - nothing panics, or takes more time or memory than libFuzzer's limits let it;
//! - an error holds nothing of the pattern, and its place lies in it;
//! - what Python refuses is refused, what Python takes is taken, and an id matches where it does there. Left aside is what
//!   src/airflow/pattern.rs names as its limits.
#![no_main]

use std::cell::RefCell;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use airflow_secrets_init::connection::pattern::LookupPattern;
use airflow_secrets_init_fuzz::{check_line, planted};
use libfuzzer_sys::{Corpus, fuzz_target};

/// A secret's name is not longer.
const LONGEST_ID: usize = 512;

struct Python {
    _child: Child,
    to: ChildStdin,
    from: ChildStdout,
}

thread_local! {
    static PYTHON: RefCell<Python> = RefCell::new(Python::start());
}

impl Python {
    fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/pattern_oracle.py");
        let mut child = Command::new("python3.11")
            .args(["-I", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3.11 runs");
        let (to, from) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Self { _child: child, to, from }
    }

    /// `b'e'`: the pattern is refused; `b'y'`, `b'n'`: it matches or not; `b't'`: it took too long, or too much of something.
    fn ask(&mut self, pattern: &str, id: &str) -> u8 {
        let mut message = Vec::new();
        for text in [pattern, id] {
            message.extend_from_slice(&u32::try_from(text.len()).expect("a short text").to_be_bytes());
            message.extend_from_slice(text.as_bytes());
        }
        let mut answer = [0];
        self.to.write_all(&message).and_then(|()| self.to.flush()).expect("Python listens");
        self.from.read_exact(&mut answer).expect("Python answers");
        answer[0]
    }
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(bytes) else { return Corpus::Reject };
    let (pattern, id) = text.split_once('\0').unwrap_or((text, "airflow/Connections-1"));
    let pattern = &planted(pattern);
    if id.len() > LONGEST_ID {
        return Corpus::Reject;
    }
    let compiled = LookupPattern::new(pattern);
    let ours = compiled.as_ref().map(|compiled| compiled.is_match(id));
    for error in
        [compiled.as_ref().err(), ours.as_ref().ok().and_then(|ours| ours.as_ref().err())].into_iter().flatten()
    {
        check_line(&error.to_string());
        assert!(
            error.position.is_none_or(|at| at <= pattern.chars().count()),
            "the error's place is beyond the pattern"
        );
    }
    if !is_compared(pattern, id) {
        return Corpus::Keep;
    }
    let python = |id| PYTHON.with_borrow_mut(|python| python.ask(pattern, id));
    match ours {
        Err(error) if is_a_limit(&error.reason) => {}
        Err(error) => assert!(matches!(python(id), b'e' | b't'), "only we refuse the pattern: {error}"),
        // Too many steps, for us.
        Ok(Err(_)) => assert!(python("") != b'e', "only Python refuses the pattern"),
        Ok(Ok(ours)) => match python(id) {
            b'e' => panic!("only Python refuses the pattern"),
            b't' => {}
            answer => assert!((answer == b'y') == ours, "only {} finds a match", if ours { "we" } else { "Python" }),
        },
    }
    Corpus::Keep
});

/// What is refused here alone, because fancy-regex can't do it.
fn is_a_limit(reason: &str) -> bool {
    ["nested more than", "unsupported combination", "not supported"].iter().any(|words| reason.contains(words))
}

/// Beyond ASCII the two have other opinions on upper and lower case.
fn is_compared(pattern: &str, id: &str) -> bool {
    let beyond_ascii = |escape: &[u8]| match escape {
        [b'\\', b'u' | b'U' | b'N', ..] => true,
        [b'\\', b'x', high, ..] => !high.is_ascii_digit() || *high > b'7',
        [b'\\', b'2' | b'3', b'0'..=b'7', b'0'..=b'7'] => true,
        _ => false,
    };
    pattern.is_ascii() && id.is_ascii() && !pattern.as_bytes().windows(4).any(beyond_ascii)
}
