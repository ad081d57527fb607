//! Every secret is listed, whatever its name, however the server pages, sorts and filters.

use std::cell::Cell;

use proptest::collection::btree_set;
use proptest::prelude::*;

use super::*;
use crate::model::aws::SecretId;
use crate::store::error::ErrorKind;

/// How a server differs from AWS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Quirks {
    ignores_order: bool,
    ignores_negation: bool,
    takes_negation_for_a_name: bool,
    sorts_without_case: bool,
    matches_anywhere: bool,
    repeats_the_last: bool,
    empty_pages: bool,
    page: usize,
}

struct Server {
    names: Vec<String>,
    quirks: Quirks,
    calls: Cell<usize>,
    busy: bool,
}

impl Server {
    fn of(names: impl IntoIterator<Item = String>, quirks: Quirks) -> Self {
        let quirks = Quirks { page: if quirks.page == 0 { PAGE } else { quirks.page }, ..quirks };
        Self { names: names.into_iter().collect(), quirks, calls: Cell::new(0), busy: false }
    }

    fn passes(&self, name: &str, value: &str) -> bool {
        let has =
            |value: &str| if self.quirks.matches_anywhere { name.contains(value) } else { name.starts_with(value) };
        match value.strip_prefix('!') {
            Some(_) if self.quirks.ignores_negation => true,
            Some(_) if self.quirks.takes_negation_for_a_name => has(value),
            Some(value) => !has(value),
            None => has(value),
        }
    }
}

impl Pages for Server {
    async fn page(&self, query: Query) -> Result<Page, StoreError> {
        self.calls.set(self.calls.get() + 1);
        let legal = query.filters.len() <= 10 && query.filters.iter().all(|values| (1..=10).contains(&values.len()));
        if !legal {
            return Err(StoreError::new(ErrorKind::Rejected, "secretsmanager:ListSecrets", "too many filters"));
        }
        let passes = |name: &&String| query.filters.iter().all(|any| any.iter().any(|value| self.passes(name, value)));
        let mut found: Vec<&String> = self.names.iter().filter(passes).collect();
        if !self.quirks.ignores_order {
            found.sort();
            if self.quirks.sorts_without_case {
                found.sort_by_key(|name| name.to_lowercase());
            }
            if query.descending {
                found.reverse();
            }
        }
        // A token is the place where to go on, and whether an empty page comes first.
        let (at, rests) = query.token.map_or((0, false), |token| {
            let (at, rests) = token.split_once(' ').map_or(("0", "false"), |parts| parts);
            (at.parse().unwrap_or(0), rests == "true")
        });
        if rests {
            return Ok(Page { listed: Vec::new(), next: Some(format!("{at} false")) });
        }
        let end = (at + self.quirks.page).min(found.len());
        let begin = if self.quirks.repeats_the_last { at.saturating_sub(1) } else { at };
        let of = |name: &&String| Listed { name: (*name).clone(), id: SecretId::Name((*name).clone()) };
        let listed = found.get(begin..end).unwrap_or_default().iter().map(of).collect();
        let next = (end < found.len()).then(|| format!("{end} {}", self.quirks.empty_pages));
        Ok(Page { listed, next })
    }

    fn is_busy(&self) -> bool {
        self.busy
    }
}

/// What a walk hands over, with the number of calls.
fn walked(server: &Server, prefixes: &[&str]) -> (BTreeSet<String>, usize) {
    let names: RefCell<BTreeSet<String>> = RefCell::default();
    let take = |page: Vec<Listed>| names.borrow_mut().extend(page.into_iter().map(|listed| listed.name));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let owned: Vec<String> = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
    runtime.block_on(walk(server, &owned, &take)).unwrap();
    let is_under = |name: &String| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let found = names.into_inner().into_iter().filter(is_under).collect();
    (found, server.calls.get())
}

fn counted(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("p/c{number:05}")).collect()
}

#[test]
fn short_lists_take_no_call_more_than_their_pages_and_long_ones_few() {
    for (count, calls) in [(0, 1), (10, 1), (20, 1), (21, 1), (100, 1), (101, 12), (200, 12), (1000, 12), (5000, 54)] {
        let server = Server::of(counted(count), Quirks::default());
        let (found, made) = walked(&server, &["p/"]);
        assert_eq!((found.len(), made), (count, calls));
    }
}

