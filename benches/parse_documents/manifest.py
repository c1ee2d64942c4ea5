"""The documents that are measured: benches/documents/*.json lists them, and the packages that they are in."""

import json
from dataclasses import dataclass
from pathlib import Path

MANIFESTS = Path(__file__).parents[1] / "documents"
FLOORS = MANIFESTS / "floors.json"


@dataclass(frozen=True)
class Package:
    """A file of a registry."""

    registry: str
    name: str
    version: str
    sha256: str

    @property
    def title(self) -> str:
        return f"{self.registry}:{self.name} {self.version}"


@dataclass(frozen=True)
class Document:
    """A file in the archive of a package."""

    package: Package
    path: str
    kind: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def title(self) -> str:
        return f"{self.package.name}/{self.path}"


def documents() -> list[Document]:
    """Returns the documents of all manifests, each once."""
    found = {}
    for manifest in sorted(MANIFESTS.glob("*.json")):
        if manifest == FLOORS:
            continue
        for entry in json.loads(manifest.read_text()):
            document = Document(Package(**entry["package"]), entry["path"], entry["kind"])
            found[document.package, document.path] = document
    return list(found.values())
