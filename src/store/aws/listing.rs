//! Which secrets are there: the pages of a listing.
//!
//! Pages follow each other by tokens, so a list of 5,000 would be 50 round trips one after another. Two walks halve that,
//! one from each end: the part between them is complete once they have met. Where what is left between them is long, it
//! is cut by the next character of the names, and each part is walked from both its ends as well.
//!
//! The parts cover every name, whatever the names are and however the server sorts: one of them takes all names that begin
//! with *none* of what the others begin with (AWS's filters negate with `!`), or else every character that a name may have
//! is in one of them. Two walks have met where one ends with the same names as the other, in reverse. How the names are
//! spread decides only how many calls it takes. What the parts rely on is checked on the answers (the reverse order,
//! negation, a name that must come back), and a server that fails the check is walked page by page.

mod scale;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use foldhash::{HashMap, HashSet};
use futures_util::future::try_join_all;

use super::budget::MOST_PAGES;
use crate::model::aws_names::action::LIST_SECRETS as LIST;
use crate::model::cause::Cause;
use crate::store::error::StoreError;
use crate::store::secret_store::Listed;
use scale::{Scale, common};

/// One call: names that pass every filter. A filter is a list of alternatives, each what a name begins with or, after a
/// `!`, does not begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Query {
    /// All must hold.
    pub filters: Vec<Vec<String>>,
    /// By name, Z to A.
    pub descending: bool,
    /// Where the page before ended.
    pub token: Option<String>,
}

/// One answer: the names of a page.
#[derive(Debug, Default)]
pub struct Page {
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
const PAGE: usize = 100;
/// The most filters of a call (API model, FiltersListType).
const MOST_FILTERS: usize = 10;
/// The most values of a filter (API model, FilterValuesStringList).
const MOST_VALUES: usize = 10;
/// Parts of parts, at most this deep.
const DEEPEST: usize = 6;

// How many calls it takes and how many round trips depends on what follows. These figures came out best of those tried on
// the names in listing/tests.rs.

/// So many known names of a part tell how dense it is.
const TELLING: usize = 3 * PAGE;
/// With so many parts under way the connections are busy with values, and more parts would only be more calls.
const BUSY_PARTS: usize = 4;
/// Where more names than this seem to be left between two walks, they are cut: while few parts are under way, and else.
const WORTH_CUTTING: [usize; 2] = [2 * PAGE, 10 * PAGE];
/// The most parts of a cut; where several are under way, of all their cuts.
const MOST_PARTS: usize = 10;
/// About so many names go into a part: two walks meet after a page each, or after two where more than ten pages are left.
const OF_PART: [usize; 2] = [2 * PAGE, 3 * PAGE];
/// With so many names at most a part is begun from one end: a call less.
const SHORT: usize = PAGE + PAGE / 2;
/// Where more names than this seem to be left, every character that may come next is asked for, in seven calls or more: of
/// the whole list, and of a part.
const WORTH_SPREADING: [usize; 2] = [4 * PAGE, 12 * PAGE];
/// A listing that has taken so many pages feeds the connections: from there on, a call less counts more than a round trip.
const MANY_PAGES: usize = 20;
/// The most memory for the names that walks have met: some 20,000 names. A longer list is walked page by page.
const MOST_KEPT: usize = 2 << 20;
/// What a name takes beside its text.
const OF_NAME: usize = 48;

/// Every character that the name of a secret may have (API model, NameType), and `!`, which names of managed secrets have.
const ALPHABET: &[u8] = b"!+-./0123456789=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

/// Lists every secret whose name begins with one of `prefixes` and hands each page to `take`, as it comes. A secret may be
/// handed over more than once: pages are not a snapshot, and walks overlap.
///
/// All prefixes go into one call. Only where that has more than a page is each walked by itself, side by side.
///
/// # Errors
/// When a page can't be had.
pub async fn walk<P: Pages>(pages: &P, prefixes: &[String], take: &dyn Fn(Vec<Listed>)) -> Result<(), StoreError> {
    let walk = Walk { pages, take, asked: Cell::new(0), open: Cell::new(0), kept: Cell::new(0) };
    let filters = if prefixes.iter().any(String::is_empty) { Vec::new() } else { vec![prefixes.to_vec()] };
    let part = walk.begin(filters).await?;
    if prefixes.len() < 2 || part.up.is_over || walk.goes_in_turn(&part) {
        return walk.whole(part).await;
    }
    let walks = prefixes.iter().map(|prefix| async {
        let part = walk.begin(vec![vec![prefix.clone()]]).await?;
        walk.whole(part).await
    });
    try_join_all(walks).await.map(drop)
}

/// A walk through names from one end, as far as it has come.
#[derive(Clone, Debug)]
struct Way {
    /// The next page.
    query: Query,
    /// Shared with the ways of the parts that it is cut into.
    names: Vec<Rc<str>>,
    /// Those that it has had. A page may be empty and still carry a token (API model, NextToken), but not one twice.
    tokens: HashSet<String>,
    has_begun: bool,
    is_over: bool,
    /// All pages so far had as many names as may be.
    is_full: bool,
}

impl Way {
    fn new(filters: &[Vec<String>], descending: bool) -> Self {
        let query = Query { filters: filters.to_vec(), descending, token: None };
        Self { query, names: Vec::new(), tokens: HashSet::default(), has_begun: false, is_over: false, is_full: true }
    }
}

/// Names with something in common, and how far they have been walked from both ends. A way may be that of a larger part,
/// which this one was cut from.
#[derive(Clone, Debug)]
struct Part {
    filters: Vec<Vec<String>>,
    up: Way,
    down: Way,
    /// About how many names were to be found when it was cut.
    expected: Option<usize>,
}

struct Walk<'a, P> {
    pages: &'a P,
    take: &'a dyn Fn(Vec<Listed>),
    /// Pages asked for so far.
    asked: Cell<usize>,
    /// Parts under way.
    open: Cell<usize>,
    /// Bytes of all names that were kept.
    kept: Cell<usize>,
}

