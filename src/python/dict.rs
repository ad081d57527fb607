//! Values by key as a Python dict keeps them: in order, and of equal keys the last value at the place of the first.

use std::borrow::Cow;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

/// Values by key. A connection has a handful, so no table is kept: a key is looked for one by one.
#[derive(Clone)]
pub struct Dict<'a, V>(Vec<(Cow<'a, str>, V)>);

/// Up to so many keys are compared with each other; among more, a table finds equal ones.
const FEW: usize = 16;

impl<'a, V> Dict<'a, V> {
    /// Of these entries: of equal keys the last value, at the place of the first.
    pub fn of(mut entries: Vec<(Cow<'a, str>, V)>) -> Self {
        if has_equal_keys(&entries) {
            let mut places = HashMap::new();
            let mut kept: Vec<(Cow<'a, str>, V)> = Vec::new();
            for (key, value) in entries {
                let place = *places.entry(key.clone()).or_insert(kept.len());
                match kept.get_mut(place) {
                    Some(entry) => entry.1 = value,
                    None => kept.push((key, value)),
                }
            }
            entries = kept;
        }
        Self(entries)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, key: &str) -> Option<&V> {
        self.0.iter().find(|(other, _)| other == key).map(|(_, value)| value)
    }

    /// The value at a place in the order.
    pub fn value_mut(&mut self, place: usize) -> Option<&mut V> {
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Gives back the value that the key had.
    pub fn insert(&mut self, key: Cow<'a, str>, value: V) -> Option<V> {
        match self.0.iter_mut().find(|(other, _)| *other == key) {
            Some((_, old)) => Some(std::mem::replace(old, value)),
            None => {
                self.0.push((key, value));
                None
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Cow<'a, str>, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub fn keys(&self) -> impl Iterator<Item = &Cow<'a, str>> {
        self.0.iter().map(|(key, _)| key)
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub fn remove(&mut self, key: &str) -> Option<V> {
        let place = self.0.iter().position(|(other, _)| other == key)?;
        Some(self.0.remove(place).1)
    }

    pub fn retain(&mut self, keeps: impl Fn(&str) -> bool) {
        self.0.retain(|(key, _)| keeps(key));
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

fn has_equal_keys<V>(entries: &[(Cow<'_, str>, V)]) -> bool {
    if entries.len() <= FEW {
        return entries
            .iter()
            .enumerate()
            .any(|(place, (key, _))| entries[..place].iter().any(|(other, _)| other == key));
    }
    let mut seen = HashSet::with_capacity(entries.len());
    !entries.iter().all(|(key, _)| seen.insert(&**key))
}

/// As of two dicts, whose order does not count.
impl<V: PartialEq> PartialEq for Dict<'_, V> {
    fn eq(&self, other: &Self) -> bool {
        if self.len() != other.len() {
            return false;
        }
        if self.keys().eq(other.keys()) {
            return self.values().eq(other.values());
        }
        let others: HashMap<&str, &V> = other.iter().map(|(key, value)| (&**key, value)).collect();
        self.iter().all(|(key, value)| others.get(&**key) == Some(&value))
    }
}

impl<V> Default for Dict<'_, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'a, V> FromIterator<(Cow<'a, str>, V)> for Dict<'a, V> {
    fn from_iter<I: IntoIterator<Item = (Cow<'a, str>, V)>>(entries: I) -> Self {
        Self::of(entries.into_iter().collect())
    }
}

impl<'a, V> Extend<(Cow<'a, str>, V)> for Dict<'a, V> {
    fn extend<I: IntoIterator<Item = (Cow<'a, str>, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<'a, V> IntoIterator for Dict<'a, V> {
    type Item = (Cow<'a, str>, V);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'b, 'a, V> IntoIterator for &'b Dict<'a, V> {
    type Item = (&'b Cow<'a, str>, &'b V);
    type IntoIter = std::iter::Map<std::slice::Iter<'b, (Cow<'a, str>, V)>, fn(&'b (Cow<'a, str>, V)) -> Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dict(pairs: impl IntoIterator<Item = (usize, usize)>) -> Dict<'static, usize> {
        let pair = |(key, value): (usize, usize)| (Cow::from(key.to_string()), value);
        pairs.into_iter().map(pair).collect()
    }

    fn pairs(dict: &Dict<'_, usize>) -> Vec<(usize, usize)> {
        dict.iter().map(|(key, value)| (key.parse().unwrap(), *value)).collect()
    }

    /// Few keys and many take different ways.
    #[test]
    fn of_equal_keys_the_last_value_counts_at_the_place_of_the_first() {
        for more in [0, 2, FEW - 3, FEW - 2, FEW, 1000] {
            let others = || (10..10 + more).map(|key| (key, key));
            let repeated = dict([(1, 1), (2, 2)].into_iter().chain(others()).chain([(1, 3)]));
            let once: Vec<_> = [(1, 3), (2, 2)].into_iter().chain(others()).collect();
            assert_eq!(pairs(&repeated), once, "{more}");
            assert_eq!(repeated.len(), more + 2);
            assert!(repeated == dict(once.clone()));
            assert!(repeated == dict(once.iter().rev().copied()), "order does not count");
            let other = once.iter().rev().map(|(key, value)| (*key, if *key == 2 { 9 } else { *value }));
            assert!(repeated != dict(other));
            assert!(repeated != dict(once.iter().map(|(key, value)| (if *key == 2 { 3 } else { *key }, *value))));
            assert!(repeated != dict(once.into_iter().skip(1)));
        }
    }

    #[test]
    fn an_inserted_value_replaces_that_of_its_key() {
        let mut dict = dict([(1, 1), (2, 2)]);
        assert_eq!(dict.insert("1".into(), 5), Some(1));
        assert_eq!(dict.insert("3".into(), 3), None);
        assert_eq!(dict.keys().map(|key| &**key).collect::<Vec<_>>(), ["1", "2", "3"]);
        assert_eq!(dict.get("1"), Some(&5));
        assert!(!dict.contains_key("4"));
        assert_eq!((dict.remove("2"), dict.remove("2")), (Some(2), None));
        dict.retain(|key| key != "1");
        assert_eq!(pairs(&dict), [(3, 3)]);
    }
}
