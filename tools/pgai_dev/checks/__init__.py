"""Checks that this machine has what is needed, which is tried as it will be used, before anything is built.

All that is missing is said at once, each with the command that mends it.
"""

from ..console import CannotRunHere, Failure
from ..postgres import Postgres
from . import cache, compiler, libclang, network, postgres, python, rust
from ..missing import Missing


def everything(*, installing: bool = False, running: bool = False) -> None:
    """Looks for all that a build needs; `installing` and `running` add what these need."""
    tell(
        python.missing()
        + compiler.missing()
        + rust.missing()
        + libclang.missing()
        + cache.missing()
        + postgres.missing(installing=installing, running=running)
        # Last, for it takes longest where it fails.
        + network.missing()
    )


def headers(chosen: Postgres) -> None:
    """Reads that Postgres's headers, as bindgen will some minutes later."""
    tell(libclang.headers(chosen))


def tell(found: list[Missing]) -> None:
    """Ends with all that is missing, and the one command for what Debian and Ubuntu have packages of."""
    if not found:
        return
    count = "one thing is" if len(found) == 1 else f"{len(found)} things are"
    lines = [f"nothing was built, for {count} missing here:", ""]
    for one in found:
        what, *more = one.what.splitlines()
        lines += [f"  * {what}", *(f"      {line}" for line in more), f"    → {one.mend}"]
    if packages := sorted({package for one in found for package in one.packages}):
        lines += ["", f"On Debian and Ubuntu: sudo apt-get install {' '.join(packages)}"]
    raise (CannotRunHere if all(one.elsewhere for one in found) else Failure)("\n".join(lines))