/// Three kinds in one call; what has more than a page is walked by itself, beside the others.
#[test]
fn several_prefixes_take_one_call_up_to_a_page() {
    for (connections, variables, calls) in [(0, 0, 1), (60, 39, 1), (90, 40, 4), (1000, 40, 15), (1000, 1000, 26)] {
        let of =
            |prefix: &str, count| counted(count).into_iter().map(move |name| name.replacen('p', prefix, 1)).collect();
        let all: [Vec<String>; 3] = [of("p", connections), of("v", variables), vec!["g/one".to_owned()]];
        let server = Server::of(all.concat(), Quirks::default());
        let (found, made) = walked(&server, &["g/", "p/", "v/"]);
        assert_eq!((found.len(), made), (connections + variables + 1, calls), "{connections} + {variables}");
    }
    let server = Server { busy: true, ..Server::of(counted(1000), Quirks::default()) };
    assert_eq!((walked(&server, &["p/", "v/"]).0.len(), server.calls.get()), (1000, 10));
}

#[test]
fn a_busy_account_is_walked_page_by_page() {
    let server = Server { busy: true, ..Server::of(counted(1000), Quirks::default()) };
    assert_eq!((walked(&server, &["p/"]).0.len(), server.calls.get()), (1000, 10));
}

#[test]
fn words_are_cut_by_their_letters() {
    let names = (0..2600).map(|n| format!("p/{}{n}", char::from(b'a' + u8::try_from(n % 26).unwrap())));
    let server = Server::of(names, Quirks::default());
    let (found, calls) = walked(&server, &["p/"]);
    assert_eq!(found.len(), 2600);
    assert!(calls < 100, "{calls} calls");
}

#[test]
fn a_repeated_token_is_an_error_and_not_a_loop() {
    struct Stuck;
    impl Pages for Stuck {
        async fn page(&self, _: Query) -> Result<Page, StoreError> {
            Ok(Page { listed: Vec::new(), next: Some("again".to_owned()) })
        }
        fn is_busy(&self) -> bool {
            false
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(walk(&Stuck, &["p/".to_owned()], &|_| ())).unwrap_err();
    assert!(error.message.contains("the same page token twice"));
}

/// Names as teams make them, so that cuts of every kind come up: counters, words, mixed case, dots, what comes before and
/// after.
fn names() -> impl Strategy<Value = BTreeSet<String>> {
    let counters = (0_usize..30_000, 1_usize..1500, 1_usize..7).prop_map(|(from, count, width)| {
        (from..from + count).map(|number| format!("p/job{number:0width$}")).collect::<Vec<String>>()
    });
    let words = btree_set("p/[a-zA-Z0-9/_+=.@-]{1,6}", 1..700).prop_map(|set| set.into_iter().collect::<Vec<String>>());
    let one_start = btree_set("p/team_[ab][0-9A-Z]{1,3}", 1..700).prop_map(|set| set.into_iter().collect());
    let lonely =
        btree_set("p/[!+./0-9=@a-c_-]{0,8}|p/job[0-9]{0,2}[a-z]?", 0..20).prop_map(|set| set.into_iter().collect());
    (prop_oneof![counters, words, one_start], lonely, any::<bool>()).prop_map(
        |(many, few, both): (Vec<_>, Vec<_>, _)| {
            let elsewhere = ["p".to_owned(), "other/p/x".to_owned(), "q/a".to_owned()];
            many.into_iter().chain(few.into_iter().filter(|_| both)).chain(elsewhere).collect()
        },
    )
}

fn quirks() -> impl Strategy<Value = Quirks> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (flags, prop_oneof![Just(PAGE), 1_usize..PAGE], 0..6).prop_map(|(flags, page, oddity)| {
        let (sorts_without_case, matches_anywhere, repeats_the_last, empty_pages, odd) = flags;
        Quirks {
            // One of these at a time: a server that neither sorts nor negates could not be told from a right one.
            ignores_order: odd && oddity == 0,
            ignores_negation: odd && oddity == 1,
            takes_negation_for_a_name: odd && oddity == 2,
            sorts_without_case: sorts_without_case && !odd,
            matches_anywhere,
            repeats_the_last,
            empty_pages,
            page,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_secret_is_listed_whatever_the_names_and_the_server(names in names(), quirks in quirks()) {
        let server = Server::of(names.iter().cloned(), quirks);
        let expected: BTreeSet<String> = names.into_iter().filter(|name| name.starts_with("p/")).collect();
        prop_assert_eq!(walked(&server, &["p/"]).0, expected);
    }

    #[test]
    fn several_prefixes_are_listed_whole(names in names(), quirks in quirks()) {
        let server = Server::of(names.iter().cloned(), quirks);
        let is_under = |name: &String| ["other/", "p/", "q/"].iter().any(|prefix| name.starts_with(prefix));
        let expected: BTreeSet<String> = names.into_iter().filter(is_under).collect();
        prop_assert_eq!(walked(&server, &["other/", "p/", "q/"]).0, expected);
    }

    #[test]
    fn an_empty_prefix_is_a_prefix_too(names in names()) {
        let server = Server::of(names.iter().cloned(), Quirks::default());
        prop_assert_eq!(walked(&server, &[""]).0, names);
    }
}
