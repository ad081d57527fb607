"""The program and boto3, side by side: who signs, where, for which region, by which way.

    differential.py --bin PROGRAM [--only GLOB] [--show]

Runs every case of cases.toml through boto3 (live.py, as the live backend uses it) and through the program, each before a recorder
of its own, and compares the calls. What differs must be in differences.toml, and what is there must still differ.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import fnmatch
import hashlib
import inspect
import json
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import tomllib

import recorder

HERE = pathlib.Path(__file__).resolve().parent
# The rows that explain a difference.
DOCUMENT = HERE.parents[1] / "docs" / "COMPATIBILITY.md"
PATIENCE = 120
# Where a side would look without its environment: nowhere, so that a case says all that there is.
BASE = {
    "HOME": "{home}",
    "PATH": "/usr/bin:/bin",
    "AWS_DEFAULT_REGION": "eu-west-3",
    "AWS_CA_BUNDLE": "{ca}",
    "AWS_METADATA_SERVICE_TIMEOUT": "5",
}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "secret"}
# Names that each side makes up where nothing names the session: no policy can expect them.
MADE_UP_SESSIONS = re.compile(r"botocore-session-\d+|airflow-secrets-init|Airflow_SecretsManagerBackend__connection")


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin", required=True, help="the program")
    parser.add_argument("--only", default="*", help="names of cases, as a glob")
    parser.add_argument("--show", action="store_true", help="print what each side did")
    options = parser.parse_args()
    started = time.monotonic()
    table = tomllib.loads((HERE / "cases.toml").read_text(encoding="utf-8"))
    if problems := unknown_to_the_cases(table):
        print(*problems, sep="\n")
        return 1
    cases = [case for case in all_cases(table) if fnmatch.fnmatch(case["name"], options.only)]
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(pathlib.Path(directory), pathlib.Path(options.bin).resolve())
        with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
            results = []
            for result in pool.map(bench.compare, cases):
                results.append(result)
                if options.show:
                    result.show()
    return report(results, time.monotonic() - started, is_whole=options.only == "*")


# ---- cases ---------------------------------------------------------------------------------------------------------


def all_cases(table: dict) -> list[dict]:
    """Those of the file, and those that follow from its sources: each alone, each pair, each in a profile that is named."""
    sources = table["source"]
    cases = [{"name": f"alone/{name}", **source} for name, source in sources.items()]
    names = list(sources)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            cases.append({"name": f"pair/{first}+{second}", **merged(sources[first], sources[second])})
    for way in ("profile_name", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        for name, source in sources.items():
            cases.append({"name": f"{way}/{name}", **in_profile(source, way)})
    for second in names:
        if second != "env":
            case = in_profile(merged(sources["env"], sources[second]), "profile_name")
            cases.append({"name": f"profile_name/env+{second}", **case})
    cases += [{"name": name, **case} for name, case in flat(table["case"])]
    seen = collections.Counter(case["name"] for case in cases)
    assert max(seen.values()) == 1, [name for name, count in seen.items() if count > 1]
    return cases


def flat(table: dict, above: str = "") -> list[tuple[str, dict]]:
    """Cases stand in groups: [case.GROUP.NAME]."""
    return [(f"{group}/{name}", case) for group, cases in table.items() for name, case in cases.items()]


def merged(one: dict, other: dict) -> dict:
    """Both sources side by side. Of keys that both set in one section the first's stays."""
    both = {**other, **one}
    both["env"] = {**other.get("env", {}), **one.get("env", {})}
    both["files"] = {**other.get("files", {}), **one.get("files", {})}
    for file in ("config", "credentials"):
        text = merged_text(one.get(file, ""), other.get(file, ""))
        if text:
            both[file] = text
    return both


def merged_text(one: str, other: str) -> str:
    sections: dict[str, dict[str, str]] = {}
    for text in (one, other):
        section: dict[str, str] = {}
        for line in text.strip().splitlines():
            if line.startswith("["):
                section = sections.setdefault(line, {})
            else:
                section.setdefault(line.partition("=")[0].strip(), line)
    return "".join(f"{name}\n" + "".join(f"{line}\n" for line in lines.values()) for name, lines in sections.items())


