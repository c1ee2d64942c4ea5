"""Another model for vectors in a column of the source: they are made in a column beside, which then gets the name."""

import psycopg
import pytest
from support import column, stub, tables, vectorizer
from support.altering import model, over, switch, switches
from support.wait import eventually, settles

NAME = "vectors"
ROWS = 30


@pytest.fixture(params=[tables.PLAIN, tables.PARTITIONED], ids=["plain", "partitioned"])
def document(db, stub, request):
    """A table with vectors in a column, which are complete."""
    return with_vectors(db, stub, request.param)


def with_vectors(db, stub, table: str = tables.PLAIN, **arguments: str):
    db.sql(table)
    db.sql(f"INSERT INTO document (id, title, body) SELECT i, 't', 'row ' || i FROM generate_series(1, {ROWS}) i")
    column.create(db, stub.url, name=f"'{NAME}'", **arguments)
    column.in_step(db)
    stub.forget()
    return db


def alter(db, url: str, dimensions: int = 12, **arguments: str) -> str:
    """Has vectors of another model made. Whoever writes to the source at the moment is given way to, and it is tried again."""
    given = "".join(f", {name} => {expression}" for name, expression in arguments.items())
    statement = f"SELECT ai.alter_vectorizer('{NAME}', embedding => {model(url, dimensions)}{given})"

    def altered() -> str | None:
        try:
            return db.value(statement)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            return None

    return eventually(altered, what="the source to be free")


def complete(db) -> None:
    """Waits until the vectors beside are complete."""
    settles(lambda: db.value("SELECT count(*) FROM document WHERE embedding_new IS NULL"), 0)
    vectorizer.idle(db)


def columns(db) -> list[tuple[str, str]]:
    """The columns with vectors, and their types."""
    return db.sql(
        """SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
           WHERE attrelid = 'document'::regclass AND attname LIKE 'embedding%' ORDER BY 1"""
    )


def test_new_vectors_take_the_name_of_the_old_ones(document, stub):
    assert alter(document, stub.url) == f"{NAME}_new"
    switches(document)
    column.in_step(document, dimensions=12)
    assert columns(document) == [("embedding", "vector(12)"), ("embedding_old", f"vector({vectorizer.DIMENSIONS})")]
    # Each row was embedded once by the new model, and none by the old one.
    assert sum(len(request.inputs) for request in stub.requests) == ROWS
    assert {request.model for request in stub.requests} == {"other"}
    configs = dict(document.sql("SELECT name, config #>> '{destination,embedding_column}' FROM ai.vectorizer"))
    assert configs == {NAME: "embedding", f"{NAME}_old": "embedding_old"}


def test_both_are_kept_in_step(document, stub):
    alter(document, stub.url, switch_when_ready="false")
    complete(document)
    document.sql("UPDATE document SET body = 'new ' || id WHERE id <= 3; DELETE FROM document WHERE id = 4")
    document.sql("INSERT INTO document (id, title, body) VALUES (99, 't', 'last')")
    column.in_step(document)
    column.in_step(document, column="embedding_new", dimensions=12)

    switch(document, NAME)
    document.sql("UPDATE document SET body = 'newer' WHERE id <= 3; UPDATE document SET body = NULL WHERE id = 5")
    column.in_step(document, dimensions=12)
    column.in_step(document, column="embedding_old")


def test_going_back_and_forth(document, stub):
    alter(document, stub.url)
    switches(document)
    document.sql("UPDATE document SET body = 'new' WHERE id = 1")
    column.in_step(document, dimensions=12)
    column.in_step(document, column="embedding_old")
    stub.forget()
    switch(document, NAME, "revert_vectorizer")
    column.in_step(document)
    assert [name for name, _ in columns(document)] == ["embedding", "embedding_new"]
    switch(document, NAME)
    column.in_step(document, dimensions=12)
    assert stub.requests == []


def test_what_was_kept_is_dropped_when_its_time_is_over(document, stub):
    alter(document, stub.url, keep_old="'0'")
    over(document)
    assert columns(document) == [("embedding", "vector(12)")]
    document.sql("UPDATE document SET body = 'new' WHERE id = 1")
    column.in_step(document, dimensions=12)


