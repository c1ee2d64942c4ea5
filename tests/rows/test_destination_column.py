"""Vectors in a column of the source: one for each row, and nothing the worker writes makes work."""

import contextlib

import psycopg
import pytest
from support import vectorizer, vectors
from support.column import create, in_step
from support.tables import PARTITIONED, PLAIN, STATEMENTS
from support.vectorizer import DIMENSIONS
from support.wait import eventually, settles

# A column that a trigger of the user's keeps, as a million tables have it.
TOUCHED = """
    CREATE TABLE document (id int PRIMARY KEY, body text, updated_at timestamptz);
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END';
    CREATE TRIGGER touch BEFORE UPDATE ON document FOR EACH ROW EXECUTE FUNCTION touch()
"""


@pytest.mark.parametrize("table", [PLAIN, PARTITIONED], ids=["plain", "partitioned"])
def test_every_statement(db, stub, table):
    db.sql(table)
    create(db, stub.url, formatting="ai.formatting_python_template('$title: $chunk')")
    for statement in STATEMENTS:
        db.sql(statement)
        in_step(db, title=True)


def test_rows_that_were_there_before(db, stub):
    db.sql(PLAIN)
    db.sql("INSERT INTO document SELECT i, 't', 'row ' || i FROM generate_series(1, 3000) i")
    create(db, stub.url)
    in_step(db)


def test_nothing_is_paid_for_twice(db, stub):
    db.sql(PLAIN)
    create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 't', 'a'), (2, 't', 'b')")
    in_step(db)
    assert db.value("SELECT ai.resync(1, all_rows => true)") == 2
    vectorizer.idle(db)
    assert stub.embedded == {"a": 1, "b": 1}
    db.sql("UPDATE document SET embedding = NULL WHERE id = 1")
    assert db.value("SELECT ai.resync(1)") == 1
    in_step(db)
    assert stub.embedded == {"a": 2, "b": 1}


def test_an_object_that_did_not_change_is_not_embedded_again(db, bucket, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, uri text, updated_at timestamptz)")
    create(db, stub.url, loading="ai.loading_uri('uri')")
    db.sql("INSERT INTO document VALUES (1, %s)", [bucket.put("a.txt", "one")])
    look = "SELECT embedding::real[] FROM document"
    settles(lambda: db.value(look), vectors.vector("one", DIMENSIONS), what="the object's vector")
    vectorizer.idle(db)
    db.sql("UPDATE document SET updated_at = now()")
    vectorizer.idle(db)
    assert stub.embedded == {"one": 1}
    bucket.put("a.txt", "two")
    db.sql("UPDATE document SET updated_at = now()")
    settles(lambda: db.value(look), vectors.vector("two", DIMENSIONS), what="the new object's vector")


def test_a_trigger_that_keeps_updated_at_makes_no_work(db, stub, bucket):
    """The template reads what the worker's own writing changes, and so does each touch of an object."""
    db.sql(TOUCHED)
    db.sql("ALTER TABLE document ADD uri text")
    for name in ["one", "two"]:
        create(db, stub.url, name, formatting=f"ai.formatting_python_template('$updated_at {name}: $chunk')")
    create(db, stub.url, "three", loading="ai.loading_uri('uri')")
    to_store = "ai.formatting_python_template('store: $chunk')"
    vectorizer.create(db, stub.url, loading="ai.loading_uri('uri')", formatting=to_store)
    db.sql("INSERT INTO document VALUES (1, 'a', now(), %s)", [bucket.put("a.txt", "object")])
    full = "SELECT FROM document WHERE one IS NOT NULL AND two IS NOT NULL AND three IS NOT NULL"
    eventually(lambda: len(db.sql(full)) == 1, what="three vectors")
    vectorizer.idle(db)
    embedded = [text.partition("+00:00 ")[2] or text for text in stub.embedded.elements()]
    assert sorted(embedded) == ["object", "one: a", "store: object", "two: a"]


def test_a_store_beside_it_sees_what_the_writing_changed(db, stub):
    db.sql(TOUCHED)
    create(db, stub.url)
    vectorizer.create(db, stub.url, formatting="ai.formatting_python_template('$updated_at: $chunk')")
    db.sql("INSERT INTO document VALUES (1, 'a')")
    eventually(lambda: db.sql("SELECT FROM document WHERE embedding IS NOT NULL"), what="the vector")
    vectorizer.idle(db)
    now = db.value("SELECT regexp_replace(updated_at::text, '([+-][0-9]{2})$', '\\1:00') FROM document")
    assert db.value("SELECT chunk FROM document_embedding_store") == f"{now}: a"


def test_what_a_users_trigger_writes_when_we_write_is_the_users(db, stub):
    """It knows its tables by the names that the database's search path gives them."""
    db.sql("CREATE SCHEMA app; CREATE TABLE app.document (id int PRIMARY KEY, body text)")
    db.sql(f"ALTER DATABASE {db.name} SET search_path = app, public")
    create(db, stub.url)
    db.sql(
        """CREATE FUNCTION pass_on() RETURNS trigger LANGUAGE plpgsql AS
           $$BEGIN UPDATE document SET body = 'after ' || NEW.body WHERE id = NEW.id + 1 AND body <> 'after ' || NEW.body;
           RETURN NULL; END$$;
           CREATE TRIGGER pass_on AFTER UPDATE OF embedding ON document FOR EACH ROW
           WHEN (OLD.embedding IS DISTINCT FROM NEW.embedding) EXECUTE FUNCTION pass_on()"""
    )
    with stub.held():
        db.sql("INSERT INTO document VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    eventually(lambda: db.value("SELECT body FROM document WHERE id = 3") == "after after a", what="the chain")
    in_step(db)


def test_a_row_that_somebody_is_changing_holds_up_nobody(db, stub):
    db.sql(PLAIN)
    create(db, stub.url)
    with stub.held():
        db.sql("INSERT INTO document VALUES (1, 't', 'a'), (2, 't', 'b')")
        eventually(lambda: stub.waiting, what="a request")
        user = db.connect(autocommit=False)
        user.execute("UPDATE document SET body = 'changed' WHERE id = 1")
    with contextlib.closing(user):
        look = "SELECT id FROM document WHERE embedding IS NOT NULL"
        settles(lambda: db.sql(look), [(2,)], what="the free row's vector")
        user.commit()
    in_step(db)


def test_a_vector_that_is_taken_away_meanwhile_is_made_anew(db, stub):
    db.sql(PLAIN)
    create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 't', 'a')")
    in_step(db)
    with stub.held():
        db.sql("UPDATE document SET body = 'b'")
        eventually(lambda: stub.waiting, what="a request")
        db.sql("UPDATE document SET body = 'a', embedding = NULL")
    in_step(db)


