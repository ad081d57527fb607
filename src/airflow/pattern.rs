//! A lookup pattern (`connections_lookup_pattern`), matched as Airflow matches it.
//!
//! Takes a pattern in Python's syntax, gives whether an id matches: `re.match(pattern, id, re.IGNORECASE)`, which is anchored at
//! the start only (Amazon provider 8.13.0 `secrets_manager.py` `_is_pattern_match`/`_get_secret`). The caller treats an empty
//! pattern as no filter.
//!
//! fancy-regex reads the pattern as it is. What it reads differently from `CPython` 3.8 to 3.14, or what says nothing about a
//! name in Secrets Manager (ASCII letters, digits and `/_+=.@-!`), is refused with its position. With such names the two engines
//! agree on what is left: there is no line break for `$` and `.` to differ on, and no letter whose case is disputed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fancy_regex::{Regex, RegexBuilder};

/// What a match may cost, in steps of fancy-regex: some microseconds to a millisecond. A name of 512 characters takes a few hundred in any
/// pattern that means no harm.
const STEPS: usize = 1_000;
/// What a match may cost that comes to no end within that: some ten milliseconds.
const MOST_STEPS: usize = 20_000;
/// How many matches may: a second together.
const LONG_MATCHES: usize = 100;

#[derive(Clone, Debug)]
pub struct LookupPattern {
    regex: Regex,
    /// The same, for what takes longer.
    patient: Regex,
    /// How many names have taken longer, of all that this pattern has seen.
    long_matches: Arc<AtomicUsize>,
}

/// Why a pattern cannot be used. Repeats nothing of the pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}", position.map_or_else(String::new, |at| format!(" at character {at}")))]
pub struct PatternError {
    /// The character of the pattern, counted from 0, if the error has a place.
    pub position: Option<usize>,
    pub reason: &'static str,
}

impl LookupPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When Python refuses the pattern, or when the two engines could read it differently.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        check(pattern)?;
        let within = |steps| RegexBuilder::new(&format!("(?i)\\A(?:{pattern})")).backtrack_limit(steps).build();
        let (Ok(regex), Ok(patient)) = (within(STEPS), within(MOST_STEPS)) else {
            // fancy-regex's own words can quote the pattern.
            let reason = "a range is out of order, or the pattern is too large or nested too deep";
            return Err(PatternError { position: None, reason });
        };
        Ok(Self { regex, patient, long_matches: Arc::default() })
    }

    /// Whether an id matches.
    ///
    /// # Errors
    /// When the match takes too many steps, or all matches of this pattern together.
    pub fn is_match(&self, id: &str) -> Result<bool, PatternError> {
        let too_long = |reason| PatternError { position: None, reason };
        if let Ok(matches) = self.regex.is_match(id) {
            return Ok(matches);
        }
        if self.long_matches.fetch_add(1, Ordering::Relaxed) >= LONG_MATCHES {
            return Err(too_long("matching so many names takes too many steps"));
        }
        self.patient.is_match(id).map_err(|_| too_long("matching takes too many steps"))
    }
}

/// What a pattern may be made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Item,
    /// Matches none: an anchor, a look-behind, the end of an alternative.
    NoWidth,
    Group,
    LookAhead,
    Close,
    Repetition,
}

/// Each kind of token, and how it is written.
const TOKENS: [(Token, &str); 9] = [
    (Token::Item, r"[!-~&&[^()\[{}*+?\\|^$]]"),
    // fancy-regex takes \< and \> for the ends of a word.
    (Token::Item, r"\\[dDsSwW[!-/:-@\[-`{-~]&&[^<>]]"),
    // fancy-regex has sets within sets, and operators between them: [ && -- ~~.
    (Token::Item, r"\[\^?(?:-(?!-)|\\[dDsSwW[!-/:-@\[-`{-~]&&[^<>]]|[!-~&&[^\[\]&~\\-]])+\]"),
    (Token::NoWidth, r"[|^$]|\\[bBAZ]"),
    // Python wants a fixed width. A text has one.
    (Token::NoWidth, r"\(\?<[=!][a-zA-Z0-9_/=@!.-]*\)"),
    (Token::Group, r"\((?!\?)|\(\?(?:-?[is])?:"),
    (Token::LookAhead, r"\(\?[=!]"),
    (Token::Close, r"\)"),
    (Token::Repetition, r"(?:[*+?]|\{[0-9]{1,5}(?:,[0-9]{0,5})?\}|\{,[0-9]{1,5}\})\??"),
];
/// Flags for the whole pattern, which Python 3.11 and later take at its start alone.
const FLAGS: &str = r"(?:\(\?(?:i|m|s|is|si)\))*";

