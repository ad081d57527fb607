"""How large an image is: scripts/image-size.py OCI_ARCHIVE NAME.

Raw is what its files take, compressed what a node pulls. Ends with 1 above the goal.
"""

import gzip
import io
import json
import sys
import tarfile

# Compressed: 4.0 for what 0.2.0 did; the refresh, publish-index and the calls of AWS that they need have taken 0.2 more, and 0.3 the assembler
# of aws-lc (.cargo/config.toml), which takes 8 of 107 ms off a run of 100 connections.
GOAL = {"raw": 9.4, "compressed": 4.5}


def main() -> None:
    archive, name = sys.argv[1:]
    with tarfile.open(archive) as image:

        def blob(digest: str) -> bytes:
            return image.extractfile(f"blobs/{digest.replace(':', '/')}").read()

        index = json.load(image.extractfile("index.json"))
        manifest = json.loads(blob(index["manifests"][0]["digest"]))
        layers = [blob(layer["digest"]) for layer in manifest["layers"]]
    raw = compressed = 0
    files = []
    for layer in layers:
        plain = gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer
        compressed += len(gzip.compress(plain, 9, mtime=0))
        with tarfile.open(fileobj=io.BytesIO(plain)) as content:
            for member in content:
                raw += member.size
                if member.isfile():
                    files.append(f"{member.name} {member.size:,}")
    sizes = {"raw": raw / 2**20, "compressed": compressed / 2**20}
    print(f"{name}: " + ", ".join(f"{size:.2f} MiB {what} (goal {GOAL[what]:g})" for what, size in sizes.items()))
    print("  " + "; ".join(files) + " bytes")
    if any(sizes[what] > goal for what, goal in GOAL.items()):
        sys.exit("image-size: larger than the goal")


main()
