"""Differential fuzzing: random secrets through the live backend's own code, and through our program and Airflow's loader.

    target/airflow/2.8.1/bin/python tests/airflow/fuzz.py --bin target/debug/airflow-secrets-init [--seed S] [--cases N]

Runs inside an Airflow environment (venv.py), in one process. Prints the seed; the same seed gives the same secrets. A
mismatch is cut down to a small secret that still shows it. No AWS: the live backend's `_get_secret` is replaced by a
lookup in a dict, our program reads the same dict with its file store.
"""

import argparse
import contextlib
import importlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time
import unicodedata
import urllib.parse

from packaging.version import Version

import airflow_side

HERE = pathlib.Path(__file__).resolve().parent
PREFIX = "airflow/connections/"
WORDS = {"user": ["principal"], "host": ["endpoint"], "extra": ["opts"], "port": ["listener"]}


# --- the secrets ----------------------------------------------------------------------------------------------------

ALIASES = {
    "login": ["login", "user", "username", "user_name", "principal"],
    "password": ["password", "pass", "key"],
    "host": ["host", "remote_host", "server", "endpoint"],
    "port": ["port", "listener"],
    "schema": ["database", "schema"],
    "conn_type": ["conn_type", "conn_id", "connection_type", "engine"],
    "extra": ["extra", "opts"],
    None: ["", "uri", "description", "extra_dejson", "__extra__", "Login", "dbname", "extra__x"],
}
NUMBERS = """0 -0 1 -1 5432 65535 65536 99999999 0.0 -0.0 0.10 1.0 0.5 -0.5 5432.7 1e5 1E5 1e+5 1e-5 1e16 1e15 1e22 1e23 1e-7 1E400 -1E400
1e-400 5e-324 2.5e-324 1.7976931348623157e308 1.7976931348623159e308 9007199254740993 123456789012345678901234567890 0.30000000000000004
123456789.123456789 1e0 10e-1 100000000000000000000.0 4.35 0.1e1 NaN Infinity -Infinity""".split()
NOT_NUMBERS = "01 +1 .5 1. 0x10 1_0 -".split()
SPACES = " \t\r\n\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u3000\u200b\ufeff"
# Whitespace, URI and JSON syntax, what NFKC turns into syntax, what lower-casing lengthens, digits that are not ASCII.
NASTY = list(SPACES + "@:/?#[]%&=+;{}\"'\\\x00\x01\x7f\u2100\uff0f\uff20\uff1a\uff03\u2a74\u0130\u1e9e\u03a3\ufb01é中\U0001f600٥５²_-.~!$(),|^`<>")
ESCAPES = ["%41", "%2F", "%2f", "%3A", "%40", "%25", "%", "%4", "%zz", "%ff", "%C3%A9", "%e2%82", "%ed%a0%80", "%00", "%20", "+", "%5B", "%F0%9F%98%80"]
PORTS = ["", "0", "80", "005432", "65535", "65536", "99999999", "-1", "+80", "5_4", "_5", "5__4", " 80", "80 ", "8 0", "abc", "٥٤", "５４", "²", "%380", "5432.0", "1e3", "0x50", "\t80\n", "\x1f80", "\xa080", "1\x00"]
HOSTS = ["h", "Host.Example.COM", "my_host", "h1,h2", "10.0.0.1", "[::1]", "[2001:DB8::A]", "[fe80::1%25Eth0]", "[fe80::1%Eth0]", "[::ffff:1.2.3.4]", "[::ffff:1.2.3]", "[1::2::3]", "[10.0.0.1]", "[v1.ab:c]", "[v1.]", "[vG.a]", "[v1]", "[x]", "[]", "[", "]", "[::1", "x[::1]", "[::1]x", "%3A%3A1", "A%2FB", "A%2fB%41", "[::1%2Fx]", "::1", "", "İ", "ﬁ", "ß.De"]
SCHEMES = ["postgres", "postgresql", "PostgreSQL", "mysql", "google-cloud-platform", "google_cloud_platform", "mysql+pymysql", "a.b", "HTTP", "http", "https", "3com", "s3", "-x", "x-", "é", "", "spark", "a--b", "a-postgresql"]
# Every character that NFKC turns into a separator of a URI, every decimal digit but the ASCII ones, every letter whose lower case
# is another text: each of them has a rule in Python.
BEYOND_ASCII = [chr(point) for point in range(0x80, 0x20000) if not 0xD800 <= point < 0xE000]
SEPARATORS = [c for c in BEYOND_ASCII if set("/?#@:") & set(unicodedata.normalize("NFKC", c))]
DIGITS = [c for c in BEYOND_ASCII if unicodedata.category(c) == "Nd"]
CASED = [c for c in BEYOND_ASCII if c.lower() != c]
# How many digits int() takes at most.
MOST_DIGITS = 4300
# How deep our program goes. Python's json goes some 970 levels deep, depending on the caller (docs/COMPATIBILITY.md, "nesting"): what
# lies between is not made on purpose.
DEEPEST = 499
TOO_DEEP = 1100
# One secret in AWS has up to 64 KiB.
LONGEST = 60_000

