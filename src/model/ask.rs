//! What outputs ask for.

use crate::text::unique;

/// What outputs ask for, of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Nothing,
    /// These and no more.
    Named(Vec<String>),
    Everything,
}

/// What all outputs together need, of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    pub everything: bool,
    /// These by name, each once, even where a listing misses them.
    pub named: Vec<String>,
}

impl Need {
    /// Adds what one more output asks for.
    pub fn add(&mut self, ask: &Ask) {
        match ask {
            Ask::Nothing => {}
            Ask::Everything => self.everything = true,
            Ask::Named(ids) => self.named = unique(self.named.iter().chain(ids)),
        }
    }
}
