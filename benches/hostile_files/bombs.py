"""Documents that are small until somebody reads them."""

import io
import struct
import zipfile
import zlib

from . import compound, packages, pdf
from .words import PARAGRAPHS

LINE = PARAGRAPHS[0]
GIGABYTE = 1 << 30


def blown(members: packages.Members, name: str, begin: bytes, filling: bytes, end: bytes) -> bytes:
    """Returns an archive of which one member has a gigabyte."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        for member, content in members.items():
            if member != name:
                stored = zipfile.ZIP_STORED if member == "mimetype" else zipfile.ZIP_DEFLATED
                made.writestr(zipfile.ZipInfo(member), content, stored)
        block = filling * ((1 << 20) // len(filling))
        large = zipfile.ZipInfo(name)
        large.compress_type = zipfile.ZIP_DEFLATED
        with made.open(large, "w", force_zip64=True) as member:
            member.write(begin)
            for _ in range(GIGABYTE // len(block)):
                member.write(block)
            member.write(end)
    return target.getvalue()


def _body(members: packages.Members, name: str, marker: bytes, filling: bytes) -> bytes:
    begin, _, end = members[name].partition(marker)
    return blown(members, name, begin, filling, end)


def docx() -> bytes:
    paragraph = b"<w:p><w:r><w:t>heron</w:t></w:r></w:p>"
    return _body(packages.docx_members("HERE"), "word/document.xml", b"HERE", paragraph)


def pptx() -> bytes:
    return _body(packages.pptx_members("HERE"), "ppt/slides/slide1.xml", b"HERE", b"<a:p><a:r><a:t>heron</a:t></a:r></a:p>")


def xlsx() -> bytes:
    row = b'<row><c t="inlineStr"><is><t>heron</t></is></c></row>'
    return _body(packages.xlsx_members("HERE"), "xl/worksheets/sheet1.xml", b"HERE", row)


def odt() -> bytes:
    members = packages.odf_members("text", "<office:text>HERE</office:text>")
    return _body(members, "content.xml", b"HERE", b"<text:p>heron</text:p>")


def epub() -> bytes:
    members = packages.epub_members(b"<html><body>HERE</body></html>")
    return _body(members, "c.xhtml", b"HERE", b"<p>heron</p>")


def unused_member() -> bytes:
    """Returns a document with a member of a gigabyte that nobody has to read."""
    members = packages.docx_members("".join(f"<w:p><w:r><w:t>{line}</w:t></w:r></w:p>" for line in PARAGRAPHS))
    return blown(members | {"word/media/image1.png": b""}, "word/media/image1.png", b"", bytes(1024), b"")


def many_members() -> bytes:
    members = packages.docx_members("<w:p><w:r><w:t>heron</w:t></w:r></w:p>")
    return packages.archive(members | {f"word/media/{n}": b"" for n in range(60_000)})


def one_cell() -> bytes:
    cell = LINE * 600_000
    return packages.archive(packages.xlsx_members(f'<row r="1"><c r="A1" t="inlineStr"><is><t>{cell}</t></is></c></row>'))


def far_cells() -> bytes:
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    return packages.archive(packages.xlsx_members(rows))


def merged_cells() -> bytes:
    members = packages.xlsx_members('<row r="1"><c r="A1"><v>1</v></c></row>')
    merged = b"</sheetData><mergeCells>" + b'<mergeCell ref="A1:XFD1048576"/>' * 1000 + b"</mergeCells>"
    name = "xl/worksheets/sheet1.xml"
    return packages.archive(members | {name: members[name].replace(b"</sheetData>", merged)})


def many_sheets() -> bytes:
    members = packages.xlsx_members(f'<row r="1"><c r="A1" t="inlineStr"><is><t>{LINE}</t></is></c></row>')
    sheets = b"".join(b'<sheet name="S%d" sheetId="%d" r:id="rId1"/>' % (n, n) for n in range(1, 50_000))
    name = "xl/workbook.xml"
    return packages.archive(members | {name: members[name].replace(b"</sheets>", sheets + b"</sheets>")})


def repeated_cells() -> bytes:
    cell = '<table:table-cell table:number-columns-repeated="16384" office:value-type="string"><text:p>heron</text:p></table:table-cell>'
    row = f'<table:table-row table:number-rows-repeated="1048576">{cell}</table:table-row>'
    body = f'<office:spreadsheet><table:table table:name="H">{row}</table:table></office:spreadsheet>'
    return packages.archive(packages.odf_members("spreadsheet", body))


def repeated_spaces() -> bytes:
    body = '<office:text><text:p>a<text:s text:c="4000000000"/>b</text:p></office:text>'
    return packages.archive(packages.odf_members("text", body))


def spanned_cells() -> bytes:
    cell = '<w:tc><w:tcPr><w:gridSpan w:val="2000000000"/></w:tcPr><w:p><w:r><w:t>heron</w:t></w:r></w:p></w:tc>'
    return packages.archive(packages.docx_members(f"<w:tbl><w:tr>{cell}</w:tr></w:tbl>"))


def html_spans() -> bytes:
    cells = '<tr><td colspan="1000" rowspan="65534">heron</td></tr>' * 200
    return f"<html><body><table>{cells}</table></body></html>".encode()


def pdf_stream() -> bytes:
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024)) + packer.flush()
    return pdf.document(pdf.pages([pdf.stream(packed, b" /Filter /FlateDecode", compress=False)]))


def pdf_text() -> bytes:
    return pdf.document(pdf.pages([pdf.stream(pdf.lines([LINE]) * 300_000)]))


def pdf_shapes() -> bytes:
    return pdf.document(pdf.pages([pdf.stream(b"10 10 m 20 20 l S 5 5 50 50 re f " * 100_000)]))


def pdf_pages() -> bytes:
    objects = pdf.pages([pdf.stream(pdf.lines([LINE]))])
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count 200000 >>" % (b"4 0 R " * 200_000)
    return pdf.document(objects)


def pdf_count() -> bytes:
    objects = pdf.pages([pdf.stream(pdf.lines(PARAGRAPHS))])
    objects[1] = objects[1].replace(b"/Count 1", b"/Count 4294967295")
    return pdf.document(objects)


def pdf_length() -> bytes:
    objects = pdf.pages([b"<< /Length 99999999999 >>\nstream\n" + pdf.lines(PARAGRAPHS) + b"\nendstream"])
    return pdf.document(objects)


def xls_strings() -> bytes:
    """Returns a workbook that announces four thousand million strings."""
    return compound.compound({"Workbook": compound.xls_stream(b"", compound.biff(0xFC, struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF)))})


def xls_far_cells() -> bytes:
    far = b"".join(compound.biff(0x203, struct.pack("<HHHd", row, column, 0, 1.5)) for row, column in [(0, 0), (65535, 65535)])
    return compound.compound({"Workbook": compound.xls_stream(far, b"")})


def sectors_in_a_circle(whole: bytes) -> bytes:
    """Returns a compound file whose table leads each sector to the first one."""
    return whole[:512] + struct.pack("<I", 1) * 128 + whole[1024:]


def csv_columns() -> bytes:
    return b"," * (16 << 20)


def csv_rows() -> bytes:
    return b"a\n" + b"1,2\n" * 4_000_000


def csv_wide_row() -> bytes:
    return b"a,b\n" * 100_000 + b"," * 1_000_000


def csv_quote() -> bytes:
    return b'a,b\n"' + b"heron,\n" * 2_000_000


def json_numbers() -> bytes:
    return b"[" + b"1e999999999," * 1_000_000 + b"1]"


def json_strings() -> bytes:
    return b'{"a":"' + b"\\u0000\\ud800" * 1_000_000 + b'"}'


def rtf_binary() -> bytes:
    return b"{\\rtf1\\bin2147483647 " + b"heron " * 1000 + b"}"


def rtf_cells() -> bytes:
    return b"{\\rtf1 \\trowd" + b"\\cellx100" * 1_000_000 + b" heron\\cell\\row}"


def email_headers() -> bytes:
    return b"".join(b"X-A%d: heron\r\n" % n for n in range(500_000)) + b"\r\nheron\r\n"


def email_encoded_words() -> bytes:
    return b"From: a@example.com\r\nSubject: " + b"=?utf-8?q?=68?= " * 500_000 + b"\r\n\r\nheron\r\n"


def one_line() -> bytes:
    return b"heron" * 4_000_000


def brackets() -> bytes:
    return b"[" * 2_000_000 + b"![](" * 500_000


BOMBS = [
    ("Docx", "member-of-1-GB", "report.docx", docx),
    ("Docx", "unused-member-of-1-GB", "report.docx", unused_member),
    ("Docx", "members-without-end", "report.docx", many_members),
    ("Docx", "cell-over-all-columns", "report.docx", spanned_cells),
    ("Pptx", "member-of-1-GB", "report.pptx", pptx),
    ("Xlsx", "member-of-1-GB", "report.xlsx", xlsx),
    ("Xlsx", "cell-of-46-MB", "report.xlsx", one_cell),
    ("Xlsx", "far-cells", "report.xlsx", far_cells),
    ("Xlsx", "merged-cells", "report.xlsx", merged_cells),
    ("Xlsx", "sheets-without-end", "report.xlsx", many_sheets),
    ("Odt", "member-of-1-GB", "report.odt", odt),
    ("Odt", "spaces-without-end", "report.odt", repeated_spaces),
    ("Ods", "repeated-cells", "report.ods", repeated_cells),
    ("Epub", "member-of-1-GB", "report.epub", epub),
    ("Html", "spans", "report.html", html_spans),
    ("Pdf", "stream-of-1-GB", "report.pdf", pdf_stream),
    ("Pdf", "text-without-end", "report.pdf", pdf_text),
    ("Pdf", "shapes-without-end", "report.pdf", pdf_shapes),
    ("Pdf", "200000-times-one-page", "report.pdf", pdf_pages),
    ("Pdf", "pages-that-are-not-there", "report.pdf", pdf_count),
    ("Pdf", "length-beyond-the-end", "report.pdf", pdf_length),
    ("Xls", "strings-that-are-not-there", "report.xls", xls_strings),
    ("Xls", "far-cells", "report.xls", xls_far_cells),
    ("Xls", "sectors-in-a-circle", "report.xls", lambda: sectors_in_a_circle(compound.xls())),
    ("Doc", "sectors-in-a-circle", "report.doc", lambda: sectors_in_a_circle(compound.doc())),
    ("OutlookEmail", "sectors-in-a-circle", "report.msg", lambda: sectors_in_a_circle(compound.msg())),
    ("Csv", "16-million-columns", "report.csv", csv_columns),
    ("Csv", "4-million-rows", "report.csv", csv_rows),
    ("Csv", "one-wide-row", "report.csv", csv_wide_row),
    ("Csv", "quote-without-end", "report.csv", csv_quote),
    ("Tsv", "quote-without-end", "report.tsv", csv_quote),
    ("Json", "numbers-that-are-none", "report.json", json_numbers),
    ("Json", "characters-that-are-none", "report.json", json_strings),
    ("Rtf", "binary-beyond-the-end", "report.rtf", rtf_binary),
    ("Rtf", "cells-without-end", "report.rtf", rtf_cells),
    ("Email", "headers-without-end", "report.eml", email_headers),
    ("Email", "encoded-words-without-end", "report.eml", email_encoded_words),
    ("Text", "one-line", "report.txt", one_line),
    ("Markdown", "brackets-without-end", "report.md", brackets),
]
