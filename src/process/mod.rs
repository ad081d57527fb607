//! What the process takes from itself, what it may have, and what ends it.

pub mod harden;
pub mod limits;
pub mod memory;
pub mod signals;
pub mod threads;
