"""The stub's embeddings: a vector that is a function of the text, so that a test can compute it."""

import base64
import hashlib
import struct

# Each element stems from one byte and is exact in a float32, in JSON and in Postgres alike.
_VALUES = [(2 * byte - 255) / 256 for byte in range(256)]
_JSON = [repr(value) for value in _VALUES]
# The four bytes of each value as little-endian float32, as tables for bytes.translate: the fastest
# way to make two thousand vectors in plain Python.
_PLANES = [bytes(plane) for plane in zip(*(struct.pack("<f", value) for value in _VALUES))]


def vector(text: str, dimensions: int) -> list[float]:
    """f(text): what the store has to hold."""
    return [_VALUES[byte] for byte in _seed(text, dimensions)]


def as_base64(text: str, dimensions: int) -> str:
    seed = _seed(text, dimensions)
    floats = bytearray(4 * dimensions)
    for plane, table in enumerate(_PLANES):
        floats[plane::4] = seed.translate(table)
    return base64.b64encode(floats).decode()


def as_json(text: str, dimensions: int) -> str:
    return "[" + ",".join([_JSON[byte] for byte in _seed(text, dimensions)]) + "]"


def relevance(question: str, text: str) -> float:
    """Returns what the stub says of a text to a question, from 0 to 1; no two texts have the same."""
    return int.from_bytes(_seed(f"{question}\n{text}", 4)) / 2**32


def _seed(text: str, dimensions: int) -> bytes:
    return hashlib.shake_128(text.encode()).digest(dimensions)


def same_base64(number: float, dimensions: int) -> str:
    """A vector of one number."""
    return base64.b64encode(struct.pack("<f", number) * dimensions).decode()
