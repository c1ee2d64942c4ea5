"""What may be released, and what a release says of itself."""

import dataclasses
import hashlib
import json

import pytest
from pgai_dev import bill, places
from pgai_dev.console import Failure
from pgai_dev.deb import notices, origin
from pgai_dev.release import assets, notes, provenance, rules

CHANGELOG = """# Changelog

## [0.3.0] - 2026-12-01

See [operations](docs/operations.md#upgrading), [below](#0.2.0) and [elsewhere](https://example.com).

### Added

- A thing.

## [0.2.0] - 2026-11-23

- An older thing.
"""
GOOD = rules.Tree(
    "0.3.0", "0.3.0", "0.3.0", CHANGELOG, frozenset({"pgai_rs--0.2.0--0.3.0"}), frozenset({"pgai_rs--0.3.0"}), ""
)


def test_a_tree_that_agrees_with_itself_may_be_released():
    assert rules.refusals("v0.3.0", GOOD) == []


@pytest.mark.parametrize(
    "tag, changes, reason",
    [
        ("v0.3.1", {}, "the tag is v0.3.1, and default_version in pgai_rs.control is 0.3.0"),
        ("0.3.0", {}, "the tag is 0.3.0, and default_version in pgai_rs.control is 0.3.0"),
        ("v0.3.0", {"of_crates": "0.2.0"}, "Cargo.toml says 0.2.0, and pgai_rs.control 0.3.0"),
        ("v0.3.0", {"of_meta": "0.2.0"}, "META.json says 0.2.0, and pgai_rs.control 0.3.0"),
        (
            "v0.3.0",
            {"changelog": CHANGELOG.replace("## [0.3.0] - 2026-12-01", "## [Unreleased]")},
            "the section of 0.3.0 in CHANGELOG.md has no date",
        ),
        (
            "v0.3.0",
            {"changelog": CHANGELOG.replace("## [0.3.0]", "## [Unreleased]\n\n- Late.\n\n## [0.3.0]")},
            "CHANGELOG.md has changes that no version is named for",
        ),
        ("v0.3.0", {"scripts": frozenset()}, "there is no script from 0.2.0 to 0.3.0"),
        ("v0.3.0", {"frozen": frozenset()}, "sql/released does not have the script of 0.3.0"),
        ("v0.3.0", {"changed": " M src/lib.rs\n M Cargo.toml"}, "not all is committed: src/lib.rs, Cargo.toml"),
    ],
)
def test_a_tree_that_disagrees_is_refused_with_the_reason(tag, changes, reason):
    assert rules.refusals(tag, dataclasses.replace(GOOD, **changes)) == [reason]


def test_an_empty_section_of_what_is_to_come_stands_in_no_ones_way():
    changelog = CHANGELOG.replace("## [0.3.0]", "## [Unreleased]\n\n## [0.3.0]")
    assert rules.refusals("v0.3.0", dataclasses.replace(GOOD, changelog=changelog)) == []


@pytest.mark.skipif(not (places.ROOT / ".git").exists(), reason="a release is made of a clone")
def test_ours_agrees_with_itself_but_for_what_a_release_brings():
    tree = dataclasses.replace(rules.Tree.here(), changed="")
    brought = {
        f"the section of {tree.version} in CHANGELOG.md has no date",
        f"sql/released does not have the script of {tree.version}",
    }
    assert set(rules.refusals(f"v{tree.version}", tree)) <= brought


def test_notes_are_the_section_with_links_that_lead_somewhere():
    text = notes.compose("0.3.0", CHANGELOG)
    assert "- A thing." in text and "An older thing" not in text
    assert "](https://github.com/pgai-rs/pgai_rs/blob/v0.3.0/docs/operations.md#upgrading)" in text
    assert "](#0.2.0)" in text and "](https://example.com)" in text
    assert "sha256sum --check" in text


def test_a_version_that_nothing_is_said_of_has_no_notes():
    with pytest.raises(Failure, match="says nothing of 0.9.0"):
        notes.compose("0.9.0", CHANGELOG)


def test_provenance_names_each_file_by_its_digest(monkeypatch):
    monkeypatch.delenv("GITHUB_WORKFLOW_REF", raising=False)
    statement = provenance.compose({"a.deb": "ab" * 32}, "c" * 40, "v0.3.0", 1_700_000_000, "rustc 1.95.0")
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"] == [{"name": "a.deb", "digest": {"sha256": "ab" * 32}}]
    definition = statement["predicate"]["buildDefinition"]
    assert definition["resolvedDependencies"][0]["digest"] == {"gitCommit": "c" * 40}
    assert statement["predicate"]["runDetails"]["builder"]["id"] == provenance.BY_HAND

    monkeypatch.setenv("GITHUB_WORKFLOW_REF", "pgai-rs/pgai_rs/.github/workflows/release.yml@refs/tags/v0.3.0")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    builder = provenance.compose({}, "c" * 40, "v0.3.0", 0, "")["predicate"]["runDetails"]["builder"]["id"]
    assert builder == "https://github.com/pgai-rs/pgai_rs/.github/workflows/release.yml@refs/tags/v0.3.0"


def test_a_release_takes_the_packages_of_its_version_and_misses_a_major(tmp_path, monkeypatch):
    monkeypatch.setattr(origin, "upstream", lambda version: version)
    for major in places.MAJORS:
        for version in ("0.3.0-1", "0.3.0~git20261130.abcdef01-1"):
            (tmp_path / f"postgresql-{major}-pgai-rs_{version}_amd64.deb").touch()
    (tmp_path / "pgai_rs_17-0.3.0-1.x86_64.rpm").touch()
    found = assets.packages(tmp_path, "0.3.0")
    debian = [f"postgresql-{major}-pgai-rs_0.3.0-1_amd64.deb" for major in places.MAJORS]
    assert [path.name for path in found] == ["pgai_rs_17-0.3.0-1.x86_64.rpm", *debian]
    assert assets.lacking(found) == []
    assert assets.lacking([path for path in found if "-16-" not in path.name]) == ["16"]


LOCK = """[[package]]
name = "one"
version = "1.0.0"
source = "registry+https://example.com"
checksum = "{digest}"
dependencies = [
 "two",
]

[[package]]
name = "pgai_rs"
version = "0.3.0"
"""


def test_the_bill_lists_each_part_with_licence_and_digest(tmp_path):
    digest = hashlib.sha256(b"one").hexdigest()
    sums = bill.checksums(LOCK.format(digest=digest))
    assert sums == {("one", "1.0.0"): digest}

    crate = notices.Crate("one", "1.0.0", "MIT/Apache-2.0", "https://example.com/one", (), tmp_path)
    made = bill.compose([crate], "1.95.0", "0.3.0", 1_700_000_000, sums)
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.5")
    assert made["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    standard, one = made["components"]
    assert standard["version"] == "1.95.0"
    assert one["purl"] == "pkg:cargo/one@1.0.0"
    assert one["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert one["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert made["dependencies"][0]["dependsOn"] == [standard["bom-ref"], one["bom-ref"]]
    again = bill.compose([crate], "1.95.0", "0.3.0", 1_700_000_000, sums)
    assert json.dumps(again) == json.dumps(made)
