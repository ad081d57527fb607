//! Who a request is from.

use std::sync::Arc;

use crate::scenario::Statement;

/// An authenticated principal.
#[derive(Debug, Clone)]
pub struct Caller {
    pub account: Arc<str>,
    /// The principal's ARN, as error messages show it.
    pub arn: Arc<str>,
    /// The role's ARN, for sessions: policies may name either.
    pub role_arn: Option<Arc<str>>,
    pub full_access: bool,
    pub policy: Arc<[Statement]>,
    /// What the session is narrowed to, if it is.
    pub session_policy: Option<Arc<[Statement]>>,
}
