"""The Postgres that is meant, with what the extension needs of it."""

import os
import shlex
import shutil
from pathlib import Path

from .. import debian, places
from ..console import Failure
from ..postgres import IN_WHEEL, Postgres, at
from ..missing import Missing, attempt, package


def missing(*, installing: bool, running: bool) -> list[Missing]:
    found = _setpriv() if running else []
    if config := os.environ.get("PG_CONFIG"):
        try:
            postgres = at(Path(config))
        except Failure as failure:
            return [*found, Missing(str(failure), "set PG_CONFIG to the pg_config of a Postgres that is meant")]
        found += _vector(postgres) if running else []
        return found + (_writable(postgres) if installing else [])
    major = os.environ.get("PG") or places.DEFAULT_PG
    if major not in places.MAJORS:
        return [*found, Missing(f"PG={major}: pgai_rs supports Postgres {', '.join(places.MAJORS)}", "set another")]
    return found if major in IN_WHEEL else found + debian.missing(major)


def _setpriv() -> list[Missing]:
    # As tests/support/process.py starts programs.
    works, said = attempt(["setpriv", "--pdeathsig=TERM", "--", "true"])
    return [] if works else [package(f"setpriv cannot be run: {said}", "util-linux")]


def _vector(postgres: Postgres) -> list[Missing]:
    if (postgres.ask("sharedir") / "extension" / "vector.control").exists():
        return []
    return [package(f"Postgres {postgres.major} ({postgres.config}) has no pgvector", f"postgresql-{postgres.major}-pgvector")]


def _writable(postgres: Postgres) -> list[Missing]:
    """Checks where the extension is to be installed, which may want sudo, which may want a password."""
    sudo = shlex.split(os.environ.get("SUDO", ""))
    if sudo:
        if shutil.which(sudo[0]):
            return []
        return [Missing(f"SUDO={os.environ['SUDO']} cannot be run", "leave SUDO away and run make as root")]
    destination = Path(os.environ.get("DESTDIR") or "/")
    for directory in (postgres.ask("pkglibdir"), postgres.ask("sharedir") / "extension", postgres.ask("bindir")):
        target = destination / str(directory).lstrip("/")
        there = next(path for path in (target, *target.parents) if path.exists())
        if not os.access(there, os.W_OK):
            return [Missing(f"{there} is not writable by you", "say it with SUDO=sudo")]
    return []
