"""Puts the pages of the project together for mkdocs: stage.py DIRECTORY.

The pages are written for a forge, which shows README.md of a directory, links to directories and to source files, and takes fences with
words behind the language. mkdocs has none of these, so here the README becomes the index, a linked directory becomes a page with its
files in full, and a fence keeps its language alone. Every linked file is copied. A link to nothing is left as it is: mkdocs refuses it.
"""

import pathlib
import re
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")
FENCE = re.compile(r"^(\s*)```(\w+)[^\n`]*$", re.M)
LANGUAGES = {".j2": "jinja", ".yaml": "yaml", ".yml": "yaml", ".sh": "sh", ".json": "json", "": "text"}


class Stage:
    """What is already there, so that pages that link to each other end."""

    def __init__(self, target: pathlib.Path) -> None:
        self.target = target
        self.done: set[pathlib.Path] = set()

    def page(self, source: pathlib.Path) -> None:
        """One page of Markdown and whatever it links to."""
        if source in self.done:
            return
        self.done.add(source)
        text = FENCE.sub(r"\1```\2", source.read_text())
        self.write(source, LINK.sub(lambda link: link[1] + self.linked(source, link[2]) + link[3], text))

    def linked(self, source: pathlib.Path, link: str) -> str:
        """The link as mkdocs needs it."""
        if "://" in link:
            return link
        path = (source.parent / link).resolve()
        if path == ROOT / "README.md":
            return link.removesuffix("README.md") + "index.md"
        if path.is_dir():
            self.directory(path)
            return link.rstrip("/") + "/index.md"
        if path.suffix == ".md" and path.exists():
            self.page(path)
        elif path.is_file():
            place = self.place(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        return link

    def directory(self, path: pathlib.Path) -> None:
        """A page with each file of a directory."""
        if path in self.done:
            return
        self.done.add(path)
        name = path.relative_to(ROOT)
        parts = [f"# {name}"]
        for file in sorted(entry for entry in path.iterdir() if entry.is_file()):
            text = file.read_text()
            fence = "`" * max(4, *(len(ticks) + 1 for ticks in re.findall("`+", text)), 4)
            parts.append(f"## {file.name}\n\n{fence}{LANGUAGES.get(file.suffix, 'text')}\n{text.rstrip()}\n{fence}")
        self.write(path / "index.md", "\n\n".join(parts) + "\n")

    def place(self, source: pathlib.Path) -> pathlib.Path:
        """Where a file of the project goes."""
        return self.target / source.relative_to(ROOT)

    def write(self, source: pathlib.Path, text: str) -> None:
        """A page; the README of the project is the index."""
        place = self.target / "index.md" if source == ROOT / "README.md" else self.place(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def main() -> None:
    """Stages everything that the README leads to, and every page of docs/."""
    target = pathlib.Path(sys.argv[1]).resolve()
    shutil.rmtree(target, ignore_errors=True)
    stage = Stage(target)
    stage.page(ROOT / "README.md")
    for page in sorted((ROOT / "docs").glob("*.md")):
        stage.page(page)
    # Plots and pictures that no Markdown link names by a plain path.
    for folder in ("docs/performance", "docs/pictures"):
        for image in (ROOT / folder).glob("*.svg"):
            place = stage.place(image)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(image, place)


if __name__ == "__main__":
    main()
