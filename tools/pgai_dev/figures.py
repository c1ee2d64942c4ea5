"""The house in figures: how long its rooms are, what is documented, which habits its prose and code have.

    make figures                                    a table for a person
    make figures ARGS='--json'                      the same for a program
    make figures ARGS='--at 054355c'                of another commit
    make figures ARGS='--places riddles'            where what is counted is

Everything is counted outside tests. `riddles` are doc comments that begin with What, How, Whether, Of, As, That, Whose and
the like: they have no subject, and are understood at the second reading only.
"""

import argparse
import io
import json
import re
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import places
from .console import Failure
from .rust_measures import Function, Measures, Place, measure

LONG_FILE, LONG_FUNCTION, LONGEST_FUNCTION, LONG_BODY = 400, 50, 100, 15

TABLE = [
    ("files / lines", "{files} / {lines}"),
    ("mean lines a file", "{lines_a_file:.0f}"),
    (f"files > {LONG_FILE} lines", "{long_files}"),
    ("functions", "{functions}"),
    ("  lines: median / p90 / p99 / max", "{fn_median} / {fn_p90} / {fn_p99} / {fn_max}"),
    (f"  > {LONG_FUNCTION} / > {LONGEST_FUNCTION} lines", "{long_fns} / {longest_fns}"),
    ("  names of one word", "{one_word_percent:.0f} %"),
    ("  blank lines in bodies", "{blank_percent:.1f} %"),
    (f"  bodies > {LONG_BODY} lines without a comment", "{silent_percent:.0f} %"),
    ("unsafe blocks / with SAFETY", "{unsafe} / {unsafe_noted}"),
    ("unwrap + expect", "{unwraps}"),
    ("panic!, unreachable!", "{panics}"),
    ("TODO, FIXME", "{todos}"),
    ("pub items documented", "{items_percent:.0f} %"),
    ("pub fields, variants documented", "{members_percent:.0f} %"),
    ("files with //!", "{file_docs_percent:.0f} %"),
    ("comment / code", "{comment_ratio:.2f}"),
    ("examples in docs that are run", "{examples}"),
    ("doc comments that begin with What, Of, As …", "{riddles_percent:.0f} % ({riddles})"),
    ("let (a, b) = (x, y), per 1000 lines of bodies", "{tuple_lets_kloc:.1f}"),
    ("closures, per 1000 lines of bodies", "{closures_kloc:.0f}"),
]

# What `--places` can tell the places of.
KINDS = {
    "closures": "closures",
    "docs": "doc comments by their first lines",
    "examples": "examples in docs that are run",
    "items_bare": "pub items without documentation",
    "long_fns": f"functions of more than {LONG_FUNCTION} lines",
    "members_bare": "pub fields and variants without documentation",
    "panics": "panic!, unreachable! and their like",
    "riddles": "doc comments that begin with What, How, Of, As, That …",
    "silent": f"functions whose body has more than {LONG_BODY} lines and no comment",
    "todos": "TODO, FIXME",
    "tuple_lets": "let (a, b) = (x, y)",
    "unsafe_bare": "unsafe blocks without SAFETY",
    "unwraps": "unwrap and expect",
}


@dataclass
class House:
    """The things that were measured: files by crate, tests by language."""

    crates: dict[str, list[Measures]]
    rust_tests: int
    python_tests: int

    def groups(self) -> dict[str, list[Measures]]:
        return {"all": [file for files in self.crates.values() for file in files], **self.crates}


def house(root: Path) -> House:
    """Measures a tree of ours."""
    crates = {}
    for folder in [root / "src", *sorted(root.glob("crates/*/src"))]:
        name = folder.parent.name if folder.parent != root else "src"
        files = sorted(folder.rglob("*.rs"))
        crates[name] = [measure(str(file.relative_to(root)), file.read_text()) for file in files]
    rust = [file for folder in ("src", "crates/*/src", "crates/*/tests") for file in root.glob(f"{folder}/**/*.rs")]
    python = [*root.glob("tests/**/test_*.py"), *root.glob("tools/tests/test_*.py")]
    return House(
        crates,
        _count(rust, r"^\s*#\[(?:\w+::)*test(?:\([^\]]*\))?\]"),
        _count(python, r"^\s*(?:async )?def test_"),
    )


def _count(files: list[Path], pattern: str) -> int:
    return sum(len(re.findall(pattern, file.read_text(), re.MULTILINE)) for file in files)


