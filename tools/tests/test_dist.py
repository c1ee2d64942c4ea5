"""What PGXN is told of us is true and by its specification, and what it is given is the committed source alone."""

import json
import re
import subprocess
import zipfile

import pytest
from pgai_dev import dist, package, places
from pgai_dev.console import output

META = json.loads((places.ROOT / "META.json").read_text())
IN_A_CLONE = pytest.mark.skipif(not (places.ROOT / ".git").exists(), reason="an archive is made of a clone")

# The rules of https://pgxn.org/spec/ for version 1.0 of META.json.
REQUIRED = {"name", "version", "abstract", "maintainer", "license", "provides", "meta-spec"}
OPTIONAL = {"description", "generated_by", "tags", "no_index", "prereqs", "release_status", "resources"}
TERM = re.compile(r"[^/\\\s\x00-\x1f\x7f]{2,}")
TAG = re.compile(r"[^/\\\x00-\x1f\x7f]{2,255}")
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
RANGE = re.compile(rf"([=!]=|[<>]=?)?\s*{VERSION.pattern}|0")
PHASES = {"configure", "build", "test", "runtime", "develop"}
RELATIONS = {"requires", "recommends", "suggests", "conflicts"}


def test_versions_and_files_are_ours():
    assert META["version"] == package.version()
    [(name, provided)] = META["provides"].items()
    assert name == META["name"] == "pgai_rs"
    assert provided["version"] == package.version()
    assert all((places.ROOT / provided[kind]).is_file() for kind in ("file", "docfile"))


def test_no_key_but_those_of_the_specification():
    assert REQUIRED <= META.keys() <= REQUIRED | OPTIONAL
    assert META["provides"]["pgai_rs"].keys() <= {"file", "version", "abstract", "docfile", "docpath"}
    assert META["meta-spec"] == {"version": "1.0.0", "url": "https://pgxn.org/meta/spec.txt"}
    assert META["resources"].keys() <= {"homepage", "bugtracker", "repository"}
    assert META["resources"]["repository"].keys() == {"url", "web", "type"}
    assert META["resources"]["bugtracker"].keys() == {"web"}


def test_names_and_versions_are_of_the_right_form():
    assert TERM.fullmatch(META["name"]) and VERSION.fullmatch(META["version"])
    assert META["license"] == "postgresql"
    assert META["release_status"] in {"stable", "testing", "unstable"}
    assert all(isinstance(META[key], str) and META[key] for key in ("abstract", "description", "maintainer", "generated_by"))


def test_what_is_needed_is_named_with_versions():
    assert META["prereqs"].keys() <= PHASES
    for phase in META["prereqs"].values():
        assert phase.keys() <= RELATIONS
        for needed in phase.values():
            assert all(TERM.fullmatch(name) and RANGE.fullmatch(version) for name, version in needed.items())
    assert META["prereqs"]["build"]["requires"]["PostgreSQL"] == f"{places.MAJORS[0]}.0.0"


def test_tags_are_found_by_whoever_searches():
    assert {"embeddings", "vector search", "RAG", "S3", "pgvector"} <= set(META["tags"])
    assert all(TAG.fullmatch(tag) for tag in META["tags"])
    assert len(META["tags"]) == len(set(META["tags"]))


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> zipfile.ZipFile:
    target = tmp_path_factory.mktemp("dist") / "archive.zip"
    dist.write(target)
    with zipfile.ZipFile(target) as opened:
        yield opened


@IN_A_CLONE
def test_an_archive_has_one_directory_with_meta_json_at_its_top(archive):
    assert {name.partition("/")[0] for name in archive.namelist()} == {f"pgai_rs-{package.version()}"}
    needed = {"META.json", "README.md", "LICENSE", "Makefile", "CHANGELOG.md", "pgai_rs.control", "Cargo.lock"}
    assert needed <= _names(archive)


@IN_A_CLONE
def test_an_archive_has_what_is_committed_and_none_of_the_forges_own_files(archive):
    names = _names(archive)
    assert names <= set(output(["git", "ls-tree", "-r", "--name-only", "HEAD"], cwd=places.ROOT).splitlines())
    assert [name for name in names if name.startswith(".")] == []
    ignored = ["git", "check-ignore", "--no-index", "--stdin"]
    done = subprocess.run(ignored, input="\n".join(names), capture_output=True, text=True, cwd=places.ROOT)
    assert done.stdout.splitlines() == []


def _names(archive: zipfile.ZipFile) -> set[str]:
    return {name.partition("/")[2] for name in archive.namelist() if not name.endswith("/")}
