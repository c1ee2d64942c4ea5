"""The files of a release, in one directory."""

import hashlib
import json
import shutil
from pathlib import Path

from .. import bill, dist, places
from ..console import output, say
from ..deb import control, origin
from ..postgres import Postgres
from . import notes, provenance

SUMS = "SHA256SUMS"
PROVENANCE = "provenance.intoto.json"
NOTES = "NOTES.md"


def gather(postgres: Postgres, built: Path, version: str) -> Path:
    """Puts packages, source, bill of materials, checksums, provenance and notes into a directory, and returns it.

    `built` is the directory of the packages."""
    directory = places.DIST / "release"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for package in packages(built, version):
        shutil.copy2(package, directory)
    dist.write(directory / f"{dist.name()}.zip")
    bill.write(postgres, directory / bill.NAME)

    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.iterdir())}
    (directory / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))
    commit = output(["git", "rev-parse", "HEAD"], cwd=places.ROOT)
    compiler = output(["rustc", "--version"], cwd=places.ROOT)
    statement = provenance.compose(sums, commit, f"v{version}", origin.epoch(), compiler)
    (directory / PROVENANCE).write_text(json.dumps(statement, indent=2) + "\n")
    (directory / NOTES).write_text(notes.compose(version, origin.CHANGELOG.read_text()))
    for path in sorted(directory.iterdir()):
        say(f"    {path.relative_to(places.ROOT)} ({path.stat().st_size / 1e6:.2f} MB)")
    return directory


def packages(built: Path, version: str) -> list[Path]:
    """Returns the packages of what is built of this commit, each major's of each architecture."""
    called = f"{origin.upstream(version)}-1"
    return sorted(path for kind in ("deb", "rpm") for path in built.glob(f"*pgai[-_]rs*{called}*.{kind}"))


def lacking(found: list[Path]) -> list[str]:
    """Returns the majors that have no package among these."""
    return [major for major in places.MAJORS if not any(path.name.startswith(control.name(major)) for path in found)]
