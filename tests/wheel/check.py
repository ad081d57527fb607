"""The wheel, the archives and the source distribution that scripts/dist made: check.py DIRECTORY.

In clean virtual environments of every Python at hand, and with real Airflow. Ends with a traceback at the first thing that is wrong.
"""

import glob
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIST = pathlib.Path(sys.argv[1]).resolve()
LIMIT = 6_000_000
MACHINES = {"x86_64": 62, "aarch64": 183}  # e_machine of ELF
HERE = os.uname().machine
AIRFLOWS = ["2.8.1", "3.3.2", "3.4.0b2"]

IMPORTS = """
import sys
before = set(sys.modules)
import airflow_secrets_init
new = set(sys.modules) - before
print(sorted(name for name in new if 'site-packages' in (getattr(sys.modules[name], '__file__', None) or '')))
assert dir(airflow_secrets_init) == ['LazyLocalFilesystemBackend'], dir(airflow_secrets_init)
try:
    airflow_secrets_init.nothing
except AttributeError as error:
    assert 'nothing' in str(error)
else:
    raise SystemExit('an attribute that is not there was given')
compile(open(airflow_secrets_init.__path__[0] + '/secrets_init_backend.py').read(), 'module', 'exec')
"""

LOOK_UP = """
import sys
from airflow.configuration import ensure_secrets_loaded
from airflow.models.connection import Connection
for conn_id in sys.argv[1:]:
    connection = Connection.get_connection_from_secrets(conn_id)
    print('found', conn_id, connection.conn_type, connection.host)
backend = type(ensure_secrets_loaded()[0])
print('found', backend.__module__, backend.__name__)
"""


