#!/usr/bin/env python3
"""The steps behind the Makefile's targets: `python3 tools/dev.py STEP [ARGUMENT …]`."""

import os
import shlex
import sys

from pgai_dev import places, postgres, python_packages, rust
from pgai_dev.console import Failure, locked, run, say


def ready() -> postgres.Postgres:
    """All that a build needs."""
    with locked():
        rust.ensure_tools()
        python_packages.python()
        chosen = postgres.wanted()
        rust.environment(chosen)
    return chosen


def build() -> None:
    rust.build(ready())


def install() -> None:
    rust.install(ready())


def env() -> None:
    """The environment for cargo by hand: eval "$(python3 tools/dev.py env)"."""
    for name, value in rust.environment(ready()).items():
        say(f"export {name}={shlex.quote(value)}")


STEPS = {step.__name__.replace("_", "-"): step for step in (build, install, env)}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in STEPS:
        raise Failure(f"usage: tools/dev.py {'|'.join(STEPS)}")
    os.umask(0o022)
    try:
        STEPS[sys.argv[1]](*sys.argv[2:])
    except KeyboardInterrupt:
        raise Failure("interrupted; the same command goes on from here") from None


if __name__ == "__main__":
    main()
