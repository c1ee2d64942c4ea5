"""Whether a tree may be released under a tag."""

import json
import re
from dataclasses import dataclass

from .. import package, places
from ..console import output
from ..deb import origin


@dataclass(frozen=True)
class Tree:
    """What a tree says of its version in each place, and whether all of it is committed."""

    version: str
    of_crates: str
    of_meta: str
    changelog: str
    # Those by which earlier versions are upgraded, and those that are never edited again.
    scripts: frozenset[str]
    frozen: frozenset[str]
    changed: str

    @classmethod
    def here(cls) -> "Tree":
        """Returns what stands in this clone."""
        crates = re.search(r'^\[workspace\.package\]\nversion = "(.+)"$', _text("Cargo.toml"), re.MULTILINE)[1]
        return cls(
            version=package.version(),
            of_crates=crates,
            of_meta=json.loads(_text("META.json"))["version"],
            changelog=_text("CHANGELOG.md"),
            scripts=frozenset(path.stem for path in package.SQL.rglob("pgai_rs--*--*.sql")),
            frozen=frozenset(path.stem for path in (package.SQL / "released").glob("*.sql")),
            changed=output(["git", "status", "--porcelain", "--untracked-files=no"], cwd=places.ROOT),
        )


def refusals(tag: str, tree: Tree) -> list[str]:
    """Returns the reasons for which a tree may not be released under a tag; none if it may."""
    found = []
    if tag != f"v{tree.version}":
        found.append(f"the tag is {tag}, and default_version in pgai_rs.control is {tree.version}")
    for file, version in {"Cargo.toml": tree.of_crates, "META.json": tree.of_meta}.items():
        if version != tree.version:
            found.append(f"{file} says {version}, and pgai_rs.control {tree.version}")
    if not origin.is_released(tree.version, tree.changelog):
        found.append(f"the section of {tree.version} in CHANGELOG.md has no date")
    elif _unreleased(tree.changelog):
        found.append("CHANGELOG.md has changes that no version is named for")
    if (earlier := _earlier(tree)) and f"pgai_rs--{earlier}--{tree.version}" not in tree.scripts:
        found.append(f"there is no script from {earlier} to {tree.version}")
    if f"pgai_rs--{tree.version}" not in tree.frozen:
        found.append(f"sql/released does not have the script of {tree.version}")
    if tree.changed:
        found.append(f"not all is committed: {', '.join(line.split()[-1] for line in tree.changed.splitlines())}")
    return found


def _unreleased(changelog: str) -> str:
    section = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return section[1].strip() if section else ""


def _earlier(tree: Tree) -> str | None:
    """Returns the version that was released before, if there is one."""
    dated = re.findall(r"^## \[(\d[\w.]*)\] - ", tree.changelog, re.MULTILINE)
    return next((version for version in dated if version != tree.version), None)


def _text(name: str) -> str:
    return (places.ROOT / name).read_text()
