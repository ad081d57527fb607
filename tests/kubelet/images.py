"""Images for containerd, made without a builder: one layer of a few files. What is large in them comes by hostPath."""

import hashlib
import io
import json
import pathlib
import platform
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
# As in Airflow's image: the user is known, its group is root's.
PASSWD = b"root:x:0:0:root:/root:/bin/sh\nairflow:x:50000:0:airflow:/home/airflow:/bin/sh\n"
PAUSE = "localhost/airflow-secrets-init/pause:e2e"


def pause(place: pathlib.Path, catatonit: str) -> None:
    """What holds a pod's namespaces."""
    layer = Layer()
    layer.file("catatonit", pathlib.Path(catatonit).read_bytes(), 0o755)
    archive(place, [PAUSE], layer, {"Entrypoint": ["/catatonit", "-P"]})


def airflow(place: pathlib.Path, references: set[str]) -> None:
    """In the place of Airflow's image, under all the names that pods have for it: its user, its home, and app.py. Python and Airflow are mounted over the empty directories."""
    layer = Layer()
    for name in ["proc", "sys", "dev", "run", "usr", "airflow", "etc", "app", "home/airflow"]:
        layer.directory(name, 0o755)
    layer.directory("tmp", 0o1777)
    layer.directory("opt", 0o755)
    layer.directory("opt/airflow", 0o775, 50000)
    for name in ["bin", "sbin", "lib", "lib64"]:
        layer.link(name, f"usr/{name}")
    layer.link("app/python", "/usr/bin/python3")
    layer.file("etc/passwd", PASSWD, 0o644)
    for name, file in [
        ("app.py", HERE / "app.py"),
        ("batch.py", HERE / "app.py"),
        ("read_connections.py", HERE.parent / "image/read_connections.py"),
    ]:
        layer.file(f"app/{name}", file.read_bytes(), 0o644)
    environment = ["PATH=/app:/usr/bin:/bin", "PYTHONPATH=/airflow", "AIRFLOW_HOME=/opt/airflow", "HOME=/home/airflow"]
    settings = {
        "Entrypoint": ["python", "/app/app.py"],
        "Env": environment,
        "User": "50000:0",
        "WorkingDir": "/opt/airflow",
    }
    archive(place, sorted(f"docker.io/{name}" for name in references), layer, settings)


class Layer:
    """A tar of what is put into it, the same bytes each time."""

    def __init__(self) -> None:
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w")

    def directory(self, name: str, mode: int, uid: int = 0) -> None:
        """A directory of root's group."""
        self.add(name, mode, type=tarfile.DIRTYPE, uid=uid)

    def link(self, name: str, target: str) -> None:
        """A symbolic link."""
        self.add(name, 0o777, type=tarfile.SYMTYPE, linkname=target)

    def file(self, name: str, content: bytes, mode: int) -> None:
        """A file of root's."""
        self.add(name, mode, content)

    def add(self, name: str, mode: int, content: bytes = b"", **fields) -> None:
        """A member of the tar."""
        member = tarfile.TarInfo(name)
        member.mode, member.size = mode, len(content)
        for field, value in fields.items():
            setattr(member, field, value)
        self.tar.addfile(member, io.BytesIO(content))

    def finished(self) -> bytes:
        """The whole of it."""
        self.tar.close()
        return self.bytes.getvalue()


def archive(place: pathlib.Path, references: list[str], layer: Layer, settings: dict) -> None:
    """Writes an archive as `docker save` does."""
    content = layer.finished()
    config = {
        "architecture": ARCHITECTURE,
        "os": "linux",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}"]},
    }
    config = json.dumps(config).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": references, "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(place, "w") as tar:
        for file, data in [(name, config), ("layer.tar", content), ("manifest.json", manifest)]:
            member = tarfile.TarInfo(file)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