impl<P: Pages> Walk<'_, P> {
    /// The first page.
    async fn begin(&self, filters: Vec<Vec<String>>) -> Result<Part, StoreError> {
        let mut part = Part::new(filters, None);
        (self.take)(self.step(&mut part.up).await?);
        Ok(part)
    }

    /// What follows the first page.
    async fn whole(&self, part: Part) -> Result<(), StoreError> {
        let mut in_turn = part.up.clone();
        in_turn.names.clear();
        if !self.fill(part, DEEPEST).await? {
            tracing::debug!("more names than are kept, or filters that are not AWS's: walking page by page");
            while !in_turn.is_over {
                (self.take)(self.step(&mut in_turn).await?);
            }
        }
        Ok(())
    }

    /// Goes on by a page, and gives what it has.
    async fn step(&self, way: &mut Way) -> Result<Vec<Listed>, StoreError> {
        self.asked.set(self.asked.get() + 1);
        if self.asked.get() > MOST_PAGES {
            let message = format!("the listing does not end: {MOST_PAGES} pages, and still more");
            return Err(StoreError::new(Cause::NotAws, LIST, message));
        }
        let page = self.pages.page(way.query.clone()).await?;
        way.has_begun = true;
        way.is_over = page.next.is_none();
        way.is_full &= page.listed.len() == PAGE;
        for Listed { name, .. } in &page.listed {
            if !self.keeps_too_much() && way.names.last().is_none_or(|last| **last != **name) {
                self.kept.set(self.kept.get() + OF_NAME + name.len());
                way.names.push(name.as_str().into());
            }
        }
        if page.next.as_ref().is_some_and(|token| !way.tokens.insert(token.clone())) {
            return Err(StoreError::new(Cause::NotAws, LIST, "ListSecrets gives the same page token twice"));
        }
        way.query.token = page.next;
        Ok(page.listed)
    }

    fn keeps_too_much(&self) -> bool {
        self.kept.get() > MOST_KEPT
    }

    fn goes_in_turn(&self, part: &Part) -> bool {
        self.pages.is_busy() || !part.up.is_full || !part.down.is_full
    }

    /// Walks a part until nothing is left between its ends. Says whether that is certain: the server did as AWS does, and the names
    /// were not too many.
    fn fill<'b>(
        &'b self,
        mut part: Part,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<bool, StoreError>> + 'b>> {
        self.open.set(self.open.get() + 1);
        Box::pin(async move {
            loop {
                let is_complete = if self.keeps_too_much() { Some(false) } else { part.is_complete() };
                if let Some(is_right) = is_complete {
                    self.open.set(self.open.get() - 1);
                    return Ok(is_right);
                }
                let in_turn = self.goes_in_turn(&part);
                let gap = if in_turn { None } else { part.gap() };
                if let Some(parts) = gap.and_then(|gap| self.cut(&part, gap, depth)) {
                    tracing::debug!(parts = parts.len(), "a long list is walked in parts");
                    self.open.set(self.open.get() - 1);
                    drop(part);
                    let fills = try_join_all(parts.into_iter().map(|part| self.fill(part, depth - 1))).await?;
                    return Ok(fills.into_iter().all(|is_right| is_right));
                }
                let little = if self.asked.get() < MANY_PAGES { PAGE / 10 } else { PAGE };
                let is_short = gap.is_some_and(|gap| gap <= little) || part.is_new_and_short();
                if in_turn || is_short {
                    let own_up = part.owns(&part.up);
                    (self.take)(self.step(if own_up { &mut part.up } else { &mut part.down }).await?);
                } else {
                    // Not one by one: the values of a page do not go out before the pages that come after both.
                    let (up, down) = tokio::try_join!(self.step(&mut part.up), self.step(&mut part.down))?;
                    [up, down].into_iter().for_each(self.take);
                }
            }
        })
    }

    fn cut(&self, part: &Part, gap: usize, depth: usize) -> Option<Vec<Part>> {
        let open = self.open.get().max(1);
        let known = part.known(&part.up).len() + part.known(&part.down).len();
        if depth == 0 || known < TELLING || gap <= WORTH_CUTTING[usize::from(open >= BUSY_PARTS)] {
            return None;
        }
        Cut::of(part)?.parts(gap, MOST_PARTS / open, depth == DEEPEST)
    }
}

