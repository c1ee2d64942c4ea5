"""While a model is changed, searches and writes go on: none fails, and none meets vectors of another model."""

import threading
from contextlib import contextmanager

import pytest
from support import altering, vectorizer
from support.altering import NAME, VIEW, alter, model, over
from support.stub import Stub
from support.wait import eventually

SEARCHES = [
    f"SELECT chunk FROM ai.search('{NAME}', %s, k => 1)",
    f"SELECT chunk FROM {VIEW} ORDER BY embedding <=> ai.vectorizer_embed('{NAME}', %s) LIMIT 1",
]
# Rows that are not changed, so that a search for their text finds it.
STEADY = range(1, 21)


class Client(threading.Thread):
    """A session that does one thing after the other, until it is told to stop or something is wrong."""

    def __init__(self, db, statement, check):
        super().__init__(daemon=True)
        self.db, self.statement, self.check = db, statement, check
        self.done, self.wrong, self.stopping = 0, None, threading.Event()

    def run(self) -> None:
        try:
            with self.db.connect() as session:
                while not self.stopping.is_set() and not self.wrong:
                    parameter = self.done % len(STEADY) + 1
                    found = session.execute(self.statement, [f"dogs {parameter}"] if self.check else [parameter + 20])
                    if self.check and found.fetchall() != [(f"dogs {parameter}",)]:
                        self.wrong = f"dogs {parameter} was not found"
                    self.done += 1
        except Exception as error:  # noqa: BLE001
            self.wrong = error


@contextmanager
def clients(db):
    started = [Client(db, search, True) for search in SEARCHES]
    started += [Client(db, "UPDATE document SET body = clock_timestamp()::text WHERE id = %s", False)]
    for client in started:
        client.start()
    try:
        yield started
    finally:
        for client in started:
            client.stopping.set()
            client.join(60)
    assert [client.wrong for client in started] == [None] * len(started)
    assert all(client.done > 10 for client in started)


@pytest.mark.parametrize("numbers", [vectorizer.DIMENSIONS, 12])
@pytest.mark.parametrize("keep_old", ["'0'", "'1 day'"])
def test_no_search_fails_and_none_is_answered_by_the_wrong_model(db, stub, numbers, keep_old):
    altering.document(db, stub)
    with clients(db) as running:
        alter(db, embedding=model(stub.url, numbers), keep_old=keep_old)
        if keep_old == "'0'":
            over(db)
        else:
            altering.switches(db)
        before = [client.done for client in running]
        eventually(lambda: all(client.wrong or client.done > n + 20 for client, n in zip(running, before)), what="clients")
    vectorizer.in_step(db, ["id"], dimensions=numbers)


@pytest.fixture
def slow():
    """A model that answers later than the one of before."""
    stub = Stub(delay=0.3)
    yield stub
    stub.close()


def test_rows_that_are_inserted_without_end_do_not_keep_it_from_switching(db, stub, slow):
    """At each moment there is one of which the old store has chunks, and the new one has none yet."""
    altering.document(db, stub)
    db.sql("CREATE SEQUENCE numbers START 1000")
    inserting = Client(db, "INSERT INTO document SELECT nextval('numbers'), 't', 'row ' || %s FROM pg_sleep(0.02)", False)
    inserting.start()
    try:
        alter(db, embedding=model(slow.url, 12))
        altering.switches(db)
    finally:
        inserting.stopping.set()
        inserting.join(60)
    assert inserting.wrong is None
    vectorizer.in_step(db, ["id"], dimensions=12)
