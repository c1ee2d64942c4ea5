"""What a Debian package has stands in an RPM where the Postgres project's RPMs have it."""

import shutil
import subprocess
from pathlib import Path

import pytest
from pgai_dev import places, rpm
from pgai_dev.console import Failure
from pgai_dev.deb import control

DEBIAN = {
    "/usr/lib/postgresql/17/lib/pgai_rs.so": "/usr/pgsql-17/lib/pgai_rs.so",
    "/usr/lib/postgresql/17/lib/pgai_rs_parser": "/usr/pgsql-17/lib/pgai_rs_parser",
    "/usr/lib/postgresql/17/bin/pgai_rs_embedding_server": "/usr/pgsql-17/bin/pgai_rs_embedding_server",
    "/usr/share/postgresql/17/extension/pgai_rs.control": "/usr/pgsql-17/share/extension/pgai_rs.control",
    "/usr/share/doc/postgresql-17-pgai-rs/README.md.gz": "/usr/share/doc/pgai_rs_17/README.md.gz",
    "/usr/share/doc/postgresql-17-pgai-rs/docs/guide.md.gz": "/usr/share/doc/pgai_rs_17/docs/guide.md.gz",
    "/usr/share/doc/postgresql-17-pgai-rs/copyright": "/usr/share/licenses/pgai_rs_17/copyright",
    "/usr/share/doc/postgresql-17-pgai-rs/changelog.Debian.gz": None,
    "/usr/share/lintian/overrides/postgresql-17-pgai-rs": None,
    "/DEBIAN/control": None,
}


@pytest.fixture
def debian(tmp_path) -> Path:
    tree = tmp_path / "debian"
    for path in DEBIAN:
        file = tree / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    return tree


def test_each_file_has_its_place(debian, tmp_path):
    rpm.lay_out(debian, tmp_path / "tree", "17")
    found = {f"/{path.relative_to(tmp_path / 'tree')}": path.read_text() for path in (tmp_path / "tree").rglob("*") if path.is_file()}
    assert found == {there: here for here, there in DEBIAN.items() if there}


def test_a_file_without_a_place_is_an_error(debian, tmp_path):
    (debian / "etc").mkdir()
    (debian / "etc/pgai_rs").touch()
    with pytest.raises(Failure, match="no place for etc/pgai_rs"):
        rpm.lay_out(debian, tmp_path / "tree", "17")


def test_the_spec_names_what_is_needed_and_each_file(debian, tmp_path):
    rpm.lay_out(debian, tmp_path / "tree", "17")
    spec = rpm.spec_of(tmp_path / "tree", "17", "0.3.0")
    assert "Name: pgai_rs_17\nVersion: 0.3.0\n" in spec
    assert "Requires: postgresql17-server\n" in spec
    assert f"Requires: pgvector_17 >= {control.PGVECTOR}\n" in spec
    assert "%license /usr/share/licenses/pgai_rs_17/copyright\n" in spec
    assert "%doc /usr/share/doc/pgai_rs_17/README.md.gz\n" in spec
    assert "\n/usr/pgsql-17/lib/pgai_rs.so\n" in spec
    assert "\n .\n" not in spec and "\n.\n" not in spec


@pytest.mark.skipif(not shutil.which("rpmbuild"), reason="RPMs are made where rpmbuild is")
def test_an_rpm_is_made_and_the_same_each_time(debian, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setattr(places, "DIST", tmp_path / "dist")
    (debian / "usr/lib/postgresql/17/lib/pgai_rs_parser").chmod(0o755)
    made = []
    for _ in range(2):
        path = rpm.make(debian, "17")
        made.append(path.read_bytes())
        listed = subprocess.run(["rpm", "-qpl", "--nosignature", path], capture_output=True, text=True, check=True).stdout
    assert set(filter(None, DEBIAN.values())) <= set(listed.split())
    assert made[0] == made[1]
