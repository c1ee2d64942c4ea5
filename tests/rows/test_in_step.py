"""After every statement that Postgres has for changing a table, the store equals f(source)."""

import psycopg
import pytest
from support import vectorizer
from support.tables import PARTITIONED, PLAIN, STATEMENTS
from support.wait import settles

@pytest.mark.parametrize("table", [PLAIN, PARTITIONED], ids=["plain", "partitioned"])
def test_every_statement(db, stub, table):
    db.sql(table)
    vectorizer.create(db, stub.url, formatting="ai.formatting_python_template('$title: $chunk')")
    for statement in STATEMENTS:
        db.sql(statement)
        vectorizer.in_step(db, ["id"], template="$title: $chunk")


@pytest.mark.parametrize("table", [PLAIN, PARTITIONED], ids=["plain", "partitioned"])
def test_copy(db, stub, table):
    db.sql(table)
    vectorizer.create(db, stub.url)
    with db.connect() as connection, connection.cursor().copy("COPY document (id, body) FROM STDIN") as copy:
        for number in range(90, 110):
            copy.write_row((number, f"copied {number}|twice"))
    vectorizer.in_step(db, ["id"])


def test_rows_written_straight_to_a_partition(db, stub):
    db.sql(PARTITIONED)
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document_high (id, body) VALUES (150, 'straight')")
    vectorizer.in_step(db, ["id"])
    db.sql("UPDATE document_high SET body = 'changed' WHERE id = 150")
    vectorizer.in_step(db, ["id"])
    db.sql("DELETE FROM document_high WHERE id = 150")
    vectorizer.in_step(db, ["id"])


def test_rows_that_were_there_before(db, stub):
    db.sql(PLAIN)
    db.sql("INSERT INTO document SELECT i, 't', 'row ' || i FROM generate_series(1, 100) i")
    vectorizer.create(db, stub.url)
    vectorizer.in_step(db, ["id"])


def test_existing_rows_can_be_left_alone(db, stub):
    db.sql(PLAIN)
    db.sql("INSERT INTO document VALUES (1, 't', 'old')")
    vectorizer.create(db, stub.url, enqueue_existing="false")
    db.sql("INSERT INTO document VALUES (2, 't', 'new')")
    vectorizer.idle(db)
    assert [row[0] for row in vectorizer.stored(db, ["id"])] == ["2"]


def test_composite_quoted_and_mixed_case_names(db, stub):
    db.sql('CREATE SCHEMA "My Schema"')
    db.sql(
        'CREATE TABLE "My Schema"."The ""Docs""" ("Tenant" text, body text, "Part No" int,'
        ' PRIMARY KEY ("Part No", "Tenant"))'
    )
    source, store = '"My Schema"."The ""Docs"""', '"My Schema"."The ""Docs""_embedding_store"'
    key = ["Part No", "Tenant"]
    vectorizer.create(db, stub.url, source.replace("'", "''"))
    for statement in [
        f"INSERT INTO {source} VALUES ('a,b', 'x|y', 1), ('it''s', 'z', 2), ('{{}}', 'w', 2)",
        f"""UPDATE {source} SET "Tenant" = 'NULL' WHERE "Part No" = 1""",
        f"""DELETE FROM {source} WHERE "Tenant" = '{{}}'""",
    ]:
        db.sql(statement)
        vectorizer.in_step(db, key, source=source, store=store)