def test_the_column_has_its_index(db, stub):
    db.sql(PLAIN)
    create(db, stub.url, indexing="ai.indexing_hnsw(min_rows => 2, opclass => 'vector_l2_ops')")
    db.sql("INSERT INTO document VALUES (1, 't', 'a'), (2, 't', 'b'), (3, 't', NULL)")
    look = (
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON oid = indexrelid"
        " WHERE relname = 'document_embedding_hnsw_1' AND indisvalid"
    )
    [[definition]] = eventually(lambda: db.sql(look), what="the index")
    assert definition.endswith("ON public.document USING hnsw (embedding vector_l2_ops)")


def test_a_column_that_is_there_is_used(db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text, mine vector(8))")
    db.sql("INSERT INTO document VALUES (1, 'a', '[1,2,3,4,5,6,7,8]'), (2, NULL, '[1,2,3,4,5,6,7,8]')")
    create(db, stub.url, "mine")
    in_step(db, column="mine")


def test_dropping_leaves_the_column(db, stub):
    db.sql(PLAIN)
    db.sql("INSERT INTO document VALUES (1, 't', 'a')")
    create(db, stub.url)
    in_step(db)
    db.sql("SELECT ai.drop_vectorizer(1, drop_all => true)")
    assert db.value("SELECT embedding::real[] FROM document") == vectors.vector("a", DIMENSIONS)
    assert db.sql("SELECT tgname FROM pg_trigger WHERE tgrelid = 'document'::regclass") == []


def test_a_column_that_is_dropped_is_explained_and_can_come_back(db, stub):
    db.sql(PLAIN)
    create(db, stub.url)
    db.sql("INSERT INTO document VALUES (1, 't', 'a')")
    in_step(db)
    db.sql("ALTER TABLE document DROP COLUMN embedding; INSERT INTO document VALUES (2, 't', 'meanwhile')")
    explained = "SELECT hint FROM ai.vectorizer_health WHERE state = 'not_served' AND reason LIKE 'column %embedding% does not exist'"
    [[hint]] = eventually(lambda: db.sql(explained), what="the health to say why")
    assert "ai.resync()" in hint
    db.sql(f"ALTER TABLE document ADD COLUMN embedding vector({DIMENSIONS}); SELECT ai.resync(1)")
    in_step(db)


def test_its_names_and_its_rights(db, stub):
    db.sql(PLAIN)
    db.sql("CREATE ROLE column_reader")
    try:
        create(db, stub.url, "vec", grant_to="ai.grant_to('column_reader')")
        assert db.sql("SELECT name, target_table, view, embedding_column FROM ai.vectorizer_status") == [
            ("public_document_vec", None, None, "vec")
        ]
        assert db.value("SELECT config -> 'destination' FROM ai.vectorizer") == {
            "config_type": "destination",
            "implementation": "column",
            "embedding_column": "vec",
        }
        rights = "SELECT has_table_privilege('column_reader', 'document', %s)"
        assert (db.value(rights, ["SELECT"]), db.value(rights, ["UPDATE"])) == (True, False)
        assert db.value("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = 'vec'") == "vector(8)"
    finally:
        db.sql("DROP OWNED BY column_reader; DROP ROLE column_reader")


def test_a_column_that_two_share_is_told(db, stub):
    """As in pgai, it is no error."""
    db.sql(PLAIN)
    create(db, stub.url)
    warnings = []
    with db.connect() as connection:
        connection.add_notice_handler(lambda notice: warnings.append(notice.message_primary))
        connection.execute(
            "SELECT ai.create_vectorizer('document', 'second', loading => ai.loading_column('body'),"
            f" embedding => ai.embedding_openai('other', {DIMENSIONS}, base_url => '{stub.url}'),"
            " chunking => ai.chunking_none(), destination => ai.destination_column('embedding'))"
        )
    assert any('already contains the vectors of vectorizer "public_document_embedding"' in text for text in warnings)
    db.sql("INSERT INTO document VALUES (1, 't', 'a')")
    in_step(db)


@pytest.mark.parametrize(
    ("column", "arguments", "refusal"),
    [
        ("embedding", {"chunking": vectorizer.CUT_AT_BARS}, "chunking must be none for column destination"),
        ("title", {}, "column title of public.document has type text, not public.vector(8)"),
        ("wide", {}, "column wide of public.document has type public.vector(9), not public.vector(8)"),
    ],
)
def test_what_can_not_be(db, stub, column, arguments, refusal):
    db.sql(PLAIN)
    db.sql("ALTER TABLE document ADD wide vector(9)")
    with pytest.raises(psycopg.Error) as caught:
        create(db, stub.url, column, **arguments)
    assert caught.value.diag.message_primary == refusal
    assert caught.value.diag.message_hint
