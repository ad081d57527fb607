//! The system calls that name files, and which of their arguments do.

/// What is known of a call.
pub struct Known {
    number: libc::c_long,
    /// Its name.
    pub name: &'static str,
    /// Which arguments are addresses of paths.
    pub paths: &'static [usize],
    /// Whether the first argument is a descriptor.
    pub descriptor: bool,
}

macro_rules! calls {
    ($($(#[$on:meta])* $constant:ident $name:literal $paths:expr, $descriptor:expr;)*) => {
        const CALLS: &[Known] = &[
            $($(#[$on])* Known { number: libc::$constant, name: $name, paths: &$paths, descriptor: $descriptor },)*
        ];
    };
}

calls! {
    SYS_openat "openat" [1], false;
    SYS_renameat "renameat" [1, 3], false;
    SYS_renameat2 "renameat2" [1, 3], false;
    SYS_unlinkat "unlinkat" [1], false;
    SYS_newfstatat "newfstatat" [1], true;
    SYS_statx "statx" [1], true;
    SYS_faccessat "faccessat" [1], false;
    SYS_faccessat2 "faccessat2" [1], false;
    SYS_readlinkat "readlinkat" [1], false;
    SYS_mkdirat "mkdirat" [1], false;
    SYS_linkat "linkat" [1, 3], false;
    SYS_symlinkat "symlinkat" [2], false;
    SYS_fchmodat "fchmodat" [1], false;
    SYS_fchownat "fchownat" [1], false;
    SYS_truncate "truncate" [0], false;
    SYS_utimensat "utimensat" [1], false;
    SYS_execve "execve" [0], false;
    SYS_read "read" [], true;
    SYS_readv "readv" [], true;
    SYS_pread64 "pread64" [], true;
    SYS_write "write" [], true;
    SYS_writev "writev" [], true;
    SYS_pwrite64 "pwrite64" [], true;
    SYS_fsync "fsync" [], true;
    SYS_fdatasync "fdatasync" [], true;
    SYS_fchmod "fchmod" [], true;
    SYS_fchown "fchown" [], true;
    SYS_fstat "fstat" [], true;
    SYS_flock "flock" [], true;
    SYS_ftruncate "ftruncate" [], true;
    SYS_fallocate "fallocate" [], true;
    SYS_getdents64 "getdents64" [], true;
    SYS_lseek "lseek" [], true;
    SYS_fcntl "fcntl" [], true;
    SYS_close "close" [], true;
    SYS_prctl "prctl" [], false;
    SYS_exit_group "exit_group" [], false;
    SYS_landlock_create_ruleset "landlock_create_ruleset" [], false;
    SYS_landlock_restrict_self "landlock_restrict_self" [], false;
    #[cfg(target_arch = "x86_64")]
    SYS_open "open" [0], false;
    #[cfg(target_arch = "x86_64")]
    SYS_rename "rename" [0, 1], false;
    #[cfg(target_arch = "x86_64")]
    SYS_unlink "unlink" [0], false;
    #[cfg(target_arch = "x86_64")]
    SYS_stat "stat" [0], false;
    #[cfg(target_arch = "x86_64")]
    SYS_lstat "lstat" [0], false;
    #[cfg(target_arch = "x86_64")]
    SYS_access "access" [0], false;
    #[cfg(target_arch = "x86_64")]
    SYS_readlink "readlink" [0], false;
    #[cfg(target_arch = "x86_64")]
    SYS_mkdir "mkdir" [0], false;
    #[cfg(target_arch = "x86_64")]
    SYS_chmod "chmod" [0], false;
    #[cfg(target_arch = "x86_64")]
    SYS_link "link" [0, 1], false;
}

/// What is known of the call with this number.
pub fn known(number: i64) -> Option<&'static Known> {
    CALLS.iter().find(|call| call.number == number)
}
