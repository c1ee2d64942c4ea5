"""Large rows: the worker holds no more of them than it may."""

import re
from pathlib import Path

from support import vectorizer
from support.wait import eventually, settles

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"
MEGABYTE = 1 << 20


def peak_memory(db) -> int:
    """The most bytes of memory that the worker has had, shared buffers included."""
    look = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pgai_rs worker' AND datname = current_database()"
    status = Path(f"/proc/{db.value(look)}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10


def test_a_thousand_large_rows_do_not_fill_the_memory(cluster_factory, stub):
    db = cluster_factory(conf={"pgai_rs.max_memory_in_flight": "4MB"}).create_database("large")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(TABLE)
    # Of which hardly anything is left to embed.
    db.sql(f"INSERT INTO document SELECT i, 'row ' || i || repeat(' ', {MEGABYTE}) FROM generate_series(1, 1000) i")
    vectorizer.create(db, stub.url)
    wanted = sorted(f"row {number}" for number in range(1, 1001))
    look = "SELECT chunk FROM document_embedding_store"
    settles(lambda: sorted(chunk for [chunk] in db.sql(look)), wanted, timeout=60)
    vectorizer.idle(db)
    assert peak_memory(db) < 250 * MEGABYTE


def test_a_row_larger_than_the_memory_travels_alone(cluster_factory, stub):
    db = cluster_factory(conf={"pgai_rs.max_memory_in_flight": "1MB"}).create_database("large")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql(TABLE)
    vectorizer.create(db, stub.url)
    db.sql(f"INSERT INTO document SELECT i, 'row ' || i || repeat(' ', {3 * MEGABYTE}) FROM generate_series(1, 3) i")
    vectorizer.in_step(db, ["id"])


def test_a_row_larger_than_a_document_may_be_is_set_aside_unread(cluster_factory, stub):
    db = cluster_factory(conf={"pgai_rs.max_document_size": "1MB"}).create_database("large")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body bytea)")
    vectorizer.create(db, stub.url)
    db.sql(f"INSERT INTO document VALUES (1, 'a'), (2, convert_to(repeat('x', {MEGABYTE + 1}), 'UTF8')), (3, 'c')")
    failed = "SELECT id, failure_step, failure_code, failure_hint FROM ai._vectorizer_q_failed_1"
    hint = "Split the document, or raise pgai_rs.max_document_size."
    eventually(lambda: db.sql(failed) == [(2, "loading", "too_large", hint)], what="row 2 to be set aside")
    settles(lambda: [row[2] for row in vectorizer.stored(db, ["id"])], ["a", "c"])
