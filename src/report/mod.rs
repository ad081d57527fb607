//! What is said beside the data: log lines, the summary, the termination message, a line while a run waits.

pub mod channels;
pub mod left_out;
pub mod log;
pub mod overdue;
pub mod panic;
pub mod progress;
pub mod stderr;
pub mod summary;
pub mod termination;
