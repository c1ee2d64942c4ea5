"""Hostile documents are of every type that the parser knows, and the same for the same seed."""

import io
import re
import sys
import zipfile

import pytest
from pgai_dev import places

sys.path.append(str(places.ROOT / "benches"))

import hostile
from hostile_files import WHOLE, Case, Expected, cases
from hostile_files.words import LONG, PARAGRAPHS


def kinds() -> list[str]:
    """Returns the types that the parser knows."""
    source = (places.ROOT / "crates" / "parser" / "src" / "kind.rs").read_text()
    [variants] = re.findall(r"pub enum Kind \{(.*?)\n\}", source, re.DOTALL)
    return re.findall(r"^    (\w+),$", variants, re.MULTILINE)


def test_there_is_a_whole_document_of_every_type():
    assert [whole.kind for whole in WHOLE] == kinds()


def test_there_are_at_least_five_hundred_with_names_of_their_own():
    titles = [case.title for case in cases(1)]
    assert len(set(titles)) == len(titles) >= 500
    assert {title.partition("/")[0] for title in titles} == set(kinds())


def test_harm_is_the_same_for_the_same_seed_and_another_for_another():
    def flipped(seed: int) -> list[bytes]:
        return [case.make() for case in cases(seed) if case.harm in ("10-bits-flipped", "noise", "hole")]

    assert flipped(1) == flipped(1)
    assert all(one != other for one, other in zip(flipped(1), flipped(2)))


@pytest.mark.parametrize("whole", WHOLE, ids=lambda whole: whole.kind)
def test_a_whole_document_has_its_words(whole):
    content = whole.make()
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = b"".join(archive.read(name) for name in archive.namelist())
    elif whole.opaque:
        assert content.startswith(b"%PDF-")
        return
    assert all(line.encode() in content or line.encode("utf-16-le") in content for line in PARAGRAPHS)


def test_what_was_destroyed_has_no_words_left():
    destroyed = [case for case in cases(1) if case.expected is Expected.REFUSAL and case.harm != "with-a-password"]
    for case in destroyed:
        if "encrypted-archive" not in case.harm:
            assert not any(line.encode() in case.make() for line in LONG), case.title


@pytest.mark.parametrize(
    ("expected", "outcome", "text", "wrong"),
    [
        (Expected.TEXT, "text", " ".join(PARAGRAPHS), ""),
        (Expected.TEXT, "text", "The heron", "lost"),
        (Expected.TEXT, "damaged_document", "", "lost"),
        (Expected.TEXT, "unsupported_type", "", ""),
        (Expected.REFUSAL, "text", "\u00fe\u00ff", "made up"),
        (Expected.REFUSAL, "damaged_document", "", ""),
        (Expected.SOME, "text", "shallow", ""),
        (Expected.SOME, "text", "\u00fe\u00ff", "made up"),
        (Expected.EITHER, "text", "\u00fe\u00ff", ""),
    ],
)
def test_text_that_was_made_up_or_lost_is_told(expected, outcome, text, wrong):
    case = Case("Text", "x", "x.txt", bytes, expected)
    assert hostile.wrong(case, outcome, text) == wrong


@pytest.mark.parametrize(
    ("status", "late", "said", "outcome"),
    [
        (-6, False, b"memory allocation of 8 bytes failed", "parser_out_of_memory"),
        (-6, False, b"thread 'document' (7) has overflowed its stack", "stack_overflow"),
        (-9, False, b"", "parser_out_of_memory"),
        (-9, True, b"", "parser_timed_out"),
        (-24, False, b"", "parser_timed_out"),
        (-11, False, b"", "parser_crashed"),
        (65, False, b"", "version_mismatch"),
    ],
)
def test_a_run_without_an_answer_has_its_class(status, late, said, outcome):
    assert hostile.classify({"status": status, "late": late}, b"", said)[0] == outcome


def test_a_program_runs_within_limits(tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nulimit -v; ulimit -t; /bin/cat\n")
    program.chmod(0o755)
    ended, output, _ = hostile.run(program, "a.txt", b"the document")
    head = f"{hostile.MEMORY >> 10}\n{hostile.CPU_SECONDS}\n".encode()
    assert ended["status"] == 0 and output.startswith(head) and output.endswith(b'"a.txt"}\nthe document')