@pytest.mark.parametrize(
    "type_name, values",
    [
        ("uuid", ["8d1f3c1a-0b4e-4c5e-9a51-0c1e6e1f0a01", "8d1f3c1a-0b4e-4c5e-9a51-0c1e6e1f0a02"]),
        ("timestamptz", ["2024-02-29 12:00:00.123456+00", "infinity"]),
        ("numeric", ["1.10", "-12345678901234567890.5"]),
        ("char(5)", ["a", "b  c"]),
        ("bytea", [r"\x00ff", r"\x"]),
        ("float8", ["0.1", "1e300"]),
        ("interval", ["1 mon -3 days 04:05:06", "0"]),
        ("color", ["red", "deep green"]),
        ("positive", ["1", "2"]),
    ],
)
def test_keys_of_any_type(db, stub, type_name, values):
    db.sql("CREATE TYPE color AS ENUM ('red', 'deep green'); CREATE DOMAIN positive AS int CHECK (value > 0)")
    db.sql(f"CREATE TABLE document (id {type_name} PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    for value in values:
        db.sql(f"INSERT INTO document VALUES (%s::text::{type_name}, 'a|b')", [value])
    db.sql("UPDATE document SET body = 'b|c'")
    vectorizer.idle(db)
    found = db.sql("SELECT d.id::text, s.chunk FROM document d JOIN document_embedding_store s USING (id) ORDER BY 1, 2")
    wanted = db.sql("SELECT id::text, c FROM document, unnest('{b,c}'::text[]) c ORDER BY 1, 2")
    assert found == wanted


def test_unchanged_chunks_keep_their_rows_and_are_not_paid_for_again(db, stub):
    db.sql(PLAIN)
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 't', 'a|b|c')")
    vectorizer.in_step(db, ["id"])
    before = dict(db.sql("SELECT chunk, embedding_uuid FROM document_embedding_store"))
    db.sql("UPDATE document SET body = 'c|new|a'")
    vectorizer.in_step(db, ["id"])
    after = dict(db.sql("SELECT chunk, embedding_uuid FROM document_embedding_store"))
    assert (after["a"], after["c"]) == (before["a"], before["c"])
    assert stub.embedded == {"a": 1, "b": 1, "c": 1, "new": 1}


def test_a_change_of_no_interest_costs_nothing(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text, views int)")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 'a', 0)")
    vectorizer.in_step(db, ["id"])
    with db.connect() as connection:
        connection.execute("BEGIN; UPDATE document SET views = views + 1, body = body")
        inbox = connection.execute("SELECT count(*) FROM ai._vectorizer_q_1").fetchone()[0]
    assert inbox == 0


def test_a_renamed_source_is_followed(db, stub):
    db.sql(PLAIN)
    vectorizer.create(db, stub.url)
    db.sql("ALTER TABLE document RENAME TO paper")
    db.sql("INSERT INTO paper VALUES (1, 't', 'under its new name')")
    vectorizer.in_step(db, ["id"], source="paper")


@pytest.mark.parametrize("kind", ["STORED", "VIRTUAL"])
def test_a_generated_column_changes_with_what_it_is_generated_from(db, stub, kind):
    if kind == "VIRTUAL" and db.value("SELECT current_setting('server_version_num')::int") < 180000:
        pytest.skip("virtual generated columns came with Postgres 18")
    db.sql(
        "CREATE TABLE document (id int PRIMARY KEY, half text, other text, head text, mark text,"
        f" body text GENERATED ALWAYS AS (half || '|' || other) {kind},"
        f" title text GENERATED ALWAYS AS (upper(head)) {kind})"
    )
    vectorizer.create(db, stub.url, formatting="ai.formatting_python_template('$title: $chunk')")
    for statement in [
        "INSERT INTO document VALUES (1, 'a', 'b', 'one'), (2, 'c', 'd', 'two')",
        "UPDATE document SET other = 'changed' WHERE id = 1",
        "UPDATE document SET head = 'deux' WHERE id = 2",
    ]:
        db.sql(statement)
        vectorizer.in_step(db, ["id"], template="$title: $chunk")


def test_a_renamed_trigger_is_still_followed(db, stub):
    db.sql(PLAIN)
    vectorizer.create(db, stub.url)
    for [name] in db.sql("SELECT tgname FROM pg_trigger WHERE tgrelid = 'document'::regclass"):
        db.sql(f"ALTER TRIGGER {name} ON document RENAME TO {name}_renamed")
    db.sql("INSERT INTO document VALUES (1, 't', 'a'), (2, 't', 'b')")
    vectorizer.in_step(db, ["id"])
    db.sql("UPDATE document SET body = 'changed' WHERE id = 1; DELETE FROM document WHERE id = 2")
    vectorizer.in_step(db, ["id"])


