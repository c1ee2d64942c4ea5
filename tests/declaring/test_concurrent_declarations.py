"""Several sessions that declare the same thing at once, as the instances of an application do that starts."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import psycopg
import pytest
from support import vectorizer
from support.wait import eventually

SESSIONS = 6
TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"


def at_once(db, statement: str) -> list:
    """What SESSIONS sessions get that run a statement at the same time: its value, or its SQLSTATE."""
    barrier = Barrier(SESSIONS)

    def run(connection):
        connection.execute("SELECT 1")
        barrier.wait(30)
        try:
            return connection.execute(statement).fetchone()[0]
        except psycopg.Error as error:
            return error.sqlstate

    with ExitStack() as stack, ThreadPoolExecutor(SESSIONS) as pool:
        connections = [stack.enter_context(db.connect()) for _ in range(SESSIONS)]
        return list(pool.map(run, connections))


def declaration(stub, source: str = "document", **arguments: str) -> str:
    given = {
        "loading": "ai.loading_column('body')",
        "embedding": f"ai.embedding_openai('stub', {vectorizer.DIMENSIONS}, base_url => '{stub.url}')",
        "chunking": vectorizer.CUT_AT_BARS,
    } | arguments
    named = ", ".join(f"{name} => {value}" for name, value in given.items())
    return f"SELECT ai.create_vectorizer('{source}'::regclass, {named})"


@pytest.mark.parametrize("destination", ["ai.destination_table()", "ai.destination_column('embedding')"])
def test_one_makes_a_vectorizer_and_the_others_find_it(db, stub, destination):
    db.sql(TABLE)
    more = {"destination": destination, "chunking": "ai.chunking_none()", "if_not_exists": "true"}
    got = at_once(db, declaration(stub, **more))
    assert got == got[:1] * SESSIONS == [row[0] for row in db.sql("SELECT id FROM ai.vectorizer")] * SESSIONS


def test_without_if_not_exists_the_others_are_told(db, stub):
    db.sql(TABLE)
    assert sorted(map(str, at_once(db, declaration(stub))))[1:] == ["42710"] * (SESSIONS - 1)


def test_who_takes_the_same_store_by_another_name_is_told(db, stub):
    db.sql(TABLE)
    name = "(SELECT 'v' || pg_backend_pid())"
    assert sorted(map(str, at_once(db, declaration(stub, name=name))))[1:] == ["42710"] * (SESSIONS - 1)


def test_who_waited_makes_it_if_the_first_gives_up(db, stub):
    db.sql(TABLE)
    statement = declaration(stub, if_not_exists="true")
    with db.connect(autocommit=False) as first, ThreadPoolExecutor(1) as pool:
        first.execute(statement)
        second = pool.submit(db.value, statement)
        waiting = "SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        eventually(lambda: db.sql(waiting), what="the second session to wait")
        first.rollback()
        assert second.result(30) == db.value("SELECT id FROM ai.vectorizer")
    db.sql("INSERT INTO document VALUES (1, 'a')")
    vectorizer.in_step(db, ["id"])


def test_one_makes_an_s3_source_and_the_others_find_it(db, bucket):
    got = at_once(db, f"SELECT ai.create_s3_source('object', 's3://{bucket.name}/', schedule => NULL, if_not_exists => true)")
    assert got == got[:1] * SESSIONS == [row[0] for row in db.sql("SELECT id FROM ai.s3_source")] * SESSIONS


def test_two_s3_sources_never_keep_the_same_objects(db, bucket):
    db.sql("CREATE TABLE object (uri text PRIMARY KEY, etag text, size int8, last_modified timestamptz, content_type text)")
    name = "'s' || pg_backend_pid()"
    got = at_once(db, f"SELECT ai.create_s3_source('object', 's3://{bucket.name}/', {name}, schedule => NULL)")
    assert sorted(map(str, got))[1:] == ["42710"] * (SESSIONS - 1)
