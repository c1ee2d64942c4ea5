"""Other libraries that read documents, and the comparison with them. None is part of pgai_rs."""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Peer:
    """A library, the name by which peer.py knows it, and the file that pins it."""

    name: str
    reader: str
    requirements: str
    # False if it is what the documents' references are made with, so that only its time says something.
    is_scored: bool = True

    @property
    def title(self) -> str:
        """The name, with the version that stands first in the requirements."""
        return f"{self.name} {self.pins.read_text().splitlines()[0].rpartition('==')[2]}"

    @property
    def pins(self) -> Path:
        return HERE / self.requirements


# pgai reads PDFs with pymupdf4llm 0.0.24, or with Docling.
PEERS = [
    Peer("pymupdf's plain text", "pymupdf", "peer_pymupdf.txt", is_scored=False),
    Peer("markitdown", "markitdown", "peer_markitdown.txt"),
    Peer("pymupdf4llm", "pymupdf4llm", "peer_pymupdf4llm.txt"),
    Peer("docling", "docling", "peer_docling.txt"),
]
