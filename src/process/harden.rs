//! What the process takes from itself: core dumps, readers of its memory and rights on new files, before it holds a secret;
//! and once the settings have said where it writes, every other place to write, every other program, every listener.
//!
//! Nothing here fails a run: a kernel that lacks something protects as much as it can. docs/SECURITY-MODEL.md has what is
//! promised.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope,
};
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask};

/// The Landlock of Linux 6.12. Of what an older kernel lacks, the rest holds.
const KNOWN: ABI = ABI::V6;

/// Whose process this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// This program's alone: it may be restricted for good.
    Ours,
    /// A larger program's, such as a test.
    Shared,
}

/// Denies core dumps, and other processes of the same user the memory and the environment; takes the rights of group and
/// others from every new file, until its mode is set. Before anything else, and in a process of ours alone.
pub fn start() {
    // None of the three can fail but by a sandbox around us that forbids the call, and the log is not ready yet.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    umask(Mode::RWXG | Mode::RWXO);
}

/// Where a run writes.
#[derive(Debug, Default)]
pub struct Places {
    /// Files are made, replaced and removed in these directories.
    pub directories: Vec<PathBuf>,
    pub files: Vec<PathBuf>,
    /// In these directories files are made and written, and none is removed or replaced.
    pub additions: Vec<PathBuf>,
}

/// How far the kernel holds the process to its places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confined {
    /// In all that is asked.
    Fully,
    /// In what it knows of it.
    Partly,
    /// It knows nothing of it.
    Not,
}

/// Gives up, for this thread and all that it starts, to write anywhere but in these places, to run a program, to listen, and
/// to signal other processes. Reading stays as it is. What is open already stays so.
pub fn confine(places: &Places) -> Confined {
    match try_to_confine(places) {
        Ok(RulesetStatus::FullyEnforced) => Confined::Fully,
        Ok(RulesetStatus::PartiallyEnforced) => Confined::Partly,
        Ok(RulesetStatus::NotEnforced) | Err(_) => Confined::Not,
    }
}

fn try_to_confine(places: &Places) -> Result<RulesetStatus, RulesetError> {
    let file = AccessFs::WriteFile | AccessFs::Truncate;
    let addition = file | AccessFs::MakeReg;
    let directory = addition | AccessFs::RemoveFile;
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_write(KNOWN) | AccessFs::Execute)?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(KNOWN))?
        .create()?;
    let allowed = |paths: &'_ [PathBuf], access: BitFlags<AccessFs>| {
        // What is not there can't be written; the run says so when it comes to it.
        let opened = paths.iter().filter_map(|path| PathFd::new(path).ok());
        opened.map(|opened| PathBeneath::new(opened, access)).collect::<Vec<_>>()
    };
    for (paths, access) in [(&places.directories, directory), (&places.additions, addition), (&places.files, file)] {
        for rule in allowed(paths, access) {
            rules = rules.add_rule(rule)?;
        }
    }
    Ok(rules.restrict_self()?.ruleset)
}

impl Places {
    /// The directory of each of these targets.
    pub fn beside<'a>(targets: impl IntoIterator<Item = &'a Path>) -> Self {
        let directories = targets.into_iter().map(|target| crate::config::files::directory_of(target).to_owned());
        Self { directories: directories.collect(), ..Self::default() }
    }

    /// And this file; one that `is_made` if it is missing, too.
    pub fn and_file(mut self, path: &Path, is_made: bool) -> Self {
        // What is no file is not written.
        if path.is_file() && !path.is_symlink() {
            self.files.push(path.to_owned());
        } else if is_made && !path.exists() {
            self.additions.push(crate::config::files::directory_of(path).to_owned());
        }
        self
    }
}