impl Part {
    fn new(filters: Vec<Vec<String>>, expected: Option<usize>) -> Self {
        let (up, down) = (Way::new(&filters, false), Way::new(&filters, true));
        Self { filters, up, down, expected }
    }

    /// Whether a way is this part's own, and not that of a larger one.
    fn owns(&self, way: &Way) -> bool {
        way.query.filters == self.filters
    }

    fn is_new_and_short(&self) -> bool {
        let is_new = [&self.up, &self.down].into_iter().all(|way| !(self.owns(way) && way.has_begun));
        is_new && self.expected.is_some_and(|expected| expected <= SHORT)
    }

    /// The names of a way that are of this part.
    fn known<'a>(&'a self, way: &'a Way) -> Vec<&'a str> {
        let passes = |name: &str, value: &str| match value.strip_prefix('!') {
            Some(excluded) => !name.starts_with(excluded),
            None => name.starts_with(value),
        };
        let holds = |name: &&str| self.filters.iter().all(|any| any.iter().any(|value| passes(name, value)));
        way.names.iter().map(|name| &**name).filter(holds).collect()
    }

    /// Whether all names of the part are known; and if so, whether the server did as AWS does.
    fn is_complete(&self) -> Option<bool> {
        let excluded: Vec<&str> = self.filters.iter().flatten().filter_map(|value| value.strip_prefix('!')).collect();
        let has_excluded =
            |way: &&Way| way.names.iter().any(|name| excluded.iter().any(|value| name.starts_with(value)));
        if [&self.up, &self.down].into_iter().filter(|way| self.owns(way)).any(|way| has_excluded(&way)) {
            return Some(false);
        }
        let is_over = self.up.is_over || self.down.is_over;
        if !is_over && (self.up.names.is_empty() || self.down.names.is_empty()) {
            return None;
        }
        let (up, down) = (self.known(&self.up), self.known(&self.down));
        if is_over {
            // What the other walk has found must have come with this one.
            let (all, some) = if self.up.is_over { (&up, &down) } else { (&down, &up) };
            let all: HashSet<&str> = all.iter().copied().collect();
            return Some(some.iter().all(|name| all.contains(name)));
        }
        let places: HashMap<&str, usize> = up.iter().enumerate().map(|(place, name)| (*name, place)).collect();
        let met = down.iter().map(|name| places.get(name).copied());
        let met: Vec<Option<usize>> = met.skip_while(Option::is_none).collect();
        let backwards = (0..up.len()).rev().map(Some).take(met.len());
        (!met.is_empty()).then(|| met.iter().copied().eq(backwards))
    }

