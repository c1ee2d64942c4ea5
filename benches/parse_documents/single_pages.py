"""Pages of PDFs as PDFs of one page: FOLDER, and a PDF a line on the standard input.

It runs in the environment of the readers, which has MuPDF.
"""

import sys
from pathlib import Path

import pymupdf

# The most pages of one document, so that no book is the measure.
MOST = 25


def main() -> None:
    folder = Path(sys.argv[1])
    pymupdf.TOOLS.mupdf_display_errors(False)
    written = 0
    for file in sys.stdin.read().splitlines():
        with pymupdf.open(file) as document:
            if document.needs_pass:
                continue
            step = max(1, len(document) // MOST)
            for number in range(0, len(document), step)[:MOST]:
                with pymupdf.open() as page:
                    page.insert_pdf(document, from_page=number, to_page=number)
                    page.save(folder / f"{written}.pdf", garbage=4, deflate=True)
                written += 1


main()
