//! How much memory this process may have, so that a run can say what is too much before the kernel ends it without a word.
//!
//! Takes what the kernel tells of the process's control groups and resource limits; gives the least of them.

use std::fs;
use std::path::{Component, Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// The stack of the rendering thread, in bytes: that of a main thread.
pub const STACK: usize = 8 << 20;

/// A limit of memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// As it is set.
    pub set: u64,
    /// What of it can be used.
    pub room: u64,
}

/// The limit that leaves least: the memory limit of a container (Documentation/admin-guide/cgroup-v2.rst `memory.max`,
/// cgroup-v1/memory.rst `memory.limit_in_bytes`), RLIMIT_DATA or RLIMIT_AS (getrlimit(2)). `None` where nothing limits it.
///
/// The kernel counts in a group what is used, in a process what is reserved: the stack too.
#[must_use]
pub fn limit() -> Option<Limit> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_groups = of_groups(&groups, Path::new("/sys/fs/cgroup")).map(|set| Limit { set, room: set });
    let of_process = [Resource::Data, Resource::As].into_iter().filter_map(|resource| getrlimit(resource).current);
    let of_process = of_process.map(|set| Limit { set, room: set.saturating_sub(STACK as u64) });
    of_groups.into_iter().chain(of_process).min_by_key(|limit| limit.room)
}

/// Of the groups that /proc/self/cgroup names, and of those above them.
fn of_groups(groups: &str, mounted: &Path) -> Option<u64> {
    let files = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        match (parts.next()?, parts.next()?) {
            ("", group) => Some((mounted.to_owned(), group, "memory.max")),
            (controllers, group) if controllers.split(',').any(|name| name == "memory") => {
                Some((mounted.join("memory"), group, "memory.limit_in_bytes"))
            }
            _ => None,
        }
    });
    let limits = files.flat_map(|(root, group, file)| {
        // Where the mount shows the container's own groups and the name is the host's, only the root is there.
        let steps = Path::new(group).components().filter(|part| matches!(part, Component::Normal(_)));
        let below = steps.scan(root.clone(), |at, step| {
            at.push(step);
            Some(at.clone())
        });
        std::iter::once(root.clone()).chain(below.collect::<Vec<PathBuf>>()).filter_map(move |at| read(&at.join(file)))
    });
    limits.min()
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
    fn the_least_limit_of_the_groups_holds() {
        let mounted = tempfile::tempdir().unwrap();
        let put = |file: &str, text: &str| {
            let path = mounted.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let limit = |groups: &str| of_groups(groups, mounted.path());
        assert_eq!(limit("0::/pod/container\n"), None);
        put("pod/container/memory.max", "max\n");
        assert_eq!(limit("0::/pod/container\n"), None);
        put("pod/memory.max", "67108864\n");
        assert_eq!(limit("0::/pod/container\n"), Some(64 << 20));
        put("pod/container/memory.max", "33554432\n");
        assert_eq!(limit("0::/pod/container\n"), Some(32 << 20));
        assert_eq!(limit("0::/pod\n"), Some(64 << 20));
        // The first hierarchy, beside the second without a controller.
        put("memory/memory.limit_in_bytes", "9223372036854771712\n");
        put("memory/docker/a/memory.limit_in_bytes", "16777216\n");
        assert_eq!(limit("12:cpu,cpuacct:/docker/a\n5:memory:/docker/a\n0::/\n"), Some(16 << 20));
        assert_eq!(limit("12:cpu:/docker/a\n5:memory:/other\n"), None);
        // A name of the host's, which the mount does not show.
        put("memory/memory.limit_in_bytes", "1152921504606846976\n");
        assert_eq!(limit("5:memory:/other\n"), None);
        put("memory/memory.limit_in_bytes", "8388608\n");
        assert_eq!(limit("5:memory:/kubepods/burstable/pod1\n"), Some(8 << 20));
        assert_eq!(limit("nonsense\n0::/../../etc\n"), None);
    }
}
