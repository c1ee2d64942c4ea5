"""Running cargo."""

from pathlib import Path

import pytest
from pgai_dev import libclang, places, rust
from pgai_dev.postgres import Postgres


@pytest.fixture
def pgrx_config(tmp_path, monkeypatch) -> Path:
    """The file that cargo looks at to tell whether pgrx's bindings are outdated."""
    monkeypatch.setattr(places, "TOOLS", tmp_path)
    monkeypatch.setattr(libclang, "environment", dict)
    return tmp_path / "pgrx" / "config.toml"


def test_a_second_build_finds_pgrx_as_the_first_one_left_it(pgrx_config):
    """Cargo takes a file that is missing or younger than what it has built for a change."""
    postgres = Postgres(Path("/usr/bin/pg_config"), "18")
    assert rust.environment(postgres)["PGRX_HOME"] == str(pgrx_config.parent)
    made = pgrx_config.stat().st_mtime_ns
    rust.environment(postgres)
    assert pgrx_config.stat().st_mtime_ns == made
