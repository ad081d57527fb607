//! The program: everything is in the library, this file only starts and ends the process.

use std::process::ExitCode;

use airflow_secrets_init::env::Env;

fn main() -> ExitCode {
    // A panic's payload may hold what was being worked on. Its place is enough to find the bug.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        let line = format!("airflow-secrets-init: a bug at {place}; please report it\n");
        drop(std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()));
    }));
    let exit = airflow_secrets_init::run(std::env::args_os(), &Env::of_this_process(), &mut std::io::stdout());
    ExitCode::from(exit.code())
}
