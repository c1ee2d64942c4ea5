"""A release: `rules` says whether a tag may be one, `notes` what it tells its users, `provenance` what was made of what, and
`assets` puts all of it into one directory.

The workflow of the forge runs this on a tag. `make release-dry` goes the same way without one.
"""

import argparse
import os
from pathlib import Path

from .. import package, places
from ..console import Failure, say, step
from ..postgres import Postgres
from . import assets, rules


def check(tag: str) -> None:
    """Ends with all reasons for which this tree may not be released under that tag."""
    if refused := rules.refusals(tag, rules.Tree.here()):
        raise Failure(f"{tag} is not released:\n" + "\n".join(f"    {reason}" for reason in refused))
    say(f"    {tag} may be released")


def make(postgres: Postgres, built: Path, tag: str | None) -> Path:
    """Gathers a release out of a directory of packages, and returns the directory of its assets.

    Without a tag it is a dry run: what a tag would be refused for is said, and stops nothing."""
    # `make` is run in the clone.
    built = places.ROOT / built
    version = package.version()
    step(f"Gathering the release of {version}")
    if tag is not None:
        check(tag)
        if lacking := assets.lacking(assets.packages(built, version)):
            raise Failure(f"{built} has no package of {version} for Postgres {', '.join(lacking)}")
    else:
        lacking = [f"there is no package for Postgres {major}" for major in assets.lacking(assets.packages(built, version))]
        for reason in rules.refusals(f"v{version}", rules.Tree.here()) + lacking:
            say(f"    a tag would be refused: {reason}")
    return assets.gather(postgres, built, version)


def arguments(words: list[str]) -> argparse.Namespace:
    """Returns what ARGS says: the tag, and where packages are that are built already."""
    parser = argparse.ArgumentParser(prog="make release", description="ARGS='--tag v0.3.0 [--check | --built dist]'")
    parser.add_argument("--tag", default=os.environ.get("GITHUB_REF_NAME"), help="of the release")
    parser.add_argument("--check", action="store_true", help="only say whether the tag may be released")
    parser.add_argument("--built", type=Path, default=places.DIST, help="where the packages are")
    given = parser.parse_args(words)
    if not given.tag:
        parser.error("a release has a tag: --tag v0.3.0")
    return given
