//! The writer of fancy-regex patterns.
//!
//! Takes the tree of a Python pattern, gives a fancy-regex pattern with the same meaning, anchored
//! at the start. Uses only constructs that mean the same in every mode, so that nothing depends on
//! the extensions of fancy-regex. Meanings: `CPython` 3.11 `Modules/_sre`.

use std::fmt::Write as _;

use super::pattern_parse::{At, Category, Flags, Node, RepeatKind, SetItem, Tree};

/// `str.isspace`, as the inside of a set.
const SPACE: &str = "\\x09-\\x0D\\x1C-\\x20\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\
                     \\x{2029}\\x{202F}\\x{205F}\\x{3000}";
const ASCII_SPACE: &str = "\\x09-\\x0D\\x20";
/// `str.isalnum` or underscore; `\w` of the engine has marks and connectors as well.
const WORD: &str = "\\p{L}\\p{N}_";
const ASCII_WORD: &str = "A-Za-z0-9_";
const DIGIT: &str = "\\p{Nd}";
const ASCII_DIGIT: &str = "0-9";
/// A set without members, which never matches.
const NEVER: &str = "[^\\x{0}-\\x{10FFFF}]";

/// Writes a tree.
pub(super) fn emit(tree: &Tree) -> String {
    let mut writer = Writer { out: String::from("(?i)\\A(?:") };
    writer.seq(&tree.root, tree.flags);
    writer.out.push(')');
    writer.out
}

struct Writer {
    out: String,
}

impl Writer {
    fn seq(&mut self, seq: &[Node], flags: Flags) {
        for node in seq {
            self.node(node, flags);
        }
    }

    /// A sequence in a group that starts with `open`.
    fn group(&mut self, open: &str, seq: &[Node], flags: Flags) {
        self.out.push_str(open);
        self.seq(seq, flags);
        self.out.push(')');
    }

    fn node(&mut self, node: &Node, flags: Flags) {
        match node {
            Node::Literal(point) => match char::from_u32(*point) {
                Some(c) => self.literal(c),
                // A surrogate is in no id.
                None => self.out.push_str(NEVER),
            },
            Node::Any if flags.has(Flags::DOT_ALL) => self.out.push_str("(?s:.)"),
            Node::Any => self.out.push_str("[^\\x0A]"),
            Node::Set { negated, items } => self.set(*negated, items, flags),
            Node::At(at) => self.at(*at, flags),
            Node::Branch(branches) => {
                for (i, branch) in branches.iter().enumerate() {
                    self.group(if i == 0 { "(?:(?:" } else { "|(?:" }, branch, flags);
                }
                self.out.push(')');
            }
            Node::Group { captures: true, body, .. } => self.group("(", body, flags),
            Node::Group { add, remove, body, .. } => {
                let inner = flags.combined(*add, *remove);
                let open = match (flags.has(Flags::IGNORE_CASE), inner.has(Flags::IGNORE_CASE)) {
                    (true, false) => "(?-i:",
                    (false, true) => "(?i:",
                    _ => "(?:",
                };
                self.group(open, body, inner);
            }
            Node::Atomic(body) => self.group("(?>", body, flags),
            Node::Repeat { min, max, kind, body } => self.repeat(*min, *max, *kind, body, flags),
            Node::Look { behind, negated, body } => {
                let open = match (behind, negated) {
                    (false, false) => "(?=",
                    (false, true) => "(?!",
                    (true, false) => "(?<=",
                    (true, true) => "(?<!",
                };
                self.group(open, body, flags);
            }
            // In a group, so that a digit after it is not taken for a part of the number.
            Node::BackReference(group) => {
                let _ = write!(self.out, "(?:\\{group})");
            }
            Node::Conditional { group, yes, no } => {
                let _ = write!(self.out, "(?({group})");
                // The engine takes one with empty branches for "the group must have matched"; what always holds is not empty.
                self.group("(?:(?=)", yes, flags);
                self.group("|(?:", no, flags);
                self.out.push(')');
            }
        }
    }

