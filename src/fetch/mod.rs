//! Asks the accounts of the plan, side by side, and decides who wins: own before shared, in order.
//!
//! Takes the plan and one store for each account; gives, for every conn_id and key, the text of the winning secret or
//! why it can't be read. What is wanted of one account is asked for together, whatever kind it is. Only "not there" lets
//! the next source be asked. Makes no judgement on a secret's content.

pub mod answers;
pub mod by_name;
pub mod empty;
pub mod enumerate;
pub mod index;
pub mod reading;
pub mod resolve;
pub mod shared;

#[cfg(test)]
pub(crate) mod tests;
