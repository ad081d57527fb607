//! What is read of one account, and by which names.

use std::collections::HashSet;

use super::Text;
use super::who::Who;
use crate::plan::{Enumerate, Source, SourcePlan};

/// What is read of one account.
#[derive(Default)]
pub struct Reads {
    pub lists: bool,
    /// How many are read by name.
    pub named: usize,
    /// The secrets, as narrow as the settings allow.
    pub secrets: Vec<Text>,
    /// The same by their prefixes.
    pub under: Vec<Text>,
    /// The secrets that say which there are.
    pub indices: Vec<Text>,
    /// In words: names, prefixes, indices.
    pub words: Vec<String>,
    pub index_words: Vec<String>,
}

impl Reads {
    pub const fn are_none(&self) -> bool {
        self.secrets.is_empty() && self.indices.is_empty()
    }
}

impl Who<'_> {
    /// What is read of the account at this place of the plan.
    pub fn reads(&self, place: usize) -> Reads {
        let mut reads = Reads::default();
        for source in self.plan.sources_of(place) {
            let Some(want) = self.plan.want_of(source.kind) else { continue };
            let mut named: Vec<&str> = want.by_name().collect();
            let start = self.secret_arn(&source.source, source.prefix());
            reads.under.push(start.clone().wild("*"));
            match &source.enumerate {
                Enumerate::Listing | Enumerate::ListingIfOwnAccount | Enumerate::Index(_) => {
                    if let Enumerate::Index(index) = &source.enumerate {
                        reads.indices.extend(self.index(&source.source, index));
                        reads.index_words.push(index.clone());
                    } else {
                        reads.lists = true;
                    }
                    // An index has as many as it likes.
                    reads.named += 2;
                    reads.secrets.push(start.wild("*"));
                    reads.words.push(format!("{}*", source.prefix()));
                    continue;
                }
                Enumerate::Ids(ids) => {
                    let taken = ids.iter().filter(|id| self.settings.selection.takes(source.kind, id));
                    named.splice(0..0, taken.map(String::as_str));
                }
                Enumerate::Nothing => {}
            }
            let mut seen = HashSet::new();
            named.retain(|id| seen.insert(*id) && source.pattern_takes(id).unwrap_or(true));
            for id in named {
                reads.named += 1;
                reads.secrets.extend(self.by_name(source, id));
                reads.words.push(source.secret_name(id));
            }
        }
        reads
    }

    /// A secret of a known name: with the six characters that AWS puts behind it, and without for one that is not there. What
    /// AWS judges then is not documented; a refusal in place of "not found" would keep the next account from being asked.
    fn by_name(&self, source: &SourcePlan, id: &str) -> [Text; 2] {
        let arn = self.secret_arn(&source.source, &source.secret_name(id));
        [arn.clone().then("-").wild("??????"), arn]
    }

    fn index(&self, source: &Source, index: &str) -> Vec<Text> {
        let arn = if index.starts_with("arn:") { Text::literal(index) } else { self.secret_arn(source, index) };
        let tail = index.rsplit_once('-').map_or("", |(_, tail)| tail);
        let is_whole = index.starts_with("arn:") && tail.len() == 6 && tail.bytes().all(|b| b.is_ascii_alphanumeric());
        if is_whole { vec![arn] } else { vec![arn.clone().then("-").wild("??????"), arn] }
    }
}
