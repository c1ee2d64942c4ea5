"""The time that one row takes while a million others wait for their next try."""

import statistics
import time

from support.cluster import Cluster
from support.stub import Stub
from support.wait import eventually

WAITING = 1_000_000
ROWS = 100


def waiting(cluster: Cluster) -> None:
    db = cluster.create_database("bench_waiting")
    stub = Stub()
    try:
        db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
        db.sql(
            f"""SELECT ai.create_vectorizer('document'::regclass, loading => ai.loading_column('body'),
                    embedding => ai.embedding_openai('stub', 8, base_url => '{stub.url}'))"""
        )
        print(f"one row at a time, from commit to its vector searchable (median of {ROWS})")
        print(f"  nothing else in the queue: {one_by_one(db, 0):.1f} ms")
        db.sql(
            """INSERT INTO ai._vectorizer_work_1 (id, available_at)
               SELECT -i, now() + interval '1 day' FROM generate_series(1, %s) i""",
            [WAITING],
        )
        print(f"  {WAITING:,} rows waiting: {one_by_one(db, ROWS):.1f} ms")
        db.sql("ANALYZE ai._vectorizer_work_1")
        print(f"  the same, analyzed: {one_by_one(db, 2 * ROWS):.1f} ms")
    finally:
        stub.close()
        db.drop()


def one_by_one(db, first: int) -> float:
    """Median milliseconds."""
    times = []
    with db.connect() as connection:
        for number in range(first, first + ROWS):
            connection.execute("INSERT INTO document VALUES (%s, %s)", [number, f"row {number}"])
            started = time.monotonic()
            look = "SELECT 1 FROM document_embedding_store WHERE id = %s"
            eventually(lambda: connection.execute(look, [number]).fetchone(), interval=0.0005, what="the row")
            times.append(1000 * (time.monotonic() - started))
    return statistics.median(times)
