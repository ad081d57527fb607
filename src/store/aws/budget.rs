//! How much of an account is read, so that neither another account's secrets nor whatever answers in AWS's place can fill the
//! memory. docs/FAULTS.md lists the limits.

use std::cell::Cell;

use crate::process::memory::MemoryLimit;

/// The most secrets of one account that are read. A tenth of that is more than Airflow can use.
pub const MOST_SECRETS: usize = 10_000;
/// The most that a listing may name under the prefixes, wanted or not.
pub const MOST_NAMES: usize = 100_000;
/// The most pages of one listing. A page may be empty and have a successor; AWS holds 500,000 secrets in an account and region,
/// which are 5,000 pages.
pub const MOST_PAGES: usize = 10_000;
/// The most memory for the secrets of one account: more than a thousand of the largest.
const MOST_MEMORY: u64 = 640 << 20;

/// What a byte of text takes: so often it is there at once, in the answer, as a secret, in the connection, in the rendered files
/// and in their check. Measured with the largest secrets, as what follows (tests/hostile.rs `what_is_taken_fits`).
const OF_BYTE: u64 = 8;
/// What a byte takes more that is written as an escape, and that escape with escapes again.
const OF_ESCAPE: u64 = 40;
/// What a mark takes more that stands between the parts of a document or a URI, for the part that it begins or ends.
const OF_PART: u64 = 270;
/// What each byte takes.
const MEMORY: [u64; 256] = {
    let (mut memory, mut byte) = ([OF_BYTE; 256], 0_u8);
    loop {
        memory[byte as usize] += match byte {
            b',' | b':' | b'{' | b'[' | b'&' => OF_PART,
            0..0x20 | b'%' | 0x7f.. => OF_ESCAPE,
            _ => 0,
        };
        if byte == u8::MAX {
            break memory;
        }
        byte += 1;
    }
};
/// What the name of a secret takes beside its text, wanted or not.
const OF_NAME: u64 = 300;
/// What a secret takes at least, however short its text is: the connection, what is known of it, its place in the files and in their
/// check.
const OF_SECRET: u64 = 4_000;

/// The most of an answer that holds many secrets. Twenty values of 64 KiB are 8 MiB if every byte is written as `\u0000`; a page
/// of a hundred names with the longest descriptions and tags is less than twice that.
pub const OF_MANY: u64 = 16 << 20;
/// The same in little memory. Twenty values of 64 KiB are 1.4 MiB as they usually are written.
const LEAST_OF_MANY: u64 = 4 << 20;
/// From here on an answer waits until no other one is so large.
const FREE: u64 = 2 << 20;
/// The same in little memory.
const LEAST_FREE: u64 = 64 << 10;
/// Reads of single secrets in flight. Each needs a connection of its own, and a new one costs both ends more than the read.
pub const SINGLES: usize = 16;
/// What one takes at worst: the answer, twice while it grows, and the buffer of its connection.
const OF_SINGLE: u64 = 1 << 20;
/// What the program takes before anything is read, and what it can't do without.
const OF_PROGRAM: u64 = 6 << 20;
const LEAST: u64 = 2 << 20;

/// How the memory of a run is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most bytes of an answer that holds many secrets.
    pub of_many: u64,
    /// The most bytes of an answer that comes beside others.
    pub free: u64,
    /// Requests for one secret each, of one account at once.
    pub singles: usize,
    /// Bytes for the secrets of the own account, and of each shared one.
    own: u64,
    each_shared: u64,
    /// The memory limit, in bytes.
    limit: Option<u64>,
}

