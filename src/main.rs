//! The program: everything is in the library, this file only starts and ends the process.

use std::process::ExitCode;

use airflow_secrets_init::env::Env;

fn main() -> ExitCode {
    #[allow(clippy::disallowed_methods, reason = "this is main.rs")]
    airflow_secrets_init::end_on_panic(|exit| std::process::exit(i32::from(exit.code())));
    let exit = airflow_secrets_init::run(std::env::args_os(), &Env::of_this_process(), &mut std::io::stdout());
    ExitCode::from(exit.code())
}
