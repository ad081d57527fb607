//! How long a tag may be, before minijinja reads it.
//!
//! minijinja (3.1.0) reads nested expressions up to a depth of 150. What stands in a row (operators, filters, attributes,
//! calls, `not`, `elif`) it makes a tree of as well, one level for each, and walks through that by calling itself: some ten
//! thousand end an ordinary stack, and with it the process.

use super::tags::{Tags, words};

/// The most of what makes a level in one tag: some 2 MiB of stack in a debug build.
const MOST_IN_A_TAG: usize = 1_000;
/// The most `elif` in a template: each is a level within the one before.
const MOST_ELIF: usize = 500;

const OPERATORS: &[u8] = b"+-*/%~|.[(<>=!";
const WORDS: [&str; 7] = ["and", "if", "in", "is", "not", "or", "else"];

/// Whether the template stays within the limits; else where it does not, in bytes of the body, and why.
///
/// # Errors
/// The place and a sentence.
pub fn check(body: &str) -> Result<(), (usize, String)> {
    let mut elifs = 0;
    for (at, tag) in Tags::of(body) {
        let operators = tag.bytes().filter(|byte| OPERATORS.contains(byte)).count();
        let words_of = |word: &'static str| words(tag, word).count();
        if operators + WORDS.into_iter().map(words_of).sum::<usize>() > MOST_IN_A_TAG {
            return Err((at, format!("a tag has more than {MOST_IN_A_TAG} operators; split it")));
        }
        elifs += usize::from(tag.trim_start_matches(['-', '+']).trim_start().starts_with("elif"));
        if elifs > MOST_ELIF {
            return Err((at, format!("there are more than {MOST_ELIF} elif; look the value up in a mapping")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_a_level_is_counted_in_each_tag() {
        for link in ["+1", ".a", "|d", "[1]", "()", " and 1", " is x", " if 1 else 1", "==1", "~1"] {
            let tag = |links: usize| format!("text.text {{{{ 1{} }}}}", link.repeat(links));
            assert_eq!(check(&tag(1001)).unwrap_err().0, 10, "{link}");
            assert_eq!(check(&tag(400)), Ok(()), "{link}");
            assert_eq!(check(&tag(400).repeat(50)), Ok(()), "{link}");
        }
        assert!(check(&format!("{{{{ {}1 }}}}", "not ".repeat(1001))).is_err());
        let elifs = |count: usize| format!("{{% if a %}}{}{{% endif %}}", "{%- elif a %}".repeat(count));
        assert_eq!((check(&elifs(500)), check(&elifs(501)).is_err()), (Ok(()), true));
        assert_eq!(check(&"a.b + c | d ( e )\n".repeat(5000)), Ok(()), "what stands in no tag");
    }
}