impl Budget {
    /// In a process with this limit, with so many requests in flight at once, so many shared accounts, and so many readings in memory at
    /// once: two where the last good one is kept. An eighth is for answers; of the rest the own account has two thirds, or all where it
    /// is the only one.
    pub fn within(limit: Option<MemoryLimit>, concurrency: usize, shared: usize, readings: u64) -> Self {
        let (own, each_shared) = (MOST_MEMORY, MOST_MEMORY);
        let Some(MemoryLimit { set, room }) = limit else {
            return Self { of_many: OF_MANY, free: FREE, singles: SINGLES, own, each_shared, limit: None };
        };
        let left = room.saturating_sub(OF_PROGRAM).max(LEAST);
        let answers = (left / 8).max(LEAST_OF_MANY.min(left / 2));
        let secrets = (left - answers) / readings.max(1);
        let of_shared = if shared == 0 { 0 } else { secrets / 3 };
        Self {
            of_many: answers.clamp(LEAST_OF_MANY, OF_MANY),
            free: (answers / (concurrency as u64).max(1)).clamp(LEAST_FREE, FREE),
            singles: usize::try_from(answers / OF_SINGLE).unwrap_or(SINGLES).clamp(2, SINGLES),
            own: (secrets - of_shared).min(MOST_MEMORY),
            each_shared: (of_shared / (shared as u64).max(1)).min(MOST_MEMORY),
            limit: Some(set),
        }
    }

    /// What may be read of an account.
    pub fn of_account(self, is_own: bool) -> AccountBudget {
        let most = if is_own { self.own } else { self.each_shared };
        AccountBudget { most, limit: self.limit.filter(|_| most < MOST_MEMORY), used: Cell::new(0) }
    }
}

/// What may be read of an account, and what was.
#[derive(Debug)]
pub struct AccountBudget {
    most: u64,
    /// The memory limit, in bytes, where that is what allows no more.
    limit: Option<u64>,
    /// Bytes of memory that all of it comes to, by and large.
    used: Cell<u64>,
}

impl AccountBudget {
    /// Counts a text; whether there is room for it.
    pub fn takes(&self, text: &str) -> bool {
        self.add(text.bytes().map(|byte| MEMORY[usize::from(byte)]).sum::<u64>().max(OF_SECRET));
        !self.is_over()
    }

    /// Counts a name that a listing has.
    pub fn has_name(&self, name: &str) {
        self.add(OF_NAME + 2 * name.len() as u64);
    }

    fn add(&self, bytes: u64) {
        self.used.set(self.used.get().saturating_add(bytes));
    }

    /// Whether more was there than may be read: nothing further need be asked for.
    pub fn is_over(&self) -> bool {
        self.used.get() > self.most
    }

