"""The cost of a million PDFs of one page: 2,000 of them, in S3, through the worker.

They are pages of the documents that parse.py reads, at most 25 of each, some of them twice and more.
"""

import os
import statistics
import subprocess
import tempfile
from pathlib import Path

from pgai_dev import places, python_packages

from parse_documents.fetched import fetched

HERE = Path(__file__).parent
PROGRAM = places.TARGET / "release" / "pgai_rs_parser"
# A document that is refused at its first look, whose time is that of the start.
NOTHING = b"\0"
TRIES = 300
HEADER = b'{"version":1,"name":"a.pdf"}\n'


def single_pages() -> list[bytes]:
    """Returns the PDFs of one page that the parser finds text in, and prints what reading one alone takes."""
    found, _missing = fetched({"pdf"})
    what = "Setting up the readers that the parser is compared with (from PyPI)"
    requirements = HERE / "parse_documents" / "readers.txt"
    python = python_packages.environment(places.CACHE / "venv-document-readers", requirements, what)
    with tempfile.TemporaryDirectory() as folder:
        command = [str(python), str(HERE / "parse_documents" / "single_pages.py"), folder]
        files = "\n".join(str(one.file) for one in found)
        subprocess.run(command, input=files, text=True, check=True, stderr=subprocess.DEVNULL)
        pages = [file.read_bytes() for file in sorted(Path(folder).iterdir())]

    runs = [_run(page) for page in pages]
    readable = [(page, seconds) for page, (has_text, seconds) in zip(pages, runs) if has_text]
    start = 1000 * statistics.median(_run(NOTHING)[1] for _ in range(TRIES))
    times = [1000 * seconds for _, seconds in readable]
    middle, mean = statistics.median(times), statistics.mean(times)
    print(f"{len(readable):,} PDFs of one page have text, {len(pages) - len(readable)} have none")
    print(f"  CPU of the parser alone: {start:.1f} ms to start, {middle:.1f} ms for a page (median; mean {mean:.1f}), start included")
    return [page for page, _ in readable]


def _run(document: bytes) -> tuple[bool, float]:
    """Returns whether the parser finds text, and its CPU seconds."""
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
        stdin.write(HEADER + document)
        stdin.seek(0)
        streams = [(os.POSIX_SPAWN_DUP2, stdin.fileno(), 0), (os.POSIX_SPAWN_DUP2, stdout.fileno(), 1)]
        process = os.posix_spawn(PROGRAM, [PROGRAM], {}, file_actions=streams)
        _, _, used = os.wait4(process, 0)
        stdout.seek(0)
        return b'"document"' in stdout.readline(), used.ru_utime + used.ru_stime
