"""Is LazyLocalFilesystemBackend what LocalFilesystemBackend is, but for building one connection?

    target/airflow/3.3.2/bin/python tests/airflow/lazy.py

Runs inside an Airflow environment (venv.py), on files written by hand: what our program never writes counts here. The
files that it does write are compared by read_file.py. Ends with an AssertionError where the two classes differ, except
in the one way that docs/COMPATIBILITY.md names, which must still be there.
"""

import importlib
import json
import os
import pathlib
import sys
import tempfile
import threading
import time

import airflow_side

CANARY = "c4nary-pass"

# Entries of a JSON or YAML file, one a file: every kind that Airflow takes or refuses.
ENTRIES = {
    "uri": "postgres://app:p%2Fw@db:5432/app?sslmode=require",
    "uri_empty": "",
    "uri_bad_port": f"postgres://u:{CANARY}@h:99999/db",
    "uri_bracket": f"postgres://u:{CANARY}[@h/db",
    "uri_three": f"http://u:{CANARY}@h/x://y://z",
    "text": "no uri at all",
    "object": {"conn_type": "http", "host": "h", "login": "l", "password": "p", "schema": "s", "port": 80},
    "port_as_text": {"conn_type": "http", "port": "80"},
    "extra_object": {"conn_type": "x", "extra": {"b": [1, 2.0, None, {"c": "d"}], "a": True}},
    "extra_empty": {"conn_type": "x", "extra": {}},
    "extra_text": {"conn_type": "x", "extra": '{"a": 1}'},
    "extra_no_object": {"conn_type": "x", "extra": [CANARY]},
    "extra_no_json": {"conn_type": "x", "extra": CANARY},
    "extra_dejson": {"conn_type": "x", "extra_dejson": {"a": {"b": 1}}},
    "extra_twice": {"conn_type": "x", "extra": "{}", "extra_dejson": {"a": CANARY}},
    "own_conn_id": {"conn_id": "own_conn_id", "conn_type": "x"},
    "other_conn_id": {"conn_id": CANARY, "conn_type": "x"},
    "unknown_key": {"conn_type": "x", CANARY: None},
    "uri_in_object": {"uri": "mysql://u:p@h/db"},
    "uri_and_host": {"uri": f"mysql://u:{CANARY}@h/db", "host": "h"},
    "password_number": {"conn_type": "x", "password": 5},
    "conn_type_number": {"conn_type": 5},
    "falsy_host": {"conn_type": "x", "host": []},
    "host_object": {"conn_type": "x", "host": {"a": [1]}},
    "empty_object": {},
    "one_value": ["mysql://u:p@h/db"],
    "one_object": [{"conn_type": "x"}],
    "two_values": ["mysql://u:p@h/db", f"mysql://u:{CANARY}@h/db"],
    "no_value": [],
    "nested_list": [["mysql://u:p@h/db"]],
    "null": None,
    "number": 5,
    "true": True,
    "id with spaces @ = é": "mysql://u:p@h/db",
    "deep": {"conn_type": "x", "extra": {"a": "DEEP"}},
}

# Whole files: name and text. None of them is there to be read in full.
FILES = {
    "empty.json": "",
    "blank.json": " \n",
    "cut.json": '{"a": {"password": "c4nary-pass"',
    "array.json": "[]",
    "bom.json": '\ufeff{"a": "mysql://h"}',
    "twice.json": '{"a": "mysql://first", "a": "mysql://second"}',
    "nothing.json": "{}",
    "empty.yaml": "",
    "comment.yaml": "# nothing\n",
    "tab.yaml": "a:\n\tb: c4nary-pass\n",
    "typed.yml": "a: mysql://h\nyes: mysql://h\n5: mysql://h\nb: {conn_type: x, login: 0123, password: c4nary-pass, host: no}\n",
    "dates.yaml": "a: {conn_type: x, host: 2020-01-01}\n",
    "empty.env": "",
    "fine.env": "# comment\n\na=mysql://u:p@h/db\nb=x\n",
    "spaces.env": " a = mysql://u:p@h/db\n",
    "collide.env": "a=mysql://u:c4nary-pass@h/db\nb=mysql://h\na=mysql://u:p@h/other\n",
    "no_value.env": "a=\n",
    "no_key.env": "=mysql://h\n",
    "no_sign.env": "a\n",
    "other.txt": "a=mysql://h\n",
    "other.json.bak": "{}",
    "UPPER.JSON": '{"a": "mysql://h"}',
}


