"""A C compiler that makes programs: rustc links with it, and two crates bring C along."""

import os
import platform
import shlex
import tempfile
from pathlib import Path

from .. import places
from ..missing import Missing, attempt, end, package, set_here

PROGRAM = """
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
int main(void) { return puts("it runs") < 0; }
"""


def missing() -> list[Missing]:
    found = [*_system()]
    if not (can := attempt(["gcc", "--version"]))[0]:
        return [*found, package(f"a C compiler cannot be run: {end(can[1])}", "gcc", "libc6-dev")]
    # gcc is asked for its headers; these are the names by which rustc and the crates' C call it.
    for compiler in dict.fromkeys(("gcc", "cc", os.environ.get("CC") or "cc")):
        found += _tried(compiler)
    return found


def _system() -> list[Missing]:
    machine, (libc, version) = platform.machine(), platform.libc_ver()
    if machine not in ("x86_64", "aarch64"):
        return [Missing(f"this machine is {machine}; Postgres and libclang come for x86_64 and aarch64", "use another")]
    if libc != "glibc" or tuple(map(int, version.split("."))) < (2, 28):
        return [Missing(f"this system has {libc or 'no glibc'} {version}; glibc 2.28 or newer is needed", "use another")]
    return []


def _tried(compiler: str) -> list[Missing]:
    """Compiles and runs a program where all programs will be made: there they must be allowed to run, too."""
    with tempfile.TemporaryDirectory(dir=_writable()) as directory:
        source, program = Path(directory, "program.c"), Path(directory, "program")
        source.write_text(PROGRAM)
        made, said = attempt([*shlex.split(compiler), "-pthread", source, "-o", program])
        if not made:
            what = f"{compiler} cannot make a program:\n{end(said)}{set_here('CC', 'CPATH', 'C_INCLUDE_PATH')}"
            if "CC" in os.environ and compiler == os.environ["CC"]:
                return [Missing(what, "unset CC")]
            return [package(what, "gcc", "libc6-dev")]
        ran, said = attempt([program])
        if not ran:
            return [
                Missing(
                    f"programs in {places.CACHE} cannot be run: {end(said)}",
                    "mount it without noexec, or set PGAI_RS_CACHE to a directory elsewhere",
                )
            ]
    return []


def _writable() -> Path | None:
    """The cache; if it is not to be written to, that is said elsewhere, and this goes on in /tmp."""
    try:
        places.CACHE.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return places.CACHE if os.access(places.CACHE, os.W_OK | os.X_OK) else None
