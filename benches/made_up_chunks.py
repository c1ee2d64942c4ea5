"""Chunks that are made up, quickly: words as rare and as common as those of a language, and vectors around a thousand points.

A word is about as common as the inverse of its number (Zipf's law). A vector is one of a thousand points with noise around it,
as chunks about the same things have vectors that are near each other; the noise is one of a few thousand, added in C.
"""

import itertools
import random
import struct
from array import array
from collections.abc import Iterator
from operator import add

DIMENSIONS = 384
POINTS = 1_000
NOISES = 5_000
WORDS = 20_000
# The beginning and the end of what COPY reads in its binary format.
HEAD = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
END = struct.pack(">h", -1)


class Chunks:
    """A source of made-up texts and vectors, the same ones for the same seed."""

    def __init__(self, seed: int):
        self._chance = random.Random(seed)
        self._points = [self._normal(1) for _ in range(POINTS)]
        self._noises = [self._normal(0.5) for _ in range(NOISES)]
        self._words = [f"w{number}" for number in range(1, WORDS + 1)]
        self._weights = list(itertools.accumulate(1 / number for number in range(1, WORDS + 1)))

    def _normal(self, spread: float) -> list[float]:
        return [self._chance.gauss(0, spread) for _ in range(DIMENSIONS)]

    def text(self, words: int) -> str:
        return " ".join(self._chance.choices(self._words, cum_weights=self._weights, k=words))

    def vector(self) -> array:
        return array("f", map(add, self._chance.choice(self._points), self._chance.choice(self._noises)))

    def rows(self, count: int, words: int) -> Iterator[bytes]:
        """Rows of (id int4, chunk_seq int4, chunk text, embedding vector) as COPY reads them in its binary format."""
        yield HEAD
        for id in range(count):
            text, vector = self.text(words).encode(), self.vector()
            # The network's order of bytes.
            vector.byteswap()
            numbers = struct.pack(">hh", DIMENSIONS, 0) + vector.tobytes()
            yield b"".join((
                struct.pack(">hiiiii", 4, 4, id, 4, 0, len(text)), text, struct.pack(">i", len(numbers)), numbers,
            ))
        yield END