def main() -> None:
    """Runs every check."""
    answers = airflow_side.only_answers_on_stdout()
    airflow_side.import_airflow()
    checks = [value for name, value in globals().items() if name.startswith("check_")]
    with tempfile.TemporaryDirectory() as directory:
        for check in checks:
            place = pathlib.Path(directory) / check.__name__
            place.mkdir()
            check(place)
            module()._parsed.clear()
    print(f"lazy: {len(checks)} checks, Airflow {airflow_side.versions()['airflow']}", file=answers)


# --- what the checks share ------------------------------------------------------------------------------------------


def module():
    """The module under test."""
    return airflow_side.lazy_module()


def backends(**kwargs):
    """The stock class and ours, made alike."""
    from airflow.secrets.local_filesystem import LocalFilesystemBackend

    return LocalFilesystemBackend(**kwargs), module().LazyLocalFilesystemBackend(**kwargs)


def outcome(lookup) -> str:
    """What a lookup gives, with JSON types, or the type that it raises; and all of what it says if a secret is in it."""
    try:
        found = lookup()
    except Exception as error:  # noqa: BLE001  (whatever Airflow raises)
        leak = str(error) if CANARY in str(error) else ""
        return f"raised {type(error).__name__} {leak}"
    if found is None:
        return "None"
    fields = {field: getattr(found, field) for field in ("conn_id", *airflow_side.FIELDS)}
    return f"{type(found).__module__}.{type(found).__name__} {json.dumps(fields, default=repr)}"


def same(path: pathlib.Path, conn_ids) -> list[str]:
    """Asserts that both classes say the same about these; gives what they say."""
    stock, lazy = backends(connections_file_path=str(path))
    said = []
    for conn_id in conn_ids:
        expected = outcome(lambda: stock.get_connection(conn_id))
        for turn in ("first", "second"):
            got = outcome(lambda: lazy.get_connection(conn_id))
            assert got == expected, f"{path.name}, {conn_id}, {turn} lookup: stock {expected}, lazy {got}"
        said.append(expected)
    return said


def write(path: pathlib.Path, text: str) -> pathlib.Path:
    """Writes a file in place."""
    path.write_text(text, encoding="utf-8")
    return path


def replace(path: pathlib.Path, text: str) -> pathlib.Path:
    """Puts another file in its place, as our program does."""
    write(path.with_name("new"), text).replace(path)
    return path


def document(**logins: str) -> str:
    """A JSON file: conn_id to login."""
    return json.dumps({conn_id: {"conn_type": "x", "login": login} for conn_id, login in logins.items()})


class Settled:
    """Lets files count as old: their change time can't be set back, so time goes forward."""

    def __enter__(self) -> None:
        self.before = module()._SETTLED_AFTER_SECONDS
        module()._SETTLED_AFTER_SECONDS = -1

    def __exit__(self, *_: object) -> None:
        module()._SETTLED_AFTER_SECONDS = self.before


class Parses:
    """Counts how often Airflow parses a file."""

    def __enter__(self) -> list:
        from airflow.secrets import local_filesystem

        self.where, self.real, calls = local_filesystem, local_filesystem._parse_secret_file, []
        local_filesystem._parse_secret_file = lambda path: calls.append(path) or self.real(path)
        return calls

    def __exit__(self, *_: object) -> None:
        self.where._parse_secret_file = self.real


# --- the same as stock ----------------------------------------------------------------------------------------------


def check_every_kind_of_entry_alone_in_a_file(place: pathlib.Path) -> None:
    """Found, nothing or the same exception, in JSON and YAML."""
    said = set()
    for number, (conn_id, entry) in enumerate(ENTRIES.items()):
        text = json.dumps({conn_id: entry}).replace('"DEEP"', "[" * 700 + "]" * 700)
        for extension in ("json", "yaml"):
            # Deep brackets are beyond PyYAML's composer, in both classes.
            said |= {one.split(" ")[0] for one in same(write(place / f"{number}.{extension}", text), [conn_id])}
    assert said >= {"None", "raised", "airflow.models.connection.Connection"}, said


def check_whole_files_that_are_odd_or_broken(place: pathlib.Path) -> None:
    """The same for any conn_id: there is nothing lazy about parsing. Collisions are of the colliding id alone."""
    for name, text in FILES.items():
        conn_ids = ["a"] if name in ("collide.env", "typed.yml", "dates.yaml") else ["a", "b", "yes", "5", " a ", "missing", ""]
        same(write(place / name, text), conn_ids)
    same(place / "missing.json", ["a"])
    (place / "directory.json").mkdir()
    same(place / "directory.json", ["a"])


