//! How names are spread, as far as some of them tell.

use std::collections::BTreeSet;

/// Where a name stands among others: the characters that come next are its digits.
pub struct Scale {
    at: usize,
    /// For each place the characters that seem to come up there.
    pub likely: Vec<Vec<u8>>,
}

/// So many characters tell where a name stands.
const DIGITS: usize = 5;

impl Scale {
    /// The scale of these names from their `at`-th byte on.
    pub fn of<'a>(names: &(impl Iterator<Item = &'a str> + Clone), at: usize) -> Self {
        let likely = (at..at + DIGITS).map(|place| {
            let seen: BTreeSet<u8> = names.clone().filter_map(|name| name.as_bytes().get(place).copied()).collect();
            let is_like = |byte: u8, other: u8| {
                let kinds = [u8::is_ascii_digit, u8::is_ascii_lowercase, u8::is_ascii_uppercase];
                byte == other || kinds.iter().any(|kind| kind(&byte) && kind(&other))
            };
            let (Some(first), Some(last)) = (seen.first(), seen.last()) else { return Vec::new() };
            (*first..=*last).filter(|byte| seen.iter().any(|other| is_like(*byte, *other))).collect()
        });
        Self { at, likely: likely.collect() }
    }

    pub fn place(&self, name: &str) -> u64 {
        let bytes = name.bytes().skip(self.at).map(Some).chain(std::iter::repeat(None));
        self.likely.iter().zip(bytes).fold(0, |place, (likely, byte)| {
            let digit = byte.map_or(0, |byte| likely.iter().take_while(|other| **other < byte).count());
            place * likely.len().max(1) as u64 + digit as u64
        })
    }

    /// How far apart names are whose first digits follow each other.
    pub fn of_cell(&self) -> u64 {
        self.likely.iter().skip(1).map(|likely| likely.len().max(1) as u64).product()
    }
}

/// How many bytes all of these begin with.
pub fn common(names: &[&str]) -> usize {
    let [first, others @ ..] = names else { return 0 };
    others.iter().fold(first.len(), |length, name| {
        first.bytes().zip(name.bytes()).take(length).take_while(|(one, other)| one == other).count()
    })
}
