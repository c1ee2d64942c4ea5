"""The bench of the parser: what it takes from archives, what its scores mean, and when it fails."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from pgai_dev import places

sys.path.append(str(places.ROOT / "benches"))

from parse_documents import archives, comparison, floors, registries, report
from parse_documents.manifest import Package, documents
from parse_documents.measure import Measured
from parse_documents.score import Reference, score
from parse_references.shown import spellings


def tar(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def deb(files: dict[str, bytes]) -> bytes:
    members = {"debian-binary": b"2.0", "data.tar.xz": tar({f"./{name}": content for name, content in files.items()}, "w:xz")}
    packed = b"!<arch>\n"
    for name, content in members.items():
        packed += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
    return packed


@pytest.mark.parametrize("pack", [tar, zipped, deb])
def test_files_are_taken_out_of_an_archive_by_their_paths(pack, tmp_path):
    archive = tmp_path / "archive"
    archive.write_bytes(pack({"a/b.txt": b"wanted", "a/c.txt": b"not wanted"}))
    missing = archives.extract(archive, {"a/b.txt": tmp_path / "out" / "b.txt", "a/d.txt": tmp_path / "out" / "d.txt"})
    assert missing == ["a/d.txt"]
    assert [(file.name, file.read_bytes()) for file in (tmp_path / "out").iterdir()] == [("b.txt", b"wanted")]


@pytest.mark.parametrize("path", ["../evil", "a/../../evil", "/evil"])
def test_a_path_that_leads_out_of_its_archive_is_refused(path, tmp_path):
    archive = tmp_path / "archive"
    archive.write_bytes(tar({path: b"evil"}))
    with pytest.raises(archives.Refused):
        archives.extract(archive, {path: tmp_path / "out"})


def test_a_link_in_an_archive_is_not_followed(tmp_path):
    archive = tmp_path / "archive"
    with tarfile.open(archive, "w:gz") as packed:
        link = tarfile.TarInfo("a")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(link)
    assert archives.extract(archive, {"a": tmp_path / "out"}) == ["a"]
    assert not (tmp_path / "out").exists()


def test_a_package_with_another_digest_is_not_kept(monkeypatch):
    monkeypatch.setitem(registries.REGISTRIES, "npm", lambda package, target: target.write_bytes(b"another"))
    with pytest.raises(registries.Unavailable, match="SHA-256"):
        registries.fetch(Package("npm", "a", "1", "0" * 64))
    assert not list((places.CACHE / "bench-documents" / "packages").iterdir())


def test_every_document_is_of_a_registry_and_a_type_that_are_known():
    readers = (places.ROOT / "benches" / "parse_references" / "__main__.py").read_text()
    for document in documents():
        assert document.package.registry in registries.REGISTRIES
        assert f'"{document.kind}": ' in readers
        assert len(document.package.sha256) == 64


@pytest.mark.parametrize(
    ("name", "markdown", "reference", "value"),
    [
        ("recall", "the cat", Reference(["the cat sat down"]), 0.5),
        ("precision", "the cat sat down", Reference(["the cat"]), 0.5),
        ("precision", "![a picture](a.png) [the cat](https://a.example/b)", Reference(["the cat"]), 1),
        ("recall", "**Cat**s <b>sat</b> &amp; slept", Reference(["cats sat & slept"]), 1),
        ("recall", "hyphenated", Reference(["hyphen-\nated"]), 1),
        ("recall", "漢字", Reference(["漢語"]), 0.5),
        ("recall", "wrong", Reference(["of two", "wrong"]), 1),
        ("order", "sat the cat", Reference(["the cat sat"]), 0.5),
        ("cells", "| a | b |\n| --- | --- |\n| c | x |", Reference(["a"], cells=[["a"], ["b"], ["c"], ["d"]]), 0.75),
        ("cells", "| 1.50 | b | c | d |", Reference(["a"], cells=[["1.5", "1.50"], ["b"], ["c"], ["d"]]), 1),
        ("cells", "| a | a |", Reference(["a"], cells=[["a"], ["a"], ["a"], ["a"]]), 0.5),
        ("cells", "<table><tr><td>a</td><th>b</th></tr></table>", Reference(["a"], cells=[["a"], ["b"], ["c"], ["d"]]), 0.5),
        ("headings", "# Birds\n\nHerons", Reference(["a"], headings=["Birds", "Herons"]), 0.5),
        ("headings", "# 1.2 Birds\n\nHerons\n---", Reference(["a"], headings=["Birds", "2 Herons"]), 1),
        ("headings", "```\n# Birds\n```", Reference(["a"], headings=["Birds", "Herons"]), 0),
    ],
)
def test_a_score(name, markdown, reference, value):
    assert score(markdown, reference)[name] == pytest.approx(value)


def test_an_empty_text_scores_nothing():
    reference = Reference(["the cat"], cells=[["a"]] * 4, headings=["a", "b"])
    assert set(score("", reference).values()) == {0}


def test_what_a_reference_does_not_have_is_not_scored():
    assert set(score("# A", Reference(["the cat"], cells=[["a"]], headings=["A"]))) == {"recall", "precision", "order"}


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (0.005, "0%", "1%"),
        (1234.5, "#,##0.00", "1,234.50"),
        (48929, "00000000", "00048929"),
        (-3.0, "0.00;(0.00)", "(3.00)"),
        (0.5, "General", "0.5"),
        (12.3, '"$"0.00', "$12.30"),
    ],
)
def test_a_number_is_shown_as_its_format_says(value, code, shown):
    assert spellings(value, code)[0] == shown


def measured(path: str, **scores: float) -> Measured:
    return Measured("a", path, "pdf", "text", 0.1, 10, scores={"recall": 1, "precision": 1, "order": 1} | scores)


def test_a_median_that_falls_by_more_than_a_point_is_told():
    before = floors.reached([measured("a"), measured("b")])
    assert floors.fallen(floors.reached([measured("a", order=0.985), measured("b", order=0.997)]), before) == []
    [line] = floors.fallen(floors.reached([measured("a", order=0.98), measured("b", order=0.98)]), before)
    assert line == "pdf: order fell from 100.0 to 98.0"


def test_documents_that_were_not_had_make_nothing_fall_and_the_others_are_held():
    before = floors.reached([measured("a"), measured("b", order=0.5)])
    assert floors.fallen(floors.reached([measured("b", order=0.5)]), before) == []
    assert floors.fallen({}, before) == []
    [order, _mean] = floors.fallen(floors.reached([measured("a", order=0.5)]), before)
    assert order == "pdf: order fell from 100.0 to 50.0"


def test_floors_are_read_as_they_were_written(monkeypatch, tmp_path):
    monkeypatch.setattr(floors, "FLOORS", tmp_path / "floors.json")
    floors.FLOORS.write_text("{}")
    floors.write(floors.reached([measured("a"), measured("b", order=0.5)]))
    floors.write(floors.reached([measured("b", order=0.6)]))
    assert floors.read() == floors.reached([measured("a"), measured("b", order=0.6)])


def test_every_floor_is_that_of_a_document():
    titles = {(document.kind, document.title) for document in documents()}
    assert {(kind, title) for kind, scores in floors.read().items() for title in scores} <= titles


def test_libraries_stand_beside_ours_type_by_type():
    ours = {Path("a"): measured("a"), Path("b"): measured("b", order=0.5)}
    theirs = {Path("a"): measured("a", recall=0.5), Path("b"): measured("b")}
    table = comparison.by_library({"ours": ours, "theirs": theirs})
    assert table.splitlines()[2:] == [
        "| pdf (2 of 2 scored) | ours |  | 100.0 | 100.0 | 75.0 |  |  | 87.5 | 100 |",
        "|  | theirs |  | 75.0 | 100.0 | 100.0 |  |  | 91.7 | 100 |",
    ]


def test_pages_a_second_are_of_the_documents_that_both_read():
    ours, theirs = measured("a"), measured("a")
    ours.pages = theirs.pages = 10
    theirs.cpu_seconds = 5
    refused = measured("b")
    refused.outcome = "failed"
    table = comparison.pages_a_second({"ours": {Path("a"): ours, Path("b"): ours}, "theirs": {Path("a"): theirs, Path("b"): refused}})
    assert table.splitlines()[-1] == "| theirs | 10 | 5.0 | 2.0 | 100.0 |"


def test_the_worst_document_comes_first():
    lines = report.worst([measured("good"), measured("bad", order=0.2), measured("worse", order=0.1)]).splitlines()
    assert [Path(line.split()[0]).name for line in lines[1:]] == ["worse", "bad"]
