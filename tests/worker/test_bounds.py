"""What the queue costs does not grow with what waits in it, nor with what has gone through it."""

import math

from support import vectorizer
from support.wait import eventually, settles

TABLE = "CREATE TABLE document (id int PRIMARY KEY, body text)"


def prepare(db, stub) -> None:
    db.sql(TABLE)
    vectorizer.create(db, stub.url)


def one_by_one(db, count: int) -> None:
    """Inserts rows, each of which is waited for."""
    for number in range(1, count + 1):
        db.sql("INSERT INTO document VALUES (%s, %s)", [number, f"row {number}"])
        eventually(lambda: db.value("SELECT count(*) FROM document_embedding_store") == number, what="the row")


def counters(db, what: str, view: str, table: str) -> list[int]:
    return [int(value) for value in db.sql(f"SELECT {what} FROM {view} WHERE relname = %s", [table])[0]]


def test_a_claim_reads_what_it_claims_whatever_waits_for_later(db, stub):
    """A provider that is down for a day leaves as many rows that wait as changed meanwhile."""
    prepare(db, stub)
    # Claimed at once, for the statistics to be of a table where all is due.
    one_by_one(db, 1)
    db.sql("ALTER TABLE ai._vectorizer_work_1 SET (autovacuum_enabled = off)")
    db.sql(
        "INSERT INTO ai._vectorizer_work_1 (id, available_at)"
        " SELECT -i, now() + interval '1 day' FROM generate_series(1, 300000) i"
    )
    read = ("seq_tup_read, idx_tup_fetch, n_tup_del", "pg_stat_user_tables", "_vectorizer_work_1")
    db.sql("DELETE FROM document")
    eventually(lambda: counters(db, *read)[2] >= 1, what="the statistics")
    before = counters(db, *read)
    one_by_one(db, 20)
    eventually(lambda: counters(db, *read)[2] >= before[2] + 20, what="the statistics")
    one_after_another, by_index = (after - was for after, was in zip(counters(db, *read)[:2], before))
    assert one_after_another + by_index < 20 * 50