@pytest.mark.parametrize("statement", [f"ai.cancel_alteration('{NAME}')", f"ai.drop_vectorizer('{NAME}_new', drop_all => true)"])
def test_giving_up_leaves_no_trace(document, stub, statement):
    with stub.held():
        alter(document, stub.url)
        document.sql(f"SELECT {statement}")
    assert columns(document) == [("embedding", f"vector({vectorizer.DIMENSIONS})")]
    assert document.sql("SELECT FROM ai.vectorizer_alterations") == []


def test_the_old_column_stays_while_somebody_reads_the_table(document, stub):
    alter(document, stub.url, keep_old="'1 second'")
    switches(document)
    with document.connect(autocommit=False) as session:
        session.execute("SELECT FROM document")
        eventually(lambda: document.value("SELECT problem FROM ai.vectorizer_alterations"), what="the lock to be waited for")
        assert "lock timeout" in document.value("SELECT problem FROM ai.vectorizer_alterations")
    over(document)
    assert columns(document) == [("embedding", "vector(12)")]


@pytest.fixture
def reader(document):
    document.sql("CREATE ROLE reader LOGIN")
    yield "reader"
    document.sql("DROP OWNED BY reader CASCADE; DROP ROLE reader")


@pytest.mark.parametrize("dimensions", [12, vectorizer.DIMENSIONS])
def test_views_and_rights_go_over(document, stub, reader, dimensions):
    document.sql(
        f"""CREATE VIEW vectors_of AS SELECT id, embedding FROM document;
           CREATE VIEW ids_of AS SELECT id FROM vectors_of WHERE embedding IS NOT NULL;
           CREATE VIEW bodies AS SELECT id, body FROM document;
           GRANT SELECT ON vectors_of TO {reader}; GRANT SELECT (id, embedding) ON document TO {reader};
           COMMENT ON COLUMN document.embedding IS 'what it means'"""
    )
    oid = document.value("SELECT 'bodies'::regclass::oid")
    alter(document, stub.url, dimensions, keep_old="'0'")
    over(document)
    assert columns(document) == [("embedding", f"vector({dimensions})")]
    for relation in ("vectors_of", "document"):
        read = f"SELECT DISTINCT vector_dims(embedding) FROM {relation}"
        assert document.sql(read, user=reader) == [(dimensions,)]
    assert document.value("SELECT count(*) FROM ids_of") == ROWS
    assert document.value("SELECT 'bodies'::regclass::oid") == oid
    comment = "SELECT col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'document'::regclass AND attname = 'embedding'"
    assert document.value(comment) == "what it means"


DEPENDENTS = {
    "a policy": "CREATE POLICY p ON document USING (embedding IS NOT NULL)",
    "a constraint": "ALTER TABLE document ADD CONSTRAINT c CHECK (vector_dims(embedding) > 0)",
    "a function": "CREATE FUNCTION f() RETURNS bigint BEGIN ATOMIC SELECT count(embedding) FROM document; END",
    "a materialized view": "CREATE MATERIALIZED VIEW m AS SELECT embedding FROM document",
    # They would be dropped with the old column.
    "a unique index": "CREATE UNIQUE INDEX ON document (title, id) WHERE embedding IS NOT NULL",
    "an index of another column": "CREATE INDEX ON document (title) WHERE embedding IS NULL",
}


@pytest.mark.parametrize("statement", DEPENDENTS.values(), ids=DEPENDENTS)
def test_what_can_not_go_over_is_named(db, stub, statement):
    with_vectors(db, stub)
    db.sql(statement)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="cannot replace column embedding of public.document"):
        alter(db, stub.url)
    assert len(columns(db)) == 1


def test_a_name_that_is_taken_is_left_alone(db, stub):
    with_vectors(db, stub)
    db.sql("ALTER TABLE document ADD embedding_new int, ADD embedding_old int")
    alter(db, stub.url, keep_old="'0'")
    over(db)
    assert columns(db) == [("embedding", "vector(12)"), ("embedding_new", "integer"), ("embedding_old", "integer")]