# How long a mismatch is cut down, in seconds, and how many cuts are tried at once.
SHRINK_SECONDS = 60
MOST_CANDIDATES = 400


def anything(pick: random.Random) -> str:
    """A text of characters from everywhere."""
    alphabet = pick.choice([BEYOND_ASCII, BEYOND_ASCII, CASED, DIGITS, SEPARATORS, NASTY, [chr(point) for point in range(0x20)]])
    return "".join(pick.choice(alphabet if pick.random() < 0.7 else "aB1/:@") for _ in range(pick.randint(1, 8)))


def address(pick: random.Random) -> str:
    """An IPv6 address in brackets, or what is nearly one."""
    parts = ["".join(pick.choice("0123456789abcdefABCDEF") for _ in range(pick.choice([0, 1, 2, 4, 4, 4, 5]))) for _ in range(pick.randint(0, 9))]
    if pick.random() < 0.5:
        parts.insert(pick.randint(0, len(parts)), "")
    if pick.random() < 0.25:
        parts.append(".".join(pick.choice(["0", "1", "01", "255", "256", "1٠", ""]) for _ in range(pick.choice([3, 4, 4, 4, 5]))))
    zone = pick.choice(["", "", "", "%", "%eth0", "%25Eth0", "%Eth%30", "%a%b", "%é", "%" + pick.choice(BEYOND_ASCII)])
    return "[" + pick.choice(["", "", "", "::", "v1.", "vF.", "v."]) + ":".join(parts) + zone + pick.choice(["]", "]", "]", "]x", ""])


def deep(pick: random.Random) -> str:
    """A JSON value of many levels, now and then not closed or of one kind of bracket too many."""
    levels = pick.choice([pick.randint(1, 60), pick.randint(400, DEEPEST - 10), pick.randint(TOO_DEEP, 10_000)])
    pairs = [pick.choice([("[", "]"), ("[1,", "]"), ('{"a":', "}"), ('{"a":1,"b": ', " }")]) for _ in range(min(levels, 3))]
    around = [pairs[level % len(pairs)] for level in range(levels)]
    closed = len(around) if pick.random() < 0.9 else pick.randint(0, len(around))
    return "".join(open for open, _ in around) + json_value(pick, 9) + "".join(close for _, close in reversed(around[len(around) - closed :]))


