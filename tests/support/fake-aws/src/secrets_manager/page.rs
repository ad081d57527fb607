//! Walks a store in order, page by page, with the irregularities that the API
//! allows: empty pages with a token, lag, repeats.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::AwsError;
use crate::rng;
use crate::scenario::Settings;
use crate::world::{Store, Stored};

use super::filter::Filters;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    Created,
    Changed,
    Accessed,
    Name,
}

/// What to walk through, and how.
#[derive(Debug)]
pub struct Walk<'a> {
    pub filters: Filters<'a>,
    pub include_deleted: bool,
    pub sort: SortBy,
    pub descending: bool,
    pub limit: usize,
    /// Ties tokens to the query they come from.
    pub query: u64,
}

/// One page.
#[derive(Debug)]
pub struct Page {
    pub number: u64,
    pub secrets: Vec<Arc<Stored>>,
    pub next: Option<String>,
}

/// Where a page starts: after the secret with this sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    page: u64,
    /// `None` on pages that start at the beginning.
    after: Option<(i64, String)>,
}

impl Walk<'_> {
    pub fn page(&self, store: Option<&Store>, token: Option<&str>, settings: &Settings) -> Result<Page, AwsError> {
        let cursor = match token {
            None => Cursor { page: 1, after: None },
            Some(token) => Cursor::decode(token, self.query).ok_or_else(AwsError::invalid_token)?,
        };
        let every = settings.empty_page_every();
        if every > 1 && cursor.page.is_multiple_of(every) {
            let next = Cursor { page: cursor.page + 1, ..cursor.clone() };
            return Ok(Page { number: cursor.page, secrets: Vec::new(), next: Some(next.encode(self.query)) });
        }
        let ordered = self.ordered(store);
        let lag = Duration::from_millis(settings.list_lag_ms());
        let mut listed = ordered.into_iter().filter(|s| self.lists(s, lag));
        let mut secrets: Vec<Arc<Stored>> = Vec::with_capacity(self.limit.min(100));
        if let Some((stamp, name)) = &cursor.after {
            let mut last = None;
            for secret in listed.by_ref() {
                match self.order((self.stamp(secret), &secret.name), (*stamp, name)) {
                    Ordering::Less => {}
                    Ordering::Equal => last = Some(secret),
                    Ordering::Greater => {
                        // The repeated entry must not fill the page alone.
                        if settings.repeat_across_pages() && self.limit > 1 {
                            secrets.extend(last.map(Arc::clone));
                        }
                        secrets.push(Arc::clone(secret));
                        break;
                    }
                }
            }
        }
        let mut more = false;
        for secret in listed {
            if secrets.len() >= self.limit {
                more = true;
                break;
            }
            secrets.push(Arc::clone(secret));
        }
        let trailing = !more && settings.trailing_empty_page() && !secrets.is_empty();
        let next = secrets.last().filter(|_| more || trailing).map(|last| {
            let after = Some((self.stamp(last), last.name.clone()));
            Cursor { page: cursor.page + 1, after }.encode(self.query)
        });
        Ok(Page { number: cursor.page, secrets, next })
    }

    fn ordered<'s>(&self, store: Option<&'s Store>) -> Vec<&'s Arc<Stored>> {
        let Some(store) = store else { return Vec::new() };
        let mut all: Vec<&Arc<Stored>> = match self.sort {
            SortBy::Created => store.by_created.iter().collect(),
            SortBy::Name => store.by_name.values().collect(),
            SortBy::Changed | SortBy::Accessed => {
                let mut all: Vec<_> = store.by_name.values().collect();
                all.sort_by_key(|s| self.stamp(s));
                all
            }
        };
        if self.descending {
            all.reverse();
        }
        all
    }

    fn lists(&self, secret: &Stored, lag: Duration) -> bool {
        let spec = &secret.spec;
        let deleted = spec.pending_deletion && !spec.still_listed && !self.include_deleted;
        !deleted
            && !spec.hidden_from_list
            && (lag.is_zero() || secret.loaded.elapsed() >= lag)
            && (self.filters.is_empty() || self.filters.pass(secret))
    }

    fn stamp(&self, secret: &Stored) -> i64 {
        match self.sort {
            SortBy::Created => secret.created,
            SortBy::Changed => secret.changed,
            SortBy::Accessed => secret.spec.last_accessed.unwrap_or(0),
            SortBy::Name => 0,
        }
    }

    fn order(&self, a: (i64, &String), b: (i64, &String)) -> Ordering {
        if self.descending { b.cmp(&a) } else { a.cmp(&b) }
    }
}

impl Cursor {
    fn encode(&self, query: u64) -> String {
        let (stamp, name) = self.after.clone().unwrap_or_default();
        let started = u8::from(self.after.is_some());
        let text = format!("{}.{started}.{stamp}.{name}", self.page);
        let check = rng::hash([text.as_str(), &query.to_string()]);
        URL_SAFE_NO_PAD.encode(format!("{check:016x}.{text}"))
    }

    /// `None` for a token that this query did not issue.
    fn decode(token: &str, query: u64) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (check, text) = text.split_once('.')?;
        if u64::from_str_radix(check, 16).ok()? != rng::hash([text, &query.to_string()]) {
            return None;
        }
        let mut parts = text.splitn(4, '.');
        let page = parts.next()?.parse().ok()?;
        let started = parts.next()? == "1";
        let stamp = parts.next()?.parse().ok()?;
        let name = parts.next()?.to_owned();
        Some(Self { page, after: started.then_some((stamp, name)) })
    }
}
