#!/usr/bin/env python3.11
"""Does our file say what the live backend says? Asks real Airflow, for each case of corpus.json.

    parity.py --bin target/debug/airflow-secrets-init --endpoint http://127.0.0.1:PORT [--airflow 2.8.1 ...]
    parity.py expected --endpoint URL [--airflow ...] [--out FILE]      only what the live backend says, as JSON

ENDPOINT is a running fake AWS (tests/support/fake-aws). Needs the environments of venv.py.

For each Airflow and each group of cases: `live.py` gives what the live backend finds, as a server process and as a
task; our program renders a file, told of the shared conn_ids in each of the ways there are (MODES) and in each of
LocalFilesystemBackend's formats; `read_file.py` gives what Airflow finds in it, which LazyLocalFilesystemBackend must
find as well. Fields are compared with their JSON types. A difference must be described in explained.json, and what is
described there must still differ.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

import venv

HERE = pathlib.Path(__file__).resolve().parent
FIELDS = ("conn_type", "host", "login", "password", "port", "schema", "extra")
REGION = "eu-central-1"

# What SECRETS_INIT_AIRFLOW_VERSION is set to for each Airflow.
AIRFLOWS = {"2.8.1": "2", "2.11.2": "2", "3.1.8": "3.1.8", "3.3.2": "3", "3.4.0b2": "3.4.0b2"}

# How our program learns which conn_ids there are: it lists the shared account under a role there, it is given the
# shared ones, or it is given all of them. Every format is read in the first mode, JSON in each.
MODES = {"role": ("json", "yaml", "env"), "shared_connections": ("json",), "conn_ids": ("json",)}


# --- the corpus -----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Group:
    """Cases that share backend_kwargs. Each group has two AWS accounts of its own, so none sees another's secrets."""

    number: int
    spec: dict

    @property
    def name(self) -> str:
        """For messages and explained.json."""
        return self.spec["group"]

    @property
    def conn_ids(self) -> list[str]:
        """What is asked for."""
        return [case["id"] for case in self.spec["cases"]]

    @property
    def is_plain(self) -> bool:
        """Whether it is about SecretsManagerBackend, which knows no shared account."""
        return self.spec.get("class") == "plain"

    @property
    def own_account(self) -> str:
        """The account of the caller."""
        return f"1111111{self.number:05}"

    @property
    def shared_account(self) -> str:
        """The account that shares its secrets with it."""
        return f"2222222{self.number:05}"

    @property
    def role(self) -> str:
        """A role in the shared account that may list it."""
        return f"arn:aws:iam::{self.shared_account}:role/airflow-secrets-reader"

    @property
    def kwargs(self) -> dict:
        """What the live backend is made with."""
        shared = {} if self.is_plain else {"shared_account": self.shared_account, "aws_region": REGION}
        # A region that the group sets to null is to come from the environment.
        kwargs = {"region_name": REGION} | shared | self.spec["kwargs"]
        return {key: value for key, value in kwargs.items() if value is not None or "region" not in key}

    def own_name(self, conn_id: str) -> str:
        """The secret's name in the own account: where the provider looks, unless `own_at` says otherwise."""
        if "own_at" in self.spec:
            return self.spec["own_at"] + conn_id
        prefix = self.kwargs.get("connections_prefix", "airflow/connections")
        sep = self.kwargs.get("sep", "/")
        if prefix is None:  # nothing is looked up; the secret is where it would be
            prefix = "airflow/connections"
        stripped = prefix.rstrip(sep) if sep else prefix
        return f"{stripped}{sep}{conn_id}" if stripped else conn_id

    def shared_name(self, conn_id: str) -> str:
        """The secret's name in the shared account: where the live backend looks, unless `shared_at` says otherwise."""
        if "shared_at" in self.spec:
            return self.spec["shared_at"] + conn_id
        return self.kwargs.get("connections_prefix_shared", "airflow/connections") + self.kwargs.get("sep", "/") + conn_id

    def secrets(self) -> dict:
        """The two accounts, for the fake."""
        own, shared = {}, {}
        for case in self.spec["cases"]:
            if "own" in case:
                own[self.own_name(case["id"])] = secret(case["own"])
            if "shared" in case:
                shared[self.shared_name(case["id"])] = self.readable_from_own(secret(case["shared"]))
        return {
            self.own_account: {"regions": {self.spec.get("own_region", REGION): {"secrets": own}}},
            self.shared_account: {"regions": {self.spec.get("shared_region", REGION): {"secrets": shared}}},
        }

    def readable_from_own(self, spec: dict) -> dict:
        """A shared secret: its own policy and its key's let the own account read it."""
        allow = {"effect": "Allow", "principals": [self.own_account], "actions": ["secretsmanager:GetSecretValue"]}
        key = f"arn:aws:kms:{REGION}:{self.shared_account}:key/shared"
        kms = {"key_arn": key, "allowed_principals": [self.own_account, self.shared_account]}
        return spec | {"policy": [allow, *spec.get("policy", [])], "kms": kms}

    def reader_role(self) -> dict:
        """What the operator of the shared account sets up for us."""
        actions = ["secretsmanager:ListSecrets", "secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue", "kms:Decrypt"]
        return {
            "arn": self.role,
            "trust": {"principals": [self.own_account]},
            "policy": [{"effect": "Allow", "actions": actions}],
        }