    /// What to report once it is.
    pub fn too_much(&self) -> String {
        match self.limit {
            Some(limit) => format!(
                "the secrets of this account take more memory than a limit of {} MiB leaves for them; raise the memory limit of \
                 the container",
                limit >> 20
            ),
            None => format!("the secrets of this account take more than {} MiB of memory", MOST_MEMORY >> 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit_of(mib: u64) -> MemoryLimit {
        MemoryLimit { set: mib << 20, room: mib << 20 }
    }

    #[test]
    fn little_memory_is_shared_out_and_much_is_not_needed() {
        let mib = |mib: u64| Some(limit_of(mib));
        let none = Budget::within(None, 40, 3, 1);
        assert_eq!((none.of_many, none.free, none.own, none.each_shared), (OF_MANY, FREE, MOST_MEMORY, MOST_MEMORY));
        let is_much = |budget: Budget| Budget { limit: None, ..budget } == none;
        assert!(is_much(Budget::within(mib(16 << 10), 40, 3, 1)) && !is_much(Budget::within(mib(1 << 10), 40, 3, 1)));
        // 20 MiB are left, 4 of them for answers.
        let small = Budget::within(mib(26), 40, 2, 1);
        let expected = (4 << 20, (4 << 20) / 40, 4, (32_u64 << 20).div_ceil(3), (16 << 20) / 3 / 2);
        assert_eq!((small.of_many, small.free, small.singles, small.own, small.each_shared), expected);
        assert_eq!(Budget::within(mib(26), 40, 0, 1).own, 16 << 20);
        assert_eq!([40, 1000].map(|calls| Budget::within(mib(26), calls, 0, 1).free), [(4 << 20) / 40, 64 << 10]);
        assert_eq!([26, 1 << 10].map(|memory| Budget::within(mib(memory), 1, 0, 1).free), [2 << 20; 2]);
        // There is always some.
        let least = Budget::within(mib(4), 0, 1, 1);
        let expected = (LEAST_OF_MANY, 1 << 20, 2, (2_u64 << 20).div_ceil(3), (1 << 20) / 3);
        assert_eq!((least.of_many, least.free, least.singles, least.own, least.each_shared), expected);
    }

    #[test]
    fn what_allows_no_more_is_named() {
        let [none, much, little] = [None, Some(limit_of(16 << 10)), Some(limit_of(32))]
            .map(|limit| Budget::within(limit, 40, 0, 1).of_account(true));
        assert_eq!(none.too_much(), "the secrets of this account take more than 640 MiB of memory");
        assert_eq!(much.too_much(), none.too_much());
        assert!(little.too_much().contains("a limit of 32 MiB leaves for them; raise the memory limit"));
        assert!(none.takes(&"x".repeat(usize::try_from(MOST_MEMORY / OF_BYTE).unwrap())) && !none.is_over());
        assert!(!none.takes("x") && none.is_over());
    }

    /// docs/FAULTS.md says so.
    #[test]
    fn a_thousand_usual_connections_need_little() {
        let text = format!(
            r#"{{"conn_type": "postgres", "host": "db.example.com", "login": "u", "password": "{}", "port": 5432, "schema": "x", "extra": {{"sslmode": "require"}}}}"#,
            "p".repeat(24)
        );
        assert!((160..180).contains(&text.len()), "{}", text.len());
        let hold = |mib: u64, readings: u64, text: &str| {
            let taken = Budget::within(Some(limit_of(mib)), 40, 1, readings).of_account(true);
            let holds = || {
                taken.has_name("airflow/connections/a_usual_conn_id");
                taken.takes(text)
            };
            (0..100_000).take_while(|_| holds()).count()
        };
        let [least, usual] = [hold(32, 1, &text), hold(64, 1, &text)];
        assert!((2_300..2_600).contains(&least) && (5_500..5_900).contains(&usual), "{least} {usual}");
        let in_hundreds = |mib, readings| hold(mib, readings, &text) / 100 * 100;
        assert_eq!(
            [(32, 1), (64, 1), (32, 2), (64, 2)].map(|(mib, readings)| in_hundreds(mib, readings)),
            [2_500, 5_800, 1_200, 2_900]
        );
        // Where the last good reading is kept, half of it; and short ones take something too.
        assert_eq!(hold(32, 2, &text), least / 2);
        assert!((3_300..3_600).contains(&hold(32, 1, "http://h")), "{}", hold(32, 1, "http://h"));
    }

    #[test]
    fn names_and_items_count_as_what_they_take() {
        // 4 MiB are left, half of them for answers, and two thirds of a mebibyte for this account.
        let taken = || Budget::within(Some(limit_of(10)), 40, 1, 1).of_account(false);
        let (names, items, escapes, text) = (taken(), taken(), taken(), taken());
        let most = (2 << 20) / 3;
        (0..most / 306).for_each(|_| names.has_name("nam"));
        assert!(items.takes(&"{[&,:".repeat(most / (5 * 278))) && !items.is_over());
        assert!(escapes.takes(&"\u{1}%\u{e9}".repeat(most / 48 / 4)) && text.takes(&"x".repeat(most / 8)));
        assert!(!names.is_over());
        names.has_name("nam");
        assert!(names.is_over() && !items.takes("{[&,:") && !escapes.takes("\u{1}%\u{e9}") && !text.takes("x"));
        assert!(
            names.too_much().starts_with("the secrets of this account take more memory than a limit of 10 MiB leaves")
        );
    }
}