/// Refuses the first thing that is no token, or a token that stands where the two engines differ.
fn check(pattern: &str) -> Result<(), PatternError> {
    struct Group {
        start: usize,
        token: Token,
        /// Whether anything in it matches a character.
        has_width: bool,
    }
    let refuse = |at, reason| Err(PatternError { position: Some(at), reason });
    let at_start = |token: &str| Regex::new(&format!("\\A(?:{token})")).ok();
    let tokens: Vec<_> = TOKENS.iter().filter_map(|(token, form)| Some((*token, at_start(form)?))).collect();
    let length = |form: &Regex, text: &str| form.find(text).ok().flatten().map(|found| found.end());

    let mut at = at_start(FLAGS).and_then(|flags| length(&flags, pattern)).unwrap_or(0);
    let mut last = Token::NoWidth;
    let mut open: Vec<Group> = Vec::new();
    // All before is made of tokens, so of ASCII: bytes are characters.
    while let Some(rest) = pattern.get(at..).filter(|rest| !rest.is_empty()) {
        let found = tokens.iter().find_map(|(token, form)| Some((*token, length(form, rest)?)));
        let Some((token, length)) = found else { return refuse(at, reason_of(rest)) };
        last = match token {
            Token::Repetition if !in_order(rest.get(..length).unwrap_or_default()) => {
                return refuse(at, "a repetition is out of order");
            }
            Token::Repetition if last == Token::Item => token,
            Token::Repetition if last == Token::Repetition => {
                return refuse(at, "a repetition of a repetition, or a possessive one, is not supported");
            }
            Token::Repetition => return refuse(at, "nothing to repeat"),
            Token::Group | Token::LookAhead => {
                open.push(Group { start: at, token, has_width: false });
                Token::NoWidth
            }
            Token::Close => match open.pop() {
                Some(Group { token: Token::Group, has_width: true, .. }) => Token::Item,
                Some(_) => Token::NoWidth,
                None => return refuse(at, "a ) without its ("),
            },
            token => token,
        };
        if let (Token::Item, Some(group)) = (last, open.last_mut()) {
            group.has_width = true;
        }
        at += length;
    }
    open.pop().map_or(Ok(()), |group| refuse(group.start, "a ( without its )"))
}

/// Whether `{m,n}` has the smaller number first. fancy-regex takes it either way.
fn in_order(repetition: &str) -> bool {
    let numbers = repetition.trim_end_matches('?').trim_matches(['{', '}']).split_once(',');
    let parsed = numbers.map(|(low, high)| (low.parse::<u32>(), high.parse::<u32>()));
    !matches!(parsed, Some((Ok(low), Ok(high))) if low > high)
}

