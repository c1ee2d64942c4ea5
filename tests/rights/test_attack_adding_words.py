"""Words are added to older chunks in turns of their owner's, which are as short and as few as others of hers."""

import pytest
from support import egress
from support.tenant import Tenant
from support.wait import eventually

# Milliseconds that an owner's statement may take in the worker.
LIMIT = 500


@pytest.fixture
def tenants(cluster_factory, stub) -> tuple[Tenant, Tenant]:
    """Mallory and Alice, who share a database, on a cluster of its own."""
    conf = egress.settings(stub.url) | {"pgai_rs.owner_statement_timeout": f"{LIMIT}ms"}
    db = cluster_factory(conf=conf).create_database("shared")
    db.sql("CREATE EXTENSION pgai_rs CASCADE")
    return Tenant(db, "mallory", stub.url), Tenant(db, "alice", stub.url)


def with_chunks(tenant: Tenant, many: int, *tables: str) -> None:
    """Vectorizers of hers with so many chunks each."""
    for table in tables:
        tenant.vectorizer(table)
        tenant.sql(f"INSERT INTO {tenant.name}.{table} SELECT 1, string_agg('chunk ' || i, '|') FROM generate_series(1, {many}) i")
    for table in tables:
        eventually(lambda: tenant.rows(table) == [1], what="the chunks to be there")  # noqa: B023


def add_words(tenant: Tenant, body: str, table: str = "document", each: str = "STATEMENT") -> None:
    """Has words kept for the chunks that there are, with a trigger of hers that does this before they are written."""
    store = f"{tenant.name}.{table}_embedding_store"
    with tenant.db.connect(user=tenant.name) as session:
        session.execute(f"""
            BEGIN;
            SELECT ai.alter_vectorizer({tenant.ids[table]}, search => ai.search_hybrid('simple'));
            CREATE FUNCTION {store}_words_wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN new; END $$;
            CREATE TRIGGER wait BEFORE INSERT ON {store}_words FOR EACH {each} EXECUTE FUNCTION {store}_words_wait();
            COMMIT
        """)


def has_words(tenant: Tenant, table: str = "document") -> bool:
    ready = "SELECT words_ready FROM ai._vectorizer_binding WHERE vectorizer_id = %s"
    return tenant.db.value(ready, [tenant.ids[table]])


def test_words_that_take_their_time_are_added_to_fewer_chunks_at_once(tenants):
    """Those of all that are looked at first take longer than an owner's statement may."""
    mallory, _ = tenants
    with_chunks(mallory, 80, "document")
    add_words(mallory, "PERFORM pg_sleep(0.03);", each="ROW")
    eventually(lambda: has_words(mallory), what="the words to be there")
