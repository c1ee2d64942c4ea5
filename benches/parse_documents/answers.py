"""The answers of programs that read documents: a line of JSON for each on their standard input, and one on their output."""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pgai_dev import places
from pgai_dev.console import Failure, step

from .fetched import Fetched
from .peers import Peer

BENCHES = Path(__file__).parents[1]


def ask(command: list, found: list[Fetched]) -> Iterator[dict]:
    """Yields a program's answer to each document, in their order."""
    lines = [
        json.dumps({"file": str(one.file), "kind": one.document.kind, "package": one.document.package.name})
        for one in found
    ]
    with tempfile.TemporaryFile("w+") as questions, tempfile.TemporaryFile("w+") as messages:
        questions.write("\n".join(lines))
        questions.seek(0)
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=questions,
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
            env=os.environ | {"PYTHONPATH": str(BENCHES)},
        )
        answered = 0
        with process:
            for line in process.stdout:
                answered += 1
                yield json.loads(line)
        if answered < len(found):
            messages.seek(0)
            last = (messages.read().strip().splitlines() or ["it says nothing"])[-1]
            title = found[answered].document.title
            raise Failure(f"{command[-1]} ended with {process.returncode} at {title}: {last}")


def kept(peer: Peer, command: list, found: list[Fetched], anew: bool) -> list[dict]:
    """Returns a peer's answer to each document.

    What pgai_rs becomes does not change them, and some peers take an hour. So they are kept in the cache, as soon as they
    are there, until the peer's versions or its program change.
    """
    program = hashlib.sha256(peer.pins.read_bytes() + Path(__file__).with_name("peer.py").read_bytes())
    file = places.CACHE / "bench-documents" / "answers" / f"{peer.pins.stem}-{program.hexdigest()[:16]}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    if anew:
        file.unlink(missing_ok=True)
    answers = {}
    if file.exists():
        answers = {answer["of"]: answer for answer in map(json.loads, file.read_text().splitlines())}
    left = [one for one in found if _key(one) not in answers]
    step(f"Reading {len(found)} documents with {peer.title}, of which {len(found) - len(left)} were read before")
    with file.open("a") as writing:
        for one, answer in zip(left, ask(command, left)):
            answers[_key(one)] = answer | {"of": _key(one)}
            writing.write(json.dumps(answers[_key(one)]) + "\n")
            writing.flush()
    return [answers[_key(one)] for one in found]


def _key(one: Fetched) -> str:
    return f"{one.document.package.sha256}/{one.document.path}"
