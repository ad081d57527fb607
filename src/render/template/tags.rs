//! The tags of a template and the words in them, found before minijinja reads any.

/// The insides of the tags of a template, with their places: `{{ }}` and `{% %}`, told as minijinja tells them
/// (3.1.0 `compiler/lexer.rs`).
pub struct Tags<'a> {
    body: &'a str,
    at: usize,
}

impl<'a> Tags<'a> {
    /// All of this text.
    pub const fn of(body: &'a str) -> Self {
        Self { body, at: 0 }
    }

    fn rest(&self, at: usize) -> &'a str {
        self.body.get(at..).unwrap_or_default()
    }

    /// Where the tag ends that begins there: at its end outside strings and brackets, or with the template.
    fn end_of(&self, start: usize, closing: &[u8]) -> usize {
        let bytes = self.body.as_bytes();
        let (mut at, mut open, mut quote) = (start, 0_isize, None);
        while let Some(byte) = bytes.get(at).copied() {
            match (quote, byte) {
                (Some(_), b'\\') => at += 1,
                (Some(mark), _) if mark == byte => quote = None,
                (None, _) if open == 0 && bytes.get(at..at + 2) == Some(closing) => return at,
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, b'(' | b'[' | b'{') => open += 1,
                (None, b')' | b']' | b'}') => open -= 1,
                _ => {}
            }
            at += 1;
        }
        self.body.len()
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.at + self.rest(self.at).find('{')?;
            let closing = match self.body.as_bytes().get(start + 1) {
                Some(b'{') => b"}}",
                Some(b'%') => b"%}",
                Some(b'#') => {
                    self.at = self.rest(start).find("#}").map_or(self.body.len(), |length| start + length + 2);
                    continue;
                }
                _ => {
                    self.at = start + 1;
                    continue;
                }
            };
            let end = self.end_of(start + 2, closing);
            let tag = self.body.get(start + 2..end).unwrap_or_default();
            self.at = (end + 2).min(self.body.len());
            if closing == b"%}" && is_word(tag, "raw") {
                self.at = self.end_of_raw(self.at);
                continue;
            }
            return Some((start, tag));
        }
    }
}

impl Tags<'_> {
    fn end_of_raw(&self, start: usize) -> usize {
        let mut at = start;
        while let Some(found) = self.rest(at).find("{%") {
            at += found + 2;
            if let Some((tag, _)) = self.rest(at).split_once("%}")
                && is_word(tag, "endraw")
            {
                return at + tag.len() + 2;
            }
        }
        self.body.len()
    }
}

/// Whether this is all that a tag holds.
fn is_word(tag: &str, word: &str) -> bool {
    tag.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim() == word
}

/// The places of a text where a name stands as a word of its own.
pub fn words<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_word = !name.is_empty() && name.chars().all(is_of_word);
    // What is no word stands nowhere as one.
    let places = is_word.then(|| text.match_indices(name)).into_iter().flatten();
    places.map(|(at, _)| at).filter(move |at| {
        let before = text.get(..*at).and_then(|text| text.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_of_word) && !after.is_some_and(is_of_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_told_as_minijinja_tells_them() {
        let tags = |body: &'static str| Tags::of(body).map(|(_, tag)| tag).collect::<Vec<_>>();
        for (body, expected) in [
            ("a {{ b }} { c {%- if d -%} e", &[" b ", "- if d -"][..]),
            ("{{ '}}' ~ \"\\\"}}\" }}{{ x }}", &[" '}}' ~ \"\\\"}}\" ", " x "]),
            ("{{ {'a': {'b': 1}} }}{{ x }}", &[" {'a': {'b': 1}} ", " x "]),
            ("{# {{ no }} #}{{ x }}", &[" x "]),
            ("{%- raw -%}{{ don't }}{% endraw %}{{ x }}", &[" x "]),
            ("{{ never", &[" never"]),
            ("{{ 'never }}", &[" 'never }}"]),
        ] {
            assert_eq!(tags(body), expected, "{body}");
        }
    }

    /// What is shown of a name that was missed is what the template itself says: the rest may be a value.
    /// What is shown of a name that was missed is what the template itself says: the rest may be a value.
    #[test]
    fn a_name_is_spelled_out_as_a_word_of_its_own_and_never_by_what_it_is_not() {
        let places = |text: &str, name: &str| words(text, name).collect::<Vec<_>>();
        assert_eq!(places("a.my_db, my_db2 (my_db)", "my_db"), [2, 17]);
        for name in ["", "which-value", "a b", "\0", "é!"] {
            assert_eq!(places("connections.\0\0 which-value a b é! x", name), [0_usize; 0], "{name}");
        }
        assert_eq!(places("a.é", "é"), [2]);
    }
}
