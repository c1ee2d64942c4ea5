"""Whole documents that are text."""

import json

from .words import PARAGRAPHS

HTML = "<!DOCTYPE html><html><head><title>Herons</title></head><body><h1>Herons</h1>%s</body></html>"


def text() -> bytes:
    return "\n\n".join(PARAGRAPHS).encode()


def markdown() -> bytes:
    return ("# Herons\n\n" + "\n\n".join(PARAGRAPHS) + "\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n").encode()


def restructured() -> bytes:
    return ("Herons\n======\n\n" + "\n\n".join(PARAGRAPHS) + "\n").encode()


def source_code() -> bytes:
    return "".join(f'def line_{n}():\n    return "{line}"\n\n' for n, line in enumerate(PARAGRAPHS)).encode()


def html() -> bytes:
    return (HTML % "".join(f"<p>{line}</p>" for line in PARAGRAPHS)).encode()


def xhtml() -> bytes:
    body = "".join(f"<p>{line}</p>" for line in PARAGRAPHS)
    return f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>H</title></head><body>{body}</body></html>'.encode()


def csv() -> bytes:
    return ("number,line\n" + "".join(f'{n},"{line}"\n' for n, line in enumerate(PARAGRAPHS))).encode()


def tsv() -> bytes:
    return ("number\tline\n" + "".join(f"{n}\t{line}\n" for n, line in enumerate(PARAGRAPHS))).encode()


def json_value() -> bytes:
    return json.dumps({"title": "Herons", "lines": [{"text": line} for line in PARAGRAPHS]}, indent=1).encode()


def json_lines() -> bytes:
    return "".join(json.dumps({"line": n, "text": line}) + "\n" for n, line in enumerate(PARAGRAPHS)).encode()


def xml() -> bytes:
    lines = "".join(f"<line>{line}</line>" for line in PARAGRAPHS)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<book title="Herons">{lines}</book>'.encode()


def notebook() -> bytes:
    cells = [{"cell_type": "markdown", "metadata": {}, "source": [line]} for line in PARAGRAPHS]
    code = {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": ["print(1)"], "outputs": []}
    return json.dumps({"cells": [*cells, code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def subtitles() -> bytes:
    return "".join(
        f"{n + 1}\n00:00:{n:02},000 --> 00:00:{n + 1:02},000\n{line}\n\n" for n, line in enumerate(PARAGRAPHS)
    ).encode()


def email() -> bytes:
    head = "From: a@example.com\r\nTo: b@example.com\r\nSubject: Herons\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\n"
    kind = 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n'
    body = "--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + "\r\n\r\n".join(PARAGRAPHS) + "\r\n--x--\r\n"
    return (head + kind + body).encode()


def rtf() -> bytes:
    lines = "".join(line + "\\par\n" for line in PARAGRAPHS)
    return ("{\\rtf1\\ansi\\deff0{\\fonttbl{\\f0 Times;}}\n" + lines + "}").encode()
