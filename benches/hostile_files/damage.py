"""Harm that is done to documents of every type alike."""

import io
import random
import zipfile
from collections.abc import Callable

from .case import Case, Expected, Whole

# The bytes by which a type is known, and some more.
HEAD = 24
ENDLESS = 24 << 20

Harm = Callable[[bytes, random.Random], bytes]


def damaged(whole: Whole, seed: int) -> list[Case]:
    """Returns a whole document, and all that can be done to it."""
    own = f"report.{whole.ending}"
    # What is text has no content to be destroyed behind its head: a few letters are a text.
    ruined = Expected.REFUSAL if whole.binary else Expected.EITHER
    cases = [
        _case(whole, "whole", own, Expected.TEXT, seed, lambda content, _: content),
        _case(whole, "empty", own, Expected.REFUSAL, seed, lambda _content, _: b""),
        _case(whole, "blank", own, Expected.REFUSAL, seed, lambda _content, _: b" \n" * 5000),
        _case(whole, "NULs", own, Expected.REFUSAL, seed, lambda content, _: bytes(len(content))),
        _case(whole, "noise", own, Expected.REFUSAL, seed, lambda content, dice: dice.randbytes(len(content) + 4096)),
        _case(whole, "head-then-noise", own, ruined, seed, _head_then_noise),
        _case(whole, "head-then-NULs", own, ruined, seed, lambda content, _: content[:HEAD].ljust(len(content), b"\0")),
        _case(whole, "hole", own, Expected.SOME, seed, _hole),
        _case(whole, "twice", own, Expected.SOME, seed, lambda content, _: content + content),
        _case(whole, "noise-after", own, Expected.SOME, seed, lambda content, dice: content + dice.randbytes(4096)),
        _case(whole, "noise-before", own, Expected.EITHER, seed, lambda content, dice: dice.randbytes(512) + content),
        _case(whole, "shuffled", own, Expected.EITHER, seed, _shuffled),
        _case(whole, "endless", own, Expected.EITHER, seed, _endless),
        _case(whole, "without-name", "report", Expected.TEXT if whole.binary else Expected.SOME, seed, lambda content, _: content),
    ]
    for share in [10, 25, 50, 75, 90, 99]:
        cases.append(_case(whole, f"cut-at-{share}%", own, Expected.SOME, seed, _cut(share)))
    for bits in [1, 10, 100, 1000]:
        cases.append(_case(whole, f"{bits}-bits-flipped", own, Expected.SOME, seed, _flipped(bits)))
    for wrong in ["pdf", "txt", "docx"]:
        if wrong != whole.ending:
            expected = Expected.TEXT if whole.binary else Expected.EITHER
            cases.append(_case(whole, f"named-{wrong}", f"report.{wrong}", expected, seed, lambda content, _: content))
    if whole.make()[:2] == b"PK":
        cases.append(_case(whole, "members-of-noise", own, Expected.REFUSAL, seed, _members_of_noise))
        cases.append(_case(whole, "without-members", own, Expected.REFUSAL, seed, _empty_members))
    return cases


def _case(whole: Whole, harm: str, name: str, expected: Expected, seed: int, do: Harm) -> Case:
    def make() -> bytes:
        return do(whole.make(), random.Random(f"{seed} {whole.kind} {harm}"))

    return Case(whole.kind, harm, name, make, expected)


def _head_then_noise(content: bytes, dice: random.Random) -> bytes:
    return content[:HEAD] + dice.randbytes(max(len(content), 2048))


def _hole(content: bytes, dice: random.Random) -> bytes:
    third = len(content) // 3
    return content[:third] + dice.randbytes(third) + content[2 * third :]


def _shuffled(content: bytes, dice: random.Random) -> bytes:
    blocks = [content[place : place + 64] for place in range(HEAD, len(content), 64)]
    dice.shuffle(blocks)
    return content[:HEAD] + b"".join(blocks)


def _endless(content: bytes, _dice: random.Random) -> bytes:
    return content + content[HEAD:] * (ENDLESS // max(len(content) - HEAD, 1))


def _cut(share: int) -> Harm:
    return lambda content, _: content[: len(content) * share // 100]


def _flipped(bits: int) -> Harm:
    def flip(content: bytes, dice: random.Random) -> bytes:
        flipped = bytearray(content)
        for _ in range(bits):
            # The head stays, for a document of another type is another test.
            flipped[dice.randrange(HEAD, len(flipped))] ^= 1 << dice.randrange(8)
        return bytes(flipped)

    return flip


def _rewritten(content: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """Returns an archive with members of the same names and with other content."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(target, "w") as made:
        for member in source.infolist():
            kept = source.read(member)
            made.writestr(member, kept if member.filename == "mimetype" else change(member.filename, kept))
    return target.getvalue()


def _members_of_noise(content: bytes, dice: random.Random) -> bytes:
    return _rewritten(content, lambda _name, kept: dice.randbytes(len(kept)))


def _empty_members(content: bytes, _dice: random.Random) -> bytes:
    return _rewritten(content, lambda _name, _kept: b"")
