//! Python's own rules for text, numbers and JSON. Pure.

pub mod dict;
pub mod json;
pub mod number;
pub mod plain;
pub mod str;
