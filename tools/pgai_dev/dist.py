"""The source as PGXN takes it: one archive of the committed tree, with META.json at its top."""

import os
from pathlib import Path

from . import package, places
from .console import Failure, output, run, say


def make() -> Path:
    """Writes the archive of the last commit, which is the same whoever makes it."""
    if changed := output(["git", "status", "--porcelain", "--untracked-files=no"], cwd=places.ROOT):
        raise Failure(f"the archive is made of the last commit, and these are changed since:\n{changed}")
    name = f"pgai_rs-{package.version()}"
    places.DIST.mkdir(exist_ok=True)
    target = places.DIST / f"{name}.zip"
    # Times in an archive are local ones.
    command = ["git", "archive", "--format=zip", f"--prefix={name}/", f"--output={target}", "HEAD"]
    run(command, cwd=places.ROOT, env=os.environ | {"TZ": "UTC"}, log="dist")
    say(f"    {target} ({target.stat().st_size / 1e6:.1f} MB)")
    return target