def secret(spec: dict | str) -> dict:
    """A secret as the fake takes it, from a corpus row: a text, `{"parts": [...]}`, or what the fake takes itself."""
    if isinstance(spec, str):
        return {"string": spec}
    if "parts" in spec:
        return {"string": "".join(part if isinstance(part, str) else part["repeat"][0] * part["repeat"][1] for part in spec["parts"])}
    return spec


def corpus() -> list[Group]:
    """The groups of corpus.json."""
    specs = json.loads((HERE / "corpus.json").read_text(encoding="utf-8"))
    return [Group(number, spec) for number, spec in enumerate(specs)]


def load_into_fake(endpoint: str, groups: list[Group]) -> None:
    """Puts every group's accounts in place, at once: the groups do not meet."""
    scenario = {"accounts": {}, "roles": [group.reader_role() for group in groups]}
    for group in groups:
        scenario["accounts"] |= group.secrets()
    request = urllib.request.Request(
        f"{endpoint}/_fake/scenario?mode=replace", json.dumps(scenario).encode(), {"content-type": "application/json"}, method="POST"
    )
    try:
        urllib.request.urlopen(request, timeout=600).close()
    except urllib.error.HTTPError as refusal:
        raise SystemExit(f"parity.py: the fake refuses the scenario: {refusal.read().decode()}") from refusal


def environment_of(group: Group, endpoint: str) -> dict:
    """The caller is the own account: to the fake, a twelve-digit access key is that account."""
    return group.spec.get("env", {}) | {
        "AWS_ACCESS_KEY_ID": group.own_account,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_MAX_ATTEMPTS": "1",
    }


# --- both sides -----------------------------------------------------------------------------------------------------


class Helper:
    """A script of ours that runs inside an Airflow environment and answers jobs."""

    def __init__(self, airflow: str, script: str) -> None:
        self.what = f"{script} in Airflow {airflow}"
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [venv.make(airflow), HERE / script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
        )

    def ask(self, job: dict) -> dict:
        """One job, one answer."""
        with_newline = json.dumps(job) + "\n"
        try:
            self.process.stdin.write(with_newline)
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self.log.seek(0)
            raise SystemExit(f"parity.py: {self.what} died:\n{self.log.read().decode(errors='replace')}")
        return json.loads(answer)

    def __enter__(self) -> "Helper":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Live:
    """What the live backend says, asked once for each conn_id."""

    def __init__(self, helper: Helper, endpoint: str) -> None:
        self.helper = helper
        self.endpoint = endpoint
        self.known = collections.defaultdict(dict)

    def outcomes(self, group: Group, who: str, conn_ids: list[str]) -> dict[str, dict]:
        """The outcome for each of these."""
        known = self.known[group.name, who]
        if unknown := [conn_id for conn_id in conn_ids if conn_id not in known]:
            job = {
                "endpoint": self.endpoint,
                "class": "plain" if group.is_plain else "shared",
                "as": who,
                "kwargs": group.kwargs,
                "env": environment_of(group, self.endpoint),
                "conn_ids": unknown,
            }
            known |= self.helper.ask(job)["connections"]
        return {conn_id: known[conn_id] for conn_id in conn_ids}


