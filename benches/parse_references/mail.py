"""E-mails, by Python's own reader, and Outlook's, by their streams."""

import binascii
import email
import email.policy
import tempfile
from pathlib import Path

import lxml.html
import olefile

from . import pdf, word
from .found import Found
from .web import text_of

HEADERS = ("from", "to", "cc")
# Streams of an Outlook message, and what each is called in a letter.
STREAMS = {"0037": "", "0C1A": "From:", "0E04": "To:", "0E03": "Cc:", "1000": ""}
ATTACHMENT, EMBEDDED, CONTENT, NAME = "__attach_version1.0_", "__substg1.0_3701000D", "__substg1.0_37010102", "3707"
READERS = {".docx": word.read, ".pdf": pdf.read}


def read_eml(file: Path, _package: str) -> Found:
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    return Found(["\n".join(_message(message, labels)) for labels in (True, False)])


def _message(message, labels: bool) -> list[str]:
    lines = [str(message.get("subject", ""))]
    for header in HEADERS:
        if value := str(message.get(header, "")):
            lines += [f"{header}:", value] if labels else [value]
    date = message.get("date")
    if labels and date is not None and date.datetime:
        lines += ["Date:", date.datetime.isoformat().replace("+00:00", "Z")]
    return [*lines, *_part(message, labels)]


def _part(part, labels: bool) -> list[str]:
    kind = part.get_content_type()
    lines = []
    if kind == "message/rfc822":
        lines = _attached(part, labels)
    elif kind == "multipart/alternative":
        ways = list(part.iter_parts())
        plain = [way for way in ways if way.get_content_type() == "text/plain"]
        lines = _part((plain or ways[-1:])[0], labels) if ways else []
    elif part.is_multipart():
        lines = [line for inner in part.iter_parts() for line in _part(inner, labels)]
    elif kind in ("text/plain", "text/html"):
        lines = [_text(part, kind)]
    name = part.get_filename() or ""
    return [f"Attachment: {name}", *lines] if labels and name else [*lines, name]


def _attached(part, labels: bool) -> list[str]:
    """Returns an attached message, which may be in Base64, against the rules."""
    inner = list(part.iter_parts())
    if part.get("content-transfer-encoding", "").lower() == "base64":
        try:
            decoded = binascii.a2b_base64(inner[0].get_payload())
            inner = [email.message_from_bytes(decoded, policy=email.policy.default)]
        except binascii.Error:
            pass
    return ["Attachment:"] * labels + [line for message in inner for line in _message(message, labels)]


def _text(part, kind: str) -> str:
    try:
        text = part.get_content()
    except (LookupError, UnicodeError, ValueError):
        text = (part.get_payload(decode=True) or b"").decode("latin-1")
    return text_of(lxml.html.document_fromstring(text)) if kind == "text/html" and text.strip() else text


def read_msg(file: Path, _package: str) -> Found:
    with olefile.OleFileIO(file) as message:
        return Found(["\n".join(_outlook(message, []))])


def _outlook(message, path: list[str]) -> list[str]:
    """Returns a message, and what is attached to it."""
    lines = []
    for stream, label in STREAMS.items():
        if value := _value(message, path, stream):
            lines += [label, value]
    parts = sorted({entry[len(path)] for entry in message.listdir() if entry[: len(path)] == path and len(entry) > len(path)})
    for part in parts:
        if part.startswith(ATTACHMENT):
            inner = [*path, part]
            lines += ["Attachment:", _value(message, inner, NAME)]
            lines += _outlook(message, [*inner, EMBEDDED]) if message.exists([*inner, EMBEDDED]) else []
            lines += _file(message, inner)
    return lines


def _value(message, path: list[str], stream: str) -> str:
    for ending, encoding in (("001F", "utf-16-le"), ("001E", "cp1252")):
        name = [*path, f"__substg1.0_{stream}{ending}"]
        if message.exists(name):
            return message.openstream(name).read().decode(encoding, "replace").rstrip("\0")
    return ""


def _file(message, path: list[str]) -> list[str]:
    ending = Path(_value(message, path, NAME)).suffix.lower()
    if not message.exists([*path, CONTENT]):
        return []
    content = message.openstream([*path, CONTENT]).read()
    if ending == ".txt":
        return [content.decode("utf-8-sig", "replace")]
    if ending not in READERS:
        return []
    with tempfile.NamedTemporaryFile(suffix=ending) as file:
        file.write(content)
        file.flush()
        return READERS[ending](Path(file.name), "").texts[:1]
