//! Which secrets are there: the pages of a listing.
//!
//! Pages follow each other by tokens, so a list of 5,000 would be 50 round trips one after another. A long list is
//! therefore cut into parts by the next character of the names, and the parts are walked side by side.
//!
//! The parts cover every name, whatever the names are: next to the parts that begin with a given character stands one
//! that begins with *none* of them (AWS's filters negate with `!`), or else every character that a name may have. How the
//! names are spread decides only how many calls it takes. What the parts rely on is checked on the answers (the order
//! that was asked for, negation, a name that must come back), and a server that fails the check is walked page by page.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::pin::Pin;

use futures_util::future::try_join_all;

use super::budget::MOST_PAGES;
use crate::model::aws_names::action::LIST_SECRETS as LIST;
use crate::model::cause::Cause;
use crate::store::error::StoreError;
use crate::store::secret_store::Listed;

/// One call: names that pass every filter. A filter is a list of alternatives, each what a name begins with or, after a
/// `!`, does not begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// All must hold.
    pub filters: Vec<Vec<String>>,
    /// By name, Z to A.
    pub descending: bool,
    /// Where the page before ended.
    pub token: Option<String>,
}

/// One answer.
#[derive(Debug, Default)]
pub struct Page {
    /// The names of this page.
    pub listed: Vec<Listed>,
    /// Where the next one begins; `None` is the end.
    pub next: Option<String>,
}

/// Whatever gives pages.
pub trait Pages {
    /// One page.
    fn page(&self, query: Query) -> impl Future<Output = Result<Page, StoreError>>;

    /// Whether more calls at once would only be throttled: then the pages are walked one after another.
    fn is_busy(&self) -> bool;
}

/// The most names of a page. A shorter one that has a successor is the server's choice, and says nothing about density.
pub const PAGE: usize = 100;
/// The most filters of a call (API model, FiltersListType).
const MOST_FILTERS: usize = 10;
/// The most values of a filter (API model, FilterValuesStringList).
const MOST_VALUES: usize = 10;
/// From so many pages on, more calls at once are better than fewer one after another.
const WORTH_CUTTING: usize = 6;
/// Parts of parts, at most this deep.
const DEEPEST: usize = 6;

/// Every character that the name of a secret may have (API model, NameType), and `!`, which names of managed secrets have.
const ALPHABET: &str = "!+-./0123456789=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

/// Lists every secret whose name begins with one of `prefixes` and hands each page to `take`, as it comes. A secret may be
/// handed over more than once: pages are not a snapshot, and parts may overlap.
///
/// All prefixes go into one call. Only where that has more than a page is each walked by itself, side by side.
///
/// # Errors
/// When a page can't be had.
pub async fn walk<P: Pages>(pages: &P, prefixes: &[String], take: &dyn Fn(Vec<Listed>)) -> Result<(), StoreError> {
    let walk = Walk { pages, take, asked: Cell::new(0) };
    let part = match prefixes {
        [prefix] => Part::of_prefix(prefix),
        prefixes => Part::of_any(prefixes.to_vec()),
    };
    let first = walk.page(part.query()).await?;
    let is_full = first.next.is_some() && first.names.len() == PAGE && !pages.is_busy();
    if part.prefix.is_some() || !is_full {
        return walk.go_on(part, first, DEEPEST).await;
    }
    let walk = &walk;
    let walks = prefixes.iter().map(|prefix| async move {
        let part = Part::of_prefix(prefix);
        let first = walk.page(part.query()).await?;
        walk.go_on(part, first, DEEPEST).await
    });
    try_join_all(walks).await.map(drop)
}

/// Names with something in common.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    filters: Vec<Vec<String>>,
    /// What all names of the part begin with, if that is all that they have in common: such a part can be cut.
    prefix: Option<String>,
}

impl Part {
    fn of_prefix(prefix: &str) -> Self {
        let filters = if prefix.is_empty() { Vec::new() } else { vec![vec![prefix.to_owned()]] };
        Self { filters, prefix: Some(prefix.to_owned()) }
    }

