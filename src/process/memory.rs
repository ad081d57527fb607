//! How much memory this process may have, so that a run can say what is too much before the kernel ends it without a word.
//!
//! Takes what the kernel says of the container's control group and of the process's resource limits; gives the least of them.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

/// The stack of the rendering thread, in bytes: that of a main thread.
pub const STACK: usize = 8 << 20;

/// A limit of memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// As it is set.
    pub set: u64,
    /// What of it can be used.
    pub room: u64,
}

/// The limit that leaves least: the memory limit of the container (Documentation/admin-guide/cgroup-v2.rst `memory.max`,
/// cgroup-v1/memory.rst `memory.limit_in_bytes`), RLIMIT_DATA or RLIMIT_AS (getrlimit(2)). `None` where nothing limits it.
///
/// The kernel counts in a group what is used, in a process what is reserved: the stack too.
pub fn limit() -> Option<MemoryLimit> {
    let of_container = of_container(Path::new("/sys/fs/cgroup")).map(|set| MemoryLimit { set, room: set });
    let of_process = [Resource::Data, Resource::As].into_iter().filter_map(|resource| getrlimit(resource).current);
    let of_process = of_process.map(|set| MemoryLimit { set, room: set.saturating_sub(STACK as u64) });
    of_container.into_iter().chain(of_process).min_by_key(|limit| limit.room)
}

/// A container sees its own group at the root of the mount, in either version of control groups.
fn of_container(mounted: &Path) -> Option<u64> {
    ["memory.max", "memory/memory.limit_in_bytes"].into_iter().filter_map(|file| read(&mounted.join(file))).min()
}

/// A limit as it stands in its file: a number, or `max`. A group without one has no file, or a number near the largest.
fn read(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok().filter(|limit| *limit < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_the_process_counts() {
        let most = 1 << 46;
        let before = getrlimit(Resource::As);
        rustix::process::setrlimit(Resource::As, rustix::process::Rlimit { current: Some(most), ..before }).unwrap();
        // This machine may have less, but not nothing.
        let found = limit().unwrap();
        let room = if found.set == most { most - (8 << 20) } else { found.set };
        assert!((1 << 20..=most).contains(&found.set) && found.room == room);
        rustix::process::setrlimit(Resource::As, before).unwrap();
    }

    #[test]
    fn the_limit_of_the_container_holds_in_either_version() {
        let mounted = tempfile::tempdir().unwrap();
        fs::create_dir(mounted.path().join("memory")).unwrap();
        let with = |file: &str, text: &str| {
            fs::write(mounted.path().join(file), text).unwrap();
            of_container(mounted.path())
        };
        assert_eq!(of_container(mounted.path()), None);
        assert_eq!(with("memory.max", "max\n"), None);
        assert_eq!(with("memory/memory.limit_in_bytes", "9223372036854771712\n"), None);
        assert_eq!(with("memory.max", "67108864\n"), Some(64 << 20));
        assert_eq!(with("memory/memory.limit_in_bytes", "33554432\n"), Some(32 << 20));
    }
}
