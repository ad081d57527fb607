//! AWS's two configuration files as Python reads them.
//!
//! Takes the text of a file, gives its sections and keys. Rules: `configparser.RawConfigParser` of `CPython` 3.11 with its
//! defaults, and what botocore 1.44 lays over it (`configloader.py`, `raw_config_parse`, `_parse_nested`).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Keys in lower case with their values.
pub type Section = BTreeMap<String, IniValue>;

/// Sections by their names as they stand between the brackets.
pub type Sections = BTreeMap<String, Section>;

/// What a key is set to. May be a secret: it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum IniValue {
    /// Text. The lines of a continued value are joined by newlines.
    Text(String),
    /// Lines of `key = value` that are indented under the key.
    Nested(BTreeMap<String, String>),
}

/// Where a file is not what Python reads, and why. Never what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Counted from one.
    pub line: usize,
    /// The end of a sentence.
    pub problem: &'static str,
}

/// The section whose keys are those of every other.
const DEFAULTS: &str = "DEFAULT";

/// Reads a file.
///
/// # Errors
/// The first line that Python refuses.
pub fn parse(text: &str) -> Result<Sections, Malformed> {
    let mut reader = IniReader::default();
    // As Python's universal newlines.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    for (place, line) in text.split('\n').enumerate() {
        reader.read(place + 1, line)?;
    }
    reader.sections()
}

/// A key's lines, and the number of the first.
struct Lines {
    first: usize,
    lines: Vec<String>,
}

#[derive(Default)]
struct IniReader {
    sections: BTreeMap<String, BTreeMap<String, Lines>>,
    /// The section and the key that a continued line belongs to.
    section: Option<String>,
    key: Option<String>,
    indent: usize,
}

impl IniReader {
    fn read(&mut self, number: usize, line: &str) -> Result<(), Malformed> {
        let refuse = |problem| Err(Malformed { line: number, problem });
        let text = line.trim();
        if text.starts_with(['#', ';']) {
            return Ok(());
        }
        let indent = line.len() - line.trim_start().len();
        if text.is_empty() || indent > self.indent {
            // An empty line before the next key belongs to the value too; it is cut off at the end.
            if let Some(lines) = self.continued() {
                lines.push(text.to_owned());
                return Ok(());
            }
        }
        if text.is_empty() {
            return Ok(());
        }
        self.indent = indent;
        if let Some(name) = header(text) {
            self.key = None;
            self.section = Some(name.to_owned());
            return match self.sections.entry(name.to_owned()) {
                Entry::Occupied(_) if name != DEFAULTS => refuse("the section is there twice"),
                Entry::Occupied(_) => Ok(()),
                Entry::Vacant(place) => {
                    place.insert(BTreeMap::new());
                    Ok(())
                }
            };
        }
        let Some(keys) = self.section.as_ref().and_then(|name| self.sections.get_mut(name)) else {
            return refuse(if text.starts_with('\u{feff}') {
                "the file begins with a byte-order mark: save it as UTF-8 without one"
            } else {
                "comes before any [section]"
            });
        };
        let Some((key, value)) = text.split_once(['=', ':']) else {
            return refuse("is neither a [section] nor a key with a value");
        };
        let key = key.trim().to_lowercase();
        if key.is_empty() {
            return refuse("has no key");
        }
        match keys.entry(key.clone()) {
            Entry::Occupied(_) => refuse("the key is there twice in its section"),
            Entry::Vacant(place) => {
                place.insert(Lines { first: number, lines: vec![value.trim().to_owned()] });
                self.key = Some(key);
                Ok(())
            }
        }
    }

    /// The lines of the last key.
    fn continued(&mut self) -> Option<&mut Vec<String>> {
        let keys = self.sections.get_mut(self.section.as_ref()?)?;
        Some(&mut keys.get_mut(self.key.as_ref()?)?.lines)
    }

    fn sections(mut self) -> Result<Sections, Malformed> {
        let defaults = self.sections.remove(DEFAULTS).unwrap_or_default();
        let mut sections = Sections::new();
        for (name, keys) in self.sections {
            let mut found = Section::new();
            for (key, lines) in defaults.iter().map(|(key, lines)| (key.clone(), lines)) {
                found.insert(key, value(lines)?);
            }
            for (key, lines) in keys {
                found.insert(key, value(&lines)?);
            }
            sections.insert(name, found);
        }
        Ok(sections)
    }
}

/// The name of a section: everything up to the last bracket.
fn header(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('[')?.rsplit_once(']')?;
    Some(name).filter(|name| !name.is_empty())
}

fn value(lines: &Lines) -> Result<IniValue, Malformed> {
    let text = lines.lines.join("\n");
    let text = text.trim_end();
    if !text.starts_with('\n') {
        return Ok(IniValue::Text(text.to_owned()));
    }
    let mut nested = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let problem = "a line that is indented under the key is no key = value";
        let (key, value) = line.split_once('=').ok_or(Malformed { line: lines.first, problem })?;
        nested.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    Ok(IniValue::Nested(nested))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sections: &Sections, section: &str, key: &str) -> Option<String> {
        match sections.get(section)?.get(key)? {
            IniValue::Text(text) => Some(text.clone()),
            IniValue::Nested(_) => None,
        }
    }

    #[test]
    fn lines_are_read_as_python_reads_them() {
        let read =
            parse("# c\n[a] # x\nKEY: 1 # not a comment\n; c\nlong = 1\n\n  2\n\n[b]\r\nk=v=w\n[DEFAULT]\nd = 0\n")
                .unwrap_or_default();
        assert_eq!(text(&read, "a", "key").as_deref(), Some("1 # not a comment"));
        assert_eq!(text(&read, "a", "long").as_deref(), Some("1\n\n2"));
        assert_eq!(text(&read, "b", "k").as_deref(), Some("v=w"));
        assert_eq!(text(&read, "b", "d").as_deref(), Some("0"));
        let nested = parse("[services x]\nsts =\n  endpoint_url = http://h\n  other=1\n").unwrap_or_default();
        let Some(IniValue::Nested(keys)) = nested.get("services x").and_then(|section| section.get("sts")) else {
            panic!("not nested")
        };
        assert_eq!(keys.get("endpoint_url").map(String::as_str), Some("http://h"));
    }

    #[test]
    fn what_python_refuses_is_refused_with_its_line() {
        for (file, line) in [
            ("k = v\n", 1),
            ("\u{feff}[a]\n", 1),
            ("[a]\n[b]\n[a]\n", 3),
            ("[a]\nk = 1\nK = 2\n", 3),
            ("[a]\nno value\n", 2),
            ("[a\n", 1),
            ("[a]\n= 1\n", 2),
            ("[a]\nk =\n  no pair\n", 2),
        ] {
            assert_eq!(parse(file).err().map(|malformed| malformed.line), Some(line), "{file:?}");
        }
    }
}