    /// Names that begin with one of these.
    fn of_any(prefixes: Vec<String>) -> Self {
        Self { filters: vec![prefixes], prefix: None }
    }

    /// Names under `prefix` that begin with none of these.
    fn of_rest(prefix: &str, but: &[String]) -> Self {
        let mut filters = Self::of_prefix(prefix).filters;
        filters.extend(but.iter().map(|value| vec![format!("!{value}")]));
        Self { filters, prefix: None }
    }

    fn query(&self) -> Query {
        Query { filters: self.filters.clone(), ..Query::default() }
    }

    /// What names of this part do not begin with.
    fn excluded(&self) -> impl Iterator<Item = &str> {
        self.filters.iter().flatten().filter_map(|value| value.strip_prefix('!'))
    }
}

struct Walk<'a, P> {
    pages: &'a P,
    take: &'a dyn Fn(Vec<Listed>),
    /// Pages asked for so far.
    asked: Cell<usize>,
}

/// One page, handed over: only its names are still needed.
struct Seen {
    names: Vec<String>,
    next: Option<String>,
}

impl<P: Pages> Walk<'_, P> {
    async fn page(&self, query: Query) -> Result<Seen, StoreError> {
        self.asked.set(self.asked.get() + 1);
        if self.asked.get() > MOST_PAGES {
            let message = format!("the listing does not end: {MOST_PAGES} pages, and still more");
            return Err(StoreError::new(Cause::NotAws, LIST, message));
        }
        let page = self.pages.page(query).await?;
        let names = page.listed.iter().map(|listed| listed.name.clone()).collect();
        (self.take)(page.listed);
        Ok(Seen { names, next: page.next })
    }

    /// What follows the first page of a part.
    fn go_on<'b>(
        &'b self,
        part: Part,
        first: Seen,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + 'b>> {
        Box::pin(async move {
            let Some(token) = first.next.clone() else { return Ok(()) };
            let prefix = part.prefix.as_deref().filter(|_| depth > 0);
            let Some(prefix) = prefix.filter(|_| first.names.len() == PAGE && !self.pages.is_busy()) else {
                return self.pages_from(&part, token, |_| ()).await;
            };
            let last = Query { descending: true, ..part.query() };
            if let Some(siblings) = Siblings::of(prefix, &first.names) {
                return self.beside(&part, prefix, &siblings, first, last, depth - 1).await;
            }
            // The other end of the list tells what lies between.
            let next = Query { token: Some(token), ..part.query() };
            let (second, last) = tokio::try_join!(self.page(next), self.page(last))?;
            let Some(token) = second.next.clone() else { return Ok(()) };
            let ends = Ends { first: [first.names, second.names].concat(), last: last.names };
            let Some(cut) = Cut::of(prefix, &ends).filter(|_| !self.pages.is_busy()) else {
                return self.pages_from(&part, token, |_| ()).await;
            };
            tracing::debug!(parts = cut.parts.len(), "a long list is walked in parts");
            if self.parts(&cut, &ends, depth - 1).await? {
                return Ok(());
            }
            tracing::debug!("the server's filters are not AWS's; walking page by page");
            self.pages_from(&part, token, |_| ()).await
        })
    }

    /// A first page of counted names, all of one digit: the other digits are asked for at once, together with whatever has
    /// none of them and with the last page, which tells how far the counting goes.
    async fn beside(
        &self,
        part: &Part,
        prefix: &str,
        siblings: &Siblings,
        first: Seen,
        last: Query,
        depth: usize,
    ) -> Result<(), StoreError> {
        let rest = Part::of_rest(prefix, &siblings.others);
        let others = Cut { parts: siblings.others.iter().map(|other| Part::of_prefix(other)).collect() };
        let ends = Ends { first: first.names, last: Vec::new() };
        let ((_, rest_page), last) = tokio::try_join!(
            async { tokio::try_join!(self.parts(&others, &ends, depth), self.page(rest.query())) },
            self.page(last)
        )?;
        let is_right = |names: &[String]| {
            let excluded = |name: &String| siblings.others.iter().any(|other| name.starts_with(other.as_str()));
            !names.iter().any(excluded)
        };
        let came_back: BTreeSet<&String> = rest_page.names.iter().collect();
        let negates = is_right(&rest_page.names) && ends.first.iter().any(|name| came_back.contains(name));
        if negates && rest_page.next.is_none() {
            return Ok(());
        }
        let ends = Ends { last: last.names, ..ends };
        let cut = if self.pages.is_busy() { None } else { Cut::around(prefix, &siblings.above, &ends) };
        if negates && let Some(cut) = cut {
            let above = Part::of_rest(&siblings.above, &siblings.others);
            let parts = Cut { parts: cut.parts.into_iter().chain([above]).collect() };
            if self.parts(&parts, &ends, depth).await? {
                return Ok(());
            }
        }
        tracing::debug!("a list that can't be cut further; walking page by page");
        match first.next {
            Some(token) => self.pages_from(part, token, |_| ()).await,
            None => Ok(()),
        }
    }

    /// Walks the parts side by side. Says whether the server did as AWS does.
    async fn parts(&self, cut: &Cut, ends: &Ends, depth: usize) -> Result<bool, StoreError> {
        let back: RefCell<BTreeSet<String>> = RefCell::default();
        let outcomes = try_join_all(cut.parts.iter().map(|part| {
            let back = &back;
            async move {
                let note = |names: &[String]| {
                    if part.excluded().next().is_some() {
                        back.borrow_mut().extend(names.iter().cloned());
                    }
                    !names.iter().any(|name| part.excluded().any(|excluded| name.starts_with(excluded)))
                };
                let first = self.page(part.query()).await?;
                let mut is_right = note(&first.names);
                if part.prefix.is_some() {
                    self.go_on(part.clone(), first, depth).await?;
                } else if let Some(token) = first.next {
                    self.pages_from(part, token, |names| is_right &= note(names)).await?;
                }
                Ok::<bool, StoreError>(is_right)
            }
        }))
        .await?;
        let back = back.into_inner();
        let negates = |part: &Part| part.excluded().next().is_some();
        let belongs = |name: &String| {
            let passes = |part: &Part| {
                let excluded = part.excluded().any(|excluded| name.starts_with(excluded));
                let mut positive = part.filters.iter().flatten().filter(|value| !value.starts_with('!'));
                negates(part) && !excluded && positive.all(|value| name.starts_with(value.as_str()))
            };
            cut.parts.iter().any(passes)
        };
        // A name that is known and belongs to a part with a negation must have come back with it.
        let all_came_back = ends.names().filter(|name| belongs(name)).all(|name| back.contains(name));
        Ok(outcomes.into_iter().all(|is_right| is_right) && all_came_back)
    }

    async fn pages_from(
        &self,
        part: &Part,
        mut token: String,
        mut note: impl FnMut(&[String]),
    ) -> Result<(), StoreError> {
        let mut seen = HashSet::new();
        loop {
            // A page may be empty and still carry a token (API model, NextToken), but not one that it had before.
            if !seen.insert(token.clone()) {
                return Err(StoreError::new(Cause::NotAws, LIST, "ListSecrets gives the same page token twice"));
            }
            let page = self.page(Query { token: Some(token), ..part.query() }).await?;
            note(&page.names);
            match page.next {
                Some(next) => token = next,
                None => return Ok(()),
            }
        }
    }
}

