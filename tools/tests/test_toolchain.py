"""The choice of a Rust toolchain."""

import os

import pytest
from pgai_dev import places, toolchain


@pytest.fixture(autouse=True)
def clone(tmp_path, monkeypatch):
    """A clone that wants 1.95.0 and can do with 1.95, in an environment that has not chosen."""
    (tmp_path / "rust-toolchain.toml").write_text('[toolchain]\nchannel = "1.95.0"\n')
    (tmp_path / "Cargo.toml").write_text('[workspace.package]\nrust-version = "1.95"\n')
    monkeypatch.setattr(places, "ROOT", tmp_path)
    # Set first, so that what a test sets is taken back.
    monkeypatch.setenv(toolchain.VARIABLE, "")


def rustup(program, *installed: str, default: str) -> None:
    program("rustup", "\n".join(f"echo '{line}'" for line in installed))
    program("rustc", f"echo rustc {default}")


@pytest.mark.parametrize(("installed", "default", "chosen"), [
    (("1.95.0-x86_64-unknown-linux-gnu", "stable-x86_64-unknown-linux-gnu (default)"), "1.95.0", ""),
    (("1.95.0 (active)", "stable-x86_64-unknown-linux-gnu (default)"), "1.95.0", ""),
    (("stable-x86_64-unknown-linux-gnu (active, default)",), "1.95.0", "stable-x86_64-unknown-linux-gnu"),
    (("1.95.01 (default)",), "1.96.1", "1.95.01"),
    (("stable-x86_64-unknown-linux-gnu (default)",), "1.94.9", ""),
    (("no installed toolchains",), "1.95.0", ""),
])
def test_the_default_is_chosen_where_the_wanted_one_is_not_installed(program, installed, default, chosen):
    rustup(program, *installed, default=default)
    toolchain.choose()
    assert os.environ[toolchain.VARIABLE] == chosen


def test_a_choice_of_the_users_stands(program, monkeypatch):
    rustup(program, "stable (default)", default="1.95.0")
    monkeypatch.setenv(toolchain.VARIABLE, "mine")
    toolchain.choose()
    assert os.environ[toolchain.VARIABLE] == "mine"


def test_without_rustup_there_is_nothing_to_choose(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    toolchain.choose()
    assert os.environ[toolchain.VARIABLE] == ""


def test_the_two_versions_of_this_project_agree(monkeypatch, request):
    monkeypatch.setattr(places, "ROOT", request.config.rootpath.parents[1])
    assert toolchain.version_in(toolchain.channel())[:2] == toolchain.oldest()
