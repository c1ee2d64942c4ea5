"""Documents that were made to be a trap: nested deep, blown up, encrypted, without an end."""

import random
from collections.abc import Callable, Iterable

from . import bombs, nested, sealed
from .case import Case, Expected

# A type, the harm, the name of the file, what is made.
Trap = tuple[str, str, str, Callable[[], bytes]]


def traps(seed: int) -> list[Case]:
    """Returns all traps."""
    noise = random.Random(f"{seed} noise")
    made = list(_cases([*nested.NESTED, *bombs.BOMBS], Expected.EITHER))
    return made + list(_cases(sealed.SEALED, Expected.REFUSAL)) + list(_signatures(noise))


def _cases(found: Iterable[Trap], expected: Expected) -> Iterable[Case]:
    for kind, harm, name, make in found:
        yield Case(kind, harm, name, make, expected)


# Types that are none of ours, under names that are.
FOREIGN = {
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "elf": b"\x7fELF\2\1\1\0",
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0",
    "sqlite": b"SQLite format 3\0",
    "mp4": b"\0\0\0\x18ftypmp42",
}


def _signatures(dice: random.Random) -> Iterable[Case]:
    for name, head in FOREIGN.items():
        content = head + bytes(16) + dice.randbytes(20_000)
        for kind, ending in [("Text", "txt"), ("Pdf", "pdf"), ("Markdown", "md"), ("Csv", "csv")]:
            yield Case(kind, f"is-{name}", f"report.{ending}", lambda content=content: content, Expected.REFUSAL)
