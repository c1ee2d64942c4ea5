"""What pgai_rs takes before it is used: on disk, in the server's first process, and to be created."""

import re

from pgai_dev.console import Failure, say

from support.packages.machine import Machine

# The most that the postmaster may grow by, and the extension's files may take, in bytes.
POSTMASTER = 5 << 20
FILES = 48 << 20


def measure(machine: Machine) -> None:
    """Says how much it is, and ends if it is more than what the docs promise. How long something takes is only said."""
    files = {path: (machine.root.path / path.lstrip("/")).stat().st_size for path in machine.files()}
    programs = {path: size for path, size in files.items() if not path.endswith((".sql", ".control"))}
    for path, size in programs.items():
        say(f"    {size / 1e6:5.1f} MB  {path}")
    say(f"    {sum(files.values()) / 1e6:5.1f} MB  with the scripts of all versions")

    machine.restart()
    with_us = _anonymous(machine)
    created = machine.sql("\\timing on\nCREATE EXTENSION pgai_rs CASCADE", database=_fresh(machine))
    machine.forget_setting("shared_preload_libraries")
    machine.restart()
    grown = with_us - _anonymous(machine)
    machine.settings(shared_preload_libraries="pgai_rs")
    machine.restart()
    machine.sql("DROP DATABASE fresh", database="postgres")
    say(f"    {grown / 1e6:5.1f} MB  of memory more in the postmaster, beside the file's own pages")
    milliseconds = re.search(r"Time: ([\d.]+) ms", created)[1]
    say(f"    {float(milliseconds):5.0f} ms  to CREATE EXTENSION")
    if grown > POSTMASTER or sum(files.values()) > FILES:
        raise Failure(f"that is more than {POSTMASTER} bytes in the postmaster, or {FILES} on disk")


def _fresh(machine: Machine) -> str:
    machine.sql("CREATE DATABASE fresh", database="postgres")
    return "fresh"


def _anonymous(machine: Machine) -> int:
    """Returns the bytes of the server's first process that are in no file. Its children begin by sharing them, and the pages
    of files are those of all processes."""
    path = f"/var/lib/postgresql/{machine.major}/main/postmaster.pid"
    pid = (machine.root.path / path.lstrip("/")).read_text().splitlines()[0]
    told = machine.root.run("cat", f"/proc/{pid}/smaps_rollup")
    return 1024 * int(re.search(r"^Anonymous: +(\d+) kB$", told, re.MULTILINE)[1])
