"""OpenDocument, by a walk of its XML."""

import zipfile
from pathlib import Path

from lxml import etree

from .found import Found, flat

NAMES = "urn:oasis:names:tc:opendocument:xmlns:"
OFFICE, TEXT, TABLE, DRAW, STYLE, PRESENTATION = (
    f"{{{NAMES}{name}:1.0}}" for name in ("office", "text", "table", "drawing", "style", "presentation")
)
SVG = f"{{{NAMES}svg-compatible:1.0}}"
UNSEEN = {
    f"{OFFICE}annotation", f"{OFFICE}forms", f"{OFFICE}event-listeners", f"{OFFICE}binary-data", f"{DRAW}object",
    f"{TEXT}tracked-changes", f"{TEXT}note-citation", f"{TEXT}sequence-decls", f"{TEXT}ruby-text",
    f"{SVG}title", f"{SVG}desc",
}
LINES = {f"{TEXT}p", f"{TEXT}h", f"{TABLE}table-cell"}
FURNITURE = ("footer", "date-time", "page-number", "header")
# Of repeated cells and rows, which may fill a sheet.
MOST_REPEATED = 3000


def _content(file: Path):
    with zipfile.ZipFile(file) as parts:
        parser = etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True)
        return etree.fromstring(parts.read("content.xml"), parser)


def _text(element) -> str:
    if not isinstance(element.tag, str) or element.tag in UNSEEN:
        return ""
    said = {f"{TEXT}s": " ", f"{TEXT}tab": " ", f"{TEXT}line-break": "\n"}.get(element.tag, "") + (element.text or "")
    said += "".join(_text(child) + (child.tail or "") for child in element)
    return said + "\n" * (element.tag in LINES)


def read_odt(file: Path, _package: str) -> Found:
    body = _content(file).find(f".//{OFFICE}text")
    headings = [flat(_text(heading)) for heading in body.iter(f"{TEXT}h")]
    cells = [
        [_text(cell).strip()]
        for cell in body.iter(f"{TABLE}table-cell")
        # Of tables in tables, none counts.
        if cell.find(f".//{TABLE}table") is None
        and sum(ancestor.tag == f"{TABLE}table" for ancestor in cell.iterancestors()) == 1
    ]
    return Found([_text(body)], cells=cells, headings=headings)


def read_odp(file: Path, _package: str) -> Found:
    found, text = Found([]), []
    pages = list(_content(file).iter(f"{DRAW}page"))
    for page in pages:
        for frame in page:
            role = frame.get(f"{PRESENTATION}class")
            if frame.tag == f"{PRESENTATION}notes":
                notes = "".join(_text(part) for part in frame if part.get(f"{PRESENTATION}class") == "notes")
                text += ["Notes:", notes] if notes.strip() else []
            elif role not in FURNITURE:
                text.append(_text(frame))
                found.headings += [flat(_text(frame))] * (role == "title" and bool(_text(frame).strip()))
    found.texts, found.pages = ["\n".join(text)], len(pages)
    return found


def read_ods(file: Path, _package: str) -> Found:
    content = _content(file)
    hidden = {
        style.get(f"{STYLE}name")
        for style in content.iter(f"{STYLE}style")
        for properties in style.iter(f"{STYLE}table-properties")
        if properties.get(f"{TABLE}display") == "false"
    }
    found = Found(["", ""])
    for sheet in content.iter(f"{TABLE}table"):
        if sheet.get(f"{TABLE}style-name") in hidden:
            continue
        rows = [row for row in sheet.iter(f"{TABLE}table-row") for row in _row(row)]
        if rows:
            name, text = sheet.get(f"{TABLE}name"), "\n".join(" ".join(row) for row in rows)
            # With the names of sheets, and without.
            found.texts = [f"{found.texts[0]}{name}\n{text}\n", f"{found.texts[1]}{text}\n"]
            found.headings.append(name)
            found.cells += [[cell] for row in rows for cell in row]
    return found


def _row(row) -> list[list[str]]:
    """Returns the row as often as it is repeated."""
    if row.get(f"{TABLE}visibility") in ("collapse", "filter"):
        return []
    cells = []
    for cell in row.iter(f"{TABLE}table-cell"):
        if said := flat(_text(cell)):
            cells += [said] * _times(cell, "columns")
    return [cells] * _times(row, "rows") if cells else []


def _times(element, what: str) -> int:
    return min(int(element.get(f"{TABLE}number-{what}-repeated", "1")), MOST_REPEATED)
