#!/usr/bin/env python3
"""`make test-packages`: our packages in root file systems out of Debian's archive. See support/packages."""

import argparse
import os
import signal
import tempfile
from pathlib import Path

from pgai_dev import debian, places, postgres
from pgai_dev.console import Failure
from support.packages.run import run_all


def main() -> None:
    parser = argparse.ArgumentParser(prog="make test-packages", description="ARGS='--built DIRECTORY'")
    parser.add_argument("--built", type=Path, required=True, help="where the packages are, of 15 and of 17")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    # `make` is run in the clone, and this is not.
    made = [newest(places.ROOT / given.built, major) for major in debian.RELEASES]
    os.environ.pop("PG_CONFIG", None)
    os.environ["PG"] = "15"
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="pgai_rs-packages-") as directory:
        run_all(made, postgres.wanted(), Path(directory))


def newest(directory: Path, major: str) -> Path:
    """The package that was made last."""
    there = sorted(directory.glob(f"postgresql-{major}-pgai-rs_*.deb"), key=lambda path: path.stat().st_mtime)
    if not there:
        raise Failure(f"{directory} has no package for Postgres {major}")
    return there[-1]


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        raise SystemExit(f"\npgai_rs: {failure}") from None
