//! A command line cut into words, as Python's `shlex.split` does (`CPython` 3.11 `Lib/shlex.py`, POSIX mode, no comments).

/// The words; `None` where a quotation does not end or a backslash stands last.
pub fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(rest.next()?),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        '"' => break,
                        '\\' => match rest.next()? {
                            c @ ('"' | '\\') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::split;

    /// What Python 3.11 prints for the same.
    #[test]
    fn words_are_pythons() {
        for (text, words) in [
            ("a  b\tc", Some(&["a", "b", "c"][..])),
            (r#"x "two words" 'x "y' z"#, Some(&["x", "two words", "x \"y", "z"])),
            (r#"a"b"c '' "\$ \" \\""#, Some(&["abc", "", r#"\$ " \"#])),
            (r"a\ b \\ # c", Some(&["a b", r"\", "#", "c"])),
            ("", Some(&[])),
            ("'open", None),
            ("\"open", None),
            ("last\\", None),
        ] {
            let expected = words.map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
            assert_eq!(split(text), expected, "{text}");
        }
    }
}