def long(pick: random.Random) -> str:
    """A text of thousands of characters."""
    piece = pick.choice(["x", "ab%20", "é", "\U0001f600", "%", "//", "\\u0041", "{", "&a=1", " ", words(pick) or "y"])
    return piece * (pick.randint(1000, pick.choice([2000, 5000, LONGEST])) // max(1, len(piece.encode())))


def many_digits(pick: random.Random) -> str:
    """About as many digits as int() takes."""
    count = MOST_DIGITS + pick.randint(-2, 2)
    return pick.choice(["", "-", "+", "0"]) + pick.choice([pick.choice("0123456789"), "1_"]) * count


def words(pick: random.Random) -> str:
    """A short text, usually harmless."""
    if pick.random() < 0.08:
        return anything(pick)
    kind = pick.random()
    if kind < 0.4:
        return pick.choice(["h", "user", "p4ss", "Db", "", " ", "value", "my-type", "postgresql", "true", "null", "5432", "x y"])
    if kind < 0.5:
        return pick.choice(PORTS)
    pieces = ["abc", "X", "1", *ESCAPES] if kind < 0.75 else ["abc", "X", "1", *NASTY]
    return "".join(pick.choice(pieces) for _ in range(pick.randint(0, 6)))


def spaces(pick: random.Random, often: float = 0.1) -> str:
    """Whitespace, now and then of an unusual kind."""
    if pick.random() > often:
        return ""
    return "".join(pick.choice(" \n\t\r" if pick.random() < 0.7 else SPACES) for _ in range(pick.randint(1, 3)))


def json_string(pick: random.Random, text: str) -> str:
    """The text as a JSON string, by any of the ways to write it, now and then with a lone surrogate."""
    out = []
    for character in text:
        plain = json.dumps(character, ensure_ascii=pick.random() < 0.5)[1:-1]
        out.append(json.dumps(character)[1:-1] if pick.random() < 0.5 else plain)
    if pick.random() < 0.05:
        out.insert(pick.randint(0, len(out)), pick.choice(["\\ud800", "\\udc00", "\\udbff\\u0041", "\\uDC00\\uD800", "\\ud83d\\ude00", "\\u0000", "\\/", "\\x", "\\u12", "\n"]))
    return '"' + "".join(out) + '"'


def json_value(pick: random.Random, depth: int = 0) -> str:
    """Any JSON value, and a little of what only looks like one."""
    kind = pick.random()
    if depth > 4 or kind < 0.3:
        return json_string(pick, words(pick))
    if kind < 0.55:
        return number(pick)
    if kind < 0.7:
        return pick.choice(["true", "false", "null", "null", '""', "[]", "{}"] + ["True", "undefined"] * (pick.random() < 0.05))
    gap = spaces(pick)
    if kind < 0.82:
        return "[" + f",{gap}".join(json_value(pick, depth + 1) for _ in range(pick.randint(0, 3))) + "]"
    keys = [json_string(pick, words(pick) if pick.random() < 0.8 else "a") for _ in range(pick.randint(0, 4))]
    return "{" + f",{gap}".join(f"{key}:{gap}{json_value(pick, depth + 1)}" for key in keys) + "}"


def number(pick: random.Random) -> str:
    """A number token."""
    kind = pick.random()
    if kind < 0.01:
        return many_digits(pick)
    if kind < 0.6:
        return pick.choice(NUMBERS)
    if kind < 0.63:
        return pick.choice(NOT_NUMBERS)
    if kind < 0.8:
        return repr(pick.uniform(-1, 1) * 10.0 ** pick.randint(-320, 308))
    digits = "".join(pick.choice("0123456789") for _ in range(pick.randint(1, 25)))
    whole = digits.lstrip("0") or "0"
    return pick.choice(["", "-"]) + whole + pick.choice(["", f".{digits}", f"e{pick.randint(-330, 310)}", f".{digits}E+{pick.randint(0, 400)}"])


def field_value(pick: random.Random, field: str | None) -> str:
    """A value as this field may have it, or any."""
    if pick.random() < 0.15:
        return json_value(pick)
    if field == "port" and pick.random() < 0.1:
        return json_string(pick, many_digits(pick) if pick.random() < 0.2 else "".join(pick.choice(DIGITS + list("1_ -+")) for _ in range(pick.randint(1, 5))))
    if field == "port":
        return json_string(pick, pick.choice(PORTS)) if pick.random() < 0.5 else number(pick)
    if field == "extra" and pick.random() < 0.85:
        document = json_object(pick, [(json_string(pick, words(pick)), json_value(pick, 1)) for _ in range(pick.randint(0, 4))])
        if pick.random() < 0.25:
            return json_string(pick, pick.choice([document, json_value(pick), f"{spaces(pick, 0.5)}{document}{spaces(pick, 0.5)}"]))
        return document
    if field == "host" and pick.random() < 0.4:
        return json_string(pick, pick.choice(HOSTS) if pick.random() < 0.6 else f"{pick.choice(SCHEMES)}://{pick.choice(HOSTS)}")
    return json_string(pick, words(pick))


def json_object(pick: random.Random, members: list[tuple[str, str]]) -> str:
    """An object of these members."""
    gap = spaces(pick, 0.3)
    return "{" + gap + f",{gap}".join(f"{key}{spaces(pick)}:{gap}{value}" for key, value in members) + gap + "}"


def json_secret(pick: random.Random) -> str:
    """A JSON secret: fields by random aliases in random order, some twice."""
    members = []
    for _ in range(pick.randint(0, 9)):
        field = pick.choice(list(ALIASES))
        members.append((json_string(pick, pick.choice(ALIASES[field])), field_value(pick, field)))
    return spaces(pick) + json_object(pick, members) + spaces(pick)


def uri_secret(pick: random.Random) -> str:
    """A URI, or a text on its way to one."""
    def rarely(chance: float, text: str) -> str:
        return text if pick.random() < chance else ""

    uri = pick.choice(SCHEMES) + pick.choice(["://", "://", "://", "://", ":///", ":", "//", ""])
    uri += rarely(0.12, pick.choice(SCHEMES) + "://")
    uri += rarely(0.6, words(pick) + rarely(0.8, ":" + words(pick)) + "@")
    uri += pick.choice([pick.choice(HOSTS)] * 8 + [address(pick)] * 2 + [words(pick)] * 3)
    uri += rarely(0.5, ":" + pick.choice(PORTS))
    uri += rarely(0.7, "/" + words(pick) + rarely(0.2, "/" + words(pick)))
    if pick.random() < 0.6:
        uri += "?" + "&".join(query_pair(pick) for _ in range(pick.randint(0, 4)))
    uri += rarely(0.06, "#" + words(pick))
    uri += rarely(0.05, "://" + words(pick))
    return spaces(pick) + uri + spaces(pick)


def query_pair(pick: random.Random) -> str:
    """A key and a value of a query, the value often JSON."""
    key = pick.choice(["a", "b", "timeout", "__extra__", "", "k%20", words(pick)])
    kind = pick.random()
    value = json_value(pick) if kind < 0.5 else words(pick)
    if pick.random() < 0.8:
        value = "".join(pick.choice([f"%{byte:02x}", f"%{byte:02X}"]) if not chr(byte).isalnum() or byte > 127 else chr(byte) for byte in value.encode())
    return key + pick.choice(["=", "=", "=", "=", "==", "", ";="]) + value


def extreme(pick: random.Random) -> str:
    """A secret that is deep, long or full of odd characters in one place."""
    text = pick.choice([deep, deep, long, anything, anything, many_digits])(pick)
    quoted = json.dumps(text, ensure_ascii=pick.random() < 0.5)
    escaped = "".join(f"%{byte:02x}" for byte in text.encode()) if len(text) < LONGEST // 9 else text
    field = json_string(pick, pick.choice(ALIASES[pick.choice(list(ALIASES))]))
    return pick.choice(
        [
            "{" + f'"conn_type": "aws", "extra": {text}' + "}",
            "{" + f'"conn_type": "aws", "extra": {quoted}' + "}",
            "{" + f"{field}: {quoted}, {field}: {pick.choice([quoted, text])}" + "}",
            "{" + f"{quoted}: {number(pick)}, {field}: {quoted}" + "}",
            f"\ufeff{json_secret(pick)}",
            text,
            f"aws://?__extra__={escaped}",
            f"aws://?a={escaped}&b=1&a=2",
            f"http://{text}:{text}@{text}:{pick.choice(PORTS)}/{escaped}",
            f"http://{escaped}/{text}?{text}={text}",
            f"{text}://{text}",
        ]
    )


def mutated(pick: random.Random, text: str) -> str:
    """A few random edits."""
    for _ in range(pick.randint(1, 4)):
        at = pick.randint(0, len(text))
        to = min(len(text), at + pick.randint(0, 3))
        text = text[:at] + pick.choice(["", pick.choice(NASTY), pick.choice(ESCAPES), text[at:to] * 2, pick.choice(NUMBERS)]) + text[to:]
    return text


def secrets(pick: random.Random, count: int) -> list[str]:
    """This many secrets. Nearly a third are corpus.json's, edited: they are where the edges are."""
    groups = json.loads((HERE / "corpus.json").read_text(encoding="utf-8"))
    seeds = [case["own"] for group in groups for case in group["cases"] if isinstance(case.get("own"), str)]
    makers = [lambda: json_secret(pick)] * 4 + [lambda: uri_secret(pick)] * 4 + [lambda: mutated(pick, pick.choice(seeds))] * 4 + [lambda: words(pick)] + [lambda: extreme(pick)]
    made = []
    while len(made) < count:
        text = pick.choice(makers)()
        if pick.random() < 0.05:
            text = mutated(pick, text)
        if text:  # AWS has no empty secret
            made.append(text)
    return made


# --- the two sides --------------------------------------------------------------------------------------------------


class Comparison:
    """Puts secrets through both sides."""

    def __init__(self, program: pathlib.Path, target: str, urlencoded: bool) -> None:
        self.connections = 0  # how many of the secrets of the last call are connections, live
        self.explained = 0  # how many of them are left out for what docs/COMPATIBILITY.md says under "nesting" and "lone-surrogate"
        self.program = program.resolve()
        self.target = target
        self.kwargs = {"extra_conn_words": WORDS} | ({"are_secret_values_urlencoded": True} if urlencoded else {})

    def mismatches(self, texts: list[str]) -> list[tuple[str, dict, dict]]:
        """Secret, what it is live, what it is from our file."""
        by_id = {f"c{number:06}": text for number, text in enumerate(texts)}
        ours = self.ours(by_id)
        live = self.live(by_id)
        self.connections = sum(outcome["found"] for outcome in live.values())
        differ = [
            (text, live[conn_id], ours[conn_id])
            for conn_id, text in by_id.items()
            if json.dumps(live[conn_id]) != json.dumps(ours[conn_id])
        ]
        mismatches = [found for found in differ if found[2]["found"] or not (levels(found[0]) > DEEPEST or has_lone_surrogate(found[0]))]
        self.explained = len(differ) - len(mismatches)
        return mismatches

    def live(self, by_id: dict[str, str]) -> dict[str, dict]:
        """The live backend's outcomes, reduced to what a file can bring about."""
        from airflow.models import Connection

        backend = self.backend(by_id, Connection)
        outcomes = {conn_id: without_reason(lambda: backend.get_connection(conn_id)) for conn_id in by_id}
        if not tasks_have_their_own_class():
            return outcomes

        # Tasks of 3.2 and later get the SDK's class live, and the models class from a file whatever we write. For a
        # URI we write what a task gets: query values stay strings. Where the models class is narrower it decides: it
        # has no empty password, and takes no extra but a JSON object.
        from airflow.sdk import Connection as TaskConnection

        for_tasks = self.backend(by_id, TaskConnection)
        for conn_id, text in by_id.items():
            if not text.strip().startswith("{"):
                outcome = without_reason(lambda: for_tasks.get_connection(conn_id))
                outcomes[conn_id] = as_models_class(outcome)
        return outcomes

    def backend(self, by_id: dict[str, str], connection_class: type):
        """The real provider's backend over a dict in place of AWS."""
        from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend

        class Backend(SecretsManagerBackend):
            """Only where the text comes from is replaced."""

            def _get_secret(self, path_prefix, secret_id, *_):
                return by_id[secret_id]

        backend = Backend(**self.kwargs)
        if hasattr(backend, "_set_connection_class"):
            backend._set_connection_class(connection_class)
        return backend

    def ours(self, by_id: dict[str, str]) -> dict[str, dict]:
        """The outcomes of our file.

        Entries that Airflow cannot build, and that would poison the file, are told apart. So are secrets for which our
        program gives up as a whole, which are found by halves.
        """
        outcomes = dict.fromkeys(by_id, {"found": False})
        try:
            entries = self.render(by_id)
        except subprocess.CalledProcessError as failure:
            if len(by_id) == 1:
                return dict.fromkeys(by_id, {"exit": failure.returncode, "stderr": failure.stderr})
            items = list(by_id.items())
            half = len(items) // 2
            return self.ours(dict(items[:half])) | self.ours(dict(items[half:]))

        from airflow.secrets import local_filesystem

        for conn_id, entry in entries.items():
            try:
                connection = local_filesystem._create_connection(conn_id, entry)
            except Exception as error:  # noqa: BLE001  (any exception poisons the file)
                outcomes[conn_id] = {"poison": type(error).__name__, "entry": entry}
            else:
                outcomes[conn_id] = without_reason(lambda: connection)
        return outcomes

    def render(self, by_id: dict[str, str]) -> dict:
        """Runs our program; returns the file as Airflow parses it."""
        from airflow.secrets import local_filesystem

        with tempfile.TemporaryDirectory(prefix="fuzz-") as directory:
            store = pathlib.Path(directory) / "store.json"
            store.write_text(json.dumps({"own": {PREFIX + conn_id: text for conn_id, text in by_id.items()}}), encoding="ascii")
            file = pathlib.Path(directory) / "connections.json"
            environment = {
                "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(self.kwargs),
                "AWS_REGION": "eu-central-1",
                "SECRETS_INIT_STORE": f"file:{store}",
                "SECRETS_INIT_CONNECTIONS_FILE": str(file),
                "SECRETS_INIT_AIRFLOW_VERSION": self.target,
                "SECRETS_INIT_ON_INVALID": "ignore",
                "SECRETS_INIT_ON_EMPTY": "ignore",
                "SECRETS_INIT_TERMINATION_LOG": f"{directory}/termination-log",
                "SECRETS_INIT_LOG": "error",
                "SECRETS_INIT_LOG_FORMAT": "text",
            }
            subprocess.run(
                [self.program], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
            )
            return local_filesystem._parse_secret_file(str(file))


def levels(text: str) -> int:
    """How deep the brackets of a secret go, whatever they stand in: no less than its JSON does, wherever that breaks off."""
    deepest = level = 0
    for character in urllib.parse.unquote(text):
        level += (character in "[{") - (character in "]}")
        deepest = max(deepest, level)
    return deepest


def has_lone_surrogate(text: str) -> bool:
    """Whether a secret holds an escape of half a surrogate pair, however often it is quoted."""
    without_pairs = re.sub(r"\\+u[dD][89abAB]..\\+u[dD][c-fC-F]..", "", urllib.parse.unquote(text))
    return re.search(r"\\u[dD][89a-fA-F]", without_pairs) is not None


def without_reason(lookup) -> dict:
    """An outcome that can be compared: why something was not found is no matter."""
    outcome = airflow_side.as_airflow_sees(lookup)
    return outcome if outcome["found"] else {"found": False}


def as_models_class(outcome: dict) -> dict:
    """What is left of a task's connection once it is a models.Connection."""
    from airflow.models import Connection

    if not outcome["found"]:
        return outcome
    try:
        Connection._validate_extra(outcome["extra"] or None, None)
    except Exception:  # noqa: BLE001  (as Airflow's loader)
        return {"found": False}
    return outcome | {"password": outcome["password"] or None}


def version() -> tuple[int, ...]:
    """This environment's Airflow; a pre-release counts as its release."""
    return Version(airflow_side.versions()["airflow"]).release


def tasks_have_their_own_class() -> bool:
    """Whether the live backend makes another kind of connection for tasks, and for URIs."""
    return version() >= (3, 2)


def default_target() -> str:
    """What SECRETS_INIT_AIRFLOW_VERSION has to be for this Airflow."""
    if (3, 1, 6) <= version() < (3, 2):
        return ".".join(map(str, version()))
    return str(version()[0])


def stop_compiling_masks() -> None:
    """Lets the log maskers of this process do all but compile what they mask.

    They compile all passwords into one regular expression, again for each new one: with thousands it takes minutes.
    What they do before matters: Airflow 2's cannot encode a lone surrogate, wherever in an extra, so get_uri() raises.
    """
    for name in ("airflow.utils.log.secrets_masker", "airflow._shared.secrets_masker", "airflow.sdk._shared.secrets_masker"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)._secrets_masker().patterns = Everything()


class Everything(set):
    """A set that a masker finds nothing new for."""

    def __contains__(self, _: object) -> bool:
        return True


# --- the report -----------------------------------------------------------------------------------------------------


def shrink(comparison: Comparison, text: str) -> str:
    """The smallest text that still mismatches, found by leaving out ever smaller pieces, as far as the time goes."""
    size = max(1, len(text) // 2)
    end = time.monotonic() + SHRINK_SECONDS
    while time.monotonic() < end:
        # Of a long text not every place can be tried.
        step = max(1, size if len(text) > 400 else 1)
        candidates = [text[:at] + text[at + size :] for at in range(0, len(text), step)][:MOST_CANDIDATES]
        smaller = [bad for bad, _, _ in comparison.mismatches([one for one in candidates if one])]
        if smaller:
            text = min(smaller, key=len)
        elif size == 1:
            return text
        else:
            size //= 2
        size = max(1, min(size, len(text) // 2))
    return text


def shown(value: object) -> str:
    """As JSON, cut where it is long."""
    text = json.dumps(value)
    return text if len(text) <= 2000 else f"{text[:2000]}... ({len(text)} characters)"


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="our program")
    parser.add_argument("--seed", type=int, default=None, help="default: another each time")
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--airflow-target", help="SECRETS_INIT_AIRFLOW_VERSION; default: this environment's")
    parser.add_argument("--urlencoded", action="store_true", help="with are_secret_values_urlencoded")
    parser.add_argument("--show", type=int, default=5, help="how many mismatches to cut down and print")
    options = parser.parse_args()
    seed = int.from_bytes(os.urandom(4)) if options.seed is None else options.seed

    answers = airflow_side.only_answers_on_stdout()
    started = time.monotonic()
    airflow_side.import_airflow()
    stop_compiling_masks()
    comparison = Comparison(options.bin, options.airflow_target or default_target(), options.urlencoded)
    print(f"seed {seed}", file=sys.stderr, flush=True)
    texts = secrets(random.Random(seed), options.cases)
    mismatches = comparison.mismatches(texts)
    connections, explained = comparison.connections, comparison.explained

    for text in dict.fromkeys(shrink(comparison, text) for text, _, _ in mismatches[: options.show]):
        print(f"secret: {shown(text)}", file=answers)
        for _, live, ours in comparison.mismatches([text]):
            print(f"  live: {shown(live)}\n  ours: {shown(ours)}", file=answers)
    print(
        f"airflow {airflow_side.versions()['airflow']}: seed {seed}, {len(texts)} cases ({connections} are connections), "
        f"{explained} explained, {len(mismatches)} mismatches, {time.monotonic() - started:.0f} s",
        file=answers,
    )
    return 1 if mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