    fn repeat(&mut self, min: u64, max: Option<u64>, kind: RepeatKind, body: &[Node], flags: Flags) {
        if body.is_empty() {
            return;
        }
        // The engine does not repeat what has no width; once is enough for that.
        if body.iter().all(has_no_width) {
            match (min, max, kind) {
                (_, Some(0), _) => {}
                (0, _, RepeatKind::Lazy) => self.group("(?:|", body, flags),
                (0, _, _) => {
                    self.group("(?:(?:", body, flags);
                    self.out.push_str("|)");
                }
                _ => self.seq(body, flags),
            }
            return;
        }
        if kind == RepeatKind::Possessive {
            // Python gives up the alternatives of each round, not only those of the whole.
            self.group("(?>(?:(?>", body, flags);
            self.out.push(')');
        } else {
            self.group("(?:", body, flags);
        }
        match (min, max) {
            (0, None) => self.out.push('*'),
            (1, None) => self.out.push('+'),
            (0, Some(1)) => self.out.push('?'),
            (min, None) => {
                let _ = write!(self.out, "{{{min},}}");
            }
            (min, Some(max)) => {
                let _ = write!(self.out, "{{{min},{max}}}");
            }
        }
        match kind {
            RepeatKind::Greedy => {}
            RepeatKind::Lazy => self.out.push('?'),
            RepeatKind::Possessive => self.out.push(')'),
        }
    }

    fn at(&mut self, at: At, flags: Flags) {
        let word = class(Category::Word, flags);
        match at {
            At::LineStart if flags.has(Flags::MULTI_LINE) => self.out.push_str("(?m:^)"),
            At::LineStart | At::Start => self.out.push_str("\\A"),
            At::LineEnd if flags.has(Flags::MULTI_LINE) => self.out.push_str("(?m:$)"),
            At::LineEnd => self.out.push_str("(?=\\x0A?\\z)"),
            At::End => self.out.push_str("\\z"),
            At::Boundary => {
                let _ = write!(self.out, "(?-i:(?:(?<=[{word}])(?![{word}])|(?<![{word}])(?=[{word}])))");
            }
            At::NotBoundary => {
                // Before Python 3.14, \B does not match in an empty text.
                let _ = write!(self.out, "(?-i:(?!\\A\\z)(?:(?<=[{word}])(?=[{word}])|(?<![{word}])(?![{word}])))");
            }
        }
    }

    fn set(&mut self, negated: bool, items: &[SetItem], flags: Flags) {
        let mut inside = String::new();
        for item in items {
            match item {
                SetItem::Literal(point) => range_into(*point, *point, &mut inside),
                SetItem::Range(low, high) => range_into(*low, *high, &mut inside),
                SetItem::Category { category, negated } => {
                    let members = class(*category, flags);
                    let not = if *negated { "^" } else { "" };
                    let _ = write!(inside, "[{not}{members}]");
                }
            }
        }
        match (inside.is_empty(), negated) {
            (true, false) => self.out.push_str(NEVER),
            (true, true) => self.out.push_str("(?s:.)"),
            // A lone category knows no case; in a set the engine would fold it.
            (false, negated) => {
                let open = match (items, negated) {
                    ([SetItem::Category { .. }], false) => "(?-i:[",
                    ([SetItem::Category { .. }], true) => "(?-i:[^",
                    (_, false) => "(?:[",
                    (_, true) => "(?:[^",
                };
                let _ = write!(self.out, "{open}{inside}])");
            }
        }
    }

    fn literal(&mut self, c: char) {
        if c.is_ascii_alphanumeric() {
            self.out.push(c);
        } else {
            let _ = write!(self.out, "\\x{{{:X}}}", u32::from(c));
        }
    }
}

/// Whether a node only looks and never moves.
fn has_no_width(node: &Node) -> bool {
    match node {
        Node::At(_) | Node::Look { .. } => true,
        Node::Literal(_) | Node::Any | Node::Set { .. } | Node::BackReference(_) => false,
        Node::Branch(branches) => branches.iter().flatten().all(has_no_width),
        Node::Group { body, .. } | Node::Atomic(body) | Node::Repeat { body, .. } => body.iter().all(has_no_width),
        Node::Conditional { yes, no, .. } => yes.iter().chain(no).all(has_no_width),
    }
}

/// The inside of a set with the members of a category.
fn class(category: Category, flags: Flags) -> &'static str {
    match (category, flags.has(Flags::ASCII)) {
        (Category::Digit, false) => DIGIT,
        (Category::Digit, true) => ASCII_DIGIT,
        (Category::Space, false) => SPACE,
        (Category::Space, true) => ASCII_SPACE,
        (Category::Word, false) => WORD,
        (Category::Word, true) => ASCII_WORD,
    }
}

/// A range inside a set, without the surrogates, which are no characters.
fn range_into(low: u32, high: u32, out: &mut String) {
    let mut push = |low: u32, high: u32| {
        if low <= high {
            let _ = write!(out, "\\x{{{low:X}}}-\\x{{{high:X}}}");
        }
    };
    push(low, high.min(0xd7ff));
    push(low.max(0xe000), high);
}
