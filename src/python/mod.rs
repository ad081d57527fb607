//! Python's own rules for text and JSON. Pure.

pub mod json;
pub mod str;