def test_what_is_written_in_many_places_of_the_inbox_is_found(db, stub):
    """Vacuum gives space back in front of where the worker reads."""
    db.sql(PLAIN)
    vectorizer.create(db, stub.url)
    for round in range(3):
        first = round * 10_000
        db.sql(f"INSERT INTO document SELECT i, 't', NULL FROM generate_series({first}, {first + 7_000}) i")
        db.sql("VACUUM ai._vectorizer_q_1")
        db.sql("INSERT INTO document VALUES (%s, 't', 'after vacuum')", [first + 9_000])
    vectorizer.in_step(db, ["id"])


def test_a_hot_row_is_one_piece_of_work(db, stub):
    db.sql(PLAIN)
    vectorizer.create(db, stub.url)
    with stub.held():
        for number in range(50):
            db.sql("INSERT INTO document VALUES (1, 't', %s) ON CONFLICT (id) DO UPDATE SET body = excluded.body", [f"v{number}"])
    vectorizer.in_step(db, ["id"])
    assert sum(stub.embedded.values()) < 10


def test_delete_at_repeatable_read_leaves_nothing_behind(db, stub):
    """The transaction began before the chunks were written, and its snapshot does not see them."""
    db.sql(PLAIN)
    vectorizer.create(db, stub.url)
    with db.connect(autocommit=False) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with stub.held():
            db.sql("INSERT INTO document VALUES (1, 't', 'a'), (2, 't', 'b')")
            connection.execute("SELECT count(*) FROM document")
        vectorizer.in_step(db, ["id"])
        connection.execute("DELETE FROM document WHERE id = 1")
        connection.execute("UPDATE document SET id = 3 WHERE id = 2")
    vectorizer.in_step(db, ["id"])


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_transaction_older_than_the_vectorizer_does_not_write_past_it(db, stub, level):
    db.sql(PLAIN)
    with db.connect(autocommit=False) as connection:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        connection.execute("SELECT FROM pg_class LIMIT 1")
        vectorizer.create(db, stub.url)
        connection.execute("INSERT INTO document VALUES (1, 't', 'not past it')")
    vectorizer.in_step(db, ["id"])


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("known", [True, False])
def test_a_transaction_older_than_a_columns_name_writes_by_the_new_one(db, stub, level, known):
    """Whether its session has written to the table before or not."""
    db.sql(PLAIN)
    vectorizer.create(db, stub.url)
    with db.connect(autocommit=False) as connection:
        if known:
            connection.execute("INSERT INTO document VALUES (2, 't', 'before')")
            connection.commit()
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        connection.execute("SELECT FROM pg_class LIMIT 1")
        db.sql("ALTER TABLE document RENAME body TO content; ALTER TABLE document RENAME id TO number")
        connection.execute("INSERT INTO document VALUES (1, 't', 'by an old snapshot')")
    vectorizer.in_step(db, ["number"], column="content")


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_the_worker_makes_no_transaction_fail(db, stub, level):
    db.sql(PLAIN)
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document SELECT i, 't', 'row ' || i FROM generate_series(1, 20) i")
    with db.connect(autocommit=False) as connection:
        for number in range(20):
            connection.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
            connection.execute("SELECT sum(id) FROM document")
            connection.execute("UPDATE document SET body = %s WHERE id %% 3 = 0", [f"round {number}"])
            connection.commit()
    vectorizer.in_step(db, ["id"])


def test_a_source_that_is_renamed_as_if_it_were_something_else_is_followed(db, stub):
    """Postgres takes ALTER INDEX for tables as well, and ALTER VIEW for their columns."""
    db.sql(PLAIN)
    vectorizer.create(db, stub.url)
    db.sql("ALTER INDEX document RENAME TO paper; ALTER VIEW paper RENAME COLUMN body TO content")
    assert db.value("SELECT source_table::text FROM ai.vectorizer") == "paper"
    assert db.value("SELECT config #>> '{loading,column_name}' FROM ai.vectorizer") == "content"
    db.sql("INSERT INTO paper VALUES (1, 't', 'under its new names')")
    settles(lambda: db.sql("SELECT chunk FROM document_embedding_store"), [("under its new names",)])
