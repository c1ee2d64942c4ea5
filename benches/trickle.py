"""What a row costs that comes alone: commits of one row, some of them a second, and a model that answers at once."""

import time

from support.cluster import Cluster
from support.stub import Stub
from support.wait import eventually

# Commits a second, and for how many seconds.
RATES = [(20, 10), (200, 5)]
DIMENSIONS = 768


def trickle(cluster: Cluster) -> None:
    from bench import Watch

    for rate, seconds in RATES:
        db = cluster.create_database(f"bench_trickle_{rate}")
        stub = Stub()
        try:
            db.sql("CREATE EXTENSION pgai_rs CASCADE; CREATE TABLE document (id int PRIMARY KEY, body text)")
            db.sql(
                f"""SELECT ai.create_vectorizer('document'::regclass, loading => ai.loading_column('body'),
                        embedding => ai.embedding_openai('stub', {DIMENSIONS}, base_url => '{stub.url}'))"""
            )
            # The worker has started, and has met each statement.
            commit(db, range(-rate, 0), rate)
            with Watch(cluster, db.name) as watch:
                commit(db, range(rate * seconds), rate)
            cost = 1000 * watch.worker_cpu / (rate * seconds)
            print(f"{rate} commits of one row a second: {cost:.1f} ms of the worker's CPU a row")
        finally:
            stub.close()
            db.drop()


def commit(db, numbers: range, rate: int) -> None:
    """Inserts rows at a rate, and waits for the last to be embedded."""
    with db.connect() as connection:
        started = time.monotonic()
        for count, number in enumerate(numbers):
            connection.execute("INSERT INTO document VALUES (%s, %s)", [number, f"row {number}"])
            time.sleep(max(0.0, started + (count + 1) / rate - time.monotonic()))
    look = "SELECT count(*) FROM document_embedding_store WHERE id = ANY (%s)"
    eventually(lambda: db.value(look, [list(numbers)]) == len(numbers), what="all to be embedded")
