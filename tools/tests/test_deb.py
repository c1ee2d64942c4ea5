"""What Debian packages are made of: permitted licences with their texts, no places of ours, the same bytes each time."""

import gzip
import shutil
from pathlib import Path

import pytest
from pgai_dev.console import Failure
from pgai_dev.deb import archive, control, documents, leaks, notices, origin, spdx

ALLOWED = {"MIT", "Apache-2.0", "Unicode-3.0"}


@pytest.mark.parametrize(
    "expression, permitted",
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT/Apache-2.0", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", True),
        ("MIT OR GPL-3.0-only AND Unicode-3.0", True),
        ("(GPL-3.0-only OR LGPL-3.0-only) AND MIT", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only WITH Classpath-exception-2.0", False),
        ("", False),
    ],
)
def test_a_licence_is_permitted_if_it_leaves_a_choice_of_allowed_ones(expression, permitted):
    assert spdx.permits(expression, ALLOWED) is permitted


@pytest.mark.parametrize("expression", ["MIT MIT", "MIT )"])
def test_an_expression_that_is_none_is_an_error(expression):
    with pytest.raises(Failure, match="no expression of licences"):
        spdx.permits(expression, ALLOWED)


def test_those_that_cargo_deny_allows_are_allowed_here():
    assert {"PostgreSQL", "Apache-2.0", "bzip2-1.0.6"} <= spdx.allowed()


def crate(directory: Path, licence: str = "MIT", **files: str) -> notices.Crate:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text)
    return notices.Crate(directory.name, "1.0.0", licence, "https://example.com", ("Ada <ada@example.com>",), directory)


def test_a_crate_is_handed_on_with_its_texts_and_those_of_what_it_contains(tmp_path):
    (tmp_path / "one" / "vendored").mkdir(parents=True)
    (tmp_path / "one" / "vendored" / "COPYING").write_text("theirs")
    (tmp_path / "one" / "tests").mkdir()
    (tmp_path / "one" / "tests" / "LICENSE").write_text("of a test's data")
    one = crate(tmp_path / "one", LICENSE="ours  \n", NOTICE="a notice", README="no licence")
    assert notices.texts(one) == ["ours", "a notice", "theirs"]


def test_a_crate_without_a_text_gets_the_standard_one_of_its_licence(tmp_path):
    [text] = notices.texts(crate(tmp_path / "one", "Apache-2.0 OR MIT"))
    assert text.startswith("Copyright (c) Ada <ada@example.com>\n\nPermission is hereby granted, free of charge")
    with pytest.raises(Failure, match="two comes without the text of its licence, Zlib"):
        notices.texts(crate(tmp_path / "two", "Zlib"))


def test_a_text_of_several_crates_is_there_once(tmp_path):
    composed = notices.compose([crate(tmp_path / name, LICENSE="the same") for name in ("one", "two")])
    assert composed.count("the same") == 1
    assert composed.count("  [1]\n") == 2


def test_a_licence_that_asks_for_more_is_an_error(tmp_path):
    with pytest.raises(Failure, match=r"not permissive: one \(GPL-3.0-only\)"):
        notices.compose([crate(tmp_path / "one", "GPL-3.0-only", LICENSE="copyleft")])


def test_a_version_is_released_when_its_section_is_dated():
    changelog = "## [Unreleased]\n\nThis will be 0.3.0.\n\n## [0.2.0] - 2026-11-23\n"
    assert origin.is_released("0.2.0", changelog)
    assert not origin.is_released("0.3.0", changelog)
    assert not origin.is_released("0x2.0", changelog)


def test_the_time_is_given_or_the_commits(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert origin.epoch() == 1_700_000_000


def test_a_place_of_this_machine_is_found_wherever_it_is_named(tmp_path):
    (tmp_path / "library.so").write_bytes(b"\0/home/me/.cargo/registry/a.rs\0")
    (tmp_path / "page.gz").write_bytes(gzip.compress(b"see /home/me/page"))
    (tmp_path / "innocent").write_text("/home/men/x and /home/me")
    assert leaks.leaks(tmp_path, ["/home/me"]) == ["library.so: /home/me", "page.gz: /home/me"]


def test_the_licence_is_a_field_of_debians():
    licence = documents._copyright().partition("License: PostgreSQL\n")[2]
    assert licence.startswith(" Permission to use,")
    assert all(line.startswith(" ") and line.strip() for line in licence.splitlines())


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="packages are made on Debian")
def test_the_same_files_make_the_same_package(tmp_path):
    fields = {"Package": "x", "Version": "1-1", "Architecture": "all", "Maintainer": "x <x@example.com>", "Description": "x"}
    made = []
    for number, order in enumerate((["one", "two"], ["two", "one"])):
        tree = tmp_path / f"tree-{number}"
        (tree / "usr").mkdir(parents=True)
        for name in order:
            (tree / "usr" / name).write_text(name)
        (tree / "usr" / "one").chmod(0o755 if number else 0o600)
        made.append(archive.pack(tree, fields, 1_700_000_000, tmp_path / str(number)))
    assert [path.name for path in made] == ["x_1-1_all.deb"] * 2
    assert made[0].read_bytes() == made[1].read_bytes()


def test_a_newer_glibc_than_the_oldest_systems_have_is_an_error():
    control.check_glibc(["libc6 (>= 2.34)", "libgcc-s1 (>= 4.2)"])
    with pytest.raises(Failure, match=r"libc6 \(>= 2.35\) is needed, and systems that packages are for have 2.34"):
        control.check_glibc(["libgcc-s1 (>= 4.2)", "libc6 (>= 2.35)"])