def test_a_plan_of_empty_tables_is_not_kept_for_full_ones(db, stub):
    """A bulk load whose rows are there already, before anything has analyzed a table."""
    prepare(db, stub)
    tables = ["document", "document_embedding_store", "ai._vectorizer_work_1", "ai._vectorizer_q_1"]
    for table in tables:
        db.sql(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    one_by_one(db, 3)
    db.sql(
        "ALTER TABLE document DISABLE TRIGGER USER;"
        "INSERT INTO document SELECT -i, 'row' FROM generate_series(1, 200000) i;"
        "ALTER TABLE document ENABLE TRIGGER USER;"
        "INSERT INTO document_embedding_store (id, chunk_seq, chunk, embedding)"
        f" SELECT -i, 0, 'row', array_fill(1, ARRAY[{vectorizer.DIMENSIONS}])::vector FROM generate_series(1, 200000) i;"
        "INSERT INTO ai._vectorizer_work_1 (id, available_at)"
        " SELECT -i, now() + interval '1 day' FROM generate_series(1, 200000) i"
    )

    def read() -> dict[str, int]:
        look = "SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE relid = ANY (%s::regclass[])"
        return dict(db.sql(look, [tables]))

    def claims() -> int:
        return counters(db, "n_tup_del", "pg_stat_user_tables", "_vectorizer_work_1")[0]

    # The first statement after the load may have been planned before it.
    db.sql("UPDATE document SET body = 'after the load' WHERE id = 1")
    eventually(lambda: claims() >= 4, what="the statistics")
    before = read()
    for number in range(20):
        db.sql("UPDATE document SET body = %s WHERE id = 2", [f"again {number}"])
        look = "SELECT chunk FROM document_embedding_store WHERE id = 2"
        settles(lambda: db.value(look), f"again {number}")
    eventually(lambda: claims() >= 24, what="the statistics")
    assert {table: rows - before[table] for table, rows in read().items() if rows - before[table] > 20 * 50} == {}


def test_a_look_into_the_inbox_does_not_pass_by_all_that_went_through_it(db, stub):
    """A bulk load, and no vacuum since."""
    prepare(db, stub)
    db.sql("ALTER TABLE ai._vectorizer_q_1 SET (autovacuum_enabled = off)")
    db.sql(
        "BEGIN; INSERT INTO ai._vectorizer_q_1 (id) SELECT i FROM generate_series(1, 600000) i;"
        "DELETE FROM ai._vectorizer_q_1; COMMIT"
    )
    blocks = db.value("SELECT pg_relation_size('ai._vectorizer_q_1') / current_setting('block_size')::int")
    read = ("heap_blks_read + heap_blks_hit", "pg_statio_user_tables", "_vectorizer_q_1")
    one_by_one(db, 10)
    [before] = counters(db, *read)
    db.sql("DELETE FROM document")
    one_by_one(db, 40)
    eventually(lambda: counters(db, *read) > [before], what="the statistics")
    [after] = counters(db, *read)
    # Not even once for each row; a look, a claim, a look whether there is more, and one at the end would be four.
    assert after - before < 40 * blocks


GONE_THROUGH = """
    BEGIN; INSERT INTO ai._vectorizer_q_1 (id) SELECT i FROM generate_series(1, 100000) i;
    DELETE FROM ai._vectorizer_q_1; COMMIT
"""


def test_what_comes_to_lie_before_the_place_where_it_looks_is_found(cluster_factory, stub):
    """By a transaction that began before a bulk load and commits after it; and when vacuum has cut off the rest."""
    db = cluster_factory(conf={"autovacuum": "off", "pgai_rs.poll_interval": "1h"}).create_database("places")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    prepare(db, stub)
    with db.connect(autocommit=False) as late:
        late.execute("INSERT INTO document VALUES (1000, 'late')")
        db.sql(GONE_THROUGH)
        one_by_one(db, 3)
        late.commit()
    vectorizer.in_step(db, ["id"])
    db.sql("VACUUM (TRUNCATE) ai._vectorizer_q_1")
    assert db.value("SELECT pg_relation_size('ai._vectorizer_q_1')") == 0
    db.sql("INSERT INTO document VALUES (1001, 'at the beginning')")
    vectorizer.in_step(db, ["id"])


def test_steady_changes_do_not_make_the_queue_grow(db, stub):
    """With vacuum coming by, as autovacuum does after so many dead rows."""
    prepare(db, stub)
    db.sql("INSERT INTO document SELECT i, 'row ' || i FROM generate_series(1, 1000) i")
    vectorizer.in_step(db, ["id"])
    sizes = []
    for round in range(8):
        db.sql("UPDATE document SET body = %s || id", [f"round {round} "])
        vectorizer.in_step(db, ["id"])
        db.sql("VACUUM ai._vectorizer_q_1")
        db.sql("VACUUM ai._vectorizer_work_1")
        tables = "SELECT pg_total_relation_size('ai._vectorizer_q_1') + pg_total_relation_size('ai._vectorizer_work_1')"
        sizes.append(db.value(tables))
    # Growth would double it; a vacuum may leave what the worker's last transaction still sees.
    assert max(sizes[4:]) < 1.5 * max(sizes[:4])


def test_autovacuum_comes_by_the_count_of_dead_rows(db, stub):
    """A share of the rows would be none of these tables' business, which are empty most of the time."""
    prepare(db, stub)
    for table in ["_vectorizer_q_1", "_vectorizer_work_1"]:
        options = db.value("SELECT reloptions FROM pg_class WHERE relname = %s", [table])
        assert "autovacuum_vacuum_scale_factor=0" in options, table


def test_errors_are_kept_up_to_a_number(cluster_factory, stub):
    db = cluster_factory(conf={"pgai_rs.max_errors": "7"}).create_database("errors")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    stub.fail(math.inf, when=lambda request: any("refused" in text for text in request.inputs), status=400)
    prepare(db, stub)
    texts = "CASE i % 2 WHEN 0 THEN 'refused ' ELSE 'taken ' END || i"
    db.sql(f"INSERT INTO document SELECT i, {texts} FROM generate_series(1, 60) i")
    settles(lambda: db.value("SELECT count(*) FROM ai._vectorizer_q_failed_1"), 30, what="the rows to be set aside")
    assert db.value("SELECT count(*) FROM ai.vectorizer_errors") == 7
