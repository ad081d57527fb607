//! The words that every stage uses.

pub mod ask;
pub mod aws;
pub mod aws_names;
pub mod cause;
pub mod connection;
pub mod index;
pub mod kind;
pub mod policy;
pub mod team;
