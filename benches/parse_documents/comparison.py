"""The tables of the comparison with other libraries: what comes of the same documents, and how long that takes."""

import statistics
from collections.abc import Iterable
from pathlib import Path

from .measure import Measured
from .report import by_kind, medians
from .score import SCORES

# What a library made of each document, by the library's title, ours first.
Runs = dict[str, dict[Path, Measured]]


def by_library(runs: Runs) -> str:
    """Returns a row for each library and each type that a library beside ours reads: medians, the mean, and the CPU time."""
    columns = ["type", "library", "not read", *SCORES, "mean", "CPU ms"]
    lines = [f"| {' | '.join(columns)} |", "| --- | --- |" + " ---: |" * (len(columns) - 2)]
    ours, *_ = runs.values()
    for kind, found in by_kind(ours.values()).items():
        rows = [(title, _of_kind(measured.values(), kind)) for title, measured in runs.items()]
        rows = [(title, documents) for title, documents in rows if documents]
        scored = sum(bool(one.scores) for one in found)
        if len(rows) > 1:
            first = [f"{kind} ({scored} of {len(found)} scored)", *[""] * (len(rows) - 1)]
            lines += [_row([name, title], documents) for name, (title, documents) in zip(first, rows)]
    return "\n".join(lines)


def _of_kind(measured: Iterable[Measured], kind: str) -> list[Measured]:
    return [one for one in measured if one.kind == kind]


def _row(names: list[str], documents: list[Measured]) -> str:
    middles = medians(one.scores for one in documents)
    cells = [
        str(sum(not one.is_read for one in documents) or ""),
        *(f"{middles[name]:.1f}" if name in middles else "" for name in (*SCORES, "mean")),
        f"{1000 * statistics.median(one.cpu_seconds for one in documents):.0f}",
    ]
    return f"| {' | '.join([*names, *cells])} |"


def pages_a_second(runs: Runs) -> str:
    """Returns the pages of PDF that each library reads in a second of a CPU, and those that ours reads of the same documents."""
    columns = ["library", "pages", "CPU s", "pages a CPU-second", "ours, of the same"]
    lines = [f"| {' | '.join(columns)} |", "| --- |" + " ---: |" * (len(columns) - 1)]
    ours, *_ = runs.values()
    for title, measured in runs.items():
        read = [file for file, one in measured.items() if one.kind == "pdf" and one.is_read and one.pages and ours[file].is_read]
        if read:
            pages = sum(ours[file].pages for file in read)
            seconds = sum(measured[file].cpu_seconds for file in read)
            own = sum(ours[file].cpu_seconds for file in read)
            lines.append(f"| {title} | {pages:,} | {seconds:.1f} | {pages / seconds:.1f} | {pages / own:.1f} |")
    return "\n".join(lines)
