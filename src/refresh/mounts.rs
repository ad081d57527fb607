//! Whether what is renamed here can be seen where it is read: a file that is mounted by itself (`subPath`, a bind of a file) stays the
//! file that it was when it was mounted. And whether a directory is still the one that it was.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::config::env::Env;
use crate::config::files::directory_of;
use crate::error::{Exit, Failure};
use crate::text::shown;

/// The directories of the targets, as they were when the process gave up to write elsewhere.
pub struct Directories(BTreeMap<PathBuf, Option<(u64, u64)>>);

impl Directories {
    /// Of these targets.
    #[must_use]
    pub fn of<'a>(targets: impl IntoIterator<Item = &'a Path>) -> Self {
        let directories = targets.into_iter().map(directory_of);
        Self(directories.map(|directory| (directory.to_owned(), identity_of(directory))).collect())
    }

    /// A failure to write, with what there is to know of it: a directory that was replaced.
    #[must_use]
    pub fn explain(&self, failure: Failure) -> Failure {
        if ![Exit::CantCreate, Exit::Io].contains(&failure.exit()) {
            return failure;
        }
        let replaced =
            self.0.iter().filter(|(path, before)| identity_of(path).is_some_and(|now| Some(now) != **before));
        let replaced = replaced.map(|(path, _)| {
            format!(
                "{}: is another directory than when the process started, which may write in that one alone; restart the container",
                shown(path)
            )
        });
        let lines = replaced.chain(failure.lines().iter().cloned()).collect();
        Failure::with_lines(failure.exit(), lines)
    }
}

fn identity_of(directory: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(directory).ok().map(|found| (found.dev(), found.ino()))
}

/// What is to be known of the mounts of these targets, in words.
#[must_use]
pub fn notices<'a>(targets: impl IntoIterator<Item = &'a Path>, env: &Env) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let in_pod = env.raw("KUBERNETES_SERVICE_HOST").is_some();
    let mut notices: Vec<String> =
        targets.into_iter().filter_map(|target| of_mounts(&mounts, target, in_pod)).collect();
    notices.dedup();
    notices
}

/// The same from the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
fn of_mounts(mounts: &str, target: &Path, in_pod: bool) -> Option<String> {
    let directory = directory_of(target);
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let (root, point) = (fields.nth(3)?, fields.next()?);
        Some((unescaped(root), unescaped(point), line.split_once(" - ")?.1.split(' ').next()?))
    });
    // Of two mounts on one point the later one is seen.
    let (root, _, kind) = mounts
        .filter(|(_, point, _)| directory.starts_with(point))
        .max_by_key(|(_, point, _)| Path::new(point).components().count())?;
    let is_part = match below_volume(&root) {
        Some(is_part) => is_part,
        None => in_pod && kind == "tmpfs" && root != "/",
    };
    is_part.then(|| {
        format!(
            "{}: the directory looks like a subPath of its volume; where Airflow's container mounts the file itself by subPath, it sees no \
             later one: mount the volume, or a directory of it",
            shown(&directory)
        )
    })
}

/// Whether a directory on the node is part of a volume of Kubernetes; `None` where it is in none
/// (`/var/lib/kubelet/pods/UID/volumes/kubernetes.io~KIND/NAME`).
fn below_volume(root: &str) -> Option<bool> {
    let mut parts = Path::new(root).components().skip_while(
        |part| !matches!(part, Component::Normal(name) if name.as_encoded_bytes().starts_with(b"kubernetes.io~")),
    );
    parts.next()?;
    Some(parts.count() > 1)
}

/// Blanks and the like are written as `\040`.
fn unescaped(field: &str) -> String {
    ["\\040", "\\011", "\\012"]
        .iter()
        .zip([" ", "\t", "\n"])
        .fold(field.to_owned(), |field, (code, character)| field.replace(code, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_was_replaced_is_said_where_writing_failed() {
        let place = tempfile::tempdir().unwrap();
        let (out, target) = (place.path().join("out"), place.path().join("out/c.json"));
        std::fs::create_dir(&out).unwrap();
        let directories = Directories::of([target.as_path()]);
        let explained = |exit| directories.explain(Failure::new(exit, "can't")).lines().len();
        assert_eq!([explained(Exit::CantCreate), explained(Exit::Denied)], [1, 1]);
        std::fs::rename(&out, place.path().join("aside")).unwrap();
        assert_eq!(explained(Exit::CantCreate), 1, "what is gone says so itself");
        std::fs::create_dir(&out).unwrap();
        assert_eq!([explained(Exit::CantCreate), explained(Exit::Io), explained(Exit::Denied)], [2, 2, 1]);
    }

    #[test]
    fn a_directory_that_is_a_sub_path_is_named() {
        let of_node = "/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~empty-dir/airflow-secrets";
        for (root, kind, in_pod, expected) in [
            (of_node.to_owned(), "ext4", true, false),
            (format!("{of_node}/connections"), "ext4", true, true),
            ("/".to_owned(), "tmpfs", true, false),
            ("/connections".to_owned(), "tmpfs", true, true),
            ("/connections".to_owned(), "tmpfs", false, false),
            ("/home/me/secrets".to_owned(), "ext4", false, false),
        ] {
            let mounts = format!(
                "22 1 0:21 / / rw - overlay overlay rw\n36 22 98:0 {root} /nowhere/air\\040flow rw,noatime shared:1 - {kind} x rw\n"
            );
            let notice = of_mounts(&mounts, Path::new("/nowhere/air flow/c.json"), in_pod);
            assert_eq!(notice.is_some(), expected, "{root} {kind} {in_pod}: {notice:?}");
            assert!(of_mounts(&mounts, Path::new("/elsewhere/c.json"), in_pod).is_none());
        }
    }
}
