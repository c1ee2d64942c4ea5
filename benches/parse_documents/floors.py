"""The scores that were reached, below which a type may not fall: documents/floors.json has those of each document.

What is compared are the medians of a type and its mean, over the documents that were had this time: a package that its
registry no longer has makes nothing fall, and leaves the rest to be held to.
"""

import json
from collections import defaultdict
from collections.abc import Iterable

from .manifest import FLOORS
from .measure import Measured
from .report import medians

# The most points by which a median, or a mean, may fall.
TOLERANCE = 1.0

# The scores of documents by their types, packages and paths.
Floors = dict[str, dict[str, dict[str, float]]]


def reached(measured: Iterable[Measured]) -> Floors:
    """Returns the scores of the documents that have some."""
    floors = defaultdict(dict)
    for one in measured:
        if one.scores:
            floors[one.kind][f"{one.package}/{one.path}"] = one.scores
    return floors


def fallen(now: Floors, floors: Floors) -> list[str]:
    """Returns what is worse than its floor by more than the tolerance."""
    lines = []
    for kind, documents in floors.items():
        there = documents.keys() & now.get(kind, {}).keys()
        before = medians(documents[title] for title in there)
        after = medians(now[kind][title] for title in there)
        lines += [
            f"{kind}: {name} fell from {value} to {after.get(name, 0.0)}"
            for name, value in before.items()
            if after.get(name, 0.0) < value - TOLERANCE
        ]
    return lines


def read() -> Floors:
    """Returns the floors that are written down."""
    return json.loads(FLOORS.read_text())


def write(floors: Floors) -> None:
    """Writes floors down, a document a line, in place of those of the same documents."""
    before, kinds = read(), []
    for kind in sorted(before | floors):
        documents = before.get(kind, {}) | floors.get(kind, {})
        lines = (f"    {json.dumps(title)}: {json.dumps(scores)}" for title, scores in sorted(documents.items()))
        kinds.append(f"  {json.dumps(kind)}: {{\n" + ",\n".join(lines) + "\n  }")
    FLOORS.write_text("{\n" + ",\n".join(kinds) + "\n}\n")
