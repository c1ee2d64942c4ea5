"""A book of Mobipocket: a Palm database of a header and the text, uncompressed."""

import struct

from . import plain

# The length of the header of Mobipocket, up to what ends the records.
MOBI = 232
UTF_8 = 65001
VERSION = 6
RECORD = 4096


def kindle() -> bytes:
    text = plain.html()
    pieces = [text[at : at + RECORD] for at in range(0, len(text), RECORD)]
    header = bytearray(16 + MOBI)
    struct.pack_into(">HxxIHH", header, 0, 1, len(text), len(pieces), RECORD)
    struct.pack_into(">4sIIII", header, 16, b"MOBI", MOBI, 2, UTF_8, 0)
    struct.pack_into(">I", header, 36, VERSION)
    return database([bytes(header), *pieces])


def database(records: list[bytes]) -> bytes:
    """Returns a Palm database of these records."""
    head = b"A book".ljust(32, b"\0") + bytes(28) + b"BOOKMOBI" + bytes(8) + struct.pack(">H", len(records))
    places, at = b"", len(head) + len(records) * 8 + 2
    for record in records:
        places += struct.pack(">II", at, 0)
        at += len(record)
    return head + places + bytes(2) + b"".join(records)