/// What is known of a part: its first pages, and its last one, which comes in descending order.
struct Ends {
    first: Vec<String>,
    last: Vec<String>,
}

impl Ends {
    fn names(&self) -> impl Iterator<Item = &String> {
        self.first.iter().chain(&self.last)
    }

    /// Whether the server has kept the order that it was asked for.
    fn are_in_order(&self) -> bool {
        let ascends = self.first.is_sorted() && self.last.iter().rev().is_sorted();
        ascends && self.first.first() < self.last.first() && self.first.first() <= self.last.last()
    }
}

/// What a first page of counted names lies beside: `c00` and `c001` to `c009` where all of it begins with `c000`.
#[derive(Debug, PartialEq, Eq)]
struct Siblings {
    above: String,
    others: Vec<String>,
}

impl Siblings {
    fn of(prefix: &str, first: &[String]) -> Option<Self> {
        if !first.is_sorted() || !first.iter().all(|name| name.is_ascii() && name.starts_with(prefix)) {
            return None;
        }
        let common = common_start(first.iter())?;
        let (above, digit) = common.split_at_checked(common.len().checked_sub(1)?)?;
        let is_counted = digit.bytes().all(|byte| byte.is_ascii_digit())
            && above.len() >= prefix.len()
            && first.iter().all(|name| name.as_bytes().get(common.len()).is_some_and(u8::is_ascii_digit));
        if !is_counted || prefix.is_empty() {
            return None;
        }
        let others = ('0'..='9').map(|other| other.to_string()).filter(|other| other != digit);
        Some(Self { above: above.to_owned(), others: others.map(|other| format!("{above}{other}")).collect() })
    }
}

