"""The root file systems that packages are tried in: whether this machine can make them."""

import os

from ..console import Failure
from ..missing import Missing, attempt, package

PROGRAMS = {"mmdebstrap": "mmdebstrap", "unshare": "util-linux", "nsenter": "util-linux", "setpriv": "util-linux"}


def missing() -> list[Missing]:
    """Returns what root file systems are made with; whoever is not root is told how to be."""
    if os.geteuid() != 0:
        raise Failure(
            "test-packages needs root, for chroot and mounts. Packages need not be built by root:\n"
            "    make package PG=15 && make package PG=17 && sudo make test-packages ARGS='--built dist'"
        )
    found = []
    for program, name in PROGRAMS.items():
        works, said = attempt([program, "--version"])
        if not works:
            found.append(package(f"root file systems are made with {program}, which cannot be run: {said}", name))
    return found