    /// About how many names are left between the two walks: as dense as where they have been.
    fn gap(&self) -> Option<usize> {
        let (up, down) = (self.known(&self.up), self.known(&self.down));
        let ends = [*up.first()?, *up.last()?, *down.last()?, *down.first()?];
        let scale = Scale::of(&up.iter().chain(&down).copied(), common(&ends));
        let [first, low, high, last] = ends.map(|name| scale.place(name));
        let walked = low.checked_sub(first)? + last.checked_sub(high)?;
        let walked = if walked == 0 { 2 * scale.of_cell() } else { walked };
        let names = high.checked_sub(low)?.saturating_mul((up.len() + down.len()) as u64) / walked.max(1);
        let names = usize::try_from(names).ok()?;
        Some(self.expected.map_or(names, |expected| names.min(3 * expected)))
    }

    /// The filters of the names of this part that begin with one of these values.
    fn within(&self, values: &Values) -> Vec<Vec<String>> {
        let is_about = |excluded: &str| values.iter().any(|value| excluded.starts_with(value.as_str()));
        let negations =
            self.filters.iter().filter(|any| any.iter().any(|value| value.strip_prefix('!').is_some_and(is_about)));
        std::iter::once(values.iter().cloned().collect()).chain(negations.cloned()).collect()
    }
}

/// What names may begin with.
type Values = BTreeSet<String>;

/// What is needed to cut what is left between the walks of a part.
struct Cut<'a> {
    part: &'a Part,
    /// What the last names of both walks begin with.
    head: &'a str,
    /// The values that seem to come between them, with the middle of what is left of each.
    cells: Vec<(String, u64)>,
    from: u64,
    to: u64,
    /// What the walks have come through so far. It goes into the first and the last part, and the walks with it.
    low: Values,
    high: Values,
}

impl<'a> Cut<'a> {
    fn of(part: &'a Part) -> Option<Self> {
        let (up, down) = (part.known(&part.up), part.known(&part.down));
        let (low, high) = (*up.last()?, *down.last()?);
        let at = common(&[low, high]);
        let head = high.get(..at).filter(|_| low < high && low.is_ascii() && high.is_ascii())?;
        let scale = Scale::of(&up.iter().chain(&down).copied().filter(|name| name.starts_with(head)), at);
        let between = low.as_bytes().get(at).copied().unwrap_or(0)..=*high.as_bytes().get(at)?;
        let (from, to) = (scale.place(low), scale.place(high));
        let cell = |byte: &u8| {
            let value = format!("{head}{}", char::from(*byte));
            let start = scale.place(&value);
            (value, u64::midpoint(start.max(from), (start + scale.of_cell()).min(to)))
        };
        let cells: Vec<_> = scale.likely.first()?.iter().filter(|byte| between.contains(byte)).map(cell).collect();
        let passed = |names: &[&str], end: &str| -> Values {
            names.iter().filter_map(|name| name.get(..=common(&[*name, end]).min(at)).map(str::to_owned)).collect()
        };
        let (low, high) = (passed(&up, low), passed(&down, high));
        // At the very start of a name a `!` would negate.
        let can_be_asked = !low.iter().chain(&high).any(|value| value.starts_with('!'));
        (cells.len() > 1 && can_be_asked).then_some(Self { part, head, cells, from, to, low, high })
    }

    /// Parts for about `gap` names, together all of the part.
    fn parts(&self, gap: usize, most: usize, is_whole: bool) -> Option<Vec<Part>> {
        let by_length = gap / OF_PART[usize::from(gap >= 10 * PAGE)] + 1;
        let count = if gap < 10 * PAGE && self.is_paged() { self.cells.len() } else { by_length };
        let count = count.min(most).clamp(2, self.cells.len());
        let spreads = gap > WORTH_SPREADING[usize::from(!is_whole)] && !(is_whole && self.has_outside());
        let least = if spreads { count.div_ceil(2) } else { 2 };
        let by_negation = (least..=count).rev().find_map(|count| self.by_negation(count, gap));
        by_negation.or_else(|| if spreads { self.by_alphabet(count, gap) } else { None })
    }

