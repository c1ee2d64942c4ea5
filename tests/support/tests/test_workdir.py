"""Runs of tests leave no directories, and leave those of others alone."""

import os
import subprocess
import sys

from support import workdir


def of_a_process_that_has_ended(directory, rest):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    left = directory / f"{process.pid}-{rest}"
    left.mkdir()
    return left


def test_what_a_killed_run_left_is_removed(tmp_path):
    left = of_a_process_that_has_ended(tmp_path, "tests-abc")
    (left / "cluster").mkdir()

    workdir.remove_left("tests", tmp_path)

    assert not left.exists()


def test_what_is_in_use_or_of_another_kind_stays(tmp_path):
    mine = workdir.make("tests", tmp_path)
    failed_torture = of_a_process_that_has_ended(tmp_path, "torture-abc")
    strange = [tmp_path / name for name in ("tmpj_xyxdjf", "torture-abc", "1e9-tests-abc")]
    for directory in strange:
        directory.mkdir()

    workdir.remove_left("tests", tmp_path)

    assert {*tmp_path.iterdir()} == {mine, failed_torture, *strange}
    assert mine.name.startswith(f"{os.getpid()}-tests-")


def test_without_a_cache_there_is_nothing_to_remove(tmp_path):
    workdir.remove_left("tests", tmp_path / "none")

    assert list(tmp_path.iterdir()) == []