/// A part cut into parts that hold all of it.
#[derive(Debug, PartialEq, Eq)]
struct Cut {
    parts: Vec<Part>,
}

impl Cut {
    fn of(prefix: &str, ends: &Ends) -> Option<Self> {
        if !ends.are_in_order() || !ends.names().all(|name| name.is_ascii() && name.starts_with(prefix)) {
            return None;
        }
        let common = common_start(ends.names())?;
        let next = |name: &String| name.as_bytes().get(common.len()).copied();
        let (low, high) = (next(ends.first.first()?)?, next(ends.last.first()?)?);
        if low.is_ascii_digit() && high.is_ascii_digit() {
            Self::by_digits(prefix, common, low..=high, ends)
        } else {
            Self::by_characters(prefix, common, low, high, ends)
        }
    }

    /// What stands around `done`, one digit of a longer count: ten parts for each other digit, and one for everything that
    /// has none of these digits there.
    fn around(prefix: &str, done: &str, ends: &Ends) -> Option<Self> {
        let in_order = ends.first.is_sorted() && ends.last.iter().rev().is_sorted();
        if !in_order || !ends.last.iter().all(|name| name.is_ascii() && name.starts_with(prefix)) {
            return None;
        }
        let common = common_start(ends.names())?;
        let digit_of = |name: &String| name.as_bytes().get(common.len()).copied().filter(u8::is_ascii_digit);
        let (low, high) = (digit_of(ends.first.first()?)?, digit_of(ends.last.first()?)?);
        let heads: Vec<String> = (low..=high).map(|digit| format!("{common}{}", char::from(digit))).collect();
        if heads.len() >= MOST_FILTERS || !heads.iter().any(|head| head == done) {
            return None;
        }
        let mut parts = vec![Part::of_rest(prefix, &heads)];
        for head in heads.iter().filter(|head| *head != done) {
            parts.extend(Self::tenths(head, ends));
        }
        Some(Self { parts })
    }

    /// What begins with `head`, in ten parts: nine digits that may follow, and the rest. The rest holds a digit of which a
    /// name is known, where one is.
    fn tenths(head: &str, ends: &Ends) -> Vec<Part> {
        let known = ends.names().find(|name| name.starts_with(head));
        let left = known.and_then(|name| name.as_bytes().get(head.len()).copied()).filter(u8::is_ascii_digit);
        let tails = (b'0'..=b'9').filter(|digit| *digit != left.unwrap_or(b'9'));
        let tails: Vec<String> = tails.map(|digit| format!("{head}{}", char::from(digit))).collect();
        let rest = Part::of_rest(head, &tails);
        std::iter::once(rest).chain(tails.iter().map(|tail| Part::of_prefix(tail))).collect()
    }

