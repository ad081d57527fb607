//! The one seam to whatever holds the secrets. No type of the AWS SDK crosses it.

pub mod aws;
pub mod error;
pub mod export;
pub mod file;
pub mod memory;
pub mod secret_store;
pub mod yaml;
