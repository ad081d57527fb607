#!/usr/bin/env python3.11
"""Does any secret survive each format? Random texts go in, and the format's real reader must give them back.

    survive.py --bin PROGRAM [--cases N] [--seed S] [--go-readers PROGRAM] [--podman-image IMAGE]

Runs inside the environment of requirements-formats.txt. Texts are variables of a file store; a template writes them in a
format, or the program's own env file holds them; readers.py and env_readers.py read the file. What a format can't carry
is said here once more, by other code than the program's: such a text must make the run end with 65, or be left out of the
env file. Prints a line for each format and reader; exits with 1 if any text differs.
"""

import argparse
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import env_readers
import readers

ATOMS = [
    *"abcXYZ019", " ", "\t", "\n", "\r", "\r\n", '"', "'", "`", "\\", "#", ";", "!", "%", "$", "&", "=", ":", "{", "}", "[", "]",
    "(", ")", "<", ">", "@", "/", "?", ",", "*", "-", "_", "~", "|", "^", "+", " #", " ;", "\x01", "\x07", "\x08", "\x0b", "\x0c",
    "\x1b", "\x1c", "\x7f", "\x80", "\x85", "\xa0", "é", "ß", "\u2028", "\u2029", "\u200b", "\u3000", "\ufeff", "\ufffe", "\uffff",
    "漢", "😀", "\U0010ffff", "${HOME}", "$HOME", "${X:-d}", "$(id)", "$$", "\\n", "\\u0041", "\\'", '\\"', "%(a)s", "%%", "{{ x }}",
    "{% x %}", "{# x #}", "-----BEGIN KEY-----\nMIIB\n-----END KEY-----\n", "]]>", "<!--", "&amp;", "export ", "\nA=1\n",
]
WHOLE = [
    "*", "#x", "yes", "no", "null", "~", "12", "0123", "0x1f", "1e5", "1.0", "2020-01-01", "true", "- a", "a: b", "[s]", "machine",
    "!tag", "&a", "{}", "[]", "''", '""', "p@ss:w/ord?x=%20", "a\\", "\\", "\\\\", "::", "postgresql://u:p@h:5432/d?x=1",
    '{"a": "b\\n"}', " x", "x ", "\tx", "=", "<<", "inf", "nan", "NO", "On",
]
PY_SPACE = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"


def text(choice: random.Random) -> str:
    """A text as nobody would like to get it. Not empty: AWS has no empty secrets."""
    if choice.random() < 0.1:
        return choice.choice(WHOLE)
    mild = choice.random() < 0.5
    atoms = [atom for atom in ATOMS if not set(atom) & set("\n\r\0")] if mild else ATOMS
    return "".join(choice.choice(atoms) for _ in range(choice.choice([1, 2, 3, 4, 6, 8, 12, 20])))


# --- what a format can't carry --------------------------------------------------------------------------------------


def anything(_: str) -> bool:
    return True


def no_line_break(value: str) -> bool:
    return not re.search(r"[\n\r\0]", value)


def ini(value: str) -> bool:
    at_an_end = re.search(f"^[{PY_SPACE}]|[{PY_SPACE}]$", value)
    return no_line_break(value) and not at_an_end and not re.search(r"[ \t][#;]", value)


def xml_text(value: str) -> bool:
    return not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", value)


def env_of_compose(value: str) -> bool:
    odd_tail = (len(value) - len(value.rstrip("\\"))) % 2 == 1
    return "\0" not in value and not ("`" in value and ("'" in value or odd_tail))


def env_of_podman_compose(value: str) -> bool:
    """What python-dotenv reads as well: see the table in docs/ENV-FILE.md."""
    expanded = re.search(r"\$\{[^}:]*(?::-[^}]*)?\}", value)
    needs_double = "'" in value or "\\\\" in value or value.endswith("\\")
    bare = re.fullmatch(r"[A-Za-z0-9_./:@%+,=-]*", value)
    after = set(" \t\n%&')+,./:;<=>]^|}~\"\\")
    dollar = any(c == "$" and i + 1 < len(value) and value[i + 1] not in after for i, c in enumerate(value))
    if bare or not env_of_compose(value) or "\r" in value:
        return bool(bare)
    return (not needs_double and not expanded) or ("`" not in value and not dollar)


def env_list(value: str) -> bool:
    return not re.search(r"[\n\0]", value) and not value.endswith("\r")


# --- readers --------------------------------------------------------------------------------------------------------


def of_section(reader):
    return lambda file: reader(file)["s"]


def pgpass(file: pathlib.Path) -> dict:
    keys = [line.split(":")[3] for line in file.read_text(encoding="utf-8").split("\n") if line]
    said = readers.pgpass(file, [("h", "5432", "d", key) for key in keys])
    return {place.partition("@")[0]: heard["password"] for place, heard in said.items()}


