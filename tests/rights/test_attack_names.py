"""Names that somebody else needs, held by a transaction that does not end."""

import psycopg
import pytest
from support import vectorizer

EMBEDDING = "ai.embedding_openai('text-embedding-3-small', 8)"

# What Mallory does, and leaves uncommitted.
HELD = {
    "the store": "CREATE TABLE public.document_embedding_store ()",
    "the view": "CREATE TYPE public.document_embedding AS ()",
    "the vectorizer": "name => 'public_document_embedding_store'",
    "the store of her own": "destination => ai.destination_table('document_embedding')",
}


@pytest.fixture
def mallory(db):
    """A role that may declare vectorizers, and make objects in the schema that all use."""
    name = f"mallory_{db.name}"
    db.sql(f"CREATE ROLE {name} LOGIN; SELECT ai.grant_vectorizer_usage('{name}'); CREATE SCHEMA m AUTHORIZATION {name}")
    db.sql(f"GRANT CREATE ON SCHEMA public TO {name}")
    db.sql("CREATE TABLE m.t (id int PRIMARY KEY, body text)", user=name)
    # Who waits without end is told so.
    db.sql(f"ALTER DATABASE {db.name} SET statement_timeout = '60s'")
    yield name
    db.sql(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def statement(held: str) -> str:
    if held.startswith("CREATE"):
        return held
    return f"SELECT ai.create_vectorizer('m.t', loading => ai.loading_column('body'), embedding => {EMBEDDING}, {held})"


@pytest.mark.parametrize("which", HELD)
def test_who_declares_waits_for_no_name_without_end(db, mallory, which):
    """The source can't be written to meanwhile."""
    db.sql("CREATE TABLE document (id int PRIMARY KEY, body text)")
    with db.connect(user=mallory, autocommit=False) as attack:
        attack.execute(statement(HELD[which]))
        with pytest.raises(psycopg.errors.LockNotAvailable) as refused:
            vectorizer.create(db, "", embedding=EMBEDDING)
        assert "another name" in refused.value.diag.message_hint
        # The transaction is still open, and in nobody's way.
        db.sql("INSERT INTO document VALUES (1, 'a')")
        vectorizer.create(db, "", embedding=EMBEDDING, destination="ai.destination_table('other')")
        attack.rollback()
    vectorizer.create(db, "", embedding=EMBEDDING)


def test_who_declares_an_s3_source_waits_for_no_name_without_end(db, mallory):
    declaration = "SELECT ai.create_s3_source('public.{}', 's3://bucket/', schedule => NULL)"
    with db.connect(user=mallory, autocommit=False) as attack:
        attack.execute("CREATE TABLE public.object ()")
        with pytest.raises(psycopg.errors.LockNotAvailable) as refused:
            db.sql(declaration.format("object"))
        assert "another name" in refused.value.diag.message_hint
        db.sql(declaration.format("other"))
        attack.rollback()
    db.sql("SELECT ai.create_s3_source('public.object', 's3://another/', schedule => NULL)")
