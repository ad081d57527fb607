//! Whether what is renamed here can be seen where it is read: a file that is mounted by itself (`subPath`, a bind of a file) stays the
//! file that it was when it was mounted.

use std::path::{Component, Path};

use crate::config::env::Env;
use crate::config::files::directory_of;
use crate::text::shown;

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