def netrc(file: pathlib.Path) -> dict:
    return {host: words["password"] for host, words in readers.netrc_file(file).items()}


def xml_file(file: pathlib.Path) -> dict:
    root = xml.etree.ElementTree.fromstring(file.read_text(encoding="utf-8"))
    both = {one.tag: (one.text or "", one.get("a")) for one in root}
    assert all(inside == attribute for inside, attribute in both.values()), "an attribute differs from a text"
    return {key: inside for key, (inside, _) in both.items()}


def env_by(reader: str):
    return lambda file: env_readers.read(reader, str(file))


LOOP = "{%% for key, value in variables.items() %%}\n%s\n{%% endfor %%}\n"
SECTION = "[s]\n" + LOOP

# Name of the target, template, what it can carry, readers, and how many texts the readers can be given at once.
FORMATS = [
    ("all.json", "{{ variables }}\n", anything, {"json": readers.json_file}, None),
    ("all.yaml", LOOP % "{{ key }}: {{ value }}", anything, {"PyYAML": readers.yaml}, None),
    ("filter.txt", LOOP % "{{ key }}: {{ value | yaml }}", anything, {"PyYAML": readers.yaml}, None),
    ("all.toml", LOOP % "{{ key }} = {{ value }}", anything, {"tomllib": readers.toml}, None),
    ("all.xml", "<all>" + LOOP % '<{{ key }} a="{{ value }}">{{ value }}</{{ key }}>' + "</all>\n", xml_text, {"expat": xml_file}, None),
    ("all.properties", LOOP % "{{ key }} = {{ value }}", anything, {"javaproperties": readers.properties}, None),
    ("all.ini", SECTION % "{{ key }} = {{ value | ini }}", ini, {"RawConfigParser": of_section(readers.ini)}, None),
    ("percent.ini", SECTION % "{{ key }} = {{ value | ini(interpolation=true) }}", ini,
     {"ConfigParser": of_section(readers.ini_interpolated)}, None),
    ("credentials", LOOP % "[{{ key }}]\naws_access_key_id = A\naws_secret_access_key = {{ value | ini }}", ini,
     {"boto3": lambda file: {key: said["secret_key"] for key, said in readers.aws_credentials(file).items()}}, 200),
    ("pip.conf", SECTION % "{{ key }} = {{ value | ini }}", ini,
     {"pip": lambda file: {key[2:]: value for key, value in readers.pip_conf(file).items()}}, None),
    ("odbc.ini", SECTION % "{{ key }} = {{ value | ini }}", ini, {"libodbcinst": of_section(readers.odbc)}, 50),
    ("pg_service.conf", LOOP % "[{{ key }}]\npassword={{ value | ini }}", ini,
     {"libpq": lambda file: {key: said["password"] for key, said in readers.pg_service(file).items()}}, 50),
    ("pgpass", LOOP % "h:5432:d:{{ key | pgpass }}:{{ value | pgpass }}", no_line_break, {"libpq": pgpass}, 200),
    ("netrc", LOOP % "machine {{ key }} login l password {{ value | netrc }}", no_line_break, {"Python netrc": netrc}, None),
    ("all.sh", LOOP % "{{ key }}={{ value }}", anything, {"bash": env_by("bash"), "dash": env_by("dash")}, None),
    ("all.env", LOOP % "{{ key }}={{ value }}", env_of_compose, {"bash": env_by("bash"), "dash": env_by("dash")}, None),
    ("podman.env", LOOP % "{{ key }}={{ value }}", env_of_podman_compose, {"podman-compose": env_by("podman-compose")}, None),
    ("quoted.txt", LOOP % "{{ key }}={{ value | dotenv_quote }}", env_of_compose, {"bash": env_by("bash")}, None),
]
# The program's own env file: which texts it must hold, and by whom it is read.
ENV_FILES = [
    ("airflow.env", env_of_compose, {"bash": env_by("bash"), "dash": env_by("dash")}),
    ("podman.env", env_of_podman_compose, {"podman-compose": env_by("podman-compose")}),
]


