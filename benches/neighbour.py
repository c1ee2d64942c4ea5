"""How much a busy worker slows down the applications of the same server: pgbench's TPC-B, with and without it.

A worker that embeds the rows of another database as fast as it can, of one chunk each, is there and not there in turns. The
model is a program of its own that answers at once, on the lowest priority, so that what it takes is not counted as ours.
"""

import itertools
import multiprocessing
import os
import statistics
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.cluster import Cluster
from support.stub import Stub
from support.wait import eventually

SCALE = 10
CLIENTS = 4
SECONDS = 15
TURNS = 3
NICENESSES = (0, 19)
# Rows a second, more than a worker embeds.
ROWS = 200_000


@dataclass
class Run:
    """What pgbench did: transactions a second, and the 99th percentile of their times in milliseconds."""

    rate: float
    slowest: float


def neighbour(cluster: Cluster) -> None:
    db = cluster.create_database("bench_neighbour")
    try:
        pgbench(cluster, db.name, "--initialize", "--scale", str(SCALE), "--quiet")
        for niceness in NICENESSES:
            cluster.configure(pgai_rs__worker_niceness=niceness)
            pairs = [(run(cluster, db.name), beside_a_worker(cluster, db.name)) for _ in range(TURNS)]
            tell(niceness, pairs)
    finally:
        cluster.configure(pgai_rs__worker_niceness=None)
        db.drop()


def tell(niceness: int, pairs: list) -> None:
    alone = [alone for alone, _ in pairs]
    beside = [run for _, (run, _) in pairs]
    rows = statistics.median(rows for _, (_, rows) in pairs)
    print(f"TPC-B, {CLIENTS} clients, worker_niceness {niceness}, medians of {TURNS} turns:")
    for what, runs in (("alone", alone), ("beside a busy worker", beside)):
        rate = statistics.median(run.rate for run in runs)
        slowest = statistics.median(run.slowest for run in runs)
        print(f"  {what}: {rate:,.0f} transactions a second, 99th percentile {slowest:.1f} ms")
    print(f"  the worker embedded {rows / SECONDS:,.0f} rows a second meanwhile", flush=True)


def beside_a_worker(cluster: Cluster, name: str) -> tuple[Run, int]:
    """Returns the run, and how many rows the worker embedded during it."""
    with busy_worker(cluster) as work:
        embedded = "SELECT count(*) FROM document_embedding_store"
        eventually(lambda: work.value(embedded) > 0, what="the worker to be at work")
        before = work.value(embedded)
        done = run(cluster, name)
        return done, work.value(embedded) - before


@contextmanager
def busy_worker(cluster: Cluster):
    """A database whose worker has more to do than it can."""
    with model() as url:
        work = cluster.create_database("bench_neighbour_work")
        work.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
        work.sql(
            f"""SELECT ai.create_vectorizer('document'::regclass, loading => ai.loading_column('body'),
                    embedding => ai.embedding_openai('stub', 768, base_url => '{url}'))"""
        )
        work.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, %s) i", [ROWS])
        try:
            yield work
        finally:
            work.drop()


@contextmanager
def model():
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=answer, args=[sender], daemon=True)
    process.start()
    try:
        yield receiver.recv()
    finally:
        process.terminate()
        process.join()


def answer(sender) -> None:
    os.nice(19)
    sender.send(Stub().url)
    threading.Event().wait()


def run(cluster: Cluster, name: str) -> Run:
    with tempfile.TemporaryDirectory() as directory:
        options = ["--client", str(CLIENTS), "--jobs", "2", "--time", str(SECONDS), "--no-vacuum", "--log"]
        pgbench(cluster, name, *options, "--log-prefix", str(Path(directory) / "log"))
        logs = [path.read_text().splitlines() for path in Path(directory).iterdir()]

    # The third column is the time of a transaction, in microseconds.
    times = sorted(int(line.split()[2]) for line in itertools.chain.from_iterable(logs))
    return Run(len(times) / SECONDS, times[len(times) * 99 // 100] / 1000)


def pgbench(cluster: Cluster, name: str, *options: str) -> None:
    program = Path(cluster.bindir) / "pgbench"
    at = ["--host", str(cluster.host), "--port", str(cluster.port), "--username", "postgres"]
    subprocess.run([program, *at, *options, name], check=True, capture_output=True)
