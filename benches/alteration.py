"""What a change of the model costs whoever searches meanwhile: the times of searches before it, while the new vectors are made
and take the place of the old ones, and after it. Rows are inserted, changed and deleted all the time.
"""

import statistics
import threading
import time
from contextlib import contextmanager

from neighbour import model
from support.cluster import Cluster, Database
from support.wait import eventually

ROWS = 10_000
SEARCHES_A_SECOND = 50
SECONDS = 15
SEARCH = "SELECT chunk FROM ai.search('bench', %s, k => 10)"
CHANGES = (
    "INSERT INTO document SELECT max(id) + 1, 'a new row' FROM document",
    "UPDATE document SET body = 'changed ' || clock_timestamp() WHERE id = (SELECT max(id) - 5 FROM document)",
    "DELETE FROM document WHERE id = (SELECT max(id) - 50 FROM document)",
)


def alteration(cluster: Cluster) -> None:
    db = cluster.create_database("bench_alteration")
    try:
        with model() as url:
            measure(db, url)
    finally:
        db.drop()


def measure(db: Database, url: str) -> None:
    db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
    db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, %s) i", [ROWS])
    db.sql(
        f"""SELECT ai.create_vectorizer('document'::regclass, name => 'bench', loading => ai.loading_column('body'),
                embedding => {embedding(url, "stub")}, indexing => ai.indexing_hnsw(min_rows => 1000))"""
    )
    indexed = "SELECT bool_and(indisvalid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam WHERE m.amname = 'hnsw'"
    eventually(lambda: db.value(indexed), timeout=600, what="the index")

    with searching(db) as times, changing(db):
        time.sleep(SECONDS)
        before = take(times)
        began = time.monotonic()
        db.sql(f"SELECT ai.alter_vectorizer('bench', embedding => {embedding(url, 'other')})")
        state = "SELECT state FROM ai.vectorizer_alterations"
        eventually(lambda: db.value(state) == "switched", timeout=600, what="the switch")
        took = time.monotonic() - began
        meanwhile = take(times)
        time.sleep(SECONDS)
        after = take(times)

    print(f"another model for {ROWS:,} rows, with {SEARCHES_A_SECOND} searches a second and a change of the source after each second:")
    for what, found in (("before", before), (f"in the {took:.0f} s until the switch", meanwhile), ("after", after)):
        print(f"  {what}: {len(found):,} searches, median {statistics.median(found):.1f} ms, 99th percentile {percentile(found):.1f} ms")
    print("  no search failed", flush=True)


def embedding(url: str, name: str) -> str:
    return f"ai.embedding_openai('{name}', 768, base_url => '{url}')"


def percentile(times: list[float]) -> float:
    return sorted(times)[len(times) * 99 // 100]


def take(times: list[float]) -> list[float]:
    """Takes the times that were measured since the last call."""
    taken = list(times)
    del times[: len(taken)]
    return taken


@contextmanager
def searching(db: Database):
    """Searches at a steady rate; the times in milliseconds are added to what this answers."""
    times: list[float] = []

    def search(session, number: int) -> None:
        began = time.perf_counter()
        found = session.execute(SEARCH, [f"row {number % ROWS}"]).fetchall()
        times.append(1000 * (time.perf_counter() - began))
        assert len(found) == 10

    with repeating(db, search, SEARCHES_A_SECOND):
        yield times


@contextmanager
def changing(db: Database):
    """Changes a row of the source after each second."""
    with repeating(db, lambda session, number: session.execute(CHANGES[number % len(CHANGES)]), 1):
        yield


@contextmanager
def repeating(db: Database, step, rate: int):
    """Does something so many times a second, in a session and a thread of its own. What it raises is raised at the end."""
    ends, failures = threading.Event(), []

    def run() -> None:
        try:
            with db.connect() as session:
                number = 0
                while not ends.wait(1 / rate):
                    step(session, number)
                    number += 1
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()
    if failures:
        raise failures[0]
