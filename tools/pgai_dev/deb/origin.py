"""The version of a package and the moment that it bears: those of the commit that it is made of."""

import os
import re
from datetime import datetime, timezone

from .. import places
from ..console import Failure, output
from ..missing import attempt

CHANGELOG = places.ROOT / "CHANGELOG.md"


def epoch() -> int:
    """The seconds since 1970 that stand for every time in a package, so that it is the same whoever makes it."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    known, said = attempt(["git", "log", "-1", "--format=%ct"], cwd=places.ROOT)
    if not known:
        raise Failure(f"of which time is this tree? Set SOURCE_DATE_EPOCH, for git does not know: {said}")
    return int(said)


def is_released(version: str, changelog: str) -> bool:
    """Tells whether the changelog's section of a version has a date."""
    return bool(re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE))


def upstream(version: str) -> str:
    """The version that a package is called by. What comes before a release sorts before it, by its time."""
    if is_released(version, CHANGELOG.read_text()):
        return version
    commit = output(["git", "rev-parse", "--short=8", "HEAD"], cwd=places.ROOT)
    return f"{version}~git{datetime.fromtimestamp(epoch(), timezone.utc):%Y%m%d%H%M%S}.{commit}"
