"""A whole run: writers and disturbances for a time, then quiet, then the verdict."""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from support.stub import Stub
from support.torture import verdict
from support.torture.changes import KEYS
from support.torture.disturbances import Disturbances
from support.torture.objects import Objects
from support.torture.sources import POISON, SCHEMA, SOURCES, missing
from support.torture.writers import Progress, Writer
from support.wait import eventually

WRITERS = 4
# How many transactions pass between two disturbances.
CALM = (5, 60)

# What takes seconds in earnest, in milliseconds, so that a run has many of it.
SETTINGS = {
    "pgai_rs.poll_interval": "500ms",
    "pgai_rs.lease_duration": "10s",
    # What fails in passing is never set aside: whatever is, is so for a reason of its own.
    "pgai_rs.max_retries": "1000",
    "pgai_rs.retry_backoff": "50ms",
    "pgai_rs.retry_backoff_max": "500ms",
    "pgai_rs.embedding_retries": "1",
    "pgai_rs.embedding_backoff": "20ms",
    "pgai_rs.embedding_timeout": "2s",
    "pgai_rs.load_timeout": "2s",
    # Small, so that rows wait for each other's place.
    "pgai_rs.max_documents_in_flight": "64",
}


def torture(make_cluster: Callable, directory: Path, *, seed: int, seconds: float, say=print) -> None:
    """Runs, and fails if the promise is broken. `make_cluster(conf=…, env=…)` gives a cluster that runs."""
    say(f"torture: seed {seed}, {seconds:g} s")
    random = Random(seed)
    stub = Stub()
    objects = Objects(directory, random)
    progress = Progress()
    try:
        cluster = make_cluster(conf=SETTINGS, env=objects.env)
        db = cluster.create_database("torture")
        disturbances = Disturbances(random, cluster, db, stub, objects)
        prepare(db, stub)
        disturb(db, objects, disturbances, progress, seed, seconds)
        report(say, progress, disturbances)
        say(f"torture: at rest {verdict.settled(db, objects)}")
        mend(db, stub, objects)
        verdict.mended(db, objects)
        say("torture: in step")
    finally:
        progress.stopping.set()
        stub.close()
        objects.close()


def prepare(db, stub: Stub) -> None:
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(SCHEMA)
    for source in SOURCES:
        db.sql(source.declare(stub.url))


def disturb(db, objects: Objects, disturbances: Disturbances, progress: Progress, seed: int, seconds: float) -> None:
    """Writers write and things go wrong until the time is up; then all is well again."""
    writers = [Writer(str(number), seed, db, objects, progress) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not progress.unexpected:
            until = progress.transactions + disturbances.random.randint(*CALM)
            eventually(lambda: progress.unexpected or progress.transactions >= until, timeout=60, what="transactions")
            disturbances.next()
    finally:
        progress.stopping.set()
        for writer in writers:
            writer.join(60)
    disturbances.end()
    assert not progress.unexpected, "\n".join(progress.unexpected)
    leave(db, objects)


def leave(db, objects: Objects) -> None:
    """The last changes: some rows that have to be set aside, and objects that nobody has named since."""
    db.sql("INSERT INTO plain (id, body) VALUES (-1, %s)", [f"fine|{POISON}|fine"])
    db.sql("INSERT INTO object (id, uri) VALUES (-1, %s)", [missing(0)])
    # An object may have changed after the last transaction that named it, or in one that was undone.
    db.sql("UPDATE object SET views = views + 1 WHERE uri = ANY (%s)", [objects.restless()])


def mend(db, stub: Stub, objects: Objects) -> None:
    """Takes away the reasons why rows were set aside."""
    stub.heal()
    for number in range(KEYS):
        objects.put(missing(number).split("/", 3)[3], f"found {number}")


def report(say, progress: Progress, disturbances: Disturbances) -> None:
    for what, counts in (("users", progress.counts), ("disturbances", disturbances.counts)):
        say(f"torture: {what}: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
