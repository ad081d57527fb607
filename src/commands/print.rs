//! Data on stdout: text for people, a document for programs.

use std::io::{ErrorKind, IsTerminal, Write};

use serde::Serialize;

use crate::config::env::Env;
use crate::config::settings::OutputForm;
use crate::error::{Exit, Failure};
use crate::render::files::FinishedFile;
use crate::text::{os_error, shown};

/// Prints data. A closed pipe (`check | head`) is no failure: who has read enough goes away.
///
/// # Errors
/// [`Exit::Io`] when it can't be written, such as to a full device.
pub fn data(text: &str, stdout: &mut dyn Write) -> Result<(), Failure> {
    bytes(text.as_bytes(), stdout)
}

fn bytes(bytes: &[u8], stdout: &mut dyn Write) -> Result<(), Failure> {
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Io, format!("stdout can't be written: {}", os_error(&error))))
        }
        _ => Ok(()),
    }
}

/// Prints what a command found, as text for people or as a document.
pub fn in_form(
    form: OutputForm,
    found: &impl Serialize,
    text: impl FnOnce() -> String,
    stdout: &mut dyn Write,
) -> Result<(), Failure> {
    match form {
        OutputForm::Text | OutputForm::Terraform => data(&text(), stdout),
        OutputForm::Json => data(&document(found), stdout),
    }
}

/// Whether stdout is a terminal that wants colour.
pub fn in_colour(env: &Env) -> bool {
    std::io::stdout().is_terminal() && env.wants_colour()
}

/// Prints files; several with a line before each that names its target.
pub fn files(files: &[FinishedFile], stdout: &mut dyn Write) -> Result<(), Failure> {
    for file in files {
        if files.len() > 1 {
            data(&format!("==> {} <==\n", shown(&file.path)), stdout)?;
        }
        bytes(&file.bytes, stdout)?;
    }
    Ok(())
}

/// One JSON document in ASCII, with a newline at its end: an id may hold what turns a terminal's text around.
pub fn document(of: &impl Serialize) -> String {
    // Only maps with keys that are no text can't be written, and there are none.
    let json = serde_json::to_string_pretty(of).unwrap_or_default();
    let mut text = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        match c {
            '\n' | ' '..='~' => text.push(c),
            // Only ever within a string.
            _ => text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
    }
    text.push('\n');
    text
}
