//! What the environment and the flags say, as types, or every error in them at once.

pub mod aws;
pub mod cli;
pub mod env;
pub mod expand;
pub mod files;
pub mod index;
pub mod keys;
pub mod kwargs;
pub mod kwargs_hints;
pub mod kwargs_reader;
pub mod kwargs_source;
pub mod outputs;
pub mod places;
pub mod refresh;
pub mod regions;
pub mod settings;
pub mod usage;
pub mod values;