def in_profile(source: dict, way: str) -> dict:
    """The source with its default profile under the name `named`, chosen in this way."""
    case = {**source, "env": dict(source.get("env", {})), "kwargs": dict(source.get("kwargs", {}))}
    # The profile must exist, whatever the source is.
    case["config"] = source.get("config", "").replace("[default]", "[profile named]")
    if "[profile named]" not in case["config"]:
        case["config"] += "[profile named]\noutput = json\n"
    if "credentials" in source:
        case["credentials"] = source["credentials"].replace("[default]", "[named]")
    if way == "profile_name":
        case["kwargs"]["profile_name"] = "named"
    else:
        case["env"][way] = "named"
    return case


def unknown_to_the_cases(table: dict) -> list[str]:
    """What the installed botocore knows and cases.toml does not, and cases that end with 69 without a name."""
    import botocore.configprovider  # pylint: disable=import-outside-toplevel  # a second, for this alone
    import botocore.credentials
    import botocore.session

    providers = botocore.credentials.create_credential_resolver(botocore.session.Session()).providers
    methods = [provider.METHOD for provider in providers]
    problems = [] if methods == table["botocore"]["providers"] else [f"botocore's chain is now {methods}"]
    text = (HERE / "cases.toml").read_text(encoding="utf-8")
    for config, env, *_ in botocore.configprovider.BOTOCORE_DEFAUT_SESSION_VARIABLES.values():
        names = [config, *([env] if isinstance(env, str) else env or [])]
        problems += [f"cases.toml has no case for botocore's {name}" for name in names if name and name not in text]
    unnamed = [name for name, case in flat(table["case"]) if "unavailable" in case and not case.get("names")]
    return problems + [f"cases.toml: {name} is unavailable, and names nothing" for name in unnamed]


# ---- running -------------------------------------------------------------------------------------------------------


