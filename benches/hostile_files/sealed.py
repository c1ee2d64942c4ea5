"""Documents that are encrypted: none of their words can be read."""

import random

from . import compound, packages, pdf
from .words import PARAGRAPHS


def noise(length: int) -> bytes:
    return random.Random("sealed").randbytes(length)


def office_password() -> bytes:
    info = b"\4\0\4\0\x40\0\0\0<encryption/>"
    return compound.compound({"EncryptionInfo": info, "EncryptedPackage": noise(9000)})


def with_flag(archive: bytes) -> bytes:
    """Returns an archive whose members say that they are encrypted, as those of `zip -e` do."""
    sealed = bytearray(archive)
    for signature, flags in [(b"PK\3\4", 6), (b"PK\1\2", 8)]:
        place = sealed.find(signature)
        while place >= 0:
            sealed[place + flags] |= 1
            place = sealed.find(signature, place + 4)
    return bytes(sealed)


def odf(kind: str) -> bytes:
    members = packages.odf_members(kind, "")
    data = b'<manifest:encryption-data manifest:checksum="x"><manifest:algorithm manifest:algorithm-name="aes256-cbc"/></manifest:encryption-data>'
    entry = b'manifest:full-path="content.xml" manifest:media-type="text/xml"'
    name = "META-INF/manifest.xml"
    manifest = members[name].replace(entry + b"/>", entry + b">" + data + b"</manifest:file-entry>")
    return packages.archive(members | {"content.xml": noise(4000), name: manifest})


def epub() -> bytes:
    sealed = (
        b'<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><EncryptedData xmlns="http://www.w3.org/2001/04/xmlenc#">'
        b'<EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes256-cbc"/>'
        b'<CipherData><CipherReference URI="c.xhtml"/></CipherData></EncryptedData></encryption>'
    )
    return packages.archive(packages.epub_members(noise(4000)) | {"META-INF/encryption.xml": sealed})


def pdf_password() -> bytes:
    objects = pdf.pages([pdf.stream(noise(3000), compress=False)])
    keys = b"/O <%s> /U <%s>" % (noise(32).hex().encode(), noise(32).hex().encode())
    objects.append(b"<< /Filter /Standard /V 2 /R 3 /Length 128 /P -3904 %s >>" % keys)
    return pdf.document(objects, b" /Encrypt 6 0 R /ID [<00> <00>]")


def pdf_unknown_handler() -> bytes:
    objects = pdf.pages([pdf.stream(noise(3000), compress=False)])
    objects.append(b"<< /Filter /Adobe.PubSec /V 4 /SubFilter /adbe.pkcs7.s5 >>")
    return pdf.document(objects, b" /Encrypt 6 0 R")


def pdf_of_pictures() -> bytes:
    """Returns a page that is a picture of text, which is no text."""
    picture = pdf.stream(bytes(64 * 64), b" /Type /XObject /Subtype /Image /Width 64 /Height 64 /ColorSpace /DeviceGray /BitsPerComponent 8")
    extra = b" /XObject << /X 6 0 R >>"
    return pdf.document(pdf.pages([pdf.stream(b"q 600 0 0 700 0 0 cm /X Do Q")], [picture], extra))


def xls_password() -> bytes:
    sealed = compound.biff(0x2F, b"\1\0\1\0\1\0" + noise(48)) + compound.biff(0xFC, noise(2000))
    return compound.compound({"Workbook": compound.xls_stream(b"", sealed)})


def doc_password() -> bytes:
    whole = bytearray(compound.doc())
    # The head of a file of Word says that its text is encrypted, and it is noise.
    place = whole.find(b"\xec\xa5\xc1\0")
    whole[place + 11] |= 1
    text = whole.find(PARAGRAPHS[0].encode())
    whole[text : text + 5500] = noise(5500)
    return bytes(whole)


SEALED = [
    ("Docx", "with-a-password", "report.docx", office_password),
    ("Xlsx", "with-a-password", "report.xlsx", office_password),
    ("Pptx", "with-a-password", "report.pptx", office_password),
    ("Docx", "in-an-encrypted-archive", "report.docx", lambda: with_flag(packages.docx())),
    ("Odt", "in-an-encrypted-archive", "report.odt", lambda: with_flag(packages.odt())),
    ("Epub", "in-an-encrypted-archive", "report.epub", lambda: with_flag(packages.epub())),
    ("Odt", "with-a-password", "report.odt", lambda: odf("text")),
    ("Ods", "with-a-password", "report.ods", lambda: odf("spreadsheet")),
    ("Odp", "with-a-password", "report.odp", lambda: odf("presentation")),
    ("Epub", "with-rights-management", "report.epub", epub),
    ("Pdf", "with-a-password", "report.pdf", pdf_password),
    ("Pdf", "with-certificates", "report.pdf", pdf_unknown_handler),
    ("Pdf", "of-pictures", "report.pdf", pdf_of_pictures),
    ("Xls", "with-a-password", "report.xls", xls_password),
    ("Doc", "with-a-password", "report.doc", doc_password),
]