    /// Whether the cells seem to hold a page each: they end in a digit, and of those that the walk up has passed the fullest holds
    /// nearly a page. With less the parts would be many, with more each would take two pages and the walks would not meet in them.
    fn is_paged(&self) -> bool {
        let is_counter = |(value, _): &(String, u64)| value.ends_with(|last: char| last.is_ascii_digit());
        let names = self.part.known(&self.part.up);
        let of = |value: &String| names.iter().filter(|name| name.starts_with(value.as_str())).count();
        // Without the last: the walk has not passed all of it.
        let passed = self.low.iter().rev().filter(|value| value.len() > self.head.len()).skip(1).map(of);
        self.cells.iter().all(is_counter) && passed.max().is_some_and(|most| (PAGE * 9 / 10..=PAGE).contains(&most))
    }

    /// The cells and what has been passed, in groups as large as each other.
    fn groups(&self, count: usize) -> Vec<Values> {
        let mut groups = vec![Values::new(); count];
        for (cell, middle) in &self.cells {
            let group = middle.saturating_sub(self.from) * count as u64 / (self.to - self.from).max(1);
            groups[usize::try_from(group).unwrap_or(0).min(count - 1)].insert(cell.clone());
        }
        groups[0].extend(self.low.iter().cloned());
        groups[count - 1].extend(self.high.iter().cloned());
        groups.retain(|group| !group.is_empty());
        groups
    }

    fn part(&self, filters: Vec<Vec<String>>, group: &Values, expected: usize) -> Part {
        let mut part = Part::new(filters, Some(expected));
        if !self.low.is_disjoint(group) {
            part.up = self.part.up.clone();
        } else if !self.high.is_disjoint(group) {
            part.down = self.part.down.clone();
        }
        part
    }

    /// The largest group is whatever begins with none of the values of the others.
    fn by_negation(&self, count: usize, gap: usize) -> Option<Vec<Part>> {
        let mut groups = self.groups(count);
        let rest = (0..groups.len()).max_by_key(|group| groups[*group].len())?;
        let rest = groups.remove(rest);
        let negations: Vec<_> = groups.iter().flatten().map(|value| vec![format!("!{value}")]).collect();
        let filters: Vec<_> = self.part.filters.iter().cloned().chain(negations).collect();
        let parts = groups.iter().map(|group| self.part(self.part.within(group), group, gap / count));
        let fits = !groups.is_empty() && filters.len() <= MOST_FILTERS;
        fits.then(|| parts.chain([self.part(filters.clone(), &rest, gap / count)]).collect())
    }

    /// Whether names of the part may begin with something else than the head.
    fn has_outside(&self) -> bool {
        !self.head.is_empty() && self.part.filters != [[self.head]]
    }

    /// Too many values to be negated: every character that may come next, the unlikely ones where there is room.
    fn by_alphabet(&self, count: usize, gap: usize) -> Option<Vec<Part>> {
        let mut groups = self.groups(count.max(ALPHABET.len().div_ceil(MOST_VALUES)).min(self.cells.len()));
        let is_next = |value: &String| value.len() == self.head.len() + 1 && value.starts_with(self.head);
        for group in &mut groups {
            group.retain(is_next);
        }
        let taken: Values = groups.iter().flatten().cloned().collect();
        let next = ALPHABET.iter().map(|byte| format!("{}{}", self.head, char::from(*byte)));
        let mut others = next.filter(|value| !taken.contains(value) && !value.starts_with('!'));
        for group in &mut groups {
            let room = MOST_VALUES.saturating_sub(group.len());
            group.extend(others.by_ref().take(room));
        }
        groups.push(others.collect());
        let groups: Vec<Vec<String>> = groups.into_iter().map(|group| group.into_iter().collect()).collect();
        let groups = groups.iter().flat_map(|group| group.chunks(MOST_VALUES));
        let groups: Vec<Values> = groups.map(|some| some.iter().cloned().collect()).collect();
        let within = groups.iter().map(|group| self.part(self.part.within(group), group, gap / groups.len()));
        let mut parts: Vec<Part> = within.collect();
        if self.has_outside() {
            let is_inside = |value: &String| value.strip_prefix('!').is_some_and(|value| value.starts_with(self.head));
            let filters = self.part.filters.iter().filter(|any| !any.iter().all(is_inside)).cloned();
            parts.push(Part::new(filters.chain([vec![format!("!{}", self.head)]]).collect(), Some(0)));
        }
        parts.iter().all(|part| part.filters.len() <= MOST_FILTERS).then_some(parts)
    }
}

#[cfg(test)]
mod tests;