def check_variables_configs_and_arguments(place: pathlib.Path) -> None:
    """All else is inherited."""
    variables = str(write(place / "variables.json", '{"a": 1, "b": "x", "c": {"d": 2}, "e": ["one"]}'))
    pair = backends(variables_file_path=variables)
    for key in ("a", "b", "c", "e", "missing"):
        stock, lazy = (backend.get_variable(key) for backend in pair)
        assert json.dumps(stock) == json.dumps(lazy), key
    assert [backend.get_connection("a") for backend in pair] == [None, None]
    assert [backend.get_config("a") for backend in pair] == [None, None]
    assert [backend.get_connection("a") for backend in backends()] == [None, None]
    try:
        module().LazyLocalFilesystemBackend(connections_prefix="x")
    except TypeError:
        pass
    else:
        raise AssertionError("a key that LocalFilesystemBackend does not know is taken")
    try:
        pair = backends(configs_file_path=variables)
    except TypeError:  # before 3.2
        return
    assert [backend.get_config("b") for backend in pair] == ["x", "x"]
    assert pair[1].get_connection(conn_id="a", team_name="team") is None


def check_that_a_wrong_entry_hides_no_other(place: pathlib.Path) -> None:
    """The one difference: docs/COMPATIBILITY.md, lazy-one-entry."""
    path = write(place / "c.json", json.dumps({"good": "mysql://u:p@h/db", "bad": 5}))
    stock, lazy = backends(connections_file_path=str(path))
    for conn_id in ("good", "bad", "missing"):
        assert outcome(lambda: stock.get_connection(conn_id)).startswith("raised AirflowException"), conn_id
    assert lazy.get_connection("good").host == "h"
    assert outcome(lambda: lazy.get_connection("bad")).startswith("raised AirflowException")
    assert lazy.get_connection("missing") is None


# --- the file that is kept ------------------------------------------------------------------------------------------


def check_that_a_file_is_parsed_once_for_the_process(place: pathlib.Path) -> None:
    """Airflow 3.1 makes a backend for each lookup of a task."""
    path = write(place / "c.json", document(a="one", b="two"))
    with Settled(), Parses() as parses:
        for conn_id in ("a", "b", "missing", "a"):
            _, lazy = backends(connections_file_path=str(path))
            lazy.get_connection(conn_id)
    assert len(parses) == 1, parses


def check_that_a_young_file_is_not_kept(place: pathlib.Path) -> None:
    """Two writes of the same length within one tick of the clock look alike. 300 times, to meet such a tick."""
    _, lazy = backends(connections_file_path=str(place / "c.json"))
    for number in range(300):
        write(place / "c.json", document(a=f"{number:05}"))
        assert lazy.get_connection("a").login == f"{number:05}", "an outdated connection"
    changed, real = (place / "c.json").stat().st_ctime, time.time
    with Parses() as parses:
        try:
            time.time = lambda: changed
            lazy.get_connection("a")
            lazy.get_connection("a")
            assert len(parses) == 2, parses
            # As it is for all but the first seconds of a pod.
            time.time = lambda: changed + 3
            lazy.get_connection("a")
            lazy.get_connection("a")
        finally:
            time.time = real
        assert len(parses) == 3, parses


def check_that_a_changed_file_is_read_again(place: pathlib.Path) -> None:
    """Replaced, rewritten in place with its time set back, gone, broken, and there again."""
    path = place / "c.json"
    _, lazy = backends(connections_file_path=str(path))

    def login() -> str:
        said = outcome(lambda: lazy.get_connection("a"))
        return json.loads(said.split(" ", 1)[1])["login"] if "{" in said else said.split()[1]

    with Settled():
        replace(path, document(a="first"))
        assert login() == "first"
        replace(path, document(a="other"))
        assert login() == "other"
        stat = path.stat()
        time.sleep(0.02)  # more than a tick of the kernel's clock
        write(path, document(a="third"))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert (path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_ino) == (stat.st_size, stat.st_mtime_ns, stat.st_ino)
        assert login() == "third"
        path.unlink()
        same(path, ["a"])
        assert login() in ("AirflowException", "FileNotFoundError")
        write(path, "{")
        assert login() == "AirflowFileParseException"
        write(path, document(a="fifth"))
        assert login() == "fifth"
        link = place / "link.json"
        link.symlink_to(path)
        _, lazy = backends(connections_file_path=str(link))
        assert login() == "fifth"
        write(place / "target.json", document(a="sixth"))
        (place / "new").symlink_to(place / "target.json")
        (place / "new").replace(link)
        assert login() == "sixth"