def run(*command: object, ok: bool = True, **how: object) -> str:
    """Runs a command; gives its output, both streams."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **how)
    assert (done.returncode == 0) == ok, f"{words} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def elf(program: bytes, cpu: str) -> None:
    """A static program of this machine: no interpreter is asked for."""
    assert program[:4] == b"\x7fELF" and int.from_bytes(program[18:20], "little") == MACHINES[cpu], cpu
    offset, size, count = (int.from_bytes(program[a:b], "little") for a, b in ((32, 40), (54, 56), (56, 58)))
    kinds = [int.from_bytes(program[offset + size * i : offset + size * i + 4], "little") for i in range(count)]
    assert 3 not in kinds, f"{cpu}: the program needs a loader"


def contents() -> None:
    """Sizes, names, checksums, and one program in wheel and archive."""
    version = next(line.split('"')[1] for line in (ROOT / "Cargo.toml").read_text().splitlines() if line.startswith("version = "))
    listed = dict(reversed(line.split()) for line in (DIST / "SHA256SUMS").read_text().splitlines())
    there = {path.name for path in DIST.iterdir() if path.suffix in (".whl", ".gz")}
    assert set(listed) == there, (listed, there)
    assert all(hashlib.sha256((DIST / name).read_bytes()).hexdigest() == digest for name, digest in listed.items())
    wheels = sorted(DIST.glob("*.whl"))
    assert wheels
    for path in wheels:
        cpu = next(cpu for cpu in MACHINES if path.stem.endswith(cpu))
        assert path.name == f"airflow_secrets_init-{version}-py3-none-manylinux2014_{cpu}.manylinux_2_17_{cpu}.musllinux_1_1_{cpu}.whl", path
        assert path.stat().st_size < LIMIT, f"{path.name} has {path.stat().st_size:,} bytes"
        with zipfile.ZipFile(path) as wheel:
            info, scripts = f"airflow_secrets_init-{version}.dist-info", f"airflow_secrets_init-{version}.data/scripts"
            names = {f"airflow_secrets_init/{name}" for name in ("__init__.py", "py.typed", "secrets_init_backend.py")}
            names |= {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE")} | {f"{scripts}/airflow-secrets-init"}
            assert {entry.filename for entry in wheel.infolist()} == names, wheel.namelist()
            # One source for the module: what a run writes, and what the wheel has.
            assert wheel.read("airflow_secrets_init/secrets_init_backend.py") == (ROOT / "templates/secrets_init_backend.py").read_bytes()
            program = wheel.read(f"{scripts}/airflow-secrets-init")
            assert wheel.getinfo(f"{scripts}/airflow-secrets-init").external_attr >> 16 & 0o777 == 0o755
        elf(program, cpu)
        name = f"airflow-secrets-init-{version}-{cpu}-linux"
        with tarfile.open(DIST / f"{name}.tar.gz") as archive:
            members = {member.name: member for member in archive if member.isfile()}
            assert archive.extractfile(f"{name}/airflow-secrets-init").read() == program, "wheel and archive hold different programs"
        assert members[f"{name}/airflow-secrets-init"].mode == 0o755
        assert {f"{name}/{file}" for file in ("LICENSE", "README.md", "man/airflow-secrets-init.1")} <= set(members), sorted(members)
        print(f"{path.name}: {path.stat().st_size:,} bytes; {name}.tar.gz: {(DIST / f'{name}.tar.gz').stat().st_size:,}")


def pythons() -> dict[str, str]:
    """Every Python 3 at hand: version to path."""
    paths = glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python")) + [shutil.which(f"python3.{minor}") or "" for minor in range(7, 16)]
    found = {}
    for path in filter(None, paths):
        done = subprocess.run([path, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found.setdefault(done.stdout.strip(), path)
    return dict(sorted(found.items(), key=lambda item: [int(part) for part in item[0].split(".")]))


def installs(wheel: pathlib.Path, work: pathlib.Path) -> None:
    """In each Python from 3.8 on by its own pip, from this file alone; in an older one not at all."""
    for version, python in pythons().items():
        home = work / version
        run(python, "-m", "venv", home)
        pip = [home / "bin/python", "-m", "pip", "--disable-pip-version-check", "install", "--no-index", wheel]
        if [int(part) for part in version.split(".")] < [3, 8]:
            run(*pip, ok=False)
            print(f"Python {version}: refused")
            continue
        run(*pip)
        said = run(home / "bin/airflow-secrets-init", "--version")
        assert said.strip() == f"airflow-secrets-init {wheel.name.split('-')[1]}", said
        imported = run(home / "bin/python", "-c", IMPORTS).strip()
        assert imported == "['airflow_secrets_init']", imported
        listed = json.loads(run(home / "bin/python", "-m", "pip", "--disable-pip-version-check", "list", "--format", "json"))
        assert not {entry["name"] for entry in listed} - {"pip", "setuptools", "wheel", "airflow-secrets-init"}, listed
        print(f"Python {version}: {said.strip()}, nothing else installed or imported")


def with_airflow(wheel: pathlib.Path, work: pathlib.Path) -> None:
    """The wheel's program renders, and real Airflow reads by the wheel's class, named by its module."""
    made = run(sys.executable, ROOT / "tests/airflow/venv.py", *AIRFLOWS)
    for name, python in (line.split(" ", 1) for line in made.splitlines() if line[:1].isdigit()):
        home = work / f"airflow-{name}"
        run(python, "-m", "venv", home)
        site = pathlib.Path(run(home / "bin/python", "-c", "import site; print(site.getsitepackages()[0])").strip())
        # Airflow itself comes from the environment of the other tests, which stays as it is.
        (site / "airflow.pth").write_text(run(python, "-c", "import site; print(site.getsitepackages()[0])"))
        run(home / "bin/python", "-m", "pip", "--disable-pip-version-check", "install", "--no-index", "--no-deps", wheel)
        file = work / f"{name}.json"
        run(home / "bin/airflow-secrets-init", "--store", f"file:{ROOT}/examples/dev-secrets.yaml", "--connections-file", file, "--backend-kwargs", "{}")
        environment = {
            "PATH": "/usr/bin:/bin",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__SECRETS__BACKEND": "airflow_secrets_init.LazyLocalFilesystemBackend",
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(file)}),
        }
        said = run(home / "bin/python", "-c", LOOK_UP, "my_db", "warehouse", env=environment)
        found = [line for line in said.splitlines() if line.startswith("found ")]
        assert found == [
            "found my_db postgres db.internal",
            "found warehouse postgres warehouse.team.internal",
            "found airflow_secrets_init.secrets_init_backend LazyLocalFilesystemBackend",
        ], said
        # Without the file Airflow starts all the same: the class is in the image.
        file.unlink()
        run(home / "bin/python", "-c", "from airflow.configuration import ensure_secrets_loaded; ensure_secrets_loaded()", env=environment)
        print(f"Airflow {name}: finds connections by airflow_secrets_init.LazyLocalFilesystemBackend")


def source(work: pathlib.Path) -> None:
    """The source distribution builds by itself: unoptimised, with the dependencies that are compiled already."""
    archive = next(DIST.glob("airflow_secrets_init-*.tar.gz"))
    options = os.environ | {"MATURIN_PEP517_ARGS": "--profile dev", "CARGO_TARGET_DIR": str(ROOT / "target" / "sdist")}
    run(sys.executable, "-m", "venv", work / "sdist")
    run(work / "sdist/bin/python", "-m", "pip", "--disable-pip-version-check", "install", archive, env=options)
    said = run(work / "sdist/bin/airflow-secrets-init", "--version")
    run(work / "sdist/bin/python", "-c", IMPORTS)
    print(f"{archive.name}: {archive.stat().st_size:,} bytes; installed from source: {said.strip()}")


def main() -> None:
    """All of it; `--without-source` leaves out the one that compiles."""
    run(sys.executable, "-m", "twine", "check", "--strict", *DIST.glob("*.whl"), *DIST.glob("airflow_secrets_init-*.tar.gz"))
    contents()
    wheel = next(path for path in DIST.glob("*.whl") if path.stem.endswith(HERE))
    with tempfile.TemporaryDirectory() as place:
        work = pathlib.Path(place)
        installs(wheel, work)
        with_airflow(wheel, work)
        if "--without-source" not in sys.argv:
            source(work)


main()
