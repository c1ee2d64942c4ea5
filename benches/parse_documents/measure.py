"""Runs of the parser and of the independent readers on the documents, and what comes of them."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import hostile
from pgai_dev import places, python_packages

from .answers import ask, kept
from .fetched import Fetched
from .peers import Peer
from .score import Reference, score

HERE = Path(__file__).parent
# References of fewer words than these score nothing: one word more or less would be a tenth.
FEWEST_WORDS = 10
TEXT = "text"


@dataclass
class Measured:
    """The outcome of a document."""

    package: str
    path: str
    kind: str
    # `text`, or the code of a refusal, or how the run ended.
    outcome: str
    cpu_seconds: float
    megabytes: int
    pages: int | None = None
    scores: dict[str, float] = field(default_factory=dict)
    problem: str = ""

    @property
    def is_read(self) -> bool:
        return self.outcome == TEXT


def references(found: list[Fetched]) -> dict[Path, Reference | str]:
    """Returns what the independent readers found in each file, or why they found nothing."""
    what = "Setting up the readers that the parser is compared with (from PyPI)"
    python = python_packages.environment(places.CACHE / "venv-document-readers", HERE / "readers.txt", what)
    answers = zip(found, ask([python, "-m", "parse_references"], found))
    return {one.file: answer.get("error") or Reference(**_of_reference(answer)) for one, answer in answers}


def _of_reference(answer: dict) -> dict:
    return {name: answer[name] for name in ("texts", "cells", "headings", "pages")}


def ours(found: list[Fetched], program: Path, keep: Path | None) -> dict[Path, Measured]:
    """Runs the parser on each document, and returns what came of it, without scores; its texts are kept in a folder."""
    measured = {}
    for one in found:
        ended, output, messages = hostile.run(program, one.document.name, one.file.read_bytes())
        outcome, problem, text = hostile.classify(ended, output, messages)
        measured[one.file] = _measured(one, outcome, text, ended, problem, keep)
    return measured


def theirs(found: list[Fetched], peer: Peer, anew: bool) -> dict[Path, Measured]:
    """Runs another library on each document of the types that it reads; those that it read before only if they are to be
    read anew."""
    place = places.CACHE / f"venv-{peer.pins.stem}"
    python = python_packages.environment(place, peer.pins, f"Setting up {peer.title}, for the comparison")
    answers = kept(peer, [python, HERE / "peer.py", peer.reader], found, anew)
    return {
        one.file: _measured(one, answer["outcome"], answer["text"], answer, answer["problem"], None)
        for one, answer in zip(found, answers)
        if answer["outcome"] != "not of its types"
    }


def _measured(one: Fetched, outcome: str, text: str, ended: dict, problem: str, keep: Path | None) -> Measured:
    document = one.document
    measured = Measured(
        document.package.name,
        document.path,
        document.kind,
        outcome,
        ended["cpu_seconds"],
        ended["megabytes"],
        problem=problem[:300],
    )
    measured.text = text
    if keep and measured.is_read:
        file = keep / document.package.name / f"{document.path}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return measured


def judge(measured: dict[Path, Measured], references: dict[Path, Reference | str]) -> None:
    """Scores the texts. One that was refused has the scores of an empty text."""
    for file, one in measured.items():
        reference = references[file]
        if isinstance(reference, Reference):
            one.pages = reference.pages
            if reference.words() >= FEWEST_WORDS:
                one.scores = {name: round(value, 4) for name, value in score(one.text, reference).items()}


def as_json(measured: dict[Path, Measured]) -> list[dict]:
    return [asdict(one) for one in measured.values()]
