"""timescale/pgai's worker, from PyPI, in a virtual environment of its own."""

import os
import re
import resource
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pgai_dev import places, python_packages

REQUIREMENTS = Path(__file__).with_name("peer_pgai.txt")
KEY = {"OPENAI_API_KEY": "sk-bench"}


@dataclass
class Run:
    """The time that a run of the worker took: seconds of the clock and of CPU."""

    seconds: float
    cpu: float


class Pgai:
    def __init__(self):
        what = "Setting up pgai and what its worker drags in (torch among it), for the comparison"
        python = python_packages.environment(places.CACHE / "venv-pgai", REQUIREMENTS, what)
        self._program = python.with_name("pgai")
        # The tokenizer's table, which it would fetch from the network although it brings it.
        [table] = python.parents[1].glob("lib/python*/site-packages/pgai/vectorizer/tiktoken_cache")
        self._env = os.environ | {"TIKTOKEN_CACHE_DIR": str(table)}
        self.version = re.search(r"version (\S+)", self._run("--version"))[1]

    def install(self, db) -> None:
        db.sql("CREATE EXTENSION vector")
        self._run("install", "-d", self._url(db))

    def work(self, db, env: dict[str, str]) -> Run:
        """Lets the worker do what there is to do, once."""
        before, started = _children_cpu(), time.monotonic()
        self._run("vectorizer", "worker", "-d", self._url(db), "--once", env=env | KEY)
        return Run(time.monotonic() - started, _children_cpu() - before)

    @contextmanager
    def worker(self, db, env: dict[str, str]):
        """A worker that looks each second, for as long as this lasts; its process id."""
        command = [str(self._program), "vectorizer", "worker", "-d", self._url(db), "--poll-interval", "1s"]
        with subprocess.Popen(command, env=self._env | env | KEY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
            try:
                yield worker.pid
            finally:
                worker.kill()

    def _url(self, db) -> str:
        return f"postgresql://postgres@/{db.name}?host={db.cluster.host}&port={db.cluster.port}"

    def _run(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            [str(self._program), *arguments], env=self._env | (env or {}), capture_output=True, text=True, timeout=600
        )
        if done.returncode:
            raise SystemExit(f"pgai {arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout


def _children_cpu() -> float:
    """CPU seconds of the processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
