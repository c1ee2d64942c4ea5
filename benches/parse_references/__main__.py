"""Reads documents: a line of JSON for each on the standard input, one on the standard output.

    {"file": "/…/a.docx", "kind": "docx", "package": "python-docx"}   ->   {"texts": […], "cells": […], …} or {"error": "…"}
"""

import contextlib
import json
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

from . import binary, mail, markup, opendocument, pdf, sheets, slides, text, web, word

# What is called with the file, and with the name of the package that it came in.
READERS = {
    "pdf": pdf.read,
    "docx": word.read,
    "doc": binary.read_doc,
    "pptx": slides.read,
    "ppt": binary.read_ppt,
    "xlsx": sheets.read_xlsx,
    "xls": sheets.read_xls,
    "xlsb": sheets.read_xlsb,
    "odt": opendocument.read_odt,
    "ods": opendocument.read_ods,
    "odp": opendocument.read_odp,
    "rtf": text.read_rtf,
    "html": web.read_html,
    "epub": web.read_epub,
    "eml": mail.read_eml,
    "msg": mail.read_msg,
    "csv": text.read_csv,
    "json": text.read_json,
    "ipynb": text.read_notebook,
    "vtt": text.read_subtitles,
    "srt": text.read_subtitles,
    "rst": markup.read_rst,
    "nxml": markup.read_xml,
    "docbook": markup.read_xml,
    "page": markup.read_xml,
}


def main() -> None:
    warnings.simplefilter("ignore")
    answers = sys.stdout
    for line in sys.stdin:
        given = json.loads(line)
        # Readers talk, too.
        with contextlib.redirect_stdout(sys.stderr):
            answer = read(given)
        print(json.dumps(answer), file=answers, flush=True)


def read(given: dict) -> dict:
    reader = READERS.get(given["kind"])
    if not reader:
        return {"error": "there is no reader for it"}
    try:
        return asdict(reader(Path(given["file"]), given["package"]))
    # Whatever a reader raises at a document that it can't read.
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:200]}


main()
