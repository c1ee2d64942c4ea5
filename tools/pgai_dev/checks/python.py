"""A Python that makes virtual environments, and a pip for them."""

import sys
import tempfile
from pathlib import Path

from .. import places
from ..python_packages import DEBIAN_PIP
from ..missing import Missing, attempt, end, package


def missing() -> list[Missing]:
    if (places.VENV / "stamp").exists() and attempt([places.VENV / "bin" / "python", "-c", ""])[0]:
        return []
    with tempfile.TemporaryDirectory() as directory:
        made, said = attempt([sys.executable, "-m", "venv", "--without-pip", Path(directory, "venv")])
    if not made:
        return [package(f"Python cannot make a virtual environment:\n{end(said)}", "python3-venv")]
    if any(attempt(command)[0] for command in _ways_to_pip()):
        return []
    return [package("this Python has no pip to put into a virtual environment", "python3-venv")]


def _ways_to_pip():
    """The ways of `python_packages`, asked without going them."""
    yield [sys.executable, "-c", "import ensurepip; ensurepip.version()"]
    yield [sys.executable, "-m", "pip", "--python", sys.executable, "--version"]
    yield ["apt-get", "download", "--print-uris", DEBIAN_PIP]