def test_the_index_is_the_new_columns(db, stub):
    with_vectors(db, stub, indexing="ai.indexing_hnsw(min_rows => 1)")
    index = "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam WHERE m.amname = 'hnsw'"
    eventually(lambda: db.sql(index), what="the index")
    [first] = db.sql(index)
    alter(db, stub.url, keep_old="'0'")
    over(db)
    assert db.sql(index) == [first]


def test_a_search_is_answered_by_the_model_of_its_column(db, stub):
    with_vectors(db, stub)
    search = f"SELECT key ->> 'id' FROM ai.search('{NAME}', 'row 7', k => 1)"
    assert db.value(search) == "7"
    alter(db, stub.url)
    switches(db)
    assert db.value(search) == "7"
    assert {request.model for request in stub.requests if request.inputs == ["row 7"]} == {"stub", "other"}


def test_a_view_of_both_is_named(db, stub):
    """Defined anew, it would name a column that has another name by then."""
    with_vectors(db, stub)
    alter(db, stub.url, switch_when_ready="false")
    db.sql("CREATE VIEW everything AS SELECT * FROM document")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="view public.everything reads the new and the old ones"):
        switch(db, NAME)
    db.sql("DROP VIEW everything")
    switch(db, NAME)


def test_another_vectorizer_on_the_source_keeps_its_view(db, stub):
    """Its view has the column as well, and is created anew when the type changes."""
    with_vectors(db, stub)
    vectorizer.create(db, stub.url, name="'other'", destination="ai.destination_table('other')")
    vectorizer.idle(db)
    alter(db, stub.url, keep_old="'0'")
    settles(lambda: db.value("SELECT count(*) FROM ai.vectorizer"), 2)
    db.sql("ALTER TABLE document ENABLE ROW LEVEL SECURITY")
    options = "SELECT reloptions FROM pg_class WHERE relname = 'other'"
    assert db.value(options) == ["security_invoker=true"]
    db.sql("SELECT ai.drop_vectorizer('other', drop_all => true)")
    assert db.sql(options) == []


def test_a_column_that_another_vectorizer_writes_to_is_left_alone(db, stub):
    with_vectors(db, stub)
    column.create(db, stub.url, name="'other'")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match='vectorizer "other" writes to column embedding'):
        alter(db, stub.url)


def test_an_inherited_column_is_left_alone(db, stub):
    db.sql(f"CREATE TABLE above (embedding vector({vectorizer.DIMENSIONS})); {tables.PLAIN}; ALTER TABLE document ADD embedding vector({vectorizer.DIMENSIONS})")
    db.sql("ALTER TABLE document INHERIT above")
    column.create(db, stub.url, name=f"'{NAME}'")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot replace inherited column embedding"):
        alter(db, stub.url)


def test_whoever_reads_the_source_is_not_waited_for(db, stub):
    """Who waits to add a column keeps everybody else waiting."""
    with_vectors(db, stub)
    with db.connect(autocommit=False) as session:
        session.execute("SELECT FROM document")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            db.sql(f"SET statement_timeout = '30s'; SELECT ai.alter_vectorizer('{NAME}', embedding => {model(stub.url, 12)})")
    alter(db, stub.url)


def test_rights_on_the_column_go_over_however_they_were_granted(document, stub, reader):
    """By a right on the whole table; and what was granted on the new one is no more."""
    document.sql(f"CREATE ROLE between; GRANT SELECT ON document TO between WITH GRANT OPTION; GRANT between TO postgres")
    try:
        document.sql(f"GRANT USAGE, CREATE ON SCHEMA public TO between; SET ROLE between; GRANT SELECT (embedding) ON document TO {reader}")
        alter(document, stub.url, switch_when_ready="false")
        document.sql(f"GRANT UPDATE (embedding_new) ON document TO {reader}")
        switch(document, NAME)
        rights = f"SELECT has_column_privilege('{reader}', 'document', %s, %s)"
        asked = [("embedding", "SELECT"), ("embedding", "UPDATE"), ("embedding_old", "SELECT")]
        assert [document.value(rights, [*right]) for right in asked] == [True, False, False]
    finally:
        document.sql("DROP TABLE document CASCADE; DROP OWNED BY between CASCADE; DROP ROLE between")
