"""Documents that are nested deeper than anybody writes."""

from . import packages, pdf, plain
from .words import PARAGRAPHS

LINE = PARAGRAPHS[0]
DEEP = 100_000


def within(before: str, after: str, depth: int = DEEP, inner: str = LINE) -> str:
    return before * depth + inner + after * depth


def xml() -> bytes:
    return ("<a>" + within("<b>", "</b>") + "</a>").encode()


def open_xml() -> bytes:
    return ("<a>" * DEEP).encode()


def laughs() -> bytes:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    return f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "{LINE}">{entities}]><a>&e11;</a>'.encode()


def outside() -> bytes:
    return b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e; heron</a>'


def docx_tables() -> bytes:
    body = within("<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>", 30_000, f"<w:p><w:r><w:t>{LINE}</w:t></w:r></w:p>")
    return packages.archive(packages.docx_members(body))


def docx_laughs() -> bytes:
    members = packages.docx_members("<w:p><w:r><w:t>x</w:t></w:r></w:p>")
    return packages.archive(members | {"word/document.xml": laughs()})


def pptx_groups() -> bytes:
    return packages.archive(packages.pptx_members(within("<p:grpSp>", "</p:grpSp>", 50_000, "")))


def odt_lists() -> bytes:
    lists = within("<text:list><text:list-item>", "</text:list-item></text:list>", 50_000, f"<text:p>{LINE}</text:p>")
    return packages.archive(packages.odf_members("text", f"<office:text>{lists}</office:text>"))


def odt_spans() -> bytes:
    spans = within("<text:span>", "</text:span>", 50_000)
    return packages.archive(packages.odf_members("text", f"<office:text><text:p>{spans}</text:p></office:text>"))


def epub_chapter() -> bytes:
    return packages.archive(packages.epub_members(html("div")))


def html(tag: str, depth: int = 30_000) -> bytes:
    return (plain.HTML % within(f"<{tag}>", f"</{tag}>", depth)).encode()


def html_attributes() -> bytes:
    attributes = " ".join(f"a{n}=1" for n in range(300_000))
    return (plain.HTML % f"<p {attributes}>{LINE}</p>").encode()


def json_arrays() -> bytes:
    return within("[", "]", DEEP, "1").encode()


def json_objects() -> bytes:
    return within('{"a":', "}", DEEP, "1").encode()


def rtf_groups() -> bytes:
    return ("{\\rtf1 " + within("{", "}") + "}").encode()


def quotes() -> bytes:
    return (">" * DEEP + LINE + "\n").encode()


def markdown_lists() -> bytes:
    return "\n".join("  " * depth + "- " + LINE for depth in range(2_000)).encode()


def email_parts() -> bytes:
    depth = 3_000
    head = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n' for n in range(depth))
    return ("From: a@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\n" + head + "\r\n" + LINE).encode()


def email_messages() -> bytes:
    one = "Content-Type: message/rfc822\r\n\r\nFrom: a@example.com\r\nSubject: x\r\n"
    return ("From: a@example.com\r\n" + one * 5_000 + "\r\n" + LINE).encode()


def pdf_objects(before: bytes, after: bytes) -> bytes:
    inner = before * DEEP + after * DEEP
    return pdf.document(pdf.pages([pdf.stream(pdf.lines(PARAGRAPHS))]) + [inner], b" /Info 6 0 R")


def pdf_operands() -> bytes:
    return pdf.document(pdf.pages([pdf.stream(b"[" * DEEP + b"]" * DEEP + b" TJ")]))


def pdf_pages_in_a_circle() -> bytes:
    return pdf.document([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>"])


def pdf_forms() -> bytes:
    """Returns forms of which each draws the next one ten times."""
    forms = []
    for n in range(12):
        resources = b"/Resources << /XObject << /X %d 0 R >> >>" % (7 + n)
        extra = b" /Type /XObject /Subtype /Form /BBox [0 0 600 700] " + resources
        forms.append(pdf.stream(b"/X Do " * 10 if n < 11 else pdf.lines(PARAGRAPHS), extra))
    extra = b" /XObject << /X 6 0 R >>"
    return pdf.document(pdf.pages([pdf.stream(b"/X Do")], forms, extra))


NESTED = [
    ("Xml", "nested", "report.xml", xml),
    ("Xml", "never-closed", "report.xml", open_xml),
    ("Xml", "entities-of-entities", "report.xml", laughs),
    ("Xml", "entity-of-a-file", "report.xml", outside),
    ("Docx", "nested-tables", "report.docx", docx_tables),
    ("Docx", "entities-of-entities", "report.docx", docx_laughs),
    ("Pptx", "nested-groups", "report.pptx", pptx_groups),
    ("Odt", "nested-lists", "report.odt", odt_lists),
    ("Odt", "nested-spans", "report.odt", odt_spans),
    ("Epub", "nested-chapter", "report.epub", epub_chapter),
    ("Html", "nested-div", "report.html", lambda: html("div")),
    ("Html", "nested-b", "report.html", lambda: html("b")),
    ("Html", "nested-blockquote", "report.html", lambda: html("blockquote")),
    ("Html", "nested-ul", "report.html", lambda: html("ul><li")),
    ("Html", "nested-table", "report.html", lambda: html("table><tr><td", 10_000)),
    ("Html", "attributes", "report.html", html_attributes),
    ("Json", "nested-arrays", "report.json", json_arrays),
    ("Json", "nested-objects", "report.json", json_objects),
    ("JsonLines", "nested-arrays", "report.jsonl", json_arrays),
    ("Notebook", "nested-arrays", "report.ipynb", json_arrays),
    ("Rtf", "nested-groups", "report.rtf", rtf_groups),
    ("Markdown", "nested-quotes", "report.md", quotes),
    ("Markdown", "nested-lists", "report.md", markdown_lists),
    ("Email", "nested-parts", "report.eml", email_parts),
    ("Email", "nested-messages", "report.eml", email_messages),
    ("Pdf", "nested-arrays", "report.pdf", lambda: pdf_objects(b"[", b"]")),
    ("Pdf", "nested-dictionaries", "report.pdf", lambda: pdf_objects(b"<< /A ", b" >>")),
    ("Pdf", "nested-operands", "report.pdf", pdf_operands),
    ("Pdf", "pages-in-a-circle", "report.pdf", pdf_pages_in_a_circle),
    ("Pdf", "forms-of-forms", "report.pdf", pdf_forms),
]
