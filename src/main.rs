//! The program: everything is in the library, this file only starts and ends the process.

use std::process::ExitCode;

use airflow_secrets_init::config::env::Env;
use airflow_secrets_init::process::harden::{self, Process};

/// Whatever is freed is wiped first: copies that the SDK, the TLS stack and the renderer have made as well as ours.
#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<rustix_dlmalloc::GlobalDlmalloc> =
    zeroizing_alloc::ZeroAlloc(rustix_dlmalloc::GlobalDlmalloc);

fn main() -> ExitCode {
    harden::start();
    #[allow(clippy::disallowed_methods, reason = "this is main.rs")]
    airflow_secrets_init::report::panic::end_on_panic(|exit| std::process::exit(i32::from(exit.code())));
    let (args, env) = (std::env::args_os(), Env::of_this_process());
    let exit = airflow_secrets_init::run(args, &env, &mut std::io::stdout(), Process::Ours);
    ExitCode::from(exit.code())
}
