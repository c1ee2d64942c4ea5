"""Tests of what `make` does: no Postgres, no network, nothing built. `make test-tools` runs them."""

import os
import stat
from pathlib import Path

import pytest
from pgai_dev import places


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """A cache of the test's own, in which nothing is yet."""
    directory = tmp_path / "cache"
    monkeypatch.setattr(places, "CACHE", directory)
    monkeypatch.setattr(places, "VENV", directory / "venv")
    monkeypatch.setattr(places, "TARGET", directory / "target")
    monkeypatch.setattr(places, "LOGS", directory / "logs")
    return directory


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a program before all others in PATH: program("gcc", "exit 1")."""
    directory = tmp_path / "programs"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")

    def make(name: str, script: str) -> Path:
        path = directory / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make
