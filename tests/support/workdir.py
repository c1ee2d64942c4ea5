"""Directories in which the tests, the benches and the torture put their clusters."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgai_dev import places

from support.cluster import alive


@contextmanager
def made(purpose: str) -> Iterator[Path]:
    """A new directory that goes with the block; whatever killed runs left of the kind goes first."""
    remove_left(purpose)
    directory = make(purpose)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def make(purpose: str, parent: Path = places.CLUSTERS) -> Path:
    """A new directory, named after this process; the clusters' user may pass through it."""
    parent.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(dir=parent, prefix=f"{os.getpid()}-{purpose}-"))
    directory.chmod(0o711)
    return directory


def remove_left(purpose: str, parent: Path = places.CLUSTERS) -> None:
    """Removes what processes that were killed could not remove; whatever has another name is somebody else's."""
    if not parent.is_dir():
        return
    for left in parent.iterdir():
        name = re.fullmatch(rf"(\d+)-{re.escape(purpose)}-.*", left.name)
        if name and not alive(int(name[1])):
            shutil.rmtree(left, ignore_errors=True)
