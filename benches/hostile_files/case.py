"""A hostile document, and what may come of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Expected(Enum):
    """The outcomes of a document that are right."""

    # It is whole, whatever its name says: its words come out.
    TEXT = "text"
    # Nothing of its content is left: any text is made up.
    REFUSAL = "refusal"
    # Words may be left; if text comes out, some of them are in it.
    SOME = "some"
    # It has words of its own: text or a refusal.
    EITHER = "either"


@dataclass(frozen=True)
class Whole:
    """A type of document, and a document of it that nothing is wrong with."""

    # The variant of `Kind` in the parser.
    kind: str
    # The ending of names of such files.
    ending: str
    make: Callable[[], bytes]
    # The parser knows it by its first bytes, not by its name.
    binary: bool
    # Compressed, or otherwise such that its words cannot be read in its bytes.
    opaque: bool = False


@dataclass(frozen=True)
class Case:
    """A document that is given to the parser."""

    kind: str
    harm: str
    name: str
    make: Callable[[], bytes]
    expected: Expected

    @property
    def title(self) -> str:
        """Returns a name by which it is found again."""
        return f"{self.kind}/{self.harm}"
