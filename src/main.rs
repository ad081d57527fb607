//! The program: everything is in the library, this file only starts and ends the process.

use std::process::ExitCode;

use airflow_secrets_init::env::Env;

fn main() -> ExitCode {
    airflow_secrets_init::hide_panic_payloads();
    let exit = airflow_secrets_init::run(std::env::args_os(), &Env::of_this_process(), &mut std::io::stdout());
    ExitCode::from(exit.code())
}
