"""The cost of a row that comes alone: commits of one row, some of them a second, and a model that answers at once.

Then what commits cost the worker that it has nothing to do for, because the vectorizer is disabled; and how long a row
takes from its commit until its vector is visible, one row after the other.
"""

import threading
import time
from contextlib import contextmanager

from support.cluster import Cluster
from support.stub import Stub
from support.wait import eventually

# Commits a second, and for how many seconds.
RATES = [(20, 10), (200, 5), (2000, 3)]
DIMENSIONS = 768
# Sessions that commit, so that no one of them is the limit.
MOST_A_SESSION = 250


def trickle(cluster: Cluster) -> None:
    for rate, seconds in RATES:
        with prepared(cluster, f"bench_trickle_{rate}") as db:
            # The worker has started, and has met each statement.
            commit(db, range(-rate, 0), rate)
            eventually_embedded(db, range(-rate, 0))
            with watched(cluster, db) as watch:
                commit(db, range(rate * seconds), rate)
                eventually_embedded(db, range(rate * seconds))
            tell(f"{rate:,} commits of one row a second", watch, rate * seconds)
    with prepared(cluster, "bench_trickle_disabled") as db:
        commit(db, range(-200, 0), 200)
        eventually_embedded(db, range(-200, 0))
        db.sql("SELECT ai.disable_vectorizer_schedule(id) FROM ai.vectorizer")
        with watched(cluster, db) as watch:
            commit(db, range(1000), 200)
        tell("200 commits a second to a source whose vectorizer is disabled", watch, 1000)
    with prepared(cluster, "bench_trickle_visible") as db:
        commit(db, range(-200, 0), 200)
        eventually_embedded(db, range(-200, 0))
        waits = sorted(visible_after(db, number) for number in range(100))
        print(f"one row after the other: {1000 * waits[50]:.1f} ms from commit to visible (median), {1000 * waits[-1]:.1f} ms at most")


@contextmanager
def prepared(cluster: Cluster, name: str):
    """A database with a vectorizer and its model."""
    db = cluster.create_database(name)
    stub = Stub()
    try:
        db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
        db.sql(
            f"""SELECT ai.create_vectorizer('document'::regclass, loading => ai.loading_column('body'),
                    embedding => ai.embedding_openai('stub', {DIMENSIONS}, base_url => '{stub.url}'))"""
        )
        yield db
    finally:
        stub.close()
        db.drop()


def watched(cluster: Cluster, db):
    from bench import Watch

    # Who samples transactions takes CPU, too, and there is none here that is long.
    return Watch(cluster, db.name, samples=False)


def tell(what: str, watch, rows: int) -> None:
    worker, others = (1000 * cpu / rows for cpu in (watch.worker_cpu, watch.backend_cpu))
    print(f"{what}: {worker:.2f} ms of the worker's CPU a row, {others:.2f} ms of all others'", flush=True)


def commit(db, numbers: range, rate: int) -> None:
    """Inserts rows at a rate, in as many sessions as that takes."""
    sessions = -(-rate // MOST_A_SESSION)
    threads = [threading.Thread(target=commit_some, args=(db, numbers[n::sessions], rate / sessions)) for n in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def commit_some(db, numbers: range, rate: float) -> None:
    with db.connect() as connection:
        started = time.monotonic()
        for count, number in enumerate(numbers):
            connection.execute("INSERT INTO document VALUES (%s, %s)", [number, f"row {number}"])
            time.sleep(max(0.0, started + (count + 1) / rate - time.monotonic()))


def eventually_embedded(db, numbers: range) -> None:
    look = "SELECT count(*) FROM document_embedding_store WHERE id BETWEEN %s AND %s"
    eventually(lambda: db.value(look, [numbers[0], numbers[-1]]) == len(numbers), what="all to be embedded", timeout=120)


def visible_after(db, number: int) -> float:
    """Seconds from the commit of a row until its vector is visible."""
    with db.connect() as connection:
        connection.execute("INSERT INTO document VALUES (%s, %s)", [number, f"row {number}"])
        started = time.monotonic()
        while not connection.execute("SELECT 1 FROM document_embedding_store WHERE id = %s", [number]).fetchone():
            time.sleep(0.0005)
        return time.monotonic() - started
