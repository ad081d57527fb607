//! The words that every stage uses.

pub mod kind;
