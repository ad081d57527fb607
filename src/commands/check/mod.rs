//! `check`: what a run would find and write, and what settings alone say of it.

pub mod offline;
pub mod report;
pub mod rows;
pub mod table;
