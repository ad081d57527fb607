//! What the environment and the flags say, as types, or every error in them at once.

pub mod cli;
pub mod env;
pub mod expand;
pub mod files;
pub mod kwargs;
pub mod settings;
