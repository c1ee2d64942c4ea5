"""Licences as Cargo.toml names them, and which of them may be linked."""

import re

from .. import places
from ..console import Failure


def allowed() -> set[str]:
    """The licences that deny.toml allows."""
    listed = re.search(r"^\[licenses\]\nallow = \[\n(.*?)^\]", (places.ROOT / "deny.toml").read_text(), re.MULTILINE | re.DOTALL)
    return set(re.findall(r'^\s*"(.+?)"', listed[1], re.MULTILINE))


def permits(expression: str, allowed: set[str]) -> bool:
    """Tells whether an SPDX expression leaves a choice of allowed licences alone. Old crates write `/` for OR."""
    words = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))
    permitted = _any(words, allowed)
    if words:
        raise Failure(f"{expression!r} is no expression of licences")
    return permitted


def _any(words: list[str], allowed: set[str]) -> bool:
    permitted = _all(words, allowed)
    while words[:1] == ["OR"]:
        words.pop(0)
        permitted = _all(words, allowed) or permitted
    return permitted


def _all(words: list[str], allowed: set[str]) -> bool:
    permitted = _one(words, allowed)
    while words[:1] == ["AND"]:
        words.pop(0)
        permitted = _one(words, allowed) and permitted
    return permitted


def _one(words: list[str], allowed: set[str]) -> bool:
    word = words.pop(0) if words else ""
    if word == "(":
        permitted = _any(words, allowed)
        if words[:1] == [")"]:
            words.pop(0)
        return permitted
    # An exception only adds to what a licence permits.
    if words[:1] == ["WITH"]:
        del words[:2]
    return word in allowed
