"""RTF, by striprtf; CSV, JSON, notebooks and subtitles, by Python's own readers."""

import csv
import io
import json
import re
from pathlib import Path

from striprtf.striprtf import rtf_to_text

from .found import Found


def read_rtf(file: Path, _package: str) -> Found:
    return Found([rtf_to_text(file.read_text("latin-1"), errors="replace")])


def read_csv(file: Path, _package: str) -> Found:
    text = file.read_text("utf-8-sig", errors="replace")
    try:
        delimiter = csv.Sniffer().sniff(text[:5000], ",;\t|").delimiter
    except csv.Error:
        delimiter = ","
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    return Found(["\n".join(" ".join(row) for row in rows)], cells=[[cell] for row in rows for cell in row])


def read_json(file: Path, _package: str) -> Found:
    """Its values: alone, after the names of all members, and each after the name of its member."""
    value = json.loads(file.read_text("utf-8-sig"))
    names, values = list(dict.fromkeys(_names(value))), list(_leaves(value))
    return Found(["\n".join(values), "\n".join(names + values), "\n".join(_leaves(value, named=True))])


def _names(value):
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from _names(member)


def _leaves(value, named: bool = False):
    if isinstance(value, dict):
        for name, member in value.items():
            yield from [name] * named
            yield from _leaves(member, named)
    elif isinstance(value, list):
        for member in value:
            yield from _leaves(member, named)
    elif value is not None:
        yield str(value).lower() if isinstance(value, bool) else str(value)


def read_notebook(file: Path, _package: str) -> Found:
    text, headings = [], []
    for cell in json.loads(file.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        text.append(source)
        if cell["cell_type"] == "markdown":
            headings += re.findall(r"^#+ (.+)", source, re.MULTILINE)
        text += [_output(output) for output in cell.get("outputs", [])]
    return Found(["\n".join(text)], headings=headings)


def _output(output: dict) -> str:
    if output["output_type"] == "stream":
        return "".join(output["text"])
    if output["output_type"] == "error":
        return f"{output['ename']} {output['evalue']}"
    said = "".join(output["data"].get("text/markdown") or output["data"].get("text/plain") or "")
    # The name that Python has for an object, which is a picture.
    return "" if re.fullmatch(r"<[^\n]*>", said.strip()) else said


def read_subtitles(file: Path, _package: str) -> Found:
    lines = []
    for block in re.split(r"\n\s*\n", file.read_text("utf-8-sig", errors="replace").replace("\r", "")):
        cue = block.split("\n")
        times = next((place for place, line in enumerate(cue) if "-->" in line), len(cue))
        lines += [re.sub(r"<[^>]*>|\{\\[^}]*\}", "", line) for line in cue[times + 1 :]]
    return Found(["\n".join(lines)])
