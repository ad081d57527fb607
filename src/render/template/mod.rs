//! The user's own templates: how they are read, what they see, how a value is written, and how an error is described.

pub mod describe;
pub mod engine;
pub mod errors;
pub mod limits;
pub mod load;
pub mod quote;
pub mod source;
pub mod tags;
pub mod values;
