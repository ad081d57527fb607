//! Text that JSON writes as it is: nearly all of a secret's.

/// How many bytes at the start are in words of eight that hold nothing but plain ASCII: no quote, backslash or control character.
/// All of a word is looked at in one go.
pub fn plain_words(bytes: &[u8]) -> usize {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const TOP: u64 = EACH << 7;
    // The top bit of a byte that is smaller; of those above it too, perhaps.
    let smaller = |word: u64, than: u8| word.wrapping_sub(EACH * u64::from(than)) & !word;
    let is_plain = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        let quotes = smaller(word ^ (EACH * u64::from(b'"')), 1);
        let backslashes = smaller(word ^ (EACH * u64::from(b'\\')), 1);
        let beyond = word | word.wrapping_add(EACH);
        (smaller(word, b' ') | quotes | backslashes | beyond) & TOP == 0
    };
    let (words, _) = bytes.as_chunks();
    8 * words.iter().position(|word| !is_plain(word)).unwrap_or(words.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_plain_when_each_of_its_bytes_is() {
        for byte in 0..=u8::MAX {
            let is_plain = matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
            for beside in [b' ', b'a', b'~', b'!', b'#', b'[', b']'] {
                for place in 0..16 {
                    let mut bytes = [beside; 20];
                    bytes[place] = byte;
                    let expected = if is_plain { 16 } else { place / 8 * 8 };
                    assert_eq!(plain_words(&bytes), expected, "{byte} at {place} beside {beside}");
                }
            }
        }
        assert_eq!([plain_words(b""), plain_words(b"1234567"), plain_words(b"12345678")], [0, 0, 8]);
    }
}
