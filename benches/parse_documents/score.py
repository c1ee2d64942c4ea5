"""The quality with which a Markdown text renders a document, beside what an independent reader found in it.

Recall and precision
: The share of the reference's words that are in the text, and of the text's words that are in the reference. Of several
  references, that with the best harmonic mean of the two counts.

Order
: The share of the reference's pairs of neighbouring words that are neighbours in the text.

Cells
: The share of the reference's table cells that are found whole, as cells of a table.

Headings
: The share of the reference's headings that are headings of the text.

Each is between 0 and 1. Cells are left out below four of them, and headings below two.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .words import squeezed, unmarked, words

SCORES = ("recall", "precision", "order", "cells", "headings")
FEWEST_CELLS = 4
FEWEST_HEADINGS = 2

CELL_BORDER = re.compile(r"(?<!\\)\|")
NOTHING_BUT_BORDERS = re.compile(r"[\s:|-]+")
HTML_ROW = re.compile(r"<tr\b.*?</tr>", re.DOTALL | re.IGNORECASE)
HTML_CELL = re.compile(r"<t[dh]\b[^>]*>(.*?)</t[dh]>", re.DOTALL | re.IGNORECASE)
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
UNDERLINED = re.compile(r"^(\S[^\n|]*)\n(?:=+|-{3,})\s*$", re.MULTILINE)
HTML_HEADING = re.compile(r"<h[1-6][^>]*>(.*?)</h[1-6]>", re.DOTALL | re.IGNORECASE)
NUMBER = re.compile(
    r"^(?:(?:chapter|appendix|section|kapitel|annexe)\s+)?(?:[\divx]+|[a-z])?(?:\.[\da-z]{1,2})*[.):]?\s+(?=\S)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reference:
    """The findings of an independent reader in a document."""

    # Texts each of which is right.
    texts: list[str]
    # Cells of tables, each with all its right spellings.
    cells: list[list[str]] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    pages: int | None = None

    def words(self) -> int:
        return max((len(words(text)) for text in self.texts), default=0)


def score(markdown: str, reference: Reference) -> dict[str, float]:
    """Returns the scores of a text, without those that the reference says nothing of."""
    scores = _score_words(words(unmarked(markdown)), reference.texts)
    wanted = [spellings for cell in reference.cells if (spellings := {squeezed(way) for way in cell} - {""})]
    if len(wanted) >= FEWEST_CELLS:
        scores["cells"] = _found(wanted, cells_of(markdown))
    wanted = [spellings for heading in reference.headings if (spellings := _ways_to_write(heading))]
    if len(wanted) >= FEWEST_HEADINGS:
        scores["headings"] = _found(wanted, (way for line in headings_of(markdown) for way in _ways_to_write(line)))
    return scores


def _score_words(found: list[str], texts: list[str]) -> dict[str, float]:
    best, scores = -1.0, {}
    order = 0.0
    for text in texts:
        wanted = words(text)
        if not wanted:
            continue
        common = (Counter(wanted) & Counter(found)).total()
        recall, precision = common / len(wanted), common / max(1, len(found))
        pairs = Counter(zip(wanted, wanted[1:]))
        in_order = (pairs & Counter(zip(found, found[1:]))).total()
        order = max(order, in_order / pairs.total() if pairs else recall)
        mean = harmonic_mean(recall, precision)
        if mean > best:
            best, scores = mean, {"recall": recall, "precision": precision}
    return scores | {"order": order} if scores else {}


def harmonic_mean(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other else 0.0


def _found(wanted: list[set[str]], written: Iterable[str]) -> float:
    """Returns the share of the wanted that is written, where what is written once is found once."""
    left, found = Counter(written), 0
    for spellings in wanted:
        if spelling := next((way for way in sorted(spellings) if left[way] > 0), None):
            left[spelling] -= 1
            found += 1
    return found / len(wanted)


def cells_of(markdown: str) -> list[str]:
    """Returns the cells of all tables, in Markdown and in HTML."""
    rows = []
    for line in markdown.splitlines():
        line = line.strip().lstrip("> ")
        is_row = line.startswith("|") or re.search(r"\s\|\s", line)
        if is_row and not NOTHING_BUT_BORDERS.fullmatch(line):
            rows.append(CELL_BORDER.split(line.strip("|")))
    rows += [HTML_CELL.findall(row) for row in HTML_ROW.findall(markdown)]
    cells = (squeezed(unmarked(re.sub(r"<br\s*/?>", " ", cell))) for row in rows for cell in row)
    return [cell for cell in cells if cell]


def headings_of(markdown: str) -> list[str]:
    """Returns all headings, in Markdown and in HTML."""
    text = CODE.sub("", markdown)
    return HEADING.findall(text) + UNDERLINED.findall(text) + HTML_HEADING.findall(text)


def _ways_to_write(heading: str) -> set[str]:
    """Returns a heading with and without its number."""
    text = unmarked(heading).strip()
    return {squeezed(text), squeezed(NUMBER.sub("", text))} - {""}
