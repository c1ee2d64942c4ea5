"""The entries of docs/packaging.md say of the package what it is."""

import csv
import re

import pytest
from pgai_dev import package, places, rpm
from pgai_dev.deb import control

PAGE = (places.ROOT / "docs" / "packaging.md").read_text()
CONTROL = (places.ROOT / "pgai_rs.control").read_text()


def _setting(name: str) -> str:
    return re.search(rf"^{name} = '(.+)'$", CONTROL, re.MULTILINE)[1]


@pytest.fixture
def entry() -> dict[str, str]:
    [block] = re.findall(r"```csv\n(.+?)```", PAGE, re.DOTALL)
    [row] = csv.DictReader(block.splitlines())
    return row


def test_the_catalogues_row_agrees_with_the_control_file(entry):
    assert entry["name"] == entry["pkg"] == entry["lead_ext"] == "pgai_rs"
    assert entry["version"] == package.version()
    assert entry["schemas"].strip("{}") == _setting("schema")
    assert entry["requires"].strip("{}") == _setting("requires")
    assert (entry["relocatable"] == "t") == ("relocatable = true" in CONTROL)
    assert (entry["trusted"] == "t") == ("trusted = true" in CONTROL)
    assert entry["need_load"] == "t"


def test_the_catalogues_row_names_our_packages(entry):
    assert set(entry["pg_ver"].strip("{}").split(",")) == set(places.MAJORS)
    assert entry["deb_pkg"] == control.name("$v")
    assert entry["rpm_pkg"] == rpm.name("$v")
    assert entry["deb_deps"] == "{postgresql-$v-pgvector}"
    assert entry["rpm_deps"] == "{pgvector_$v}"


def test_the_source_packages_control_file_is_that_of_the_package():
    [block] = re.findall(r"```\n(Source: .+?)```", PAGE, re.DOTALL)
    assert f"Source: {control.SOURCE}\n" in block
    assert f"Maintainer: {control.MAINTAINER}\n" in block
    assert f"Homepage: {control.HOMEPAGE}\n" in block
    assert f"Package: {control.name('PGVERSION')}\n" in block
    needs = f"postgresql-PGVERSION, postgresql-PGVERSION-pgvector (>= {control.PGVECTOR}), ca-certificates\n"
    assert needs in block
    start = control.DESCRIPTION.partition("\n .\n")[0]
    assert f"Description: {start}\n" in block


def test_the_pages_say_the_oldest_glibc():
    glibc = ".".join(map(str, control.GLIBC))
    assert f"`libc6` (>= {glibc})" in PAGE and f"glibc {glibc} is that of" in PAGE
