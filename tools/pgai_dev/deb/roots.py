"""The root file systems that packages are tried in: whether this machine can make them."""

import os

from ..console import Failure
from ..missing import Missing, programs

PROGRAMS = {"mmdebstrap": "mmdebstrap", "unshare": "util-linux", "nsenter": "util-linux", "setpriv": "util-linux"}


def missing() -> list[Missing]:
    """Returns what root file systems are made with; whoever is not root is told how to be."""
    if os.geteuid() != 0:
        raise Failure(
            "test-packages needs root, for chroot and mounts. Packages need not be built by root:\n"
            "    make package PG=15 && make package PG=17 && sudo make test-packages ARGS='--built dist'"
        )
    return programs("root file systems are made", PROGRAMS)
