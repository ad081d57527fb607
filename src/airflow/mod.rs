//! How Airflow reads: what each secret text means, and how that is written so that Airflow reads the same again.
//!
//! Pure: no input or output. Proved against real Airflow releases in tests/airflow.

mod checks;
pub mod get_uri;
pub mod invalid;
mod json_secret;
pub mod lazy_backend;
pub mod masker;
pub mod note;
pub mod pattern;
pub mod secret;
mod uri_secret;
pub mod uri_write;
pub mod versions;

#[cfg(test)]
mod test_rows;
#[cfg(test)]
mod tests;