class Bench:
    """Runs cases."""

    def __init__(self, directory: pathlib.Path, program: pathlib.Path):
        self.directory, self.program = directory, program
        self.authority = recorder.Authority(directory)
        self.redirect = directory / "redirect.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", self.redirect, HERE / "redirect.c", "-ldl"], check=True, timeout=PATIENCE
        )
        # The server that forks: it imports boto3 once, is single-threaded and has the redirection from its start.
        self.fork = multiprocessing.get_context("forkserver")
        self.fork.set_forkserver_preload(["live"])
        self.asking = threading.Lock()
        os.environ["LD_PRELOAD"] = str(self.redirect)
        self.fork.Process(target=print).start()
        del os.environ["LD_PRELOAD"]

        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or HERE.parents[1] / "target")
        self.kept = target / "boto" / "kept"
        self.kept.mkdir(parents=True, exist_ok=True)
        files = [HERE / name for name in ("live.py", "recorder.py", "redirect.c", "requirements-boto.txt")]
        parts = [file.read_text(encoding="utf-8") for file in files] + [json.dumps([BASE, KEYS])]
        parts += [inspect.getsource(part) for part in (Bench.run, Bench.boto3, calls, normal, fill)]
        self.fingerprint = hashlib.sha256("".join(parts).encode()).hexdigest()

    def compare(self, case: dict) -> "Result":
        return Result(case, self.boto3_once(case), self.run(case, "program"))

    def boto3_once(self, case: dict) -> dict:
        """What boto3 does does not change with the program: kept below target/ for as long as case, boto3 and these files stay."""
        key = hashlib.sha256((self.fingerprint + json.dumps(case, sort_keys=True)).encode()).hexdigest()
        kept = self.kept / f"{key}.json"
        if not kept.is_file():
            ended = json.dumps(self.run(case, "boto3"))
            whole = kept.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
            whole.write_text(ended, encoding="utf-8")
            whole.rename(kept)
        return json.loads(kept.read_text(encoding="utf-8"))

    def run(self, case: dict, side: str) -> dict:
        """What came of one side: `found`, its words, and its calls."""
        home = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        server = recorder.Recorder(self.authority, {key: fill(case[key], {}) for key in case if is_answer(key)})
        known = {"home": str(home), "port": str(server.port), "server": f"127.0.0.1:{server.port}", "refused": "127.0.0.1:1", "ca": str(self.authority.file)}
        environment = dict(BASE)
        if "imds" not in case:
            environment["AWS_EC2_METADATA_DISABLED"] = "true"
        if case.get("keys"):
            environment |= KEYS
        environment |= case.get("env", {})
        for name in case.get("unset", []):
            environment.pop(name, None)
        environment = {name: fill(value, known) for name, value in environment.items()}
        environment["REDIRECT_PORT"] = str(server.port)
        files = dict(case.get("files", {}))
        for name in ("config", "credentials"):
            if name in case:
                files[f".aws/{name}"] = case[name]
        for name, content in files.items():
            path = home / fill(name, known)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(fill(content, known).encode().replace(b"{byte:e4}", b"\xe4"))
            path.chmod(0o755)
        kwargs = fill(case.get("kwargs", {}), known)
        try:
            ended = (self.boto3 if side == "boto3" else self.ours)(environment, kwargs, home)
        finally:
            server.close()
        ended["calls"] = calls(server.calls, known)
        ended["said"] = ended["said"].replace(str(home), "HOME")
        return ended

    def boto3(self, environment: dict, kwargs: dict, home: pathlib.Path) -> dict:
        import live  # pylint: disable=import-outside-toplevel  # its name is what the forked process finds

        result = home / "result.json"
        process = self.fork.Process(target=live.run, args=(environment, kwargs, str(result)))
        # One at a time: start() also asks after the processes of the other threads (multiprocessing.process._cleanup, 3.11), and of
        # two threads that ask after one process, one finds the exit code read and reports 255.
        with self.asking:
            process.start()
        multiprocessing.connection.wait([process.sentinel], PATIENCE)
        with self.asking:
            process.join(0)
        assert process.exitcode == 0, f"boto3 ended with {process.exitcode}: {environment} {kwargs}"
        outcome = json.loads(result.read_text(encoding="utf-8"))
        said = "" if outcome["found"] else f"{outcome['error']}: {outcome['message']}"
        return {"found": outcome["found"], "said": said, "code": 0 if outcome["found"] else 1}

    def ours(self, environment: dict, kwargs: dict, home: pathlib.Path) -> dict:
        environment = environment | {
            "LD_PRELOAD": str(self.redirect),
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(kwargs),
            "SECRETS_INIT_CONN_IDS": "x",
            "SECRETS_INIT_FETCH": "single",
            "SECRETS_INIT_DEADLINE": "30s",
            "SECRETS_INIT_EXPAND_ENV": "false",
            "SECRETS_INIT_LOG_FORMAT": "text",
            "SECRETS_INIT_CONNECTIONS_FILE": str(home / "connections.json"),
            "SECRETS_INIT_TERMINATION_LOG": str(home / "termination-log"),
        }
        done = subprocess.run(
            [self.program], env=environment, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
        )
        said = done.stderr.decode("utf-8", "replace").strip()
        return {"found": done.returncode == 0, "said": said, "code": done.returncode}


def is_answer(key: str) -> bool:
    return key.startswith(("imds", "container", "sts"))


def fill(value, known: dict[str, str]):
    """Replaces {home}, {server}, {refused}, {ca} and {sha1:TEXT}."""
    if isinstance(value, dict):
        return {key: fill(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, known) for each in value]
    if not isinstance(value, str):
        return value
    for name, text in known.items():
        value = value.replace(f"{{{name}}}", text)
    return re.sub(r"\{sha1:([^}]*)\}", lambda found: hashlib.sha1(found[1].encode()).hexdigest(), value)


def calls(recorded: list[dict], known: dict[str, str]) -> list[dict]:
    """What is compared: each call once, without what either side makes up."""
    kept: list[dict] = []
    for call in recorded:
        operation = call.get("operation")
        # Looking for something that is not there, a token before the credentials, a question who somebody is.
        if operation in ("imds", "imds:token", "sts:GetCallerIdentity"):
            continue
        call = {key: normal(value, known) for key, value in call.items() if key != "service"}
        if "session" in call:
            call["session"] = MADE_UP_SESSIONS.sub("(made up)", call["session"])
        if call not in kept:
            kept.append(call)
    return kept


