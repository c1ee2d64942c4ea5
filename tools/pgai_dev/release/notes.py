"""The notes of a release: its section of the changelog, and how to check what is downloaded."""

import re

from ..console import Failure
from ..deb import control

CHECKING = """
## Checking what you download

`sha256sum --check --ignore-missing SHA256SUMS` compares a file with what was built, and
`gh attestation verify FILE --repo pgai-rs/pgai_rs` says which workflow built it, of which commit. `pgai_rs.cdx.json` lists what
is linked in. How to install: {homepage}#install
"""


def compose(version: str, changelog: str) -> str:
    """Returns the notes. Links to pages of the tree lead to those of the release."""
    section = _section(version, changelog) or _section("Unreleased", changelog)
    if not section:
        raise Failure(f"CHANGELOG.md says nothing of {version}")
    linked = re.sub(r"\]\((?!https?:|#)([^)]+)\)", rf"]({control.HOMEPAGE}/blob/v{version}/\1)", section)
    return linked.strip() + "\n" + CHECKING.format(homepage=control.HOMEPAGE)


def _section(name: str, changelog: str) -> str:
    found = re.search(rf"^## \[{re.escape(name)}\][^\n]*\n(.*?)(?=^## \[|\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""
