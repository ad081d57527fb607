//! Filters of `ListSecrets` and `BatchGetSecretValue` (API reference, `Filter`;
//! user guide, "Find secrets").

use crate::error::{AwsError, constraint};
use crate::world::Stored;

use super::request::FilterSpec;

/// API model: at most 10 filters of 1 to 10 values of at most 512 characters.
const MOST: usize = 10;
const LONGEST: usize = 512;

/// AWS's filter keys, by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "TagKey is AWS's name")]
enum Key {
    Description,
    Name,
    TagKey,
    TagValue,
    PrimaryRegion,
    OwningService,
    All,
}

/// A checked list of filters, all of which a secret must pass.
#[derive(Debug)]
pub struct Filters<'a>(Vec<(Key, &'a [String])>);

impl<'a> Filters<'a> {
    pub fn new(specs: &'a [FilterSpec]) -> Result<Self, AwsError> {
        if specs.len() > MOST {
            return Err(AwsError::validation(constraint(
                "[..]",
                "filters",
                "Member must have length less than or equal to 10",
            )));
        }
        specs.iter().enumerate().map(|(i, spec)| check(i + 1, spec)).collect::<Result<_, _>>().map(Self)
    }

    pub fn pass(&self, secret: &Stored) -> bool {
        self.0.iter().all(|(key, values)| values.iter().any(|value| passes(*key, value, secret)))
    }

    /// Is there nothing to pass?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn check(number: usize, spec: &FilterSpec) -> Result<(Key, &[String]), AwsError> {
    let key = match spec.key.as_str() {
        "description" => Key::Description,
        "name" => Key::Name,
        "tag-key" => Key::TagKey,
        "tag-value" => Key::TagValue,
        "primary-region" => Key::PrimaryRegion,
        "owning-service" => Key::OwningService,
        "all" => Key::All,
        other => {
            return Err(AwsError::validation(constraint(
                other,
                &format!("filters.{number}.member.key"),
                "Member must satisfy enum value set: [all, name, tag-key, description, tag-value, \
                 primary-region, owning-service]",
            )));
        }
    };
    if spec.values.is_empty() || spec.values.len() > MOST {
        return Err(AwsError::invalid_parameter("Invalid filter values"));
    }
    for value in &spec.values {
        let allowed = |c: char| c.is_ascii_alphanumeric() || " :_@/+=.-!".contains(c);
        if value.chars().count() > LONGEST || !value.chars().all(allowed) {
            return Err(AwsError::validation(constraint(
                value,
                &format!("filters.{number}.member.values"),
                "Member must satisfy constraint: [Member must have length less than or equal to 512, \
                 Member must satisfy regular expression pattern: ^\\!?[a-zA-Z0-9 :_@\\/\\+\\=\\.\\-\\!]*$]",
            )));
        }
    }
    Ok((key, &spec.values))
}

/// One value against one secret: a prefix of the field, or with a leading `!`
/// anything but.
fn passes(key: Key, value: &str, secret: &Stored) -> bool {
    match value.strip_prefix('!') {
        Some(value) => !has_prefix(key, value, secret),
        None => has_prefix(key, value, secret),
    }
}

fn has_prefix(key: Key, value: &str, secret: &Stored) -> bool {
    let spec = &secret.spec;
    let optional = |field: &Option<String>| field.as_ref().is_some_and(|f| f.starts_with(value));
    match key {
        Key::Name => secret.name.starts_with(value),
        Key::Description => spec
            .description
            .as_ref()
            .and_then(|d| d.get(..value.len()))
            .is_some_and(|head| head.eq_ignore_ascii_case(value)),
        Key::TagKey => spec.tags.keys().any(|k| k.starts_with(value)),
        Key::TagValue => spec.tags.values().any(|v| v.starts_with(value)),
        Key::PrimaryRegion => optional(&spec.primary_region),
        Key::OwningService => optional(&spec.owning_service),
        Key::All => {
            let fields = std::iter::once(secret.name.as_str())
                .chain(spec.description.as_deref())
                .chain(spec.tags.iter().flat_map(|(k, v)| [k.as_str(), v.as_str()]));
            let have: Vec<String> = fields.flat_map(words).collect();
            words(value).iter().all(|word| have.iter().any(|h| h.starts_with(word)))
        }
    }
}

/// Words as the user guide describes them: split at special characters, and
/// where letters, digits or cases change.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before: Option<char> = None;
    for c in text.chars() {
        if c.is_alphanumeric() {
            let continues = before.is_some_and(|b| {
                b.is_alphanumeric() && b.is_numeric() == c.is_numeric() && !(b.is_lowercase() && c.is_uppercase())
            });
            match words.last_mut() {
                Some(word) if continues => word.extend(c.to_lowercase()),
                _ => words.push(c.to_lowercase().collect()),
            }
        }
        before = Some(c);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn tokens() {
        assert_eq!(words("airflow/connections/myDb2"), ["airflow", "connections", "my", "db", "2"]);
    }
}
