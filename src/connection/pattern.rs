//! placeholder
/// x
#[derive(Clone, Debug)]
pub struct LookupPattern;
/// x
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("x")]
pub struct PatternError;
impl LookupPattern {
    /// x
    /// # Errors
    /// x
    pub fn new(_pattern: &str) -> Result<Self, PatternError> {
        Err(PatternError)
    }
    /// x
    /// # Errors
    /// x
    pub fn is_match(&self, _id: &str) -> Result<bool, PatternError> {
        Err(PatternError)
    }
}
