"""libclang, loaded in a process of its own, reading what bindgen will read."""

import os
import shlex
import sys
import tempfile
from pathlib import Path

from .. import libclang
from ..postgres import Postgres
from .compiler import PROGRAM
from ..missing import Missing, attempt, end

ANOTHER = "unset LIBCLANG_PATH, and one that fits is fetched"


def missing() -> list[Missing]:
    """The library that somebody chose; ours is not there yet."""
    given = os.environ.get("LIBCLANG_PATH")
    if not given:
        return []
    if not (library := libclang.chosen(Path(given))):
        return [Missing(f"LIBCLANG_PATH={given} is or holds no libclang", ANOTHER)]
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "program.c")
        source.write_text(PROGRAM)
        reads, said = attempt(_probe({"LIBCLANG_PATH": str(library)} | libclang.flags_of(library), source))
    return [] if reads else [Missing(f"LIBCLANG_PATH={given} cannot be used:\n{end(said)}", ANOTHER)]


def headers(postgres: Postgres) -> list[Missing]:
    """Postgres's headers, when all is there that reads them."""
    server = postgres.ask("includedir-server")
    reads, said = attempt([*_probe(libclang.environment(), server / "postgres.h"), f"-I{server}"])
    if reads:
        return []
    return [Missing(f"{server / 'postgres.h'} cannot be read by libclang:\n{end(said)}", "reinstall these headers")]


def _probe(environment: dict[str, str], source: Path) -> list:
    flags = shlex.split(environment.get("BINDGEN_EXTRA_CLANG_ARGS", ""))
    return [sys.executable, libclang.PROBE, environment["LIBCLANG_PATH"], source, *flags]