def normal(value, known: dict[str, str]):
    if not isinstance(value, str):
        return value
    return value.replace(known["server"], "SERVER").replace(f":{known['port']}", ":PORT").removesuffix("/")


# ---- judging -------------------------------------------------------------------------------------------------------


class Result:
    """A case and both its ends."""

    def __init__(self, case: dict, boto3: dict, ours: dict):
        self.name, self.case, self.boto3, self.ours = case["name"], case, boto3, ours
        self.difference = self._difference()

    def _difference(self) -> str:
        boto3, ours = self.boto3, self.ours
        refused = ours["code"] in (77, 78)
        if boto3["found"] and ours["found"]:
            return differing(boto3["calls"], ours["calls"])
        if boto3["found"]:
            return f"refused ({ours['code']})" if refused else f"fails ({ours['code']})"
        if ours["found"]:
            return f"found, where boto3 fails ({boto3['said'].partition(':')[0]})"
        # 69 is for the case alone that says why: something answers in the endpoint's place, and a retry may help.
        if ours["code"] not in ((69,) if "unavailable" in self.case else (77, 78)):
            return f"both fail, here with {ours['code']}"
        if missing := [word for word in self.case.get("names", []) if word not in ours["said"]]:
            return f"both fail, unnamed: {', '.join(missing)}"
        return ""

    def show(self) -> None:
        """Prints both sides."""
        print(f"\n== {self.name}: {self.difference or 'equal'}")
        for side, ended in (("boto3", self.boto3), ("program", self.ours)):
            print(f"  {side} ({ended['code']}) {ended['said']}")
            for call in ended["calls"]:
                print("    ", json.dumps(call))


def differing(theirs: list[dict], ours: list[dict]) -> str:
    """The fields in which the calls differ, or how many there are of each operation."""
    operations = [[call["operation"] for call in side] for side in (theirs, ours)]
    if operations[0] != operations[1]:
        return f"calls {' '.join(operations[1])} instead of {' '.join(operations[0])}"
    fields = [field for one, other in zip(theirs, ours) for field in sorted({*one, *other}) if one.get(field) != other.get(field)]
    return ", ".join(dict.fromkeys(fields))


def report(results: list["Result"], seconds: float, is_whole: bool) -> int:
    """Prints what is to be said; returns the exit code."""
    known = tomllib.loads((HERE / "differences.toml").read_text(encoding="utf-8")).get("difference", [])
    problems, used, counts = [], set(), collections.Counter()
    anchors = set(re.findall(r'<a id="([^"]+)">', DOCUMENT.read_text(encoding="utf-8")))
    for result in results:
        rows = [row for row in known if any(fnmatch.fnmatchcase(result.name, pattern) for pattern in row["cases"])]
        rows = [row for row in rows if row["difference"] == result.difference]
        if not result.difference:
            counts["equal"] += 1
        elif rows:
            counts[rows[0]["status"]] += 1
            used |= {(known.index(rows[0]), pattern) for pattern in rows[0]["cases"] if fnmatch.fnmatchcase(result.name, pattern)}
        else:
            counts["not explained"] += 1
            problems.append(f"{result.name}: {result.difference}")
            with contextlib.suppress(BrokenPipeError):
                result.show()
    for place, row in enumerate(known):
        if is_whole and (unused := [pattern for pattern in row["cases"] if (place, pattern) not in used]):
            problems.append(f"differences.toml: no longer so, take it out: {row['difference']}: {', '.join(unused)}")
        if row["status"] == "explained" and row.get("compat_row") not in anchors:
            problems.append(f"differences.toml: docs/COMPATIBILITY.md has no row {row.get('compat_row')!r}")
        if row["status"] not in ("explained", "open"):
            problems.append(f"differences.toml: status {row['status']!r}")
    print(f"\nboto3 beside the program, {len(results)} cases in {seconds:.0f} s: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    for problem in problems:
        print(f"  {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