def figures(files: list[Measures]) -> dict[str, int | float]:
    """The figures of some files."""
    functions = [function for file in files for function in file.functions]
    long_bodies = [function for function in functions if function.body > LONG_BODY]
    lengths = sorted(function.lines for function in functions)
    bodies = sum(function.body for function in functions)

    def number(kind: str) -> int:
        return sum(len(file.found[kind]) for file in files)

    return {
        "files": len(files),
        "lines": sum(file.lines for file in files),
        "lines_a_file": _ratio(sum(file.lines for file in files), len(files)),
        "long_files": len(_long_files(files)),
        "functions": len(functions),
        "fn_median": _percentile(lengths, 0.5),
        "fn_p90": _percentile(lengths, 0.9),
        "fn_p99": _percentile(lengths, 0.99),
        "fn_max": _percentile(lengths, 1),
        "long_fns": sum(length > LONG_FUNCTION for length in lengths),
        "longest_fns": sum(length > LONGEST_FUNCTION for length in lengths),
        "one_word_percent": _percent(sum(_is_one_word(function.place.text) for function in functions), len(functions)),
        "blank_percent": _percent(sum(f.blank for f in functions), bodies),
        "silent_percent": _percent(sum(not f.commented for f in long_bodies), len(long_bodies)),
        "unsafe": number("unsafe"),
        "unsafe_noted": number("unsafe") - number("unsafe_bare"),
        "unwraps": number("unwraps"),
        "panics": number("panics"),
        "todos": number("todos"),
        "items_percent": 100 - _percent(number("items_bare"), number("items")),
        "members_percent": 100 - _percent(number("members_bare"), number("members")),
        "file_docs_percent": _percent(sum(bool(file.found["file_docs"]) for file in files), len(files)),
        "comment_ratio": _ratio(sum(file.comments for file in files), sum(file.code for file in files)),
        "examples": number("examples"),
        "riddles": number("riddles"),
        "riddles_percent": _percent(number("riddles"), number("docs")),
        "tuple_lets_kloc": _ratio(1000 * number("tuple_lets"), bodies),
        "closures_kloc": _ratio(1000 * number("closures"), bodies),
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _percent(part: float, whole: float) -> float:
    return 100 * _ratio(part, whole)


def _percentile(ordered: list[int], share: float) -> int:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0


def _is_one_word(name: str) -> bool:
    return "_" not in name.strip("_")


def _long_files(files: list[Measures]) -> list[Measures]:
    return sorted((file for file in files if file.lines > LONG_FILE), key=lambda file: -file.lines)


def _long_functions(files: list[Measures]) -> list[Function]:
    functions = (function for file in files for function in file.functions if function.lines > LONG_FUNCTION)
    return sorted(functions, key=lambda function: -function.lines)


def table(measured: House) -> str:
    """For a person: a row a figure, a column a crate, and below it what is too long, by name."""
    groups = measured.groups()
    told = {name: figures(files) for name, files in groups.items()}
    rows = [("", *told)] + [(label, *(form.format(**told[name]) for name in told)) for label, form in TABLE]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for label, *cells in rows:
        right = "  ".join(cell.rjust(width) for cell, width in zip(cells, widths[1:]))
        lines.append(f"{label.ljust(widths[0])}  {right}".rstrip())
    lines.append(f"tests: {measured.rust_tests} in Rust, {measured.python_tests} in Python")
    lines += ["", f"Files of more than {LONG_FILE} lines:"]
    lines += [f"  {file.lines:4} {file.file}" for file in _long_files(groups["all"])] or ["  none"]
    lines += ["", f"Functions of more than {LONG_FUNCTION} lines:"]
    lines += [f"  {f.lines:4} {f.place}" for f in _long_functions(groups["all"])] or ["  none"]
    return "\n".join(lines)


def as_json(measured: House) -> str:
    """For a program: the figures by crate, and what is too long."""
    groups = measured.groups()
    told = {
        "crates": {name: figures(files) for name, files in groups.items()},
        "tests": {"rust": measured.rust_tests, "python": measured.python_tests},
        "long_files": {file.file: file.lines for file in _long_files(groups["all"])},
        "long_functions": {str(f.place): f.lines for f in _long_functions(groups["all"])},
    }
    return json.dumps(told, indent=2)


def found(measured: House, kind: str) -> list[Place]:
    """All places of a kind."""
    files = measured.groups()["all"]
    if kind == "long_fns":
        return [function.place for function in _long_functions(files)]
    if kind == "silent":
        functions = [function for file in files for function in file.functions]
        return [function.place for function in functions if function.body > LONG_BODY and not function.commented]
    return [place for file in files for place in file.found[kind]]


def show(arguments: list[str]) -> None:
    """Prints what is asked for."""
    parser = argparse.ArgumentParser(prog="make figures", description="Prints the figures of the code.")
    parser.add_argument("--json", action="store_true", help="for a program")
    parser.add_argument("--at", metavar="COMMIT", help="measure a commit, not the files as they are")
    parser.add_argument("--places", choices=KINDS, metavar="KIND", help="the places of a kind: " + ", ".join(KINDS))
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        measured = house(_taken_out(asked.at, Path(folder)) if asked.at else places.ROOT)
    if asked.places:
        print("\n".join(map(str, found(measured, asked.places))))
    else:
        print(as_json(measured) if asked.json else table(measured))


def _taken_out(commit: str, folder: Path) -> Path:
    """The tree of a commit, in this folder."""
    command = ["git", "-C", str(places.ROOT), "archive", commit]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        raise Failure(f"`git archive {commit}` failed: {done.stderr.decode(errors='replace').strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder)
    return folder
