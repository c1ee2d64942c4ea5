"""Vector indexes that a worker builds: which there are, and builds that are held under way."""

import contextlib

import psycopg

from support.wait import eventually

STORE = "document_embedding_store"


def indexes(db, store: str = STORE, method: str = "hnsw") -> list[tuple[str | None, bool]]:
    """The vector indexes of a store: definition of a valid one, for others may be dropped at any moment; and
    whether it is valid."""
    return db.sql(
        "SELECT CASE WHEN indisvalid THEN pg_get_indexdef(indexrelid) END, indisvalid FROM pg_index"
        " JOIN pg_class ON oid = indexrelid JOIN pg_am ON pg_am.oid = relam WHERE amname = %s AND indrelid = %s::regclass ORDER BY 1",
        [method, store],
    )


def the_index(db, store: str = STORE, method: str = "hnsw") -> str:
    """Waits for the one index, valid, and answers its definition."""

    def valid():
        found = indexes(db, store, method)
        return len(found) == 1 and found[0][1] and found[0][0]

    return eventually(valid, what=f"a valid index on {store}", ignoring=(psycopg.OperationalError,))


def builders(db) -> list[int]:
    return [
        pid
        for [pid] in db.cluster.sql(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs index builder' AND datname = %s",
            [db.name],
        )
    ]


@contextlib.contextmanager
def old_transaction(db):
    """A transaction that was there before the build, for the end of which the build has to wait."""
    with db.connect(autocommit=False) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT")
        yield connection
        connection.rollback()


def under_way(db, method: str = "hnsw") -> int:
    """Waits until a build waits for an old transaction, its index there and not valid; answers its process."""
    eventually(
        lambda: [valid for _, valid in indexes(db, method=method)] == [False]
        and db.sql("SELECT FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%%'"),
        what="a build under way",
    )
    return builders(db)[0]


def by_index(db, settings: str = ""):
    """A session in which Postgres prefers any index to reading all of a small table."""
    session = db.connect()
    session.execute(f"SET enable_seqscan = off; {settings}")
    return session


def scans(session, index: str, search: str) -> tuple[int, list[int]]:
    """How often a search looks at an index, and which rows it finds."""
    scans = "SELECT pg_stat_get_xact_numscans(%s::regclass)"
    # Without a pause in which what was counted is reported.
    with session.transaction():
        [before] = session.execute(scans, [index]).fetchone()
        found = [id for [id] in session.execute(f"SELECT (key ->> 'id')::int FROM ai.search({search}) ORDER BY rank")]
        [after] = session.execute(scans, [index]).fetchone()
    return after - before, found
