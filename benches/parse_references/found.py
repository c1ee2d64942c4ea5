"""The findings of a reader in a document."""

from dataclasses import dataclass, field


@dataclass
class Found:
    # Texts each of which is right.
    texts: list[str]
    # Cells of tables, each with all its right spellings.
    cells: list[list[str]] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    pages: int | None = None


def flat(text: str) -> str:
    """Returns a text as one line."""
    return " ".join(text.split())
