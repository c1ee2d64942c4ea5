"""The Rust toolchain: that of rust-toolchain.toml, or rustup's default one where it will do."""

import os
import re
import shutil

from . import places
from .missing import attempt

VARIABLE = "RUSTUP_TOOLCHAIN"


def choose() -> None:
    """Takes rustup's default toolchain if that of rust-toolchain.toml is not installed and the default one is
    new enough: rustup would want the network to fetch another copy of it, under another name."""
    if os.environ.get(VARIABLE) or not shutil.which("rustup"):
        return
    listed, installed = attempt(["rustup", "toolchain", "list"], cwd=places.ROOT)
    if not listed or re.search(rf"^{re.escape(channel())}(-|\s|$)", installed, re.MULTILINE):
        return
    default = re.search(r"^(\S+) \(.*\bdefault\b.*\)$", installed, re.MULTILINE)
    if default and is_new_enough(default[1]):
        os.environ[VARIABLE] = default[1]


def chosen() -> dict[str, str]:
    """The choice, for cargo by hand."""
    return {VARIABLE: os.environ[VARIABLE]} if os.environ.get(VARIABLE) else {}


def is_new_enough(toolchain: str) -> bool:
    ran, said = attempt(["rustc", "--version"], env=os.environ | {VARIABLE: toolchain})
    version = version_in(said)
    return ran and version is not None and version >= oldest()


def version_in(text: str) -> tuple[int, ...] | None:
    """The version that a program of Rust says it is."""
    found = re.search(r"\d+\.\d+(\.\d+)?", text)
    return tuple(map(int, found[0].split("."))) if found else None


def channel() -> str:
    """The version of rust-toolchain.toml."""
    return _setting("rust-toolchain.toml", "channel")


def oldest() -> tuple[int, ...]:
    """The oldest Rust that compiles the workspace, from its Cargo.toml."""
    return tuple(map(int, _setting("Cargo.toml", "rust-version").split(".")))


def _setting(file: str, name: str) -> str:
    # tomllib came with Python 3.11.
    return re.search(rf'^{name} = "([\d.]+)"$', (places.ROOT / file).read_text(), re.MULTILINE)[1]
