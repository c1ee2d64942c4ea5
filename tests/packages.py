#!/usr/bin/env python3
"""`make test-packages`: our packages in root file systems out of Debian's archive. See support/packages."""

import argparse
import os
import signal
import tempfile
from pathlib import Path

from pgai_dev import places, postgres
from pgai_dev.console import Failure
from pgai_dev.deb import control, roots
from support.packages.run import run_all


def main() -> None:
    parser = argparse.ArgumentParser(prog="make test-packages", description="ARGS='--built DIRECTORY [--major 17]'")
    parser.add_argument("--built", type=Path, required=True, help="where the packages are")
    parser.add_argument("--major", action="append", choices=sorted(roots.RELEASES), help="of Postgres; without it, all")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    majors = given.major or sorted(roots.RELEASES)
    # `make` is run in the clone, and this is not.
    made = [newest(places.ROOT / given.built, major) for major in majors]
    servers = {major: wanted(major) for major in {"15", "16"} & set(majors)}
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="pgai_rs-packages-") as directory:
        run_all(made, servers, Path(directory))


def wanted(major: str) -> postgres.Postgres:
    """The server of that major that `make` sets up."""
    os.environ.pop("PG_CONFIG", None)
    os.environ["PG"] = major
    return postgres.wanted()


def newest(directory: Path, major: str) -> Path:
    """The package that was made last."""
    there = sorted(directory.glob(f"{control.name(major)}_*.deb"), key=lambda path: path.stat().st_mtime)
    if not there:
        raise Failure(f"{directory} has no package for Postgres {major}")
    return there[-1]


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        raise SystemExit(f"\npgai_rs: {failure}") from None
