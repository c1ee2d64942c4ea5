"""Whole documents that are zip archives."""

import io
import struct
import zipfile

from .plain import xhtml
from .words import PARAGRAPHS

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SLIDES = "http://schemas.openxmlformats.org/presentationml/2006/main"
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
ODF = "urn:oasis:names:tc:opendocument:xmlns"
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MIME = "application/vnd.openxmlformats-officedocument."

Members = dict[str, bytes]


def archive(members: Members) -> bytes:
    """Returns an archive, the same for the same members."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            # A type's name stands uncompressed at its beginning.
            method = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            made.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), content, method)
    return target.getvalue()


def relations(*targets: tuple[str, str]) -> bytes:
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, 1)
    )
    return f'{XML}<Relationships xmlns="{PACKAGE}/relationships">{links}</Relationships>'.encode()


def open_package(main: str, content_type: str, members: Members) -> Members:
    """Returns the members of an Office document, the main of which is given."""
    types = (
        f'{XML}<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="bin" ContentType="application/vnd.ms-excel.sheet.binary.macroEnabled.main"/>'
        f'<Override PartName="/{main}" ContentType="{content_type}"/></Types>'
    )
    frame = {"[Content_Types].xml": types.encode(), "_rels/.rels": relations(("officeDocument", main))}
    return frame | members


def docx_members(body: str) -> Members:
    document = f'{XML}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
    kind = MIME + "wordprocessingml.document.main+xml"
    return open_package("word/document.xml", kind, {"word/document.xml": document.encode()})


def docx() -> bytes:
    return archive(docx_members("".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in PARAGRAPHS)))


def pptx_members(paragraphs: str) -> Members:
    presentation = (
        f'{XML}<p:presentation xmlns:p="{SLIDES}" xmlns:r="{OFFICE}"><p:sldIdLst><p:sldId id="256" r:id="rId1"/>'
        '</p:sldIdLst><p:sldSz cx="9144000" cy="6858000"/></p:presentation>'
    )
    slide = (
        f'{XML}<p:sld xmlns:p="{SLIDES}" xmlns:a="{DRAWING}"><p:cSld><p:spTree><p:nvGrpSpPr><p:cNvPr id="1" name=""/>'
        "<p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/><p:sp><p:nvSpPr>"
        '<p:cNvPr id="2" name="T"/><p:cNvSpPr/><p:nvPr/></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/>'
        f"{paragraphs}</p:txBody></p:sp></p:spTree></p:cSld></p:sld>"
    )
    members = {
        "ppt/presentation.xml": presentation.encode(),
        "ppt/_rels/presentation.xml.rels": relations(("slide", "slides/slide1.xml")),
        "ppt/slides/slide1.xml": slide.encode(),
    }
    return open_package("ppt/presentation.xml", MIME + "presentationml.presentation.main+xml", members)


def pptx() -> bytes:
    return archive(pptx_members("".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in PARAGRAPHS)))


def xlsx_members(rows: str) -> Members:
    workbook = (
        f'{XML}<workbook xmlns="{SHEETS}" xmlns:r="{OFFICE}"><sheets><sheet name="Herons" sheetId="1" r:id="rId1"/>'
        "</sheets></workbook>"
    )
    sheet = f'{XML}<worksheet xmlns="{SHEETS}"><sheetData>{rows}</sheetData></worksheet>'
    members = {
        "xl/workbook.xml": workbook.encode(),
        "xl/_rels/workbook.xml.rels": relations(("worksheet", "worksheets/sheet1.xml")),
        "xl/worksheets/sheet1.xml": sheet.encode(),
    }
    return open_package("xl/workbook.xml", MIME + "spreadsheetml.sheet.main+xml", members)


def xlsx() -> bytes:
    rows = "".join(
        f'<row r="{n}"><c r="A{n}" t="inlineStr"><is><t>{line}</t></is></c></row>'
        for n, line in enumerate(PARAGRAPHS, 1)
    )
    return archive(xlsx_members(rows))


def record(number: int, content: bytes = b"") -> bytes:
    """Returns a record of a binary workbook: its number and its size have seven bits a byte."""

    def bits(value: int) -> bytes:
        low, high = value & 0x7F, value >> 7
        return bytes([low | 0x80]) + bits(high) if high else bytes([low])

    # A number of two bytes stands as it is.
    head = bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80, number >> 7])
    return head + bits(len(content)) + content


def wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def xlsb() -> bytes:
    sheets = record(143) + record(156, struct.pack("<II", 0, 1) + wide("rId1") + wide("Herons")) + record(144)
    rows = b"".join(
        record(0, struct.pack("<IIHBBBI", n, 0, 300, 0, 0, 0, 0)) + record(6, struct.pack("<II", 0, 0) + wide(line))
        for n, line in enumerate(PARAGRAPHS)
    )
    size = record(148, struct.pack("<IIII", 0, len(PARAGRAPHS) - 1, 0, 0))
    members = {
        "xl/workbook.bin": record(131) + sheets + record(132),
        "xl/_rels/workbook.bin.rels": relations(("worksheet", "worksheets/sheet1.bin")),
        "xl/worksheets/sheet1.bin": record(129) + size + record(145) + rows + record(146) + record(130),
    }
    return archive(open_package("xl/workbook.bin", "application/vnd.ms-excel.sheet.binary.macroEnabled.main", members))


def odf_members(kind: str, body: str) -> Members:
    names = " ".join(f'xmlns:{name}="{ODF}:{name}:1.0"' for name in ["office", "text", "table"])
    names += f' xmlns:draw="{ODF}:drawing:1.0"'
    content = f'{XML}<office:document-content {names} office:version="1.2"><office:body>{body}</office:body>'
    mime = f"application/vnd.oasis.opendocument.{kind}"
    manifest = (
        f'{XML}<manifest:manifest xmlns:manifest="{ODF}:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{mime}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
    )
    content += "</office:document-content>"
    return {"mimetype": mime.encode(), "content.xml": content.encode(), "META-INF/manifest.xml": manifest.encode()}


def odt() -> bytes:
    lines = "".join(f"<text:p>{line}</text:p>" for line in PARAGRAPHS)
    return archive(odf_members("text", f"<office:text>{lines}</office:text>"))


def ods() -> bytes:
    cell = '<table:table-row><table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell></table:table-row>'
    table = "".join(cell.format(line) for line in PARAGRAPHS)
    body = f'<office:spreadsheet><table:table table:name="H">{table}</table:table></office:spreadsheet>'
    return archive(odf_members("spreadsheet", body))


def odp() -> bytes:
    lines = "".join(f"<text:p>{line}</text:p>" for line in PARAGRAPHS)
    page = f'<draw:page draw:name="1"><draw:frame><draw:text-box>{lines}</draw:text-box></draw:frame></draw:page>'
    return archive(odf_members("presentation", f"<office:presentation>{page}</office:presentation>"))


def epub_members(chapter: bytes) -> Members:
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
        '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    book = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Herons</dc:title><dc:language>en</dc:language>'
        '<dc:identifier id="i">1</dc:identifier><meta property="dcterms:modified">2024-01-01T00:00:00Z</meta></metadata>'
        '<manifest><item id="c" href="c.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="n" href="n.xhtml" properties="nav" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="c"/></spine></package>'
    )
    toc = (
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><head><title>T</title></head>'
        '<body><nav epub:type="toc"><ol><li><a href="c.xhtml">Herons</a></li></ol></nav></body></html>'
    )
    return {
        "mimetype": b"application/epub+zip",
        "META-INF/container.xml": XML.encode() + container.encode(),
        "book.opf": XML.encode() + book.encode(),
        "n.xhtml": XML.encode() + toc.encode(),
        "c.xhtml": XML.encode() + chapter,
    }


def epub() -> bytes:
    return archive(epub_members(xhtml()))