class Bench:
    """Runs the program on texts and compares what comes back."""

    def __init__(self, program: str, directory: pathlib.Path) -> None:
        self.program, self.directory, self.failed = program, directory, False

    def run(self, texts: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
        """The program with these texts as variables."""
        store = self.directory / "secrets.json"
        own = {f"airflow/variables/{key}": value for key, value in texts.items()}
        store.write_text(json.dumps({"own": own}), encoding="ascii")
        settings = ["--store", f"file:{store}", "--backend-kwargs", "{}", "--connections-file", "none"]
        return subprocess.run([self.program, *settings, *arguments], env={}, capture_output=True, check=False)

    def template(self, name: str, body: str, texts: dict[str, str]) -> tuple[int, pathlib.Path]:
        """A rendered template, and how the run ended."""
        source, target = self.directory / "template.j2", self.directory / name
        source.write_text('---\nmode: "0400"\n---\n' + body, encoding="utf-8")
        target.unlink(missing_ok=True)
        return self.run(texts, "--template", f"{source}={target}").returncode, target

    def compare(self, what: str, reader: str, expected: dict, said: dict) -> None:
        """Notes what differs, by place and not by text."""
        wrong = [key for key, value in expected.items() if said.get(key) != value]
        if wrong or said.keys() - expected.keys():
            self.failed = True
            print(f"{what}: {reader}: {len(wrong)} of {len(expected)} differ, first {wrong[:3]}")
            for key in wrong[:3]:
                print(f"  {expected[key]!r} came back as {said.get(key)!r}")


def main() -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bin", required=True, type=os.path.abspath)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--go-readers", type=os.path.abspath, help="tests/formats/go_readers, built: what docker and compose read with")
    parser.add_argument("--podman-image", help="an image of go_readers alone: podman run --env-file")
    options = parser.parse_args()
    print(f"survive.py: seed {options.seed}, {options.cases} texts for each format")
    # Names that texts refer to: what is expanded shows.
    os.environ.update({name: f"EXPANDED{name}" for name in ("HOME", "X", "a", "A")})
    choice = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(options.bin, pathlib.Path(directory))
        more_readers(options.go_readers, options.podman_image)
        for name, body, fits, by, at_once in FORMATS:
            check_template(bench, name, body, fits, by, [text(choice) for _ in range(min(options.cases, at_once or options.cases))])
        for name, fits, by in ENV_FILES:
            check_env_file(bench, name, fits, by, [text(choice) for _ in range(options.cases)])
    return 1 if bench.failed else 0


def more_readers(go_readers: str | None, podman_image: str | None) -> None:
    """Adds the readers that are not in the environment of the others."""

    def by(*command: str):
        def read(file: pathlib.Path) -> dict:
            words = [str(file) if word == "FILE" else word for word in command]
            return json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)

        return read

    lists = {}
    if go_readers:
        for name, _, _, readers_of, _ in FORMATS:
            if name == "all.env":
                readers_of["docker compose"] = by(go_readers, "compose", "FILE")
        ENV_FILES[0][2]["docker compose"] = by(go_readers, "compose", "FILE")
        lists |= {"docker --env-file": by(go_readers, "docker", "FILE"), "compose raw": by(go_readers, "compose-raw", "FILE")}
    if podman_image:
        run = by("podman", "run", "--rm", "--network=none", "--env-file", "FILE", podman_image, "environ")
        # A container has variables of its own beside those of the file.
        lists["podman --env-file"] = lambda file: {key: value for key, value in run(file).items() if key.startswith("AIRFLOW_")}
    if lists:
        ENV_FILES.append(("airflow.list", env_list, lists))


def check_template(bench: Bench, name: str, body: str, fits, by: dict, texts: list[str]) -> None:
    """Everything that fits comes back from every reader; what does not fit ends the run."""
    carried = {f"k{i}": value for i, value in enumerate(texts) if fits(value)}
    code, file = bench.template(name, body, carried)
    if code != 0:
        bench.failed = True
        print(f"{name}: the run ended with {code}")
        return
    for reader, read in by.items():
        bench.compare(name, reader, carried, read(file))
    # For podman-compose alone a text may still be written: other readers of the format take it.
    refused = [value for value in texts if not fits(value)][:20] if name != "podman.env" else []
    for value in refused:
        code, file = bench.template(name, body, {"k": value})
        if code != 65 or file.exists():
            bench.failed = True
            print(f"{name}: {value!r} should end the run with 65, and it ended with {code}")
    print(f"{name:16} {', '.join(by):32} {len(carried):6} equal, {len(refused)} refused")


def check_env_file(bench: Bench, name: str, fits, by: dict, texts: list[str]) -> None:
    """The env file holds what fits and nothing else."""
    file = bench.directory / name
    texts = [value for value in texts if fits(value)] if name == "podman.env" else texts
    code = bench.run({f"k{i}": value for i, value in enumerate(texts)}, "--airflow-env-file", str(file)).returncode
    carried = {f"AIRFLOW_VAR_K{i}": value for i, value in enumerate(texts) if fits(value)}
    if code != 0:
        bench.failed = True
        print(f"{name}: the run ended with {code}")
        return
    for reader, read in by.items():
        bench.compare(name, reader, carried, read(file))
    print(f"{name:16} {', '.join(by):32} {len(carried):6} equal, {len(texts) - len(carried)} left out")


if __name__ == "__main__":
    sys.exit(main())
