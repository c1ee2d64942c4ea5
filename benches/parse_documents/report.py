"""The tables: what became of the documents by their types, and which came out worst."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable

from .measure import Measured
from .score import SCORES, harmonic_mean

WORST = 10
LEGEND = """Medians, in percent: words of the reference that were found (recall), words found that belong there (precision),
pairs of words in order, cells of tables, headings. The mean is that of all documents' scores. Refused: with an error
that says why. Not scored: fewer than ten words, or no reference."""


def medians(scores: Iterable[dict[str, float]]) -> dict[str, float]:
    """Returns the medians of documents' scores, in percent, without those that no document has; and the mean of all, which
    moves where medians are at 100."""
    scores = [one for one in scores if one]
    found = {}
    for name in SCORES:
        if values := [one[name] for one in scores if name in one]:
            found[name] = round(100.0 * statistics.median(values), 1)
    if scores:
        found["mean"] = round(100.0 * statistics.mean(map(overall, scores)), 1)
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
    middles = medians(one.scores for one in found)
    paged = [one for one in read if one.pages]
    pages = sum(one.pages for one in paged)
    return [
        *(str(len(some) or "") for some in (found, read, [one for one in found if one not in read + failed], failed, scored)),
        *(f"{middles[name]:.1f}" if name in middles else "" for name in (*SCORES, "mean")),
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
        scored = sorted((one for one in found if one.scores), key=lambda one: overall(one.scores))
        low = [one for one in scored if overall(one.scores) < 0.995][:WORST]
        rest = [one for one in found if not one.is_read and one not in low]
        if low or rest:
            lines.append(f"{kind}:")
        for one in low + rest:
            scores = " ".join(f"{name} {100 * value:.0f}" for name, value in one.scores.items())
            said = f"{one.outcome}: {one.problem}" if not one.is_read else ""
            lines.append(f"  {one.package}/{one.path.rpartition('/')[2]}  {scores}  {said}".rstrip())
    return "\n".join(lines)


def overall(scores: dict[str, float]) -> float:
    """Returns the mean of a document's scores, of which recall and precision count as one."""
    words = harmonic_mean(scores["recall"], scores["precision"])
    return statistics.mean([words, *(scores[name] for name in SCORES[2:] if name in scores)])


def outcomes(measured: Iterable[Measured]) -> str:
    counts = Counter(one.outcome for one in measured)
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
