"""Runs of the parser and of the independent readers on the documents, and what comes of them."""

import json
import os
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

import hostile
from pgai_dev import places, python_packages

from .fetched import Fetched
from .score import Reference, score

HERE = Path(__file__).parent
# References of fewer words than these score nothing: one word more or less would be a tenth.
FEWEST_WORDS = 10
TEXT = "text"


@dataclass
class Measured:
    """What became of a document."""

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
    answers = _ask([python, "-m", "parse_references"], found)
    return {file: answer.get("error") or Reference(**_of_reference(answer)) for file, answer in answers.items()}


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


def theirs(found: list[Fetched], peer: str, keep: Path | None) -> dict[Path, Measured]:
    """Runs another library on each document of the types that it reads."""
    what = f"Setting up {peer}, for the comparison"
    python = python_packages.environment(places.CACHE / f"venv-{peer}", HERE / f"peer_{peer}.txt", what)
    answers = _ask([python, HERE / "peer.py", peer], found)
    return {
        one.file: _measured(one, answer["outcome"], answer["text"], answer, answer["problem"], keep)
        for one in found
        if (answer := answers[one.file])["outcome"] != "not of its types"
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


def _ask(command: list, found: list[Fetched]) -> dict[Path, dict]:
    """Returns the answers of a program that reads a line of JSON for each document, and writes one."""
    lines = [
        json.dumps({"file": str(one.file), "kind": one.document.kind, "package": one.document.package.name})
        for one in found
    ]
    done = subprocess.run(
        [str(word) for word in command],
        input="\n".join(lines),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": str(HERE.parent)},
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(found):
        raise SystemExit(f"{command[-1]} ended at {found[len(answers)].document.title}, with {done.returncode}")
    return {one.file: answer for one, answer in zip(found, answers)}


def as_json(measured: dict[Path, Measured]) -> list[dict]:
    return [asdict(one) for one in measured.values()]
