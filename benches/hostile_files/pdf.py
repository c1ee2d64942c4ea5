"""Whole PDFs."""

import zlib

from .words import PARAGRAPHS

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def stream(content: bytes, extra: bytes = b"", compress: bool = True) -> bytes:
    """Returns an object that has content."""
    if compress:
        content, extra = zlib.compress(content), extra + b" /Filter /FlateDecode"
    return b"<< /Length %d%s >>\nstream\n%s\nendstream" % (len(content), extra, content)


def document(objects: list[bytes], trailer: bytes = b"") -> bytes:
    """Returns a PDF of these objects, numbered from 1, of which the first is its catalog."""
    written = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer\n<< /Size %d /Root 1 0 R%s >>\n" % (len(objects) + 1, trailer)
    return written + table + end + b"startxref\n%d\n%%%%EOF\n" % len(written)


def pages(contents: list[bytes], more: list[bytes] | None = None, extra: bytes = b"") -> list[bytes]:
    """Returns the objects of a PDF with these pages; further objects have the numbers after them."""
    first = 4
    kids = b" ".join(b"%d 0 R" % (first + 2 * n) for n in range(len(contents)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(contents)),
        FONT,
    ]
    for place, content in enumerate(contents):
        box = b"/MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >>%s >>" % extra
        objects.append(b"<< /Type /Page /Parent 2 0 R %s /Contents %d 0 R >>" % (box, first + 2 * place + 1))
        objects.append(content)
    return objects + (more or [])


def lines(text: list[str]) -> bytes:
    return b"BT /F1 11 Tf 72 720 Td 16 TL " + b"".join(b"(%s) Tj T* " % line.encode() for line in text) + b"ET"


def pdf() -> bytes:
    return document(pages([stream(lines(PARAGRAPHS[:3])), stream(lines(PARAGRAPHS[3:]))]))
