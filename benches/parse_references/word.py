"""DOCX, by a walk of its XML."""

import re
import zipfile
from pathlib import Path

from lxml import etree

from .found import Found, flat

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
# What is deleted, settings, instructions, and second versions of what was said.
UNSEEN = {f"{W}{name}" for name in ("del", "moveFrom", "delText", "instrText", "rt", "sectPr", "pPr", "sdtPr", "tblPr")} | {
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
}
BREAKS = {f"{W}{name}" for name in ("tab", "br", "cr", "ptab")}
BOXES = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}txbxContent"
PAGE_FIELD = re.compile(r"\s*(PAGEREF|PAGE|NUMPAGES)\b")
OFF = ("0", "false", "off")


def read(file: Path, _package: str) -> Found:
    with zipfile.ZipFile(file) as parts:
        names = set(parts.namelist())
        main = next(name for name in sorted(names) if re.fullmatch(r"word/document\d*\.xml", name))
        body = _parse(parts.read(main)).find(f"{W}body")
        styles = _parse(parts.read("word/styles.xml")) if "word/styles.xml" in names else None
        notes = {}
        for kind in ("footnote", "endnote"):
            if f"word/{kind}s.xml" in names:
                for note in _parse(parts.read(f"word/{kind}s.xml")).iter(f"{W}{kind}"):
                    notes[f"{W}{kind}Reference", note.get(f"{W}id")] = note

    levels = _levels(styles)
    walk = Walk(notes)
    walk.into(body)
    for note in list(walk.referred):
        walk.into(notes[note])
    tables = [table for table in body.iter(f"{W}tbl") if not _within(table, f"{W}tbl", BOXES)]
    plain = [table for table in tables if table.find(f".//{W}tbl") is None]
    headings = [paragraph for paragraph in body.iter(f"{W}p") if not _within(paragraph, f"{W}tc", BOXES)]
    return Found(
        ["".join(walk.text)],
        cells=[[text] for table in plain for text in _cells(table)],
        headings=[flat(_text(paragraph)) for paragraph in headings if _is_heading(paragraph, levels)],
    )


def _parse(content: bytes):
    return etree.fromstring(content, etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True))


class Walk:
    """The text of elements in their order, without what Word doesn't show."""

    def __init__(self, notes=()):
        self.text, self.notes, self.referred = [], notes, []
        # The fields that are open: their instructions, and whether their results have begun.
        self.fields = []

    def into(self, element) -> None:
        tag = element.tag
        if not isinstance(tag, str) or tag in UNSEEN or self._hidden(element):
            return
        if tag == f"{W}fldChar":
            self._field(element.get(f"{W}fldCharType"))
        elif tag == f"{W}t" and not any(not begun or PAGE_FIELD.match(said) for said, begun in self.fields):
            self.text.append(element.text or "")
        elif tag in BREAKS:
            self.text.append(" ")
        elif tag == f"{W}noBreakHyphen":
            self.text.append("-")
        elif (note := (tag, element.get(f"{W}id"))) in self.notes:
            self.referred += [note] * (note not in self.referred)
        for child in element:
            if child.tag == f"{W}instrText" and self.fields:
                self.fields[-1][0] += child.text or ""
            self.into(child)
        if tag in (f"{W}p", f"{W}tc"):
            self.text.append("\n")

    def _field(self, step: str) -> None:
        if step == "begin":
            self.fields.append(["", False])
        elif self.fields and step == "separate":
            self.fields[-1][1] = True
        elif self.fields and step == "end":
            self.fields.pop()

    @staticmethod
    def _hidden(element) -> bool:
        if element.tag == f"{W}r":
            hidden = element.find(f"{W}rPr/{W}vanish")
            return hidden is not None and hidden.get(f"{W}val") not in OFF
        if element.tag == f"{W}sdt":
            return element.find(f"{W}sdtPr/{W}showingPlcHdr") is not None
        return element.tag == f"{W}fldSimple" and bool(PAGE_FIELD.match(element.get(f"{W}instr") or ""))


def _text(element) -> str:
    walk = Walk()
    walk.into(element)
    return "".join(walk.text)


def _cells(table):
    for row in table.iter(f"{W}tr"):
        if row.find(f"{W}trPr/{W}del") is not None:
            continue
        for cell in row.iter(f"{W}tc"):
            merged = cell.find(f"{W}tcPr/{W}vMerge")
            if merged is None or merged.get(f"{W}val") == "restart":
                yield _text(cell)


def _levels(styles) -> dict[str, tuple[bool | None, str | None]]:
    """Returns for each style whether it is of headings, if it says so, and the style it is based on."""
    found = {}
    for style in styles.iter(f"{W}style") if styles is not None else []:
        name, outline, base = (style.find(path) for path in (f"{W}name", f"{W}pPr/{W}outlineLvl", f"{W}basedOn"))
        title = name.get(f"{W}val").lower() if name is not None else ""
        is_heading = True if re.fullmatch(r"heading \d|title", title) else _is_outlined(outline)
        found[style.get(f"{W}styleId")] = is_heading, base.get(f"{W}val") if base is not None else None
    return found


def _is_outlined(outline) -> bool | None:
    return None if outline is None else int(outline.get(f"{W}val")) < 9


def _is_heading(paragraph, levels) -> bool:
    says = _is_outlined(paragraph.find(f"{W}pPr/{W}outlineLvl"))
    style = paragraph.find(f"{W}pPr/{W}pStyle")
    name = style.get(f"{W}val") if style is not None else None
    # A style that is based on itself leads nowhere.
    for _ in range(10):
        if says is not None or name not in levels:
            break
        says, name = levels[name]
    return bool(says) and bool(_text(paragraph).strip())


def _within(element, *tags: str) -> bool:
    return any(ancestor.tag in tags for ancestor in element.iterancestors())
