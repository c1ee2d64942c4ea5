"""The cost of providers' limits and outages, and of bad rows, beyond what cannot be helped."""

import math
import time
from contextlib import contextmanager

from support.cluster import Cluster
from support.limit import Limit
from support.stub import Stub
from support.wait import eventually

DIMENSIONS = 768
# A model takes its time.
MODEL_DELAY = 0.05
# So that there are requests enough to count.
INPUTS = 100
TABLE = "id int PRIMARY KEY, body text"


@contextmanager
def database(cluster: Cluster, name: str):
    db = cluster.create_database(name)
    try:
        db.sql("CREATE EXTENSION pgai_rs CASCADE")
        yield db
    finally:
        db.drop()


@contextmanager
def model(**options):
    stub = Stub(delay=MODEL_DELAY)
    stub.limit = Limit(**options) if options else None
    try:
        yield stub
    finally:
        stub.close()


def declare(db, stub: Stub, table: str) -> None:
    db.sql(f"CREATE TABLE {table} ({TABLE})")
    db.sql(
        f"""SELECT ai.create_vectorizer('{table}'::regclass, loading => ai.loading_column('body'),
                embedding => ai.embedding_openai('text-embedding-3-small', {DIMENSIONS}, base_url => '{stub.url}'),
                chunking => ai.chunking_none())"""
    )


def fill(db, table: str, rows: int, bad: int = 0) -> None:
    body = f"CASE i WHEN {bad} THEN 'bad' ELSE 'This is the text of row number ' || i END"
    db.sql(f"INSERT INTO {table} SELECT i, {body} FROM generate_series(1, {rows}) i")


def seconds(db, table: str, rows: int) -> float:
    """Returns the time until so many rows are embedded."""
    started = time.monotonic()
    done = f"SELECT count(*) FROM {table}_embedding_store"
    with db.connect() as connection:
        eventually(lambda: connection.execute(done).fetchone()[0] >= rows, timeout=300, what="all to be embedded")
    return time.monotonic() - started


def throttled(cluster: Cluster) -> None:
    """6,000 rows, 100 to a request, with a provider that takes 10 requests and then 5 a second."""
    rows, least = 6_000, 6_000 // INPUTS
    cluster.configure(pgai_rs__embedding_max_inputs=INPUTS)
    print(f"{rows:,} rows in {least} requests, of which 10 are taken at once and 5 a second later")
    for what, headers in [("x-ratelimit-* and Retry-After", True), ("Retry-After only", False)]:
        with database(cluster, "throttled") as db, model(burst=10, per_second=5, headers=headers) as stub:
            declare(db, stub, "document")
            fill(db, "document", rows)
            took, dictated = seconds(db, "document", rows), stub.limit.dictates(least)
            print(f"  {what}: {took:.2f} s, {took / dictated:.2f} times what the limit dictates ({dictated:.1f} s); "
                  f"{stub.limit.refused} of {len(stub.requests)} requests refused")
    cluster.configure(pgai_rs__embedding_max_inputs=2048)


def outage(cluster: Cluster) -> None:
    """10,000 rows of a vectorizer that is well, beside one whose provider is down."""
    rows = 10_000
    print(f"{rows:,} rows of a vectorizer, beside as many of another")
    for what, fault in [
        ("beside nothing", None),
        ("whose provider does not answer", {"spoil": "hang"}),
        ("whose provider fails (500)", {"status": 500}),
        ("whose provider is throttled (429)", {"status": 429, "headers": {"Retry-After": "30"}}),
    ]:
        with database(cluster, "outage") as db, model() as well, model() as sick:
            if fault:
                sick.fail(math.inf, **fault)
                declare(db, sick, "sick")
                fill(db, "sick", rows)
                eventually(lambda: sick.requests, what="a request to the provider that is down")
            declare(db, well, "document")
            fill(db, "document", rows)
            took = seconds(db, "document", rows)
            print(f"  {what}: {took:.2f} s, {rows / took:,.0f} rows a second")


def poison(cluster: Cluster) -> None:
    """10,000 rows, with and without one that the model refuses."""
    rows = 10_000
    print(f"{rows:,} rows, one of which the model refuses")
    took = {}
    for bad in (0, rows // 2):
        with database(cluster, "poison") as db, model() as stub:
            stub.fail(math.inf, when=lambda request: "bad" in request.inputs, status=400)
            declare(db, stub, "document")
            fill(db, "document", rows, bad)
            took[bool(bad)] = seconds(db, "document", rows - bool(bad))
    print(f"  without it: {took[False]:.2f} s; with it: {took[True]:.2f} s, {took[True] / took[False]:.2f} times")


FAULTS = {"throttled": throttled, "outage": outage, "poison": poison}