def render(program: pathlib.Path, endpoint: str, airflow: str, group: Group, mode: str, file: pathlib.Path) -> subprocess.CompletedProcess:
    """Runs our program."""
    kwargs = dict(group.kwargs)
    environment = environment_of(group, endpoint) | {
        "SECRETS_INIT_CONNECTIONS_FILE": str(file),
        "SECRETS_INIT_AIRFLOW_VERSION": AIRFLOWS[airflow],
        "SECRETS_INIT_TERMINATION_LOG": str(file.with_suffix(".termination-log")),
        "SECRETS_INIT_LOG": "error",
        "SECRETS_INIT_LOG_FORMAT": "text",
    }
    for policy in ("INVALID", "DENIED", "MISSING", "EMPTY"):
        environment[f"SECRETS_INIT_ON_{policy}"] = "ignore"
    if mode == "conn_ids":
        environment["SECRETS_INIT_CONN_IDS"] = "\n".join(group.conn_ids)
    elif not group.is_plain and mode == "role":
        kwargs["shared_role_arn"] = group.role
    elif not group.is_plain:
        kwargs["shared_connections"] = [case["id"] for case in group.spec["cases"] if "shared" in case]
    environment["AIRFLOW__SECRETS__BACKEND_KWARGS"] = json.dumps(kwargs)
    return subprocess.run([program], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


# --- the comparison -------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a comparison was made."""

    airflow: str
    who: str
    mode: str
    format: str


# Versions run side by side; their rows are printed in this order.
TABLE_ORDER = [
    Place(airflow, who, mode, format_)
    for airflow in AIRFLOWS
    for who in ("server", "task")
    for mode, formats in MODES.items()
    for format_ in formats
]


@dataclasses.dataclass
class Tally:
    """One row of the table."""

    cases: int = 0
    equal: int = 0
    explained: int = 0
    unexplained: int = 0


def difference(live: dict, ours: dict, format_: str) -> str:
    """What differs: "" for nothing, "left out", "found too", or the names of the fields."""
    if live["found"] != ours["found"]:
        return "left out" if live["found"] else "found too"
    if not live["found"]:
        return ""
    return ", ".join(field for field in FIELDS if comparable(live, field, format_) != comparable(ours, field, format_))


def comparable(outcome: dict, field: str, format_: str) -> str:
    """A field's value as JSON text: to Python, 1 == 1.0 == True."""
    value = outcome[field]
    # A URI has no way to say that there is no host, as opposed to an empty one.
    if format_ == "env" and field in ("conn_type", "host", "schema") and value is None:
        value = ""
    return json.dumps(value)


def fits(format_: str, conn_id: str, outcome: dict) -> bool:
    """Whether a file of this format can carry this connection at all."""
    if format_ == "json":
        return True
    return format_ == "yaml" or fits_env(conn_id, outcome)


def fits_env(conn_id: str, outcome: dict) -> bool:
    """Whether an .env line, `ID=URI`, can carry this connection.

    The id ends at the first `=`, and a line that begins with `#` is a comment. In the URI everything can be
    percent-encoded but the scheme, which is case-insensitive and ASCII, and the port. A password makes a login, if
    only an empty one.
    """
    conn_type, port = outcome["conn_type"] or "", outcome["port"]
    return (
        "=" not in conn_id
        and not conn_id.lstrip().startswith("#")
        and isinstance(conn_type, str)
        and re.fullmatch(r"([a-z][a-z0-9+._-]*)?", conn_type) is not None
        and (port is None or 0 <= port <= 65535)
        and (outcome["password"] is None or outcome["login"] is not None)
        and all(outcome[field] is None or isinstance(outcome[field], str) for field in ("host", "schema"))
    )


class Explanations:
    """explained.json, and which of its rows were met."""

    def __init__(self) -> None:
        self.rows = json.loads((HERE / "explained.json").read_text(encoding="utf-8"))
        self.seen = set()
        self.met = set()

    def explain(self, place: Place, name: str, what: str) -> bool:
        """Whether this difference, or "" for none, is as it should be."""
        self.seen.add((place, name))
        for number, row in enumerate(self.rows):
            if row["difference"] == what and self.is_about(row, place, name):
                self.met.add((number, place, name))
                return True
        return not what

    @staticmethod
    def is_about(row: dict, place: Place, name: str) -> bool:
        """Whether a row is about this case, `group/conn_id`, here; a key that a row does not have restricts nothing."""
        return name in row["cases"] and all(
            getattr(place, key) in row.get(key, [getattr(place, key)]) for key in ("airflow", "who", "mode", "format")
        )

    def stale(self) -> list[str]:
        """Rows that describe a difference that is none (any more), and cases that there are not.

        Not asked of .env, where a case can be equal because the format flattens the difference, except of rows that
        name formats.
        """
        words = []
        names = {name for _, name in self.seen}
        groups = {name.split("/")[0] for name in names}
        for number, row in enumerate(self.rows):
            words += [
                f"explained.json: there is no case {name}"
                for name in row["cases"]
                if name not in names and name.split("/")[0] in groups
            ]
            words += [
                f"{describe(place)} {name}: explained as {row['difference']!r}, and does not differ so"
                for place, name in sorted(self.seen, key=repr)
                if ("format" in row or place.format != "env")
                and self.is_about(row, place, name)
                and (number, place, name) not in self.met
            ]
        return words


def describe(place: Place) -> str:
    """One word for a message."""
    return "/".join(dataclasses.astuple(place))


def brief(outcome: dict) -> str:
    """An outcome on one line; the values are test data."""
    text = json.dumps({field: outcome[field] for field in FIELDS if outcome[field] is not None}) if outcome["found"] else outcome["why"]
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"


class Comparison:
    """All of one run: the table and the words about what is wrong."""

    def __init__(self) -> None:
        self.explanations = Explanations()
        self.table = collections.defaultdict(Tally)
        self.complaints = []

    def compare(self, place: Place, group: Group, live: dict, ours: dict) -> None:
        """Counts one group in one place."""
        tally = self.table[place]
        for conn_id in live:
            tally.cases += 1
            name = f"{group.name}/{conn_id}"
            what = difference(live[conn_id], ours[conn_id], place.format)
            as_it_should_be = self.explanations.explain(place, name, what)
            if not what:
                tally.equal += 1
            elif as_it_should_be or (what == "left out" and not fits(place.format, conn_id, live[conn_id])):
                tally.explained += 1
            else:
                tally.unexplained += 1
                words = f"{describe(place)} {name}: {what}"
                self.complaints.append(f"{words}\n    live: {brief(live[conn_id])}\n    ours: {brief(ours[conn_id])}")

    def fail(self, place: Place, group: Group, words: str) -> None:
        """Counts a group of which there is nothing to compare."""
        self.table[place].cases += len(group.conn_ids)
        self.table[place].unexplained += len(group.conn_ids)
        self.complaints.append(f"{describe(place)} {group.name}: {words}")

    def report(self) -> bool:
        """Prints it all; whether all is well."""
        stale = [] if any(tally.unexplained for tally in self.table.values()) else self.explanations.stale()
        for words in [*self.complaints, *stale]:
            print(words)
        row = "{:<8} {:<7} {:<19} {:<5} {:>6} {:>6} {:>10} {:>12}".format
        print(row("airflow", "as", "mode", "file", "cases", "equal", "explained", "unexplained"))
        for place, tally in sorted(self.table.items(), key=lambda item: TABLE_ORDER.index(item[0])):
            print(row(*dataclasses.astuple(place), *dataclasses.astuple(tally)))
        return not self.complaints and not stale


def compare_airflow(options: argparse.Namespace, airflow: str, groups: list[Group], comparison: Comparison) -> None:
    """Everything about one Airflow."""
    with Helper(airflow, "live.py") as live_helper, Helper(airflow, "read_file.py") as reader:
        live = Live(live_helper, options.endpoint)
        with tempfile.TemporaryDirectory(prefix="parity-") as directory:
            for group in groups:
                for mode, formats in MODES.items():
                    for format_ in formats:
                        file = pathlib.Path(directory) / f"{group.name}-{mode}" / f"connections.{format_}"
                        file.parent.mkdir(exist_ok=True)
                        done = render(options.bin, options.endpoint, airflow, group, mode, file)
                        for who in audiences(airflow):
                            place = Place(airflow, who, mode, format_)
                            judge(comparison, place, group, done, file, live, reader)


def judge(comparison: Comparison, place: Place, group: Group, done: subprocess.CompletedProcess, file: pathlib.Path, live: Live, reader: Helper) -> None:
    """Compares one file that our program wrote, or was right not to write."""
    wanted = group.spec.get("exit", 0)
    if done.returncode != wanted:
        comparison.fail(place, group, f"our program ended with {done.returncode}, not {wanted}: {done.stderr.strip()[:500]}")
        return
    if wanted != 0:
        return
    ours = reader.ask({"path": str(file), "conn_ids": group.conn_ids, "all": True})
    if "poison" in ours:
        comparison.fail(place, group, f"Airflow refuses the file: {ours['poison']} ({', '.join(ours['poisoned_by'])})")
        return
    if ours["lazy_differs"]:
        comparison.fail(place, group, f"LazyLocalFilesystemBackend says something else: {json.dumps(ours['lazy_differs'])[:500]}")
        return
    # What is in our file unasked must be there live, too.
    comparison.compare(place, group, live.outcomes(group, place.who, list(ours["connections"])), ours["connections"])


def audiences(airflow: str) -> tuple[str, ...]:
    """Who looks connections up: Airflow 3's tasks have a Connection class of their own."""
    return ("server",) if airflow.startswith("2.") else ("server", "task")


# --- the command line -----------------------------------------------------------------------------------------------


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", nargs="?", choices=["run", "expected"], default="run")
    parser.add_argument("--bin", type=pathlib.Path, help="our program")
    parser.add_argument("--endpoint", required=True, help="the fake AWS")
    parser.add_argument("--airflow", nargs="+", choices=AIRFLOWS, default=list(AIRFLOWS), metavar="VERSION")
    parser.add_argument("--group", nargs="+", metavar="NAME", help="only these groups")
    parser.add_argument("--out", type=argparse.FileType("w", encoding="utf-8"), default=sys.stdout)
    options = parser.parse_args()
    if options.command == "run" and options.bin is None:
        parser.error("--bin is needed")

    groups = [group for group in corpus() if not options.group or group.name in options.group]
    load_into_fake(options.endpoint, groups)
    return expected(options, groups) if options.command == "expected" else run(options, groups)


def expected(options: argparse.Namespace, groups: list[Group]) -> int:
    """Writes what the live backend says: {airflow: {server or task: {group: {conn_id: outcome}}}}."""
    answers = {}
    for airflow in options.airflow:
        with Helper(airflow, "live.py") as helper:
            live = Live(helper, options.endpoint)
            answers[airflow] = {
                who: {group.name: live.outcomes(group, who, group.conn_ids) for group in groups} for who in audiences(airflow)
            }
    json.dump(answers, options.out, indent=1)
    print(file=options.out)
    return 0


def run(options: argparse.Namespace, groups: list[Group]) -> int:
    """The test."""
    started = time.monotonic()
    comparison = Comparison()
    # A thread waits for its Airflow's processes; two at a time keep two cores busy.
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        runs = [pool.submit(compare_airflow, options, airflow, groups, comparison) for airflow in options.airflow]
        for one in runs:
            one.result()
    well = comparison.report()
    print(f"parity: {'ok' if well else 'FAILED'}, {time.monotonic() - started:.0f} s")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
