"""A database with a live vectorizer is dumped, restored, and goes on working."""

import pytest
from support import vectorizer
from support.cluster import Database


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


def test_an_administrator_dumps_it_who_is_no_superuser(cluster, db):
    role = f"admin_{db.name}"
    db.sql(f"CREATE ROLE {role}; SELECT ai.grant_vectorizer_usage('{role}', admin => true)")
    try:
        db.sql(f"GRANT CREATE ON SCHEMA public TO {role}; GRANT {role} TO CURRENT_USER")
        db.sql(f"SET ROLE {role}; CREATE TABLE document (id int PRIMARY KEY, body text)")
        vectorizer.create(db, "", embedding="ai.embedding_openai('m', 8)")
        dump = cluster.run("pg_dump", f"--role={role}", db.name)
        assert "COPY ai.vectorizer " in dump and "COPY ai._vectorizer_q_1 " in dump
    finally:
        db.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_it_goes_on_working(restored: Database, stub):
    restored.sql("UPDATE document SET body = 'changed' WHERE id = 1")
    restored.sql("DELETE FROM document WHERE id = 2")
    vectorizer.in_step(restored, ["id"])
    restored.sql("CREATE TABLE other (id int PRIMARY KEY, body text); INSERT INTO other VALUES (1, 'x')")
    assert vectorizer.create(restored, stub.url, "other") == 2
    vectorizer.in_step(restored, ["id"], source="other", store="other_embedding_store")
    restored.sql("SELECT ai.drop_vectorizer(1, drop_all => true)")
