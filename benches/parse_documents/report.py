"""The tables: what became of the documents by their types, which came out worst, and how that compares with the floors."""

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable

from .manifest import FLOORS
from .measure import Measured
from .score import SCORES, harmonic_mean

# The most points by which a median, or a mean, may fall.
TOLERANCE = 1.0
WORST = 10


def medians(measured: Iterable[Measured]) -> dict[str, float]:
    """Returns the medians of the scores, in percent, without those that no document has."""
    measured = list(measured)
    found = {}
    for name in SCORES:
        if values := [one.scores[name] for one in measured if name in one.scores]:
            found[name] = round(100 * statistics.median(values), 1)
    return found


def by_kind(measured: Iterable[Measured]) -> dict[str, list[Measured]]:
    kinds = defaultdict(list)
    for one in measured:
        kinds[one.kind].append(one)
    return dict(sorted(kinds.items()))


def table(title: str, measured: list[Measured]) -> str:
    """Returns a row for each type, in Markdown: medians of the scores, the mean of all, and the median of the CPU time."""
    columns = ["n", "read", "refused", "failed", "scored", *SCORES, "mean", "CPU ms", "ms a page", "MB"]
    lines = [title, "", f"| type | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    for kind, found in by_kind(measured).items():
        lines.append(f"| {kind} | {' | '.join(_row(found))} |")
    return "\n".join([*lines, f"| all | {' | '.join(_row(measured))} |", ""])


def _row(found: list[Measured]) -> list[str]:
    read = [one for one in found if one.is_read]
    failed = [one for one in found if is_failure(one)]
    scored = [one for one in found if one.scores]
    middles = medians(found)
    paged = [one for one in read if one.pages]
    pages = sum(one.pages for one in paged)
    return [
        *(str(len(some) or "") for some in (found, read, [one for one in found if one not in read + failed], failed, scored)),
        *(f"{middles[name]:.1f}" if name in middles else "" for name in SCORES),
        f"{100 * statistics.mean(map(overall, scored)):.1f}" if scored else "",
        f"{1000 * statistics.median(one.cpu_seconds for one in found):.0f}",
        f"{1000 * sum(one.cpu_seconds for one in paged) / pages:.1f}" if pages else "",
        str(max(one.megabytes for one in found)),
    ]


# The parser's own refusals, which say what is wrong with a document.
REFUSALS = {
    "unsupported_type", "damaged_document", "encrypted_document", "needs_ocr", "empty_document",
    "document_too_complex", "unknown_encoding",
}


def is_failure(one: Measured) -> bool:
    return not one.is_read and one.outcome not in REFUSALS


def worst(measured: Iterable[Measured]) -> str:
    """Returns the documents of each type that scored worst, and those that were not read."""
    lines = []
    for kind, found in by_kind(measured).items():
        scored = sorted((one for one in found if one.scores), key=overall)
        low = [one for one in scored if overall(one) < 0.995][:WORST]
        rest = [one for one in found if not one.is_read and one not in low]
        if low or rest:
            lines.append(f"{kind}:")
        for one in low + rest:
            scores = " ".join(f"{name} {100 * value:.0f}" for name, value in one.scores.items())
            said = f"{one.outcome}: {one.problem}" if not one.is_read else ""
            lines.append(f"  {one.package}/{one.path.rpartition('/')[2]}  {scores}  {said}".rstrip())
    return "\n".join(lines)


def overall(one: Measured) -> float:
    """Returns the mean of a document's scores, of which recall and precision count as one."""
    words = harmonic_mean(one.scores["recall"], one.scores["precision"])
    return statistics.mean([words, *(one.scores[name] for name in SCORES[2:] if name in one.scores)])


def outcomes(measured: Iterable[Measured]) -> str:
    counts = Counter(one.outcome for one in measured)
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())


def floors_of(measured: Iterable[Measured]) -> dict[str, dict[str, float]]:
    """Returns the medians of each type, and the mean of all scores, which moves where medians are at 100."""
    floors = {}
    for kind, found in by_kind(measured).items():
        floors[kind] = {"documents": len(found)} | medians(found)
        if scored := [overall(one) for one in found if one.scores]:
            floors[kind]["mean"] = round(100 * statistics.mean(scored), 1)
    return floors


def fallen(reached: dict[str, dict[str, float]], floors: dict[str, dict[str, float]]) -> list[str]:
    """Returns what is worse than its floor by more than the tolerance. A type whose documents were not all had is left out."""
    lines = []
    for kind, floor in floors.items():
        now = reached.get(kind, {})
        if now.get("documents", 0) < floor["documents"]:
            continue
        for name in (*SCORES, "mean"):
            if name in floor and now.get(name, 0.0) < floor[name] - TOLERANCE:
                lines.append(f"{kind}: {name} fell from {floor[name]} to {now.get(name, 0.0)}")
    return lines


def read_floors() -> dict[str, dict[str, float]]:
    return json.loads(FLOORS.read_text()) if FLOORS.exists() else {}


def write_floors(floors: dict[str, dict[str, float]]) -> None:
    lines = (f"  {json.dumps(kind)}: {json.dumps(floor)}" for kind, floor in floors.items())
    FLOORS.write_text("{\n" + ",\n".join(lines) + "\n}\n")
