"""The parser's answers to hostile documents: truncated, bit-flipped, nested, blown up, encrypted, mislabelled, endless.

    python3 benches/hostile.py PROGRAM                     all, and a table of outcomes
    python3 benches/hostile.py PROGRAM --only Pdf --keep D the PDFs, each of which is written to the folder D
    python3 benches/hostile.py PROGRAM --seed 7 --json F   others; each outcome is written to the file F

PROGRAM is pgai_rs_parser. Each document gets a run with 1 GB of memory and 20 seconds of a CPU, as the worker has it.
The documents are made from the seed; nothing but Python's standard library is needed.

Two kinds of outcomes are wrong whatever the reader: *made up*, text although nothing of the content was left, and
*lost*, a document that nothing is wrong with and whose words don't come out. The exit status is 1 if there is one, or
a run without an answer.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from hostile_files import Case, Expected, cases
from hostile_files.words import WORDS, known

MEMORY = 1 << 30
CPU_SECONDS = 20
# Longer than the CPU's time on a machine that others use, too.
WALL_SECONDS = 120
VERSION = 1

RUNNER = Path(__file__).with_name("hostile_files") / "run_limited.py"

UNANSWERED = ["parser_crashed", "stack_overflow", "parser_out_of_memory", "parser_timed_out", "version_mismatch"]


@dataclass
class Outcome:
    """The outcome of a document."""

    kind: str
    harm: str
    # `text`, or the code of a refusal, or one of UNANSWERED.
    outcome: str
    # `made up`, `lost` or empty.
    wrong: str
    message: str
    cpu_seconds: float
    megabytes: int
    text_bytes: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", metavar="WORD", help="documents with this in their type or harm")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write the documents there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all outcomes there")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args()

    chosen = [case for case in cases(given.seed) if not given.only or given.only in case.title]
    with ThreadPoolExecutor(given.jobs) as pool:
        outcomes = list(pool.map(lambda case: judge(case, given.program.resolve(), given.keep), chosen))
    print_table(outcomes, given.seed)
    print_places(outcomes)
    if given.json:
        given.json.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + "\n")
    return int(any(outcome.wrong or outcome.outcome in UNANSWERED for outcome in outcomes))


def judge(case: Case, program: Path, keep: Path | None) -> Outcome:
    """Runs the program on a document, and says whether the outcome is right."""
    content = case.make()
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        ending = case.name.rpartition(".")[2]
        (keep / f"{case.kind}-{case.harm.replace('%', '')}.{ending}").write_bytes(content)

    ended, output, messages = run(program, case.name, content)
    outcome, message, text = classify(ended, output, messages)
    return Outcome(
        case.kind,
        case.harm,
        outcome,
        wrong(case, outcome, text),
        message,
        ended["cpu_seconds"],
        ended["megabytes"],
        len(text),
    )


def run(program: Path, name: str, content: bytes) -> tuple[dict, bytes, bytes]:
    """Returns how the run ended and what it used, its stdout, and its stderr."""
    header = json.dumps({"version": VERSION, "name": name}).encode() + b"\n"
    with tempfile.TemporaryDirectory() as folder:
        document, messages, result = Path(folder, "document"), Path(folder, "messages"), Path(folder, "result")
        document.write_bytes(header + content)
        limits = [str(limit) for limit in (MEMORY, CPU_SECONDS, WALL_SECONDS)]
        with document.open("rb") as stdin, messages.open("wb") as stderr:
            output = subprocess.run(
                [sys.executable, "-I", "-S", RUNNER, result, *limits, program],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                check=True,
            ).stdout
        with messages.open("rb") as said:
            return json.loads(result.read_text()), output, said.read(4096)


def classify(ended: dict, output: bytes, messages: bytes) -> tuple[str, str, str]:
    """Returns the outcome, a message, and the text, as `pgai_rs_parser_protocol::Unanswered` has it."""
    status, said = ended["status"], messages.decode(errors="replace").strip()
    if status == 0:
        line, _, text = output.partition(b"\n")
        answer = json.loads(line)
        if "document" in answer:
            return "text", "", text.decode()
        return answer["refusal"]["code"], answer["refusal"]["message"], ""
    if ended["late"] or status == -24:
        return "parser_timed_out", said, ""
    if status in (-9, 70) or (status == -6 and "memory allocation of " in said):
        return "parser_out_of_memory", said, ""
    if status == -6 and "has overflowed its stack" in said:
        return "stack_overflow", said, ""
    if status in (64, 65):
        return "version_mismatch", said, ""
    return "parser_crashed", f"{status}: {said}", ""


def wrong(case: Case, outcome: str, text: str) -> str:
    """Returns what is wrong with an outcome whatever the reader; nothing if it may be right."""
    # Types that have no reader yet lose everything.
    if case.expected is Expected.TEXT and outcome != "unsupported_type":
        return "" if known(text) > len(WORDS) // 2 else "lost"
    if outcome != "text":
        return ""
    if case.expected is Expected.REFUSAL or (case.expected is Expected.SOME and known(text) == 0):
        return "made up"
    return ""


def print_table(outcomes: list[Outcome], seed: int) -> None:
    refusals = sorted({outcome.outcome for outcome in outcomes} - {"text", *UNANSWERED})
    columns = ["files", "text", *refusals, *UNANSWERED, "made up", "lost", "CPU s", "MB"]
    rows = defaultdict(list)
    for outcome in outcomes:
        rows[outcome.kind].append(outcome)
    rows = dict(rows) | {"all": outcomes}

    print(f"{len(outcomes)} documents of seed {seed}; the largest CPU time and memory of one\n")
    print("| type | " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * len(columns))
    for kind, found in rows.items():
        counts = Counter(outcome.outcome for outcome in found) + Counter(outcome.wrong for outcome in found)
        counts["files"] = len(found)
        cells = [str(counts[column] or "") for column in columns[:-2]]
        cells += [f"{max(o.cpu_seconds for o in found):.2f}", str(max(o.megabytes for o in found))]
        print(f"| {kind} | " + " | ".join(cells) + " |")


def print_places(outcomes: list[Outcome]) -> None:
    """Prints the documents of all outcomes that are wrong or unanswered."""
    print()
    for outcome in outcomes:
        failed = outcome.outcome if outcome.outcome in [*UNANSWERED, "parser_failed"] else ""
        if what := outcome.wrong or failed:
            print(f"{what:>20}  {outcome.kind}/{outcome.harm}  {outcome.outcome} {' '.join(outcome.message.split())[:150]}")


if __name__ == "__main__":
    sys.exit(main())
