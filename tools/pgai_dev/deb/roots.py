"""The root file systems that packages are tried in: whether this machine can make them."""

import os

from .. import debian
from ..console import Failure
from ..missing import Missing, programs

# The release of Debian that each major's package is tried in: that which has the server. None has 16 any more, and a wheel's
# stands in for it.
RELEASES = debian.RELEASES | {"16": "bookworm", "18": "forky"}
STANDS_IN = {"16"}
PROGRAMS = {"mmdebstrap": "mmdebstrap", "unshare": "util-linux", "nsenter": "util-linux", "setpriv": "util-linux"}


def missing() -> list[Missing]:
    """Returns what root file systems are made with; whoever is not root is told how to be."""
    if os.geteuid() != 0:
        raise Failure(
            "test-packages needs root, for chroot and mounts. Packages need not be built by root:\n"
            "    make package PG=17 && sudo make test-packages ARGS='--built dist --major 17'"
        )
    return programs("root file systems are made", PROGRAMS)
