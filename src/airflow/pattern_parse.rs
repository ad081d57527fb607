//! The parser of Python's regular expressions.
//!
//! Takes a pattern, gives its tree or the error that Python gives. A port of `CPython` 3.11
//! `Lib/re/_parser.py` with the check of look-behind widths from `_compiler.py`.

use std::collections::HashMap;

use super::pattern::PatternError;
use crate::text::printable;

/// How deep groups may be nested; fancy-regex takes no more.
const MAX_NESTING: usize = 50;
/// `MAXREPEAT` of Python.
const MAX_REPEAT: u64 = 4_294_967_295;
/// A width without limit.
const UNLIMITED: u64 = u64::MAX;

/// A pattern and its global flags.
pub(super) struct Tree {
    pub(super) root: Seq,
    pub(super) flags: Flags,
}

/// Nodes that match one after the other.
pub(super) type Seq = Vec<Node>;

/// A part of a pattern.
#[derive(Clone)]
pub(super) enum Node {
    Literal(u32),
    /// `.`
    Any,
    Set {
        negated: bool,
        items: Vec<SetItem>,
    },
    At(At),
    Branch(Vec<Seq>),
    Group {
        captures: bool,
        add: Flags,
        remove: Flags,
        body: Seq,
    },
    /// `(?>...)`
    Atomic(Seq),
    Repeat {
        min: u64,
        /// `None` is without limit.
        max: Option<u64>,
        kind: RepeatKind,
        body: Seq,
    },
    Look {
        behind: bool,
        negated: bool,
        body: Seq,
    },
    BackReference(usize),
    Conditional {
        group: usize,
        yes: Seq,
        no: Seq,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RepeatKind {
    Greedy,
    Lazy,
    Possessive,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// `^`
    LineStart,
    /// `$`
    LineEnd,
    /// `\A`
    Start,
    /// `\Z`
    End,
    /// `\b`
    Boundary,
    /// `\B`
    NotBoundary,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Category {
    Digit,
    Space,
    Word,
}

#[derive(Clone, Copy)]
pub(super) enum SetItem {
    Literal(u32),
    Range(u32, u32),
    Category { category: Category, negated: bool },
}

/// Inline flags.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flags(u8);

impl Flags {
    pub(super) const NONE: Self = Self(0);
    pub(super) const IGNORE_CASE: Self = Self(1);
    pub(super) const MULTI_LINE: Self = Self(2);
    pub(super) const DOT_ALL: Self = Self(4);
    pub(super) const VERBOSE: Self = Self(8);
    pub(super) const ASCII: Self = Self(16);
    pub(super) const UNICODE: Self = Self(32);

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// `_combine_flags`: `a` and `u` replace each other.
    pub(super) fn combined(self, add: Self, remove: Self) -> Self {
        let base = if add.has(Self::TYPES) { self.without(Self::TYPES) } else { self };
        base.with(add).without(remove)
    }

    const TYPES: Self = Self(Self::ASCII.0 | Self::UNICODE.0);

    fn of(letter: char) -> Option<Self> {
        Some(match letter {
            'i' => Self::IGNORE_CASE,
            'm' => Self::MULTI_LINE,
            's' => Self::DOT_ALL,
            'x' => Self::VERBOSE,
            'a' => Self::ASCII,
            'u' => Self::UNICODE,
            _ => return None,
        })
    }
}

/// Parses a pattern as `re.compile(pattern, re.IGNORECASE)` does.
pub(super) fn parse(pattern: &str) -> Result<Tree, PatternError> {
    let mut parser = Parser {
        chars: pattern.chars().collect(),
        at: 0,
        flags: Flags::IGNORE_CASE,
        groups: vec![None],
        names: HashMap::new(),
        look_behind_groups: None,
        conditions: Vec::new(),
    };
    if let Some(last) = parser.dangling_backslash() {
        return Err(error_at(last, "bad escape (end of pattern)"));
    }
    let root = parser.alternatives(false, 0)?;
    if parser.flags.has(Flags::ASCII) && parser.flags.has(Flags::UNICODE) {
        return Err(PatternError { position: None, reason: "ASCII and UNICODE flags are incompatible".to_owned() });
    }
    if parser.at < parser.chars.len() {
        return Err(error_at(parser.at, "unbalanced parenthesis"));
    }
    if let Some((group, at)) = parser.conditions.iter().find(|(group, _)| *group >= parser.groups.len()) {
        return Err(error_at(*at, &format!("invalid group reference {group}")));
    }
    Ok(Tree { root, flags: parser.flags })
}

/// Names of groups are left out: an error repeats no more of the pattern than a character or an escape.
fn error_at(position: usize, reason: &str) -> PatternError {
    PatternError { position: Some(position), reason: printable(reason) }
}

/// A character, or a backslash with the character after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    Escape(char),
}

impl Token {
    fn len(self) -> usize {
        match self {
            Self::Char(_) => 1,
            Self::Escape(_) => 2,
        }
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    /// The global flags.
    flags: Flags,
    /// The least and greatest width of each group, `None` while it is open; the first is the
    /// whole pattern.
    groups: Vec<Option<(u64, u64)>>,
    names: HashMap<String, usize>,
    /// The number of groups at the start of the outermost look-behind that is open.
    look_behind_groups: Option<usize>,
    /// The group numbers that conditions use, with their places.
    conditions: Vec<(usize, usize)>,
}

/// A single element of an escape.
enum Escape {
    Literal(u32),
    Category { category: Category, negated: bool },
}

impl Parser {
    /// Python's tokeniser meets a backslash at the end before anything else only when it gets
    /// there; the pattern is refused in any case.
    fn dangling_backslash(&self) -> Option<usize> {
        let mut i = 0;
        while let Some(c) = self.chars.get(i) {
            if *c == '\\' && i + 1 == self.chars.len() {
                return Some(i);
            }
            i += if *c == '\\' { 2 } else { 1 };
        }
        None
    }

    fn peek(&self) -> Option<Token> {
        let c = *self.chars.get(self.at)?;
        match (c, self.chars.get(self.at + 1)) {
            ('\\', Some(next)) => Some(Token::Escape(*next)),
            _ => Some(Token::Char(c)),
        }
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.at += token.len();
        Some(token)
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(Token::Char(c));
        if found {
            self.at += 1;
        }
        found
    }

    fn error(&self, reason: &str) -> PatternError {
        error_at(self.at, reason)
    }

    /// Up to `count` characters that `accept` accepts.
    fn take_while(&mut self, count: usize, accept: fn(char) -> bool) -> String {
        let mut taken = String::new();
        while taken.len() < count {
            match self.peek() {
                Some(Token::Char(c)) if accept(c) => {
                    taken.push(c);
                    self.at += 1;
                }
                _ => break,
            }
        }
        taken
    }

    /// The name up to `end`, which is read too.
    fn name_until(&mut self, end: char) -> Result<String, PatternError> {
        let start = self.at;
        let mut name = String::new();
        loop {
            match self.next() {
                None if name.is_empty() => return Err(self.error("missing group name")),
                None => {
                    return Err(error_at(start, &format!("missing {end}, unterminated name")));
                }
                Some(Token::Char(c)) if c == end => break,
                Some(Token::Char(c)) => name.push(c),
                Some(Token::Escape(c)) => name.extend(['\\', c]),
            }
        }
        if name.is_empty() {
            return Err(error_at(start, "missing group name"));
        }
        Ok(name)
    }

    fn identifier_until(&mut self, end: char) -> Result<String, PatternError> {
        let start = self.at;
        let name = self.name_until(end)?;
        if is_identifier(&name) { Ok(name) } else { Err(error_at(start, "bad character in group name")) }
    }

    /// `_parse_sub`: alternatives up to `)` or the end.
    fn alternatives(&mut self, mut verbose: bool, nesting: usize) -> Result<Seq, PatternError> {
        if nesting > MAX_NESTING {
            return Err(self.error(&format!("groups nested more than {MAX_NESTING} levels deep")));
        }
        let mut branches = vec![self.sequence(verbose, nesting, nesting == 0)?];
        while self.eat('|') {
            if nesting == 0 {
                verbose = self.flags.has(Flags::VERBOSE);
            }
            branches.push(self.sequence(verbose, nesting, false)?);
        }
        if branches.len() > 1 {
            return Ok(vec![Node::Branch(branches)]);
        }
        Ok(branches.pop().unwrap_or_default())
    }

    /// `_parse`: one alternative. `first` allows global flags.
    fn sequence(&mut self, mut verbose: bool, nesting: usize, first: bool) -> Result<Seq, PatternError> {
        let mut seq = Seq::new();
        loop {
            match self.peek() {
                None | Some(Token::Char('|' | ')')) => return Ok(seq),
                Some(Token::Char(' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')) if verbose => {
                    self.at += 1;
                }
                Some(Token::Char('#')) if verbose => while !matches!(self.next(), None | Some(Token::Char('\n'))) {},
                Some(Token::Escape(c)) => {
                    self.at += 2;
                    let node = self.escape(c)?;
                    seq.push(node);
                }
                Some(Token::Char(c)) => {
                    self.at += 1;
                    match c {
                        '[' => seq.push(self.set()?),
                        '*' | '+' | '?' | '{' => self.repeat(c, &mut seq)?,
                        '.' => seq.push(Node::Any),
                        '^' => seq.push(Node::At(At::LineStart)),
                        '$' => seq.push(Node::At(At::LineEnd)),
                        '(' => {
                            let global_flags = first && seq.is_empty();
                            if let Some(node) = self.group(&mut verbose, nesting, global_flags)? {
                                seq.push(node);
                            }
                        }
                        c => seq.push(Node::Literal(u32::from(c))),
                    }
                }
            }
        }
    }

    /// A quantifier; `c`, its first character, is read.
    fn repeat(&mut self, c: char, seq: &mut Seq) -> Result<(), PatternError> {
        let start = self.at - 1;
        let (min, max) = match c {
            '?' => (0, Some(1)),
            '*' => (0, None),
            '+' => (1, None),
            _ => {
                let Some(range) = self.braces(start)? else {
                    seq.push(Node::Literal(u32::from(c)));
                    return Ok(());
                };
                range
            }
        };
        let body = match seq.pop() {
            None | Some(Node::At(_)) => return Err(error_at(start, "nothing to repeat")),
            Some(Node::Repeat { .. }) => return Err(error_at(start, "multiple repeat")),
            Some(Node::Group { captures: false, add: Flags::NONE, remove: Flags::NONE, body }) => body,
            Some(node) => vec![node],
        };
        let kind = if self.eat('?') {
            RepeatKind::Lazy
        } else if self.eat('+') {
            RepeatKind::Possessive
        } else {
            RepeatKind::Greedy
        };
        seq.push(Node::Repeat { min, max, kind, body });
        Ok(())
    }

    /// `{m}`, `{m,}`, `{,n}` or `{m,n}` after its brace; `None` if the brace is a literal.
    fn braces(&mut self, start: usize) -> Result<Option<(u64, Option<u64>)>, PatternError> {
        let after_brace = self.at;
        if self.peek() == Some(Token::Char('}')) {
            return Ok(None);
        }
        let low = self.take_while(usize::MAX, |c| c.is_ascii_digit());
        let high = if self.eat(',') { self.take_while(usize::MAX, |c| c.is_ascii_digit()) } else { low.clone() };
        if !self.eat('}') {
            self.at = after_brace;
            return Ok(None);
        }
        let number = |digits: &str| -> Result<Option<u64>, PatternError> {
            if digits.is_empty() {
                return Ok(None);
            }
            match digits.parse::<u64>() {
                Ok(number) if number < MAX_REPEAT => Ok(Some(number)),
                _ => Err(error_at(start, "the repetition number is too large")),
            }
        };
        let min = number(&low)?.unwrap_or(0);
        let max = number(&high)?;
        if max.is_some_and(|max| max < min) {
            return Err(error_at(after_brace, "min repeat greater than max repeat"));
        }
        Ok(Some((min, max)))
    }

    /// A set, after its `[`.
    fn set(&mut self) -> Result<Node, PatternError> {
        let start = self.at - 1;
        let unterminated = || error_at(start, "unterminated character set");
        let negated = self.eat('^');
        let mut items = Vec::new();
        loop {
            let from = self.at;
            let token = self.next().ok_or_else(unterminated)?;
            if token == Token::Char(']') && !items.is_empty() {
                break;
            }
            let low = self.set_member(token)?;
            if !self.eat('-') {
                items.push(low.into());
                continue;
            }
            let token = self.next().ok_or_else(unterminated)?;
            if token == Token::Char(']') {
                items.push(low.into());
                items.push(SetItem::Literal(u32::from('-')));
                break;
            }
            match (low, self.set_member(token)?) {
                (Escape::Literal(low), Escape::Literal(high)) if low <= high => {
                    items.push(SetItem::Range(low, high));
                }
                _ => {
                    let range: String = self.chars.get(from..self.at).unwrap_or_default().iter().collect();
                    return Err(error_at(from, &format!("bad character range {range}")));
                }
            }
        }
        Ok(Node::Set { negated, items })
    }

    fn set_member(&mut self, token: Token) -> Result<Escape, PatternError> {
        match token {
            Token::Char(c) => Ok(Escape::Literal(u32::from(c))),
            Token::Escape('b') => Ok(Escape::Literal(8)),
            Token::Escape(c @ '0'..='7') => {
                let start = self.at - 2;
                let digits = format!("{c}{}", self.take_while(2, is_octal));
                octal(start, &digits).map(Escape::Literal)
            }
            Token::Escape(c) => self.common_escape(c),
        }
    }

    /// An escape outside of sets; the backslash and `c` are read.
    fn escape(&mut self, c: char) -> Result<Node, PatternError> {
        let start = self.at - 2;
        let at = match c {
            'A' => At::Start,
            'b' => At::Boundary,
            'B' => At::NotBoundary,
            'Z' => At::End,
            '0' => {
                let digits = format!("0{}", self.take_while(2, is_octal));
                return octal(start, &digits).map(Node::Literal);
            }
            '1'..='9' => return self.numeric_escape(c),
            c => {
                return Ok(match self.common_escape(c)? {
                    Escape::Literal(point) => Node::Literal(point),
                    Escape::Category { category, negated } => {
                        Node::Set { negated: false, items: vec![SetItem::Category { category, negated }] }
                    }
                });
            }
        };
        Ok(Node::At(at))
    }

    /// Three octal digits, or a reference to a group of one or two digits.
    fn numeric_escape(&mut self, first: char) -> Result<Node, PatternError> {
        let start = self.at - 2;
        let mut digits = String::from(first);
        if let Some(Token::Char(second @ '0'..='9')) = self.peek() {
            self.at += 1;
            digits.push(second);
            if is_octal(first)
                && is_octal(second)
                && let Some(Token::Char(third)) = self.peek()
                && is_octal(third)
            {
                self.at += 1;
                digits.push(third);
                return octal(start, &digits).map(Node::Literal);
            }
        }
        let group: usize = digits.parse().unwrap_or(usize::MAX);
        if group >= self.groups.len() {
            return Err(error_at(start + 1, &format!("invalid group reference {group}")));
        }
        self.check_reference(group, start)?;
        Ok(Node::BackReference(group))
    }

    /// A group can be referred to when it is closed, in a look-behind only if it was closed
    /// before.
    fn check_reference(&self, group: usize, at: usize) -> Result<(), PatternError> {
        if !matches!(self.groups.get(group), Some(Some(_))) {
            return Err(error_at(at, "cannot refer to an open group"));
        }
        self.check_look_behind(group)
    }

    fn check_look_behind(&self, group: usize) -> Result<(), PatternError> {
        let Some(outer) = self.look_behind_groups else {
            return Ok(());
        };
        if !matches!(self.groups.get(group), Some(Some(_))) {
            return Err(self.error("cannot refer to an open group"));
        }
        if group >= outer {
            return Err(self.error("cannot refer to group defined in the same lookbehind subpattern"));
        }
        Ok(())
    }

    /// What escapes mean in sets and outside of them alike.
    fn common_escape(&mut self, c: char) -> Result<Escape, PatternError> {
        let start = self.at - 2;
        let literal = match c {
            'a' => 7,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            'd' | 'D' => {
                return Ok(Escape::Category { category: Category::Digit, negated: c == 'D' });
            }
            's' | 'S' => {
                return Ok(Escape::Category { category: Category::Space, negated: c == 'S' });
            }
            'w' | 'W' => {
                return Ok(Escape::Category { category: Category::Word, negated: c == 'W' });
            }
            'x' => self.hex(start, c, 2)?,
            'u' => self.hex(start, c, 4)?,
            'U' => self.hex(start, c, 8)?,
            'N' => {
                return Err(error_at(start, "\\N{...} is not supported, write the character itself"));
            }
            c if c.is_ascii_alphanumeric() => {
                return Err(error_at(start, &format!("bad escape \\{c}")));
            }
            c => u32::from(c),
        };
        Ok(Escape::Literal(literal))
    }

    fn hex(&mut self, start: usize, c: char, count: usize) -> Result<u32, PatternError> {
        let digits = self.take_while(count, |c| c.is_ascii_hexdigit());
        if digits.len() < count {
            return Err(error_at(start, &format!("incomplete escape \\{c}{digits}")));
        }
        match u32::from_str_radix(&digits, 16) {
            Ok(point) if point <= 0x0010_ffff => Ok(point),
            _ => Err(error_at(start, &format!("bad escape \\{c}{digits}"))),
        }
    }

    /// A group, after its `(`; `None` for one that stands for nothing.
    fn group(&mut self, verbose: &mut bool, nesting: usize, global_flags: bool) -> Result<Option<Node>, PatternError> {
        let start = self.at - 1;
        if !self.eat('?') {
            return self.capture(start, None, *verbose, nesting).map(Some);
        }
        let kind = self.next().ok_or_else(|| self.error("unexpected end of pattern"))?;
        let Token::Char(kind) = kind else {
            return Err(error_at(start + 1, "unknown extension ?\\"));
        };
        match kind {
            'P' => self.python_extension(start, *verbose, nesting).map(Some),
            ':' => {
                let body = self.body(start, *verbose, nesting)?;
                Ok(Some(Node::Group { captures: false, add: Flags::NONE, remove: Flags::NONE, body }))
            }
            '>' => Ok(Some(Node::Atomic(self.body(start, *verbose, nesting)?))),
            '#' => loop {
                match self.next() {
                    None => return Err(error_at(start, "missing ), unterminated comment")),
                    Some(Token::Char(')')) => return Ok(None),
                    Some(_) => {}
                }
            },
            '=' | '!' => {
                let body = self.body(start, *verbose, nesting)?;
                Ok(Some(Node::Look { behind: false, negated: kind == '!', body }))
            }
            '<' => self.look_behind(start, *verbose, nesting).map(Some),
            '(' => self.conditional(start, *verbose, nesting).map(Some),
            kind if matches!(kind, '-' | 'L' | 't') || Flags::of(kind).is_some() => {
                let Some((add, remove)) = self.inline_flags(kind)? else {
                    if !global_flags {
                        return Err(error_at(start, "global flags not at the start of the expression"));
                    }
                    *verbose = self.flags.has(Flags::VERBOSE);
                    return Ok(None);
                };
                let verbose = (*verbose || add.has(Flags::VERBOSE)) && !remove.has(Flags::VERBOSE);
                let body = self.body(start, verbose, nesting)?;
                Ok(Some(Node::Group { captures: false, add, remove, body }))
            }
            kind => Err(error_at(start + 1, &format!("unknown extension ?{kind}"))),
        }
    }

    /// The alternatives of a group, with its `)`.
    fn body(&mut self, start: usize, verbose: bool, nesting: usize) -> Result<Seq, PatternError> {
        let body = self.alternatives(verbose, nesting + 1)?;
        self.close(start)?;
        Ok(body)
    }

    fn close(&mut self, start: usize) -> Result<(), PatternError> {
        if self.eat(')') { Ok(()) } else { Err(error_at(start, "missing ), unterminated subpattern")) }
    }

    fn capture(
        &mut self,
        start: usize,
        name: Option<String>,
        verbose: bool,
        nesting: usize,
    ) -> Result<Node, PatternError> {
        let index = self.groups.len();
        self.groups.push(None);
        if let Some(name) = name
            && let Some(other) = self.names.insert(name, index)
        {
            return Err(error_at(
                start + 4,
                &format!("redefinition of a group's name as group {index}; was group {other}"),
            ));
        }
        let body = self.body(start, verbose, nesting)?;
        let width = self.width(&body);
        if let Some(group) = self.groups.get_mut(index) {
            *group = Some(width);
        }
        Ok(Node::Group { captures: true, add: Flags::NONE, remove: Flags::NONE, body })
    }

    /// `(?P<name>...)` or `(?P=name)`, after the `P`.
    fn python_extension(&mut self, start: usize, verbose: bool, nesting: usize) -> Result<Node, PatternError> {
        if self.eat('<') {
            let name = self.identifier_until('>')?;
            return self.capture(start, Some(name), verbose, nesting);
        }
        if self.eat('=') {
            let at = self.at;
            let name = self.identifier_until(')')?;
            let Some(&group) = self.names.get(&name) else {
                return Err(error_at(at, "unknown group name"));
            };
            self.check_reference(group, at)?;
            return Ok(Node::BackReference(group));
        }
        match self.next() {
            None => Err(self.error("unexpected end of pattern")),
            Some(Token::Char(c)) => Err(error_at(start + 1, &format!("unknown extension ?P{c}"))),
            Some(Token::Escape(_)) => Err(error_at(start + 1, "unknown extension ?P\\")),
        }
    }

    /// `(?<=...)` or `(?<!...)`, after the `<`.
    fn look_behind(&mut self, start: usize, verbose: bool, nesting: usize) -> Result<Node, PatternError> {
        let negated = match self.next() {
            Some(Token::Char('=')) => false,
            Some(Token::Char('!')) => true,
            None => return Err(self.error("unexpected end of pattern")),
            Some(Token::Char(c)) => {
                return Err(error_at(start + 1, &format!("unknown extension ?<{c}")));
            }
            Some(Token::Escape(_)) => return Err(error_at(start + 1, "unknown extension ?<\\")),
        };
        let outer = self.look_behind_groups;
        self.look_behind_groups = outer.or(Some(self.groups.len()));
        let body = self.alternatives(verbose, nesting + 1)?;
        self.look_behind_groups = outer;
        self.close(start)?;
        let (least, greatest) = self.width(&body);
        if least != greatest {
            return Err(error_at(start, "look-behind requires fixed-width pattern"));
        }
        Ok(Node::Look { behind: true, negated, body })
    }

    /// `(?(group)yes|no)`, after the second `(`.
    fn conditional(&mut self, start: usize, verbose: bool, nesting: usize) -> Result<Node, PatternError> {
        let at = self.at;
        let name = self.name_until(')')?;
        let group = if is_identifier(&name) {
            match self.names.get(&name) {
                Some(&group) => group,
                None => return Err(error_at(at, "unknown group name")),
            }
        } else if name.bytes().all(|byte| byte.is_ascii_digit()) {
            match name.parse::<usize>() {
                Ok(0) => return Err(error_at(at, "bad group number")),
                Ok(group) => {
                    self.conditions.push((group, at));
                    group
                }
                Err(_) => return Err(error_at(at, "invalid group reference")),
            }
        } else {
            return Err(error_at(at, "bad character in group name"));
        };
        self.check_look_behind(group)?;
        if nesting >= MAX_NESTING {
            return Err(self.error(&format!("groups nested more than {MAX_NESTING} levels deep")));
        }
        let yes = self.sequence(verbose, nesting + 1, false)?;
        let no = if self.eat('|') {
            let no = self.sequence(verbose, nesting + 1, false)?;
            if self.peek() == Some(Token::Char('|')) {
                return Err(self.error("conditional backref with more than two branches"));
            }
            no
        } else {
            Seq::new()
        };
        self.close(start)?;
        Ok(Node::Conditional { group, yes, no })
    }

    /// `_parse_flags`: flags from `letter` on; `None` after adding global ones.
    fn inline_flags(&mut self, letter: char) -> Result<Option<(Flags, Flags)>, PatternError> {
        let mut add = Flags::NONE;
        let mut end = Some(Token::Char(letter));
        if letter != '-' {
            loop {
                let flag = self.flag(end, "missing -, : or )")?;
                add = add.with(flag);
                if add.has(Flags::ASCII) && add.has(Flags::UNICODE) {
                    return Err(self.error("bad inline flags: flags 'a', 'u' and 'L' are incompatible"));
                }
                end = self.next();
                if matches!(end, Some(Token::Char(')' | '-' | ':'))) {
                    break;
                }
            }
        }
        if end == Some(Token::Char(')')) {
            self.flags = self.flags.with(add);
            return Ok(None);
        }
        let mut remove = Flags::NONE;
        if end == Some(Token::Char('-')) {
            end = self.next();
            let mut missing = "missing flag";
            loop {
                let flag = self.flag(end, missing)?;
                missing = "missing :";
                if flag.has(Flags::TYPES) {
                    return Err(self.error("bad inline flags: cannot turn off flags 'a', 'u' and 'L'"));
                }
                remove = remove.with(flag);
                end = self.next();
                if end == Some(Token::Char(':')) {
                    break;
                }
            }
        }
        if add.has(remove) {
            return Err(error_at(self.at - 1, "bad inline flags: flag turned on and off"));
        }
        Ok(Some((add, remove)))
    }

    /// The flag of a token that has been read.
    fn flag(&self, token: Option<Token>, missing: &str) -> Result<Flags, PatternError> {
        let place = self.at - token.map_or(0, Token::len);
        match token {
            Some(Token::Char('t')) => {
                Err(self.error("bad inline flags: flag 't', which Python has up to 3.12, is not supported"))
            }
            Some(Token::Char('L')) => Err(self.error("bad inline flags: cannot use 'L' flag with a str pattern")),
            Some(Token::Char(c)) => {
                Flags::of(c).ok_or_else(|| error_at(place, if c.is_alphabetic() { "unknown flag" } else { missing }))
            }
            _ => Err(error_at(place, missing)),
        }
    }

    /// `SubPattern.getwidth`: the least and greatest number of characters.
    fn width(&self, seq: &[Node]) -> (u64, u64) {
        seq.iter()
            .map(|node| self.node_width(node))
            .fold((0, 0), |(low, high), (l, h)| (low.saturating_add(l), high.saturating_add(h)))
    }

    fn node_width(&self, node: &Node) -> (u64, u64) {
        let either = |a: (u64, u64), b: (u64, u64)| (a.0.min(b.0), a.1.max(b.1));
        match node {
            Node::Literal(_) | Node::Any | Node::Set { .. } => (1, 1),
            Node::At(_) | Node::Look { .. } => (0, 0),
            Node::Branch(branches) => branches.iter().map(|seq| self.width(seq)).reduce(either).unwrap_or((0, 0)),
            Node::Group { body, .. } | Node::Atomic(body) => self.width(body),
            Node::Repeat { min, max, body, .. } => {
                let (low, high) = self.width(body);
                let high = match (high, max) {
                    (0, _) => 0,
                    (_, None) => UNLIMITED,
                    (high, Some(max)) => high.saturating_mul(*max),
                };
                (low.saturating_mul(*min), high)
            }
            Node::BackReference(group) => self.groups.get(*group).copied().flatten().unwrap_or((0, UNLIMITED)),
            Node::Conditional { yes, no, .. } => either(self.width(yes), self.width(no)),
        }
    }
}

impl From<Escape> for SetItem {
    fn from(escape: Escape) -> Self {
        match escape {
            Escape::Literal(point) => Self::Literal(point),
            Escape::Category { category, negated } => Self::Category { category, negated },
        }
    }
}

fn is_octal(c: char) -> bool {
    matches!(c, '0'..='7')
}

fn octal(start: usize, digits: &str) -> Result<u32, PatternError> {
    match u32::from_str_radix(digits, 8) {
        Ok(point) if point <= 0o377 => Ok(point),
        _ => Err(error_at(start, &format!("octal escape value \\{digits} outside of range 0-0o377"))),
    }
}

/// `str.isidentifier`, exact for ASCII.
fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_alphabetic()) && chars.all(|c| c == '_' || c.is_alphanumeric())
}
