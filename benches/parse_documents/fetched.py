"""The documents on this machine: those whose packages could be had."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from pgai_dev import places

from . import archives, registries
from .manifest import Document, documents


@dataclass(frozen=True)
class Fetched:
    """A document, and the file that it is in."""

    document: Document
    file: Path


def fetched(kinds: set[str] | None = None) -> tuple[list[Fetched], list[str]]:
    """Returns the documents of these types, or of all, that could be had, and what could not, and why."""
    by_package = defaultdict(list)
    for document in documents():
        if kinds is None or document.kind in kinds:
            by_package[document.package].append(document)
    found, missing = [], []
    for package, wanted in by_package.items():
        folder = places.CACHE / "bench-documents" / "files" / package.sha256
        files = {document.path: folder / document.path for document in wanted}
        absent = {path: file for path, file in files.items() if not file.exists()}
        try:
            if absent:
                for path in archives.extract(registries.fetch(package), absent):
                    missing.append(f"{package.title}: {path} is not in it")
        except (registries.Unavailable, archives.Refused) as problem:
            missing.append(f"{package.title}, {len(wanted)} documents: {problem}")
        found += [Fetched(document, files[document.path]) for document in wanted if files[document.path].exists()]
    return found, missing
