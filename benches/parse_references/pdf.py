"""PDF, by MuPDF: the plain text of its pages, and its outline as headings."""

from pathlib import Path

import pymupdf

from .found import Found, flat


def read(file: Path, _package: str) -> Found:
    pymupdf.TOOLS.mupdf_display_errors(False)
    with pymupdf.open(file) as document:
        as_written = "\n".join(page.get_text() for page in document)
        by_place = "\n".join(page.get_text(sort=True) for page in document)
        outline = [flat(title) for _, title, _ in document.get_toc()]
        return Found([as_written, by_place], headings=outline, pages=len(document))
