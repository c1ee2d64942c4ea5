"""Debian packages of pgai_rs, one for each major of Postgres, by the names and rules of Debian's own extensions:

`origin` knows the version and the time, `control` the fields, `documents` and `notices` what is said of it and of what it
contains (`spdx` whether that is allowed), `leaks` looks for what is nobody's business, and `archive` packs it all.
"""

import shutil
from pathlib import Path

from .. import package, places, rust
from ..console import run, say, step
from ..missing import Missing, attempt, programs
from ..postgres import Postgres
from . import archive, control, documents, leaks, origin

# Why a package is not made on systems of other families.
DEBIAN_ONLY = "packages are made on Debian and Ubuntu"


def missing() -> list[Missing]:
    """Returns what a package is made with beyond what it is built with."""
    needed = {"dpkg-deb": "dpkg", "dpkg-shlibdeps": "dpkg-dev", "strip": "binutils"}
    return programs(f"{DEBIAN_ONLY},", needed)


def make(postgres: Postgres) -> Path:
    """Builds the package for that Postgres's major, and returns its path."""
    step(f"Building the package of pgai_rs for Postgres {postgres.major}")
    rust.compile_for_packages(postgres)
    epoch = origin.epoch()
    tree, version = tree_of(postgres.major), f"{origin.upstream(package.version())}-1"
    shutil.rmtree(tree, ignore_errors=True)
    layout = layout_of(postgres.major).below(tree)
    package.lay_out(layout, places.PACKAGES_TARGET / "release")
    binaries = sorted({*layout.library.iterdir(), *layout.programs.iterdir()})
    _strip(binaries)
    documents.write(tree, postgres, version, epoch)
    leaks.check(tree)

    fields = control.fields(postgres.major, version, binaries)
    made = archive.pack(tree, fields, epoch, places.DIST)
    say(f"    {made} ({made.stat().st_size / 1e6:.1f} MB)")
    say(f"    needs {fields['Depends']}")
    _examine(made)
    return made


def tree_of(major: str) -> Path:
    """Returns where the files of a package lie before they are packed."""
    return places.CACHE / "package" / major


def layout_of(major: str) -> package.Layout:
    """The directories of Debian's Postgres."""
    below = Path("/usr/lib/postgresql", major)
    return package.Layout(below / "lib", Path("/usr/share/postgresql", major, "extension"), below / "bin")


def _strip(binaries: list[Path]) -> None:
    """Takes away what only a debugger and a linker read, as Debian's own tool does."""
    for path in binaries:
        run(["strip", "--strip-unneeded", "--remove-section=.comment", "--remove-section=.note", path], log="strip")


def _examine(made: Path) -> None:
    if not attempt(["lintian", "--version"])[0]:
        say("    Not examined by lintian, which cannot be run: apt-get install lintian")
        return
    run(["lintian", "--allow-root", "--fail-on=error,warning", "--tag-display-limit=0", made], log="lintian")
