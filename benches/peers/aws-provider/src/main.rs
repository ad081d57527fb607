//! Lets AWS's agent prefetch the secrets whose ids are in a file, and ends when it says that it has.
//!
//! The agent keeps them in memory and serves them one by one over HTTP on localhost; that part is not measured, nor is
//! writing a file. Everything is as the agent has it by default, but for its cache, which is as large as it may be.

use std::num::NonZeroUsize;
use std::sync::OnceLock;

use aws_workload_credentials_provider_common::config::types::{
    LoggingConfig, PrefetchConfig, SecretPrefetchConfig, SecretsManagerConfig, ValidatedConfig,
};
use log::{LevelFilter, Log, Metadata, Record};
use tokio_util::sync::CancellationToken;

static END: OnceLock<CancellationToken> = OnceLock::new();

/// The agent says only in its log when it is done.
struct Listener;

impl Log for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let said = record.args().to_string();
        if said.starts_with("Pre-fetch") {
            eprintln!("{said}");
        }
        if said.starts_with("Pre-fetch complete") {
            END.wait().cancel();
        }
    }

    fn flush(&self) {}
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    log::set_logger(&Listener)?;
    log::set_max_level(LevelFilter::Info);
    let ids = std::fs::read_to_string(std::env::args().nth(1).ok_or("usage: aws-provider FILE-OF-IDS")?)?;
    let secrets = ids.split_whitespace();
    let secrets = secrets.map(|id| SecretPrefetchConfig { secret_id: id.to_owned(), role_arn: None }).collect();
    let mut manager = SecretsManagerConfig {
        http_port: 0,
        prefetch: PrefetchConfig { cache_buffer_ratio: 1.0, secrets, ..PrefetchConfig::default() },
        ..SecretsManagerConfig::default()
    };
    manager.cache.cache_size = NonZeroUsize::new(1000).ok_or("0")?;
    let config = ValidatedConfig { logging: LoggingConfig::default(), secrets_manager: manager, acm: None };
    let token = END.get_or_init(CancellationToken::new).clone();
    aws_secretsmanager_provider::sm_workload(config, token).await
}
