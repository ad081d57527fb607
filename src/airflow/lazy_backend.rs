//! The Python module with `LazyLocalFilesystemBackend`: its text, and what a file must be called to be imported.
//!
//! Airflow's own class builds every connection of the file at every lookup (docs/LARGE-SETS.md has the times). The module
//! is plain text in the binary, the same in each run: there is nothing to render in it and no secret.

use std::path::Path;

/// What is written to `SECRETS_INIT_BACKEND_MODULE_FILE`.
pub const SOURCE: &str = include_str!("../../templates/secrets_init_backend.py");

/// The class in it.
pub const CLASS: &str = "LazyLocalFilesystemBackend";

/// Words that can't be a module's name in an `import`. Source: CPython 3.8 to 3.13, `keyword.kwlist`.
const KEYWORDS: &str = "False None True and as assert async await break class continue def del elif else except \
    finally for from global if import in is lambda nonlocal not or pass raise return try while with yield";

/// Modules that Python and Airflow import by these names: `PYTHONPATH` is searched before their own places, so a file
/// called like one of them would take its place. Source: CPython 3.8 to 3.13, `sys.stdlib_module_names` without a leading
/// underscore, and what Airflow and its settings are called.
const TAKEN: &str = "abc aifc airflow airflow_local_settings antigravity argparse array ast asynchat asyncio asyncore \
    atexit audioop base64 bdb binascii binhex bisect builtins bz2 cProfile calendar cgi cgitb chunk cmath cmd code codecs \
    codeop collections colorsys compileall concurrent configparser contextlib contextvars copy copyreg crypt csv ctypes \
    curses dataclasses datetime dbm decimal difflib dis distutils doctest dummy_threading email encodings ensurepip enum \
    errno faulthandler fcntl filecmp fileinput fnmatch formatter fractions ftplib functools gc genericpath getopt getpass \
    gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp importlib inspect io ipaddress \
    itertools json keyword lib2to3 linecache locale logging lzma macpath mailbox mailcap marshal math mimetypes mmap \
    modulefinder msilib msvcrt multiprocessing netrc nis nntplib nt ntpath nturl2path numbers opcode operator optparse os \
    ossaudiodev parser pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib posix posixpath pprint profile \
    pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib resource rlcompleter \
    runpy sched secrets select selectors shelve shlex shutil signal site sitecustomize smtpd smtplib sndhdr socket \
    socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct subprocess \
    sunau symbol symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios textwrap this threading time \
    timeit tkinter token tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types typing unicodedata \
    unittest urllib usercustomize uu uuid venv warnings wave weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc \
    zipapp zipfile zipimport zlib zoneinfo";

/// Whether Airflow can import the module from this path by the name of the file.
///
/// # Errors
/// What is wrong with the path, as the end of a sentence that begins with the setting's name.
pub fn check_path(path: &Path) -> Result<(), &'static str> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_identifier = stem.starts_with(|c: char| c.is_ascii_alphabetic())
        && stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_one_of = |words: &str| words.split_whitespace().any(|word| word == stem);
    if path.extension().is_none_or(|extension| extension != "py") {
        Err("must end in .py: Python imports it by the name before that, such as secrets_init_backend.py")
    } else if !is_identifier || is_one_of(KEYWORDS) {
        Err("must be called as Python can import it: letters, digits and underscores, a letter first, no keyword of \
             Python, such as secrets_init_backend.py")
    } else if is_one_of(TAKEN) {
        Err(
            "is called like a module of Python or Airflow and would be imported in its place; take another name, such as \
             secrets_init_backend.py",
        )
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_python_can_import_is_taken() {
        for path in ["/opt/airflow/secrets/secrets_init_backend.py", "a.py", "B2_.py", "/x.y/lazy.py"] {
            assert_eq!(check_path(Path::new(path)), Ok(()), "{path}");
        }
    }

    #[test]
    fn any_other_name_says_what_is_wrong_with_it() {
        for (path, problem) in [
            ("/opt/airflow/secrets/connections.json", "must end in .py"),
            ("backend", "must end in .py"),
            (".py", "must end in .py"),
            ("backend.PY", "must end in .py"),
            ("-", "must end in .py"),
            ("my-backend.py", "must be called"),
            ("2backend.py", "must be called"),
            ("_backend.py", "must be called"),
            ("my.backend.py", "must be called"),
            ("b\u{e4}ckend.py", "must be called"),
            ("class.py", "must be called"),
            ("secrets.py", "is called like a module"),
            ("airflow.py", "is called like a module"),
        ] {
            let said = check_path(Path::new(path)).expect_err(path);
            assert!(said.starts_with(problem), "{path}: {said}");
        }
    }

    #[test]
    fn the_module_has_the_class_and_is_ascii() {
        assert!(SOURCE.is_ascii() && SOURCE.contains(&format!("\nclass {CLASS}(")));
    }
}
