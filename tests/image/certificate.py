"""A CA of a test's own, and a certificate of it."""

import pathlib
import subprocess


def certificate(work: pathlib.Path, names: list[str]) -> tuple[pathlib.Path, pathlib.Path, pathlib.Path]:
    """Makes a CA, and a certificate of it for the names and the loopback, with its key."""
    ca, ca_key, leaf, key, request = (work / f"{name}.pem" for name in ["ca", "ca-key", "leaf", "key", "request"])
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *new_key, "-days", "2", "-subj", "/CN=ca", "-keyout", ca_key, "-out", ca)
    openssl("req", *new_key, "-subj", "/CN=leaf", "-keyout", key, "-out", request)
    settings = work / "names.cnf"
    settings.write_text("subjectAltName=" + ",".join([f"DNS:{name}" for name in names] + ["IP:127.0.0.1"]))
    signing = ["-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", settings]
    openssl("x509", "-req", "-in", request, *signing, "-out", leaf)
    ca.chmod(0o644)
    return ca, leaf, key


def openssl(*arguments: object) -> None:
    """Runs openssl, which has to succeed."""
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, stdin=subprocess.DEVNULL)
