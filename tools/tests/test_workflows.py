"""What the forge runs is there: targets of make, files, other workflows; and each action is the one that was looked at."""

import re
from pathlib import Path

import pytest
import yaml
from pgai_dev import places

WORKFLOWS = sorted((places.ROOT / ".github" / "workflows").glob("*.yml"))
pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="an archive of the source comes without the forge's files")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (places.ROOT / "Makefile").read_text(), re.MULTILINE))


def jobs(path: Path) -> dict[str, dict]:
    return yaml.safe_load(path.read_text())["jobs"]


def steps(path: Path) -> list[dict]:
    return [step for job in jobs(path).values() for step in job.get("steps", [])]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_target_that_is_made_is_there(path):
    scripts = "\n".join(step.get("run", "") for step in steps(path))
    made = set(re.findall(r"(?:^|[\s;&'\"])make (?!gcc)([a-z][a-z0-9-]*)", scripts, re.MULTILINE))
    assert made <= TARGETS


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_an_action_is_named_by_its_commit(path):
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_jobs_that_are_waited_for_and_workflows_that_are_called_are_there(path):
    there = jobs(path)
    for job in there.values():
        needs = job.get("needs", [])
        assert {needs} if isinstance(needs, str) else set(needs) <= there.keys()
        if called := job.get("uses"):
            assert (places.ROOT / called).is_file()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_only_the_job_that_publishes_may_write(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    writing = [name for name, job in jobs(path).items() if "write" in job.get("permissions", {}).values()]
    assert writing == (["publish"] if path.stem == "release" else [])


def test_nothing_is_published_before_a_tag_is_checked_and_all_is_tried():
    there = jobs(places.ROOT / ".github/workflows/release.yml")
    assert there["packages"]["needs"] == "check"
    assert there["containers"]["needs"] == "packages"
    assert set(there["publish"]["needs"]) == {"packages", "containers"}
