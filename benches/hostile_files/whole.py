"""One whole document of each type."""

from . import compound, kindle, packages, pdf, plain
from .case import Whole

WHOLE = [
    Whole("Pdf", "pdf", pdf.pdf, binary=True, opaque=True),
    Whole("Docx", "docx", packages.docx, binary=True, opaque=True),
    Whole("Pptx", "pptx", packages.pptx, binary=True, opaque=True),
    Whole("Xlsx", "xlsx", packages.xlsx, binary=True, opaque=True),
    Whole("Xlsb", "xlsb", packages.xlsb, binary=True, opaque=True),
    Whole("Doc", "doc", compound.doc, binary=True),
    Whole("Ppt", "ppt", compound.ppt, binary=True),
    Whole("Xls", "xls", compound.xls, binary=True),
    Whole("Odt", "odt", packages.odt, binary=True, opaque=True),
    Whole("Ods", "ods", packages.ods, binary=True, opaque=True),
    Whole("Odp", "odp", packages.odp, binary=True, opaque=True),
    Whole("Rtf", "rtf", plain.rtf, binary=True),
    Whole("Html", "html", plain.html, binary=False),
    Whole("Epub", "epub", packages.epub, binary=True, opaque=True),
    Whole("Kindle", "mobi", kindle.kindle, binary=True),
    Whole("Csv", "csv", plain.csv, binary=False),
    Whole("Tsv", "tsv", plain.tsv, binary=False),
    Whole("Json", "json", plain.json_value, binary=False),
    Whole("JsonLines", "jsonl", plain.json_lines, binary=False),
    Whole("Xml", "xml", plain.xml, binary=False),
    Whole("Notebook", "ipynb", plain.notebook, binary=False),
    Whole("Email", "eml", plain.email, binary=False),
    Whole("OutlookEmail", "msg", compound.msg, binary=True),
    Whole("Subtitles", "srt", plain.subtitles, binary=False),
    Whole("Markdown", "md", plain.markdown, binary=False),
    Whole("ReStructuredText", "rst", plain.restructured, binary=False),
    Whole("SourceCode", "py", plain.source_code, binary=False),
    Whole("Text", "txt", plain.text, binary=False),
]
