"""Word's and PowerPoint's documents of before 2007, by their records: the text alone."""

import re
import struct
from pathlib import Path

import olefile

from .found import Found

# Word's signs for the end of a cell, a line, a page; and for what stands in its place.
MARKS = re.compile(r"[\x00-\x08\x0b-\x1f]")
# A field's instruction lies between its beginning and its separator, or its end if it shows nothing.
INSTRUCTION = re.compile("\x13[^\x13\x14\x15]*\x14?")
FLAG_TABLE, FLAG_COMPRESSED = 0x0200, 0x40000000
# PowerPoint's records: containers have version 15; text in UTF-16, and in Latin-1.
CONTAINER, MAIN_MASTER, TEXT_CHARS, TEXT_BYTES = 0xF, 1016, 4000, 4008


def read_doc(file: Path, _package: str) -> Found:
    with olefile.OleFileIO(file) as parts:
        document = parts.openstream("WordDocument").read()
        [flags] = struct.unpack_from("<H", document, 10)
        table = parts.openstream("1Table" if flags & FLAG_TABLE else "0Table").read()
    [main] = struct.unpack_from("<i", document, 0x4C)
    offset, size = struct.unpack_from("<II", document, 0x01A2)
    text = "".join(_pieces(document, table[offset : offset + size]))[:main]
    return Found([MARKS.sub("\n", INSTRUCTION.sub("", text))])


def _pieces(document: bytes, structure: bytes):
    """Yields the pieces of the text, which lie anywhere in the document."""
    place = 0
    # Runs of properties come first.
    while structure[place] == 1:
        place += 3 + struct.unpack_from("<H", structure, place + 1)[0]
    [size] = struct.unpack_from("<I", structure, place + 1)
    place += 5
    count = (size - 4) // 12
    starts = struct.unpack_from(f"<{count + 1}I", structure, place)
    for number in range(count):
        [at] = struct.unpack_from("<I", structure, place + 4 * (count + 1) + 8 * number + 2)
        length = starts[number + 1] - starts[number]
        if at & FLAG_COMPRESSED:
            at = (at & ~FLAG_COMPRESSED) // 2
            yield document[at : at + length].decode("cp1252", "replace")
        else:
            yield document[at : at + 2 * length].decode("utf-16-le", "replace")


def read_ppt(file: Path, _package: str) -> Found:
    with olefile.OleFileIO(file) as parts:
        stream = parts.openstream("PowerPoint Document").read()
    return Found(["\n".join(dict.fromkeys(_texts(stream, 0, len(stream))))])


def _texts(stream: bytes, place: int, end: int):
    while place + 8 <= end:
        version, kind, size = struct.unpack_from("<HHI", stream, place)
        place += 8
        content = stream[place : place + size]
        # Masters have prompts, which nobody sees.
        if version & 0xF == CONTAINER and kind != MAIN_MASTER:
            yield from _texts(stream, place, min(place + size, end))
        elif kind == TEXT_CHARS:
            yield MARKS.sub("\n", content.decode("utf-16-le", "replace"))
        elif kind == TEXT_BYTES:
            yield MARKS.sub("\n", content.decode("latin-1"))
        place += size
