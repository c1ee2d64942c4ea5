"""What others have made of a store and its view goes over to the new one: views, rights, row security, a dump."""

import psycopg
import pytest
from support import altering, vectorizer
from support.altering import STORE, VIEW, alter, model, over, switches


@pytest.fixture
def document(db, stub):
    return altering.document(db, stub)


@pytest.fixture
def reader(db):
    role = f"reader_{db.name}"
    db.sql(f"CREATE ROLE {role} LOGIN")
    yield role
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.mark.parametrize("numbers", [vectorizer.DIMENSIONS, 12])
def test_views_and_rights_go_over(document, stub, reader, numbers):
    document.sql(f"""
        CREATE VIEW short WITH (security_barrier = true) AS SELECT id, chunk, embedding FROM {VIEW} WHERE id < 10;
        CREATE VIEW shorter AS SELECT id, vector_dims(embedding) AS d FROM short WHERE id < 5;
        CREATE VIEW raw AS SELECT id, chunk_seq FROM {STORE};
        COMMENT ON VIEW short IS 'the first''s';
        GRANT SELECT ON {VIEW}, short, shorter, raw TO {reader};
        GRANT SELECT, DELETE ON {STORE} TO {reader} WITH GRANT OPTION;
    """)
    alter(document, embedding=model(stub.url, numbers), keep_old="'0'")
    over(document)
    assert document.sql("SELECT DISTINCT d FROM shorter", user=reader) == [(numbers,)]
    assert document.value("SELECT count(*) FROM shorter", user=reader) == 8
    assert document.value("SELECT count(*) FROM raw", user=reader) == 2 * altering.ROWS
    assert document.value(f"SELECT count(*) FROM {VIEW}", user=reader) == 2 * altering.ROWS
    assert document.value("SELECT obj_description('short'::regclass)") == "the first's"
    assert document.value("SELECT reloptions FROM pg_class WHERE relname = 'short'") == ["security_barrier=true"]
    rights = f"SELECT has_table_privilege('{reader}', '{STORE}', 'DELETE WITH GRANT OPTION')"
    assert document.value(rights)
    assert not document.value(f"SELECT has_table_privilege('{reader}', '{STORE}', 'UPDATE')")


def test_views_of_others_stay_theirs(document, stub, reader):
    document.sql(f"CREATE SCHEMA theirs AUTHORIZATION {reader}; GRANT SELECT ON {VIEW} TO {reader}; GRANT SELECT ON {STORE} TO {reader}")
    document.sql(f"CREATE VIEW theirs.mine AS SELECT id, embedding FROM {VIEW}", user=reader)
    alter(document, embedding=model(stub.url, 12), keep_old="'0'")
    over(document)
    assert document.value("SELECT count(*) FROM theirs.mine", user=reader) == 2 * altering.ROWS
    assert document.value("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'mine'") == reader


@pytest.mark.parametrize("dependent", [
    f"CREATE MATERIALIZED VIEW kept AS SELECT id FROM {STORE}",
    f"CREATE TABLE said (chunk uuid REFERENCES {STORE} (embedding_uuid))",
    f"CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM {STORE}; END",
])  # fmt: skip
def test_what_can_not_go_over_is_said_at_once(document, stub, dependent):
    document.sql(dependent)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match=f"cannot replace public.{STORE}") as error:
        alter(document, embedding=model(stub.url, 12))
    assert "They are: " in error.value.diag.message_detail
    assert altering.leftovers(document) == []


def test_what_hangs_on_the_type_of_a_view_is_in_the_way_of_other_dimensions_only(document, stub):
    document.sql(f"CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM {VIEW}; END")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        alter(document, embedding=model(stub.url, 12))
    alter(document, embedding=model(stub.url), keep_old="'0'")
    over(document)
    assert document.value("SELECT counted()") == 2 * altering.ROWS


@pytest.mark.parametrize("search", ["ai.search_none()", "ai.search_hybrid()"])
def test_row_security_goes_over(db, stub, reader, search):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, title text, body text)")
    db.sql("INSERT INTO document SELECT i, 't', 'row ' || i FROM generate_series(1, 9) i")
    db.sql("ALTER TABLE document ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON document USING (id <= 3)")
    vectorizer.create(db, stub.url, search=search)
    vectorizer.idle(db)
    db.sql(f"GRANT SELECT ON document, {VIEW}, {STORE} TO {reader}")
    alter(db, embedding=model(stub.url, 12))
    switches(db)
    for relation in (VIEW, STORE):
        assert db.value(f"SELECT count(*) FROM {relation}", user=reader) == 3
    old = f"SELECT relrowsecurity FROM pg_class WHERE relname = '{STORE}_old'"
    assert db.value(old)


def test_what_is_altered_survives_a_dump(document, stub, cluster):
    alter(document, embedding=model(stub.url, 12))
    switches(document)
    dumped = cluster.run("pg_dump", document.name)
    restored = cluster.create_database(f"{document.name}_restored")
    try:
        cluster.run("psql", "-q", "-v", "ON_ERROR_STOP=1", restored.name, input=dumped)
        vectorizer.restored(restored)
        restored.sql("UPDATE document SET body = 'after' WHERE id = 1")
        vectorizer.in_step(restored, ["id"], dimensions=12)
        vectorizer.in_step(restored, ["id"], store=f"{STORE}_old")
        altering.switch(restored, step="revert_vectorizer")
        vectorizer.in_step(restored, ["id"])
    finally:
        restored.drop()
