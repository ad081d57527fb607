//! The program: everything is in the library, this file only starts and ends the process.

use std::process::ExitCode;

use airflow_secrets_init::env::Env;
use airflow_secrets_init::harden::{self, Process};

/// Whatever is freed is wiped first: copies that the SDK, the TLS stack and the renderer have made as well as ours.
#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    harden::start();
    airflow_secrets_init::hide_panic_payloads();
    let (args, env) = (std::env::args_os(), Env::of_this_process());
    let exit = airflow_secrets_init::run(args, &env, &mut std::io::stdout(), Process::Ours);
    ExitCode::from(exit.code())
}
