"""The source as PGXN takes it: one archive of the committed tree, with META.json at its top."""

import os
from pathlib import Path

from . import package, places
from .console import Failure, output, run, say


def name() -> str:
    """Returns the name of the archive and of the one directory in it."""
    return f"pgai_rs-{package.version()}"


def make() -> Path:
    """Writes the archive of the last commit, and returns its path."""
    if changed := output(["git", "status", "--porcelain", "--untracked-files=no"], cwd=places.ROOT):
        raise Failure(f"the archive is made of the last commit, and these are changed since:\n{changed}")
    places.DIST.mkdir(exist_ok=True)
    target = places.DIST / f"{name()}.zip"
    write(target)
    say(f"    {target} ({target.stat().st_size / 1e6:.1f} MB)")
    return target


def write(target: Path) -> None:
    """Writes what .gitattributes leaves of the last commit, the same bytes whoever does it."""
    # Times in an archive are local ones.
    command = ["git", "archive", "--format=zip", f"--prefix={name()}/", f"--output={target}", "HEAD"]
    run(command, cwd=places.ROOT, env=os.environ | {"TZ": "UTC"}, log="dist")
