//! What is read of one account, and by which names.

use std::collections::HashSet;

use super::document::Text;
use super::who::Who;
use crate::config::settings::Selection;
use crate::model::aws::ends_like_an_arn;
use crate::plan::Enumerate;

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

    /// What is read of the account at this place of the plan.
    pub fn of(who: &Who, selection: &Selection, place: usize) -> Self {
        let mut reads = Self::default();
        for source in who.plan.sources_of(place) {
            let Some(want) = who.plan.want_of(source.kind) else { continue };
            let secret = |name: &str| who.arn_of(&source.source, "secretsmanager").then(format!("secret:{name}"));
            let under = secret(source.prefix()).wild("*");
            reads.under.push(under.clone());
            let mut named: Vec<&str> = Vec::new();
            match &source.enumerate {
                Enumerate::Nothing => {}
                Enumerate::Ids(ids) => {
                    named.extend(ids.iter().map(String::as_str).filter(|id| selection.takes(source.kind, id)));
                }
                Enumerate::Listing | Enumerate::ListingIfOwnAccount | Enumerate::Index(_) => {
                    if let Enumerate::Index(names) = &source.enumerate {
                        for index in names {
                            if reads.index_words.contains(index) {
                                continue;
                            }
                            reads.indices.extend(by_name_or_arn(index, secret));
                            reads.index_words.push(index.clone());
                        }
                    } else {
                        reads.lists = true;
                    }
                    // An index has as many as it likes.
                    reads.named += 2;
                    reads.secrets.push(under);
                    reads.words.push(format!("{}*", source.prefix()));
                    continue;
                }
            }
            named.extend(want.by_name());
            let mut seen = HashSet::new();
            named.retain(|id| seen.insert(*id) && source.looks_up(id) && source.pattern_takes(id).unwrap_or(true));
            let to_read: Vec<String> = named
                .into_iter()
                .flat_map(|id| source.team_secret_name(id).into_iter().chain([source.secret_name(id)]))
                .collect();
            reads.named += to_read.len();
            for name in to_read {
                reads.secrets.extend(by_name(secret(&name)));
                reads.words.push(name);
            }
        }
        reads
    }
}

/// A secret whose name or ARN is known. `secret` makes the ARN of a name.
pub fn by_name_or_arn(secret_id: &str, secret: impl Fn(&str) -> Text) -> Vec<Text> {
    let is_arn = secret_id.starts_with("arn:");
    let arn = if is_arn { Text::literal(secret_id) } else { secret(secret_id) };
    if is_arn && ends_like_an_arn(secret_id) { vec![arn] } else { by_name(arn) }
}

/// A secret of a known name: with the six characters that AWS puts behind it, and without for one that is not there. What
/// AWS judges then is not documented; a refusal in place of "not found" would keep the next account from being asked.
fn by_name(arn: Text) -> Vec<Text> {
    vec![arn.clone().then("-").wild("??????"), arn]
}
