"""E-mails, by Python's own reader, and Outlook's, by their streams."""

import email
import email.policy
from pathlib import Path

import lxml.html
import olefile

from .found import Found
from .web import text_of

HEADERS = ("subject", "from", "to", "cc")
# Streams of an Outlook message: its subject, sender, recipients, copies and body.
STREAMS = ("0037", "0C1A", "0E04", "0E03", "1000")


def read_eml(file: Path, _package: str) -> Found:
    return Found(["\n".join(_message(email.message_from_bytes(file.read_bytes(), policy=email.policy.default)))])


def _message(message) -> list[str]:
    return [*(str(message.get(header, "")) for header in HEADERS), *_part(message)]


def _part(part) -> list[str]:
    kind = part.get_content_type()
    lines = []
    if kind == "message/rfc822":
        lines = [line for inner in part.iter_parts() for line in _message(inner)]
    elif kind == "multipart/alternative":
        ways = list(part.iter_parts())
        plain = [way for way in ways if way.get_content_type() == "text/plain"]
        lines = _part((plain or ways[-1:])[0]) if ways else []
    elif part.is_multipart():
        lines = [line for inner in part.iter_parts() for line in _part(inner)]
    elif kind in ("text/plain", "text/html"):
        lines = [_text(part, kind)]
    return [*lines, part.get_filename() or ""]


def _text(part, kind: str) -> str:
    try:
        text = part.get_content()
    except (LookupError, UnicodeError, ValueError):
        text = (part.get_payload(decode=True) or b"").decode("latin-1")
    return text_of(lxml.html.document_fromstring(text)) if kind == "text/html" and text.strip() else text


def read_msg(file: Path, _package: str) -> Found:
    with olefile.OleFileIO(file) as message:
        lines = []
        for stream in STREAMS:
            for ending, encoding in (("001F", "utf-16-le"), ("001E", "cp1252")):
                name = f"__substg1.0_{stream}{ending}"
                if message.exists(name):
                    lines.append(message.openstream(name).read().decode(encoding, "replace"))
                    break
    return Found(["\n".join(lines)])
