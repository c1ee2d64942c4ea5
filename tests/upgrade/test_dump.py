"""A database with a live vectorizer is dumped, restored, and goes on working."""

import pytest
from support import vectorizer
from support.cluster import Database
from support.index import the_index


@pytest.fixture
def restored(cluster, db, stub):
    """A copy of the database by pg_dump, made while there was still work to do."""
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    vectorizer.create(db, stub.url)
    db.sql("INSERT INTO document SELECT i, 'row ' || i || '|twice' FROM generate_series(1, 20) i")
    vectorizer.in_step(db, ["id"])
    with stub.held():
        db.sql("INSERT INTO document VALUES (100, 'pending')")
        dump = cluster.run("pg_dump", db.name)
        stub.forget()
        copy = cluster.create_database(f"{db.name}_restored")
        cluster.run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={copy.name}", input=dump)
    yield copy
    copy.drop()


def test_nothing_is_embedded_twice_and_nothing_is_forgotten(restored: Database, db, stub):
    vectorizer.in_step(restored, ["id"])
    vectorizer.in_step(db, ["id"])
    # Once for the original and once for the copy, which both had it pending.
    assert set(stub.embedded) == {"pending"}


@pytest.fixture
def admin(db):
    """An administrator of vectorizers who is no superuser, and owns one of the two that there are."""
    role = f"admin_{db.name}"
    db.sql(f"CREATE ROLE {role}; SELECT ai.grant_vectorizer_usage('{role}', admin => true)")
    db.sql(f"GRANT CREATE ON SCHEMA public TO {role}; GRANT {role} TO CURRENT_USER; GRANT pg_read_all_data TO {role}")
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text); INSERT INTO document VALUES (1, 'a|b')")
    db.sql(f"CREATE TABLE own (id int PRIMARY KEY, body text); ALTER TABLE own OWNER TO {role}")
    yield role
    db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.fixture
def two(db, stub, admin):
    vectorizer.create(db, stub.url)
    vectorizer.create(db, "", "own", embedding="ai.embedding_openai('m', 8)")
    db.sql("SELECT ai.create_s3_source('object', 's3://bucket/', schedule => NULL); SELECT ai.disable_s3_source(1)")
    vectorizer.in_step(db, ["id"])
    return admin


def test_an_administrators_dump_has_the_vectorizers_of_all(cluster, db, stub, two):
    dump = cluster.run("pg_dump", f"--role={two}", "--enable-row-security", db.name)
    stub.forget()
    copy = cluster.create_database(f"{db.name}_restored")
    try:
        cluster.run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={copy.name}", input=dump)
        vectorizer.restored(copy)
        vectorizer.in_step(copy, ["id"])
        catalog = "SELECT id, name, config, uuid FROM ai.vectorizer ORDER BY id"
        assert copy.sql(catalog) == db.sql(catalog)
        sources = "SELECT id, name, uri, config FROM ai.s3_source"
        assert copy.sql(sources) == db.sql(sources) != []
        # And nobody sees more there than here.
        secured = "SELECT relname FROM pg_class WHERE relnamespace = 'ai'::regnamespace AND relrowsecurity ORDER BY 1"
        assert copy.sql(secured) == db.sql(secured) != []
        assert stub.embedded.total() == 0
    finally:
        copy.drop()


def test_an_administrator_who_does_not_say_so_has_no_dump_with_half_of_it(cluster, db, two):
    with pytest.raises(AssertionError, match="query would be affected by row-level security policy"):
        cluster.run("pg_dump", f"--role={two}", db.name)
    db.sql(f"ALTER ROLE {two} BYPASSRLS")
    assert "COPY ai.vectorizer " in cluster.run("pg_dump", f"--role={two}", db.name)


def test_half_precision_is_restored(cluster, db, stub):
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text); INSERT INTO document VALUES (1, 'a')")
    half = "ai.destination_table(vector_type => 'halfvec')"
    vectorizer.create(db, stub.url, destination=half, indexing="ai.indexing_hnsw(1, quantization => 'binary')")
    vectorizer.in_step(db, ["id"])
    index = the_index(db)
    dump = cluster.run("pg_dump", db.name)
    copy = cluster.create_database(f"{db.name}_restored")
    try:
        cluster.run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={copy.name}", input=dump)
        vectorizer.restored(copy)
        copy.sql("INSERT INTO document VALUES (2, 'b')")
        vectorizer.in_step(copy, ["id"])
        assert copy.value("SELECT pg_typeof(embedding)::text FROM document_embedding WHERE id = 2") == "halfvec"
        assert the_index(copy) == index
    finally:
        copy.drop()


def test_it_goes_on_working(restored: Database, stub):
    restored.sql("UPDATE document SET body = 'changed' WHERE id = 1")
    restored.sql("DELETE FROM document WHERE id = 2")
    vectorizer.in_step(restored, ["id"])
    restored.sql("CREATE TABLE other (id int PRIMARY KEY, body text); INSERT INTO other VALUES (1, 'x')")
    assert vectorizer.create(restored, stub.url, "other") == 2
    vectorizer.in_step(restored, ["id"], source="other", store="other_embedding_store")
    restored.sql("SELECT ai.drop_vectorizer(1, drop_all => true)")