/// Why this is no token.
fn reason_of(rest: &str) -> &'static str {
    match rest.as_bytes().first() {
        Some(b'(') if rest.starts_with("(?<=") || rest.starts_with("(?<!") => {
            "a look-behind is supported for letters, digits and _/=@!-. alone"
        }
        Some(b'(') => "only (?:...), (?i:...), (?-i:...), look-around, and (?i) at the start are supported",
        Some(b'[') => {
            "no set that is supported: it ends with ], holds no [ & ~ --, and of escapes \\d \\s \\w and punctuation"
        }
        Some(b'\\') => "of escapes, \\d \\D \\s \\S \\w \\W \\b \\B \\A \\Z and punctuation are supported",
        Some(b'{') => "a { begins {m}, {m,}, {,n} or {m,n}, of at most 5 digits",
        _ => "no secret's name holds such a character; leave it out or write .",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::{FLAGS, LookupPattern, TOKENS};

    #[test]
    fn every_form_of_a_token_compiles() {
        for form in TOKENS.iter().map(|(_, form)| *form).chain([FLAGS]) {
            fancy_regex::Regex::new(form).unwrap();
        }
    }

    /// tests/airflow/patterns.json has Python's answers; tests/airflow.rs asks it again.
    #[test]
    fn a_pattern_means_what_python_says_or_is_refused() {
        let rows: Vec<Vec<Value>> = serde_json::from_str(include_str!("../../tests/airflow/patterns.json")).unwrap();
        let can_be_a_name =
            |id: &str| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || "/_+=.@-!".contains(c));
        let (mut usual, mut refused) = (0, Vec::new());
        for row in &rows {
            let pattern = row[0].as_str().unwrap();
            let compiled = LookupPattern::new(pattern);
            if row.get(2).is_some() {
                usual += 1;
                refused.extend(compiled.is_err().then_some(pattern));
            }
            let Ok(compiled) = compiled else { continue };
            let ids = row[1].as_object().unwrap_or_else(|| panic!("{pattern}: Python refuses it"));
            for (id, expected) in ids.iter().filter(|(id, _)| can_be_a_name(id)) {
                assert_eq!(compiled.is_match(id).ok(), expected.as_bool(), "{pattern} on {id}");
            }
        }
        // Of what a user would write, at most one in twenty.
        assert!(usual > 80 && refused.len() * 20 <= usual, "{} of {usual}: {refused:?}", refused.len());
    }

    #[test]
    fn a_refusal_has_its_position_and_repeats_nothing() {
        const GROUPS: &str = "only (?:...), (?i:...), (?-i:...), look-around, and (?i) at the start are supported";
        for (pattern, position, reason) in [
            ("ab\\N{DASH}", 2, "of escapes, "),
            ("ab\\", 2, "of escapes, "),
            ("(a)\\1", 3, "of escapes, "),
            ("x(?P<secret>a)", 1, GROUPS),
            ("a(?i)", 1, GROUPS),
            ("(?(1)a)", 0, GROUPS),
            ("a(?<=a|bc)d", 1, "a look-behind "),
            ("ab(c", 2, "a ( without its )"),
            ("ab)(?:c", 2, "a ) without its ("),
            ("ab[c", 2, "no set "),
            ("x[a[b]", 1, "no set "),
            ("x[]a]", 1, "no set "),
            ("x[a--b]", 1, "no set "),
            ("x[a\\q]", 1, "no set "),
            ("x\\<", 1, "of escapes, "),
            ("[\\<]", 0, "no set "),
            ("a b", 1, "no secret's name "),
            ("a\u{e9}", 1, "no secret's name "),
            ("(?=a)*b", 5, "nothing to repeat"),
            ("(?:^)*a", 5, "nothing to repeat"),
            ("\\b{start}", 2, "a { begins "),
            ("a{999999}", 1, "a { begins "),
            ("a{2,1}?", 1, "a repetition is out of order"),
            ("a{1}{2}", 4, "a repetition of a repetition"),
            ("a*+", 2, "a repetition of a repetition"),
        ] {
            let error = LookupPattern::new(pattern).unwrap_err();
            assert_eq!(error.position, Some(position), "{pattern}: {error}");
            assert!(error.reason.starts_with(reason), "{pattern}: {error}");
        }
        for pattern in
            ["x[z-a]".to_owned(), "(?:".repeat(500) + "a" + &")".repeat(500), "(?:a{60000}){60000}".to_owned()]
        {
            let error = LookupPattern::new(&pattern).unwrap_err();
            assert_eq!((error.position, &error.reason[..8]), (None, "a range "), "{pattern}");
        }
    }

    #[test]
    fn a_match_ends_after_so_many_steps() {
        let pattern = LookupPattern::new("(?:(?=a)a|a)*(?!.)b").unwrap();
        assert_eq!(pattern.is_match(&"a".repeat(60)).unwrap_err().to_string(), "matching takes too many steps");
    }

    /// Each takes some thousand steps, which no single match is refused for.
    #[test]
    fn all_matches_together_end_after_so_many_steps() {
        let pattern = LookupPattern::new("(?:(?=a)a|a)*(?!.)b").unwrap();
        let id = "a".repeat(10);
        for _ in 0..super::LONG_MATCHES {
            assert_eq!(pattern.is_match(&id), Ok(false));
        }
        let refused = pattern.clone().is_match(&id).unwrap_err().to_string();
        assert_eq!(refused, "matching so many names takes too many steps");
        assert_eq!(pattern.is_match("c"), Ok(false), "what takes few is matched still");
    }

    /// The longest name of Secrets Manager, and patterns as people write them to leave names out.
    #[test]
    fn what_means_no_harm_takes_few_steps() {
        let id = "ab/".repeat(170);
        for pattern in
            [r"^(?!.*(?:test|tmp)).*$", r"(?=.*a)(?=.*b).+", r"(?!_)[\w/]+$", r"^(?:(?!//).)*$", r".*(?<!-x)$"]
        {
            let pattern = LookupPattern::new(pattern).unwrap();
            assert_eq!(pattern.is_match(&id), Ok(true), "{pattern:?}");
            assert_eq!(pattern.long_matches.load(super::Ordering::Relaxed), 0, "{pattern:?}");
        }
    }

    proptest! {
        // Compiling a pattern takes milliseconds in a debug build.
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn no_pattern_panics(text in prop_oneof![any::<String>(), "[-ab\\\\(){},0-9?*+|^$<=!.:i&~\\[\\]]{0,20}"]) {
            let _ = LookupPattern::new(&text);
        }
    }
}
