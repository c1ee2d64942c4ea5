"""A cache that can be written to, has room, and has a name that all tools can read."""

import os
import pwd
import shutil
from pathlib import Path

from .. import places
from ..rust import CARGO_HOME
from ..missing import Missing

# What is there when all tests have run, without the Postgres of other majors.
ROOM = 5
GIGABYTE = 1 << 30
ELSEWHERE = "set PGAI_RS_CACHE to a directory elsewhere"


def missing() -> list[Missing]:
    return [*_name(), *_writable(places.CACHE), *_writable(CARGO_HOME), *_reachable(), *_room()]


def _name() -> list[Missing]:
    # make, of which Postgres's own build consists, knows no such names, nor does a search path.
    for what, path in {"the cache": places.CACHE, "the target directory": places.TARGET}.items():
        if any(letter.isspace() or letter in ":'\"$" for letter in str(path)):
            return [Missing(f"{what} has a blank, a colon, a quote or a dollar in its name: {path}", ELSEWHERE)]
    return []


def _writable(directory: Path) -> list[Missing]:
    """The directory and what lies in it: a run as root may have left some of it to root."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return [Missing(f"{directory} cannot be made: {error.strerror}", _mend(directory))]
    try:
        inside = [directory, *directory.iterdir(), *directory.glob("*/*")]
    except OSError as error:
        return [Missing(f"{directory} cannot be read: {error.strerror}", _mend(directory))]
    for path in inside:
        if path.is_dir() and not path.is_symlink() and not os.access(path, os.W_OK | os.X_OK):
            return [Missing(f"{path} cannot be written to by {_name_of(os.geteuid())}", _mend(directory))]
    return []


def _mend(directory: Path) -> str:
    other = ELSEWHERE if directory == places.CACHE else "set CARGO_HOME to a directory elsewhere"
    return f"sudo chown -R {os.geteuid()}:{os.getegid()} {directory}, or {other}"


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _reachable() -> list[Missing]:
    """Root's clusters run as another user, who must get to the cache."""
    if os.geteuid() != 0:
        return []
    for directory in (places.CACHE, *places.CACHE.parents):
        if directory.exists() and not directory.stat().st_mode & 0o001:
            return [
                Missing(
                    f"{directory} may not be passed through by other users; Postgres does not run as root",
                    f"unset PGAI_RS_CACHE, or chmod o+x {directory}",
                )
            ]
    return []


def _room() -> list[Missing]:
    there = next(path for path in (places.TARGET, *places.TARGET.parents) if path.exists())
    # Who has built already needs no more than a little.
    wanted = ROOM if not (places.TARGET / "release" / "libpgai_rs.so").exists() else ROOM / 10
    free = shutil.disk_usage(there).free / GIGABYTE
    if free >= wanted:
        return []
    return [Missing(f"{there} has {free:.1f} GB free; {wanted:g} GB are needed", f"make room, or {ELSEWHERE}")]
