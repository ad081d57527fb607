"""What programs read in an environment file that a container, or a shell, starts with.

    read(reader, path) -> {name: value}
    env_readers.py READER FILE      prints the same as a JSON object

READER is one of

    podman-compose  a service's `env_file` in podman-compose, by podman-compose's own functions (python-dotenv's)
    bash, dash      `set -a; . FILE` in that shell

Values may refer to variables of this process's environment, as they may to those of each program's. A name
without a value is left out. A shell that stops in the file raises CalledProcessError; podman-compose only warns of
a line that it can't read, and leaves it out.
"""

import json
import os
import subprocess
import sys

READERS = ("podman-compose", "bash", "dash")


def read(reader: str, path: str) -> dict[str, str]:
    if reader == "podman-compose":
        return _podman_compose(path)
    if reader in ("bash", "dash"):
        before = _shell(reader, os.devnull)
        return {name: value for name, value in _shell(reader, path).items() if before.get(name) != value}
    raise ValueError(f"unknown reader {reader!r}: one of {', '.join(READERS)}")


def _podman_compose(path: str) -> dict[str, str]:
    import podman_compose

    # Each of these is the word after a `-e` of `podman run`.
    words = podman_compose.norm_as_list(podman_compose.dotenv_to_dict(path))
    return dict(word.split("=", 1) for word in words if "=" in word)


def _shell(shell: str, path: str) -> dict[str, str]:
    """The whole environment of a program that the shell runs after it has read the file."""
    script = 'set -a; . "$1"; exec env -0'
    done = subprocess.run([shell, "-ec", script, shell, os.path.abspath(path)], stdout=subprocess.PIPE, check=True)
    pairs = (entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry)
    return {name: value for name, value in pairs if name != "_"}


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in READERS:
        sys.exit(f"usage: env_readers.py {'|'.join(READERS)} FILE")
    json.dump(read(sys.argv[1], sys.argv[2]), sys.stdout)
    print()


if __name__ == "__main__":
    main()