    /// Names that are counted: one part for each digit, and one for everything that has none of these digits there. That
    /// rest holds the last digit, so that a name that is known must come back with it.
    fn by_digits(prefix: &str, common: &str, digits: std::ops::RangeInclusive<u8>, ends: &Ends) -> Option<Self> {
        let of = |start: &str, digit: u8| format!("{start}{}", char::from(digit));
        // Two full pages within one digit: each digit holds more than that, so the one after it is cut as well.
        let start = of(common, *digits.start());
        let is_dense = ends
            .first
            .iter()
            .all(|name| name.starts_with(&start) && name.as_bytes().get(start.len()).is_some_and(u8::is_ascii_digit));
        let mut parts = Vec::new();
        let (last, digits) = (*digits.end(), digits.collect::<Vec<u8>>());
        let most = MOST_FILTERS - usize::from(!prefix.is_empty());
        if is_dense && digits.len() <= most {
            let heads: Vec<String> = digits.iter().map(|digit| of(common, *digit)).collect();
            for head in &heads {
                parts.extend(Self::tenths(head, ends));
            }
            parts.push(Part::of_rest(prefix, &heads));
        } else {
            let heads: Vec<String> =
                digits.iter().filter(|digit| **digit != last).map(|digit| of(common, *digit)).collect();
            if heads.is_empty() || heads.len() > most {
                return None;
            }
            parts.push(Part::of_rest(prefix, &heads));
            parts.extend(heads.iter().map(|head| Part::of_prefix(head)));
        }
        Some(Self { parts })
    }

    /// Names of any kind: every character that may come next. Those between the ends in as many parts as there seem to be
    /// pages, the others by tens.
    fn by_characters(prefix: &str, common: &str, low: u8, high: u8, ends: &Ends) -> Option<Self> {
        let of = |character: char| format!("{common}{character}");
        // At the very start of a name a `!` would negate.
        let characters = ALPHABET.chars().filter(|character| !(common.is_empty() && *character == '!'));
        let is_like = |end: u8, character: char| {
            let end = char::from(end);
            (end.is_ascii_lowercase() && character.is_ascii_lowercase())
                || (end.is_ascii_uppercase() && character.is_ascii_uppercase())
                || (end.is_ascii_digit() && character.is_ascii_digit())
        };
        let is_between = |character: &char| {
            let character = *character;
            (char::from(low)..=char::from(high)).contains(&character)
                && (is_like(low, character) || is_like(high, character))
        };
        let (likely, others): (Vec<char>, Vec<char>) = characters.partition(is_between);
        let place = |name: &String| {
            let byte = name.as_bytes().get(common.len()).copied().unwrap_or(low);
            likely.iter().filter(|character| (**character as u32) < u32::from(byte)).count()
        };
        let reached = place(ends.first.last()?) + likely.len().saturating_sub(place(ends.last.last()?) + 1);
        // As dense in the middle as at the ends: so many pages are still to come.
        let pages_to_come = ends.names().count() * likely.len() / reached.max(1) / PAGE;
        if pages_to_come < WORTH_CUTTING {
            return None;
        }
        let mut parts = Vec::new();
        if common != prefix {
            parts.push(Part::of_rest(prefix, &[common.to_owned()]));
        }
        let size = likely.len().div_ceil(pages_to_come).clamp(1, MOST_VALUES);
        parts.extend(likely.chunks(size).map(|some| match some {
            [character] => Part::of_prefix(&of(*character)),
            some => Part::of_any(some.iter().copied().map(of).collect()),
        }));
        parts.extend(others.chunks(MOST_VALUES).map(|some| Part::of_any(some.iter().copied().map(of).collect())));
        Some(Self { parts })
    }
}

/// What all of these begin with. ASCII only.
fn common_start<'a>(mut names: impl Iterator<Item = &'a String>) -> Option<&'a str> {
    let first = names.next()?.as_str();
    let length = names.fold(first.len(), |length, name| {
        first.bytes().zip(name.bytes()).take(length).take_while(|(one, other)| one == other).count()
    });
    first.get(..length)
}

#[cfg(test)]
mod tests;
