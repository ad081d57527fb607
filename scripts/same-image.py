"""Whether two images have the same bytes: scripts/same-image.py FIRST.tar SECOND.tar (OCI archives).

Says which files differ where they have not.
"""

import io
import json
import sys
import tarfile


def main() -> None:
    """Compares configuration and layers, then the files of the layers that differ."""
    first, second = (Image(path) for path in sys.argv[1:])
    if first.manifest == second.manifest:
        print(f"same image from two builds: {first.manifest['config']['digest']}")
        return
    for at, (one, other) in enumerate(zip(first.manifest["layers"], second.manifest["layers"], strict=True)):
        if one["digest"] == other["digest"]:
            continue
        files, others = first.files(one["digest"]), second.files(other["digest"])
        for name in sorted(files.keys() | others.keys()):
            if files.get(name) != others.get(name):
                print(f"layer {at}: {name} differs", file=sys.stderr)
    if first.manifest["config"] != second.manifest["config"]:
        print("the configurations differ", file=sys.stderr)
    sys.exit("same-image: two builds of the same sources are not the same")


class Image:
    """An OCI archive."""

    def __init__(self, path: str) -> None:
        self.archive = tarfile.open(path)
        self.manifest = json.loads(self.blob(json.loads(self.read("index.json"))["manifests"][0]["digest"]))

    def read(self, name: str) -> bytes:
        return self.archive.extractfile(name).read()

    def blob(self, digest: str) -> bytes:
        return self.read(f"blobs/{digest.replace(':', '/')}")

    def files(self, digest: str) -> dict[str, tuple]:
        """What each file of a layer is, content included."""
        with tarfile.open(fileobj=io.BytesIO(self.blob(digest))) as layer:
            return {
                one.name: (
                    *(one.mode, one.uid, one.gid, one.mtime, one.linkname),
                    layer.extractfile(one).read() if one.isfile() else b"",
                )
                for one in layer
            }


main()
