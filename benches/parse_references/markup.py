"""reStructuredText, by docutils; articles, manuals and help pages in XML, by a walk of it."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import docutils.core
from docutils import nodes

from .found import Found, flat

NOT_CONTENT = (
    nodes.comment, nodes.system_message, nodes.image, nodes.raw, nodes.substitution_definition, nodes.meta, nodes.pending,
)
QUIET = {"report_level": 5, "halt_level": 6, "file_insertion_enabled": False, "raw_enabled": False}

# What an article or a manual says of itself, and what stands beside its text.
ASIDE = set(
    """article-id journal-meta permissions history pub-date volume issue fpage lpage aff author-notes article-categories
    graphic counts alternatives object-id custom-meta-group funding-group self-uri elocation-id related-article indexterm
    imageobject legalnotice info date releaseinfo keywordset authorgroup bookinfo prolog media contrib-group issn
    publisher""".split()
)
SECTIONS = {"sec", "chapter", "sect1", "sect2", "sect3", "section"}
BLOCKS = {"p", "para", "title", "entry", "td", "th", "term", "label", "sec", "item"}
INLINE = {"italic", "bold", "sub", "sup", "sc"}
DOCTYPE = re.compile(r"<!DOCTYPE[^\[>]*(\[.*?\])?\s*>", re.DOTALL)
ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#)\b)([\w.-]+);")


def read_rst(file: Path, _package: str) -> Found:
    document = docutils.core.publish_doctree(file.read_text("utf-8"), source_path=str(file), settings_overrides=QUIET)
    contents = [topic for topic in document.findall(nodes.topic) if "contents" in topic["classes"]]
    for node in [*contents, *(node for kind in NOT_CONTENT for node in list(document.findall(kind)))]:
        if node.parent is not None:
            node.parent.remove(node)
    titles = [title for title in document.findall(nodes.title) if isinstance(title.parent, (nodes.section, nodes.document))]
    return Found(
        [document.astext()],
        cells=[[entry.astext()] for entry in document.findall(nodes.entry)],
        headings=[title.astext() for title in titles],
    )


def read_xml(file: Path, _package: str) -> Found:
    """Without its entities, whose definitions lie elsewhere: each is its name."""
    root = ElementTree.fromstring(ENTITY.sub(r"\1", DOCTYPE.sub("", file.read_text("utf-8"))))
    titles = [child for section in root.iter() if _name(section) in SECTIONS for child in section if _name(child) == "title"]
    return Found(
        [_text(root)],
        cells=[["".join(cell.itertext())] for cell in root.iter() if _name(cell) in ("td", "th", "entry")],
        headings=[flat("".join(title.itertext())) for title in titles],
    )


def _name(element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _text(element, cited: bool = False) -> str:
    """Returns the text; in a list of what is cited, each part of an entry by itself."""
    name = _name(element)
    if not name or (name in ASIDE and not cited):
        return ""
    cited = cited or name == "ref"
    text = (element.text or "") + "".join(_text(child, cited) + (child.tail or "") for child in element)
    return text + " " * (name in BLOCKS or (cited and name not in INLINE))
