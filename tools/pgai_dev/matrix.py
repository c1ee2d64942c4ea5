"""The end-to-end tests on one Postgres after the other."""

import os
import subprocess
import sys

from . import places
from .console import CannotRunHere, Failure, say, step


def run_all(root) -> None:
    """Runs every major; one that cannot run here is named with the reason, and is no failure."""
    outcomes = {}
    for major in places.MAJORS:
        step(f"Postgres {major}")
        environment = {name: value for name, value in os.environ.items() if name != "PG_CONFIG"}
        command = [sys.executable, root / "tools" / "dev.py", "test-e2e"]
        with subprocess.Popen(command, env=environment | {"PG": major}) as leg:
            code = leg.wait()
        outcomes[major] = {0: "passed", CannotRunHere.code: "cannot run here"}.get(code, "FAILED")
    say("")
    for major, outcome in outcomes.items():
        say(f"Postgres {major}: {outcome}")
    if "FAILED" in outcomes.values():
        raise Failure("not every Postgres passed")
