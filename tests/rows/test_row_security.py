"""Row security of a source: nobody sees chunks of a row that the source does not show."""

import contextlib

import psycopg
import pytest
from support import egress, vectorizer
from support.tenant import Tenant

MINE = "CREATE POLICY mine ON document USING (owner = current_user)"


@pytest.fixture
def readers(db):
    """Two roles that may read, each of which has rows of its own."""
    names = [f"{who}_{db.name}" for who in ("ann", "ben")]
    db.sql("CREATE TABLE document (id int PRIMARY KEY, owner name, body text)")
    for name in names:
        db.sql(f"CREATE ROLE {name} LOGIN")
    db.sql("INSERT INTO document VALUES (1, %s, 'hers|all hers'), (2, %s, 'his')", names)
    yield names
    for name in names:
        db.sql(f"DROP OWNED BY {name}; DROP ROLE {name}")


def create(db, stub, readers) -> None:
    granted = ", ".join(f"'{name}'" for name in readers)
    vectorizer.create(db, stub.url, grant_to=f"ai.grant_to({granted})")
    vectorizer.in_step(db, ["id"])


def seen(db, reader: str) -> list[set[str]]:
    """The chunks that a reader sees in the store and in the view."""
    return [
        {chunk for [chunk] in db.sql(f"SELECT chunk FROM {relation}", user=reader)}
        for relation in ("document_embedding_store", "document_embedding")
    ]


@contextlib.contextmanager
def refused():
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        yield
    assert "document" in str(caught.value)


def sees_only_its_own(db, readers) -> None:
    hers, his = readers
    assert seen(db, hers) == [{"hers", "all hers"}] * 2
    assert seen(db, his) == [{"his"}] * 2


def test_it_holds_for_a_vectorizer_made_after_it(db, stub, readers):
    db.sql(f"ALTER TABLE document ENABLE ROW LEVEL SECURITY; {MINE}")
    create(db, stub, readers)
    sees_only_its_own(db, readers)
    # And the worker goes on, as the owner of all.
    db.sql("UPDATE document SET body = 'his|again' WHERE id = 2")
    vectorizer.in_step(db, ["id"])
    assert seen(db, readers[1]) == [{"his", "again"}] * 2


def test_it_holds_for_a_vectorizer_made_before_it(db, stub, readers):
    create(db, stub, readers)
    assert seen(db, readers[0]) == [{"hers", "all hers", "his"}] * 2
    db.sql(f"ALTER TABLE document ENABLE ROW LEVEL SECURITY; {MINE}")
    sees_only_its_own(db, readers)
    # A second time changes nothing.
    db.sql("ALTER TABLE document ENABLE ROW LEVEL SECURITY")
    sees_only_its_own(db, readers)


def test_it_holds_for_rows_of_partitions_and_keys_of_several_columns(db, stub, readers):
    hers, his = readers
    db.sql("DROP TABLE document; CREATE TABLE document (id int, \"Of\" text, owner name, body text, PRIMARY KEY (\"Of\", id))"
           " PARTITION BY LIST (\"Of\")")
    db.sql("CREATE TABLE a PARTITION OF document FOR VALUES IN ('a'); CREATE TABLE b PARTITION OF document DEFAULT")
    db.sql("INSERT INTO document VALUES (1, 'a', %s, 'hers|all hers'), (1, 'b', %s, 'his')", readers)
    db.sql(f"ALTER TABLE document ENABLE ROW LEVEL SECURITY; {MINE}")
    granted = ", ".join(f"'{name}'" for name in readers)
    vectorizer.create(db, stub.url, grant_to=f"ai.grant_to({granted})")
    vectorizer.in_step(db, ["Of", "id"])
    sees_only_its_own(db, readers)


def test_who_may_not_read_the_source_reads_no_chunks_of_it(db, stub, readers):
    db.sql(f"ALTER TABLE document ENABLE ROW LEVEL SECURITY; {MINE}")
    vectorizer.create(db, stub.url)
    vectorizer.in_step(db, ["id"])
    db.sql(f"GRANT SELECT ON document_embedding_store, document_embedding TO {readers[0]}")
    for relation in ("document_embedding_store", "document_embedding"):
        with refused():
            db.sql(f"SELECT chunk FROM {relation}", user=readers[0])


def test_it_holds_where_vectors_go_to_a_column(db, stub, readers):
    db.sql(f"ALTER TABLE document ENABLE ROW LEVEL SECURITY; {MINE}; UPDATE document SET body = owner")
    granted = ", ".join(f"'{name}'" for name in readers)
    vectorizer.create(db, stub.url, chunking="ai.chunking_none()", destination="ai.destination_column('v')",
                      grant_to=f"ai.grant_to({granted})")
    vectorizer.idle(db)
    for reader in readers:
        assert db.sql("SELECT owner::text, v IS NOT NULL FROM document", user=reader) == [(reader, True)]


@pytest.fixture
def tenant(db, stub):
    """An owner whom policies can bind, as they do no superuser."""
    egress.allow(db.cluster, stub.url)
    tenant = Tenant(db, f"owner_of_{db.name}", stub.url)
    yield tenant
    egress.allow_nothing(db.cluster)
    db.sql(f"DROP OWNED BY {tenant.name} CASCADE; DROP ROLE {tenant.name}")


def test_chunks_that_a_policy_hides_are_not_taken_for_gone(db, tenant):
    """The trigger would leave them where they are, and nobody would hear of it."""
    tenant.vectorizer()
    tenant.is_served(1)
    store = f"{tenant.name}.document_embedding_store"
    tenant.sql(f"ALTER TABLE {store} ENABLE ROW LEVEL SECURITY; ALTER TABLE {store} FORCE ROW LEVEL SECURITY")
    told = []
    with db.connect(user=tenant.name) as session:
        session.add_notice_handler(lambda notice: told.append(notice.message_primary))
        session.execute(f"DELETE FROM {tenant.name}.document")
    assert any("row-level security" in message for message in told), told