def check_that_what_a_caller_does_to_a_connection_stays_with_it(place: pathlib.Path) -> None:
    """Airflow itself writes into the entry, and an empty extra stays the very dict of the file."""
    path = write(place / "c.json", '{"a": {"conn_type": "x", "extra": {}}, "b": {"extra_dejson": {"c": 1}}, "d": {"host": []}}')
    _, lazy = backends(connections_file_path=str(path))
    with Settled():
        first = lazy.get_connection("a")
        first.login = "changed"
        first.extra["changed"] = True
        lazy.get_connection("d").host.append("changed")
        assert lazy.get_connection("a").login is None
        same(path, ["a", "b", "d"])


def check_that_threads_see_whole_files_and_never_an_outdated_one(place: pathlib.Path) -> None:
    """16 threads look up, and take turns at replacing the file, 1,000 times in all; what is read is kept at once.

    Each lookup finds all fields of one version, and one that was there while it ran. docs/REFRESH.md has the figures of the program as
    the one who replaces (rotation.py), where each file is too young to be kept.
    """
    path = place / "c.json"
    _, lazy = backends(connections_file_path=str(path))
    begun = done = 0  # replacements
    lookups, wrong, turn, all_there = [0] * 16, [], threading.Lock(), threading.Barrier(16)

    def version(number: int) -> str:
        # Few passwords: the log masker joins all it has ever met at each new one. Each version has a length of its own, which tells it
        # from the one before where the clock does not.
        entry = {"conn_type": "x", "login": f"u{number}", "host": f"h{number}", "password": f"password-{number % 8}"}
        entry["extra"] = {"version": f"e{number}"}
        return json.dumps({conn_id: entry for conn_id in ("a", "b", "c")}) + " " * number

    def look(thread: int) -> None:
        nonlocal begun, done
        all_there.wait()
        while done < 1000 and not wrong:
            for conn_id in ("a", "b", "c", "a"):
                earliest = done
                try:
                    found = lazy.get_connection(conn_id)
                    fields = [found.login, found.host, found.extra_dejson["version"]]
                except Exception as error:  # noqa: BLE001  (whatever it is)
                    wrong.append(f"{conn_id}: {error!r}")
                    return
                latest, numbers = begun, {int(field[1:]) for field in fields}
                number = min(numbers)
                if len(numbers) > 1 or found.password != f"password-{number % 8}" or not earliest <= number <= latest:
                    wrong.append(f"{conn_id}: {fields}, {found.password}, with the versions {earliest} to {latest} there")
                lookups[thread] += 1
            with turn:
                if done < 1000:
                    begun = done + 1
                    replace(path, version(begun))
                    done = begun

    replace(path, version(0))
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # seconds; a lookup is cut in many places
    with Settled(), Parses() as parses:
        threads = [threading.Thread(target=look, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(usual)
        assert not wrong, wrong[0]
        assert lazy.get_connection("a").login == "u1000"
    assert done == 1000 and all(lookups), (done, lookups)
    # Kept files are what is tested: most lookups must have parsed nothing.
    assert len(parses) < sum(lookups), (len(parses), sum(lookups))
    print(f"lazy: {done} replacements, {sum(lookups)} lookups of {len(threads)} threads, {len(parses)} of them parsed the file", file=sys.stderr)


# --- what it is for -------------------------------------------------------------------------------------------------


def check_that_the_masker_learns_the_connection_asked_for_alone(place: pathlib.Path) -> None:
    """With the stock class it learns every password of the file."""
    try:
        from airflow.utils.log.secrets_masker import redact
    except ImportError:  # 3.x
        from airflow._shared.secrets_masker import redact

    entries = {conn_id: {"conn_type": "x", "password": f"only-of-{conn_id}"} for conn_id in ("asked", "other")}
    path = str(write(place / "c.json", json.dumps(entries)))
    stock, lazy = backends(connections_file_path=path)
    line = "only-of-asked only-of-other"
    lazy.get_connection("asked")
    assert redact(line) == "*** only-of-other", redact(line)
    stock.get_connection("asked")
    assert redact(line) == "*** ***", redact(line)


def check_that_an_airflow_without_the_private_functions_is_served_by_its_own_class(place: pathlib.Path) -> None:
    """Stands for an Airflow to come: only the module's look at it is deceived."""
    from airflow.secrets import local_filesystem

    path = str(write(place / "c.json", document(a="one")))
    real = local_filesystem._create_connection
    del local_filesystem._create_connection
    try:
        importlib.reload(module())
    finally:
        local_filesystem._create_connection = real
    try:
        _, lazy = backends(connections_file_path=path)
        with Parses() as parses:
            assert lazy.get_connection("a", team_name=None).login == "one"
        assert len(parses) == 2, "the stock class parses twice"
    finally:
        importlib.reload(module())
    assert module()._IS_LAZY


if __name__ == "__main__":
    sys.exit(main())
