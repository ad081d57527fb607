"""Whether the built site is whole: built.py DIRECTORY. Every page of the project is in it and found by its search, and nothing is fetched from elsewhere."""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOADED = re.compile(r'<(?:script|img|iframe)[^>]+src="(https?:)?//|<link[^>]+rel="stylesheet"[^>]+href="(https?:)?//')


def main() -> None:
    """Ends with a sentence about what is wrong, or prints what there is."""
    site = pathlib.Path(sys.argv[1])
    index = json.loads((site / "search" / "search_index.json").read_text())
    found = {entry["location"].split("#")[0] for entry in index["docs"]}
    pages = {f"docs/{page.stem}/" for page in (ROOT / "docs").glob("*.md")} | {"", "helm-snippets/"}
    if missing := pages - found:
        sys.exit(f"site: the search does not know {sorted(missing)}")
    files = list(site.rglob("*.html"))
    for page in files:
        if LOADED.search(page.read_text()):
            sys.exit(f"site: {page.relative_to(site)} loads something from another host")
    print(f"site: {len(files)} pages, {len(index['docs'])} entries in the search")


if __name__ == "__main__":
    main()
