"""Whole documents that are compound files, the container of Office documents of before 2007."""

import struct

from .words import LONG

SECTOR = 512
# Streams below this size lie elsewhere, so that all of ours are filled up to it.
SMALLEST = 4096
FREE, END, TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD

Streams = dict[str, bytes]


def compound(streams: Streams) -> bytes:
    """Returns a compound file with these streams."""
    # Entries are sorted by the length of their name first.
    names = sorted(streams, key=lambda name: (len(name), name.upper()))
    contents = [_padded(streams[name].ljust(SMALLEST, b"\0")) for name in names]
    directory_sectors = -(-(len(names) + 1) * 128 // SECTOR)
    total = sum(len(content) // SECTOR for content in contents) + directory_sectors
    table_sectors = 1
    while table_sectors * (SECTOR // 4) < total + table_sectors:
        table_sectors += 1

    chains = [TABLE] * table_sectors + _chain(table_sectors, directory_sectors)
    starts = []
    for content in contents:
        starts.append(len(chains))
        chains += _chain(len(chains), len(content) // SECTOR)
    chains += [FREE] * (table_sectors * (SECTOR // 4) - len(chains))

    directory = _entry("Root Entry", 5, child=1 if names else FREE, start=END, size=0)
    for place, name in enumerate(names, 1):
        right = place + 1 if place < len(names) else FREE
        directory += _entry(name, 2, right=right, start=starts[place - 1], size=len(contents[place - 1]))
    directory = directory.ljust(directory_sectors * SECTOR, b"\0")
    return _header(table_sectors) + struct.pack(f"<{len(chains)}I", *chains) + directory + b"".join(contents)


def _chain(start: int, length: int) -> list[int]:
    return [*range(start + 1, start + length), END] if length else []


def _padded(content: bytes) -> bytes:
    return content.ljust(-(-len(content) // SECTOR) * SECTOR, b"\0")


def _header(table_sectors: int) -> bytes:
    tables = [*range(table_sectors)] + [FREE] * (109 - table_sectors)
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<IIIIIIIII", 0, table_sectors, table_sectors, 0, SMALLEST, END, 0, END, 0)
    return head + struct.pack("<109I", *tables)


def _entry(name: str, kind: int, right: int = FREE, child: int = FREE, start: int = 0, size: int = 0) -> bytes:
    encoded = name.encode("utf-16-le")
    head = encoded.ljust(64, b"\0") + struct.pack("<HBBIII", len(encoded) + 2, kind, 1, FREE, right, child)
    return head + bytes(36) + struct.pack("<IQ", start, size)


def doc() -> bytes:
    text = "\r".join(LONG).encode("cp1252") + b"\r"
    start = 0x800
    # The head of a file of Word 97: its table of places has 93 of them, of which only that of the pieces is used.
    places = [0] * (93 * 2)
    pieces = b"\2" + struct.pack("<IIIHIH", 16, 0, len(text), 0, 0x40000000 | start * 2, 0)
    places[66:68] = [0, len(pieces)]
    counts = [0] * 22
    counts[0], counts[3] = start + len(text), len(text)
    head = struct.pack("<HHHHHHHIBBHHII", 0xA5EC, 0xC1, 0, 0x409, 0, 0x0200, 0xBF, 0, 0, 0, 0, 0, start, start + len(text))
    head += struct.pack("<H14HH22IH186I", 14, *[0] * 14, 22, *counts, 93, *places) + struct.pack("<H", 0)
    return compound({"WordDocument": head.ljust(start, b"\0") + text, "1Table": pieces})


def biff(number: int, content: bytes = b"") -> bytes:
    return struct.pack("<HH", number, len(content)) + content


def xls_stream(cells: bytes, strings: bytes) -> bytes:
    begin = struct.pack("<HHHHII", 0x600, 5, 0x0DBB, 1997, 0, 6)
    sheet_begin = struct.pack("<HHHHII", 0x600, 0x10, 0x0DBB, 1997, 0, 6)
    name = b"Herons"
    before = biff(0x809, begin) + biff(0x42, struct.pack("<H", 1200))
    length = len(before) + 4 + 8 + len(name) + len(strings) + 4
    sheet = biff(0x85, struct.pack("<IBBBB", length, 0, 0, len(name), 0) + name)
    return before + sheet + strings + biff(0x0A) + biff(0x809, sheet_begin) + cells + biff(0x0A)


def xls() -> bytes:
    shared = b"".join(struct.pack("<HB", len(line), 0) + line.encode() for line in LONG)
    strings = biff(0xFC, struct.pack("<II", len(LONG), len(LONG)) + shared)
    cells = biff(0x200, struct.pack("<IIHHH", 0, len(LONG), 0, 1, 0))
    cells += b"".join(biff(0xFD, struct.pack("<HHHI", row, 0, 0, row)) for row in range(len(LONG)))
    return compound({"Workbook": xls_stream(cells, strings)})


def atom(kind: int, content: bytes, version: int = 0, instance: int = 0) -> bytes:
    """Returns a record of PowerPoint's; one of version 15 has records in it."""
    return struct.pack("<HHI", version | instance << 4, kind, len(content)) + content


def ppt() -> bytes:
    text = atom(0x0F9F, struct.pack("<I", 1)) + atom(0x0FA8, "\r".join(LONG).encode())
    slides = atom(0x0FF0, atom(0x03F3, struct.pack("<IIiII", 2, 0, 1, 256, 0)), 15)
    document = atom(0x03E8, atom(0x03E9, bytes(40), 1) + slides + atom(0x03EA, b""), 15)
    slide_at = len(document)
    # A shape with the text in its box, in a drawing.
    shape = atom(0xF004, atom(0xF010, struct.pack("<4h", 0, 0, 100, 10)) + atom(0xF00D, text, 15), 15)
    drawing = atom(0x040C, atom(0xF002, atom(0xF003, shape, 15), 15), 15)
    slide = atom(0x03EE, atom(0x03EF, bytes(24), 2) + drawing, 15)
    places_at = slide_at + len(slide)
    places = atom(0x1772, struct.pack("<III", 1 | 2 << 20, 0, slide_at))
    edit_at = places_at + len(places)
    edit = atom(0x0FF5, struct.pack("<IHBBIIIIHH", 256, 0, 0, 3, 0, places_at, 1, 3, 1, 0))
    user = atom(0x0FF6, struct.pack("<IIIHHBBH", 20, 0xE391C05F, edit_at, 0, 0x03F4, 3, 0, 0))
    return compound({"PowerPoint Document": document + slide + places + edit, "Current User": user})


def msg() -> bytes:
    body = "\r\n".join(LONG).encode("utf-16-le")
    head = bytes(8) + struct.pack("<IIII", 0, 0, 0, 0) + bytes(8)
    property_of_body = struct.pack("<IIQ", 0x1000001F, 6, len(body) + 2)
    return compound({"__properties_version1.0": head + property_of_body, "__substg1.0_1000001F": body})
